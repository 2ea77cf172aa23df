"""Results in a folder of Parquet files, opened read-only. Reading them does not need Spark."""

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import pyarrow as pa
from sqlglot import exp

from omop_scorer import sql
from omop_scorer.config.connections import Connections
from omop_scorer.connections.duckdb import confine, connected, errors_as
from omop_scorer.errors import ConnectionFailedError, ResultsError
from omop_scorer.stores.append_only import STATUS
from omop_scorer.stores.base import Parameters, ResultsReader
from omop_scorer.stores.duckdb.reader import read_arrow, stream_arrow
from omop_scorer.stores.folder.files import ResultsFolder


class FolderResultsReader(ResultsReader):
    """A results folder, read through one view per table and the views of sql/results/views.sql."""

    def __init__(self, settings: Connections) -> None:
        """List the files that exist now.

        Raises
        ------
        ConnectionFailedError, ResultsError
        """
        self._folder = folder = ResultsFolder(settings.results.url, settings.results.schema_)
        self.where = folder.where
        if not folder.home.parent.is_dir():
            raise ConnectionFailedError(
                f"{self.where}: no such folder; start a run first, with: omop-scorer run"
            )
        tables = folder.tables()
        if not tables:
            if (folder.home.parent / "latest_run.parquet").is_file():
                raise ResultsError(
                    f"{self.where}: is an export of omop-scorer; read it with DuckDB or pandas, or "
                    "name the results"
                )
            known = [path.parent.name for path in folder.home.parent.glob("*/_tables.json")]
            raise ResultsError(
                f"{self.where}: no results.schema {settings.results.schema_!r} in it; schemas: "
                f"{', '.join(sorted(map(repr, known))) or 'none'}; choose one of them, or start a "
                "run first, with: omop-scorer run"
            )
        self._tables = set(tables)
        with ExitStack() as stack:
            self._connection = stack.enter_context(connected())
            with errors_as(ResultsError, self.where):
                confine(self._connection, [folder.home])
                self._connection.execute("CREATE SCHEMA results")
            # The status table comes first: if it lists a run as COMPLETE, all files of that run
            # exist before the files of the other tables are listed.
            for table, columns in sorted(tables.items(), key=lambda item: item[0] != STATUS):
                with errors_as(ResultsError, f"{self.where}: table {table}"):
                    self._add_table(table, columns)
            with errors_as(ResultsError, self.where):
                self._add_views()
            self._open = stack.pop_all()

    def _add_table(self, table: str, columns: Mapping[str, str]) -> None:
        """Create a view over the files of a table."""
        files = [re.sub(r"([\[*?])", r"[\1]", str(path)) for path in self._folder.files(table)]
        query, found = exp.select().where("FALSE"), set[str]()
        if files:
            listed = exp.array(*map(exp.Literal.string, files)).sql(dialect="duckdb")
            by_run = ", hive_types = {'run_id': BIGINT}" if "run_id" in columns else ""
            how = f"union_by_name = TRUE, hive_partitioning = TRUE{by_run}"
            relation = f"READ_PARQUET({listed}, {how})"
            rows = self._connection.execute(f"DESCRIBE FROM {relation}").fetchall()
            found = {name for name, *_ in rows}
            query = exp.select().from_(relation, dialect="duckdb")
        for name, native in columns.items():
            # A column added by a later release is missing from older files.
            value = exp.column(name) if name in found else exp.null()
            query = query.select(exp.alias_(exp.cast(value, native, dialect="duckdb"), name))
        view = exp.Create(this=exp.table_(table, "results"), kind="VIEW", expression=query)
        self._connection.execute(view.sql(dialect="duckdb"))

    def _add_views(self) -> None:
        for view in sql.find("results/views").statements():
            reads = sql.tables_of(view.expression)
            named = {table for schema, table in reads if schema == "results"}
            # Results of an older release lack the tables of some views.
            if named <= self._tables:
                self._connection.execute(view.sql(dialect="duckdb"))
                self._tables.add(view.this.name)

    def read(self, query: exp.Expr, parameters: Parameters) -> pa.Table:
        """Return all rows."""
        return read_arrow(self._connection, query, parameters, self.where)

    def stream(self, query: exp.Expr, parameters: Parameters) -> Iterator[pa.RecordBatch]:
        """Yield all rows."""
        return stream_arrow(self._connection, query, parameters, self.where)

    def tables(self) -> set[str]:
        """Return the names of tables and views."""
        return set(self._tables)

    def is_run_under_way(self) -> bool:
        """Return True if the lock file exists and its holder may still run."""
        return self._folder.is_locked()

    def close(self) -> None:
        """Close the connection and its files."""
        self._open.close()
