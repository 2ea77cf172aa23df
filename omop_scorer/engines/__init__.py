"""Database engines. Each folder holds only what differs in one engine.

A driver is imported only when its engine is used, because PySpark is optional.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from omop_scorer.config.connections import CATALOG, Connections
from omop_scorer.engines.base import Engine, ResultsReader
from omop_scorer.engines.results_folder import is_results_folder
from omop_scorer.errors import ConfigurationError


def open_engine(settings: Connections, *, with_results: bool) -> Engine:
    """Open the engine that the run file names.

    Parameters
    ----------
    settings
        Engine, CDM and results of the run file.
    with_results
        Also open the results for writing and hold the run lock until the engine is closed.

    Raises
    ------
    ConnectionFailedError, LockHeldError, ResultsError
    """
    if settings.engine == "postgresql":
        from omop_scorer.engines.postgres.engine import PostgresEngine  # noqa: PLC0415

        return PostgresEngine(settings, with_results=with_results)
    if settings.engine == "spark":
        with _missing_pyspark_explained():
            from omop_scorer.engines.spark.engine import SparkEngine  # noqa: PLC0415

        return SparkEngine(settings, with_results=with_results)
    from omop_scorer.engines.duckdb.engine import DuckDBEngine  # noqa: PLC0415

    return DuckDBEngine(settings, with_results=with_results)


def try_results(settings: Connections) -> int:
    """Check that results can be written, by taking and releasing the run lock.

    Returns the version of the results schema, or 0 if there is none yet.

    Raises
    ------
    ConnectionFailedError, LockHeldError, ResultsError
    """
    if settings.engine == "postgresql":
        from omop_scorer.engines.postgres.writer import try_results_schema  # noqa: PLC0415

        return try_results_schema(settings)
    if settings.engine == "spark":
        with _missing_pyspark_explained():
            from omop_scorer.engines.spark.writer import try_results_location  # noqa: PLC0415

        return try_results_location(settings)
    from omop_scorer.engines.duckdb.writer import try_results_file  # noqa: PLC0415

    return try_results_file(settings)


def open_results(settings: Connections) -> ResultsReader:
    """Open the results that the run file names, read-only and without opening the CDM.

    Raises
    ------
    ConnectionFailedError
        The file or server does not exist or cannot be opened.
    LockHeldError
        A run has the DuckDB results file open for writing.
    ResultsError
        There is no results schema of that name.
    """
    if settings.results.is_server:
        from omop_scorer.engines.postgres.reader import PostgresResultsReader  # noqa: PLC0415

        return PostgresResultsReader(settings)
    if settings.engine == "spark" and settings.results.url == CATALOG:
        with _missing_pyspark_explained():
            from omop_scorer.engines.spark.reader import SparkResultsReader  # noqa: PLC0415

        return SparkResultsReader(settings)
    if settings.engine == "spark" or is_results_folder(settings.results.url):
        from omop_scorer.engines.duckdb.folder_reader import FolderResultsReader  # noqa: PLC0415

        return FolderResultsReader(settings)
    from omop_scorer.engines.duckdb.reader import DuckDBResultsReader  # noqa: PLC0415

    return DuckDBResultsReader(settings)


@contextmanager
def _missing_pyspark_explained() -> Iterator[None]:
    """Raise an error that says what to install if PySpark is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("pyspark", "py4j"):
            raise
        raise ConfigurationError(
            "engine spark needs PySpark, which is not installed; install it with: "
            "pip install 'omop-scorer[spark]'"
        ) from None
