"""Parquet files in a folder that the driver and all executors must share.

An executor that does not have the folder writes to its own disk instead, and Spark reports no
error: the rows are missing when the driver reads the folder. So on a cluster the rows that the
executors have written are compared with the rows that the driver finds.
"""

import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as f

from omop_scorer.connections.spark import Session, errors_as
from omop_scorer.errors import ResultsError

#: Enough tasks for every executor of a small cluster to get one.
_N_TASKS = 32


def append_parquet(
    session: Session,
    where: str,
    folder: Path,
    frame: DataFrame,
    partition_by: Sequence[str] = (),
) -> int:
    """Append the rows of a frame to a folder as Parquet files; return their number.

    Parameters
    ----------
    session
        Session of the frame.
    where
        Key of the run file that names the folder, and its value, for the message.
    folder
        Folder of the files, which need not exist.
    frame
        Rows to be written.
    partition_by
        Columns whose values become names of folders.

    Raises
    ------
    ResultsError
        The driver does not find all rows.
    """
    before = {*folder.rglob("*.parquet")}
    counted = None if session.is_local else Observation()
    if counted is not None:
        # Each task counts once, however often Spark repeats it.
        frame = frame.observe(counted, f.count(f.lit(1)).alias("n_rows"))
    frame.write.mode("append").partitionBy(*partition_by).parquet(folder.as_uri())
    files = {*folder.rglob("*.parquet")} - before
    n_found = sum(int(pq.read_metadata(file).num_rows) for file in files)
    if counted is not None and n_found != counted.get["n_rows"]:
        raise ResultsError(
            f"{where}: the executors do not share this folder with the driver, which finds only "
            f"{n_found:,} of the {counted.get['n_rows']:,} rows that they have written. Mount it "
            "at the same path on all machines of the cluster, or name a folder that is; then "
            f"remove {folder} from the disks of the executors"
        )
    return n_found


def refuse_unless_shared(session: Session, where: str, folder: Path) -> None:
    """Let the executors of a cluster write numbers to a folder, before they write patients.

    Executors that start later are not tested, so `append_parquet` counts as well.

    Raises
    ------
    ResultsError
    """
    if session.is_local:
        return
    trial = folder / f"_trial-{uuid.uuid4().hex}"
    try:
        with errors_as(ResultsError, where):
            append_parquet(session, where, trial, session.spark.range(0, _N_TASKS, 1, _N_TASKS))
    finally:
        shutil.rmtree(trial, ignore_errors=True)
