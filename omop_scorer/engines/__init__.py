"""Database engines: only what differs between them. A driver is imported only in its own file."""

from omop_scorer.config import RunConfig
from omop_scorer.engines.base import Engine, ResultsReader


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
    from omop_scorer.engines.duckdb_results import DuckDBResultsReader  # noqa: PLC0415

    return DuckDBResultsReader(config)
