"""Work tables of a Spark run: files in a scratch folder, read through temporary views.

Spark has no temporary tables, and it computes a view again at every use. Files are computed once,
are the same at every use, survive the loss of an executor, and tell the optimiser their size.
"""

import tempfile
from functools import reduce
from pathlib import Path

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from omop_scorer.connections.spark import Session
from omop_scorer.connections.temporary_folder import new_folder, remove_folder
from omop_scorer.engines.spark.shared_folders import append_parquet, refuse_unless_shared
from omop_scorer.errors import ConfigurationError, ResultsError


class WorkTables:
    """Work tables by name. Each is the union of the parts that were staged or loaded.

    Parameters
    ----------
    session
        Session that holds the temporary views.
    prefix
        Prefix of the names of the views.
    scratch
        Folder that the driver and all executors share; None for a temporary folder.

    Raises
    ------
    ConfigurationError
        No folder is named, although the executors may run on other machines.
    ResultsError
        The folder cannot be written.
    """

    def __init__(self, session: Session, prefix: str, scratch: str | None) -> None:
        if scratch is None and not session.is_local:
            raise ConfigurationError(
                "spark.scratch: the executors may be on other machines; set it to a folder that "
                "the driver and all executors share"
            )
        self._session = session
        self._spark = session.spark
        self._prefix = prefix
        self._where = f"spark.scratch {scratch or '(a temporary folder)'}"
        try:
            above = Path(tempfile.gettempdir() if scratch is None else scratch)
            above.mkdir(parents=True, exist_ok=True)
            self._folder = new_folder(above.resolve())
        except OSError as error:
            raise ResultsError(
                f"spark.scratch: no folder can be created in {scratch or 'the temporary folder'}: "
                f"{error.strerror}"
            ) from None
        try:
            refuse_unless_shared(session, self._where, self._folder)
        except BaseException:
            self.close()
            raise
        self._parts: dict[str, list[DataFrame]] = {}
        self._n_rows: dict[str, int] = {}
        self._n_files = 0

    def stage(self, name: str, frame: DataFrame) -> int:
        """Compute a part of a table, by column position; return the number of rows of the table."""
        if parts := self._parts.get(name):
            frame = _as(frame.toDF(*parts[0].columns), parts[0].schema)
        written, n_rows = self.write(frame)
        self._add(name, written, n_rows)
        return self._n_rows[name]

    def load(self, name: str, rows: pa.Table) -> None:
        """Add a small part held by the driver, by column name."""
        frame = self._session.frame(rows)
        if parts := self._parts.get(name):
            frame = _as(frame, parts[0].schema)
        self._add(name, frame, rows.num_rows)

    def add(self, name: str, frame: DataFrame) -> None:
        """Add a part that is already computed, by column name."""
        if parts := self._parts.get(name):
            frame = _as(frame, parts[0].schema)
        self._add(name, frame, 0)

    def write(self, frame: DataFrame) -> tuple[DataFrame, int]:
        """Compute a frame into files; return a frame that reads them, and its number of rows."""
        self._n_files += 1
        folder = self._folder / str(self._n_files)
        n_rows = append_parquet(self._session, self._where, folder, frame)
        return self._spark.read.schema(frame.schema).parquet(folder.as_uri()), n_rows

    def _add(self, name: str, part: DataFrame, n_rows: int) -> None:
        parts = self._parts.setdefault(name, [])
        parts.append(part)
        self._n_rows[name] = self._n_rows.get(name, 0) + n_rows
        self._session.show(reduce(DataFrame.unionAll, parts), f"{self._prefix}work_{name}")

    def close(self) -> None:
        """Remove the files; the next run removes those that cannot be removed now."""
        remove_folder(self._folder)


def _as(frame: DataFrame, schema: StructType) -> DataFrame:
    """Return the columns of a frame in the order and with the types of a schema."""
    return frame.select(*(frame[field.name].cast(field.dataType) for field in schema.fields))
