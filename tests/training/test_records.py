import pandas as pd

from crosscorpus.base import table_files, versions
from crosscorpus.protocols import protocol_settings
from crosscorpus.training import run_records

TABLE = pd.DataFrame({"utterance": ["a", "b"], "p_anger": pd.array([0.25, 0.75], dtype="float32")})


def test_a_record_comes_back_and_the_table_is_as_it_was(tmp_path):
    file = tmp_path / "x.parquet"
    record = run_records.of_run(protocol_settings.load("epochs=5"))
    table_files.write(TABLE, file, record)
    assert table_files.read_record(file) == record
    pd.testing.assert_frame_equal(pd.read_parquet(file), TABLE)


def test_a_record_says_all_settings_and_what_was_changed():
    record = run_records.of_run(protocol_settings.load("epochs=5,fcn_widths=8"))
    assert record["protocol"] == protocol_settings.load("epochs=5,fcn_widths=8")
    assert record["changed"] == {"epochs": 5, "fcn_widths": [8]}
    assert record["libraries"] == versions.of_libraries()
    assert record["device"].startswith("cpu (")
    assert record["commit"] == versions.of_commit()


def test_the_same_table_and_record_give_the_same_bytes(tmp_path):
    files = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for file in files:
        table_files.write(TABLE, file, run_records.of_run(protocol_settings.load()))
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_file_without_a_record_has_an_empty_one(tmp_path):
    TABLE.to_parquet(tmp_path / "x.parquet")
    assert table_files.read_record(tmp_path / "x.parquet") == {}
