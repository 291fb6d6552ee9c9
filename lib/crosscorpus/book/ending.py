"""What a run says at its end: where to look, what was left out and why.

Its command is `python -m crosscorpus.book.ending RUN`.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from crosscorpus.base import added_files, paths, stamp
from crosscorpus.book import timings
from crosscorpus.corpora import corpus_registry
from crosscorpus.embeddings import availability, corpus_scans
from crosscorpus.protocols import cells, protocol_settings


def pages(run: str) -> list[Path]:
    """Return the chapters that a run executed to their end, and its site first where it has one that is newer."""
    folder = paths.BUILD / run / "notebooks"
    found = (file for file in sorted(folder.rglob("*.ipynb")) if parameters(file))
    added = {
        f"models/{file.parent.name}.ipynb" for file in added_files.files()
    }  # pages without a notebook of their own
    names = {file: str(file.relative_to(folder)) for file in found}
    made = [f for f, name in names.items() if name in added or (paths.ROOT / "notebooks" / name).exists()]
    site = site_of(run)
    newest = max((file.stat().st_mtime for file in made), default=0.0)
    return [*([site] if site.exists() and site.stat().st_mtime >= newest else []), *made]


def site_of(run: str) -> Path:
    """Return the first page of the site that a run builds."""
    below = paths.BUILD if run in ("demo", "paper") else paths.BUILD / run / "_build"
    return below / "html" / "index.html"


def parameters(notebook: Path) -> dict[str, Any]:
    """Return the values that an executed notebook was given; none where it did not come to its end."""
    made = json.loads(notebook.read_text(encoding="utf-8"))["metadata"].get("papermill", {})
    return made.get("parameters", {}) if made.get("end_time") and not made.get("exception") else {}


def left_out(given: dict[str, Any]) -> list[str]:
    """Return sentences on what a run left out: files, utterances, models and cells.

    Parameters
    ----------
    given
        What the chapter on the grid was executed with.
    """
    source, ids, ptms = given["source"], given["corpora"], given["ptms"]
    said = []
    scans = corpus_scans.stored(ids, source)
    for corpus, scan in scans.items():
        if len(scan.problems) and (source == "audio" or corpus_registry.get(corpus).table is not None):
            first = scan.problems.iloc[0]
            more = f" and {len(scan.problems) - 1} more" if len(scan.problems) > 1 else ""
            name = corpus_registry.get(corpus).name
            said.append(f"{name}: files not used: {first['path']} ({first['reason']}){more}; see the chapter data")
    needed = availability.needed(ptms, ids, source, given.get("mirror") or None)
    said += [f"{row['name']}: not run; it needs {row['needs']}" for row in needed.to_dict("records")]
    settings = protocol_settings.load(given.get("overrides") or "")
    return said + cells.sentences(
        cells.left_out({c: scan.utterances for c, scan in scans.items()}, given["regimes"], settings)
    )


def main() -> None:
    """Print what a run took, what it left out, and where its pages are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="a folder of _build: the profile's name, or own-<id>")
    run = parser.parse_args().run
    made = pages(run)
    if not made:
        print(f"No page was made in {paths.shown(paths.BUILD / run)}")
        return
    steps = timings.table(run).to_string(index=False, float_format="{:.0f}".format)
    print("".join(f"\n{said}\n" for said in stamp.facts().values()), end="")
    print(f"\nWhat each step took when it last ran:\n\n{steps}")
    grid = next((parameters(file) for file in made if file.stem == "cross-corpus"), None)
    if grid and (said := left_out(grid)):
        print("\nLeft out:\n")
        print("\n".join(f"- {line}" for line in said))
    print("\nLook at:\n")
    site = site_of(run)
    for file in made:
        if file == site:
            print(f"  {site.as_uri()}  (the book)")
        elif ("models" not in file.parts or added_files.files(file.stem)) and site not in made:
            print(f"  {paths.shown(file)}")


if __name__ == "__main__":
    main()
