"""Database engines: only what differs between them. A driver is imported only in its own file."""

from collections.abc import Iterator
from contextlib import contextmanager

from omop_scorer.config import CATALOG, RunConfig
from omop_scorer.engines.base import Engine, ResultsReader
from omop_scorer.engines.results_folder import is_results_folder
from omop_scorer.errors import ConfigurationError


def open_engine(config: RunConfig, *, with_results: bool) -> Engine:
    """Open the engine that the configuration names.

    Parameters
    ----------
    config
        Says which engine, CDM and results.
    with_results
        Also open the results for writing, and hold the run lock until the engine is closed.

    Raises
    ------
    ConnectionFailedError, LockHeldError, ResultsError
    """
    if config.engine == "postgresql":
        from omop_scorer.engines.postgres import PostgresEngine  # noqa: PLC0415

        return PostgresEngine(config, with_results=with_results)
    if config.engine == "spark":
        with _pyspark():
            from omop_scorer.engines.spark import SparkEngine  # noqa: PLC0415

        return SparkEngine(config, with_results=with_results)
    from omop_scorer.engines.duckdb import DuckDBEngine  # noqa: PLC0415

    return DuckDBEngine(config, with_results=with_results)


def try_results(config: RunConfig) -> int:
    """Prove that results can be written by taking the run lock and letting go of it.

    Returns the version of the results schema, 0 when it is still to be made.

    Raises
    ------
    ConnectionFailedError, LockHeldError, ResultsError
    """
    if config.engine == "postgresql":
        from omop_scorer.engines.postgres_writing import try_results_schema  # noqa: PLC0415

        return try_results_schema(config)
    if config.engine == "spark":
        with _pyspark():
            from omop_scorer.engines.spark_reader import try_results_place  # noqa: PLC0415

        return try_results_place(config)
    from omop_scorer.engines.duckdb import try_results_file  # noqa: PLC0415

    return try_results_file(config)


def open_results(config: RunConfig) -> ResultsReader:
    """Open the results that the configuration names, read-only; the CDM is not touched.

    Raises
    ------
    ConnectionFailedError
        There is no such file or server, or it cannot be opened.
    LockHeldError
        A run is writing to it.
    ResultsError
        It holds no results schema of that name.
    """
    if config.results.is_server:
        from omop_scorer.engines.postgres_results import PostgresResultsReader  # noqa: PLC0415

        return PostgresResultsReader(config)
    if config.engine == "spark" and config.results.url == CATALOG:
        with _pyspark():
            from omop_scorer.engines.spark_reader import SparkResultsReader  # noqa: PLC0415

        return SparkResultsReader(config)
    if config.engine == "spark" or is_results_folder(config.results.url):
        from omop_scorer.engines.duckdb_folder import FolderResultsReader  # noqa: PLC0415

        return FolderResultsReader(config)
    from omop_scorer.engines.duckdb_results import DuckDBResultsReader  # noqa: PLC0415

    return DuckDBResultsReader(config)


@contextmanager
def _pyspark() -> Iterator[None]:
    """Say what to install where PySpark is not."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("pyspark", "py4j"):
            raise
        raise ConfigurationError(
            "engine spark needs PySpark, which is not installed: pip install 'omop-scorer[spark]'"
        ) from None
