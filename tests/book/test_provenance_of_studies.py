from crosscorpus.book import provenance


def test_what_made_a_study_is_said_in_words():
    facts = {"commit": "abc", "ptms": ["whisper-base"], "corpora": ["emodb", "mesd"], "seconds": 90.0, "heads": [],
             "libraries": {"torch": "2", "numpy": "1"}, "seeds": [0, 1]}  # fmt: skip
    made = provenance.made(facts).set_index("what")["value"].to_dict()
    assert made == {"commit": "`abc`", "models": "Whisper", "corpora": "Emo-DB, MESD", "time": "1.5 min",
                    "libraries": "torch 2, numpy 1", "seeds": "0, 1"}  # fmt: skip
