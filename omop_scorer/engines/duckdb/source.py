"""Tables of a CDM in a DuckDB file, or as CSV and Parquet files in a folder."""

import csv
import gzip
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
from sqlglot import exp

from omop_scorer.cdm.tables import SiteTable
from omop_scorer.config.connections import DELTA
from omop_scorer.connections.duckdb import (
    attach,
    errors_as,
    first_line,
    is_locked,
    lock_holder,
)
from omop_scorer.engines.table_formats import is_delta, refuse_other_formats
from omop_scorer.errors import CdmError, ConnectionFailedError

_SUFFIXES = (".parquet", ".csv", ".csv.gz", ".tsv", ".tsv.gz")

#: What a view of a DuckDB file may do, and what a site does about one that does more.
OWN_TABLES_ONLY = (
    "a view may read the tables of its own file, but no other file, database or extension: copy "
    "its rows into a table"
)

_DELIMITERS = (",", "\t", ";", "|")


class Source:
    """DuckDB file or folder in which tables are found by name, in any letter case.

    Parameters
    ----------
    connection
        Connection to which a file is attached, read-only.
    alias
        Name of an attached file in queries.
    key
        Key of the run file that holds `url`, for messages.
    url
        Path of the file or folder; after `delta:`, of a folder in which every table is Delta.
    null_text
        Texts of a CSV file that mean missing.
    allowing
        How to allow views that read other files, for messages.

    Raises
    ------
    ConnectionFailedError
        The file or folder does not exist, or the file cannot be opened.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        alias: str,
        key: str,
        url: str,
        null_text: Sequence[str],
        allowing: str = "",
    ) -> None:
        self._connection = connection
        self._alias = alias
        self._null_text = null_text
        self._allowing = allowing
        self._path = Path(url.removeprefix(DELTA))
        self._is_delta_only = url.startswith(DELTA)
        self._where = f"{key} {self._path}"
        if not self._path.exists():
            raise ConnectionFailedError(f"{self._where}: no such file or folder")
        if not self._path.is_dir():
            if self._is_delta_only:
                raise ConnectionFailedError(f"{self._where}: not a folder of Delta tables")
            self._attach()

    @property
    def is_database(self) -> bool:
        """True for a DuckDB file, whose views and macros may hold any SQL."""
        return not self._path.is_dir()

    def files(self) -> Iterator[Path]:
        """Yield the folder, and what symbolic links in it lead to; nothing for a DuckDB file."""
        if self.is_database:
            return
        yield self._path
        yield self._path.resolve()
        yield from (path.resolve() for path in self._path.rglob("*") if path.is_symlink())

    def _attach(self) -> None:
        try:
            attach(self._connection, self._path, self._alias, read_only=True)
        except duckdb.Error as error:
            text = str(error)
            if is_locked(text):
                raise ConnectionFailedError(
                    f"{self._where}: another program has the file open for writing"
                    f"{lock_holder(text)}; wait for it to end, or close it, and start again"
                ) from None
            raise ConnectionFailedError(f"{self._where}: {first_line(text)}") from None

    def find(self, table: str, schema: str | None, anchor: str) -> SiteTable | None:
        """Find a table, by default in the only schema that holds the anchor table.

        Raises
        ------
        CdmError
            The schema holds no tables, several schemas or files match, or the table cannot be read.
        """
        relation = (
            self._find_file(table)
            if self._path.is_dir()
            else self._find_in_schema(table, schema, anchor)
        )
        return None if relation is None else self._describe(relation)

    def _find_in_schema(self, table: str, schema: str | None, anchor: str) -> str | None:
        with errors_as(CdmError, self._where):
            rows = self._connection.execute(
                "SELECT table_schema, table_name FROM information_schema.tables "
                "WHERE table_catalog = $alias",
                {"alias": self._alias},
            ).fetchall()
        if schema is None:
            homes = sorted({s for s, t in rows if t.lower() == anchor.lower()})
            homes = homes or sorted({s for s, t in rows if t.lower() == table.lower()})
            if len(homes) > 1:
                raise CdmError(
                    f"{self._where}: the schemas {', '.join(homes)} each hold a table "
                    f"{anchor}; choose one with cdm.schema or cdm.vocabulary_schema"
                )
        else:
            homes = sorted({s for s, _ in rows if s.lower() == schema.lower()})
            if not homes:
                known = ", ".join(sorted({s for s, _ in rows})) or "none"
                raise CdmError(
                    f"{self._where}: schema {schema!r} holds no tables; schemas: {known}"
                )
        matches = [(s, t) for s, t in rows if s in homes and t.lower() == table.lower()]
        if not matches:
            return None
        home, name = matches[0]
        return exp.table_(name, home, self._alias, quoted=True).sql(dialect="duckdb")

    def delta_folder(self, table: str) -> Path | None:
        """Return the folder of a table if it is a Delta table.

        Raises
        ------
        CdmError
            Several files match.
        """
        path = self._path_of(table) if self._path.is_dir() else None
        return path if path is not None and is_delta(path) else None

    def label(self, path: Path) -> str:
        """Return the name of a file or folder of this source in messages."""
        return f"{self._where}/{path.name}"

    def _path_of(self, table: str) -> Path | None:
        names = {table.lower() + suffix for suffix in _SUFFIXES}
        matches = [
            path
            for path in sorted(self._path.iterdir())
            if path.name.lower() in names or (path.is_dir() and path.name.lower() == table.lower())
        ]
        if len(matches) > 1:
            found = ", ".join(path.name for path in matches)
            raise CdmError(f"{self._where}: table {table} is found as {found}; keep one of them")
        return matches[0] if matches else None

    def _find_file(self, table: str) -> str | None:
        path = self._path_of(table)
        if path is None:
            return None
        if path.is_dir():
            if is_delta(path):
                raise CdmError(
                    f"{self.label(path)}: a Delta table, which this command does not read; write "
                    "it as Parquet files"
                )
            refuse_other_formats(path, self.label(path))
        if self._is_delta_only:
            raise CdmError(
                f"{self.label(path)}: not a Delta table, because it has no folder _delta_log; for "
                f"tables of several formats, write cdm.url without {DELTA}"
            )
        files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
        if not files:
            raise CdmError(f"{self._where}/{path.name}: the folder holds no Parquet file")
        # DuckDB reads the names as glob patterns, so we escape the special characters.
        listed = _list([re.sub(r"([\[*?])", r"[\1]", str(file)) for file in files])
        if files[0].name.lower().endswith(".parquet"):
            return f"READ_PARQUET({listed})"
        return self._csv_relation(path, listed)

    def _csv_relation(self, path: Path, listed: str) -> str:
        """Return READ_CSV with every option fixed; only the delimiter is taken from the header.

        DuckDB's own detection looks at the first rows, and later rows may differ from them.
        """
        try:
            opened = gzip.open if path.name.lower().endswith(".gz") else open
            with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
                line = file.readline()
            delimiter = max(_DELIMITERS, key=line.count)
            names = next(csv.reader([line], delimiter=delimiter), [])
        except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
            raise CdmError(
                f"{self._where}/{path.name}: cannot be read as CSV in UTF-8 "
                f"({type(error).__name__})"
            ) from None
        if len({name.strip().lower() for name in names}) < max(len(names), 1):
            raise CdmError(
                f"{self._where}/{path.name}: the header is empty or names a column twice"
            )
        columns = ", ".join(
            f"{exp.Literal.string(name.strip()).sql(dialect='duckdb')}: 'VARCHAR'" for name in names
        )
        return (
            f"READ_CSV({listed}, auto_detect = FALSE, columns = {{{columns}}}, "
            f"delim = '{delimiter}', quote = '\"', escape = '\"', comment = '', header = TRUE, "
            f"strict_mode = TRUE, nullstr = {_list(self._null_text)})"
        )

    def _describe(self, relation: str) -> SiteTable:
        file = re.search(r"'([^']*)'", relation)
        label = f"{self._where}/{Path(file[1]).name}" if file else relation
        where = label if file else f"{self._where}: {label}"
        with (
            self._advising(),
            errors_as(CdmError, f"{where}: the table cannot be read"),
        ):
            rows = self._connection.execute(f"DESCRIBE FROM {relation}").fetchall()
        return SiteTable(
            relation=relation,
            label=label,
            columns={name.lower(): native for name, native, *_ in rows},
            names={name.lower(): name for name, *_ in rows},
        )

    @contextmanager
    def _advising(self) -> Iterator[None]:
        """Say what to do about a view of a DuckDB file that cannot be read."""
        try:
            yield
        except CdmError as error:
            if not self.is_database:
                raise
            raise CdmError(f"{error}; {OWN_TABLES_ONLY}{self._allowing}") from None


def _list(texts: Sequence[str]) -> str:
    return exp.array(*map(exp.Literal.string, texts)).sql(dialect="duckdb")
