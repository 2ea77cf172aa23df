"""A CDM in a Spark catalog, of which Spark filters the rows. It offers no snapshot of a CDM."""

import re
from collections.abc import Generator
from dataclasses import replace

import pyarrow as pa
from sqlglot import exp

from omop_scorer.cdm.tables import SiteTable, Table
from omop_scorer.config.connections import Connections
from omop_scorer.connections.spark import Session, errors_as
from omop_scorer.errors import SqlError
from omop_scorer.sources.base import PulledSource
from omop_scorer.sources.spark_catalog import SparkCatalog
from omop_scorer.sources.statement import Ids, Statement, bound

_NUMERIC = re.compile(r"tinyint|smallint|int|bigint|float|double|decimal\(.*\)")
_INTEGERS = ("tinyint", "smallint", "int", "bigint")
_NATIVE = {
    **dict.fromkeys(_INTEGERS, "BIGINT"),
    "float": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "timestamp": "TIMESTAMPTZ",
    "timestamp_ntz": "TIMESTAMP",
    "boolean": "BOOLEAN",
}


class SparkSource(PulledSource):
    """Tables of the catalog of a Spark session, or of a Spark Connect server."""

    snapshot = "spark: no snapshot, tables read one after another"

    def __init__(self, settings: Connections) -> None:
        """Open the session.

        Raises
        ------
        ConnectionFailedError
        """
        self.where = f"cdm.url {settings.cdm.url}"
        self._cdm = settings.cdm
        self._session = Session(settings)
        self._catalog = SparkCatalog(self._session.spark)

    def find(self, table: Table) -> SiteTable | None:
        """Find a table in the schema of the CDM, or of the vocabulary."""
        schema = self._cdm.schema_
        if table.schema == "vocab":
            schema = self._cdm.vocabulary_schema or schema
        site = self._catalog.find(self._cdm.table_names.get(table.name, table.name), schema)
        if site is None:
            return None
        return replace(
            site,
            columns={name: _native(kind) for name, kind in site.columns.items()},
            numeric=frozenset(n for n, kind in site.columns.items() if _NUMERIC.fullmatch(kind)),
            dated=frozenset(n for n, kind in site.columns.items() if kind == "date"),
            table=exp.to_table(site.relation, dialect="spark"),
        )

    def pull(self, statement: Statement, ids: Ids) -> Generator[pa.RecordBatch, None, None]:
        """Collect the rows of each part of the statement; the driver holds one part at a time."""
        for tree, values in bound(statement, ids):
            with errors_as(SqlError, f"{self.where}: {statement.name}"):
                frame = self._session.spark.sql(_rendered(tree), values)
                # A type without an equal one in DuckDB arrives as text.
                texts = [n for n, native in statement.types.items() if native == "VARCHAR"]
                for name in set(texts).intersection(frame.columns):
                    frame = frame.withColumn(name, frame[name].cast("string"))
                rows = frame.toArrow()
            yield from rows.rename_columns(list(statement.columns)).to_batches()

    def shown(self, statement: Statement, ids: Ids) -> str:
        """Return the statement as Spark receives it, parameters by name."""
        return ";\n".join(_rendered(tree, pretty=True) for tree, _ in bound(statement, ids))

    def close(self) -> None:
        """Restore or end the session."""
        self._session.close()


def _native(kind: str) -> str:
    """Return the type in which a column arrives, as DuckDB names it."""
    if kind.startswith("decimal("):
        return kind.upper()
    return _NATIVE.get(kind, "VARCHAR")


def _rendered(tree: exp.Select, *, pretty: bool = False) -> str:
    return tree.sql(dialect="spark", comments=False, pretty=pretty)
