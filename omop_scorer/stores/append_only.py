"""Results without transactions: every table is append-only by run_id.

Readers see a run once its status COMPLETE is written, which is the last write. The next run removes
what a failed run left.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlglot import exp

from omop_scorer import sql
from omop_scorer.errors import ResultsError
from omop_scorer.stores.base import ResultsReader, Store

#: DuckDB types by column name.
Columns = Mapping[str, str]

#: Message of a run whose lock was taken over or removed.
LOCK_LOST = (
    "this run no longer holds the run lock, so it publishes nothing; another run may have taken "
    "the lock: wait for it to end and start again"
)

STATUS = "scoring_run_status"

_VERSION = "SELECT COALESCE(MAX(version), 0) AS version FROM results.schema_version"


def version(reader: ResultsReader) -> int:
    """Return the version of the results schema; 0 if it has no tables yet."""
    if "schema_version" not in reader.tables():
        return 0
    return int(reader.read(sql.parse(_VERSION), {})["version"][0].as_py())


class AppendOnlyStore(Store):
    """A store that knows tables and columns, but no constraints and no transactions."""

    def define(self, statement: exp.Expr) -> None:
        """Create a table or a view, or add a column."""
        match statement:
            case exp.Create(kind="TABLE", this=exp.Schema(this=table, expressions=columns)):
                self.create_table(table.name, {c.name: c.kind.sql("duckdb") for c in columns})
            case exp.Create(kind="VIEW"):
                self.create_view(statement)
            case exp.Alter(this=table, actions=actions):
                for action in actions:
                    # DROP NOT NULL needs no action, because these tables have no constraints.
                    if isinstance(action, exp.ColumnDef):
                        assert action.kind is not None
                        self.add_column(table.name, action.name, action.kind.sql("duckdb"))
                    elif not action.args.get("allow_null"):
                        raise self._unsupported(statement)
            case _:
                raise self._unsupported(statement)

    @abstractmethod
    def create_table(self, table: str, columns: Columns) -> None:
        """Create a table, unless it exists."""

    @abstractmethod
    def add_column(self, table: str, column: str, native: str) -> None:
        """Add a column, which is NULL for earlier runs."""

    @abstractmethod
    def create_view(self, view: exp.Create) -> None:
        """Create a view, if the results can hold one; readers of a folder create their own."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do nothing: readers see only COMPLETE runs."""
        yield

    def _unsupported(self, statement: exp.Expr) -> ResultsError:
        return ResultsError(f"{self.where}: cannot run {statement.sql('duckdb')}")
