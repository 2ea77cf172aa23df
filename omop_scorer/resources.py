"""The shipped folders `sql` and `configs`, in a wheel and in a checkout."""

from pathlib import Path
from typing import Any

import yaml

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


def shipped_yaml(name: str) -> Any:
    """Return the document of a YAML file of the shipped folder `configs`, without checking it.

    The parser of libyaml is used where PyYAML has it; both read the shipped files alike.
    """
    text = (shipped("configs") / name).read_text(encoding="utf-8")
    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
