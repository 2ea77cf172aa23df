"""Replacement of a set of files as a whole: a reader finds all files of one run, or none.

The set is written to a folder beside, on the same disk, which then takes the place of the old one.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from omop_scorer.errors import ResultsError

#: A folder beside that is older was left by a program that was killed.
_ABANDONED_SECONDS = 3600


@contextmanager
def whole_folder(folder: Path, files: Mapping[str, str], ours: frozenset[str]) -> Iterator[None]:
    """Write files beside a folder, and put them in its place when the block ends without an error.

    Parameters
    ----------
    folder
        Created if it does not exist. Files in it that are not of a set stay.
    files
        Texts by name of file.
    ours
        Names that a file of a set may have; such a file of an older set goes.

    Raises
    ------
    ResultsError
        The folder cannot be replaced, or a file cannot be written; the folder is then as before.
    """
    place = folder.resolve()
    _refuse_unfit(folder, place)
    with _errors_of(folder):
        place.parent.mkdir(parents=True, exist_ok=True)
        _restore(place)
        beside = Path(tempfile.mkdtemp(prefix=f".{place.name}.", suffix=".new", dir=place.parent))
    try:
        with _errors_of(folder):
            for name, text in files.items():
                _write(beside / name, text)
        yield
        with _errors_of(folder):
            _take_over(place, beside, ours | files.keys())
            _replace(place, beside)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _refuse_unfit(folder: Path, place: Path) -> None:
    if place.exists() and not place.is_dir():
        raise ResultsError(
            f"{folder}: cannot create the folder: File exists; choose another folder"
        )
    if not place.is_dir():
        return
    if place.is_mount() or place.samefile(Path.cwd()):
        kind = "is a mount point" if place.is_mount() else "is the current folder"
        raise ResultsError(
            f"{folder}: {kind}, which cannot be replaced as a whole; name a folder in it, such as "
            f"{folder / 'figures'}"
        )
    with _errors_of(folder):
        inner = sorted(each.name for each in place.iterdir() if each.is_dir())
    if inner:
        raise ResultsError(
            f"{folder}: holds other folders, such as {inner[0]}, and the files of a report replace "
            "the folder as a whole; choose another folder"
        )


@contextmanager
def _errors_of(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ResultsError(
            f"{folder}: cannot create the folder or a file in it: {error.strerror}; choose another "
            "folder"
        ) from None


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        # A disk that is full may say so only now.
        os.fsync(file.fileno())


def _take_over(place: Path, beside: Path, ours: frozenset[str]) -> None:
    """Give the new folder the mode of the old one, and every file that is not of a set."""
    if not place.exists():
        umask = os.umask(0)
        os.umask(umask)
        beside.chmod(0o777 & ~umask)
        return
    beside.chmod(place.stat().st_mode & 0o7777)
    for path in place.iterdir():
        if path.name not in ours:
            try:
                os.link(path, beside / path.name, follow_symlinks=False)
            except OSError:  # some file systems have no second names
                shutil.copy2(path, beside / path.name, follow_symlinks=False)


def _old(place: Path) -> Path:
    return place.with_name(f".{place.name}.old")


def _replace(place: Path, beside: Path) -> None:
    """Put the new folder in the place of the old one; after an error the old one is back."""
    old = _old(place)
    if not place.exists():
        beside.rename(place)
        return
    place.rename(old)
    try:
        beside.rename(place)
    except BaseException:
        old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _restore(place: Path) -> None:
    """Undo a replacement that was killed half-way, and remove what it left beside."""
    old = _old(place)
    if old.is_dir() and not place.exists():
        old.rename(place)
    for left in (old, *place.parent.glob(f".{place.name}.*.new")):
        with suppress(OSError):
            if left == old or time.time() - left.stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(left)
