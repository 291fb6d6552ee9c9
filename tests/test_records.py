import pandas as pd

from crosscorpus import protocol, records, versions

TABLE = pd.DataFrame({"utterance": ["a", "b"], "p_anger": pd.array([0.25, 0.75], dtype="float32")})


def test_a_record_comes_back_and_the_table_is_as_it_was(tmp_path):
    file = tmp_path / "x.parquet"
    record = records.of_run(protocol.load("epochs=5"))
    records.write(TABLE, file, record)
    assert records.read(file) == record
    pd.testing.assert_frame_equal(pd.read_parquet(file), TABLE)


def test_a_record_says_all_settings_and_what_was_changed():
    record = records.of_run(protocol.load("epochs=5,fcn_widths=8"))
    assert record["protocol"] == protocol.load("epochs=5,fcn_widths=8")
    assert record["changed"] == {"epochs": 5, "fcn_widths": [8]}
    assert record["libraries"] == versions.of_libraries()
    assert record["device"].startswith("cpu (")
    assert record["commit"] == versions.of_commit()


def test_the_same_table_and_record_give_the_same_bytes(tmp_path):
    files = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for file in files:
        records.write(TABLE, file, records.of_run(protocol.load()))
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_file_without_a_record_has_an_empty_one(tmp_path):
    TABLE.to_parquet(tmp_path / "x.parquet")
    assert records.read(tmp_path / "x.parquet") == {}
