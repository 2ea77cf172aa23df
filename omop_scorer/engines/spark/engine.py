"""Spark engine for a CDM in a catalog or in a folder of Parquet files.

Scoring runs on the executors too: they pass Arrow batches to the kernel, and the driver receives
only aggregates. Work tables are files (`work_tables`). The executors write results to a folder or
to a catalog; to any other store the rows pass through the driver.
"""

import pickle
from collections.abc import Iterator, Mapping, Set
from contextlib import AbstractContextManager, ExitStack
from typing import Any
from uuid import uuid4

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import DateType
from sqlglot import exp

from omop_scorer import __version__
from omop_scorer.cdm.tables import SiteTable, Table
from omop_scorer.config.connections import CATALOG, Connections
from omop_scorer.connections.spark import Session, errors_as, quietly
from omop_scorer.engines.base import Engine, Work
from omop_scorer.engines.column_faults import column_named
from omop_scorer.engines.file_set import FileSet
from omop_scorer.engines.parquet_values import hold_values
from omop_scorer.engines.site_columns import any_value, mapped_table, texts_without_value
from omop_scorer.engines.spark.casts import null, safe_cast
from omop_scorer.engines.spark.executors import COUNTS, TABLE_INDEX, mapped_schema, on_batches
from omop_scorer.engines.spark.folder import FolderSource
from omop_scorer.engines.spark.results import FrameAppender
from omop_scorer.engines.spark.work_tables import WorkTables
from omop_scorer.errors import OmopScorerError, SqlError
from omop_scorer.sources.spark_catalog import SparkCatalog
from omop_scorer.stores.base import Parameters, Writer


class SparkEngine(Engine):
    """A CDM in a catalog or a folder of Parquet files, worked on where it is."""

    name = "spark"
    dialect = "spark"
    snapshot = "spark: no snapshot, tables read one after another"

    def __init__(self, settings: Connections) -> None:
        """Open the session and the CDM.

        Raises
        ------
        ConfigurationError, ConnectionFailedError, ResultsError
        """
        self._settings = settings
        self.site = f"cdm.url {settings.cdm.url}"
        self.table_names = settings.cdm.table_names
        self.left_out = settings.cdm.left_out
        self.schemas = {}
        self._prefix = f"omop_scorer_{uuid4().hex[:8]}_"
        self._unreadable: dict[str, tuple[str, tuple[str, ...], exp.Query]] = {}
        """Per mapped table, its label, and the columns and query that count lost values."""
        self._files = FileSet()
        self._mapped: dict[str, tuple[Table, SiteTable]] = {}
        """Mapped tables that exist at the site, by qualified name."""
        self._work: WorkTables | None = None
        self._n_folders = 0
        self._session = Session(settings)
        self._spark = self._session.spark
        self._appender = FrameAppender(self._session)
        try:
            self._cdm = self._vocabulary = self._source("cdm.url", settings.cdm.url)
            if settings.cdm.vocabulary_url is not None:
                self._vocabulary = self._source("cdm.vocabulary_url", settings.cdm.vocabulary_url)
            self._work = WorkTables(self._session, self._prefix, settings.spark.scratch)
        except BaseException:
            self.close()
            raise

    def _source(self, key: str, url: str) -> SparkCatalog | FolderSource:
        if url == CATALOG:
            return SparkCatalog(self._spark)
        self._n_folders += 1
        prefix = f"{self._prefix}{self._n_folders}_"
        return FolderSource(self._session, key, url, prefix, self._files)

    @property
    def _staged(self) -> WorkTables:
        assert self._work is not None
        return self._work

    def find_table(self, table: Table) -> SiteTable | None:
        """Find the table in the CDM or in the vocabulary, in any letter case."""
        cdm = self._settings.cdm
        wanted = cdm.table_names.get(table.name, table.name)
        if table.schema == "vocab":
            source, schema = self._vocabulary, cdm.vocabulary_schema or cdm.schema_
        else:
            source, schema = self._cdm, cdm.schema_
        if isinstance(source, FolderSource):
            return source.find(wanted, schema, {column.name for column in table.columns})
        return source.find(wanted, schema)

    def has_values(self, site: SiteTable, no_values: Set[str]) -> bool:
        """Look for one row with a value."""
        if site.files:
            texts = texts_without_value(self._settings.cdm, no_values)
            return hold_values(site.files, site.label, texts)
        query = any_value(site, self._settings.cdm, no_values, "spark")
        with errors_as(SqlError, f"{self.site}: {site.label}"):
            return bool(self._spark.sql(query.sql(dialect="spark")).collect())

    def map_table(self, table: Table, site: SiteTable | None) -> None:
        """Create a temporary view over the site's table."""
        mapped = mapped_table(table, site, self._settings.cdm, safe_cast, null, self.dialect)
        view = f"{self._prefix}{table.schema}_{table.name}"
        label = site.label if site else table.name
        with errors_as(SqlError, f"{self.site}: {label}"):
            self._session.show(self._spark.sql(mapped.query.sql(dialect="spark")), view)
        if site is not None:
            self._mapped[f"{table.schema}.{table.name}"] = table, site
        if mapped.lost:
            self._unreadable[table.name] = (label, mapped.lost, mapped.counting)

    def refuse_changed_files(self) -> None:
        """Compare the files of the CDM with those found at first; a catalog has none."""
        self._files.refuse_changes()

    def count_unreadable(self, table: Table) -> Mapping[str, int]:
        """Count the values that the casts of a mapped table lose."""
        if table.name not in self._unreadable:
            return {}
        label, columns, counting = self._unreadable[table.name]
        with errors_as(SqlError, f"{self.site}: {label}"):
            (row,) = self._spark.sql(counting.sql(dialect="spark")).collect()
        return dict(zip(columns, map(int, row), strict=True))

    def stage(self, table: str, query: exp.Expr, parameters: Parameters) -> int:
        """Compute `work.<table>`, or a part to append to it, by column position."""
        with self._explained(query), errors_as(SqlError, f"{self.site}: work.{table}"):
            return self._staged.stage(table, self._frame(query, parameters))

    def load(self, table: str, rows: pa.Table) -> None:
        """Keep an Arrow table as `work.<table>`, or as a part of it, by column name."""
        with errors_as(SqlError, f"{self.site}: work.{table}"):
            self._staged.load(table, rows)

    def fetch(self, query: exp.Expr, parameters: Parameters) -> list[tuple[object, ...]]:
        """Return all rows."""
        with self._explained(query):
            return self._rows(query, parameters)

    def _explained(self, query: exp.Expr) -> AbstractContextManager[None]:
        return column_named(query, self._mapped, lambda each: self._rows(each, {}))

    def _rows(self, query: exp.Expr, parameters: Parameters) -> list[tuple[object, ...]]:
        with errors_as(SqlError, f"{self.site}: query"):
            frame = _within_calendar(self._frame(query, parameters))
            return [tuple(row) for row in frame.collect()]

    def stream(self, query: exp.Expr, parameters: Parameters) -> Iterator[pa.RecordBatch]:
        """Yield batches of a result that the driver holds completely.

        Scoring does not use it: `map_batches` sends no row to the driver.
        """
        with errors_as(SqlError, f"{self.site}: query"):
            rows = self._frame(query, parameters).toArrow()
        yield from rows.to_batches(self._settings.batch_size)

    def copy(self, query: exp.Expr, parameters: Parameters, writer: Writer, table: str) -> None:
        """Append the rows of a query to a table of the results."""
        with errors_as(SqlError, f"{self.site}: query for results.{table}"):
            frame = self._frame(query, parameters)
        self._appender.append(writer, table, frame)

    def map_batches(
        self, query: exp.Expr, work: Work, writer: Writer | None = None
    ) -> Iterator[Any]:
        """Apply `work` on the executors.

        The result is written to files first, so a task that Spark repeats adds no row twice.
        """
        # Order is not observable here, and a global sort would shuffle every row.
        query = query.copy()
        query.set("order", None)
        with errors_as(SqlError, f"{self.site}: score"):
            frame = self._frame(query, {})
            empty = to_arrow_schema(frame.schema).empty_table().combine_chunks()
            tables, _ = work(_only_batch(empty))
            schemas = {name: rows.schema for name, rows in tables.items()}
            with quietly():
                on_partition = on_batches(work, list(schemas), __version__)
                mapped = frame.mapInArrow(on_partition, mapped_schema(schemas))
            done, _ = self._staged.write(mapped)
            counts = [
                pickle.loads(row[0])  # noqa: S301 -- written by our own executors
                for row in done.where(f.col(COUNTS).isNotNull()).select(COUNTS).collect()
            ]
        for count in counts:
            if isinstance(count, OmopScorerError):
                raise count
        for index, name in enumerate(schemas):
            rows = done.where(f.col(TABLE_INDEX) == index).select(f"rows_{index}.*")
            schema, _, table = name.partition(".")
            if schema == "work":
                with errors_as(SqlError, f"{self.site}: {name}"):
                    self._staged.add(table, rows)
            else:
                assert writer is not None
                self._appender.append(writer, table, rows)
        yield from counts

    def explain(self, query: exp.Expr, parameters: Parameters) -> tuple[str, str]:
        """Return the query in Spark's SQL, and its physical plan."""
        tree = self._named(query)
        shown, text = tree.sql(dialect="spark", pretty=True), tree.sql(dialect="spark")
        with errors_as(SqlError, f"{self.site}: EXPLAIN"):
            ((plan,),) = self._spark.sql(f"EXPLAIN {text}", dict(parameters)).collect()
        return shown, str(plan)

    def close(self) -> None:
        """Restore or end the session, and remove the work tables."""
        with ExitStack() as stack:
            # Work tables are removed last, because no task writes to them once the session ends.
            for closable in (self._work, self._session):
                if closable is not None:
                    stack.callback(closable.close)

    def _frame(self, tree: exp.Expr, parameters: Parameters) -> DataFrame:
        """Return a query as a frame, with real table names."""
        text = self._named(tree).sql(dialect="spark", copy=False)
        return self._spark.sql(text, dict(parameters))

    def _named(self, query: exp.Expr) -> exp.Expr:
        tree = query.copy()
        for table in list(tree.find_all(exp.Table)):
            if table.db:
                name = f"{self._prefix}{table.db}_{table.name}"
                table.set("this", exp.to_identifier(name, quoted=True))
                table.set("db", None)
        return tree


def _only_batch(table: pa.Table) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [column.combine_chunks() for column in table.columns], schema=table.schema
    )


def _within_calendar(frame: DataFrame) -> DataFrame:
    """Replace days before year 1 or after 9999 by the ends of the calendar, as DuckDB returns them.

    Python has no other days, and pyspark fails on one. Infinity of a database is such a day.
    """
    if not any(isinstance(field.dataType, DateType) for field in frame.schema.fields):
        return frame
    first, last = (f.lit(day).cast("date") for day in ("0001-01-01", "9999-12-31"))
    columns = []
    for field in frame.schema.fields:
        column = f.col(f"`{field.name}`")
        if isinstance(field.dataType, DateType):
            column = f.when(column < first, first).when(column > last, last).otherwise(column)
        columns.append(column)
    return frame.select(*columns)
