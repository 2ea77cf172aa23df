"""Results in a folder of Parquet files, opened for writing."""

import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
from sqlglot import exp

from omop_scorer.config.connections import Connections
from omop_scorer.connections.private_files import private_files
from omop_scorer.errors import ResultsError
from omop_scorer.stores.append_only import STATUS, AppendOnlyStore, Columns, version
from omop_scorer.stores.base import Parameters
from omop_scorer.stores.folder.files import ARROW_TYPES, ResultsFolder
from omop_scorer.stores.folder.reader import FolderResultsReader


class FolderStore(AppendOnlyStore):
    """A results folder. A table of a run is one file, which appears complete or not at all."""

    def __init__(self, settings: Connections) -> None:
        """Create the folder if necessary, and take the run lock.

        Raises
        ------
        LockHeldError, ResultsError
        """
        self._settings = settings
        self._folder = ResultsFolder(settings.results.url, settings.results.schema_)
        self.where = self._folder.where
        with ExitStack() as stack:
            # The executors of Spark may be other users, so there the umask of the site holds.
            if settings.engine != "spark":
                stack.enter_context(private_files(self._folder.home))
            self._folder.take_lock()
            stack.callback(self._folder.free_lock)
            self._tables = self._folder.tables()
            self._folder.remove_half_written(self._tables)
            self._open = stack.pop_all()

    def has_schema(self) -> bool:
        """Return True if there are tables; the folder itself is created with the lock."""
        return bool(self._tables)

    def create_schema(self) -> None:
        """Do nothing: the folder was created with the lock."""

    def create_table(self, table: str, columns: Columns) -> None:
        """Create the folder of a table, unless it exists."""
        if table not in self._tables:
            self._folder.make_empty(table)
            self._tables[table] = dict(columns)
            self._folder.save_tables(self._tables)

    def add_column(self, table: str, column: str, native: str) -> None:
        """Add a column to the list; files without it are read as NULL."""
        self._tables[table][column] = native
        self._folder.save_tables(self._tables)

    def create_view(self, view: exp.Create) -> None:
        """Do nothing: readers create the views of sql/results/views.sql."""

    def fetch(self, query: exp.Expr, parameters: Parameters) -> list[tuple[object, ...]]:
        """Return all rows of the files that exist now."""
        self._folder.refuse_lost_lock()
        with FolderResultsReader(self._settings) as reader:
            rows = reader.read(query, parameters)
        return [tuple(row.values()) for row in rows.to_pylist()]

    def append(self, table: str, batches: Iterable[pa.RecordBatch]) -> None:
        """Write one file. A status is written only while this run still holds the lock."""
        if table == STATUS:
            self._folder.refuse_lost_lock()
        schema = self.arrow_schema(table)
        batches = (batch.select(schema.names).cast(schema) for batch in batches)
        self._folder.append(table, schema, batches)

    def remove(self, table: str, run_ids: Sequence[int]) -> None:
        """Remove the folders of the runs."""
        for run_id in sorted(set(run_ids).intersection(self._folder.run_ids(table))):
            self._folder.remove(table, run_id)

    def close(self) -> None:
        """Release the lock."""
        self._open.close()

    def arrow_schema(self, table: str) -> pa.Schema:
        """Return the declared columns of a table."""
        declared = self._tables[table].items()
        return pa.schema([(name, ARROW_TYPES[native]) for name, native in declared])

    def folder_of(self, table: str) -> Path:
        """Return the folder of a table, for an engine whose executors write there."""
        return self._folder.home / table


def try_folder(settings: Connections) -> int:
    """Take and release the lock of the folder; return the version of its schema, 0 without one.

    If there is no folder, we only test that one can be created.

    Raises
    ------
    LockHeldError, ResultsError
    """
    folder = ResultsFolder(settings.results.url, settings.results.schema_)
    if not folder.home.is_dir():
        above = next(path for path in folder.home.parents if path.exists())
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            raise ResultsError(f"{folder.where}: no folder can be created in {above}")
        return 0
    folder.take_lock()
    try:
        if not folder.tables():
            return 0
        with FolderResultsReader(settings) as reader:
            return version(reader)
    finally:
        folder.free_lock()
