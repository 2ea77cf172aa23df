"""The run lock in a Spark catalog: a table that names its holder."""

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from omop_scorer.connections.lock_holder import LockHolder
from omop_scorer.connections.spark import errors_as
from omop_scorer.errors import ResultsError

#: Table that exists while a run holds the lock on the schema.
LOCK = "omop_scorer_run_lock"


def lock_holder(spark: SparkSession, home: str, where: str) -> LockHolder | None:
    """Return the holder of the lock on a schema of a catalog, or None if it is not locked."""
    with errors_as(ResultsError, where):
        try:
            rows = spark.sql(f"SHOW TBLPROPERTIES {home}.{LOCK}").collect()
        except AnalysisException as error:
            if error.getCondition() != "TABLE_OR_VIEW_NOT_FOUND":
                raise
            return None
    return LockHolder(next((row.value for row in rows if row.key == "holder"), ""))
