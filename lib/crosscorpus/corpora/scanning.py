"""The table of utterances of a folder of audio, with the quality of each and what could not be read."""

from pathlib import Path

from crosscorpus.corpora import corpus_registry
from crosscorpus.corpora.utterance_tables import Scan, read_audio


def scan(corpus: str, folder: str | Path, workers: int = 1) -> Scan:
    """Read every audio file below a folder, under any layout.

    Parameters
    ----------
    corpus
        Id of the corpus in the registry.
    folder
        Folder with its audio (`decoding.SUFFIXES`); what relative paths of a CSV table count from.
    workers
        Threads that decode side by side.

    Returns
    -------
    Utterances (`COLUMNS`), their quality (`QUALITY_COLUMNS`) and problems (`PROBLEM_COLUMNS`), each sorted
    by utterance or path. A file that cannot be used is a row of the problems and nothing else.

    Raises
    ------
    FileNotFoundError
        The folder does not exist.
    NothingUsableError
        Not one utterance can be used.
    """
    return read_audio(corpus_registry.get(corpus), Path(folder), workers)
