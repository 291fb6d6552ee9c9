"""What can stop a run, looked for before anything long.

All corpora of a run are read, and the guards that come before training look at their utterances together. Reading
takes seconds where a model takes minutes or hours.
"""

from collections.abc import Sequence

from crosscorpus.base import progress
from crosscorpus.corpora import corpus_registry
from crosscorpus.embeddings import corpus_scans
from crosscorpus.protocols import cells, protocol_settings
from crosscorpus.training import input_guards


def check(
    corpus_ids: Sequence[str],
    source: str,
    regimes: Sequence[str],
    overrides: str = "",
    mirror: str | None = None,
    workers: int = 1,
) -> list[str]:
    """Read the corpora of a run and check them; return a line for each, and one for each cell that is left out.

    Parameters
    ----------
    corpus_ids, source, regimes, overrides, mirror
        As a profile has them.
    workers
        Threads that decode side by side.

    Raises
    ------
    ValueError
        What would stop the run later: the settings cannot be used, none of a corpus's files can, or a guard trips
        (`guard_parts.GuardError`), as where two corpora share a recording.
    """
    settings = protocol_settings.load(overrides)
    lines, utterances = [], {}
    for corpus in corpus_ids:
        name, scan = corpus_registry.get(corpus).name, corpus_scans.scan(corpus, source, mirror, workers)
        if scan is None:
            lines.append(f"{name}: not here")
            continue
        utterances[corpus] = scan.utterances
        speech = progress.duration(scan.utterances["seconds"].sum())
        lost = f"; files that are not used: {len(scan.problems)}" if len(scan.problems) else ""
        lines.append(f"{name}: {len(scan.utterances)} utterances, {speech} of speech{lost}")
    input_guards.check_inputs(utterances, regimes, settings)
    return lines + cells.sentences(cells.left_out(utterances, regimes, settings))
