"""Fetch corpora and models by name (`python -m crosscorpus.embeddings.downloads emodb wavlm-base`)."""

import argparse
import re
import sys
from collections.abc import Sequence

import yaml

from crosscorpus.base import added_files, known_names, paths, web
from crosscorpus.corpora import corpus_downloads, corpus_registry
from crosscorpus.embeddings import availability
from crosscorpus.models import model_registry


def main(argv: Sequence[str] | None = None) -> int:
    """Fetch corpora and models by name and print where each is; return the exit status.

    The status is 1 if one that was named by hand could not be had; those of a profile are only reported.

    Raises
    ------
    known_names.UnknownNameError
        A name is neither a corpus nor a model, or the profile is unknown.
    """
    parser = argparse.ArgumentParser(
        prog="crosscorpus.embeddings.downloads", description="Fetch corpora and models."
    )
    parser.add_argument("names", nargs="*", help="ids of corpora and models, of the data files")
    parser.add_argument("--profile", help="fetch what profiles/<PROFILE>.yaml names; a failure is not fatal")
    given = parser.parse_args(argv)
    wanted: list[str] = list(given.names)
    if given.profile:
        profiles = {path.stem: path for path in (paths.ROOT / "profiles").glob("*.yaml") if path.stem != "schema"}
        path = profiles[known_names.check(given.profile, sorted(profiles), "profile")]
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        wanted += [*values["corpora"], *values["ptms"]]
    known = [*corpus_registry.ids(), *model_registry.registry()]
    rows = [(name, *_get(name)) for name in dict.fromkeys(known_names.check_all(wanted, known, "corpus or model"))]
    states = {name: state for name, state, _ in rows}
    rows, offline = _without_network(rows)
    width = max((len(name) for name, *_ in rows), default=0)
    for name, state, where in rows:
        print(f"{name:{width}}  {state:8}  " + where.replace("\n", f"\n{'':{width + 12}}"))
    for reason, names in offline.items():
        print(f"{NOT_HERE}: {', '.join(names)}: {reason}")
    return int(any(state != HERE and name in given.names for name, state in states.items()))


HERE, INCOMPLETE, NOT_HERE, OFFLINE = "here", "incomplete", "not here", "offline"


def _get(name: str) -> tuple[str, str]:
    try:
        if name in corpus_registry.ids():
            return HERE, str(corpus_downloads.corpus(name))
        from crosscorpus.models import weights

        if model_registry.is_made_elsewhere(name) and not added_files.files(name):
            return NOT_HERE, f"nothing here runs it; {availability.needs_of_model(name)}"
        return HERE, str(weights.fetch(name) or "needs no weights")
    except corpus_downloads.IncompleteError as error:
        return INCOMPLETE, str(error)
    except Exception as error:  # whatever happens to one, the others go on
        if any(isinstance(raised, web.NoNetworkError) for raised in (error, error.__cause__)):
            return OFFLINE, str(error)
        return NOT_HERE, str(error) if isinstance(error, (RuntimeError, OSError)) else repr(error)


Row = tuple[str, str, str]


def _without_network(rows: Sequence[Row]) -> tuple[list[Row], dict[str, list[str]]]:
    """Return the other rows, and the names of what could not be had for want of a network, by reason."""
    others: list[Row] = []
    offline: dict[str, list[str]] = {}
    for row in rows:
        found = re.search(r"no network, or no such host: \S+; connect, and run again", row[2])
        if row[1] == OFFLINE and found:
            offline.setdefault(found[0], []).append(row[0])
        else:
            others.append(row)
    return others, offline


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ValueError as mistake:
        sys.exit(f"crosscorpus.embeddings.downloads: {mistake}")
