"""PostgreSQL engine for a CDM in one database and results in the same or another database.

One session reads the CDM in a single transaction, which sees the CDM as it was when the run began.
It writes only temporary tables and views, which disappear with it. A second session holds the run
lock and writes the results in transactions. Rows go from the first session to the second by COPY,
so the results may be in any database.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import psycopg
import pyarrow as pa
from psycopg.abc import Buffer
from sqlglot import exp

from omop_scorer import sql
from omop_scorer.cdm.tables import TABLES, SiteTable, Table
from omop_scorer.config.connections import Connections
from omop_scorer.connections.postgres import Connection, quoted, rendered
from omop_scorer.engines.base import Engine, Parameters
from omop_scorer.engines.postgres import bulk as postgres_copy
from omop_scorer.engines.postgres.casts import null, safe_cast
from omop_scorer.engines.postgres.writer import has_schema, open_for_writing, refuse_without_lock
from omop_scorer.engines.site_columns import mapped_columns
from omop_scorer.errors import CdmError, ConnectionFailedError, ResultsError, SqlError
from omop_scorer.sources.postgres_catalog import PostgresCatalog

#: Schema of temporary tables and views; before its names stands the logical schema, if not work.
_WORK = "pg_temp"

_EXPOSED = ("cdm", "vocab")

#: Collations in which LOWER knows every letter and not only the ASCII ones; the first known counts.
_LETTERS = ("pg_c_utf8", "und-x-icu")


class PostgresEngine(Engine):
    """A CDM in a PostgreSQL database, results in the same or another."""

    name = "postgresql"
    dialect = "postgres"
    snapshot = "postgresql: one snapshot"

    def __init__(self, settings: Connections, *, with_results: bool) -> None:
        """Lock and open the results, when asked, and open the CDM.

        Raises
        ------
        ConnectionFailedError, LockHeldError, ResultsError
        """
        self._settings = settings
        self.site = f"cdm.url {settings.cdm.url}"
        self.table_names = settings.cdm.tables
        self.schemas = {
            **dict.fromkeys(("work", *_EXPOSED), (None, _WORK)),
            "results": (None, settings.results.schema_),
        }
        self._unreadable: dict[str, tuple[str, tuple[str, ...], exp.Select]] = {}
        """Per mapped table, its label, and the columns and query that count lost values."""
        self._staged: dict[str, int] = {}
        """Rows of each table of the work area, which nobody else writes to."""
        self._reader: Connection | None = None
        self._writer: Connection | None = None
        try:
            if with_results:
                self._writer = open_for_writing(settings)
            self._reader = Connection("cdm", settings.cdm, settings)
            self._reader.refuse_unfit()
            self._source: PostgresCatalog | None = None
            with self._reader.errors_as(SqlError):
                self._refuse_without_temporary_tables()
                self._look_up = self._new_source()
                self._letters = self._known_letters()
        except BaseException:
            self.close()
            raise

    def _new_source(self) -> PostgresCatalog:
        is_shared = self._settings.cdm.url == self._settings.results.url
        hidden = self._settings.results.schema_ if is_shared else None
        return PostgresCatalog(self._cdm, dict(self.table_names), hidden)

    def _refuse_without_temporary_tables(self) -> None:
        ((is_standby, may, database, user),) = self._cdm.rows(
            "SELECT pg_is_in_recovery(), has_database_privilege(current_database(), 'TEMPORARY'), "
            "current_database(), current_user"
        )
        where = self._cdm.where
        if is_standby:
            raise ConnectionFailedError(
                f"{where}: engine postgresql needs temporary tables, which a standby server does "
                "not have; use engine duckdb, which copies the rows of the cohort"
            )
        if not may:
            raise ConnectionFailedError(
                f"{where}: the user may not create temporary tables: GRANT TEMPORARY ON DATABASE "
                f"{quoted(database)} TO {quoted(user)}"
            )

    def _known_letters(self) -> str | None:
        known = self._cdm.rows(
            "SELECT collname FROM pg_catalog.pg_collation WHERE collname = ANY (%(names)s) "
            "AND collencoding IN (-1, (SELECT encoding FROM pg_catalog.pg_database "
            "WHERE datname = current_database()))",
            {"names": list(_LETTERS)},
        )
        return min((name for (name,) in known), key=_LETTERS.index, default=None)

    def _snapshot(self) -> PostgresCatalog:
        """Begin, once, the transaction in which everything is read; return what is in it.

        Its tables are locked against being emptied, altered or exchanged before its first query
        sets the moment: what is emptied later would look empty, and what is exchanged too.
        """
        if self._source is None:
            labels = self._lockable()
            self._cdm.driver.autocommit = False
            self._cdm.driver.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            if labels:
                self._cdm.execute(f"LOCK TABLE {', '.join(labels)} IN ACCESS SHARE MODE")
            self._source = self._new_source()
        return self._source

    def _lockable(self) -> list[str]:
        """Return the tables that a run reads, as far as they can be found and locked."""
        found = set()
        for table in TABLES:
            with suppress(CdmError):  # which is raised again when the table is looked for
                if site := self._find(self._look_up, table):
                    found.add(site.relation)
        return sorted(self._look_up.lockable(found))

    @property
    def _cdm(self) -> Connection:
        assert self._reader is not None
        return self._reader

    @property
    def _results(self) -> Connection:
        if self._writer is None:
            raise ResultsError("the results are not open, because this command only reads the CDM")
        return self._writer

    def find_table(self, table: Table) -> SiteTable | None:
        """Look in the CDM's schema, or the vocabulary's, for the table under any letter case."""
        with self._cdm.errors_as(SqlError):
            return self._find(self._snapshot(), table)

    def _find(self, source: PostgresCatalog, table: Table) -> SiteTable | None:
        cdm = self._settings.cdm
        schema, anchor = cdm.schema_, "person"
        if table.schema == "vocab" and cdm.vocabulary_schema is not None:
            schema, anchor = cdm.vocabulary_schema, "concept"
        return source.find(table.name, schema, anchor)

    def map_table(self, table: Table, site: SiteTable | None) -> None:
        """Make a temporary view over the site's table."""
        selected, lost = mapped_columns(table, site, self._settings.cdm, safe_cast, null)
        query = exp.select(*selected).where("FALSE")
        if site is not None:
            query = exp.select(*selected).from_(site.relation, dialect="postgres")
        target = exp.table_(f"{table.schema}_{table.name}", db=_WORK, quoted=True)
        view = exp.Create(this=target, kind="VIEW", expression=query)
        label = site.label if site else table.name
        with self._cdm.errors_as(SqlError, f"{self.site}: {label}"):
            self._cdm.execute(view.sql(dialect="postgres"))
        if site is not None and lost:
            counting = exp.select(*lost.values()).from_(site.relation, dialect="postgres")
            self._unreadable[table.name] = (label, tuple(lost), counting)

    def count_unreadable(self, table: Table) -> Mapping[str, int]:
        """Count the values that the casts of a mapped table lose."""
        if table.name not in self._unreadable:
            return {}
        label, columns, counting = self._unreadable[table.name]
        with self._cdm.errors_as(SqlError, f"{self.site}: {label}"):
            (row,) = self._cdm.rows(counting.sql(dialect="postgres"))
        return dict(zip(columns, map(int, row), strict=True))

    def stage(self, table: str, query: exp.Expr, parameters: Parameters) -> int:
        """Create `work.<table>`, or append to it by column order; let the planner look at it."""
        target = _work_table(table)
        text = self._rendered(query, parameters)
        verb = f"INSERT INTO {target} " if table in self._staged else f"CREATE TABLE {target} AS "
        with self._cdm.errors_as(SqlError, f"{self.site}: work.{table}"):
            n_added = self._cdm.execute(verb + text, parameters).rowcount
            self._cdm.execute(f"ANALYZE {target}")
        self._staged[table] = self._staged.get(table, 0) + n_added
        return self._staged[table]

    def load(self, table: str, rows: pa.Table) -> None:
        """Copy an Arrow table into `work.<table>`."""
        target = _work_table(table)
        with self._cdm.errors_as(SqlError, f"{self.site}: work.{table}"):
            if table not in self._staged:
                columns = postgres_copy.column_definitions(rows.schema)
                self._cdm.execute(f"CREATE TABLE {target} ({columns})")
            postgres_copy.copy_in(self._cdm.driver, target, rows)
            self._cdm.execute(f"ANALYZE {target}")
        self._staged[table] = self._staged.get(table, 0) + rows.num_rows

    def fetch(self, query: exp.Expr, parameters: Parameters) -> list[tuple[object, ...]]:
        """Return all rows, from the session that can see them."""
        is_of_results = any(table.db == "results" for table in query.find_all(exp.Table))
        connection = self._results if is_of_results else self._cdm
        text = self._rendered(query, parameters)
        with connection.errors_as(SqlError):
            return list(connection.rows(text, parameters))

    def stream(self, query: exp.Expr, batch_size: int) -> Iterator[pa.RecordBatch]:
        """Yield batches from a cursor on the server."""
        text = self._rendered(query, {})
        with self._cdm.errors_as(SqlError):
            yield from postgres_copy.stream(self._cdm.driver, text, batch_size)

    def explain(self, query: exp.Expr, parameters: Parameters) -> tuple[str, str]:
        """Return PostgreSQL's SQL and the plan with its estimates."""
        shown = self._rendered(query, {}, is_for_people=True)
        text = self._rendered(query, parameters)
        with self._cdm.errors_as(SqlError):
            rows = self._cdm.rows(f"EXPLAIN {text}", parameters)
        return shown, "\n".join(str(line) for (line,) in rows)

    def execute(self, statement: exp.Expr, parameters: Parameters) -> None:
        """Run a statement on the results; rows that it takes from the work area are copied."""
        is_of_work = any(table.db == "work" for table in statement.find_all(exp.Table))
        if not is_of_work:
            index = self._index_of_runs(statement)
            text = self._rendered(statement, parameters)
            with self._results.errors_as(ResultsError):
                self._results.execute(text, parameters)
                if index is not None:
                    self._results.execute(index)
            return
        assert isinstance(statement, exp.Insert)
        assert isinstance(statement.this, exp.Schema)
        columns = [column.name for column in statement.this.expressions]
        target = self._results_table(statement.this.this.name)
        query = self._rendered(statement.expression, parameters)
        blocks = self._copied(query, parameters)
        with self._results.errors_as(ResultsError):
            postgres_copy.copy_blocks_in(self._results.driver, target, columns, blocks)

    def _copied(self, query: str, parameters: Parameters) -> Iterator[Buffer]:
        """Yield rows of the work area; a fault of the one who reads is not the writer's."""
        with self._cdm.errors_as(SqlError):
            yield from postgres_copy.copy_out(self._cdm.driver, query, dict(parameters))

    def append(self, table: str, rows: pa.Table) -> None:
        """Copy an Arrow table to the results."""
        with self._results.errors_as(ResultsError):
            postgres_copy.copy_in(self._results.driver, self._results_table(table), rows)

    def has_results(self) -> bool:
        """Tell whether the schema is in the database of the results."""
        with self._results.errors_as(ResultsError):
            return has_schema(self._results, self._settings.results.schema_)

    def create_results_schema(self) -> None:
        """Create the schema in the database of the results."""
        with self._results.errors_as(ResultsError):
            self._results.execute(f"CREATE SCHEMA {quoted(self._settings.results.schema_)}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit the results written inside, or roll all of them back."""
        with self._results.errors_as(ResultsError), self._results.driver.transaction():
            yield
            refuse_without_lock(self._results, self._settings.results.schema_)

    def close(self) -> None:
        """End both sessions: temporary tables and the lock go with them."""
        for connection in (self._reader, self._writer):
            if connection is not None:
                connection.close()

    def _index_of_runs(self, statement: exp.Expr) -> str | None:
        """Return the index that a new table gets: readers want one run of the many in it."""
        if not isinstance(statement, exp.Create) or not isinstance(statement.this, exp.Schema):
            return None
        if "run_id" not in {column.name for column in statement.this.expressions}:
            return None
        table = self._results_table(statement.this.this.name)
        return f'CREATE INDEX ON {table} ("run_id")'

    def _results_table(self, name: str) -> str:
        table = exp.table_(name, self._settings.results.schema_, quoted=True)
        return table.sql(dialect="postgres")

    def _rendered(
        self, tree: exp.Expr, parameters: Parameters, *, is_for_people: bool = False
    ) -> str:
        """Return a tree as PostgreSQL's SQL with its names in place."""
        is_bound = bool(parameters) and not is_for_people
        return sql.rendered(tree, self.schemas, _write, self._letters, is_bound, is_for_people)


def _write(
    tree: exp.Expr,
    schemas: sql.Schemas,
    letters: str | None,
    is_bound: bool,
    is_for_people: bool,
) -> str:
    for table in tree.find_all(exp.Table):
        if table.db in _EXPOSED and not table.catalog:
            table.set("this", exp.to_identifier(f"{table.db}_{table.name}", quoted=True))
    sql.qualify(tree, schemas)
    for difference in list(tree.find_all(exp.DateDiff)):
        dates = (difference.this, difference.expression)
        difference.replace(_where_finite(difference, *dates))
    for extract in list(tree.find_all(exp.Extract)):
        extract.replace(_where_finite(extract, extract.expression))
    if letters is not None:
        for lower in list(tree.find_all(exp.Lower)):
            lower.replace(_collated(exp.Lower(this=_collated(lower.this, letters)), "C"))
    return rendered(tree, is_bound=is_bound, is_for_people=is_for_people)


def _where_finite(value: exp.Expr, *dates: exp.Expr) -> exp.Expr:
    """Return a value that is NULL where a date is infinite: PostgreSQL fails, or counts on."""
    are_finite = exp.and_(*(exp.func("ISFINITE", exp.cast(date, "DATE")) for date in dates))
    return exp.case().when(are_finite, value.copy())


def _collated(text: exp.Expr, collation: str) -> exp.Expr:
    name = exp.to_identifier(collation, quoted=True)
    return exp.paren(exp.Collate(this=exp.paren(text.copy()), expression=name))


def _work_table(name: str) -> str:
    return exp.table_(name, _WORK, quoted=True).sql(dialect="postgres")
