"""Write files so that what stands under a final name is whole."""

import contextlib
import errno
import os
import re
import uuid
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError

from crosscorpus.base import paths


class NotWrittenError(OSError):
    """A file that could not be written; the message names it, the reason and the remedy."""


FULL, READ_ONLY = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG), (errno.EROFS, errno.EACCES, errno.EPERM)


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file so that it is either whole or not there: `write` gets a temporary path beside it.

    Raises
    ------
    NotWrittenError
        The disk is full, or nothing may be written there. What stood under the name before is still there.
    """
    for left in (2, 1, 0):
        part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(part)
            return os.replace(part, path)
        except (OSError, SafetensorError) as error:
            number = _error_number(error)
            if left and number == errno.ENOENT and not path.parent.is_dir():
                continue  # another run of the same has finished just now, and swept the folder
            if number not in (*FULL, *READ_ONLY):
                raise
            remedy = "free some space" if number in FULL else "make its folder writable, or choose another"
            raise NotWrittenError(
                f"{paths.shown(path)}: cannot be written ({os.strerror(number)}); {remedy}, and run again: it "
                "goes on from what is stored"
            ) from error
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


def _error_number(error: OSError | SafetensorError) -> int:
    # safetensors writes it as text: "... No space left on device (os error 28)"
    found = re.search(r"os error (\d+)", str(error))
    return int(found[1]) if found else getattr(error, "errno", None) or 0
