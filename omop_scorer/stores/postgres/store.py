"""Results in a PostgreSQL database. One session holds the run lock and writes by COPY."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
from psycopg.pq import TransactionStatus
from sqlglot import exp

from omop_scorer import sql
from omop_scorer.config.connections import Connections
from omop_scorer.connections.postgres import Connection, quoted, rendered
from omop_scorer.errors import ResultsError
from omop_scorer.stores.base import Description, Parameters, Store
from omop_scorer.stores.comments import comment_statements
from omop_scorer.stores.postgres.copy import copy_in
from omop_scorer.stores.postgres.foreign_code import (
    lock_against_new_triggers,
    refuse_foreign_code,
)
from omop_scorer.stores.postgres.rights import (
    has_schema,
    probe,
    refuse_without_lock,
    refuse_without_rights,
    take_lock,
)


class PostgresStore(Store):
    """A results schema in a PostgreSQL database."""

    def __init__(self, settings: Connections) -> None:
        """Connect, check the rights of the user, and take the run lock.

        Raises
        ------
        ConnectionFailedError, LockHeldError, ResultsError
        """
        self._results = settings.results
        self._schema = settings.results.schema_
        self._connection = Connection("results", settings.results, settings)
        self.where = self._connection.where
        try:
            self._connection.refuse_unfit()
            with self._connection.errors_as(ResultsError):
                refuse_without_rights(self._connection, settings)
                take_lock(self._connection, self._schema)
        except BaseException:
            self.close()
            raise

    def has_schema(self) -> bool:
        """Return True if the schema exists in the database."""
        with self._connection.errors_as(ResultsError):
            return has_schema(self._connection, self._schema)

    def create_schema(self) -> None:
        """Create the schema in the database."""
        with self._connection.errors_as(ResultsError):
            self._connection.execute(f"CREATE SCHEMA {quoted(self._schema)}")

    def define(self, statement: exp.Expr) -> None:
        """Create or alter a table, or create a view. A table of runs gets an index on run_id."""
        with self._connection.errors_as(ResultsError):
            self._connection.execute(self._rendered(statement, is_bound=False))
            if _is_table_of_runs(statement):
                table = self._named(statement.this.this.name)
                self._connection.execute(f'CREATE INDEX ON {table} ("run_id")')

    def describe(self, descriptions: Sequence[Description]) -> None:
        """Write the comments with one message."""
        with self._connection.errors_as(ResultsError):
            self._connection.execute(comment_statements(self._schema, descriptions))

    def fetch(self, query: exp.Expr, parameters: Parameters) -> list[tuple[object, ...]]:
        """Return all rows."""
        text = self._rendered(query, is_bound=bool(parameters))
        with self._connection.errors_as(ResultsError):
            return list(self._connection.rows(text, parameters))

    def append(self, table: str, batches: Iterable[pa.RecordBatch]) -> None:
        """Copy the rows with one COPY."""
        with self._writing():
            copy_in(self._connection.driver, self._named(table), batches)

    def remove(self, table: str, run_ids: Sequence[int]) -> None:
        """Delete the rows."""
        text = f"DELETE FROM {self._named(table)} WHERE run_id = ANY (%(run_ids)s)"  # noqa: S608
        with self._writing():
            self._connection.execute(text, {"run_ids": list(run_ids)})

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything written inside the block, or roll all of it back."""
        with self._writing():
            yield
            refuse_without_lock(self._connection, self._schema)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Write in a transaction in which no code of others can run; an open one is joined."""
        driver = self._connection.driver
        with self._connection.errors_as(ResultsError):
            if driver.info.transaction_status is not TransactionStatus.IDLE:
                yield
                return
            with driver.transaction():
                lock_against_new_triggers(self._connection, self._schema)
                refuse_foreign_code(self._connection, self._results)
                yield

    def probe(self) -> int:
        """Create a table and undo it; return the version of the schema, 0 if there is none."""
        with self._connection.errors_as(ResultsError):
            return probe(self._connection, self._schema)

    def close(self) -> None:
        """End the session, which releases the lock."""
        self._connection.close()

    def _named(self, table: str) -> str:
        return exp.table_(table, self._schema, quoted=True).sql(dialect="postgres")

    def _rendered(self, tree: exp.Expr, *, is_bound: bool) -> str:
        tree = tree.copy()
        sql.qualify(tree, {"results": (None, self._schema)})
        return rendered(tree, is_bound=is_bound)


def _is_table_of_runs(statement: exp.Expr) -> bool:
    if not isinstance(statement, exp.Create) or not isinstance(statement.this, exp.Schema):
        return False
    return "run_id" in {column.name for column in statement.this.expressions}


def try_schema(settings: Connections) -> int:
    """Take the lock and use every right that a run needs, and undo it; return the version.

    Raises
    ------
    ConnectionFailedError, LockHeldError, ResultsError
    """
    store = PostgresStore(settings)
    try:
        return store.probe()
    finally:
        store.close()
