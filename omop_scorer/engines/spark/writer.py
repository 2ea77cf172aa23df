"""Where a run on Spark writes its results: a folder of Parquet files, or a schema of a catalog.

Neither has transactions. Every table is append-only by run_id; readers see a run when its status
COMPLETE, which is written last, is there; what a run that died has left is removed by the next.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType
from sqlglot import exp

from omop_scorer.config.connections import CATALOG, Connections
from omop_scorer.engines.results_folder import Columns, ResultsFolder
from omop_scorer.engines.spark.catalog_writer import CatalogResults, fulfilling, spark_type
from omop_scorer.engines.spark.session import Session, errors_as
from omop_scorer.errors import ResultsError


class Results(Protocol):
    """What the engine asks of either; the lock of the run is held until close."""

    where: str

    def exists(self) -> bool:
        """Tell whether the schema is there."""

    def create(self) -> None:
        """Create the schema, empty."""

    def create_table(self, table: str, columns: Columns) -> None:
        """Create a table unless it is there."""

    def add_column(self, table: str, column: str, native: str) -> None:
        """Add a column, which is NULL in the runs before."""

    def create_view(self, view: exp.Create) -> None:
        """Keep a view, if there is a place for it; readers of a folder make their own."""

    def refuse_lost_lock(self) -> None:
        """Fail when the lock is another's by now.

        Raises
        ------
        LockHeldError
        """

    def names(self, table: str) -> Sequence[str]:
        """Return the name of a table in parts, as a query finds it now."""

    def columns(self, table: str) -> Sequence[str]:
        """Return the columns of a table in its order."""

    def append(self, table: str, frame: DataFrame) -> None:
        """Append rows that the executors hold."""

    def append_rows(self, table: str, rows: pa.Table) -> None:
        """Append rows that the driver holds."""

    def remove(self, table: str, condition: str, parameters: Mapping[str, object]) -> None:
        """Remove the runs whose run_id fulfils a condition."""

    def close(self) -> None:
        """Let go of the lock."""


def open_for_writing(settings: Connections, session: Session, prefix: str) -> Results:
    """Open the results and take the lock of the run.

    Raises
    ------
    LockHeldError, ResultsError
    """
    if settings.results.url == CATALOG:
        return CatalogResults(settings.results.schema_, session)
    return FolderResults(settings, session, prefix)


class FolderResults:
    """Results in a folder: Spark writes what is large, the driver what is small."""

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
        except BaseException:
            self._folder.free_lock()
            raise

    def exists(self) -> bool:
        """Tell whether tables were made; the folder itself comes with the lock."""
        return bool(self._tables)

    def create(self) -> None:
        """Nothing to do: the lock stands in the folder."""

    def create_table(self, table: str, columns: Columns) -> None:
        """Make the table's folder."""
        if table not in self._tables:
            self._folder.make_empty(table)
            self._tables[table] = columns
            self._folder.save_tables(self._tables)

    def add_column(self, table: str, column: str, native: str) -> None:
        """Files without the column are read as holding NULL."""
        self._tables[table][column] = native
        self._folder.save_tables(self._tables)

    def create_view(self, view: exp.Create) -> None:
        """Nothing to do: readers make the views from sql/results/views.sql."""

    def names(self, table: str) -> Sequence[str]:
        """Return a temporary view of the files that are there now."""
        view = f"{self._prefix}results_{table}"
        schema = _schema(self._tables[table])
        frame = self._spark.read.schema(schema).parquet((self._folder.home / table).as_uri())
        self._session.show(frame, view)
        return [view]

    def columns(self, table: str) -> Sequence[str]:
        """Return the columns that are written down."""
        return list(self._tables[table])

    def append(self, table: str, frame: DataFrame) -> None:
        """Write files into the run's folder; they appear when all tasks have ended."""
        with errors_as(ResultsError, self.where):
            writer = _declared(frame, self._tables[table]).write.mode("append")
            writer.partitionBy("run_id").parquet((self._folder.home / table).as_uri())

    def append_rows(self, table: str, rows: pa.Table) -> None:
        """Write a file, with the types of the table: Spark reads no others into it."""
        columns = self._tables[table]
        self._folder.append(table, rows.select(list(columns)).cast(_arrow_schema(columns)))

    def remove(self, table: str, condition: str, parameters: Mapping[str, object]) -> None:
        """Remove the folders of these runs."""
        known = self._folder.run_ids(table)
        with errors_as(ResultsError, self.where):
            of_condition = fulfilling(self._spark, known, condition, parameters)
        for run_id in of_condition:
            self._folder.remove(table, run_id)

    def refuse_lost_lock(self) -> None:
        """Read the file that is the lock."""
        self._folder.refuse_lost_lock()

    def close(self) -> None:
        """Free the lock."""
        self._folder.free_lock()


def _declared(frame: DataFrame, columns: Columns) -> DataFrame:
    """Return a frame's columns in the order and of the types of a table."""
    return frame.select(*(frame[c].cast(spark_type(t)) for c, t in columns.items()))


def _arrow_schema(columns: Columns) -> pa.Schema:
    declared = StructType.fromDDL(_schema(columns))
    assert isinstance(declared, StructType)
    return to_arrow_schema(declared)


def _schema(columns: Columns) -> str:
    return ", ".join(f"{name} {spark_type(t)}" for name, t in columns.items())
