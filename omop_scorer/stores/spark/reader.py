"""Results in a Spark catalog, opened read-only for commands that show them."""

import pyarrow as pa
from sqlglot import exp

from omop_scorer import sql
from omop_scorer.config.connections import Connections
from omop_scorer.connections.spark import Session, errors_as, named
from omop_scorer.errors import ResultsError, SqlError
from omop_scorer.stores.base import Parameters, ResultsReader
from omop_scorer.stores.spark.lock import lock_holder


class SparkResultsReader(ResultsReader):
    """A results schema in the catalog of a Spark session."""

    def __init__(self, settings: Connections) -> None:
        """Open the session and find the schema.

        Raises
        ------
        ConnectionFailedError, ResultsError
        """
        self.where = f"results.url spark, schema {settings.results.schema_}"
        *catalog, schema = settings.results.schema_.split(".")
        self._location = (".".join(catalog) or None, schema)
        self._home = named([*catalog, schema])
        self._session = Session(settings)
        self._spark = self._session.spark
        try:
            with errors_as(ResultsError, self.where):
                is_there = self._spark.catalog.databaseExists(self._home)
            if not is_there:
                raise ResultsError(
                    f"{self.where}: no such schema; set results.schema to one that exists, or "
                    "start a run first, with: omop-scorer run"
                )
        except BaseException:
            self.close()
            raise

    def read(self, query: exp.Expr, parameters: Parameters) -> pa.Table:
        """Return all rows."""
        tree = query.copy()
        sql.qualify(tree, {"results": self._location})
        with errors_as(SqlError, self.where):
            return self._spark.sql(tree.sql(dialect="spark"), dict(parameters)).toArrow()

    def tables(self) -> set[str]:
        """Return the names of tables and views."""
        with errors_as(SqlError, self.where):
            rows = self._spark.sql(f"SHOW TABLES IN {self._home}").collect()
        return {row.tableName.lower() for row in rows if not row.isTemporary}

    def is_run_under_way(self) -> bool:
        """Return True if the lock table exists and its holder may still run."""
        found = lock_holder(self._spark, self._home, self.where)
        return found is not None and not found.is_gone()

    def close(self) -> None:
        """Restore the settings of the session, or end it."""
        self._session.close()
