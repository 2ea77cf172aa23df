"""Interface to results. The rest of the program knows stores and readers only by these classes."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import pyarrow as pa
from sqlglot import exp

Parameters = Mapping[str, object]


@dataclass(frozen=True)
class Description:
    """Meaning of a results table, of a view, or of one of their columns."""

    name: str
    """Name of the table or view."""
    is_view: bool
    column: str
    """Name of the column; empty for the table or view itself."""
    text: str


class Writer(ABC):
    """Receiver of the rows of a run."""

    @abstractmethod
    def append(self, table: str, batches: Iterable[pa.RecordBatch]) -> None:
        """Append rows of one run to a table, by column name."""


class Store(Writer):
    """Results opened for writing. The run lock is held until the store is closed.

    Queries are sqlglot trees over the logical schema `results`, with parameters bound by name.
    A store without transactions writes at once; readers see only COMPLETE runs. A failure raises
    ResultsError, whose message never repeats a patient's value.
    """

    where: str
    """Location of the results as the run file gives it, for messages."""

    @abstractmethod
    def has_schema(self) -> bool:
        """Return True if the results schema exists."""

    @abstractmethod
    def create_schema(self) -> None:
        """Create an empty results schema."""

    @abstractmethod
    def define(self, statement: exp.Expr) -> None:
        """Run a statement of a migration: it creates or alters a table, or creates a view."""

    def describe(self, descriptions: Sequence[Description]) -> None:
        """Keep descriptions as comments; a store that has no comments ignores them."""

    @abstractmethod
    def fetch(self, query: exp.Expr, parameters: Parameters) -> list[tuple[object, ...]]:
        """Return all rows of a query whose result is small."""

    @abstractmethod
    def remove(self, table: str, run_ids: Sequence[int]) -> None:
        """Remove the rows of runs from a table."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """Commit everything written inside the block, or nothing of it, if the store can."""

    @abstractmethod
    def close(self) -> None:
        """Release the run lock and close the connection."""


class ResultsReader(ABC):
    """Read-only access to results. It opens no CDM, takes no run lock and creates no results.

    Queries are sqlglot trees over the logical schema `results`, as in Engine. Close the reader
    soon, because no run can open a DuckDB results file while another process reads it.
    """

    where: str
    """Location of the results as the run file gives it, for messages."""
    is_export = False
    """True for a file that `export` wrote, which no run writes to."""

    @abstractmethod
    def read(self, query: exp.Expr, parameters: Parameters) -> pa.Table:
        """Return all rows of a query as an Arrow table.

        Raises
        ------
        SqlError
        """

    def stream(self, query: exp.Expr, parameters: Parameters) -> Iterator[pa.RecordBatch]:
        """Yield all rows of a query, which may be more than memory holds.

        Raises
        ------
        SqlError
        """
        yield from self.read(query, parameters).to_batches()

    @abstractmethod
    def tables(self) -> set[str]:
        """Return the names of the tables and views of the results schema, in lower case."""

    @abstractmethod
    def is_run_under_way(self) -> bool:
        """Return True if a run holds the lock on these results now."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""

    def __enter__(self) -> Self:
        """Return this reader."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the reader, also after an error."""
        self.close()
