"""Where results are kept. Any source and engine goes with any store.

A driver is imported only when its store is used.
"""

from collections.abc import Callable

from omop_scorer.config.connections import Connections
from omop_scorer.connections import missing_pyspark_explained
from omop_scorer.stores.base import ResultsReader, Store


def open_store(settings: Connections, say: Callable[[str], None] = lambda _: None) -> Store:
    """Open the results for writing, and hold the run lock until the store is closed.

    For a DuckDB file that another process has open, it waits `results.lock_timeout_seconds`, and
    `say` receives the name of that process.

    Raises
    ------
    ConfigurationError, ConnectionFailedError, LockHeldError, ResultsError
    """
    match settings.store:
        case "postgresql":
            from omop_scorer.stores.postgres.store import PostgresStore  # noqa: PLC0415

            return PostgresStore(settings)
        case "spark":
            with missing_pyspark_explained():
                from omop_scorer.stores.spark.store import CatalogStore  # noqa: PLC0415

            return CatalogStore(settings)
        case "folder":
            from omop_scorer.stores.folder.store import FolderStore  # noqa: PLC0415

            return FolderStore(settings)
        case "duckdb":
            from omop_scorer.stores.duckdb.store import DuckDBStore  # noqa: PLC0415

            return DuckDBStore(settings, say)


def try_store(settings: Connections) -> int:
    """Check that results can be written, by taking and releasing the run lock.

    Returns the version of the results schema, or 0 if there is none yet. Nothing is written: if
    there is no file or folder, we only test that one can be created.

    Raises
    ------
    ConfigurationError, ConnectionFailedError, LockHeldError, ResultsError
    """
    match settings.store:
        case "postgresql":
            from omop_scorer.stores.postgres.store import try_schema  # noqa: PLC0415

            return try_schema(settings)
        case "spark":
            with missing_pyspark_explained():
                from omop_scorer.stores.spark.store import try_catalog  # noqa: PLC0415

            return try_catalog(settings)
        case "folder":
            from omop_scorer.stores.folder.store import try_folder  # noqa: PLC0415

            return try_folder(settings)
        case "duckdb":
            from omop_scorer.stores.duckdb.store import try_results_file  # noqa: PLC0415

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
    match settings.store:
        case "postgresql":
            from omop_scorer.stores.postgres.reader import PostgresResultsReader  # noqa: PLC0415

            return PostgresResultsReader(settings)
        case "spark":
            with missing_pyspark_explained():
                from omop_scorer.stores.spark.reader import SparkResultsReader  # noqa: PLC0415

            return SparkResultsReader(settings)
        case "folder":
            from omop_scorer.stores.folder.reader import FolderResultsReader  # noqa: PLC0415

            return FolderResultsReader(settings)
        case "duckdb":
            from omop_scorer.stores.duckdb.reader import DuckDBResultsReader  # noqa: PLC0415

            return DuckDBResultsReader(settings)
