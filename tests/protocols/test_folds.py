import dataclasses
import hashlib

import numpy as np
import pandas as pd
import pytest

from crosscorpus.base import known_names, paths
from crosscorpus.corpora import corpus_registry, file_lists, utterance_tables
from crosscorpus.protocols import fold_overviews, folds, protocol_settings

FROZEN = {
    "aesdd": "3dffeeca8d7f360fafa7d5be3cc1890d13e359226a280464d179ad989108c493",
    "cremad": "e89fea8987d43b05c58587f9110109a1182666778a5f546995a112e61a16d34c",
    "emodb": "0465c5913e4444b6d057e268d0280de925b20d1049c4697e1f0634c4f1de6596",
    "mesd": "7354a76ca55454ccbaeb3cf71a0bdf8ee70782284cc3cbb69570b861df2884b4",
    "ravdess": "54ffa3df88f72982bd4f9c2693ce79d6fe3ff5bf150dfd570c17e2444eb05d78",
}
IN_PAPER = ["cremad", "ravdess", "emodb", "mesd", "aesdd"]
FIVE = ["anger", "disgust", "fear", "happiness", "sadness"]

every_corpus = pytest.mark.parametrize("corpus", IN_PAPER)
every_regime = pytest.mark.parametrize("regime", protocol_settings.DEALT)


@pytest.fixture(scope="session")
def listed():
    return {corpus: file_lists.file_list(corpus) for corpus in IN_PAPER}


@pytest.fixture(scope="session")
def committed():
    return {corpus: utterance_tables.read_table(folds.path(corpus)) for corpus in IN_PAPER}


def joined(table, utterances, regime):
    part = table.loc[table["regime"] == regime, ["utterance", "fold"]]
    return utterances.merge(part, on="utterance", validate="one_to_one")


# -- what is committed ----------------------------------------------------------------------------------------


def test_every_corpus_of_the_paper_has_committed_folds():
    assert {file.stem for file in (paths.DATA / "folds").glob("*.csv")} == set(IN_PAPER)


@every_corpus
def test_committed_folds_are_frozen(corpus):
    assert hashlib.sha256(folds.path(corpus).read_bytes()).hexdigest() == FROZEN[corpus]


@every_corpus
def test_committed_folds_are_what_make_builds(corpus, listed, committed):
    pd.testing.assert_frame_equal(folds.make(corpus, listed[corpus]), committed[corpus])


@every_corpus
def test_committed_folds_keep_their_promises(corpus, listed, committed):
    folds.check(corpus, committed[corpus], listed[corpus])


@every_corpus
@every_regime
def test_every_utterance_has_one_fold_in_each_regime(corpus, regime, listed, committed):
    part = committed[corpus].query("regime == @regime")
    assert sorted(part["utterance"]) == sorted(listed[corpus]["utterance"])
    assert set(part["fold"]) == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    ("corpus", "sizes"),
    [
        ("cremad", [1271] * 5),
        ("ravdess", [192] * 5),
        ("emodb", [75] * 5),
        ("mesd", [144, 144, 144, 144, 143]),
        ("aesdd", [121, 121, 121, 121, 120]),
    ],
)
def test_stratified_folds_have_the_sizes_that_the_paper_counts_in(corpus, sizes, listed, committed):
    table = joined(committed[corpus], listed[corpus], "stratified").query("emotion in @FIVE")
    assert list(table["fold"].value_counts().sort_index()) == sizes


@every_corpus
def test_stratified_folds_deal_each_emotion_evenly(corpus, listed, committed):
    table = joined(committed[corpus], listed[corpus], "stratified")
    sizes = table.groupby(["emotion", "fold"]).size().unstack()
    largest_unit = 2 if corpus_registry.get(corpus).same_audio else 1
    assert (sizes.max(axis=1) - sizes.min(axis=1)).max() <= largest_unit


@every_corpus
def test_speaker_folds_never_split_a_speaker(corpus, listed, committed):
    table = joined(committed[corpus], listed[corpus], "speaker")
    kept = "text_id" if corpus == "mesd" else "speaker"
    assert (table[kept] != "").all()
    assert table.groupby(kept)["fold"].nunique().max() == 1


@every_corpus
def test_every_speaker_fold_has_all_five_emotions(corpus, listed, committed):
    table = joined(committed[corpus], listed[corpus], "speaker").query("emotion in @FIVE")
    assert (table.groupby("fold")["emotion"].nunique() == 5).all()


@every_corpus
@every_regime
def test_identical_audio_is_in_one_fold(corpus, regime, committed):
    fold = committed[corpus].query("regime == @regime").set_index("utterance")["fold"]
    for same in corpus_registry.get(corpus).same_audio:
        assert len(set(fold[list(same)])) == 1


@pytest.mark.parametrize(
    ("corpus", "pairs"),
    [
        ("ravdess", [["03-01-03-01-02-01-07", "03-01-03-01-02-02-07"]]),
        ("mesd", [["Happiness_C_A_dentro", "Happiness_C_A_lento_dentro"]]),
        (
            "cremad",
            [
                ["1006_TIE_HAP_XX", "1006_TIE_NEU_XX"],
                ["1013_WSI_DIS_XX", "1013_WSI_SAD_XX"],
                ["1017_IWW_ANG_XX", "1017_IWW_FEA_XX"],
            ],
        ),
    ],
)
def test_repeated_audio_is_known(corpus, pairs):
    assert [list(same) for same in corpus_registry.get(corpus).same_audio] == pairs


# -- make -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("corpus", ["emodb", "ravdess"])
@pytest.mark.parametrize("order", [0, 1])
def test_the_order_of_the_input_does_not_matter(corpus, order, listed, committed):
    shuffled = listed[corpus].sample(frac=1, random_state=order)
    pd.testing.assert_frame_equal(folds.make(corpus, shuffled), committed[corpus])


def test_another_seed_gives_other_folds(listed, committed):
    tables = (committed["emodb"], folds.make("emodb", listed["emodb"], seed=1))
    one, other = (joined(table, listed["emodb"], "stratified")["fold"] for table in tables)
    assert (one != other).mean() > 0.5


def test_the_input_is_left_as_it_was(listed):
    before = listed["emodb"].copy()
    folds.make("emodb", listed["emodb"])
    pd.testing.assert_frame_equal(listed["emodb"], before)


@pytest.fixture
def repeats(monkeypatch):
    """Fifty utterances by ten speakers; each of twenty-five recordings has two names."""
    entry = dataclasses.replace(corpus_registry.get("emodb"), id="own", same_audio=())
    known = corpus_registry.registry() | {"own": entry}
    monkeypatch.setattr(corpus_registry, "registry", lambda: known)
    return pd.DataFrame(
        {
            "utterance": [f"u{i:02d}" for i in range(50)],
            "speaker": [f"s{i // 2 % 10}" for i in range(50)],
            "text_id": "",
            "emotion": [FIVE[i // 2 % 5] for i in range(50)],
            "sha256": [f"{i // 2:064d}" for i in range(50)],
        }
    )


@every_regime
def test_new_folds_have_no_audio_hash_on_both_sides(regime, repeats):
    table = joined(folds.make("own", repeats), repeats, regime)
    assert table.groupby("sha256")["fold"].nunique().max() == 1


def test_a_corpus_without_committed_folds_gets_new_ones(repeats):
    table = folds.load("own", repeats)
    assert len(table) == 2 * len(repeats)
    assert list(table.columns) == folds.COLUMNS


def tess():
    emotions = corpus_registry.get("tess").emotions
    rows = [
        (f"{speaker}_word{word:03d}_{native}", speaker, f"word{word:03d}", emotion)
        for speaker in ("OAF", "YAF")
        for word in range(200)
        for native, emotion in emotions.items()
    ]
    return pd.DataFrame(rows, columns=["utterance", "speaker", "text_id", "emotion"])


def urdu():
    entry = corpus_registry.get("urdu")
    rows = [
        (f"S{'MF'[i % 2]}{i % 38}_F{i}_{native}{i}", f"S{'MF'[i % 2]}{i % 38}", "", emotion)
        for native, emotion in entry.emotions.items()
        for i in range(entry.counts[emotion])
    ]
    return pd.DataFrame(rows, columns=["utterance", "speaker", "text_id", "emotion"])


@pytest.mark.parametrize(("corpus", "table"), [("urdu", urdu()), ("tess", tess())])
def test_the_other_corpora_of_the_registry_can_be_dealt_into_folds(corpus, table):
    assert len(joined(folds.load(corpus, table), table, "stratified")) == len(table)


# -- groups ---------------------------------------------------------------------------------------------------


def test_groups_are_speakers_or_words(listed):
    assert folds.groups("emodb", listed["emodb"], "speaker").nunique() == 10
    words = folds.groups("mesd", listed["mesd"], "speaker")
    joined_word = listed["mesd"]["text_id"] == "C_A_lento_dentro"  # its audio is that of another word
    assert words[~joined_word].equals(listed["mesd"]["text_id"][~joined_word])
    assert list(words[joined_word].unique()) == ["C_A_dentro"]


def test_what_shares_audio_by_way_of_others_is_one_group(repeats):
    # Pairs of names have one recording; every other pair is known to have that of the pair before it, too.
    known = corpus_registry.registry()
    chain = tuple((f"u{i:02d}", f"u{i + 1:02d}") for i in range(1, 9, 2))
    known["own"] = dataclasses.replace(known["own"], same_audio=chain)
    together = folds.audio_groups("own", repeats)
    assert list(together[:10]) == ["u00"] * 10
    assert together.nunique() == 21


def test_identical_audio_is_one_group(listed):
    together = folds.groups("ravdess", listed["ravdess"], "stratified")
    assert together.nunique() == len(listed["ravdess"]) - 1


def test_an_unknown_regime_is_refused(listed):
    with pytest.raises(known_names.UnknownNameError, match=r"unknown regime 'speakers'; did you mean 'speaker'"):
        folds.groups("emodb", listed["emodb"], "speakers")


# -- load -----------------------------------------------------------------------------------------------------


def test_load_drops_what_is_not_here(listed, committed):
    here = listed["emodb"].iloc[::2]
    table = folds.load("emodb", here)
    assert set(table["utterance"]) == set(here["utterance"])
    both = table.merge(committed["emodb"], on=["utterance", "regime"], suffixes=("", "_committed"))
    assert (both["fold"] == both["fold_committed"]).all()


def test_load_leaves_out_what_has_no_committed_fold(listed):
    extra = pd.concat([listed["emodb"], listed["emodb"].iloc[:1].assign(utterance="03a99Fa")])
    assert "03a99Fa" not in set(folds.load("emodb", extra)["utterance"])


@every_regime
def test_committed_folds_that_put_identical_audio_apart_are_refused(regime, listed, committed):
    fold = committed["emodb"].query("regime == @regime").set_index("utterance")["fold"]
    one = fold.index[0]
    other = fold.index[fold != fold[one]][0]
    read = listed["emodb"].assign(sha256=listed["emodb"]["utterance"].replace(other, one))
    said = rf"emodb\.csv: identical audio .*{regime}.*{one} = {other}\. .*make folds"
    with pytest.raises(folds.FoldError, match=said):
        folds.load("emodb", read, regime)


def test_folds_that_are_dealt_anew_for_a_part_of_a_corpus_keep_one_copy_of_identical_audio(listed, committed):
    here = listed["emodb"][listed["emodb"]["speaker"].isin(["03", "08", "09"])].reset_index(drop=True)
    fold = committed["emodb"].query("regime == 'stratified'").set_index("utterance")["fold"]
    one = here["utterance"].iloc[0]
    others = here.loc[(here["speaker"] != here["speaker"].iloc[0]).to_numpy(), "utterance"]
    other = next(name for name in others if fold[name] == fold[one])
    read = here.assign(sha256=here["utterance"].replace(other, one))
    kept = set(folds.load("emodb", read, "speaker")["utterance"])
    assert set(here["utterance"]) - kept == {other}
    assert other in set(folds.load("emodb", read, "stratified")["utterance"])


# -- check ----------------------------------------------------------------------------------------------------


def broken(committed, corpus, regime, utterance, fold):
    table = committed[corpus].copy()
    table.loc[(table["utterance"] == utterance) & (table["regime"] == regime), "fold"] = fold
    return table


def other_fold(committed, corpus, regime, utterance):
    part = committed[corpus].query("regime == @regime").set_index("utterance")["fold"]
    return part[utterance] % 5 + 1


@every_regime
def test_check_finds_an_utterance_twice(regime, listed, committed):
    row = committed["emodb"].query("regime == @regime").iloc[[0]]
    table = pd.concat([committed["emodb"], row.assign(fold=row["fold"] % 5 + 1)])
    with pytest.raises(folds.FoldError, match=f"emodb, {regime}: 03a01Fa is in more than one fold"):
        folds.check("emodb", table, listed["emodb"])


@every_regime
def test_check_finds_an_unknown_utterance(regime, listed, committed):
    row = committed["emodb"].query("regime == @regime").iloc[[0]].assign(utterance="99a01Fa")
    with pytest.raises(folds.FoldError, match=f"emodb, {regime}: 99a01Fa has a fold but is not in the table"):
        folds.check("emodb", pd.concat([committed["emodb"], row]), listed["emodb"])


def test_check_finds_a_speaker_in_two_folds(listed, committed):
    table = broken(committed, "emodb", "speaker", "03a01Fa", other_fold(committed, "emodb", "speaker", "03a01Fa"))
    with pytest.raises(folds.FoldError, match="emodb, speaker: speaker 03 is in more than one fold"):
        folds.check("emodb", table, listed["emodb"])


def test_check_finds_a_word_of_mesd_in_two_folds(listed, committed):
    name = "Anger_C_A_abajo"
    table = broken(committed, "mesd", "speaker", name, other_fold(committed, "mesd", "speaker", name))
    with pytest.raises(folds.FoldError, match=r"mesd, speaker: .*C_A_abajo is in more than one fold"):
        folds.check("mesd", table, listed["mesd"])


def test_check_finds_identical_audio_in_two_folds(listed, committed):
    name = "03-01-03-01-02-02-07"
    table = broken(committed, "ravdess", "stratified", name, other_fold(committed, "ravdess", "stratified", name))
    with pytest.raises(folds.FoldError, match="identical audio 03-01-03-01-02-01-07 is in more than one fold"):
        folds.check("ravdess", table, listed["ravdess"])


@every_regime
def test_check_finds_a_missing_fold(regime, listed, committed):
    table = committed["emodb"]
    table = table[(table["regime"] != regime) | (table["fold"] != 3)]
    with pytest.raises(folds.FoldError, match=rf"emodb, {regime}: folds \[1, 2, 4, 5\]"):
        folds.check("emodb", table, listed["emodb"])


@every_regime
def test_check_finds_a_missing_regime(regime, listed, committed):
    with pytest.raises(folds.FoldError, match=rf"emodb, {regime}: folds \[\]"):
        folds.check("emodb", committed["emodb"].query("regime != @regime"), listed["emodb"])


def test_check_finds_a_sixth_fold(listed, committed):
    table = broken(committed, "emodb", "stratified", "03a01Fa", 6)
    with pytest.raises(folds.FoldError, match=r"folds \[1, 2, 3, 4, 5, 6\]"):
        folds.check("emodb", table, listed["emodb"])


# -- overview -------------------------------------------------------------------------------------------------


@every_corpus
def test_overview_tells_sizes_and_what_is_shared(corpus, listed):
    table = (
        fold_overviews.overview(corpus, listed[corpus], FIVE)
        .set_index("regime")
        .loc[list(protocol_settings.DEALT)]
    )
    sizes = table[[f"fold {i}" for i in range(1, 6)]]
    assert (sizes.sum(axis=1) == listed[corpus]["emotion"].isin(FIVE).sum()).all()
    assert table.loc["speaker", "shared"] == 0
    assert table.loc["stratified", "shared"] > 70


# -- real audio -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("corpus", ["emodb", "ravdess", "aesdd", "mesd"])
@every_regime
def test_no_real_audio_is_on_both_sides(real, corpus, regime):
    utterances = real(corpus).utterances
    table = joined(folds.load(corpus, utterances), utterances, regime)
    assert table.groupby("sha256")["fold"].nunique().max() == 1


def test_real_urdu_gets_folds_without_a_speaker_on_both_sides(real):
    utterances = real("urdu").utterances
    table = joined(folds.load("urdu", utterances), utterances, "speaker")
    assert table.groupby("speaker")["fold"].nunique().max() == 1
    assert np.ptp(table["fold"].value_counts()) < 60
