"""The results schema: migration, runs, history and health.

This package can be called: `omop_scorer.results(url, schema="omop_scorer", password_file=None)`
returns the results at a URL, with the arguments of `omop_scorer.results.tables.open_tables`. Its
methods are `names()`, the tables and views, and `table(name)`, the rows of one as a DataFrame.
"""

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omop_scorer.results.tables import ResultsTables


class _CallablePackage(ModuleType):
    """A package that is also a function of `omop_scorer`."""

    def __call__(
        self,
        url: str | Path,
        *,
        schema: str = "omop_scorer",
        password_file: str | Path | None = None,
    ) -> "ResultsTables":
        """Return the results at a URL, as `omop_scorer.results.tables.open_tables` does."""
        from omop_scorer.results.tables import open_tables  # noqa: PLC0415

        return open_tables(url, schema=schema, password_file=password_file)


sys.modules[__name__].__class__ = _CallablePackage
