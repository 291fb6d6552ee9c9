"""Published splits: what is committed, what may be committed, and what folds make of it."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from crosscorpus.corpora import corpus_entries, corpus_registry, file_lists
from crosscorpus.protocols import cells, fold_overviews, folds, official_splits, protocol_settings

SETTINGS = protocol_settings.load()
FIVE = SETTINGS["emotions"]


@pytest.fixture(scope="module")
def overview():
    return official_splits.overview().set_index("corpus")


@pytest.fixture
def toys(tmp_path, monkeypatch):
    """A corpus `toys`, by the grammar of Emo-DB, and a function that publishes a split of it."""
    entry = dataclasses.replace(corpus_registry.get("emodb"), id="toys", same_audio=())
    known = corpus_registry.registry() | {"toys": entry}
    monkeypatch.setattr(corpus_registry, "registry", lambda: known)
    monkeypatch.setattr(official_splits, "folder", lambda: tmp_path)

    def publish(fold, **columns):
        table = pd.DataFrame({"utterance": [f"u{i}" for i in range(len(fold))], "fold": fold})
        rest = {column: columns.get(column, "") for column in official_splits.COLUMNS if column not in table}
        table = table.assign(**rest)[official_splits.COLUMNS]
        official_splits.write(table, tmp_path / "toys.parquet")
        emotions = [["anger", "fear"][i % 2] for i in range(len(fold))]
        return table.drop(columns="fold").assign(
            corpus="toys", emotion=emotions, text_id="", sha256=[f"{i:064d}" for i in range(len(fold))]
        )

    return publish


# -- what is committed ----------------------------------------------------------------------------------------


def test_there_are_splits_of_32_corpora_in_less_than_two_and_a_half_megabytes(overview):
    assert len(overview) == 32
    assert sum(file.stat().st_size for file in official_splits.folder().iterdir()) < 2.5e6
    assert set(official_splits.source()["owners"]) < set(overview.index)


def test_sixteen_of_them_are_one_part_of_a_quarter_with_the_same_voices_in_training(overview):
    dealt = overview[(overview["folds"] == 1) & (overview["by"] == "EmoBox")]
    assert len(dealt) == 16
    assert (dealt["test"] / dealt["utterances"]).between(0.235, 0.252).all()
    assert dealt["shared"].min() >= 98
    assert (dealt["shared"] == 100).sum() == 14


def test_folds_of_emodb_share_all_speakers_and_of_the_papers_five_corpora_ravdess_alone_shares_none(overview):
    assert overview.loc["emodb", ["speakers", "folds", "test", "shared"]].tolist() == [10, 5, 107, 100]
    table = official_splits.read("emodb")
    assert (table.groupby("fold")["speaker"].nunique() == 10).all()
    in_paper = [corpus for corpus, entry in corpus_registry.registry().items() if entry.in_paper]
    assert overview["shared"][in_paper].eq(0).pipe(lambda none: list(none.index[none])) == ["ravdess"]


def test_numbers_of_folds_are_those_of_the_lists(overview):
    several = overview.loc[overview["folds"] > 1, "folds"].to_dict()
    assert several == {
        **dict.fromkeys(["emodb", "esd", "iemocap", "polish", "subesco"], 5),
        **dict.fromkeys(["casia", "jlcorpus", "savee"], 4),
        **dict.fromkeys(["emovo", "ravdess"], 6),
        "cafe": 3,
    }


def test_three_have_a_validation_part_and_one_of_them_no_training_part(overview):
    assert list(overview.index[overview["has_validation"]]) == ["m3ed", "meld", "msppodcast"]
    assert overview.loc["msppodcast", ["train", "validation", "test"]].tolist() == [0, 7800, 15326]
    assert overview.loc["meld", ["train", "validation", "test"]].tolist() == [9988, 1108, 2610]
    assert list(overview.index[overview["train"] == 0]) == ["msppodcast"]


def test_speakers_that_a_list_makes_of_file_names_are_none(overview):
    assert overview.loc[["mer2023", "resd"], ["speakers", "shared"]].isna().all(axis=None)


@pytest.mark.parametrize("corpus", [c for c in official_splits.ids() if c in corpus_registry.registry()])
def test_utterances_of_corpora_of_the_registry_are_called_as_there(corpus):
    """If this fails, the registry has a corpus since the tables were made: make them again."""
    entry, table = corpus_registry.get(corpus), official_splits.read(corpus)
    assert set(table["emotion_native"]) <= {*entry.emotions, *entry.no_emotion}
    if "(?P<utterance>" in entry.pattern or any("utterance" in told for told in entry.tables):
        return  # a name alone is not the path that the grammar reads
    facts = [corpus_entries.parse(entry, f"{name}.wav") or {} for name in table["utterance"]]
    assert [found.get("utterance") for found in facts] == list(table["utterance"])
    if not entry.tables:
        assert [found.get("emotion_native") for found in facts] == list(table["emotion_native"])


@pytest.mark.parametrize("corpus", ["aesdd", "cremad", "emodb", "mesd", "ravdess"])
def test_a_split_is_of_the_utterances_in_the_file_list(corpus):
    listed = file_lists.file_list(corpus)
    assert set(official_splits.read(corpus)["utterance"]) == set(listed["utterance"])


def test_dealing_folds_leaves_splits_alone():
    assert not any(
        file.is_relative_to(official_splits.folder()) for file in map(folds.path, corpus_registry.registry())
    )
    assert set(folds.make("emodb", file_lists.file_list("emodb"))["regime"]) == set(protocol_settings.DEALT)


def test_the_committed_tables_are_what_the_lists_give(mirror):
    lists = sorted((mirror / "reference" / "emobox").glob("*.parquet"))
    if not lists:
        pytest.skip("the mirror has no lists of EmoBox")
    assert [file.stem for file in lists] == official_splits.ids()
    for file in lists:
        made = official_splits.make(file.stem, pd.read_parquet(file))
        pd.testing.assert_frame_equal(made, official_splits.read(file.stem), check_dtype=False)


# -- from lists to tables -------------------------------------------------------------------------------------


def listed(roles, **columns):
    n = len(roles)
    given = {
        "utterance": [f"odd-{i}" for i in range(n)],
        "wav": [f"downloads/odd/a folder/{i}.b.wav" for i in range(n)],
        "speaker": "ann",
        "emotion_native": "glad",
        "seconds": np.linspace(0.5, 2, n),
    }
    of_roles = {f"role_{k}": [role[k - 1] for role in roles] for k in range(1, len(roles[0]) + 1)}
    return pd.DataFrame(given | columns | of_roles)


def test_roles_are_one_number():
    table = official_splits.make("odd", listed([["test"], ["train"], ["valid"]]))
    assert list(table["fold"]) == [1, official_splits.TRAINING, official_splits.VALIDATION]
    assert list(table["utterance"]) == ["a folder/0.b", "a folder/1.b", "a folder/2.b"]
    table = official_splits.make("odd", listed([["test", "train"], ["train", "test"], ["train", "train"]]))
    assert list(table["fold"]) == [1, 2, official_splits.TRAINING]


@pytest.mark.parametrize("roles", [["test", "test"], ["test", "valid"], ["train", None], ["test", "unused"]])
def test_roles_that_no_number_says_are_refused(roles):
    with pytest.raises(official_splits.SplitError, match=r"odd: odd-1 has the roles .*tested once at most"):
        official_splits.make("odd", listed([["test", "train"], roles]))


def test_names_that_do_not_follow_the_grammar_are_refused_and_listed():
    with pytest.raises(
        official_splits.SplitError, match=r"emodb: 2 of 2 names do not follow .*a folder/0\.b\.wav"
    ):
        official_splits.make("emodb", listed([["test"], ["train"]]))


def test_two_files_of_one_name_are_refused():
    table = listed([["test"], ["train"]], wav=["downloads/odd/a.wav", "downloads/odd/a.mp3"])
    with pytest.raises(official_splits.SplitError, match="odd: 1 files have a name that another has, first a"):
        official_splits.make("odd", table)


def test_parts_of_one_file_have_the_names_and_times_of_the_list():
    table = listed([["test"], ["train"]], wav="downloads/odd/long.flac", start_time=[0.5, 2], end_time=[1, 3.5])
    made = official_splits.make("odd", table)
    assert made[["utterance", "start", "end"]].to_numpy().tolist() == [["0", 0.5, 1], ["1", 2, 3.5]]


def test_the_command_writes_what_it_can_and_names_what_it_cannot(tmp_path, monkeypatch, capsys):
    lists, out = tmp_path / "lists", tmp_path / "out"
    lists.mkdir()
    listed([["test"], ["train"]]).to_parquet(lists / "odd.parquet")
    listed([["test"], ["train"]]).to_parquet(lists / "emodb.parquet")
    monkeypatch.setattr(official_splits, "folder", lambda: out)
    with pytest.raises(SystemExit, match="emodb: 2 of 2 names do not follow"):
        official_splits.main([str(lists)])
    assert "odd.parquet: 2 utterances" in capsys.readouterr().out
    assert official_splits.ids() == ["odd"]
    with pytest.raises(SystemExit):
        official_splits.main([str(out / "nowhere")])
    assert "no list" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="fold"), "has no column fold"),
        (lambda t: pd.concat([t, t[:1]]), "u0 is there twice"),
        (lambda t: t.assign(fold=[1, 3, 0, 0]), r"test folds \[1, 3\] where 1 and up are expected"),
        (lambda t: t.assign(fold=0), r"test folds \[\] where"),
    ],
)
def test_a_table_that_was_changed_is_refused_by_its_name(change, message, toys, tmp_path):
    toys([1, 1, 0, 0])
    file = tmp_path / "toys.parquet"
    change(pd.read_parquet(file)).to_parquet(file)
    with pytest.raises(official_splits.SplitError, match=rf"toys\.parquet: {message}"):
        official_splits.read("toys")
    file.write_text("version https://git-lfs")
    with pytest.raises(official_splits.SplitError, match=r"toys\.parquet: cannot be read as Parquet"):
        official_splits.read("toys")


# -- as folds -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_folds", range(1, 7))
def test_folds_are_test_parts_however_many(n_folds, toys):
    table = toys([i % n_folds + 1 for i in range(60)] + [0] * (6 if n_folds == 1 else 0))
    dealt = folds.load("toys", table, "official")
    assert list(dealt.columns) == folds.COLUMNS
    assert folds.count("toys", table, "official") == n_folds
    for fold in range(1, n_folds + 1):
        train, validation, test = folds.parts(dealt["fold"], fold, "official")
        assert (train ^ test).all()
        assert not validation.any()
        assert test.sum() == 60 // n_folds


def test_a_published_validation_part_is_neither_trained_on_nor_tested(toys):
    table = toys([1, 1, 1, 0, 0, 0, -1, -1])
    train, validation, test = folds.parts(folds.load("toys", table, "official")["fold"], 1, "official")
    assert [part.tolist() for part in (train, validation, test)] == [
        [False] * 3 + [True] * 3 + [False] * 2,
        [False] * 6 + [True] * 2,
        [True] * 3 + [False] * 5,
    ]


def test_audio_in_training_and_test_stays_in_the_test_and_what_goes_is_named(toys):
    table = toys([1, 1, 0, 0, 0, -1])
    table.loc[[2, 5], "sha256"] = table.loc[0, "sha256"]
    more = pd.concat([table, table[:1].assign(utterance="extra", sha256="e" * 64)], ignore_index=True)
    assert list(folds.load("toys", more, "official")["utterance"]) == ["u0", "u1", "u3", "u4"]
    out = folds.left_out("toys", more, "official").set_index("utterance")["reason"].to_dict()
    assert out == {"u2": "its audio is that of u0", "u5": "its audio is that of u0", "extra": "in no fold"}
    assert set(out) <= folds.without_fold("toys", more, "official")


def test_repeated_audio_of_ravdess_is_in_one_test_part_and_one_copy_of_others_is_not_trained_on():
    gone = {c: folds.left_out(c, file_lists.file_list(c), "official") for c in ("ravdess", "cremad", "mesd")}
    assert gone["ravdess"].empty
    assert gone["cremad"][["utterance", "reason"]].to_numpy().tolist() == [
        ["1006_TIE_NEU_XX", "its audio is that of 1006_TIE_HAP_XX"]
    ]
    assert gone["mesd"][["utterance", "reason"]].to_numpy().tolist() == [
        ["Happiness_C_A_lento_dentro", "its audio is that of Happiness_C_A_dentro"]
    ]


@pytest.mark.parametrize(
    ("fold", "kept", "why"),
    [
        ([1, 1, -1, -1], slice(None), "its published split has no training part"),
        ([1, 2, 1, 2], [0, 2], "no utterance of test part 2 of its published split is here"),
        ([1, 1, 0, 0], [0, 1], "no utterance of the training part of its published split is here"),
        ([1, 1, 0, 0, 0], slice(None), "fear has 2 utterances: without fold 1 there are 1 to train on"),
    ],
)
def test_what_cannot_be_run_is_left_out_by_name(fold, kept, why, toys):
    table = toys(fold).iloc[kept]
    out = cells.left_out({"toys": table}, ["official"], SETTINGS)
    assert cells.is_left_out(out, "official", "toys", "toys")
    assert why in cells.listed(out)
    assert "official folds" in cells.listed(out)


def test_a_corpus_without_a_published_split_is_left_out_by_name(toys):
    table = toys([1, 1, 1, 1, 0, 0, 0, 0]).assign(corpus="urdu")
    out = cells.left_out({"toys": table, "urdu": table}, ["official"], SETTINGS)
    assert cells.sentences(out) == [
        "Left out with official folds: training and testing on URDU: no split of it is published."
    ]
    assert not cells.is_left_out(out, "official", "toys", "toys")


def test_overview_of_folds_has_the_published_ones_beside_those_that_are_dealt():
    table = fold_overviews.overview("aesdd", file_lists.file_list("aesdd"), FIVE).set_index("regime")
    assert list(table.index) == [*protocol_settings.DEALT, "official"]
    assert table.loc["official", ["fold 1", "shared"]].tolist() == [149, 100]
    ravdess = fold_overviews.overview("ravdess", file_lists.file_list("ravdess"), FIVE).set_index("regime")
    assert ravdess.loc["official", [f"fold {i}" for i in range(1, 7)]].tolist() == [160] * 6
    assert ravdess.loc["official", "shared"] == 0
    lists = {corpus: file_lists.file_list(corpus) for corpus in ("aesdd", "ravdess")}
    ordered = ["corpus", "regime", *(f"fold {i}" for i in range(1, 7)), "smallest class", "shared"]
    assert list(fold_overviews.overviews(lists, FIVE)) == ordered


def test_real_audio_follows_the_published_splits(real):
    for corpus in ("emodb", "ravdess"):
        utterances = real(corpus).utterances
        dealt = folds.load(corpus, utterances, "official")
        assert len(dealt) + len(folds.left_out(corpus, utterances, "official")) == len(utterances)
        assert len(dealt) > 0.99 * len(utterances)
