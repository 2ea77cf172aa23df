"""Tables of a CDM as Parquet files in a folder, read by Spark."""

from collections.abc import Collection
from functools import partial
from pathlib import Path

from omop_scorer.cdm.tables import SiteTable
from omop_scorer.connections.spark import Session, errors_as, named
from omop_scorer.engines.file_set import FileSet, entries, file_errors_as
from omop_scorer.engines.parquet_parts import files_of
from omop_scorer.engines.parquet_table import Group, read_table
from omop_scorer.engines.spark.parquet import frame_of
from omop_scorer.engines.table_formats import is_delta, refuse_other_formats
from omop_scorer.errors import CdmError, ConnectionFailedError
from omop_scorer.sources.spark_catalog import described

_TEXT_FILES = (".csv", ".csv.gz", ".tsv", ".tsv.gz")


class FolderSource:
    """Parquet files, or folders of them, named after the tables in any letter case.

    Raises
    ------
    ConnectionFailedError
        The folder does not exist.
    """

    def __init__(
        self, session: Session, key: str, url: str, prefix: str, files: FileSet | None = None
    ) -> None:
        self._session = session
        self._path = Path(url)
        self._where = f"{key} {url}"
        self._prefix = prefix
        self._files = files or FileSet()
        self._n_views = 0
        with file_errors_as(ConnectionFailedError, self._where):
            if not self._path.is_dir():
                raise ConnectionFailedError(
                    f"{self._where}: no such folder; engine spark reads a folder of Parquet "
                    "files, or the tables of a catalog if the url is the word spark"
                )

    def find(
        self, table: str, _schema: str | None, needed: Collection[str] | None = None
    ) -> SiteTable | None:
        """Find a table.

        Parameters
        ----------
        table
            Name in any letter case.
        needed
            Lower-case names of the columns that will be read, for which the parts of a table must
            agree; None for all.

        Raises
        ------
        CdmError
            Several files match, the file is not Parquet, or it cannot be read.
        """
        with file_errors_as(CdmError, self._where):
            path = self._path_of(table)
            if path is not None:
                self._refuse_other_formats(path)
        states = self._files.fix(self._where, table, partial(self._files_of, table))
        if path is None:
            return None
        label = f"{self._where}/{path.name}"
        found = read_table(path, label, states, needed)
        with errors_as(CdmError, f"{label}: cannot be read as Parquet"):
            return found.at_site([self._part(group, label) for group in found.groups])

    def _part(self, group: Group, label: str) -> SiteTable:
        frame = frame_of(self._session, group)
        self._n_views += 1
        view = f"{self._prefix}site_{self._n_views}"
        self._session.show(frame, view)
        return described(named([view]), label, frame)

    def _path_of(self, table: str) -> Path | None:
        there = entries(self._path, self._where, ConnectionFailedError)
        by_name = {path.name.lower(): path for path in there}
        name = table.lower()
        matches = [by_name[n] for n in (name, f"{name}.parquet") if n in by_name]
        if len(matches) > 1:
            found = ", ".join(path.name for path in matches)
            raise CdmError(f"{self._where}: table {table} is found as {found}; keep one of them")
        if not matches:
            if texts := [name + suffix for suffix in _TEXT_FILES if name + suffix in by_name]:
                raise CdmError(f"{self._where}/{texts[0]}: engine spark reads Parquet, not CSV")
            return None
        return matches[0]

    def _files_of(self, table: str) -> list[Path]:
        path = self._path_of(table)
        if path is None:
            return []
        return list(files_of(path, f"{self._where}/{path.name}")) if path.is_dir() else [path]

    def _refuse_other_formats(self, path: Path) -> None:
        label = f"{self._where}/{path.name}"
        if is_delta(path):
            raise CdmError(
                f"{label}: a Delta table, not a folder of Parquet files; engine duckdb reads it, "
                "or name its catalog (cdm.url: spark)"
            )
        refuse_other_formats(path, label)
