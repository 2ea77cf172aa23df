"""Replacement of a set of files as a whole: a reader finds all files of one run, or none.

The set is written to a folder beside, on the same disk, which then takes the place of the old one.
"""

import ctypes
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from omop_scorer.connections.private_files import keep_rights, usual_rights
from omop_scorer.errors import ResultsError

#: Arguments of renameat2(2): paths of the current folder, and a swap of two names in one step.
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2

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
    with replaced_folder(folder, ours) as beside:
        with _errors_of(folder):
            for name, text in files.items():
                _write(beside / name, text)
        yield


@contextmanager
def replaced_folder(
    folder: Path, ours: frozenset[str], *, is_private: bool = False
) -> Iterator[Path]:
    """Yield an empty folder that only this user can read; it replaces `folder` when the block ends.

    Parameters
    ----------
    folder
        Created if it does not exist. Files in it that are not of a set stay.
    ours
        Names that a file of a set may have; such a file of an older set goes.
    is_private
        True if a folder that is created remains readable by this user alone.

    Raises
    ------
    ResultsError
        The folder cannot be replaced; it is then as before.
    """
    place = folder.resolve()
    refuse_unfit_folder(folder)
    with _errors_of(folder):
        place.parent.mkdir(parents=True, exist_ok=True)
        _restore(place)
        beside = Path(tempfile.mkdtemp(prefix=f".{place.name}.", suffix=".new", dir=place.parent))
    try:
        yield beside
        with _errors_of(folder):
            _take_over(place, beside, ours, is_private=is_private)
            _replace(place, beside)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def refuse_unfit_folder(folder: Path) -> None:
    """Refuse a folder that a set of files cannot replace as a whole.

    Raises
    ------
    ResultsError
    """
    place = folder.resolve()
    if place.exists() and not place.is_dir():
        raise ResultsError(f"{folder}: is a file, and a folder is written there; name a folder")
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


def _take_over(place: Path, beside: Path, ours: frozenset[str], *, is_private: bool) -> None:
    """Give the new folder the mode of the old one, and every file that is not of a set."""
    if not place.exists():
        if not is_private:
            usual_rights(beside)
        return
    keep_rights(place, beside)
    for path in place.iterdir():
        if path.name not in ours and not (beside / path.name).exists():
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
    if _exchange(place, beside):
        return
    place.rename(old)
    try:
        beside.rename(place)
    except BaseException:
        old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _exchange(place: Path, beside: Path) -> bool:
    """Swap two folders in one step, so that a kill leaves no gap; return False if that fails."""
    try:
        swap = ctypes.CDLL(None).renameat2
    except (OSError, AttributeError, TypeError):  # not Linux, or an older C library
        return False
    names = [os.fsencode(each) for each in (place, beside)]
    return bool(swap(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0)


def _restore(place: Path) -> None:
    """Undo a replacement that was killed half-way, and remove what it left beside."""
    old = _old(place)
    if old.is_dir() and not place.exists():
        old.rename(place)
    for left in (old, *place.parent.glob(f".{place.name}.*.new")):
        with suppress(OSError):
            if left == old or time.time() - left.stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(left)
