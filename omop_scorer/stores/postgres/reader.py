"""Results in a PostgreSQL database, opened read-only for commands that show them."""

from collections.abc import Iterator

import psycopg
import pyarrow as pa
from sqlglot import exp

from omop_scorer import sql
from omop_scorer.config.connections import Connections
from omop_scorer.connections.postgres import Connection, rendered
from omop_scorer.errors import ResultsError, SqlError
from omop_scorer.stores.base import Parameters, ResultsReader
from omop_scorer.stores.postgres.copy import as_arrow
from omop_scorer.stores.postgres.rights import lock_holder

#: Rows that a stream asks the server for at a time.
_BATCH = 20_000


class PostgresResultsReader(ResultsReader):
    """A results schema, read in one transaction that may not write and sees one moment."""

    def __init__(self, settings: Connections) -> None:
        """Connect and find the schema.

        Raises
        ------
        ConnectionFailedError, ResultsError
        """
        self._schema = settings.results.schema_
        self._connection = Connection("results", settings.results, settings)
        self.where = self._connection.where
        try:
            with self._connection.errors_as(SqlError):
                self._connection.driver.autocommit = False
                self._connection.driver.read_only = True
                self._connection.driver.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                self._refuse_without_schema()
        except BaseException:
            self.close()
            raise

    def _refuse_without_schema(self) -> None:
        rows = self._connection.rows(
            "SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_' "
            "AND nspname <> 'information_schema' ORDER BY nspname"
        )
        names = [str(name) for (name,) in rows]
        if self._schema not in names:
            known = ", ".join(repr(name) for name in names) or "none"
            raise ResultsError(
                f"{self.where}: no results.schema {self._schema!r} in it; schemas: {known}; "
                "choose one of them, or start a run first, with: omop-scorer run"
            )

    def read(self, query: exp.Expr, parameters: Parameters) -> pa.Table:
        """Return all rows."""
        tree = query.copy()
        sql.qualify(tree, {"results": (None, self._schema)})
        with self._connection.errors_as(SqlError):
            cursor = self._connection.execute(rendered(tree, is_bound=bool(parameters)), parameters)
            return as_arrow(cursor, cursor.fetchall())

    def stream(self, query: exp.Expr, parameters: Parameters) -> Iterator[pa.RecordBatch]:
        """Yield all rows, through a cursor of the server."""
        tree = query.copy()
        sql.qualify(tree, {"results": (None, self._schema)})
        text = rendered(tree, is_bound=bool(parameters)).encode()
        with (
            self._connection.errors_as(SqlError),
            self._connection.driver.cursor(name="omop_scorer_rows") as cursor,
        ):
            cursor.execute(text, parameters or None)
            while rows := cursor.fetchmany(_BATCH):
                yield from as_arrow(cursor, rows).to_batches()

    def tables(self) -> set[str]:
        """Return the names of tables and views."""
        with self._connection.errors_as(SqlError):
            rows = self._connection.rows(
                "SELECT c.relname FROM pg_catalog.pg_class AS c "
                "INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
                "WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')",
                {"schema": self._schema},
            )
        return {str(name).lower() for (name,) in rows}

    def is_run_under_way(self) -> bool:
        """Ask the server who holds the lock."""
        with self._connection.errors_as(SqlError):
            if self._connection.is_standby():
                raise ResultsError(
                    f"{self.where}: this server is a standby, which does not know whether a run is "
                    "under way; give the address of the primary server"
                )
            holder = lock_holder(self._connection, self._schema)
            # What is read next is no older than this answer.
            self._connection.driver.rollback()
        return holder is not None

    def close(self) -> None:
        """End the session."""
        self._connection.close()
