"""Results as pandas DataFrames, read from any store."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from omop_scorer.errors import ResultsError, as_the_program_says

if TYPE_CHECKING:
    from pandas import DataFrame

    from omop_scorer.config.connections import Connections
    from omop_scorer.stores.base import ResultsReader


@dataclass(frozen=True)
class ResultsTables:
    """The tables and views of a results schema, opened read-only for each call and then closed.

    No run is blocked between two calls. Rows of one night belong to one `run_id`: a night that ends
    between two calls changes what the `latest_` views show.
    """

    url: str
    """Location of the results, without password."""
    schema: str
    _settings: "Connections" = field(repr=False)

    @as_the_program_says
    def names(self) -> list[str]:
        """Return the names of the tables and views, in alphabetical order.

        Raises
        ------
        omop_scorer.errors.OmopScorerError
            As for `table`.
        """
        with self._opened() as reader:
            return sorted(reader.tables())

    @as_the_program_says
    def table(self, name: str) -> "DataFrame":
        """Return all rows of a table or view, in no particular order.

        Parameters
        ----------
        name
            Name of a table or view, such as `latest_score`, in any letter case.

        Returns
        -------
        pandas.DataFrame
            One row per row, with the columns and units that `sql/README.md` describes. Data types
            are the same for every store: Int64, Int32, boolean and string with NA, float64 with
            NaN, datetime64 with NaT.

        Raises
        ------
        omop_scorer.errors.ConnectionFailedError
            There is no such file, folder or server, or it cannot be opened.
        omop_scorer.errors.LockHeldError
            A run has the DuckDB file open for writing.
        omop_scorer.errors.ResultsError
            There is no schema, table or view of that name; the message lists those that there are.
        omop_scorer.errors.SqlError
            The query failed.
        """
        from sqlglot import exp  # noqa: PLC0415

        from omop_scorer.data_model import data_frame  # noqa: PLC0415
        from omop_scorer.documents import shown  # noqa: PLC0415

        with self._opened() as reader:
            known = reader.tables()
            if name.lower() not in known:
                raise ResultsError(
                    f"{reader.where}: no table or view {shown(name)}; allowed: "
                    f"{', '.join(sorted(known)) or 'none, because the schema is empty'}"
                )
            every_row = exp.select("*").from_(exp.table_(name.lower(), "results", quoted=True))
            return data_frame(reader.read(every_row, {}))

    def _opened(self) -> "ResultsReader":
        from omop_scorer.stores import open_results  # noqa: PLC0415

        return open_results(self._settings)


@as_the_program_says
def open_tables(
    url: str | Path,
    *,
    schema: str = "omop_scorer",
    password_file: str | Path | None = None,
) -> ResultsTables:
    """Return the results at a URL. Nothing is opened before a table is read.

    Parameters
    ----------
    url
        As `results.url` of the run file: a DuckDB file, a folder, `postgresql://...`, or the word
        `spark` for the catalog of the Spark session.
    schema
        As `results.schema` of the run file.
    password_file
        File with the password of the server, as `results.password_file` of the run file.

    Raises
    ------
    omop_scorer.errors.ConfigurationError
        The URL or the schema is not valid.
    """
    from omop_scorer.config.overrides import GivenRunFile  # noqa: PLC0415
    from omop_scorer.config.run_file import RunConfig  # noqa: PLC0415

    results = {"url": str(url), "schema": schema}
    if password_file is not None:
        results["password_file"] = str(password_file)
    document = {"cdm": {"url": "not opened"}, "results": results}
    config = GivenRunFile(Path("results"), document).validated(RunConfig)
    return ResultsTables(config.results.url, schema, config.connections)
