"""DuckDB connections: settings, attached files and their locks, translated errors.

DuckDB's own messages may quote values of patients, so none of them is passed on unfiltered.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import duckdb
import pyarrow as pa
from sqlglot import exp

from omop_scorer.connections.temporary_folder import new_folder, remove_folder
from omop_scorer.errors import CdmError, ConnectionFailedError, OmopScorerError, ResultsError

#: Errors whose text names objects, never values.
_WITHOUT_VALUES = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ConnectionException,
    duckdb.ParserException,
    duckdb.IOException,
    duckdb.OutOfMemoryException,
    duckdb.InterruptException,
)

#: Classes of errors that a stream of rows may raise, by the first words of DuckDB's message.
_STREAM_ERRORS = {
    "Conversion Error": duckdb.ConversionException,
    "Invalid Input Error": duckdb.InvalidInputException,
    "IO Error": duckdb.IOException,
    "Permission Error": duckdb.PermissionException,
    "Out of Memory Error": duckdb.OutOfMemoryException,
    "INTERRUPT Error": duckdb.InterruptException,
}

#: Enough for a cohort of one million. DuckDB spills to disk beyond it, and more memory would only
#: cache the CDM file, which the operating system does already.
_ENOUGH_MEMORY = "2GB"

#: Format of new files. Analysts often have an older DuckDB than this program.
_READABLE_BY_ALL = ", STORAGE_VERSION 'v1.0.0'"

#: Parts of messages about a file that this process itself has open.
_OWN_LOCK = ("Unique file handle", "already attached")
_LOCKED = ("Could not set lock", "Conflicting lock", *_OWN_LOCK)


@contextmanager
def connected(
    memory_limit: str | None = None, *, is_encrypted: bool = False, **settings: object
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an in-memory database that spills to a temporary folder of its own.

    Parameters
    ----------
    memory_limit
        Limit such as 4GB; None for 2 GB, or for DuckDB's default where that is lower.
    is_encrypted
        True to encrypt what is spilled. The key is in memory only.
    settings
        Further settings of DuckDB by name; None keeps DuckDB's default.

    Raises
    ------
    ConnectionFailedError
        DuckDB does not accept a setting.
    ResultsError
        The temporary folder cannot be created.
    """
    try:
        folder = new_folder()
    except OSError as error:
        raise ResultsError(
            f"no temporary folder can be created ({error.strerror}); free disk space, or set "
            "TMPDIR to a folder that can be written"
        ) from None
    settings |= {"temp_directory": str(folder), "autoinstall_known_extensions": False}
    settings["enable_progress_bar"] = False
    try:
        with errors_as(ConnectionFailedError, "DuckDB"):
            connection = duckdb.connect(":memory:")
        with closing(connection):
            for name, value in settings.items():
                _set(connection, name, value)
            _set(connection, "memory_limit", memory_limit or _enough_memory(connection))
            if is_encrypted:
                _encrypt_spilled(connection)
            yield connection
    finally:
        remove_folder(folder)


def _set(connection: duckdb.DuckDBPyConnection, name: str, value: object) -> None:
    if value is not None:
        with errors_as(ConnectionFailedError, f"DuckDB setting {name}"):
            connection.execute(f"SET {name} = $value", {"value": value})


def _enough_memory(connection: duckdb.DuckDBPyConnection) -> str | None:
    """Return 2 GB where DuckDB's default is higher, else None."""
    with errors_as(ConnectionFailedError, "DuckDB"):
        default, enough = connection.execute(
            "SELECT PARSE_FORMATTED_BYTES(CURRENT_SETTING('memory_limit')), "
            "PARSE_FORMATTED_BYTES($limit)",
            {"limit": _ENOUGH_MEMORY},
        ).fetchall()[0]
    return _ENOUGH_MEMORY if default > enough else None


def _encrypt_spilled(connection: duckdb.DuckDBPyConnection) -> None:
    """Encrypt the files of the temporary folder with AES-256 and a key that is in memory only.

    OpenSSL, which DuckDB's extension httpfs brings, is fast. DuckDB itself encrypts more slowly. It
    calls that unsafe because it makes a key from 64 random bits of the kernel; for a file that is
    read only if this process is killed, we prefer that to plain text.
    """
    try:
        connection.execute("LOAD httpfs")
    except duckdb.Error:  # it is not installed, and nothing is downloaded
        _set(connection, "force_mbedtls_unsafe", "true")
    _set(connection, "temp_file_encryption", True)


def attach(
    connection: duckdb.DuckDBPyConnection, path: Path, alias: str, *, read_only: bool
) -> None:
    """Attach a DuckDB file; its lock is held until the connection closes.

    A file that is created can be read by DuckDB 1.0 and later. One that exists keeps its format,
    because DuckDB never lowers it.
    """
    literal = exp.Literal.string(str(path)).sql(dialect="duckdb")
    option = ", READ_ONLY" if read_only else "" if path.exists() else _READABLE_BY_ALL
    connection.execute(f"ATTACH {literal} AS {alias} (TYPE duckdb{option})")


def confine(connection: duckdb.DuckDBPyConnection, files: Iterable[Path] = ()) -> None:
    """Deny a connection all files except those attached, those spilled, and `files`, for good.

    The views and macros of an attached file are code that somebody else wrote. Without this, they
    could read every file that this process may read. The connection also loads no extension, and
    finds no variable of Python by its name.

    Parameters
    ----------
    connection
        Connection to which every file is attached already.
    files
        Files and folders that queries may read. Targets of symbolic links are named themselves.

    Raises
    ------
    duckdb.Error
    """
    named = [path.absolute() for path in files]
    for name, value in {
        "allowed_directories": [str(path) for path in named if path.is_dir()],
        "allowed_paths": [str(path) for path in named if not path.is_dir()],
        "autoload_known_extensions": False,
        "enable_external_access": False,
        "lock_configuration": True,
    }.items():
        connection.execute(f"SET {name} = $value", {"value": value})


def arrow_batches(rows: duckdb.DuckDBPyRelation, batch_size: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a relation in batches.

    Raises
    ------
    duckdb.Error
        Reading fails, at the beginning or later.
    """
    reader = rows.to_arrow_reader(batch_size)
    try:
        yield from reader
    except OSError as error:
        # Arrow reports an error of a running stream as OSError with DuckDB's message.
        text = str(error)
        error_class = _STREAM_ERRORS.get(text.partition(":")[0], duckdb.Error)
        raise error_class(text) from None


@contextmanager
def registered(
    connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table | pa.RecordBatch
) -> Iterator[None]:
    """Make Arrow rows available under a name to statements of a connection."""
    connection.register(name, rows)
    try:
        yield
    finally:
        # DuckDB refuses this in a transaction that has failed, and the first error must be seen.
        with suppress(duckdb.Error):
            connection.unregister(name)


@contextmanager
def errors_as(error_class: type[OmopScorerError], where: str) -> Iterator[None]:
    """Raise errors of DuckDB as `error_class`, naming `where` and without a patient's value."""
    try:
        yield
    except duckdb.Error as error:
        raise _translated(error, error_class, where) from None


def _translated(
    error: duckdb.Error, error_class: type[OmopScorerError], where: str
) -> OmopScorerError:
    text = str(error)
    if line := unreadable_line(text):
        return CdmError(f"{where}: {line}; correct the file and start again")
    if "No space left" in text or "File too large" in text:
        return error_class(f"{where}: no space is left on the disk; free some and start again")
    if "limit was set by the 'max_temp_directory_size'" in text:
        return error_class(
            f"{where}: no space is left for temporary files; free disk space, set TMPDIR to a "
            "folder on a larger disk, or raise memory_limit in the run file"
        )
    if isinstance(error, duckdb.PermissionException):
        return error_class(f"{where}: it reads {_outside(text)}, which is not allowed")
    kind = type(error).__name__
    detail = f": {first_line(text)}" if isinstance(error, _WITHOUT_VALUES) else ""
    if isinstance(error, duckdb.OutOfMemoryException):
        detail += "; raise memory_limit in the run file"
    return error_class(f"{where}: DuckDB refused the statement ({kind}){detail}")


def _outside(text: str) -> str:
    """Return what a confined connection refused to open, as a message of DuckDB names it."""
    match = re.search(r'Cannot access (file|directory) "([^"]*)"', text)
    return f"the {match[1]} {match[2]}" if match else "a file or an extension"


def is_locked(text: str) -> bool:
    """Return True if a message of DuckDB means that another process has the file open."""
    return any(words in text for words in _LOCKED)


def is_own_lock(text: str) -> bool:
    """Return True if a message of DuckDB means that this process has the file open."""
    return any(words in text for words in _OWN_LOCK)


def unreadable_line(text: str) -> str | None:
    """Return the number and the fault of a CSV line that DuckDB cannot read, never its text.

    DuckDB does not always know the number. Returns None if `text`, a message of DuckDB, is about
    something else.
    """
    match = re.search(r"CSV Error on Line: (\d+)", text)
    if match is None:
        is_mixed = "CSV Parser state machine reached an invalid state" in text
        return "not valid CSV, perhaps because its line ends are mixed" if is_mixed else None
    fault = next(
        (
            words
            for sign, words in {
                "Expected Number of Columns": "a wrong number of columns",
                "not utf-8": "not UTF-8, perhaps Latin-1 or Windows-1252",
                "unterminated": "a quote that is not closed",
            }.items()
            if sign.lower() in text.lower()
        ),
        "not valid CSV",
    )
    return f"line {match[1]}: {fault}"


def lock_holder(text: str) -> str:
    """Return, in brackets, the process that a message of DuckDB names as holder of a lock."""
    match = re.search(r"PID (\d+)", text)
    return f" (process {match[1]})" if match else ""


def first_line(text: str) -> str:
    """Return the first line of DuckDB's message; later lines may quote a statement."""
    return text.partition("\n")[0]
