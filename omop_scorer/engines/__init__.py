"""Where the work is done. Each folder holds only what differs in one engine.

A driver is imported only when its engine is used, because PySpark is optional.
"""

from omop_scorer.config.connections import Connections
from omop_scorer.connections import missing_pyspark_explained
from omop_scorer.engines.base import Engine


def open_engine(settings: Connections) -> Engine:
    """Open the engine that the run file names, and the CDM in it.

    Raises
    ------
    ConfigurationError, ConnectionFailedError, ResultsError
    """
    if settings.engine == "spark":
        with missing_pyspark_explained():
            from omop_scorer.engines.spark.engine import SparkEngine  # noqa: PLC0415

        return SparkEngine(settings)
    from omop_scorer.engines.duckdb.engine import DuckDBEngine  # noqa: PLC0415

    return DuckDBEngine(settings)
