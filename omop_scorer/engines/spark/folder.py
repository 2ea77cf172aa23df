"""Tables of a CDM as Parquet files in a folder, read by Spark."""

from pathlib import Path

from omop_scorer.cdm.tables import SiteTable
from omop_scorer.connections.spark import Session, errors_as, named
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

    def __init__(self, session: Session, key: str, url: str, prefix: str) -> None:
        self._session = session
        self._path = Path(url).resolve()
        self._where = f"{key} {url}"
        self._prefix = prefix
        self._n_views = 0
        if not self._path.is_dir():
            raise ConnectionFailedError(
                f"{self._where}: no such folder; engine spark reads a folder of Parquet files, or "
                "the tables of a catalog if the url is the word spark"
            )

    def find(self, table: str, _schema: str | None) -> SiteTable | None:
        """Find a table.

        Raises
        ------
        CdmError
            Several files match, the file is not Parquet, or it cannot be read.
        """
        entries = {path.name.lower(): path for path in sorted(self._path.iterdir())}
        name = table.lower()
        matches = [entries[n] for n in (name, f"{name}.parquet") if n in entries]
        if not matches:
            if texts := [name + suffix for suffix in _TEXT_FILES if name + suffix in entries]:
                raise CdmError(f"{self._where}/{texts[0]}: engine spark reads Parquet, not CSV")
            return None
        if len(matches) > 1:
            found = ", ".join(path.name for path in matches)
            raise CdmError(f"{self._where}: table {table} is found as {found}; keep one of them")
        (path,) = matches
        label = f"{self._where}/{path.name}"
        if is_delta(path):
            raise CdmError(
                f"{label}: a Delta table, not a folder of Parquet files; engine duckdb reads it, "
                "or name its catalog (cdm.url: spark)"
            )
        refuse_other_formats(path, label)
        with errors_as(CdmError, f"{label}: cannot be read as Parquet"):
            reader = self._session.spark.read.option("mergeSchema", "true")
            frame = reader.parquet(path.as_uri())
            n_read = len(frame.inputFiles())
        if path.is_dir() and n_read != (n_there := len(list(path.rglob("*.parquet")))):
            raise CdmError(
                f"{label}: holds {n_there} Parquet files, but Spark reads only {n_read}; put all "
                "files in the folder itself, or in subfolders named key=value"
            )
        self._n_views += 1
        view = f"{self._prefix}site_{self._n_views}"
        self._session.show(frame, view)
        return described(named([view]), label, frame)
