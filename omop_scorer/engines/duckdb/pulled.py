"""Raw tables into which the rows of a source are copied as they arrive.

The views of the CDM read these tables with the same safe casts as any other table of a site.
"""

from contextlib import closing
from dataclasses import replace

import duckdb
from sqlglot import exp

from omop_scorer.cdm.tables import CONCEPT_COLUMNS, SiteTable, Table
from omop_scorer.connections.duckdb import errors_as, registered
from omop_scorer.errors import CdmError, SqlError
from omop_scorer.sources.base import PulledSource
from omop_scorer.sources.statement import Ids, Statement, fitted

_SCHEMA = "memory.site"


class PulledTables:
    """Raw tables of one run, and the source that fills them.

    Parameters
    ----------
    connection
        Connection to the in-memory database of the work tables.
    source
        The open source.
    maximum_rows
        Rows of all pulls together at which the run stops: a wrong concept set must not copy the
        warehouse.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, source: PulledSource, maximum_rows: int
    ) -> None:
        self._connection = connection
        self._source = source
        self._maximum_rows = maximum_rows
        self._site: dict[str, SiteTable] = {}
        self._raw: dict[str, str] = {}
        """Qualified name of the raw table, by CDM table."""
        self._wide: set[tuple[str, str]] = set()
        """Tables, and what was asked of them, of statements that returned more than that."""
        self._n_rows = 0
        connection.execute(f"CREATE SCHEMA {_SCHEMA}")

    def find(self, table: Table) -> SiteTable | None:
        """Find a table in the source. One of counts or dates is found with its CDM table."""
        if table.counts is None:
            return self._source.find(table)
        site = self._site.get(table.counts.table)
        if site is None:
            return None
        concept, day = table.counts.concept_column, table.counts.date_column
        if concept is None and day not in site.dated:
            # The source cannot compare these dates, and would have to return every one of them.
            return None
        columns = {"record_date": site.columns[day]}
        if concept is not None:
            columns |= {"concept_id": site.columns[concept], "n_records": "BIGINT"}
        return replace(site, columns=columns, names={name: name for name in columns})

    def has_values(self, site: SiteTable) -> bool:
        """Ask the source whether a table holds a value that is not NULL."""
        assert site.table is not None
        conditions = [
            exp.column(exp.to_identifier(name, quoted=True)).is_(exp.null()).not_()
            for name in site.names.values()
        ]
        counting = exp.select(exp.alias_(exp.Count(this=exp.Star()), "n_rows"))
        counting = counting.from_(site.table.copy()).where(exp.or_(*conditions))
        statement = Statement(f"rows of {site.label}", counting, {"n_rows": "BIGINT"})
        return any(
            n for batch in self._source.pull(statement, {}) for n in batch.column(0).to_pylist()
        )

    def create(self, table: Table, site: SiteTable) -> SiteTable:
        """Create the raw table of a table; return it as a table of a site."""
        self._site[table.name] = site
        relation = self._raw[table.name] = f"{_SCHEMA}.{table.schema}_{table.name}"
        columns = {c.name: site.columns[c.name] for c in table.columns if c.name in site.columns}
        listed = ", ".join(f"{name} {native}" for name, native in columns.items())
        with errors_as(SqlError, site.label):
            self._connection.execute(f"CREATE TABLE {relation} ({listed})")
        # Several statements may return the same concept.
        distinct = "DISTINCT " if table.schema == "vocab" else ""
        values = [f"RTRIM({n}, ' ') AS {n}" if n in site.padded else n for n in columns]
        relation = f"(SELECT {distinct}{', '.join(values)} FROM {relation})"  # noqa: S608
        return replace(
            site, relation=relation, columns=columns, names={name: name for name in columns}
        )

    def pull(self, name: str, table: str, ids: Ids) -> int:
        """Copy the rows of a statement into the raw table of a CDM table; return their number.

        A statement about a table that the site lacks has no rows.

        Raises
        ------
        CdmError
            The run would copy more than `cohort.maximum_rows` rows.
        SqlError
        """
        if table not in self._site:
            return 0
        statement = fitted(name, self._site)
        if not self._is_needed(statement, table, ids):
            return 0
        insert = f"INSERT INTO {self._raw[table]} BY NAME SELECT * FROM pulled_rows"  # noqa: S608
        n_rows = 0
        # A statement that is not read to its end is stopped here, not when memory is cleared.
        with closing(self._source.pull(statement, ids)) as batches:
            for batch in batches:
                n_rows += batch.num_rows
                self._count(batch.num_rows)
                with (
                    errors_as(SqlError, f"{self._source.where}: {name}"),
                    registered(self._connection, "pulled_rows", batch),
                ):
                    self._connection.execute(insert)
        return n_rows

    def _is_needed(self, statement: Statement, table: str, ids: Ids) -> bool:
        """Return False if another statement returned these rows, or if none of them can count.

        Where a database cannot compare the ids of a list, a statement returns every row for the
        rest of its conditions.
        """
        _, source = CONCEPT_COLUMNS.get(table, ("", ""))
        if statement.name.endswith("_unmapped") and source not in self._site[table].columns:
            return False
        if not statement.is_wide:
            return True
        kept = {name: ids[name] for name in statement.parameters}
        asked = (table, str(sorted(kept.items())))
        is_new = asked not in self._wide
        self._wide.add(asked)
        return is_new

    def shown(self, name: str, table: str, ids: Ids) -> str:
        """Return a statement in the SQL of the source, as `pull` sends it."""
        if table not in self._site:
            return "-- nothing is asked for, because the CDM lacks this table"
        return self._source.shown(fitted(name, self._site), ids)

    def _count(self, n_rows: int) -> None:
        self._n_rows += n_rows
        if self._n_rows > self._maximum_rows:
            raise CdmError(
                f"{self._source.where}: a run would copy more than {self._maximum_rows:,} rows; "
                "check the concept sets, or set a higher cohort.maximum_rows"
            )

    @property
    def snapshot(self) -> str:
        """The snapshot of the source, in words."""
        return self._source.snapshot

    def release(self) -> None:
        """End the snapshot of the source."""
        self._source.release()
