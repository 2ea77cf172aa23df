"""The rendered SQL of each dialect as a diff against the DuckDB rendering.

A `.sql` file is DuckDB SQL, so only the lines that another dialect changes need a review. A diff
holds the files that are sent in the dialect. Dialects without a diff change no word.
Parameters are left out of the diffs: each dialect writes all of them in one form.
`python -m tests.golden` writes the diffs again.
"""

import difflib
import re
from functools import cache
from pathlib import Path

from omop_scorer import sql

DIALECTS = ("postgres", "spark", "tsql")
#: How each dialect writes a parameter.
PARAMETERS = {
    **dict.fromkeys(sql.DIALECTS, r"(?<=[\s(]):(\w+)"),
    **dict.fromkeys(("postgres", "redshift"), r"%\((\w+)\)s"),
    "duckdb": r"\$(\w+)",
    "bigquery": r"@(\w+)",
}


def golden_path(dialect: str) -> Path:
    """Return the path of the diff that was reviewed."""
    return Path(__file__).parent / f"{dialect}.diff"


def differences(dialect: str) -> str:
    """Return the diff from DuckDB to a dialect over its SQL files, without lines of context."""
    lines: list[str] = []
    for name in files(dialect):
        one, other = (alike(name, each).splitlines() for each in ("duckdb", dialect))
        lines += difflib.unified_diff(one, other, name, name, n=0, lineterm="")
    return "".join(f"{line}\n" for line in lines)


def files(dialect: str) -> list[str]:
    """Return the names of the files that are sent in a dialect."""
    return [name for name in sql.names() if dialect in sql.find(name).dialects]


def alike(name: str, dialect: str) -> str:
    """Return all statements of a file in a dialect, with parameters as DuckDB writes them."""
    return re.sub(PARAMETERS[dialect], r"$\1", rendered(name, dialect))


@cache
def rendered(name: str, dialect: str) -> str:
    """Return all statements of a file in a dialect."""
    return ";\n\n".join(sql.find(name).render(dialect)) + ";\n"
