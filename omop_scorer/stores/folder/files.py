"""Results in a folder of Parquet files, and the run lock. No database is needed to find them.

The files are `<results.url>/<results.schema>/<table>/run_id=<run_id>/*.parquet`, and
`_tables.json` lists the columns and types of every table.
"""

import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from omop_scorer.connections.lock_holder import LockHolder
from omop_scorer.errors import LockHeldError, ResultsError
from omop_scorer.stores.append_only import LOCK_LOST
from omop_scorer.stores.identity import Identity

_TABLE_LIST = "_tables.json"

#: Arrow types of the types that the list of tables holds.
ARROW_TYPES = {
    "BIGINT": pa.int64(),
    "INT": pa.int32(),
    "DOUBLE": pa.float64(),
    "TEXT": pa.string(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
}

_NAME = re.compile("[a-z_][a-z0-9_]*")

#: Seconds after which a lock file without a holder is one that its writer left behind.
_HOLDER_SECONDS = 1


class ResultsFolder:
    """Results schema in a folder. With engine spark, the driver and all executors share it."""

    def __init__(self, url: str, schema: str) -> None:
        self.where = f"results.url {url}"
        self.home = Path(url).resolve() / schema
        self._table_list = self.home / _TABLE_LIST
        self._lock = self.home / "_run.lock"
        self._holder: str | None = None
        self._identity: Identity | None = None

    def tables(self) -> dict[str, dict[str, str]]:
        """Return the columns of every table; an empty mapping if there are no results yet.

        Raises
        ------
        ResultsError
            The list of tables cannot be read, or holds what no release writes.
        """
        try:
            found = json.loads(self._table_list.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise ResultsError(
                f"{self.where}: {self._table_list} cannot be read ({type(error).__name__}); "
                "check its permissions, or restore it from a backup"
            ) from None
        if (fault := _fault(found)) is not None:
            raise ResultsError(
                f"{self.where}: {self._table_list} is damaged, or of a later release: {fault}; "
                "restore it from a backup, or update omop-scorer"
            )
        return dict(found)

    def save_tables(self, tables: Mapping[str, Mapping[str, str]]) -> None:
        """Write the list of tables and columns; readers see either the old list or the new one."""
        partial = self._table_list.with_name(f"{_TABLE_LIST}.{uuid.uuid4().hex}")
        try:
            partial.write_text(json.dumps(tables, indent=1), encoding="utf-8")
            partial.replace(self._table_list)
        except OSError as error:
            raise self._write_error(error) from None

    def make_empty(self, table: str) -> Path:
        """Create the folder of a new table, and remove leftovers of an interrupted migration.

        Raises
        ------
        ResultsError
            The folder holds runs, so the table was lost from the list of tables; or the folder
            cannot be written.
        """
        folder = self.home / table
        if self.run_ids(table):
            raise ResultsError(
                f"{self.where}: {_TABLE_LIST} does not list the table {table}, which holds runs; "
                f"restore the {_TABLE_LIST} that was saved with these results"
            )
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        except OSError as error:
            raise self._write_error(error) from None
        return folder

    def files(self, table: str) -> list[Path]:
        """Return the complete files of a table, without those that a writer has not finished.

        Raises
        ------
        ResultsError
            As for `run_ids`.
        """
        folder = self.home / table
        self.run_ids(table)  # refuses a folder that is none of a run
        return sorted(
            path
            for path in folder.rglob("*.parquet")
            if not any(p.startswith(("_", ".")) for p in path.relative_to(folder).parts)
        )

    def run_ids(self, table: str) -> list[int]:
        """Return the ids of all runs with files in a table, leftovers of failed runs included.

        Raises
        ------
        ResultsError
            A folder, perhaps a copy, has no id of a run in its name.
        """
        found = []
        for path in (self.home / table).glob("run_id=*"):
            name = path.name.removeprefix("run_id=")
            if not re.fullmatch("[0-9]{1,18}", name):
                raise ResultsError(
                    f"{self.where}: {path} is no folder of a run; move it out of the results"
                )
            found.append(int(name))
        return sorted(found)

    def remove(self, table: str, run_id: int) -> None:
        """Remove the rows of a run from a table."""
        try:
            shutil.rmtree(self.home / table / f"run_id={run_id}")
        except OSError as error:
            raise self._write_error(error) from None

    def append(self, table: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        """Write rows of one run to a file that appears complete or not at all.

        The folder of the run says its id, so the file has no column run_id.
        """
        rows = iter(batches)
        first = next((batch for batch in rows if batch.num_rows), None)
        if first is None:
            return
        folder, stored = self.home / table, schema
        if "run_id" in schema.names:
            folder /= f"run_id={first['run_id'][0].as_py()}"
            stored = schema.remove(schema.get_field_index("run_id"))
        name = f"part-{uuid.uuid4().hex}.parquet"
        partial = folder / f"_{name}"
        try:
            folder.mkdir(exist_ok=True)
            with pq.ParquetWriter(partial, stored) as writer:
                for batch in chain([first], rows):
                    writer.write_batch(batch.select(stored.names))
            partial.replace(folder / name)
        except OSError as error:
            raise self._write_error(error) from None

    def remove_half_written(self, tables: Iterable[str]) -> None:
        """Remove temporary files of a dead writer, before the next writer publishes them."""
        for table in tables:
            shutil.rmtree(self.home / table / "_temporary", ignore_errors=True)

    def take_lock(self) -> None:
        """Take the run lock: create a file that holds the name of this process.

        The lock of a process that ran on this machine and has exited is taken over.

        Raises
        ------
        LockHeldError, ResultsError
        """
        holder = LockHolder.this_process()
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            for _ in range(2):
                try:
                    self._make_lock(holder.text)
                    self._holder = holder.text
                    self._identity = Identity(self.where, self.home)
                    return
                except FileExistsError:
                    self._refuse_unless_stale()
        except OSError as error:
            raise self._write_error(error) from None
        raise LockHeldError(
            f"{self.where}: another run has just started; wait for it to end and start again"
        )

    def _make_lock(self, holder: str) -> None:
        with self._lock.open("x", encoding="utf-8") as file:
            try:
                file.write(holder)
                file.flush()
            except OSError:
                # On a full disk the file would name no holder, and so never count as a stale lock.
                self._lock.unlink()
                raise

    def _refuse_unless_stale(self) -> None:
        try:
            found = LockHolder(self._holder_text())
        except FileNotFoundError:
            return
        if not found.is_gone():
            raise LockHeldError(
                f"{self.where}: another run is writing ({found}); wait for it to end and start "
                f"again. If that process has died, remove {self._lock} and start again"
            )
        # Several processes may find the lock stale, so we rename it first: only one of them can.
        moved = self._lock.with_name(f"{self._lock.name}.{uuid.uuid4().hex}")
        try:
            self._lock.rename(moved)
        except FileNotFoundError:
            return
        if moved.read_text(encoding="utf-8") != found.text:
            # Another process has taken the lock since we read it, so we put its file back.
            os.link(moved, self._lock)
        moved.unlink()

    def _holder_text(self) -> str:
        """Return what the lock file holds. Its writer needs a moment after creating it."""
        deadline = time.monotonic() + _HOLDER_SECONDS
        while not (text := self._lock.read_text(encoding="utf-8")) and time.monotonic() < deadline:
            time.sleep(0.01)
        return text

    def refuse_lost_lock(self) -> None:
        """Check that this process still holds the lock, in the folder that it opened.

        Raises
        ------
        LockHeldError
            The lock was taken over or removed.
        ResultsError
            The folder was moved or replaced.
        """
        if self._identity is not None:
            self._identity.refuse_changed()
        try:
            is_own = self._lock.read_text(encoding="utf-8") == self._holder
        except OSError:
            is_own = False
        if not is_own:
            raise LockHeldError(f"{self.where}: {LOCK_LOST}")

    def is_locked(self) -> bool:
        """Return True if a run holds the lock; False if its process is known to have exited."""
        try:
            return not LockHolder(self._lock.read_text(encoding="utf-8")).is_gone()
        except FileNotFoundError:
            return False

    def free_lock(self) -> None:
        """Release the lock, if this process still holds it."""
        if self._holder is None:
            return
        try:
            if self._lock.read_text(encoding="utf-8") == self._holder:
                self._lock.unlink()
        except OSError:
            # The next run finds that the holder is gone.
            pass
        self._holder = None

    def _write_error(self, error: OSError) -> ResultsError:
        return ResultsError(f"{self.where}: cannot be written: {error.strerror}")


def _fault(found: object) -> str | None:
    """Return the first fault of a list of tables, None if it has none."""
    if not isinstance(found, dict):
        return "not a list of tables"
    for table, columns in found.items():
        if not (_NAME.fullmatch(table) and isinstance(columns, dict)):
            return f"{table!r} is not a table"
        for column, native in columns.items():
            is_known = isinstance(native, str) and native in ARROW_TYPES
            if not (is_known and _NAME.fullmatch(column)):
                return f"the column {column!r} of table {table} has an unknown name or type"
    return None
