"""A run as a folder of Parquet files, one a table or view."""

import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq

from omop_scorer.connections.private_files import keep_rights
from omop_scorer.errors import ResultsError
from omop_scorer.export.places import ALWAYS_THERE, MARK, exported_parquet, to_disk
from omop_scorer.export.tables import ExportedRun, ExportedTable
from omop_scorer.report.whole_folder import replaced_folder


def write_parquet(folder: Path, exported: ExportedRun) -> None:
    """Write the tables of a run to a folder that only this user can read.

    A folder of an earlier export keeps its mode, its files keep theirs, and other files stay.

    Raises
    ------
    ResultsError
    """
    ours = frozenset((*exported_parquet(folder), *(f"{name}.parquet" for name in exported.names)))
    of_run = f"run {exported.run.run_id}, as of {exported.run.as_of_date}"
    # The files of the next export get its mode.
    old = folder / ALWAYS_THERE
    with replaced_folder(folder, ours, is_private=True) as beside:
        try:
            for table in exported.tables:
                new = beside / f"{table.name}.parquet"
                _write(new, table, {MARK: f"{table.name}, {of_run}"})
                new.chmod(0o600)
                if old.exists():
                    keep_rights(old, new)
        except OSError as error:
            raise ResultsError(
                f"{folder}: cannot create a file in it: {error.strerror or 'the disk failed'}; "
                "choose another folder"
            ) from None


def _write(path: Path, table: ExportedTable, mark: dict[str, str]) -> None:
    if table.same_as is not None:
        same = path.with_name(f"{table.same_as}.parquet")
        try:
            os.link(same, path)
        except OSError:  # some file systems have no second names
            shutil.copy(same, path)
        return
    schema = table.schema.with_metadata(mark)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in table.batches:
            writer.write_batch(batch.replace_schema_metadata(mark))
    to_disk(path)
