"""Interface to an engine. The rest of the program knows engines only by this class."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from typing import Any, ClassVar

import pyarrow as pa
from sqlglot import exp

from omop_scorer.cdm.tables import SiteTable, Table
from omop_scorer.sources.statement import Ids
from omop_scorer.sql import Schemas
from omop_scorer.stores.base import Parameters, Writer

Work = Callable[[pa.RecordBatch], tuple[Mapping[str, pa.Table], Any]]

"""Function applied to one batch of rows. It can be pickled, so that another process can run it.

It returns the rows to append, by logical table name such as `results.counterfactual` or
`work.patient_score`, and the counts of the batch. Every batch returns the same tables.
"""


class Engine(ABC):
    """Open connection to a CDM, and the work tables of a run.

    Queries are sqlglot trees over the logical schemas `cdm`, `vocab` and `work`. The engine renames
    the schemas and renders its own dialect. It never changes the tree of a .sql file, but it may
    change any other tree that it is given. Parameters are bound by name. A failed query raises
    SqlError, whose message never repeats a patient's value.
    """

    name: ClassVar[str]
    dialect: ClassVar[str]
    schemas: Schemas
    site: str
    """Location of the CDM as the run file gives it, for messages."""
    table_names: Mapping[str, str]
    """The site's names of CDM tables, where they differ from the CDM's own."""
    left_out: Set[str] = frozenset()
    """CDM tables that the run file leaves out."""

    @abstractmethod
    def find_table(self, table: Table) -> SiteTable | None:
        """Return the site's table of that name, in any letter case, or None.

        Raises
        ------
        CdmError
            Several tables match, or the table cannot be read.
        """

    @abstractmethod
    def has_values(self, site: SiteTable, no_values: Set[str]) -> bool:
        """Return True if a table holds a value.

        A text is no value if it is blank, means missing, or is in `no_values` in any letter case.
        Rows that must be pulled are asked for any value that is not NULL.
        """

    @abstractmethod
    def map_table(self, table: Table, site: SiteTable | None) -> None:
        """Make `table` available to queries, with lower-case column names and declared types.

        A column of another type is cast safely: a value that the type cannot hold unchanged
        becomes NULL. A column that the site lacks is NULL, and a missing table (`site` is None) is
        empty.
        """

    @abstractmethod
    def count_unreadable(self, table: Table) -> Mapping[str, int]:
        """Return, per column of a mapped table whose cast can lose values, how many it loses."""

    def refuse_changed_files(self) -> None:
        """Check that the files of the CDM are still those that were found at first.

        Raises
        ------
        CdmError
            The message names a file that was added, removed, replaced or changed.
        """

    @contextmanager
    def changed_files_explained(self) -> Iterator[None]:
        """Raise an error that names a changed file of the CDM, if one is why a step fails."""
        try:
            yield
        except Exception:
            self.refuse_changed_files()
            raise

    @property
    def reads_in_place(self) -> bool:
        """False if the engine works on rows that `pull` copies from the CDM."""
        return True

    @property
    def snapshot(self) -> str | None:
        """The state of the CDM that is read, in words; None where it is read in place as it is.

        The versions of Delta tables are known once the tables are found.
        """
        return None

    def pull(self, statement: str, table: str, ids: Ids) -> int:
        """Copy the rows of a statement of `sql/source` into a mapped table; return their number.

        Parameters
        ----------
        statement
            Name of the file in `sql/source`.
        table
            CDM table that receives the rows.
        ids
            The lists that the statement binds, by name.
        """
        raise NotImplementedError

    def show_pull(self, statement: str, table: str, ids: Ids) -> str:
        """Return the statement that `pull` sends, in the SQL of the source."""
        raise NotImplementedError

    def release_source(self) -> None:
        """End the snapshot of the CDM: nothing more is read from it."""

    @abstractmethod
    def stage(self, table: str, query: exp.Expr, parameters: Parameters) -> int:
        """Create `work.<table>` from a query, or append to it by column position.

        Returns the number of rows that the table holds then.
        """

    @abstractmethod
    def load(self, table: str, rows: pa.Table) -> None:
        """Create `work.<table>` from an Arrow table, or append to it by column name."""

    @abstractmethod
    def fetch(self, query: exp.Expr, parameters: Parameters) -> list[tuple[object, ...]]:
        """Return all rows of a query whose result is small."""

    @abstractmethod
    def stream(self, query: exp.Expr, parameters: Parameters) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a query in batches of the size that the run file sets.

        Other statements may run between two batches.
        """

    def copy(self, query: exp.Expr, parameters: Parameters, writer: Writer, table: str) -> None:
        """Append the rows of a query to a table of the results."""
        writer.append(table, self.stream(query, parameters))

    def map_batches(
        self, query: exp.Expr, work: Work, writer: Writer | None = None
    ) -> Iterator[Any]:
        """Apply `work` to the rows of a query in batches, append its rows and yield its counts.

        Rows of results go to `writer`, which work tables alone do not need. By default `work` runs
        in this process. An engine that can run it beside the data overrides this method.
        """
        for batch in self.stream(query, {}):
            tables, counts = work(batch)
            for name, rows in tables.items():
                schema, _, table = name.partition(".")
                if schema == "work":
                    self.load(table, rows)
                else:
                    assert writer is not None
                    writer.append(table, rows.to_batches())
            yield counts

    @abstractmethod
    def explain(self, query: exp.Expr, parameters: Parameters) -> tuple[str, str]:
        """Return a query in the engine's SQL and its query plan, without running it."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection and remove the work tables."""
