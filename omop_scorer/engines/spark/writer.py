"""Results of a Spark run, written to a folder of Parquet files or to a schema of a catalog.

Neither has transactions, so every table is append-only by run_id. Readers see a run once its
status COMPLETE is written, which is the last write. The next run removes what a failed run left.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Protocol

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType
from sqlglot import exp

from omop_scorer.config.connections import CATALOG, Connections
from omop_scorer.engines.base import ResultsReader
from omop_scorer.engines.duckdb.folder_reader import FolderResultsReader
from omop_scorer.engines.results_folder import Columns, ResultsFolder
from omop_scorer.engines.spark.catalog_writer import (
    CatalogResults,
    matching_run_ids,
    spark_type,
)
from omop_scorer.engines.spark.reader import SparkResultsReader
from omop_scorer.engines.spark.session import Session, errors_as
from omop_scorer.engines.spark.shared_folders import append_parquet, refuse_unless_shared
from omop_scorer.errors import ResultsError

_VERSION = "SELECT COALESCE(MAX(version), 0) AS version FROM results.schema_version"


class Results(Protocol):
    """Results opened for writing. The run lock is held until they are closed."""

    where: str

    def exists(self) -> bool:
        """Return True if the schema exists."""

    def create(self) -> None:
        """Create an empty schema."""

    def create_table(self, table: str, columns: Columns) -> None:
        """Create a table, unless it exists."""

    def add_column(self, table: str, column: str, native: str) -> None:
        """Add a column, which is NULL for earlier runs."""

    def create_view(self, view: exp.Create) -> None:
        """Create a view, if the results can hold one; readers of a folder create their own."""

    def refuse_lost_lock(self) -> None:
        """Check that this process still holds the lock.

        Raises
        ------
        LockHeldError
            The lock was taken over or removed.
        """

    def names(self, table: str) -> Sequence[str]:
        """Return the current name of a table in queries, in parts."""

    def columns(self, table: str) -> Sequence[str]:
        """Return the columns of a table, in its order."""

    def append(self, table: str, frame: DataFrame) -> None:
        """Append rows held by the executors, by column name."""

    def append_rows(self, table: str, rows: pa.Table) -> None:
        """Append rows held by the driver, by column name."""

    def remove(self, table: str, condition: str, parameters: Mapping[str, object]) -> None:
        """Remove the runs for which a SQL condition on run_id is true."""

    def close(self) -> None:
        """Release the lock."""


def open_for_writing(settings: Connections, session: Session, prefix: str) -> Results:
    """Open the results for writing and take the run lock.

    Raises
    ------
    LockHeldError, ResultsError
    """
    if settings.results.url == CATALOG:
        return CatalogResults(settings.results.schema_, session)
    return FolderResults(settings, session, prefix)


def try_results_location(settings: Connections) -> int:
    """Take and release the lock of the results; return the version of their schema.

    Returns 0 if there is no results schema yet. If there is no folder, we only test that one can
    be created.

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
            raise ResultsError(f"{folder.where}: no folder can be created in {above}")
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


class FolderResults:
    """Results in a folder. Spark writes large tables and the driver writes small ones."""

    def __init__(self, settings: Connections, session: Session, prefix: str) -> None:
        self._folder = ResultsFolder(settings.results.url, settings.results.schema_)
        self.where = self._folder.where
        self._session = session
        self._spark = session.spark
        self._prefix = prefix
        self._folder.take_lock()
        try:
            self._tables = self._folder.tables()
            self._folder.remove_half_written(self._tables)
            refuse_unless_shared(session, self.where, self._folder.home)
        except BaseException:
            self._folder.free_lock()
            raise

    def exists(self) -> bool:
        """Return True if there are tables; the folder itself is created with the lock."""
        return bool(self._tables)

    def create(self) -> None:
        """Do nothing: the folder was created with the lock."""

    def create_table(self, table: str, columns: Columns) -> None:
        """Create the folder of a table, unless it exists."""
        if table not in self._tables:
            self._folder.make_empty(table)
            self._tables[table] = columns
            self._folder.save_tables(self._tables)

    def add_column(self, table: str, column: str, native: str) -> None:
        """Add a column to the list; files without it are read as NULL."""
        self._tables[table][column] = native
        self._folder.save_tables(self._tables)

    def create_view(self, view: exp.Create) -> None:
        """Do nothing: readers create the views of sql/results/views.sql."""

    def names(self, table: str) -> Sequence[str]:
        """Return a temporary view over the files that exist now."""
        view = f"{self._prefix}results_{table}"
        schema = _schema(self._tables[table])
        frame = self._spark.read.schema(schema).parquet((self._folder.home / table).as_uri())
        self._session.show(frame, view)
        return [view]

    def columns(self, table: str) -> Sequence[str]:
        """Return the columns of a table, from the list of tables."""
        return list(self._tables[table])

    def append(self, table: str, frame: DataFrame) -> None:
        """Write files into the folder of the run; they appear when all tasks have ended."""
        folder, declared = self._folder.home / table, _declared(frame, self._tables[table])
        with errors_as(ResultsError, self.where):
            append_parquet(self._session, self.where, folder, declared, ["run_id"])

    def append_rows(self, table: str, rows: pa.Table) -> None:
        """Write one file with the declared types, because Spark reads no other types."""
        columns = self._tables[table]
        self._folder.append(table, rows.select(list(columns)).cast(_arrow_schema(columns)))

    def remove(self, table: str, condition: str, parameters: Mapping[str, object]) -> None:
        """Remove the folders of the runs for which a condition is true."""
        known = self._folder.run_ids(table)
        with errors_as(ResultsError, self.where):
            run_ids = matching_run_ids(self._spark, known, condition, parameters)
        for run_id in run_ids:
            self._folder.remove(table, run_id)

    def refuse_lost_lock(self) -> None:
        """Check that the lock file still names this process."""
        self._folder.refuse_lost_lock()

    def close(self) -> None:
        """Release the lock."""
        self._folder.free_lock()


def _declared(frame: DataFrame, columns: Columns) -> DataFrame:
    """Return the columns of a frame in the order and with the types of a table."""
    return frame.select(*(frame[c].cast(spark_type(t)) for c, t in columns.items()))


def _arrow_schema(columns: Columns) -> pa.Schema:
    declared = StructType.fromDDL(_schema(columns))
    assert isinstance(declared, StructType)
    return to_arrow_schema(declared)


def _schema(columns: Columns) -> str:
    return ", ".join(f"{name} {spark_type(t)}" for name, t in columns.items())
