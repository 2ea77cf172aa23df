"""Temporary folders, which may hold rows of patients.

A file in each folder names the process that uses it, so that a later run can remove the folders of
processes that were killed.
"""

import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from omop_scorer.connections.lock_holder import LockHolder

_PREFIX = "omop-scorer-"

#: File that names the process. Spark ignores names that start with "_".
_HOLDER = "_holder"


def new_folder(above: Path | None = None) -> Path:
    """Create a folder that only this user can enter; remove the leftovers beside it.

    Leftovers are folders of this user whose process ran on this machine and has exited.

    Parameters
    ----------
    above
        Folder in which it is created; None for the one that TMPDIR names.

    Raises
    ------
    OSError
    """
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=above))
    try:
        written = folder / f"{_HOLDER}.new"
        written.write_text(LockHolder.this_process().text, encoding="utf-8")
        # Another run must not read half of it.
        written.rename(folder / _HOLDER)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    _remove_leftovers(folder)
    return folder


def _remove_leftovers(own: Path) -> None:
    user = own.stat().st_uid
    for file in own.parent.glob(f"{_PREFIX}*/{_HOLDER}"):
        try:
            is_left = (
                file.parent.lstat().st_uid == user
                and LockHolder(file.read_text(encoding="utf-8")).is_gone()
            )
        except (OSError, UnicodeDecodeError):  # unreadable, or removed meanwhile
            continue
        if is_left:
            _remove_contents(file.parent)
            shutil.rmtree(file.parent, ignore_errors=True)


def remove_folder(folder: Path) -> None:
    """Remove a folder that `new_folder` has created.

    A later run removes what cannot be removed now, because the name of the process goes last.
    """
    # A task of Spark that is being stopped may still write for a moment.
    for _ in range(50):
        if _remove_contents(folder):
            shutil.rmtree(folder, ignore_errors=True)
            return
        time.sleep(0.1)


def _remove_contents(folder: Path) -> bool:
    """Remove everything but the name of the process; return False if something is still there."""
    for path in _contents(folder):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()
    return not _contents(folder)


def _contents(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*") if path.name != _HOLDER]
