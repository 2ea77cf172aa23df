"""The seam to a database: what every engine does, and nothing else."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, ClassVar, Self

import pyarrow as pa
from sqlglot import exp

from omop_scorer.cdm.tables import SiteTable, Table
from omop_scorer.sql import Schemas

Parameters = Mapping[str, object]

Work = Callable[[pa.RecordBatch], tuple[Mapping[str, pa.Table], Any]]

"""What is done with a batch of rows; it can be pickled, to be done elsewhere.

It returns rows by the logical name of the table that they are appended to, which are the same for
every batch, such as `results.counterfactual` or `work.patient_score`; and what it has counted.
"""


class Engine(ABC):
    """One open connection to a CDM and, for a run, to its results.

    Queries are sqlglot trees over the logical schemas; the engine renames the schemas and renders
    its dialect. It leaves the tree of a file as it is; any other is the engine's own. A query that
    fails raises SqlError, which never repeats a patient's value.
    """

    name: ClassVar[str]
    dialect: ClassVar[str]
    schemas: Schemas
    site: str
    """Where the CDM is, in the words of the run file."""
    table_names: Mapping[str, str]
    """Names that tables go by at this site, where they differ from the CDM's."""

    @abstractmethod
    def find_table(self, table: Table) -> SiteTable | None:
        """Return the site's table of that name, in any letter case, or None."""

    @abstractmethod
    def map_table(self, table: Table, site: SiteTable | None) -> Mapping[str, int]:
        """Give the queries `table` with lower-case names and declared types.

        Columns whose site type differs from the declared one are cast safely. Returns, for
        those alone, how many values could not be cast. A table that is missing is empty.
        """

    @abstractmethod
    def stage(self, table: str, query: exp.Expr, parameters: Parameters) -> int:
        """Create `work.<table>` from a query, or append to it; return the rows it now holds."""

    @abstractmethod
    def load(self, table: str, rows: pa.Table) -> None:
        """Create `work.<table>` from an Arrow table, or append to it by name of column."""

    @abstractmethod
    def fetch(self, query: exp.Expr, parameters: Parameters) -> list[tuple[object, ...]]:
        """Return all rows of a query that gives few."""

    @abstractmethod
    def stream(self, query: exp.Expr, batch_size: int) -> Iterator[pa.RecordBatch]:
        """Yield a query's rows in batches; other statements may run in between."""

    def map_batches(self, query: exp.Expr, batch_size: int, work: Work) -> Iterator[Any]:
        """Do `work` on a query's rows in batches, append what it gives, yield what it counts.

        Here the rows come to this process; an engine that can sends the work to the rows.
        """
        for batch in self.stream(query, batch_size):
            tables, counts = work(batch)
            for name, rows in tables.items():
                schema, _, table = name.partition(".")
                (self.load if schema == "work" else self.append)(table, rows)
            yield counts

    @abstractmethod
    def explain(self, query: exp.Expr, parameters: Parameters) -> tuple[str, str]:
        """Return a query in the engine's SQL, and how it would be executed; nothing is run."""

    @abstractmethod
    def execute(self, statement: exp.Expr, parameters: Parameters) -> None:
        """Run a statement on the results schema."""

    @abstractmethod
    def append(self, table: str, rows: pa.Table) -> None:
        """Append an Arrow table to `results.<table>`, columns by name."""

    @abstractmethod
    def has_results(self) -> bool:
        """Tell whether the results schema has been created."""

    @abstractmethod
    def create_results_schema(self) -> None:
        """Create the results schema, empty."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """Everything written to the results inside is kept whole, or not at all."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the connection, its locks and its work area."""


class ResultsReader(ABC):
    """The results and nothing else, read-only: no CDM, no lock of a run, no file that is made.

    Queries are sqlglot trees over the logical schema `results`, as in Engine. Close it soon: an
    embedded engine cannot write while somebody reads.
    """

    where: str
    """Where the results are, in the words of the run file."""

    @abstractmethod
    def read(self, query: exp.Expr, parameters: Parameters) -> pa.Table:
        """Return all rows of a query as an Arrow table.

        Raises
        ------
        SqlError
        """

    @abstractmethod
    def tables(self) -> set[str]:
        """Return the names of the tables and views of the results schema, in lower case."""

    @abstractmethod
    def is_run_under_way(self) -> bool:
        """Tell whether a run holds the lock on these results at this moment."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the connection."""

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Close it, whatever happened."""
        self.close()
