"""Where a CDM is kept, when an engine pulls the rows of the cohort instead of reading in place."""

from abc import ABC, abstractmethod
from collections.abc import Generator

import pyarrow as pa

from omop_scorer.cdm.tables import SiteTable, Table
from omop_scorer.sources.statement import Ids, Statement


class Source(ABC):
    """An open, read-only source of CDM tables. Its errors never repeat a patient's value."""

    where: str
    """Location as the run file gives it, for messages."""
    snapshot: str
    """The state of the CDM that is read, in words, also where the source has no snapshot."""

    @abstractmethod
    def find(self, table: Table) -> SiteTable | None:
        """Return the site's table of that name, in any letter case, or None.

        Raises
        ------
        CdmError
            Several tables match, or the table cannot be read.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the source."""


class PulledSource(Source):
    """A source whose rows are copied to the engine, and only those that the run needs.

    The types in `SiteTable.columns` are DuckDB's names of the types in which the rows arrive:
    BIGINT, DOUBLE, or VARCHAR for everything that the safe casts of the engine read as text.
    """

    @abstractmethod
    def pull(self, statement: Statement, ids: Ids) -> Generator[pa.RecordBatch, None, None]:
        """Yield the rows of a statement in batches, columns in the statement's order.

        Closing the generator stops the statement.

        Raises
        ------
        SqlError
        """

    @abstractmethod
    def shown(self, statement: Statement, ids: Ids) -> str:
        """Return the statement in the SQL of the source, for people."""

    def release(self) -> None:
        """End the snapshot and the session that reads: the last row has been read."""
