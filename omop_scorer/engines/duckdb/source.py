"""Tables of a CDM in a DuckDB file, or as CSV and Parquet files in a folder."""

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
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
from omop_scorer.engines.duckdb.csv_file import read_header
from omop_scorer.engines.duckdb.parquet import parquet_table
from omop_scorer.engines.file_set import FileSet, entries, file_errors_as
from omop_scorer.engines.parquet_parts import files_of
from omop_scorer.engines.parquet_table import read_table
from omop_scorer.engines.table_formats import is_delta, refuse_other_formats
from omop_scorer.errors import CdmError, ConnectionFailedError
from omop_scorer.texts.characters import is_utf_8

_CSV = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
_SUFFIXES = (".parquet", *_CSV)

#: What a view of a DuckDB file may do, and what a site does about one that does more.
OWN_TABLES_ONLY = (
    "a view may read the tables of its own file, but no other file, database or extension: copy "
    "its rows into a table"
)


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
    files
        Receives the files that are found, to compare them at the end of the run.
    keeps_empty
        True to read `""` in a CSV file as an empty text, whatever `null_text` says.
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
        files: FileSet | None = None,
        *,
        keeps_empty: bool = False,
        allowing: str = "",
    ) -> None:
        self._connection = connection
        self._alias = alias
        self._null_text = null_text
        self._files = files or FileSet()
        self._keeps_empty = keeps_empty
        self._allowing = allowing
        self._path = Path(url.removeprefix(DELTA))
        self._is_delta_only = url.startswith(DELTA)
        self._where = f"{key} {self._path}"
        with file_errors_as(ConnectionFailedError, self._where):
            if not self._path.exists():
                raise ConnectionFailedError(f"{self._where}: no such file or folder")
            self._is_folder = self._path.is_dir()
        if not self._is_folder:
            if self._is_delta_only:
                raise ConnectionFailedError(f"{self._where}: not a folder of Delta tables")
            self._files.fix(self._where, "", lambda: [self._path])
            self._attach()

    @property
    def is_database(self) -> bool:
        """True for a DuckDB file, whose views and macros may hold any SQL."""
        return not self._is_folder

    def files(self) -> Iterator[Path]:
        """Yield the folder, and what symbolic links in it lead to; nothing for a DuckDB file.

        What has a name that is not UTF-8 is left out, because no part of a table has.
        """
        if self.is_database:
            return
        links = (path for path in self._path.rglob("*") if path.is_symlink())
        for path in (self._path, *(each.resolve() for each in (self._path, *links))):
            if is_utf_8(str(path)):
                yield path

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
        except UnicodeDecodeError:  # the message itself cannot be read
            raise ConnectionFailedError(
                f"{self._where}: DuckDB cannot open the file, and its real name is not UTF-8; "
                "rename it, and see that it is a DuckDB file that nobody writes to"
            ) from None

    def find(
        self,
        table: str,
        schema: str | None,
        anchor: str,
        needed: Collection[str] | None = None,
        *,
        is_vocabulary: bool = False,
    ) -> SiteTable | None:
        """Find a table, by default in the only schema that holds the anchor table.

        Parameters
        ----------
        table, schema, anchor
            Names in any letter case.
        needed
            Lower-case names of the columns that will be read, for which the parts of a Parquet
            table must agree; None for all.
        is_vocabulary
            True for a table of the vocabulary, whose CSV file may be as Athena writes it.

        Raises
        ------
        CdmError
            The schema holds no tables, several schemas or files match, or the table cannot be read.
        """
        if self._is_folder:
            with file_errors_as(CdmError, self._where):
                return self._find_file(table, needed, is_vocabulary)
        relation = self._find_in_schema(table, schema, anchor)
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
        if not self._is_folder:
            return None
        with file_errors_as(CdmError, self._where):
            path = self._path_of(table)
            return path if path is not None and is_delta(path) else None

    def label(self, path: Path) -> str:
        """Return the name of a file or folder of this source in messages."""
        return f"{self._where}/{path.name}"

    def _path_of(self, table: str) -> Path | None:
        names = {table.lower() + suffix for suffix in _SUFFIXES}
        matches = [
            path
            for path in entries(self._path, self._where, ConnectionFailedError)
            if path.name.lower() in names or (path.is_dir() and path.name.lower() == table.lower())
        ]
        if len(matches) > 1:
            found = ", ".join(path.name for path in matches)
            raise CdmError(f"{self._where}: table {table} is found as {found}; keep one of them")
        return matches[0] if matches else None

    def _files_of(self, table: str) -> list[Path]:
        path = self._path_of(table)
        if path is None or is_delta(path):
            return []
        return list(files_of(path, self.label(path))) if path.is_dir() else [path]

    def _find_file(
        self, table: str, needed: Collection[str] | None, is_vocabulary: bool
    ) -> SiteTable | None:
        path = self._path_of(table)
        if path is not None:
            self._refuse_other_formats(path)
        states = self._files.fix(self._where, table, partial(self._files_of, table))
        if path is None:
            return None
        if path.is_dir() or path.name.lower().endswith(".parquet"):
            found = read_table(path, self.label(path), states, needed)
            return parquet_table(self._connection, found)
        return self._csv(path, is_vocabulary)

    def _refuse_other_formats(self, path: Path) -> None:
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

    def _csv(self, path: Path, is_vocabulary: bool) -> SiteTable:
        label = self.label(path)
        file = read_header(path, label, is_vocabulary=is_vocabulary)
        return SiteTable(
            relation=file.relation(self._null_text, keeps_empty=self._keeps_empty),
            label=label,
            columns={name.lower(): "VARCHAR" for name in file.columns},
            names={name.lower(): name for name in file.columns},
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


def _without_globs(path: Path) -> str:
    """Return a path that DuckDB does not read as a glob pattern."""
    return re.sub(r"([\[*?])", r"[\1]", str(path))


def _list(texts: Sequence[str]) -> str:
    return exp.array(*map(exp.Literal.string, texts)).sql(dialect="duckdb")
