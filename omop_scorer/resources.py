"""Where the shipped `sql` and `configs` folders are, in a wheel and in a checkout alike."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped(folder: str) -> Path:
    """Return the shipped folder `sql` or `configs`.

    Installed wheels carry it inside the package; in a checkout it stands beside the package.

    Raises
    ------
    FileNotFoundError
        The installation is incomplete.
    """
    for root in (_PACKAGE / "_resources", _PACKAGE.parent):
        if (root / folder).is_dir():
            return root / folder
    raise FileNotFoundError(f"the installation of omop-scorer lacks its folder {folder!r}")
