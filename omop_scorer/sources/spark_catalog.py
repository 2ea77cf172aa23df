"""Tables of a CDM in a schema of a Spark catalog."""

from collections.abc import Mapping

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

from omop_scorer.cdm.tables import SiteTable
from omop_scorer.connections.spark import errors_as, named
from omop_scorer.errors import CdmError, SqlError


class SparkCatalog:
    """Tables of the session's catalog, found by schema and name in any letter case."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark
        self._names: dict[str, Mapping[str, str]] = {}

    def find(self, table: str, schema: str | None) -> SiteTable | None:
        """Find a table in a schema, by default in the current schema of the session.

        Raises
        ------
        CdmError
            The schema does not exist, or the table cannot be read.
        """
        # The full name, because a temporary view of the session may have the name of the table.
        catalog = self._spark.catalog
        home = [catalog.currentCatalog(), catalog.currentDatabase()]
        if schema:
            home = schema.split(".")
        key = named(home)
        if key not in self._names:
            self._names[key] = self._list(key, schema)
        name = self._names[key].get(table.lower())
        if name is None:
            return None
        relation = named([*home, name])
        with errors_as(CdmError, f"cdm.schema {schema or '(the current one)'}: table {name}"):
            return described(relation, relation, self._spark.table(relation))

    def _list(self, home: str, schema: str | None) -> Mapping[str, str]:
        with errors_as(SqlError, f"cdm.schema {schema}"):
            try:
                rows = self._spark.sql(f"SHOW TABLES{home and f' IN {home}'}").collect()
            except AnalysisException as error:
                raise CdmError(
                    f"cdm.url spark: no schema {schema!r} ({error.getCondition()}); set cdm.schema "
                    "or cdm.vocabulary_schema to schema or catalog.schema"
                ) from None
        return {row.tableName.lower(): row.tableName for row in rows if not row.isTemporary}


def described(relation: str, label: str, frame: DataFrame) -> SiteTable:
    """Return the columns of a frame as a table of a site."""
    fields = frame.schema.fields
    return SiteTable(
        relation=relation,
        label=label,
        columns={field.name.lower(): field.dataType.simpleString() for field in fields},
        names={field.name.lower(): field.name for field in fields},
    )
