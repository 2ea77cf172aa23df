"""Results file opened for writing. Attaching it takes DuckDB's file lock, which is the run lock."""

import stat
import tempfile
from pathlib import Path

import duckdb
from sqlglot import exp

from omop_scorer.config.connections import Connections
from omop_scorer.engines.duckdb.session import (
    attach,
    connected,
    errors_as,
    first_line,
    is_locked,
    lock_holder,
)
from omop_scorer.errors import LockHeldError, ResultsError


def try_results_file(settings: Connections) -> int:
    """Take and release the lock of the results file; return the version of its schema.

    Returns 0 if there is no results schema yet. If there is no file, we only test that one can be
    created, because a run may be creating it now.

    Raises
    ------
    LockHeldError, ResultsError
    """
    path = Path(settings.results.url)
    if not path.exists() and path.parent.is_dir():
        try:
            tempfile.TemporaryFile(dir=path.parent).close()
        except OSError as error:
            raise ResultsError(
                f"results.url {path}: the folder {path.parent} cannot be written: {error.strerror}"
            ) from None
        return 0
    version = exp.select("version").from_(
        exp.table_("schema_version", settings.results.schema_, "site_results", quoted=True)
    )
    with connected() as connection, errors_as(ResultsError, f"results.url {path}"):
        attach_results(connection, settings)
        try:
            rows = connection.execute(version.sql(dialect="duckdb")).fetchall()
        except duckdb.CatalogException:
            return 0
    return max((int(number) for (number,) in rows), default=0)


def attach_results(connection: duckdb.DuckDBPyConnection, settings: Connections) -> None:
    """Attach the results file for writing, which locks it.

    Raises
    ------
    LockHeldError, ResultsError
    """
    path = Path(settings.results.url)
    where = f"results.url {path}"
    if not path.parent.is_dir():
        raise ResultsError(f"{where}: the folder {path.parent} does not exist; create it first")
    if path.exists() and not stat.S_IMODE(path.stat().st_mode) & 0o222:
        raise ResultsError(f"{where}: the file is read-only; results cannot be written to it")
    try:
        attach(connection, path, "site_results", read_only=False)
    except duckdb.Error as error:
        text = str(error)
        if is_locked(text):
            raise LockHeldError(
                f"{where}: another run, or another program, has the file open"
                f"{lock_holder(text)}; wait for it to end, or close it, and start again"
            ) from None
        raise ResultsError(f"{where}: cannot be opened: {first_line(text)}") from None
