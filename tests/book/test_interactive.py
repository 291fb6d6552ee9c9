import json
import re

import pandas as pd
import pytest
from IPython.display import Markdown

from crosscorpus.book import interactive
from crosscorpus.scores import metrics

EMOTIONS = ["anger", "fear"]


def predictions():
    """Two folds of two utterances in one cell: three right of four; and one cell more, all wrong."""
    rows = [
        ("speaker", "emodb", 1, "a", "anger", "anger"),
        ("speaker", "emodb", 1, "b", "fear", "anger"),
        ("speaker", "emodb", 2, "c", "anger", "anger"),
        ("speaker", "emodb", 2, "d", "fear", "fear"),
        ("stratified", "ravdess", 1, "e", "anger", "fear"),
    ]
    table = pd.DataFrame(rows, columns=["regime", "test_corpus", "fold", "utterance", "emotion", "predicted"])
    return table.assign(ptm="whisper-base", head="fcn", seed=0, train_corpus="emodb")


def data_of(view):
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', view.data, re.DOTALL)[1])


def test_the_grid_has_score_spread_and_number_of_utterances():
    data = data_of(interactive.grid(metrics.per_fold(predictions())))
    assert data["choices"]["model"] == ["Whisper"]
    assert data["choices"]["folds"] == ["speaker", "stratified"]
    assert data["rows"] == data["columns"] == ["Emo-DB", "RAVDESS"]
    accuracy = data["matrices"]["0,0,0,0"]
    assert accuracy[0][0] == [75.0, 35.4, 4]  # folds of 50 and 100 percent
    assert accuracy[0][1] is accuracy[1][0] is accuracy[1][1] is None
    # One fold has no spread; and the cell is of one emotion, where the other is of two.
    assert data["matrices"]["0,0,1,0"][0][1] == [0.0, None, 1, 1]


def test_the_grid_shows_the_decimal_that_tables_show():
    # 4 of 21 are 19.0476 %: 19.0 in a table, and 19.1 where it was rounded to 19.05 before.
    rows = [("speaker", "emodb", 1, str(i), EMOTIONS[i % 2], EMOTIONS[(i + (i >= 4)) % 2]) for i in range(21)]
    table = pd.DataFrame(rows, columns=predictions().columns[:6])
    scores = metrics.per_fold(table.assign(ptm="whisper-base", head="fcn", seed=0, train_corpus="emodb"))
    means = metrics.summary(scores).iloc[0]
    assert means["accuracy"] == pytest.approx(100 * 4 / 21)
    for number, metric in enumerate(metrics.METRICS):
        value = data_of(interactive.grid(scores))["matrices"][f"0,0,0,{number}"][0][0][0]
        assert f"{value:.1f}" == f"{means[metric]:.1f}"


def test_utterances_are_not_counted_again_for_each_seed():
    twice = pd.concat([predictions(), predictions().assign(seed=1)])
    assert data_of(interactive.grid(metrics.per_fold(twice)))["matrices"]["0,0,0,0"][0][0][2] == 4


def test_predictions_are_counted_true_by_predicted():
    data = data_of(interactive.predictions(predictions(), EMOTIONS))
    assert data["choices"]["tested on"] == ["Emo-DB", "RAVDESS"]
    assert data["matrices"] == {"0,0,0,0,0": [[2, 0], [1, 1]], "0,0,1,0,1": [[0, 1], [0, 0]]}


def test_points_keep_their_utterance_and_their_shape():
    table = pd.DataFrame({"x": [0.0, 2.0], "y": [1.0, 2.0], "utterance": ["a", "b"], "emotion": EMOTIONS,
                          "corpus": "emodb", "speaker": ["03", None], "text_id": ["a01", "a02"]})  # fmt: skip
    data = data_of(interactive.points({"one": table}))
    panel = data["panels"]["one"]
    assert (panel["x"], panel["y"]) == ([0, 1000], [0, 500])  # one scale for both axes
    assert panel["name"] == ["a", "b"]
    assert panel["speaker"] == ["03", ""]
    assert set(panel["emotion"]) <= set(data["colours"]["emotion"])
    assert set(panel["corpus"]) <= set(data["colours"]["corpus"])


def test_speakers_and_texts_are_those_of_a_corpus():
    table = pd.DataFrame({"x": [0.0, 2.0, 3.0], "y": 1.0, "utterance": list("abc"), "emotion": "anger",
                          "corpus": ["emodb", "mesd", "mesd"], "speaker": ["03", "03", None]})  # fmt: skip
    data = data_of(interactive.points({"all": table.assign(text_id="")}))
    assert data["panels"]["all"]["speaker"] == ["Emo-DB 03", "MESD 03", ""]
    assert list(data["colours"]["speaker"]) == ["Emo-DB 03", "MESD 03", ""]
    assert data["choices"]["colour"] == ["emotion", "corpus", "speaker"]  # no text is named
    assert "audio" not in data["panels"]["all"]


def test_a_point_plays_what_is_on_this_machine(tmp_path, monkeypatch):
    folder = tmp_path / "corpora" / "emodb"
    folder.mkdir(parents=True)
    (folder / "ä b.wav").write_bytes(b"RIFF")
    monkeypatch.setenv("CROSSCORPUS_MIRROR", str(tmp_path))
    table = pd.DataFrame({"x": [0.0, 2.0, 3.0], "y": 1.0, "utterance": list("abc"), "emotion": "anger",
                          "speaker": "", "corpus": "emodb", "text_id": "",
                          "path": ["ä b.wav", "ä b.wav", "gone.wav"],
                          "start": [float("nan"), 1.5, 0], "end": [float("nan"), 2, 1]})  # fmt: skip
    found = data_of(interactive.points({"one": table}, listen=True))["panels"]["one"]["audio"]
    address = (folder / "ä b.wav").resolve().as_uri()
    assert found == [address, f"{address}#t=1.5,2.0", ""]


def test_a_view_has_a_static_version():
    scores = metrics.per_fold(predictions())
    html = re.sub(r"<script.*?</script>", "", interactive.grid(scores).data, flags=re.DOTALL)
    assert "Whisper, FCN, speaker, accuracy (%)" in html
    assert ">75.0</td>" in html
    assert ">2</td>" in re.sub(r"<script.*?</script>", "", interactive.predictions(predictions(), EMOTIONS).data)


def test_no_name_ends_the_data():
    table = pd.DataFrame({"x": [0.0, 1], "y": [0.0, 1], "utterance": ["</script><b>", "b"], "emotion": "anger",
                          "corpus": "emodb", "speaker": "", "text_id": ""})  # fmt: skip
    view = interactive.points({"one": table})
    assert view.data.count("</script>") == 1
    assert data_of(view)["panels"]["one"]["name"][0] == "</script><b>"


@pytest.mark.parametrize(
    "view",
    [
        lambda: interactive.grid(pd.DataFrame()),
        lambda: interactive.predictions(pd.DataFrame(), EMOTIONS),
        lambda: interactive.points({}),
    ],
)
def test_without_embeddings_a_sentence_says_so(view):
    assert isinstance(view(), Markdown)


def test_confusions_are_split_by_speaker_and_by_text():
    utterances = pd.DataFrame(
        {"corpus": "emodb", "utterance": list("abcdx"), "speaker": ["7", "7", "03", None, "9"], "text_id": ""}
    ).assign(emotion="unused")
    other = pd.DataFrame(
        {"corpus": ["ravdess"], "utterance": ["e"], "speaker": ["1"], "text_id": ["kids </script>"]}
    )
    data = data_of(interactive.predictions_by(predictions(), pd.concat([utterances, other]), EMOTIONS))
    assert data["rows_of"]["0,1"] == ["speaker 03", "speaker 7"]  # who is not named has no row
    assert data["matrices"]["0,1,0"] == [[1, 0], [2, 0]]
    assert data["matrices"]["0,1,2"] == [[0, 0], [1, 0]]  # of fear alone
    assert data["matrices"]["0,0,0"] == [[2, 0], [1, 1]]
    assert (data["rows_of"]["0,2"], data["matrices"]["0,2,0"]) == ([], [])  # a corpus without texts
    assert (data["rows_of"]["1,2"], data["matrices"]["1,2,1"]) == (["text kids </script>"], [[0, 1]])
    assert isinstance(interactive.predictions_by(predictions().iloc[:0], other, EMOTIONS), Markdown)
