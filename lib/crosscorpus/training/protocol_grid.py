"""Run a protocol, whichever it is: models and corpora in, a table of predictions out.

Heads on one vector an utterance are those of `evaluate.grid`, which trains and stores them as ever. Heads on
frames are trained by `frame_engine`, which says whether it could or the plain loop had to; their predictions are
stored in `_build/protocols/`, one file for each protocol, model, training corpus, regime and seed.
"""

import argparse
import functools
import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from crosscorpus.base import known_names, paths, remote_store, table_files, versions, whole_files
from crosscorpus.embeddings import frames, store
from crosscorpus.models import hidden_states
from crosscorpus.protocols import balanced_tests, folds, known_protocols, protocol_parts, protocol_settings
from crosscorpus.protocols.protocol_parts import ClipHeads, Fold, Protocol
from crosscorpus.scores import metrics
from crosscorpus.training import (
    adam,
    baselines,
    evaluate,
    frame_engine,
    frame_heads,
    frame_inputs,
    frame_loop,
    frame_stacks,
    reused_memory,
)

COLUMNS = [
    "ptm", "head", "regime", "seed", "train_corpus", "test_corpus", "fold", "utterance", "emotion", "predicted",
    "selection", "adjustment", "way",
]  # fmt: skip
"""Of a table of predictions: those of `unit_of_work`, by what weights were chosen, what was done to logits, and
which way heads were trained. A row for each selection and adjustment of the protocol."""


def run(
    protocol: Protocol,
    ptms: Sequence[str],
    corpora: Sequence[str],
    *,
    regimes: Sequence[str] = (),
    seeds: Sequence[int] = (0,),
    heads: Sequence[str] = (),
    source: str = "any",
    workers: int = 0,
    across: bool = True,
) -> pd.DataFrame:
    """Return predictions of models under a protocol, training only what is not stored yet.

    Parameters
    ----------
    protocol
        See `known_protocols.load`.
    ptms, corpora
        Models, and corpora to train and to test on.
    regimes, heads
        Of the protocol's; empty for all. Heads are those of a protocol on clips.
    seeds, source, workers
        As of `evaluate.results`.
    across
        Whether heads are tested on other corpora, too.

    Raises
    ------
    known_names.UnknownNameError
        The protocol has no such regime.
    store_folders.NotStoredError
        Embeddings or frames have not been made; the message names the command that makes them.
    """
    chosen = known_names.check_all(list(regimes or protocol.regimes), protocol.regimes, "regime of the protocol")
    own = protocol.sweep[0].head
    if isinstance(own, ClipHeads):
        sides = [list(corpora)] if across else [[one] for one in corpora]
        grids = [
            evaluate.grid(
                ptms, side, side, list(heads or own.names), chosen, seeds, dict(protocol.settings), source=source,
                workers=workers, may_be_empty=True,
            )[0]
            for side in sides
        ]  # fmt: skip
        table = pd.concat([grid for grid in grids if len(grid)], ignore_index=True)
        ways = {head: _way(head, dict(protocol.settings)) for head in table["head"].unique()}
        named = {"selection": protocol.selections[0], "adjustment": protocol.adjustments[0]}
        return table.assign(way=table["head"].map(ways), **named)[COLUMNS]
    tables: list[pd.DataFrame] = []
    for ptm in ptms:
        here = {corpus: read(protocol, ptm, corpus, source) for corpus in corpora}
        units = [
            Unit(protocol, here[corpus], list(here.values()) if across else [here[corpus]], regime, seed)
            for corpus, regime, seed in itertools.product(corpora, chosen, seeds)
        ]
        tables += _run([unit for unit in units if unit.is_tested], workers)
    return pd.concat([pd.DataFrame(columns=COLUMNS), *tables], ignore_index=True)[COLUMNS]


def _way(head: str, settings: protocol_settings.Protocol) -> str:
    """Return how a head on clips is trained; one that has a state, such as batch normalisation's, by Keras."""
    if head in baselines.BASELINES:
        return "scikit-learn"
    from crosscorpus.training import heads, networks

    return "plain loop" if networks.has_state(heads.build(head, 64, 2, settings)) else "engine"


# -- what a head is given -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Inputs:
    """Utterances of one corpus with their labels, their frames by one model, and a hash of what made those."""

    ptm: str
    corpus: str
    utterances: pd.DataFrame
    labels: pd.Series
    frames: frame_inputs.Ragged
    made_by: str

    @functools.cached_property
    def by_utterance(self) -> frame_inputs.Scaling | None:
        """How its frames are scaled where each utterance is scaled by itself."""
        return frame_inputs.scaling(self.frames, "utterance", np.arange(0))


def read(protocol: Protocol, ptm: str, corpus: str, source: str = "any") -> Inputs:
    """Return what heads of a protocol are given of one corpus: its stored frames, or clips as single frames."""
    given = protocol.representation
    most = 2**31 if np.isinf(given.longest) else int(given.longest * hidden_states.FRAMES_PER_SECOND)
    if given.unit == "frames":
        stored = frames.load_frames(ptm, corpus)
        ragged = frame_inputs.Ragged.of(stored, most if given.keeps == "beginning" else 2**31)
        utterances, made_by = stored.utterances, json.dumps(stored.metadata, sort_keys=True)
    else:
        embeddings = store.load(ptm, corpus, source)
        ragged, utterances = frame_inputs.Ragged.of_clips(embeddings.vectors), embeddings.utterances
        made_by = hashlib.sha256(embeddings.vectors.tobytes()).hexdigest()
    labels = protocol.labels(corpus, utterances)
    if given.keeps == "none":
        labels = labels.where(utterances["seconds"] <= given.longest)
    return Inputs(ptm, corpus, utterances, labels, ragged, made_by)


# -- one training corpus --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unit:
    """What is stored in one file: a protocol's heads on every fold of one corpus, tested on several."""

    protocol: Protocol
    trained_on: Inputs
    tests: Sequence[Inputs]
    regime: str
    seed: int

    @functools.cached_property
    def folds(self) -> list[Fold]:
        """Who is trained on and tested; empty where the corpus cannot be parted so."""
        one = self.trained_on
        if self.regime in ("speaker", "official") and not folds.possible(one.corpus, one.utterances, self.regime):
            return []
        found = self.protocol.partition(one.corpus, one.utterances, one.labels, self.regime, self.seed)
        return [fold for fold in found if fold.training.any()]

    @property
    def is_tested(self) -> bool:
        """Whether there is anybody to test: not where a corpus cannot be parted so, or no test set is here."""
        numbers = range(len(self.folds))
        return any(self.tested(test, number).any() for test, number in itertools.product(self.tests, numbers))

    @property
    def classes(self) -> list[str]:
        """The classes that its heads tell apart."""
        return self.protocol.classes(self.trained_on.labels)

    def tested(self, test: Inputs, number: int) -> np.ndarray:
        """Return who of a corpus is tested by the head of a fold (from 0), bool [utterances]."""
        if test.corpus == self.trained_on.corpus:
            return self.folds[number].test
        rows = self.protocol.across(
            test.corpus, test.utterances, test.labels, self.regime, number, len(self.folds)
        )
        return rows & test.labels.isin(self.classes).to_numpy()

    def file(self) -> Path:
        """Return where its predictions are stored, by a hash of all that made them."""
        protocol, one = self.protocol, self.trained_on
        rows = hashlib.sha256()
        for test in self.tests:
            rows.update(f"{test.corpus} {test.made_by}".encode())
            rows.update(test.utterances["utterance"].str.cat(sep="\n").encode())
            rows.update(test.labels.fillna("").str.cat(sep="\n").encode())
            for number in range(len(self.folds)):
                rows.update(np.packbits(self.tested(test, number)).tobytes())
        for fold in self.folds:
            rows.update(np.packbits([fold.training, fold.validation]).tobytes())
        here = Path(__file__)
        identity = {
            "unit": json.dumps([protocol.name, one.ptm, one.corpus, self.regime, self.seed]),
            "settings": json.dumps(dict(protocol.settings), sort_keys=True),
            "code": versions.of_code(
                known_protocols.code(protocol.name), protocol_parts, adam, frame_engine, frame_heads, frame_inputs,
                frame_loop, frame_stacks, reused_memory, here, balanced_tests,
            ),
            "rows": rows.hexdigest(),
            "libraries": versions.of_some("torch", "numpy"),
        }  # fmt: skip
        name = f"{protocol.representation.unit}-{self.regime}-{self.seed}-{store.key(identity)}.parquet"
        return paths.BUILD / "protocols" / protocol.name / one.ptm / one.corpus / name


def trainings(unit: Unit) -> list[frame_heads.Task]:
    """Return the trainings of a unit: for each fold, those of the sweep."""
    protocol, one, classes = unit.protocol, unit.trained_on, unit.classes
    y = _numbers(one, classes)
    found = []
    for number, fold in enumerate(unit.folds):
        rows = np.flatnonzero(fold.training)
        scaling = frame_inputs.scaling(one.frames, protocol.representation.normalisation, rows)
        watched = {}
        if "validation" in protocol.selections:
            watched["validation"] = frame_heads.Watched(one.frames, scaling, y, np.flatnonzero(fold.validation))
        if "test" in protocol.selections:
            watched |= {
                frame_heads.tested_on(test.corpus): frame_heads.Watched(
                    test.frames, _scaling_of(test, unit, scaling), _numbers(test, classes),
                    np.flatnonzero(unit.tested(test, number)),
                )
                for test in unit.tests
            }  # fmt: skip
        watched = {name: some for name, some in watched.items() if len(some.rows)}
        found += [
            frame_heads.Task(
                variant.head, variant.recipe, one.frames, scaling, y, rows, watched, len(classes),
                1000 * unit.seed + number + 1,
            )
            for variant in protocol.sweep if variant.recipe is not None
        ]  # fmt: skip
    return found


def _numbers(of: Inputs, classes: Sequence[str]) -> np.ndarray:
    """Return the class of each utterance as a number, -1 for none: int64 [utterances]."""
    return of.labels.map({name: i for i, name in enumerate(classes)}).fillna(-1).astype(int).to_numpy()


def chosen(fitted: Sequence[frame_heads.Fitted], selection: str) -> int:
    """Return which of the variants of a sweep a rule takes, the first of equals.

    `selection` is the name of a watched set, and the variant with the best epoch on it is taken; or "last": then
    the one that is best on validation after its last epoch, where there is a validation part.
    """
    column = f"{'validation' if selection == 'last' else selection}_accuracy"
    if column not in fitted[0].history:
        return 0
    curves = [one.history[column] for one in fitted]
    return int(np.argmax([curve.iloc[-1] if selection == "last" else curve.max() for curve in curves]))


def predictions(
    unit: Unit, tasks: Sequence[frame_heads.Task], fitted: Sequence[frame_heads.Fitted]
) -> pd.DataFrame:
    """Return the predictions of a unit whose heads are trained, a table with `COLUMNS`."""
    protocol, classes, n = unit.protocol, np.array(unit.classes), len(unit.protocol.sweep)
    tables = []
    for number in range(len(unit.folds)):
        some, own = fitted[n * number : n * (number + 1)], unit.folds[number]
        scaling = tasks[n * number].scaling
        trained = _prior(unit.trained_on.labels[own.training], classes)
        for test, selection in itertools.product(unit.tests, protocol.selections):
            rows, elsewhere = np.flatnonzero(unit.tested(test, number)), test.corpus != unit.trained_on.corpus
            if not len(rows):
                continue
            by = frame_heads.tested_on(test.corpus) if selection == "test" else selection
            best, of_test = some[chosen(some, by)], _scaling_of(test, unit, scaling)
            logits = frame_engine.predict(best, by, test.frames, of_test, rows)
            truth = test.labels.iloc[rows]
            for how in protocol.adjustments:
                answers = protocol.adjust(how, logits, trained, _prior(truth, classes), elsewhere).argmax(axis=1)
                facts: list[str | int] = [
                    unit.trained_on.ptm,
                    protocol.representation.unit,
                    unit.regime,
                    unit.seed,
                ]
                facts += [unit.trained_on.corpus, test.corpus, number + 1]
                named: dict[str, str | int] = {"selection": selection, "adjustment": how, "way": best.way}
                named |= dict(zip(COLUMNS[:7], facts, strict=True))
                of_rows = {
                    "utterance": test.utterances["utterance"].to_numpy()[rows],
                    "emotion": truth.to_numpy(),
                    "predicted": classes[answers],
                }
                tables.append(pd.DataFrame(of_rows).assign(**named))
    return pd.concat(tables, ignore_index=True)[COLUMNS]


def _prior(labels: pd.Series, classes: np.ndarray) -> np.ndarray:
    return np.array([(labels == name).mean() for name in classes])


def _scaling_of(test: Inputs, unit: Unit, scaling: frame_inputs.Scaling | None) -> frame_inputs.Scaling | None:
    """Return how a test corpus is scaled: each utterance by itself, or as the training part was."""
    if scaling is None or not scaling.by_utterance or test.corpus == unit.trained_on.corpus:
        return scaling
    return test.by_utterance


def _run(units: Sequence[Unit], workers: int) -> Iterator[pd.DataFrame]:
    files = [unit.file() for unit in units]
    to_do = [(unit, file) for unit, file in zip(units, files, strict=True) if not remote_store.here(file)]
    tasks = [trainings(unit) for unit, _ in to_do]
    fitted = iter(frame_engine.fit_many(list(itertools.chain(*tasks)), workers) if to_do else [])
    for (unit, file), own in zip(to_do, tasks, strict=True):
        table = predictions(unit, own, list(itertools.islice(fitted, len(own))))
        record = {
            "settings": dict(unit.protocol.settings),
            "libraries": versions.of_libraries(),
            "commit": versions.of_commit(),
        }
        whole_files.replace_file(file, functools.partial(table_files.write, table, record=record))
        remote_store.send(file)
    for file in files:
        yield pd.read_parquet(file)


def scores(protocol: Protocol, table: pd.DataFrame) -> pd.DataFrame:
    """Return the protocol's scores (percent) of every cell: mean over folds and seeds.

    Columns: ptm, head, regime, train_corpus, test_corpus, selection, adjustment, way, then the scores.
    """
    kinds = ["selection", "adjustment", "way"]
    each = []
    for kind, part in table.groupby(kinds, sort=False):
        named = dict(zip(kinds, kind, strict=True))
        each.append(metrics.summary(metrics.per_fold(part)).assign(**named))
    return pd.concat(each, ignore_index=True)[[*metrics.CELL, *kinds, *protocol.scores]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a protocol and print its scores, and what it makes of them for each model."""
    parser = argparse.ArgumentParser(description=main.__doc__, prog="python -m crosscorpus.training.protocol_grid")
    parser.add_argument("protocol", choices=known_protocols.names())
    parser.add_argument("--ptms", nargs="+", required=True, help="models")
    parser.add_argument("--corpora", nargs="+", required=True)
    parser.add_argument("--regimes", nargs="*", default=[], help="of the protocol; default: all")
    parser.add_argument("--heads", nargs="*", default=[], help="of a protocol on clips; default: all")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--overrides", default="", help="settings, as name=value,name=value")
    parser.add_argument("--workers", type=int, default=0)
    given = parser.parse_args(arguments)
    protocol = known_protocols.load(given.protocol, given.overrides)
    table = run(
        protocol, given.ptms, given.corpora, regimes=given.regimes, seeds=given.seeds, heads=given.heads,
        workers=given.workers,
    )  # fmt: skip
    cells = scores(protocol, table)
    print(cells.to_string(index=False, float_format="{:.1f}".format))
    first = protocol.scores[0]
    for kind, part in cells.groupby(["head", "regime", "selection", "adjustment"], sort=False):
        print(f"\n{protocol.title}, {', '.join(kind)}: {first}")
        print(protocol.aggregate(part, first).to_string(index=False, float_format="{:.1f}".format))
    ways = ", ".join(f"{way}: {n}" for way, n in table["way"].value_counts().items())
    print(f"\nPredictions by the way their heads were trained: {ways}")


if __name__ == "__main__":
    main()
