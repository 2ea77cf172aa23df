"""The generated parts by name, and the READMEs that hold them between two comments."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.documentation import configs_folder, run_file, sql_folder

ROOT = Path(__file__).parents[2]
READMES = tuple(ROOT / folder / "README.md" for folder in ("configs", "sql", "tests"))

PARTS: dict[str, Callable[[], str]] = {
    "keys at the top": run_file.top_level,
    **{f"keys of {name}": partial(run_file.section, name) for name in run_file.SECTIONS},
    "keys of covariates": run_file.covariates,
    "covariates": configs_folder.covariates,
    "units": configs_folder.units,
    "concept sets": configs_folder.concept_sets,
    "treatment lines": configs_folder.treatment_lines,
    "covariates of the card": configs_folder.card_covariates,
    "classes of the card": configs_folder.card_classes,
    **{f"files of {name}": partial(sql_folder.files, name) for name in sql_folder.folders()},
    **{
        f"table {name}": partial(sql_folder.results_table, name)
        for name in sql_folder.specification()
    },
    "views": sql_folder.views,
}

_PART = re.compile(r"<!-- generated: (?P<name>.+?) -->\n.*?<!-- end -->", flags=re.DOTALL)


def names_in(text: str) -> list[str]:
    """Return the names of the parts that a README holds."""
    return [match["name"] for match in _PART.finditer(text)]


def rewritten(text: str) -> str:
    """Return a README with every generated part as it must be now.

    Raises
    ------
    KeyError
        It names a part that does not exist.
    """

    def part(match: re.Match[str]) -> str:
        name = match["name"]
        return f"<!-- generated: {name} -->\n\n{PARTS[name]()}\n\n<!-- end -->"

    return _PART.sub(part, text)


def stale() -> dict[Path, str]:
    """Return the READMEs whose generated parts are out of date, each with its new text."""
    texts = {path: path.read_text(encoding="utf-8") for path in READMES}
    return {path: new for path, text in texts.items() if (new := rewritten(text)) != text}
