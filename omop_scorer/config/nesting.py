"""Locations of CDM and results that lie in each other, also through symbolic links and mounts."""

from collections.abc import Iterator
from os.path import exists, samefile
from pathlib import Path


def is_same(one: Path, other: Path) -> bool:
    """Return True if two paths name one file or folder, which need not exist."""
    # Path.exists fails on a name that is too long, and in a folder that may not be read.
    if exists(one) and exists(other):  # noqa: PTH110
        return samefile(one, other)  # noqa: PTH121
    return one.resolve() == other.resolve()


def is_nested(cdm: Path, results: Path, schema: str | None) -> bool:
    """Return True if the results lie in a folder of the CDM, or the CDM in that of the results.

    Parameters
    ----------
    cdm
        A file, or a folder whose tables may be links to folders elsewhere.
    results
        A file or a folder.
    schema
        Name of the folder of the schema in the folder of the results; None for a file.
    """
    written = [results] if schema is None else [results, results / schema]
    if any(_lies_in(path, folder) for path in written for folder in _folders(cdm)):
        return True
    return schema is not None and any(_lies_in(cdm, folder) for folder in written)


def _folders(cdm: Path) -> Iterator[Path]:
    """Yield the folder of the CDM, and the folders elsewhere that links in it name."""
    if cdm.is_dir():
        yield cdm
        yield from (path for path in cdm.iterdir() if path.is_symlink() and path.is_dir())


def _lies_in(path: Path, folder: Path) -> bool:
    resolved = path.resolve()
    return any(is_same(each, folder) for each in (resolved, *resolved.parents))
