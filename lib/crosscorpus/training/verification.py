"""Train a random sample of stored cells again, and say how far predictions agree (`make verify`)."""

import argparse
import random
import sys
from collections.abc import Sequence

import numpy as np
import pandas as pd

from crosscorpus.base import devices, paths, table_files
from crosscorpus.training import stored_units, unit_of_work

COLUMNS = ["model", "head", "folds", "trained on", "came with", "predictions", "agree (%)", "largest difference"]


def verify(count: int = 5, seed: int = 0, elsewhere: bool = False) -> tuple[pd.DataFrame, list[str]]:
    """Train units of work again whose predictions are stored, from the embeddings that are here, and compare.

    Parameters
    ----------
    count
        How many, drawn at random.
    seed
        Of the draw.
    elsewhere
        Whether only what came with a bundle is drawn.

    Returns
    -------
    A row for each, `COLUMNS`: how many test utterances are given the same emotion, and the largest difference of a
    probability. And why others, which were drawn, cannot be trained again.
    """
    below, said = paths.BUILD / "predictions", []
    rows: list[tuple] = []
    files = [file for file in sorted(below.glob("*/*/*.parquet")) if not file.name.endswith(".history.parquet")]
    if elsewhere:
        files = [file for file in files if "came_with" in table_files.read_record(file)]
    random.Random(seed).shuffle(files)
    for file in files:
        if len(rows) == count:
            break
        try:
            unit, device, stored = stored_units.of_file(file, str(file.relative_to(below)))
        except stored_units.NotTheSameError as error:
            said.append(str(error))
            continue
        if device not in devices.DEVICES or devices.choose_device("auto") != device == "cuda":
            said.append(f"{file.name}: made on {device}, which is not here")
            continue
        again, _ = unit_of_work.train_and_test(unit, device)
        key = ["test_corpus", "fold", "utterance"]
        both = stored.merge(again, on=key, suffixes=("", " again"), validate="one_to_one")
        columns = [column for column in stored if column.startswith("p_")]
        gap = np.abs(both[columns].to_numpy() - both[[f"{column} again" for column in columns]].to_numpy()).max()
        agree = 100 * float((both["predicted"] == both["predicted again"]).mean())
        came = table_files.read_record(file).get("came_with", "this store")
        of = (unit.trained_on.ptm, unit.head, unit.regime, unit.trained_on.corpus)
        rows.append((*of, came, len(both), agree, float(gap)))
    return pd.DataFrame(rows, columns=COLUMNS), said


def main(argv: Sequence[str] | None = None) -> int:
    """Print what was verified; return 1 where nothing could be, or less than 99 % agree."""
    parser = argparse.ArgumentParser(prog="crosscorpus.training.verification", description=__doc__)
    parser.add_argument("--cells", type=int, default=5, help="how many heads, each on all folds and test corpora")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--elsewhere", action="store_true", help="only what came with a bundle")
    given = parser.parse_args(argv)
    table, said = verify(given.cells, given.seed, given.elsewhere)
    print("\n".join([f"not trained again: {one}" for one in said]))
    if not len(table):
        print("nothing could be trained again: run `make book` first, or merge a bundle of this version")
        return 1
    print(table.to_string(index=False, float_format="{:.3g}".format))
    share = np.average(table["agree (%)"], weights=table["predictions"])
    print(f"{share:.2f} % of {table['predictions'].sum()} predictions are the same, trained again")
    return int(share < 99)


if __name__ == "__main__":
    sys.exit(main())
