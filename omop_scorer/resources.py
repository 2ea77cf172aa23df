"""Paths of the shipped folders `sql` and `configs`, in a wheel and in a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped(folder: str) -> Path:
    """Return the path of the shipped folder `sql` or `configs`.

    In an installed wheel it is inside the package, in a checkout next to the package.

    Raises
    ------
    FileNotFoundError
        The installation is incomplete.
    """
    for root in (_PACKAGE / "_resources", _PACKAGE.parent):
        if (root / folder).is_dir():
            return root / folder
    raise FileNotFoundError(f"incomplete installation of omop-scorer: no folder {folder!r}")
