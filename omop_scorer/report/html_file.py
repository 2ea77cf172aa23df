"""The place of a page: a report replaces an HTML page as a whole, and nothing else."""

import os
import tempfile
from pathlib import Path

from omop_scorer.connections.private_files import keep_rights, usual_rights
from omop_scorer.errors import ResultsError

#: First bytes of a page, in lower case.
_FIRST_WORDS = b"<!doctype html"


def write_html(path: Path, text: str) -> None:
    """Write a page to a file, which it replaces atomically and whose rights it keeps.

    Raises
    ------
    ResultsError
        The file is no page, or cannot be written.
    """
    refuse_unfit(path)
    folder = path.parent
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # A page that is replaced gives its rights to the new one.
        if path.exists():
            keep_rights(path, Path(temporary))
        else:
            usual_rights(Path(temporary))
        Path(temporary).replace(path)
    except OSError as error:
        raise ResultsError(
            f"{path}: cannot write the file: {error.strerror}; choose another file or folder"
        ) from None
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def refuse_unfit(path: Path) -> None:
    """Refuse a page in a folder that is not there, or in the place of what is no page.

    Raises
    ------
    ResultsError
        There is no such folder; or the file exists, is not empty and is no HTML page, such as a
        database or a device.
    """
    folder = path.parent
    if not folder.is_dir():
        raise ResultsError(f"{folder}: no such folder; create it or choose another")
    if not _may_be_replaced(path):
        raise ResultsError(
            f"{path}: exists and is no HTML page, and nothing else is replaced; choose another file"
        )


def _may_be_replaced(path: Path) -> bool:
    """Return True for a new file, an empty one, or an HTML page; False for a database or device."""
    if not path.exists():
        return True
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            start = file.read(100).strip()
    except OSError:
        return False
    return not start or start.lower().startswith(_FIRST_WORDS)
