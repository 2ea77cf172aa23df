"""Results as a folder of Parquet files: one folder a table, in it one a run; and the run lock.

`<results.url>/<results.schema>/<table>/run_id=<run_id>/*.parquet`, with `_tables.json`, which says
the columns and types of every table. Nothing here needs a database: the driver of a run writes
small tables with it, and readers find the files by it.
"""

import json
import os
import shutil
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from omop_scorer.engines.lock_holder import LockHolder
from omop_scorer.errors import LockHeldError, ResultsError

Columns = dict[str, str]

"""Types, as DuckDB writes them, by column."""

_LIST = "_tables.json"

#: Of a lock.
LOST = (
    "the lock of this run is another run's by now, so it publishes nothing; "
    "start again when the other has ended"
)


def is_results_folder(url: str) -> bool:
    """Tell whether a folder holds a results schema, whoever wrote it."""
    return any(Path(url).glob(f"*/{_LIST}"))


class ResultsFolder:
    """A results schema in a folder that everybody who computes for a run shares."""

    def __init__(self, url: str, schema: str) -> None:
        self.where = f"results.url {url}"
        self.home = Path(url).resolve() / schema
        self._list = self.home / _LIST
        self._lock = self.home / "_run.lock"
        self._holder: str | None = None

    def tables(self) -> dict[str, Columns]:
        """Return the columns of every table; none where there are no results yet.

        Raises
        ------
        ResultsError
        """
        try:
            found = json.loads(self._list.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise ResultsError(
                f"{self.where}: {self._list.name} cannot be read ({type(error).__name__})"
            ) from None
        assert isinstance(found, dict)
        return found

    def save_tables(self, tables: Mapping[str, Columns]) -> None:
        """Write down the columns of every table, all or nothing."""
        partial = self._list.with_name(f"{self._list.name}.{uuid.uuid4().hex}")
        try:
            partial.write_text(json.dumps(tables, indent=1), encoding="utf-8")
            partial.replace(self._list)
        except OSError as error:
            raise self._refused(error) from None

    def make_empty(self, table: str) -> Path:
        """Make the folder of a new table; what a migration that died left there goes.

        Raises
        ------
        ResultsError
            There are runs in it: then it is the list of the tables that is lost.
        """
        folder = self.home / table
        if self.run_ids(table):
            raise ResultsError(
                f"{self.where}: {self._list.name} does not name the table {table}, which holds "
                f"runs: put the {self._list.name} back that stood beside it"
            )
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        except OSError as error:
            raise self._refused(error) from None
        return folder

    def files(self, table: str) -> list[Path]:
        """Return the files of a table that are whole: not what a writer is still at."""
        folder = self.home / table
        return sorted(
            path
            for path in folder.rglob("*.parquet")
            if not any(p.startswith(("_", ".")) for p in path.relative_to(folder).parts)
        )

    def run_ids(self, table: str) -> list[int]:
        """Return the runs that have rows, or leftovers of rows, in a table."""
        folders = (self.home / table).glob("run_id=*")
        return sorted(int(path.name.removeprefix("run_id=")) for path in folders)

    def remove(self, table: str, run_id: int) -> None:
        """Remove a run's rows of a table."""
        try:
            shutil.rmtree(self.home / table / f"run_id={run_id}")
        except OSError as error:
            raise self._refused(error) from None

    def append(self, table: str, rows: pa.Table) -> None:
        """Append rows that the driver holds; each file is there as a whole or not at all."""
        if "run_id" not in rows.column_names:
            self._write(self.home / table, rows)
            return
        for run_id in pc.unique(rows["run_id"]).to_pylist():
            of_run = rows.filter(pc.equal(rows["run_id"], run_id)).drop_columns("run_id")
            self._write(self.home / table / f"run_id={run_id}", of_run)

    def _write(self, folder: Path, rows: pa.Table) -> None:
        name = f"part-{uuid.uuid4().hex}.parquet"
        try:
            folder.mkdir(exist_ok=True)
            pq.write_table(rows, folder / f"_{name}")
            (folder / f"_{name}").replace(folder / name)
        except OSError as error:
            raise self._refused(error) from None

    def remove_half_written(self, tables: Iterable[str]) -> None:
        """Remove what a dead writer left; else the next one would publish it with its own."""
        for table in tables:
            shutil.rmtree(self.home / table / "_temporary", ignore_errors=True)

    def take_lock(self) -> None:
        """Take the lock of the run: a file that only one can make, with the name of its holder.

        The lock of a process of this machine that is gone is taken over.

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
                    return
                except FileExistsError:
                    self._refuse_unless_stale()
        except OSError as error:
            raise self._refused(error) from None
        raise LockHeldError(f"{self.where}: another run has just started; try again")

    def _make_lock(self, holder: str) -> None:
        with self._lock.open("x", encoding="utf-8") as file:
            try:
                file.write(holder)
                file.flush()
            except OSError:
                # A full disk: a lock that names nobody would never be taken for a stale one.
                self._lock.unlink()
                raise

    def _refuse_unless_stale(self) -> None:
        try:
            found = LockHolder(self._lock.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        if not found.is_gone():
            raise LockHeldError(
                f"{self.where}: another run writes to it ({found}); wait for it to end. If it is "
                f"known to have died, remove {self._lock} and start again"
            )
        # Moved away before it is removed: of several that see it stale, one moves that very file.
        moved = self._lock.with_name(f"{self._lock.name}.{uuid.uuid4().hex}")
        try:
            self._lock.rename(moved)
        except FileNotFoundError:
            return
        if moved.read_text(encoding="utf-8") != found.text:
            os.link(moved, self._lock)
        moved.unlink()

    def refuse_lost_lock(self) -> None:
        """Fail when the lock is another's by now.

        Raises
        ------
        LockHeldError
        """
        try:
            is_own = self._lock.read_text(encoding="utf-8") == self._holder
        except OSError:
            is_own = False
        if not is_own:
            raise LockHeldError(f"{self.where}: {LOST}")

    def is_locked(self) -> bool:
        """Tell whether a run holds the lock; that of a process known to be gone is none."""
        try:
            return not LockHolder(self._lock.read_text(encoding="utf-8")).is_gone()
        except FileNotFoundError:
            return False

    def free_lock(self) -> None:
        """Let go of the lock, if it is still this process's own."""
        if self._holder is None:
            return
        try:
            if self._lock.read_text(encoding="utf-8") == self._holder:
                self._lock.unlink()
        except OSError:
            # Whoever comes next sees that its holder is gone.
            pass
        self._holder = None

    def _refused(self, error: OSError) -> ResultsError:
        return ResultsError(f"{self.where}: cannot be written: {error.strerror}")
