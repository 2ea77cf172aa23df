"""Files that only this user can read, because they hold persons."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_OTHERS = 0o077


@contextmanager
def private_files(path: Path) -> Iterator[None]:
    """Let only this user read what the block creates at a path or inside it.

    A file or folder that exists keeps its mode: if the site lets others read it, new files inside
    or beside it get the modes that the umask of the process gives.
    """
    is_shared = path.exists() and bool(stat.S_IMODE(path.stat().st_mode) & _OTHERS)
    before = os.umask(_OTHERS)
    if is_shared:
        os.umask(before)
    try:
        yield
    finally:
        os.umask(before)


def usual_rights(path: Path) -> None:
    """Give a file or folder that was made for this user alone the mode of the umask."""
    umask = os.umask(0)
    os.umask(umask)
    path.chmod((0o777 if path.is_dir() else 0o666) & ~umask)


def keep_rights(old: Path, new: Path) -> None:
    """Give a new file or folder the mode and the group of the one that it replaces.

    Where the group cannot be given, no group gets rights.
    """
    before = old.stat()
    mode = stat.S_IMODE(before.st_mode)
    with suppress(OSError):
        os.chown(new, -1, before.st_gid)
    if new.stat().st_gid != before.st_gid:
        mode &= ~(stat.S_IRWXG | stat.S_ISGID)
    new.chmod(mode)
