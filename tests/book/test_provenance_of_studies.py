import pytest

from crosscorpus.book import provenance


def test_what_made_a_study_is_said_in_words():
    facts = {"commit": "abc", "ptms": ["whisper-base"], "corpora": ["emodb", "mesd"], "seconds": 90.0, "heads": [],
             "libraries": {"torch": "2", "numpy": "1"}, "seeds": [0, 1]}  # fmt: skip
    made = provenance.made(facts).set_index("what")["value"].to_dict()
    assert made == {"commit": "`abc`", "models": "Whisper", "corpora": "Emo-DB, MESD", "time": "1.5 min",
                    "libraries": "torch 2, numpy 1", "seeds": "0, 1"}  # fmt: skip


def test_ids_have_their_names_and_each_corpus_says_where_its_embeddings_were_made():
    of = {"corpus": "aesdd", "device": "cpu (X)", "pooling": "exact", "ptm": "whisper-base"}
    facts = {
        "head": "logistic",
        "heads": ["fcn", "svm"],
        "embeddings": [
            of | {"weights_sha256": "0123456789abcdef"},
            of | {"ptm": "mfcc", "pooling": "clip", "weights_sha256": ""},
        ],
    }
    made = provenance.made(facts).set_index("what")["value"].to_dict()
    assert made == {
        "head": "logistic regression",
        "heads": "FCN, SVM",
        "embeddings": "Whisper on AESDD (pooling exact, cpu (X), weights 0123456789ab); "
        "MFCC statistics on AESDD (pooling clip, cpu (X))",
    }


@pytest.mark.parametrize(("each", "said"), [(0, "all"), (12, "12 of each speaker and emotion")])
def test_how_many_utterances_a_study_tested_is_said(each, said):
    assert provenance.made({"each": each}).to_numpy().tolist() == [["test utterances", said]]
