"""DuckDB connections: attached files, their locks, and errors in our words."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from sqlglot import exp

from omop_scorer.errors import CdmError, OmopScorerError

#: Errors whose text names objects, never values.
_WITHOUT_VALUES = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ParserException,
    duckdb.IOException,
    duckdb.OutOfMemoryException,
    duckdb.InterruptException,
)

#: Enough for a cohort of a million. DuckDB spills to disk beyond it, and above it memory would only
#: cache the CDM file, which the operating system does already.
_ENOUGH_MEMORY = "2GB"


@contextmanager
def errors_as(error_class: type[OmopScorerError], where: str) -> Iterator[None]:
    """Raise an error of DuckDB as one of ours, which names `where` and holds no patient's value."""
    try:
        yield
    except duckdb.Error as error:
        raise _translated(error, error_class, where) from None


def _translated(
    error: duckdb.Error, error_class: type[OmopScorerError], where: str
) -> OmopScorerError:
    text = str(error)
    if line := unreadable_line(text):
        return CdmError(f"{where}: {line}; correct the file, nothing of it is used until then")
    if "No space left" in text or "File too large" in text:
        return error_class(f"{where}: no space is left on the disk")
    kind = type(error).__name__
    detail = f": {first_line(text)}" if isinstance(error, _WITHOUT_VALUES) else ""
    if isinstance(error, duckdb.OutOfMemoryException):
        detail += "; raise memory_limit in the run file"
    return error_class(f"{where}: DuckDB refused the statement ({kind}){detail}")


def memory_limit(connection: duckdb.DuckDBPyConnection, wanted: str | None) -> str | None:
    """Return the memory limit to set: the one wanted, else 2 GB where DuckDB would take more."""
    if wanted is not None:
        return wanted
    own, enough = connection.execute(
        "SELECT PARSE_FORMATTED_BYTES(CURRENT_SETTING('memory_limit')), "
        "PARSE_FORMATTED_BYTES($limit)",
        {"limit": _ENOUGH_MEMORY},
    ).fetchall()[0]
    return _ENOUGH_MEMORY if own > enough else None


_LOCKED = ("Could not set lock", "Conflicting lock", "Unique file handle", "already attached")


def attach(
    connection: duckdb.DuckDBPyConnection, path: Path, alias: str, *, read_only: bool
) -> None:
    """Attach a DuckDB file; its lock is held until the connection closes."""
    literal = exp.Literal.string(str(path)).sql(dialect="duckdb")
    connection.execute(f"ATTACH {literal} AS {alias} (TYPE duckdb{', READ_ONLY' * read_only})")


def is_locked(text: str) -> bool:
    """Return True if a message of DuckDB means that another process has the file open."""
    return any(words in text for words in _LOCKED)


def unreadable_line(text: str) -> str | None:
    """Return what DuckDB's message says of a bad line of a CSV file, without the line itself."""
    match = re.search(r"CSV Error on Line: (\d+)", text)
    if match is None:
        return None
    cause = next(
        (
            words
            for sign, words in {
                "Expected Number of Columns": "a wrong number of columns",
                "not utf-8": "not UTF-8",
                "unterminated": "a quote that is not closed",
            }.items()
            if sign.lower() in text.lower()
        ),
        "not as CSV prescribes",
    )
    return f"line {match[1]}: {cause}"


def holder(text: str) -> str:
    """Return in brackets the process that holds a lock, as far as DuckDB's message tells."""
    match = re.search(r"PID (\d+)", text)
    return f" (process {match[1]})" if match else ""


def first_line(text: str) -> str:
    """Return the first line of DuckDB's message; later ones may quote a statement."""
    return text.partition("\n")[0]
