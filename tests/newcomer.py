"""A newcomer's machine: a copy of the project with an environment of its own, and no variable of ours.

The environment is laid out as `make env` leaves it, with programs that name its own Python, but takes its packages
from the one that the tests run in, so that it is there at once.
"""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from crosscorpus.base import paths

PROGRAM = """#!{python}
import sys
from snakemake.cli import main
if "{dry}":
    sys.argv.insert(1, "--dry-run")
sys.exit(main())
"""


def copy(folder):
    """Put the project's files into a folder, without tests, what git ignores, and anybody's own tables."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        source, to = paths.ROOT / name, folder / name
        if source.exists() and not name.startswith(("tests/", "data/own/")):
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, to, follow_symlinks=False)
    return folder


def make_environment(folder, dry=False):
    """Make the environment of a checkout; `dry` makes its Snakemake say what it would run, and run nothing."""
    home = folder / ".venv"
    venv.EnvBuilder(symlinks=True, with_pip=False).create(home)
    packages = next(home.glob("lib/python*/site-packages"))
    (packages / "project.pth").write_text(f"{folder}/lib\n{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    for program in (Path(sys.prefix) / "bin").iterdir():
        to = home / "bin" / program.name
        if not to.exists():
            text = program.read_bytes()
            if text.startswith(f"#!{sys.prefix}".encode()):
                to.write_bytes(text.replace(sys.prefix.encode(), str(home).encode(), 1))
                to.chmod(0o755)
            else:
                to.symlink_to(program)
    (home / "bin" / "snakemake").write_text(
        PROGRAM.format(python=home / "bin" / "python", dry="dry" if dry else ""), encoding="utf-8"
    )
    (home / "bin" / "snakemake").chmod(0o755)
    if not (home / "share").exists():
        (home / "share").symlink_to(Path(sys.prefix) / "share")
    (home / ".made").touch()


def variables(home, **given):
    """Return the variables of a shell that was opened just now."""
    return {"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"} | given


def run(command, folder, home, minutes=10, **given):
    """Run a command in a shell of its own; return its exit status and all that it said."""
    shell = ["bash", "-euo", "pipefail", "-c", command]
    own = {"cwd": folder, "env": variables(home, **given), "start_new_session": True}
    with subprocess.Popen(shell, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **own) as process:
        try:
            said, _ = process.communicate(timeout=60 * minutes)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # with the kernels that it has started
            raise
    return process.returncode, said
