"""Results in a DuckDB file, opened read-only for commands that show them."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import duckdb
import pyarrow as pa
from sqlglot import exp

from omop_scorer import sql
from omop_scorer.config.connections import Connections
from omop_scorer.connections.duckdb import (
    arrow_batches,
    attach,
    confine,
    connected,
    errors_as,
    first_line,
    is_locked,
    lock_holder,
)
from omop_scorer.errors import ConnectionFailedError, LockHeldError, ResultsError, SqlError
from omop_scorer.stores.base import Parameters, ResultsReader
from omop_scorer.stores.duckdb.code_in_file import refuse_stand_ins

_ALIAS = "results_to_read"

#: Rows of a batch of a stream.
_BATCH = 100_000

_RUN_FIRST = "start a run first, with: omop-scorer run"


def read_arrow(
    connection: duckdb.DuckDBPyConnection, query: exp.Expr, parameters: Parameters, where: str
) -> pa.Table:
    """Return all rows of a query whose schemas are real ones.

    Raises
    ------
    SqlError
    """
    with errors_as(SqlError, where):
        return connection.sql(query.sql(dialect="duckdb"), params=dict(parameters)).to_arrow_table()


def stream_arrow(
    connection: duckdb.DuckDBPyConnection, query: exp.Expr, parameters: Parameters, where: str
) -> Iterator[pa.RecordBatch]:
    """Yield all rows of a query whose schemas are real ones.

    Raises
    ------
    SqlError
    """
    with errors_as(SqlError, where):
        rows = connection.sql(query.sql(dialect="duckdb"), params=dict(parameters))
        yield from arrow_batches(rows, _BATCH)


class DuckDBResultsReader(ResultsReader):
    """A results file, attached read-only."""

    def __init__(self, settings: Connections) -> None:
        """Open the file and find the schema in it.

        Raises
        ------
        ConnectionFailedError, LockHeldError, ResultsError
        """
        path = Path(settings.results.url)
        self.where = f"results.url {path}"
        if not path.exists():
            raise ConnectionFailedError(f"{self.where}: no such file; {_RUN_FIRST}")
        # DuckDB would take an empty file for a new database.
        if not path.is_file() or not path.stat().st_size:
            raise ConnectionFailedError(f"{self.where}: not a DuckDB file; {_RUN_FIRST}")
        with ExitStack() as stack:
            self._connection = stack.enter_context(
                connected(settings.memory_limit, threads=settings.threads)
            )
            self._attach(path)
            self.is_export = self._has_tables_of_an_export()
            self._schema = self._find_schema(settings.results.schema_)
            self._open = stack.pop_all()

    def _attach(self, path: Path) -> None:
        try:
            attach(self._connection, path, _ALIAS, read_only=True)
        except duckdb.Error as error:
            text = str(error)
            if is_locked(text):
                raise LockHeldError(
                    f"{self.where}: a run, or another program, has the file open for writing"
                    f"{lock_holder(text)}; wait for it to end, or close it, and start again"
                ) from None
            raise ConnectionFailedError(
                f"{self.where}: cannot be opened: {first_line(text)}"
            ) from None
        with errors_as(ResultsError, self.where):
            confine(self._connection)
        refuse_stand_ins(self._connection, _ALIAS, self.where)

    def _find_schema(self, wanted: str) -> str:
        with errors_as(ResultsError, self.where):
            rows = self._connection.execute(
                "SELECT schema_name FROM duckdb_schemas() "
                "WHERE database_name = $alias AND NOT internal ORDER BY schema_name",
                {"alias": _ALIAS},
            ).fetchall()
        names = [str(name) for (name,) in rows]
        # DuckDB ignores letter case in names.
        for name in names:
            if name.lower() == wanted.lower():
                return name
        # An export has the tables of one run in main, and no other schema.
        if set(names) <= {"main"} and self.is_export:
            return "main"
        known = ", ".join(repr(name) for name in names if name != "main") or "none"
        raise ResultsError(
            f"{self.where}: no results.schema {wanted!r} in it; schemas: {known}; "
            f"choose one of them, or {_RUN_FIRST}"
        )

    def _has_tables_of_an_export(self) -> bool:
        """Return True if a view of the results is a table of the schema main."""
        with errors_as(ResultsError, self.where):
            found = self._connection.execute(
                "SELECT 1 FROM duckdb_tables() WHERE database_name = $alias "
                "AND schema_name = 'main' AND table_name = 'latest_run'",
                {"alias": _ALIAS},
            ).fetchone()
        return found is not None

    def read(self, query: exp.Expr, parameters: Parameters) -> pa.Table:
        """Return all rows."""
        return read_arrow(self._connection, self._located(query), parameters, self.where)

    def stream(self, query: exp.Expr, parameters: Parameters) -> Iterator[pa.RecordBatch]:
        """Yield all rows."""
        return stream_arrow(self._connection, self._located(query), parameters, self.where)

    def _located(self, query: exp.Expr) -> exp.Expr:
        tree = query.copy()
        sql.qualify(tree, {"results": (_ALIAS, self._schema)})
        return tree

    def tables(self) -> set[str]:
        """Return the names of tables and views."""
        with errors_as(SqlError, self.where):
            rows = self._connection.execute(
                "SELECT table_name FROM information_schema.tables "
                "WHERE table_catalog = $alias AND table_schema = $schema",
                {"alias": _ALIAS, "schema": self._schema},
            ).fetchall()
        return {str(name).lower() for (name,) in rows}

    def is_run_under_way(self) -> bool:
        """Return False: while a run holds the lock, the file cannot be opened at all."""
        return False

    def close(self) -> None:
        """Close the connection, so that the next run can open the file."""
        self._open.close()
