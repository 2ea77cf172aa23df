"""Database engines: only what differs between them. A driver is imported only in its own file."""

from omop_scorer.config import RunConfig
from omop_scorer.engines.base import Engine


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
    from omop_scorer.engines.duckdb import DuckDBEngine  # noqa: PLC0415

    return DuckDBEngine(config, with_results=with_results)


def try_results(config: RunConfig) -> int:
    """Prove that results can be written by taking the run lock and letting go of it.

    Returns the version of the results schema, 0 when it is still to be made.

    Raises
    ------
    LockHeldError, ResultsError
    """
    from omop_scorer.engines.duckdb import try_results_file  # noqa: PLC0415

    return try_results_file(config)
