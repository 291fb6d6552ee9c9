"""Utterances: which corpora there are, how their files are named, decoded, checked and listed.

Modules, in the order in which data flows through them:

- `corpus_entries`: an entry of the registry of corpora, and what it says of a file's name
- `corpus_tables`: facts of utterances that owners tell in tables of their own, not in file names
- `own_sheets`: CSV files as spreadsheets save them
- `own_tables`: corpora of one's own
- `corpus_registry`: which speech corpora there are, and where each one's audio is
- `spoken_texts`: who says which words, as far as a corpus tells
- `containers`: what the containers of audio tell of their length
- `mp3`: MP3 files whole
- `decoding`: decode an audio file to mono float32 samples
- `audio_damage`: whether an audio file says the same of itself everywhere
- `recordings`: audio files of a corpus
- `utterance_tables`: tables of utterances
- `scanning`: the table of utterances of a folder of audio, with the quality of each and what could not be read
- `loose_recordings`: recordings that belong to no corpus: of a folder or one file, without labels
- `file_lists`: official lists of utterances: read, checked, counted, and compared with what was found
- `parquet_audio`: audio files out of Parquet tables
- `home_files`: what a home of a corpus gives, in a folder
- `corpus_downloads`: download a corpus from its home into the cache folder, or say how to get it by hand
"""

from typing import Any

from crosscorpus.base import old_names


def __getattr__(name: str) -> Any:  # of the module that had the room's name, for one release
    return old_names.attribute("corpora", name)
