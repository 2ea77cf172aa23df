"""The embedded engine: a DuckDB file, or a folder of CSV or Parquet files.

The CDM is attached read-only. Work tables live in an in-memory database, so that cursors share
them; results go to a file of their own, whose file lock is the lock of the run.
"""

import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import pyarrow as pa
from sqlglot import exp

from omop_scorer import sql
from omop_scorer.cdm import SiteTable, Table
from omop_scorer.config import RunConfig
from omop_scorer.engines.base import Engine, Parameters
from omop_scorer.engines.duckdb_casts import null, safe_cast
from omop_scorer.engines.duckdb_source import (
    Source,
    attach,
    first_line,
    holder,
    is_locked,
    unreadable_line,
)
from omop_scorer.engines.exposing import exposed_columns
from omop_scorer.errors import (
    CdmError,
    LockHeldError,
    OmopScorerError,
    ResultsError,
    SqlError,
)

#: Errors whose text names objects, never values.
_SPEAKABLE = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ParserException,
    duckdb.IOException,
    duckdb.OutOfMemoryException,
    duckdb.InterruptException,
)
#: For a cohort of a million; what does not fit goes to the disk.
_ENOUGH_MEMORY = "2GB"


class DuckDBEngine(Engine):
    """A CDM in a DuckDB file or a folder of files, results in another DuckDB file."""

    name = "duckdb"
    dialect = "duckdb"

    def __init__(self, config: RunConfig, *, with_results: bool) -> None:
        """Open the CDM and, when asked, lock and open the results.

        Raises
        ------
        ConnectionFailedError, LockHeldError, ResultsError
        """
        self._config = config
        self._results = f"results.url {config.results.url}"
        self.site = f"cdm.url {config.cdm.url}"
        self.table_names = config.cdm.tables
        self.schemas = {
            "cdm": ("memory", "cdm"),
            "vocab": ("memory", "vocab"),
            "work": ("memory", "work"),
            "results": (None, config.results.schema_),
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
            self._cdm = self._vocabulary = self._source("site_cdm", "cdm.url", config.cdm.url)
            if config.cdm.vocabulary_url is not None:
                self._vocabulary = self._source(
                    "site_vocab", "cdm.vocabulary_url", config.cdm.vocabulary_url
                )
            if with_results:
                _attach_results(self._work, config)
        except BaseException:
            self.close()
            raise
        self._writer = self._work.cursor()
        if with_results:
            self._writer.execute("USE site_results")

    def _settle(self) -> None:
        self._work.execute("SET TimeZone = $zone", {"zone": self._config.cdm.time_zone})
        self._work.execute("SET autoinstall_known_extensions = false")
        self._work.execute("SET temp_directory = $folder", {"folder": self._spill})
        if self._config.threads is not None:
            self._work.execute("SET threads = $n", {"n": self._config.threads})
        limit = self._config.memory_limit
        # Beyond it memory is a cache of the CDM's file, as the system keeps one already.
        if limit is None and _is_above(self._work, _ENOUGH_MEMORY):
            limit = _ENOUGH_MEMORY
        if limit is not None:
            self._work.execute("SET memory_limit = $limit", {"limit": limit})
        for schema in ("cdm", "vocab", "work"):
            self._work.execute(f"CREATE SCHEMA {schema}")

    def _source(self, alias: str, key: str, url: str) -> Source:
        return Source(self._work, alias, key, url, self._config.cdm.null_text)

    def find_table(self, table: Table) -> SiteTable | None:
        """Look in the CDM, or the vocabulary, for the table under any letter case."""
        cdm = self._config.cdm
        source, schema, anchor = self._cdm, cdm.schema_, "person"
        if table.schema == "vocab":
            source, anchor = self._vocabulary, "concept"
            if cdm.vocabulary_schema is not None or source is not self._cdm:
                schema = cdm.vocabulary_schema
        wanted, anchor = (cdm.tables.get(name, name) for name in (table.name, anchor))
        return source.find(wanted, schema, anchor)

    def expose(self, table: Table, site: SiteTable | None) -> Mapping[str, int]:
        """Make a view over the site's table; files that are text are read into memory once."""
        selected, lost = exposed_columns(table, site, self._config.cdm, safe_cast, null)
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
        self._work.register("rows_to_load", rows)
        target = f"memory.work.{table}"
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
            yield from cursor.sql(text).to_arrow_reader(batch_size)
        except duckdb.Error as error:
            raise _sql_error(error, "query") from None
        finally:
            cursor.close()

    def explain(self, query: exp.Expr, parameters: Parameters) -> tuple[str, str]:
        """Return DuckDB's SQL and its physical plan."""
        text = sql.rendered(query, self.schemas, _write, True)
        try:
            rows = self._work.execute(f"EXPLAIN {text}", dict(parameters)).fetchall()
        except duckdb.Error as error:
            raise _sql_error(error, "EXPLAIN") from None
        return text, "\n".join(plan for _, plan in rows)

    def execute(self, statement: exp.Expr, parameters: Parameters) -> None:
        """Run a statement on the results."""
        self._run(self._writer, statement, parameters, self._results, ResultsError)

    def append(self, table: str, rows: pa.Table) -> None:
        """Insert an Arrow table in bulk."""
        target = exp.Table(
            this=exp.to_identifier(table),
            db=exp.to_identifier(self._config.results.schema_, quoted=True),
        )
        self._writer.register("rows_to_append", rows)
        try:
            self._writer.execute(
                f"INSERT INTO {target.sql(dialect='duckdb')} BY NAME SELECT * FROM rows_to_append"  # noqa: S608
            )
        except duckdb.Error as error:
            raise _sql_error(error, self._results, ResultsError) from None
        finally:
            self._writer.unregister("rows_to_append")

    def has_results(self) -> bool:
        """Tell whether the schema is in the results file."""
        rows = self._writer.execute(
            "SELECT schema_name FROM duckdb_schemas() "
            "WHERE database_name = 'site_results' AND schema_name = $name",
            {"name": self._config.results.schema_},
        ).fetchall()
        return bool(rows)

    def create_results_schema(self) -> None:
        """Create the schema in the results file."""
        schema = exp.to_identifier(self._config.results.schema_, quoted=True)
        self._writer.execute(f"CREATE SCHEMA {schema.sql(dialect='duckdb')}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit the results written inside, or roll all of them back."""
        try:
            self._writer.execute("BEGIN")
            yield
            self._writer.execute("COMMIT")
        except BaseException as error:
            # A failed COMMIT has ended the transaction already; a BEGIN that a signal has stopped
            # may have begun one. After such a stop the first statement is refused, whatever it is.
            for _ in range(2):
                with suppress(duckdb.Error, RuntimeError):
                    self._writer.execute("ROLLBACK")
            if isinstance(error, duckdb.Error):
                raise _sql_error(error, self._results, ResultsError) from None
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
    sql.place(tree, schemas)
    return tree.sql(dialect="duckdb", copy=False, pretty=is_for_people)


def _rows(
    connection: duckdb.DuckDBPyConnection,
    text: str,
    parameters: Parameters,
    where: str,
    error_class: type[OmopScorerError],
) -> list[tuple[object, ...]]:
    try:
        return connection.execute(text, dict(parameters)).fetchall()
    except duckdb.Error as error:
        raise _sql_error(error, where, error_class) from None


def try_results_file(config: RunConfig) -> int:
    """Take the lock of the results file and let go of it; return the version of its schema.

    0 means that there is none yet. Where there is no file, only the right to make one is tried: a
    run may be making it just now.
    """
    path = Path(config.results.url)
    if not path.exists() and path.parent.is_dir():
        try:
            tempfile.TemporaryFile(dir=path.parent).close()
        except OSError as error:
            raise ResultsError(f"results.url {path}: {path.parent}: {error.strerror}") from None
        return 0
    version = exp.select("version").from_(
        exp.table_("schema_version", config.results.schema_, "site_results", quoted=True)
    )
    connection = duckdb.connect(":memory:")
    try:
        _attach_results(connection, config)
        rows = connection.execute(version.sql(dialect="duckdb")).fetchall()
        return max((int(number) for (number,) in rows), default=0)
    except duckdb.CatalogException:
        return 0
    finally:
        connection.close()


def _attach_results(connection: duckdb.DuckDBPyConnection, config: RunConfig) -> None:
    path = Path(config.results.url)
    where = f"results.url {path}"
    if not path.parent.is_dir():
        raise ResultsError(f"{where}: the folder {path.parent} does not exist; make it first")
    if path.exists() and not stat.S_IMODE(path.stat().st_mode) & 0o222:
        raise ResultsError(f"{where}: the file is read-only; results cannot be written to it")
    try:
        attach(connection, path, "site_results", read_only=False)
    except duckdb.Error as error:
        text = str(error)
        if is_locked(text):
            raise LockHeldError(
                f"{where}: another run, or another program, has the file open"
                f"{holder(text)}; wait for it to end, or close it, and start again"
            ) from None
        raise ResultsError(f"{where}: cannot be opened: {first_line(text)}") from None


def _sql_error(
    error: duckdb.Error, where: str, error_class: type[OmopScorerError] = SqlError
) -> OmopScorerError:
    text = str(error)
    if line := unreadable_line(text):
        return CdmError(f"{where}: {line}; nothing of the file is used until it is mended")
    if "No space left" in text or "File too large" in text:
        return error_class(f"{where}: the disk is full, no space is left")
    kind = type(error).__name__
    detail = f": {first_line(text)}" if isinstance(error, _SPEAKABLE) else ""
    if isinstance(error, duckdb.OutOfMemoryException):
        detail += "; raise memory_limit in the run file"
    return error_class(f"{where}: the engine refused the statement ({kind}){detail}")


def _is_above(connection: duckdb.DuckDBPyConnection, limit: str) -> bool:
    """Tell whether DuckDB would by itself, as it sees the machine or the container, take more."""
    own, wanted = connection.execute(
        "SELECT PARSE_FORMATTED_BYTES(CURRENT_SETTING('memory_limit')), "
        "PARSE_FORMATTED_BYTES($limit)",
        {"limit": limit},
    ).fetchall()[0]
    return bool(own > wanted)
