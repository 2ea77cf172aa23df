"""Results on Spark, for those who only read them or ask whether they could be written."""

import os

import pyarrow as pa
from sqlglot import exp

from omop_scorer import sql
from omop_scorer.config.connections import CATALOG, Connections
from omop_scorer.engines.base import Parameters, ResultsReader
from omop_scorer.engines.duckdb.folder_reader import FolderResultsReader
from omop_scorer.engines.results_folder import ResultsFolder
from omop_scorer.engines.spark.catalog_writer import CatalogResults, lock_holder
from omop_scorer.engines.spark.session import Session, errors_as
from omop_scorer.engines.spark.source import named
from omop_scorer.errors import ResultsError, SqlError

_VERSION = "SELECT COALESCE(MAX(version), 0) AS version FROM results.schema_version"


class SparkResultsReader(ResultsReader):
    """A results schema in the catalog of a session; it writes nothing."""

    def __init__(self, settings: Connections) -> None:
        """Open the session and find the schema.

        Raises
        ------
        ConnectionFailedError, ResultsError
        """
        self.where = f"results.url spark, schema {settings.results.schema_}"
        *catalog, schema = settings.results.schema_.split(".")
        self._place = (".".join(catalog) or None, schema)
        self._home = named([*catalog, schema])
        self._session = Session(settings)
        self._spark = self._session.spark
        try:
            with errors_as(ResultsError, self.where):
                is_there = self._spark.catalog.databaseExists(self._home)
            if not is_there:
                raise ResultsError(
                    f"{self.where}: no such schema; name one that is there, or start a run first, "
                    "with: omop-scorer run"
                )
        except BaseException:
            self.close()
            raise

    def read(self, query: exp.Expr, parameters: Parameters) -> pa.Table:
        """Return all rows."""
        tree = query.copy()
        sql.qualify(tree, {"results": self._place})
        with errors_as(SqlError, self.where):
            return self._spark.sql(tree.sql(dialect="spark"), dict(parameters)).toArrow()

    def tables(self) -> set[str]:
        """Return the names of tables and views."""
        with errors_as(SqlError, self.where):
            rows = self._spark.sql(f"SHOW TABLES IN {self._home}").collect()
        return {row.tableName.lower() for row in rows if not row.isTemporary}

    def is_run_under_way(self) -> bool:
        """Look for the table that is the lock; that of a process known to be gone is none."""
        found = lock_holder(self._spark, self._home, self.where)
        return found is not None and not found.is_gone()

    def close(self) -> None:
        """Put the session back as it was."""
        self._session.close()


def try_results_place(settings: Connections) -> int:
    """Take the lock of the results and let go of it; return the version of their schema.

    0 means that there is none yet. Where there is no folder, only the right to make one is tried.

    Raises
    ------
    ConnectionFailedError, LockHeldError, ResultsError
    """
    if settings.results.url == CATALOG:
        return _try_catalog(settings)
    folder = ResultsFolder(settings.results.url, settings.results.schema_)
    if not folder.home.is_dir():
        above = next(path for path in folder.home.parents if path.exists())
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            raise ResultsError(f"{folder.where}: no folder can be made in {above}")
        return 0
    folder.take_lock()
    try:
        if not folder.tables():
            return 0
        with FolderResultsReader(settings) as reader:
            return _version(reader)
    finally:
        folder.free_lock()


def _try_catalog(settings: Connections) -> int:
    session = Session(settings)
    try:
        results = CatalogResults(settings.results.schema_, session)
        try:
            if not results.exists():
                return 0
            with SparkResultsReader(settings) as reader:
                return _version(reader) if "schema_version" in reader.tables() else 0
        finally:
            results.close()
    finally:
        session.close()


def _version(reader: ResultsReader) -> int:
    return int(reader.read(exp.maybe_parse(_VERSION), {})["version"][0].as_py())
