"""Add embeddings made elsewhere, take them away; write stored ones for others; make layers, frames, portions.

python -m crosscorpus.embeddings add FILE --model NAME --corpus ID
python -m crosscorpus.embeddings frames --model NAME --corpus ID
python -m crosscorpus.embeddings portion --model NAME --corpus ID --number 2 --of 5
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from crosscorpus.base import added_files, paths
from crosscorpus.embeddings import exports, frames, imports, layers, portions, store, store_folders
from crosscorpus.models import hidden_states, model_registry


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="crosscorpus.embeddings", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("add", help="add the embeddings of a corpus by a model that is not run here")
    add.add_argument("file", type=Path, help=", ".join(imports.READERS))
    add.add_argument("--model", required=True, help="an id of your choice: small letters, digits, hyphens")
    add.add_argument("--corpus", required=True, help="id of the corpus, whose audio need not be here")
    add.add_argument("--names", type=Path, help="CSV table with a name for each vector, in their order")
    add.add_argument("--by", default="", help="who made them")
    add.add_argument("--on", "--date", default="", help="when they were made")
    add.add_argument("--note", default="", help="what else is to be known, in one line")
    add.add_argument("--title", default="", help="the model's name for readers; without it, the id")
    add.add_argument("--extra", action="store_true", help="leave out rows of no utterance of the corpus")
    add.add_argument("--equal", action="store_true", help="equal vectors are meant")
    remove = commands.add_parser("remove", help="take away what was added, with its predictions and pages")
    remove.add_argument("--model", required=True)
    remove.add_argument("--corpus", default="", help="without it, all corpora")
    export = commands.add_parser("export", help="write stored embeddings to a file")
    export.add_argument("file", type=Path, help=" or ".join(exports.KINDS))
    export.add_argument("--model", required=True)
    export.add_argument("--corpus", required=True)
    export.add_argument("--source", default="any", help=", ".join(store_folders.SOURCES))
    export.add_argument("--pooling", default="", help="without it, the model's default")
    for kind, what in (("layers", "one vector a layer"), ("frames", "all hidden states of a layer")):
        made = commands.add_parser(kind, help=f"make {what} of a corpus from its audio, and say what it takes")
        made.add_argument("--model", required=True)
        made.add_argument("--corpus", required=True)
        made.add_argument("--pooling", default="", help="without it, the model's default")
        made.add_argument("--workers", type=int, default=0, help="processes side by side; 0: one a core")
        if kind == "frames":
            made.add_argument("--layer", default=hidden_states.LAST, help="last, mean, or a number from 0 on")
    for command, what in (("portion", "embed a portion of a corpus"), ("join", "join the portions of a corpus")):
        one = commands.add_parser(command, help=f"{what}, which several jobs share")
        one.add_argument("--model", required=True)
        one.add_argument("--corpus", required=True)
        one.add_argument("--of", type=int, required=True, help="how many portions there are")
        one.add_argument("--mirror", default=None, help="folder of local copies; without it, CROSSCORPUS_MIRROR")
        if command == "portion":
            one.add_argument("--number", type=int, required=True, help="which, from 1 on")
            one.add_argument("--workers", type=int, default=0, help="processes side by side; 0: one a core")
    commands.add_parser("list", help="list what was added")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command and say what it did.

    Raises
    ------
    ValueError
        What was given cannot be used; the message names the file, the row, the reason and the remedy.
    store_folders.NotStoredError
        What is to be written has not been made yet.
    """
    given = vars(_parser().parse_args(argv))
    command = given.pop("command")
    if command == "add":
        said = imports.add(given.pop("file"), given.pop("model"), given.pop("corpus"), **given)
        print("\n".join(said))
    elif command == "remove":
        print("\n".join(imports.remove(given["model"], given["corpus"])))
        named = [
            paths.shown(file)
            for file in (paths.ROOT / "profiles").glob("*.yaml")
            if given["model"] in file.read_text(encoding="utf-8") and not added_files.files(given["model"])
        ]
        print(f"still named in {', '.join(named)}: take it out there" if named else "no profile names it")
    elif command == "export":
        found = store.load(given["model"], given["corpus"], given["source"], given["pooling"])
        exports.write(found, given["file"])
        print(f"{given['file']}: {len(found.vectors)} vectors of {found.vectors.shape[1]} dimensions")
    elif command in ("layers", "frames"):
        embed = layers.embed_layers if command == "layers" else frames.embed_frames
        made = embed(given.pop("model"), given.pop("corpus"), **given)
        print(f"{len(made)} utterances, {len(made.vectors)} vectors of {made.vectors.shape[1]} dimensions")
    elif command == "portion":
        count = given.pop("of")
        print(portions.embed(given.pop("model"), given.pop("corpus"), given.pop("number"), count, **given))
    elif command == "join":
        print(portions.join(given["model"], given["corpus"], given["of"], mirror=given["mirror"]))
        portions.tidy(given["model"], given["corpus"])
    else:
        table = imports.added()
        print(table.to_string(index=False) if len(table) else "nothing was added")


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, model_registry.NotAvailableError) as mistake:
        sys.exit(f"crosscorpus.embeddings: {mistake}")
