"""The results schema: migration, runs, history and health.

`omop_scorer.results(url)` returns its tables as data frames, so this package can be called.
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
