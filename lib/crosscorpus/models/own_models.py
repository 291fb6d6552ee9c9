"""Models that nothing here runs: entries of the registry for embeddings that were made elsewhere, and added."""

from typing import Any

from crosscorpus.base import added_files, paths

LOADER = "elsewhere"
FAMILY = "made elsewhere"


def entries() -> dict[str, dict[str, Any]]:
    """Return the fields of an entry of the registry for each model that was added, by id."""
    found: dict[str, dict[str, Any]] = {}
    for file in added_files.files():
        known = added_files.facts(file)
        said = f"{added_files.made(known)}" + (f" ({known['note']})" if known.get("note") else "")
        entry = found.setdefault(file.parent.name, {"name": file.parent.name, "dimension": 0, "said": []})
        entry["name"] = known.get("title") or entry["name"]
        entry["dimension"] = int(known.get("dim", entry["dimension"]))
        entry["said"] += [said] if said not in entry["said"] else []
    return {ptm: _entry(ptm, **entry) for ptm, entry in found.items()}


def _entry(ptm: str, name: str, dimension: int, said: list[str]) -> dict[str, Any]:
    return {
        "name": name,
        "family": FAMILY,
        "loader": LOADER,
        "home": "none",
        "handle": "; ".join(said),
        "dimension": dimension,
        "layer": added_files.UNKNOWN,
        "licence": "not stated",
        "source": paths.shown(added_files.folder() / ptm),
        "note": "embeddings that were made elsewhere: nothing here runs the model",
    }
