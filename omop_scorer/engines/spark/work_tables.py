"""The work tables of a run on Spark: files in a scratch folder, seen through temporary views.

Spark has no temporary tables. A view alone would be computed again at every use; files are
computed once, are the same at every use, outlive an executor, and tell the optimiser their size.
"""

import shutil
import tempfile
import time
from functools import reduce
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from omop_scorer.engines.lock_holder import LockHolder
from omop_scorer.engines.spark.session import Session
from omop_scorer.errors import ConfigurationError, ResultsError

_PREFIX = "omop-scorer-"

#: A file in each scratch folder that says whose it is; Spark takes no notice of such a name.
_HOLDER = "_holder"


def _remove_leftovers(scratch: Path) -> None:
    """Remove the folders of runs of this machine that were killed: rows of patients are in them."""
    for file in scratch.glob(f"{_PREFIX}*/{_HOLDER}"):
        try:
            is_gone = LockHolder(file.read_text(encoding="utf-8")).is_gone()
        except OSError:  # somebody else's, or gone meanwhile
            continue
        if is_gone:
            shutil.rmtree(file.parent, ignore_errors=True)


class WorkTables:
    """Work tables by name, each the parts that were staged or loaded one after the other.

    Parameters
    ----------
    session
        Its temporary views show the tables.
    prefix
        Stands before the names of the views.
    scratch
        A folder that the driver and all executors share; None: a temporary folder.

    Raises
    ------
    ConfigurationError
        The executors may be elsewhere, and no folder is named.
    ResultsError
        The folder cannot be written.
    """

    def __init__(self, session: Session, prefix: str, scratch: str | None) -> None:
        if scratch is None and not session.is_local:
            raise ConfigurationError(
                "spark.scratch: the executors may be on other machines: name a folder that the "
                "driver and all of them share"
            )
        self._session = session
        self._spark = session.spark
        self._prefix = prefix
        try:
            above = Path(tempfile.gettempdir() if scratch is None else scratch)
            above.mkdir(parents=True, exist_ok=True)
            _remove_leftovers(above)
            self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=above)).resolve()
            holder = LockHolder.this_process().text
            (self._folder / _HOLDER).write_text(holder, encoding="utf-8")
        except OSError as error:
            raise ResultsError(f"no scratch folder can be written: {error.strerror}") from None
        self._parts: dict[str, list[DataFrame]] = {}
        self._n_rows: dict[str, int] = {}
        self._n_files = 0

    def stage(self, name: str, frame: DataFrame) -> int:
        """Compute a part of a table, columns by order; return the rows that the table now holds."""
        if parts := self._parts.get(name):
            frame = _as(frame.toDF(*parts[0].columns), parts[0].schema)
        written, n_rows = self.write(frame)
        self._add(name, written, n_rows)
        return self._n_rows[name]

    def load(self, name: str, rows: pa.Table) -> None:
        """Add a small part that the driver holds, columns by name."""
        frame = self._session.frame(rows)
        if parts := self._parts.get(name):
            frame = _as(frame, parts[0].schema)
        self._add(name, frame, rows.num_rows)

    def add(self, name: str, frame: DataFrame) -> None:
        """Add a part that is already computed, columns by name."""
        if parts := self._parts.get(name):
            frame = _as(frame, parts[0].schema)
        self._add(name, frame, 0)

    def write(self, frame: DataFrame) -> tuple[DataFrame, int]:
        """Compute a frame into files; return the frame of the files, and its rows."""
        self._n_files += 1
        folder = self._folder / str(self._n_files)
        frame.write.parquet(folder.as_uri())
        if not (folder / "_SUCCESS").exists():
            raise ResultsError(
                "spark.scratch: what the executors write there cannot be seen by the driver: name "
                "a folder that all of them share"
            )
        n_rows = sum(pq.read_metadata(file).num_rows for file in folder.glob("*.parquet"))
        return self._spark.read.schema(frame.schema).parquet(folder.as_uri()), n_rows

    def _add(self, name: str, part: DataFrame, n_rows: int) -> None:
        parts = self._parts.setdefault(name, [])
        parts.append(part)
        self._n_rows[name] = self._n_rows.get(name, 0) + n_rows
        self._session.show(reduce(DataFrame.unionAll, parts), f"{self._prefix}work_{name}")

    def close(self) -> None:
        """Remove the files; the next run removes what cannot be removed now."""
        # A task that is being stopped may write for a moment yet.
        for _ in range(50):
            tables = [path for path in self._folder.glob("*") if path.name != _HOLDER]
            if not tables:
                shutil.rmtree(self._folder, ignore_errors=True)
                return
            for path in tables:
                shutil.rmtree(path, ignore_errors=True)
            time.sleep(0.1)


def _as(frame: DataFrame, schema: StructType) -> DataFrame:
    """Return the columns of a schema, in its order and of its types."""
    return frame.select(*(frame[field.name].cast(field.dataType) for field in schema.fields))
