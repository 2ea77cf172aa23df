"""The embedded engine: a DuckDB file, or a folder of CSV or Parquet files.

The CDM is attached read-only. Work tables live in an in-memory database, so that cursors share
them; results go to a file of their own, whose file lock is the lock of the run.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import duckdb
import pyarrow as pa
from sqlglot import exp

from omop_scorer import sql
from omop_scorer.cdm.tables import SiteTable, Table
from omop_scorer.config.connections import Connections
from omop_scorer.engines.base import Engine, Parameters
from omop_scorer.engines.duckdb.casts import null, safe_cast
from omop_scorer.engines.duckdb.session import errors_as, memory_limit
from omop_scorer.engines.duckdb.source import Source
from omop_scorer.engines.duckdb.writer import attach_results
from omop_scorer.engines.site_columns import mapped_columns
from omop_scorer.errors import OmopScorerError, ResultsError, SqlError


class DuckDBEngine(Engine):
    """A CDM in a DuckDB file or a folder of files, results in another DuckDB file."""

    name = "duckdb"
    dialect = "duckdb"

    def __init__(self, settings: Connections, *, with_results: bool) -> None:
        """Open the CDM and, when asked, lock and open the results.

        Raises
        ------
        ConnectionFailedError, LockHeldError, ResultsError
        """
        self._settings = settings
        self._results = f"results.url {settings.results.url}"
        self.site = f"cdm.url {settings.cdm.url}"
        self.table_names = settings.cdm.tables
        self.schemas = {
            "cdm": ("memory", "cdm"),
            "vocab": ("memory", "vocab"),
            "work": ("memory", "work"),
            "results": (None, settings.results.schema_),
        }
        try:
            self._spill = tempfile.mkdtemp(prefix="omop-scorer-")
        except OSError as error:
            raise ResultsError(f"no temporary folder can be written: {error.strerror}") from None
        self._work = duckdb.connect(":memory:")
        self._staged: dict[str, int] = {}
        """Rows of each table of the work area, which nobody else writes to."""
        try:
            self._settle()
            self._cdm = self._vocabulary = self._source("site_cdm", "cdm.url", settings.cdm.url)
            if settings.cdm.vocabulary_url is not None:
                self._vocabulary = self._source(
                    "site_vocab", "cdm.vocabulary_url", settings.cdm.vocabulary_url
                )
            if with_results:
                attach_results(self._work, settings)
        except BaseException:
            self.close()
            raise
        self._writer = self._work.cursor()
        if with_results:
            self._writer.execute("USE site_results")

    def _settle(self) -> None:
        self._work.execute("SET TimeZone = $zone", {"zone": self._settings.cdm.time_zone})
        self._work.execute("SET autoinstall_known_extensions = false")
        self._work.execute("SET temp_directory = $folder", {"folder": self._spill})
        if self._settings.threads is not None:
            self._work.execute("SET threads = $n", {"n": self._settings.threads})
        limit = memory_limit(self._work, self._settings.memory_limit)
        if limit is not None:
            self._work.execute("SET memory_limit = $limit", {"limit": limit})
        for schema in ("cdm", "vocab", "work"):
            self._work.execute(f"CREATE SCHEMA {schema}")

    def _source(self, alias: str, key: str, url: str) -> Source:
        return Source(self._work, alias, key, url, self._settings.cdm.null_text)

    def find_table(self, table: Table) -> SiteTable | None:
        """Look in the CDM, or the vocabulary, for the table under any letter case."""
        cdm = self._settings.cdm
        source, schema, anchor = self._cdm, cdm.schema_, "person"
        if table.schema == "vocab":
            source, anchor = self._vocabulary, "concept"
            if cdm.vocabulary_schema is not None or source is not self._cdm:
                schema = cdm.vocabulary_schema
        wanted, anchor = (cdm.tables.get(name, name) for name in (table.name, anchor))
        return source.find(wanted, schema, anchor)

    def map_table(self, table: Table, site: SiteTable | None) -> Mapping[str, int]:
        """Make a view over the site's table; files that are text are read into memory once."""
        selected, lost = mapped_columns(table, site, self._settings.cdm, safe_cast, null)
        query, is_text = exp.select(*selected).where("FALSE"), False
        if site is not None:
            query = exp.select(*selected).from_(site.relation, dialect="duckdb")
            is_text = site.relation.startswith("READ_CSV")
        target = exp.to_table(f"memory.{table.schema}.{table.name}")
        kind = "TABLE" if is_text else "VIEW"
        label = site.label if site else table.name
        self._run(self._work, exp.Create(this=target, kind=kind, expression=query), {}, label)
        if site is None or not lost:
            return {}
        counting = exp.select(*lost.values()).from_(site.relation, dialect="duckdb")
        (row,) = self._run(self._work, counting, {}, label)
        return dict(zip(lost, (int(str(n)) for n in row), strict=True))

    def stage(self, table: str, query: exp.Expr, parameters: Parameters) -> int:
        """Create `work.<table>`, or append to it by column order."""
        target = exp.table_(table, "work", "memory").sql(dialect="duckdb")
        verb = f"INSERT INTO {target} " if table in self._staged else f"CREATE TABLE {target} AS "
        text = verb + sql.rendered(query, self.schemas, _write)
        ((n_added,),) = _rows(self._work, text, parameters, f"work.{table}", SqlError)
        self._staged[table] = self._staged.get(table, 0) + int(str(n_added))
        return self._staged[table]

    def load(self, table: str, rows: pa.Table) -> None:
        """Copy an Arrow table into `work.<table>`."""
        how = "INSERT INTO {} BY NAME" if table in self._staged else "CREATE TABLE {} AS"
        target = f"memory.work.{table}"
        with errors_as(SqlError, f"work.{table}"):
            self._work.register("rows_to_load", rows)
            self._work.execute(f"{how.format(target)} SELECT * FROM rows_to_load")  # noqa: S608
            self._work.unregister("rows_to_load")
        self._staged[table] = self._staged.get(table, 0) + rows.num_rows

    def fetch(self, query: exp.Expr, parameters: Parameters) -> list[tuple[object, ...]]:
        """Return all rows."""
        return self._run(self._writer, query, parameters, "query")

    def stream(self, query: exp.Expr, batch_size: int) -> Iterator[pa.RecordBatch]:
        """Yield batches from a cursor of its own."""
        cursor = self._work.cursor()
        text = sql.rendered(query, self.schemas, _write)
        try:
            with errors_as(SqlError, "query"):
                yield from cursor.sql(text).to_arrow_reader(batch_size)
        finally:
            cursor.close()

    def explain(self, query: exp.Expr, parameters: Parameters) -> tuple[str, str]:
        """Return DuckDB's SQL and its physical plan."""
        text = sql.rendered(query, self.schemas, _write, True)
        with errors_as(SqlError, "EXPLAIN"):
            rows = self._work.execute(f"EXPLAIN {text}", dict(parameters)).fetchall()
        return text, "\n".join(plan for _, plan in rows)

    def execute(self, statement: exp.Expr, parameters: Parameters) -> None:
        """Run a statement on the results."""
        self._run(self._writer, statement, parameters, self._results, ResultsError)

    def append(self, table: str, rows: pa.Table) -> None:
        """Insert an Arrow table in bulk."""
        target = exp.Table(
            this=exp.to_identifier(table),
            db=exp.to_identifier(self._settings.results.schema_, quoted=True),
        )
        insert = f"INSERT INTO {target.sql(dialect='duckdb')} BY NAME SELECT * FROM rows_to_append"  # noqa: S608
        self._writer.register("rows_to_append", rows)
        try:
            with errors_as(ResultsError, self._results):
                self._writer.execute(insert)
        finally:
            self._writer.unregister("rows_to_append")

    def has_results(self) -> bool:
        """Tell whether the schema is in the results file."""
        query = (
            "SELECT schema_name FROM duckdb_schemas() "
            "WHERE database_name = 'site_results' AND schema_name = $name"
        )
        with errors_as(ResultsError, self._results):
            rows = self._writer.execute(query, {"name": self._settings.results.schema_}).fetchall()
        return bool(rows)

    def create_results_schema(self) -> None:
        """Create the schema in the results file."""
        schema = exp.to_identifier(self._settings.results.schema_, quoted=True)
        with errors_as(ResultsError, self._results):
            self._writer.execute(f"CREATE SCHEMA {schema.sql(dialect='duckdb')}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit the results written inside, or roll all of them back."""
        with errors_as(ResultsError, self._results):
            try:
                self._writer.execute("BEGIN")
                yield
                self._writer.execute("COMMIT")
            except BaseException:
                # A failed COMMIT has ended the transaction already, and a BEGIN that a signal
                # interrupted may have started one. After such an interruption DuckDB refuses the
                # next statement, so we try twice.
                for _ in range(2):
                    with suppress(duckdb.Error, RuntimeError):
                        self._writer.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close all cursors; the file lock goes with the last."""
        if hasattr(self, "_writer"):
            self._writer.close()
        self._work.close()
        shutil.rmtree(self._spill, ignore_errors=True)

    def _run(
        self,
        connection: duckdb.DuckDBPyConnection,
        statement: exp.Expr,
        parameters: Parameters,
        where: str,
        error_class: type[OmopScorerError] = SqlError,
    ) -> list[tuple[object, ...]]:
        text = sql.rendered(statement, self.schemas, _write)
        return _rows(connection, text, parameters, where, error_class)


def _write(tree: exp.Expr, schemas: sql.Schemas, is_for_people: bool = False) -> str:
    sql.qualify(tree, schemas)
    return tree.sql(dialect="duckdb", copy=False, pretty=is_for_people)


def _rows(
    connection: duckdb.DuckDBPyConnection,
    text: str,
    parameters: Parameters,
    where: str,
    error_class: type[OmopScorerError],
) -> list[tuple[object, ...]]:
    with errors_as(error_class, where):
        return connection.execute(text, dict(parameters)).fetchall()
