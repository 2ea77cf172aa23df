"""Results in a DuckDB file, opened for writing. The lock of the file is the run lock."""

import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import duckdb
import pyarrow as pa
from sqlglot import exp

from omop_scorer import sql
from omop_scorer.config.connections import Connections
from omop_scorer.connections.duckdb import (
    attach,
    confine,
    connected,
    errors_as,
    first_line,
    is_locked,
    is_own_lock,
    lock_holder,
)
from omop_scorer.connections.private_files import private_files
from omop_scorer.errors import LockHeldError, ResultsError
from omop_scorer.stores.append_only import STATUS
from omop_scorer.stores.base import Description, Parameters, Store
from omop_scorer.stores.comments import comment_statements
from omop_scorer.stores.duckdb.code_in_file import refuse_stand_ins, refuse_triggers
from omop_scorer.stores.identity import Identity

#: Seconds between two attempts to open a file that another process has open.
_PAUSE_SECONDS = 0.5


class DuckDBStore(Store):
    """A results file, attached for writing."""

    def __init__(self, settings: Connections, say: Callable[[str], None] = lambda _: None) -> None:
        """Open the file, which creates it if necessary, and lock it.

        While another process has it open, wait `results.lock_timeout_seconds` and tell `say`.

        Raises
        ------
        ConnectionFailedError, LockHeldError, ResultsError
        """
        self.where = f"results.url {settings.results.url}"
        self._schema = settings.results.schema_
        with ExitStack() as stack:
            stack.enter_context(private_files(Path(settings.results.url)))
            self._connection = stack.enter_context(
                connected(settings.memory_limit, threads=settings.threads)
            )
            attach_results(self._connection, settings, say)
            self._identity = Identity(self.where, Path(settings.results.url))
            with errors_as(ResultsError, self.where):
                self._connection.execute("USE site_results")
            self._open = stack.pop_all()

    def has_schema(self) -> bool:
        """Return True if the schema exists in the file."""
        query = (
            "SELECT schema_name FROM duckdb_schemas() "
            "WHERE database_name = 'site_results' AND schema_name = $name"
        )
        return bool(self._rows(query, {"name": self._schema}))

    def create_schema(self) -> None:
        """Create the schema in the file."""
        schema = exp.to_identifier(self._schema, quoted=True).sql(dialect="duckdb")
        self._rows(f"CREATE SCHEMA {schema}", {})

    def define(self, statement: exp.Expr) -> None:
        """Create or alter a table, or create a view."""
        self._rows(self._rendered(statement), {})

    def describe(self, descriptions: Sequence[Description]) -> None:
        """Write the comments."""
        self._rows(comment_statements(self._schema, descriptions), {})

    def fetch(self, query: exp.Expr, parameters: Parameters) -> list[tuple[object, ...]]:
        """Return all rows."""
        return self._rows(self._rendered(query), parameters)

    def append(self, table: str, batches: Iterable[pa.RecordBatch]) -> None:
        """Insert each batch with one statement, by column name.

        A status is written only to the file in place.
        """
        if table == STATUS:
            self._identity.refuse_changed()
        # A registered name would keep its rows in memory until the transaction ends.
        target = self._named(table)
        columns = [str(name) for name, *_ in self._rows(f"DESCRIBE {target}", {})]
        for batch in batches:
            with errors_as(ResultsError, self.where):
                rows = self._connection.from_arrow(batch)
                rows.project(_in_order(columns, batch.schema.names)).insert_into(target)

    def remove(self, table: str, run_ids: Sequence[int]) -> None:
        """Delete the rows."""
        text = f"DELETE FROM {self._named(table)} WHERE run_id IN (SELECT UNNEST($run_ids))"  # noqa: S608
        self._rows(text, {"run_ids": list(run_ids)})

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything written inside the block, or roll all of it back."""
        with errors_as(ResultsError, self.where):
            try:
                self._connection.execute("BEGIN")
                yield
                self._identity.refuse_changed()
                self._connection.execute("COMMIT")
            except BaseException:
                # A failed COMMIT has ended the transaction already, and a BEGIN that a signal
                # interrupted may have started one. After such an interruption DuckDB refuses the
                # next statement, so we try twice.
                for _ in range(2):
                    with suppress(duckdb.Error, RuntimeError):
                        self._connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the file, which releases its lock."""
        self._open.close()

    def _named(self, table: str) -> str:
        named = exp.Table(
            this=exp.to_identifier(table), db=exp.to_identifier(self._schema, quoted=True)
        )
        return named.sql(dialect="duckdb")

    def _rendered(self, tree: exp.Expr) -> str:
        tree = tree.copy()
        sql.qualify(tree, {"results": (None, self._schema)})
        return tree.sql(dialect="duckdb", copy=False)

    def _rows(self, text: str, parameters: Parameters) -> list[tuple[object, ...]]:
        with errors_as(ResultsError, self.where):
            return self._connection.execute(text, dict(parameters)).fetchall()


def _in_order(columns: Sequence[str], given: Sequence[str]) -> str:
    """Return the given columns in the order of a table, NULL for those that are not given."""
    selected = [exp.column(name, quoted=True) if name in given else exp.null() for name in columns]
    # DuckDB refuses columns that the table does not have.
    selected += [exp.column(name, quoted=True) for name in given if name not in columns]
    return ", ".join(each.sql(dialect="duckdb") for each in selected)


def try_results_file(settings: Connections) -> int:
    """Take and release the lock of the results file; return the version of its schema.

    Returns 0 if there is no results schema yet. If there is no file, we only test that one can be
    created, because a run may be creating it now.

    Raises
    ------
    LockHeldError, ResultsError
    """
    path = Path(settings.results.url)
    if not path.exists() and path.parent.is_dir():
        try:
            tempfile.TemporaryFile(dir=path.parent).close()
        except OSError as error:
            raise ResultsError(
                f"results.url {path}: the folder {path.parent} cannot be written: {error.strerror}"
            ) from None
        return 0
    version = exp.select("version").from_(
        exp.table_("schema_version", settings.results.schema_, "site_results", quoted=True)
    )
    with connected() as connection, errors_as(ResultsError, f"results.url {path}"):
        attach_results(connection, settings)
        try:
            rows = connection.execute(version.sql(dialect="duckdb")).fetchall()
        except duckdb.CatalogException:
            return 0
    return max((int(number) for (number,) in rows), default=0)


def attach_results(
    connection: duckdb.DuckDBPyConnection,
    settings: Connections,
    say: Callable[[str], None] | None = None,
) -> None:
    """Attach the results file for writing, which locks it; the connection reads no other file.

    While another process has the file open, `say` receives its name, and the function waits
    `results.lock_timeout_seconds`. Without `say` it does not wait.

    Raises
    ------
    LockHeldError, ResultsError
    """
    path = Path(settings.results.url)
    where = f"results.url {path}"
    if not path.parent.is_dir():
        raise ResultsError(f"{where}: the folder {path.parent} does not exist; create it first")
    if path.exists() and not stat.S_IMODE(path.stat().st_mode) & 0o222:
        raise ResultsError(f"{where}: the file is read-only; results cannot be written to it")
    seconds = settings.results.lock_timeout_seconds if say else 0
    deadline, has_said = time.monotonic() + seconds, False
    while text := _refusal(connection, path):
        if not is_locked(text):
            raise ResultsError(f"{where}: cannot be opened: {first_line(text)}") from None
        held = f"{where}: another run, or another program, has the file open{lock_holder(text)}"
        if is_own_lock(text) or time.monotonic() >= deadline:
            raise LockHeldError(
                f"{held}; wait for it to end, or close it, and start again"
            ) from None
        if say and not has_said:
            say(f"{held}; the run waits for it, at most {seconds} seconds")
            has_said = True
        time.sleep(_PAUSE_SECONDS)
    with errors_as(ResultsError, where):
        confine(connection)
    refuse_stand_ins(connection, "site_results", where)
    refuse_triggers(connection, "site_results", where, settings.results.allow_triggers)


def _refusal(connection: duckdb.DuckDBPyConnection, path: Path) -> str | None:
    """Attach the results file; return DuckDB's message if that fails."""
    try:
        attach(connection, path, "site_results", read_only=False)
    except duckdb.Error as error:
        return str(error)
    return None
