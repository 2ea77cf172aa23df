"""Results written to tables of a Spark catalog, where one more table is the run lock."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

import pyarrow as pa
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from sqlglot import exp

from omop_scorer.config.connections import Connections
from omop_scorer.connections.lock_holder import LockHolder
from omop_scorer.connections.spark import Session, errors_as, named
from omop_scorer.errors import LockHeldError, ResultsError
from omop_scorer.stores.append_only import LOCK_LOST, STATUS, AppendOnlyStore, Columns, version
from omop_scorer.stores.base import Parameters
from omop_scorer.stores.spark.lock import LOCK, lock_holder
from omop_scorer.stores.spark.reader import SparkResultsReader

_ROWS_PER_FILE = 1_000_000


class CatalogStore(AppendOnlyStore):
    """Results in tables of a catalog, in the default table format of the session."""

    def __init__(self, settings: Connections) -> None:
        """Open the session and, if the schema exists, take the run lock.

        Raises
        ------
        ConnectionFailedError, LockHeldError, ResultsError
        """
        self._schema = settings.results.schema_.split(".")
        self.where = f"results.url spark, schema {settings.results.schema_}"
        self._home = named(self._schema)
        self._holder: str | None = None
        self._session = Session(settings)
        try:
            self._open(self._session)
        except BaseException:
            self.close()
            raise

    def _open(self, session: Session) -> None:
        if session.forgets_tables:
            raise ResultsError(
                f"{self.where}: the catalog of this session is in memory and ends with it; set "
                "results.url to a folder, or give Spark a persistent catalog"
            )
        self._spark = session.spark
        self._format = session.setting("spark.sql.sources.default") or "parquet"
        if self.has_schema():
            self._take_lock()

    def _take_lock(self) -> None:
        """Create the lock table; a catalog lets only one process create a table."""
        holder = LockHolder.this_process()
        text = exp.Literal.string(holder.text).sql(dialect="spark")
        create = (
            f"CREATE TABLE {self._home}.{LOCK} (holder STRING) USING {self._format} "
            f"TBLPROPERTIES ('holder' = {text})"
        )
        for _ in range(2):
            try:
                self._spark.sql(create)
                self._holder = holder.text
                self.refuse_lost_lock()
                return
            except PySparkException as error:
                if error.getCondition() != "TABLE_OR_VIEW_ALREADY_EXISTS":
                    with errors_as(ResultsError, self.where):
                        raise
                self._refuse_unless_stale()
        raise LockHeldError(
            f"{self.where}: another run has just started; wait for it to end and start again"
        )

    def _refuse_unless_stale(self) -> None:
        found = lock_holder(self._spark, self._home, self.where)
        if found is None:
            return
        if not found.is_gone():
            raise LockHeldError(
                f"{self.where}: another run is writing ({found}); wait for it to end and start "
                f"again. If that process has died, DROP TABLE {self._home}.{LOCK} and start again"
            )
        self._spark.sql(f"DROP TABLE IF EXISTS {self._home}.{LOCK}")

    def has_schema(self) -> bool:
        """Return True if the schema exists."""
        with errors_as(ResultsError, self.where):
            return self._spark.catalog.databaseExists(self._home)

    def create_schema(self) -> None:
        """Create the schema, and take the lock in it."""
        with errors_as(ResultsError, self.where):
            self._spark.sql(f"CREATE SCHEMA IF NOT EXISTS {self._home}")
        self._take_lock()

    def create_table(self, table: str, columns: Columns) -> None:
        """Create a table partitioned by run, without constraints, unless it exists."""
        declared = ", ".join(f"{name} {spark_type(t)}" for name, t in columns.items())
        by_run = " PARTITIONED BY (run_id)" if "run_id" in columns else ""
        self._sql(
            f"CREATE TABLE IF NOT EXISTS {self._relation(table)} ({declared}) "
            f"USING {self._format}{by_run}"
        )

    def add_column(self, table: str, column: str, native: str) -> None:
        """Add a column, unless an interrupted migration has added it."""
        relation = self._relation(table)
        if column not in self._spark.table(relation).columns:
            self._sql(f"ALTER TABLE {relation} ADD COLUMNS ({column} {spark_type(native)})")

    def create_view(self, view: exp.Create) -> None:
        """Create or replace a view."""
        tree = view.copy()
        for table in tree.find_all(exp.Table):
            if table.db == "results":
                rename(table, self.names(table.name))
        self._sql(tree.sql(dialect="spark", copy=False))

    def names(self, table: str) -> Sequence[str]:
        """Return the full name of a table, in parts."""
        return [*self._schema, table]

    def _relation(self, table: str) -> str:
        return named(self.names(table))

    def fetch(self, query: exp.Expr, parameters: Parameters) -> list[tuple[object, ...]]:
        """Return all rows."""
        tree = query.copy()
        for table in tree.find_all(exp.Table):
            rename(table, self.names(table.name))
        with errors_as(ResultsError, self.where):
            frame = self._spark.sql(tree.sql(dialect="spark", copy=False), dict(parameters))
            return [tuple(row) for row in frame.collect()]

    def append(self, table: str, batches: Iterable[pa.RecordBatch]) -> None:
        """Write one file per million rows. A status only while this run still holds the lock."""
        if table == STATUS:
            self.refuse_lost_lock()
        for rows in _in_large_tables(batches):
            self.append_frame(table, self._session.frame(rows).coalesce(1))

    def append_frame(self, table: str, frame: DataFrame) -> None:
        """Append rows that the executors hold, by column name."""
        with errors_as(ResultsError, self.where):
            target = self._spark.table(self._relation(table)).schema
            columns = [frame[f.name].cast(f.dataType) for f in target.fields]
            writer = frame.select(*columns).write.format(self._format).mode("append")
            if "run_id" in frame.columns:
                writer = writer.partitionBy("run_id")
            writer.saveAsTable(self._relation(table))

    def remove(self, table: str, run_ids: Sequence[int]) -> None:
        """Remove runs: delete their rows, or drop their partitions if the format has no DELETE."""
        relation = self._relation(table)
        with errors_as(ResultsError, self.where):
            if self._format == "delta":
                listed = ", ".join(map(str, run_ids)) or "NULL"
                self._spark.sql(f"DELETE FROM {relation} WHERE run_id IN ({listed})")  # noqa: S608
                return
            known = self._spark.sql(f"SHOW PARTITIONS {relation}").collect()
            known_ids = {int(row.partition.removeprefix("run_id=")) for row in known}
            for run_id in sorted(known_ids.intersection(run_ids)):
                self._spark.sql(f"ALTER TABLE {relation} DROP PARTITION (run_id = {run_id})")

    def refuse_lost_lock(self) -> None:
        """Check that this process still holds the lock; two may have taken over a stale one."""
        found = lock_holder(self._spark, self._home, self.where)
        if found is None or found.text != self._holder:
            self._holder = None
            raise LockHeldError(f"{self.where}: {LOCK_LOST}")

    def close(self) -> None:
        """Release the lock, if this process still holds it, and close the session."""
        # If Java has died, the table stays, and the next run finds that its holder is gone.
        with suppress(ResultsError), errors_as(ResultsError, self.where):
            found = lock_holder(self._spark, self._home, self.where) if self._holder else None
            if found is not None and found.text == self._holder:
                self._spark.sql(f"DROP TABLE IF EXISTS {self._home}.{LOCK}")
        self._holder = None
        self._session.close()

    def _sql(self, text: str) -> None:
        with errors_as(ResultsError, self.where):
            self._spark.sql(text)


def try_catalog(settings: Connections) -> int:
    """Take and release the lock of the schema; return its version, 0 without one.

    Raises
    ------
    ConnectionFailedError, LockHeldError, ResultsError
    """
    store = CatalogStore(settings)
    try:
        if not store.has_schema():
            return 0
        with SparkResultsReader(settings) as reader:
            return version(reader)
    finally:
        store.close()


def rename(table: exp.Table, names: Sequence[str]) -> None:
    """Rename a table of a tree in place; the parts of the name end with the table."""
    parts = [exp.to_identifier(name, quoted=True) for name in names]
    for key, part in zip(("this", "db", "catalog"), [*reversed(parts), None, None], strict=False):
        table.set(key, part)


def _in_large_tables(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(each.num_rows for each in held) >= _ROWS_PER_FILE:
            yield pa.Table.from_batches(held)
            held = []
    if held:
        yield pa.Table.from_batches(held)


def spark_type(native: str) -> str:
    """Return the Spark name of a DuckDB type."""
    return exp.DataType.build(native, dialect="duckdb").sql(dialect="spark")
