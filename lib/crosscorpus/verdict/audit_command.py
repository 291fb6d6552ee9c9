"""Audit a table of this project's references, or any CSV file.

python -m crosscorpus.verdict.audit_command phukan2025_table1
python -m crosscorpus.verdict.audit_command TABLE.csv --n EmoDB=75 --n RAVDESS=192
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from crosscorpus.base import known_names
from crosscorpus.verdict import audit, audit_cells, published_tables


def read(path: str | Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """Read a table to audit from a CSV file; all values stay text, so that decimals are as printed.

    Parameters
    ----------
    path
        The file, with a header.
    columns
        What the table's columns are called, as in `published_tables.Sizes`.

    Raises
    ------
    AuditError
        There is no such file, it is no CSV table, or it lacks a column.
    """
    try:
        table = pd.read_csv(path, dtype=str, skipinitialspace=True)
    except FileNotFoundError:
        raise audit_cells.AuditError(
            f"{path}: no such file, nor a published table; those are {', '.join(published_tables.tables())}"
        ) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, IsADirectoryError) as error:
        raise audit_cells.AuditError(f"{path}: not a CSV table with a header ({str(error).strip()})") from None
    for what, column in columns.items():
        if column not in table:
            raise audit_cells.AuditError(
                f"{path}, line 1: no column {column!r} (for --{what.replace('_', '-')}); "
                f"its columns are {', '.join(map(str, table.columns))}"
            )
    table.index = pd.RangeIndex(2, len(table) + 2)  # lines of the file, for messages
    return table


def _counts(text: str, option: str) -> tuple[str, audit_cells.Folds]:
    name, equals, numbers = text.rpartition("=")
    parts = [part.strip() for part in numbers.split(",")]
    if not equals or not name or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise audit_cells.AuditError(
            f"--{option} {text}: expected NAME=NUMBER or NAME=NUMBER,NUMBER,..., as in EmoDB=75"
        )
    return name.strip(), tuple(int(part) for part in parts)


def main(argv: Sequence[str] | None = None) -> int:
    """Audit a table from the command line; see `--help`."""
    parser = argparse.ArgumentParser(
        prog="python -m crosscorpus.verdict.audit_command",
        description="Could the accuracies and macro-F1 of a published table come from test sets of these sizes?",
    )
    parser.add_argument(
        "table", help="CSV file with a row for each cell, or the name of a table in data/reference"
    )
    parser.add_argument(
        "--n", action="append", default=[], metavar="CORPUS=SIZE[,SIZE...]",
        help="utterances in one test fold of a test corpus; several if folds differ. Once for each test corpus",
    )  # fmt: skip
    parser.add_argument(
        "--classes", action="append", default=[], metavar="CORPUS=N,N,...",
        help="utterances of each class in a test fold, for bounds of macro-F1; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--folds", type=int, default=5, help="folds of the cross-validation (default 5; 1: one split)"
    )
    parser.add_argument("--accuracy", default="accuracy", help="its column (default accuracy)")
    parser.add_argument("--macro-f1", default=None, help="its column (default macro_f1 where there is one)")
    parser.add_argument("--test", default="test_corpus", help="column of the test corpus (default test_corpus)")
    parser.add_argument("--by", default=None, help="column to group by (default ptm or model)")
    parser.add_argument("--decimals", type=int, default=2, help="decimals as printed (default 2)")
    parser.add_argument("--unit", choices=["percent", "fraction"], default="percent")
    parser.add_argument("--csv", type=Path, metavar="OUT", help="also write the verdict on each cell to this file")
    options = parser.parse_args(argv)
    try:
        if options.table in published_tables.tables() and not options.n:
            found = audit.of_reference(options.table)
        else:
            found = _of_file(options)
        if options.csv:
            per_cell(found).to_csv(options.csv, index=False)
    except (audit_cells.AuditError, known_names.UnknownNameError, OSError, ValueError) as error:
        print(f"audit: {str(error).replace('row ', f'{options.table}, line ', 1)}", file=sys.stderr)
        return 2
    print(report(found))
    return 0


def _of_file(options: argparse.Namespace) -> audit.Audit:
    columns = {"accuracy": options.accuracy, "test": options.test}
    header = read(options.table, columns)
    by = options.by or next((c for c in ("ptm", "model") if c in header), None)
    if by is None:
        raise audit_cells.AuditError(
            f"{options.table}, line 1: no column ptm or model; name the column to group by with --by"
        )
    columns["by"] = by
    if options.macro_f1 or "macro_f1" in header:
        columns["macro_f1"] = options.macro_f1 or "macro_f1"
    table = read(options.table, columns)
    if options.folds < 1 or not 0 <= options.decimals <= 6:
        raise audit_cells.AuditError("--folds must be at least 1, and --decimals between 0 and 6")
    tested = sorted(table[options.test].dropna().unique())
    folds: dict[str, audit_cells.Folds] = {}
    for text in options.n:
        name, given = _counts(text, "n")
        known_names.check(name, tested, f"test corpus in column {options.test} of {options.table}:")
        folds[name] = given * options.folds if len(given) == 1 else given
    missing = [name for name in tested if name not in folds]
    if missing:
        raise audit_cells.AuditError(
            f"{options.table}: no test size for {', '.join(missing)}; add --n {missing[0]}=SIZE"
        )
    classes: dict[str, list[audit_cells.Folds]] = {}
    for text in options.classes:
        name, given = _counts(text, "classes")
        known_names.check(name, tested, f"test corpus in column {options.test} of {options.table}:")
        if sum(given) not in folds[name]:
            raise audit_cells.AuditError(
                f"--classes {text}: they sum to {sum(given)}, which is no size of a fold given with --n"
            )
        classes.setdefault(name, []).append(given)
    sizes = published_tables.Sizes(options.folds, {"as given": folds}, {}, classes, columns)
    return audit.run(table, sizes, name=str(options.table), decimals=options.decimals, unit=options.unit)


def per_cell(audit: audit.Audit) -> pd.DataFrame:
    """Return the verdict on each cell as one table: what `cells` and `macro_f1` say."""
    table = audit.cells.copy()
    if audit.macro_f1 is not None:
        columns = ["difference", "lowest", "highest", "bounds_for", "flag", "f1_fits_one_fold", "f1_chance"]
        table = table.join(audit.macro_f1[columns])
    return table


def report(audit: audit.Audit) -> str:
    """Return an audit as text in Markdown."""
    judged, best = audit.cells, audit.hypotheses.iloc[0]
    counts = judged["verdict"].value_counts()
    lines = [
        f"# Arithmetic of {audit.name}",
        "",
        f"{len(judged)} of {audit.n_rows} rows have an accuracy and a known test set. Under rounding, "
        f"{int(judged['one_fold'].sum())} fit one fold ({judged['one_fold_chance'].sum():.1f} by chance), "
        f"{counts.get('mean of folds', 0)} only a mean of the folds, {counts.get('neither', 0)} neither. "
        f"With digits cut off, {int(judged['one_fold_cut'].sum())} fit one fold.",
        "",
        f"Of {len(audit.hypotheses)} hypotheses, the one with the most evidence is: {best['variant']}, "
        f"{best['reading']}, {best['printing']} ({best['explained']} of {best['cells']} cells, "
        f"{best['expected']:.1f} expected by chance, {best['bits']:.0f} bits).",
        "",
        "A value that does not fit may have an origin that is not among these. This is arithmetic, no judgement.",
    ]
    columns = ["variant", "reading", "printing", "explained", "expected", "share", "bits"]
    lines += ["", "## Hypotheses", "", _markdown(audit.hypotheses[columns].head(10))]
    for by, table in audit.totals.items():
        lines += ["", f"## By {by}", "", _markdown(table), "", _markdown(audit.evenness[by])]
    keys = [c for c in judged.columns[: list(judged.columns).index("units")] if c != "note"]
    missed = judged[judged["verdict"] == "neither"]
    lines += ["", "## Cells that fit neither", "", _markdown(missed[keys])]
    if audit.macro_f1 is not None:
        flagged = audit.macro_f1[audit.macro_f1["flag"] != ""]
        lines += ["", "## Macro-F1 that stands out", "", _markdown(flagged[[*keys, "lowest", "highest", "flag"]])]
    if audit.repeats is not None:
        found = audit.repeats
        lines += [
            "", "## Repeated pairs of accuracy and macro-F1", "",
            f"{found.pairs} pairs of cells ({found.expected:.2g} expected by chance, given {found.same_accuracy} "
            f"pairs of the same accuracy).",
            "", _markdown(found.cells[["group", *keys, "constant"]]),
        ]  # fmt: skip
    return "\n".join(lines)


def _markdown(table: pd.DataFrame) -> str:
    return table.to_markdown(index=False, floatfmt=".4g") if len(table) else "None."


if __name__ == "__main__":
    sys.exit(main())
