"""Keep the executed copies of the profile *smoke* for comparison (`make reference`), without images and sound.

nbval does not compare them, and they would make up most of the files.
"""

import json
import re
from pathlib import Path

from crosscorpus.base import paths

KEPT = Path(__file__).parent / "notebooks"


def main() -> None:
    made = paths.BUILD / "smoke" / "notebooks"
    for file in sorted(made.rglob("*.ipynb")):
        if not (paths.ROOT / "notebooks" / file.relative_to(made)).exists():  # a chapter under an old name
            continue
        notebook = json.loads(file.read_text(encoding="utf-8"))
        notebook["metadata"].pop("papermill", None)
        for cell in notebook["cells"]:
            for times in ("papermill", "execution"):
                cell["metadata"].pop(times, None)
            for output in cell.get("outputs", []):
                data = output.get("data", {})
                for kind in [kind for kind in data if kind.startswith("image/")]:
                    del data[kind]
                if "text/html" in data:
                    html = "".join(data["text/html"])
                    data["text/html"] = re.sub(r"(data:audio/wav;base64,)[\w+/=]+", r"\1", html)
        kept = KEPT / file.relative_to(made)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(kept.relative_to(paths.ROOT))


if __name__ == "__main__":
    main()
