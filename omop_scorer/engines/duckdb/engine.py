"""DuckDB engine: it reads files in place, and works on copied rows of any other source.

A DuckDB file is attached read-only. Work tables are in an in-memory database, so that all cursors
share them.
"""

from collections.abc import Iterator, Mapping, Set
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from itertools import chain

import duckdb
import pyarrow as pa
from sqlglot import exp

from omop_scorer import sql
from omop_scorer.cdm.tables import SiteTable, Table
from omop_scorer.config.connections import Connections
from omop_scorer.connections.duckdb import (
    arrow_batches,
    confine,
    connected,
    errors_as,
    registered,
)
from omop_scorer.engines.base import Engine
from omop_scorer.engines.column_faults import column_named
from omop_scorer.engines.duckdb.casts import null, safe_cast
from omop_scorer.engines.duckdb.delta import DeltaTables
from omop_scorer.engines.duckdb.pulled import PulledTables
from omop_scorer.engines.duckdb.source import OWN_TABLES_ONLY, Source
from omop_scorer.engines.file_set import FileSet
from omop_scorer.engines.parquet_values import hold_values
from omop_scorer.engines.site_columns import any_value, mapped_table, texts_without_value
from omop_scorer.errors import CdmError, ConnectionFailedError, OmopScorerError, SqlError
from omop_scorer.sources import open_source
from omop_scorer.sources.statement import Ids
from omop_scorer.stores.base import Parameters

_ALLOWING = ", or set cdm.allow_external_files: true"


class DuckDBEngine(Engine):
    """A CDM in a DuckDB file, in a folder of files, or in a source whose rows are copied."""

    name = "duckdb"
    dialect = "duckdb"

    def __init__(self, settings: Connections) -> None:
        """Open the CDM.

        Raises
        ------
        ConfigurationError, ConnectionFailedError
        """
        self._settings = settings
        self.site = f"cdm.url {settings.cdm.url}"
        self.table_names = settings.cdm.table_names
        self.left_out = settings.cdm.left_out
        self.schemas = {
            "cdm": ("memory", "cdm"),
            "vocab": ("memory", "vocab"),
            "work": ("memory", "work"),
        }
        self._sources: list[Source] = []
        self._unreadable: dict[str, tuple[str, tuple[str, ...], exp.Query]] = {}
        """Per mapped table, its label, and the columns and query that count lost values."""
        self._files = FileSet()
        self._mapped: dict[str, tuple[Table, SiteTable]] = {}
        """Mapped tables that exist at the site, by qualified name."""
        self._staged: dict[str, int] = {}
        """Rows of each work table. Only this engine writes to them."""
        self._is_confined = settings.cdm.allow_external_files
        with ExitStack() as stack:
            self._work = stack.enter_context(
                connected(
                    settings.memory_limit,
                    is_encrypted=settings.cdm.is_pulled,
                    TimeZone=settings.cdm.time_zone,
                    threads=settings.threads,
                )
            )
            with errors_as(ConnectionFailedError, "DuckDB"):
                for schema in ("cdm", "vocab", "work"):
                    self._work.execute(f"CREATE SCHEMA {schema}")
            self._delta = DeltaTables(self._work, settings.cdm)
            self._pulled: PulledTables | None = None
            if settings.cdm.is_pulled:
                source = stack.enter_context(closing(open_source(settings)))
                self._pulled = PulledTables(self._work, source, settings.maximum_rows)
            else:
                self._open_files()
            self._open = stack.pop_all()

    def _open_files(self) -> None:
        cdm = self._settings.cdm
        self._cdm = self._vocabulary = self._source("site_cdm", "cdm.url", cdm.url)
        if cdm.vocabulary_url is not None:
            self._vocabulary = self._source("site_vocab", "cdm.vocabulary_url", cdm.vocabulary_url)

    def _source(self, alias: str, key: str, url: str) -> Source:
        source = Source(
            self._work,
            alias,
            key,
            url,
            self._settings.cdm.null_text,
            self._files,
            allowing=_ALLOWING,
        )
        self._sources.append(source)
        return source

    def _confine(self, error_class: type[OmopScorerError], where: str) -> None:
        """Deny DuckDB every file that the run file does not name, before SQL of the site runs.

        In a folder there is no such SQL. There we wait until the Delta tables are pinned, because
        their logs may name files elsewhere.
        """
        if not self._is_confined:
            with errors_as(error_class, where):
                confine(self._work, chain.from_iterable(each.files() for each in self._sources))
            self._is_confined = True

    def find_table(self, table: Table) -> SiteTable | None:
        """Find the table in the CDM or in the vocabulary, in any letter case."""
        if self._pulled is not None:
            return self._pulled.find(table)
        if any(source.is_database for source in self._sources):
            self._confine(CdmError, self.site)
        cdm = self._settings.cdm
        source, schema, anchor = self._cdm, cdm.schema_, "person"
        if table.schema == "vocab":
            source, anchor = self._vocabulary, "concept"
            if cdm.vocabulary_schema is not None or source is not self._cdm:
                schema = cdm.vocabulary_schema
        wanted, anchor = (cdm.table_names.get(name, name) for name in (table.name, anchor))
        if (folder := source.delta_folder(wanted)) is not None:
            return self._delta.find(table, folder, source.label(folder))
        site = source.find(
            wanted,
            schema,
            anchor,
            {column.name for column in table.columns},
            is_vocabulary=table.schema == "vocab",
        )
        self._delta.refuse_unversioned(table, site)
        return site

    def has_values(self, site: SiteTable, no_values: Set[str]) -> bool:
        """Look for one row with a value."""
        if self._pulled is not None:
            return self._pulled.has_values(site)
        if site.files:
            texts = texts_without_value(self._settings.cdm, no_values)
            return hold_values(site.files, site.label, texts)
        query = any_value(site, self._settings.cdm, no_values, "duckdb")
        return bool(self._run(query, {}, site.label))

    def map_table(self, table: Table, site: SiteTable | None) -> None:
        """Create a view over the site's table, or a table if its values are text in a CSV file.

        A CSV file is read into memory once, because every query would parse it again.
        """
        self._confine(SqlError, site.label if site else table.name)
        if self._pulled is not None and site is not None:
            site = self._pulled.create(table, site)
        mapped = mapped_table(table, site, self._settings.cdm, safe_cast, null, self.dialect)
        target = exp.to_table(f"memory.{table.schema}.{table.name}")
        is_text = site is not None and site.relation.startswith("READ_CSV")
        kind = "TABLE" if is_text else "VIEW"
        label = site.label if site else table.name
        self._run(exp.Create(this=target, kind=kind, expression=mapped.query), {}, label)
        if site is not None:
            self._mapped[f"{table.schema}.{table.name}"] = table, site
        if mapped.lost:
            self._unreadable[table.name] = (label, mapped.lost, mapped.counting)

    def count_unreadable(self, table: Table) -> Mapping[str, int]:
        """Count the values that the casts of a mapped table lose."""
        if table.name not in self._unreadable:
            return {}
        label, columns, counting = self._unreadable[table.name]
        (row,) = self._run(counting.copy(), {}, label)
        return dict(zip(columns, (int(str(n)) for n in row), strict=True))

    def refuse_changed_files(self) -> None:
        """Compare the files of the CDM with those found at first. Delta tables are pinned."""
        self._files.refuse_changes()

    @property
    def reads_in_place(self) -> bool:
        """True for a file or a folder."""
        return self._pulled is None

    @property
    def snapshot(self) -> str | None:
        """The versions of Delta tables, or the snapshot of the source."""
        return self._delta.snapshot if self._pulled is None else self._pulled.snapshot

    def pull(self, statement: str, table: str, ids: Ids) -> int:
        """Copy rows from the source."""
        assert self._pulled is not None
        return self._pulled.pull(statement, table, ids)

    def show_pull(self, statement: str, table: str, ids: Ids) -> str:
        """Return the statement in the SQL of the source."""
        assert self._pulled is not None
        return self._pulled.shown(statement, table, ids)

    def release_source(self) -> None:
        """Let the source end its snapshot."""
        if self._pulled is not None:
            self._pulled.release()

    def stage(self, table: str, query: exp.Expr, parameters: Parameters) -> int:
        """Create `work.<table>`, or append to it by column position."""
        target = exp.table_(table, "work", "memory").sql(dialect="duckdb")
        verb = f"INSERT INTO {target} " if table in self._staged else f"CREATE TABLE {target} AS "
        text = verb + sql.rendered(query, self.schemas, _write)
        with self._explained(query):
            ((n_added,),) = self._rows(text, parameters, f"{self.site}: work.{table}")
        self._staged[table] = self._staged.get(table, 0) + int(str(n_added))
        return self._staged[table]

    def load(self, table: str, rows: pa.Table) -> None:
        """Copy an Arrow table into `work.<table>`, by column name."""
        insert = "INSERT INTO {} BY NAME" if table in self._staged else "CREATE TABLE {} AS"
        text = f"{insert.format(f'memory.work.{table}')} SELECT * FROM rows_to_load"  # noqa: S608
        where = f"{self.site}: work.{table}"
        with errors_as(SqlError, where), registered(self._work, "rows_to_load", rows):
            self._work.execute(text)
        self._staged[table] = self._staged.get(table, 0) + rows.num_rows

    def fetch(self, query: exp.Expr, parameters: Parameters) -> list[tuple[object, ...]]:
        """Return all rows."""
        with self._explained(query):
            return self._run(query, parameters, f"{self.site}: query")

    def stream(self, query: exp.Expr, parameters: Parameters) -> Iterator[pa.RecordBatch]:
        """Yield batches from a separate cursor."""
        text = sql.rendered(query, self.schemas, _write)
        where = f"{self.site}: query"
        with (
            self._explained(query),
            self._errors_as(where),
            closing(self._work.cursor()) as cursor,
        ):
            yield from arrow_batches(
                cursor.sql(text, params=dict(parameters)), self._settings.batch_size
            )

    def explain(self, query: exp.Expr, parameters: Parameters) -> tuple[str, str]:
        """Return the query in DuckDB's SQL, and its physical plan."""
        text = sql.rendered(query, self.schemas, _write, True)
        with errors_as(SqlError, f"{self.site}: EXPLAIN"):
            rows = self._work.execute(f"EXPLAIN {text}", dict(parameters)).fetchall()
        return text, "\n".join(plan for _, plan in rows)

    def close(self) -> None:
        """Close the CDM and the source, and remove temporary files."""
        self._open.close()

    def _explained(self, query: exp.Expr) -> AbstractContextManager[None]:
        return column_named(
            query, self._mapped, lambda each: self._run(each, {}, f"{self.site}: query")
        )

    def _run(
        self, statement: exp.Expr, parameters: Parameters, where: str
    ) -> list[tuple[object, ...]]:
        text = sql.rendered(statement, self.schemas, _write)
        with self._delta.lost_files_explained():
            return self._rows(text, parameters, where)

    def _rows(self, text: str, parameters: Parameters, where: str) -> list[tuple[object, ...]]:
        with self._errors_as(where):
            return self._work.execute(text, dict(parameters)).fetchall()

    @contextmanager
    def _errors_as(self, where: str) -> Iterator[None]:
        """Raise errors of DuckDB as SqlError, but as CdmError if a view reads what it may not.

        DuckDB notices most such views when it describes them, but some only when they are read.
        """
        try:
            with errors_as(SqlError, where):
                yield
        except SqlError as error:
            if isinstance(error.__context__, duckdb.PermissionException):
                raise CdmError(f"{error}; {OWN_TABLES_ONLY}{_ALLOWING}") from None
            raise


def _write(tree: exp.Expr, schemas: sql.Schemas, is_for_people: bool = False) -> str:
    sql.qualify(tree, schemas)
    return tree.sql(dialect="duckdb", copy=False, pretty=is_for_people)
