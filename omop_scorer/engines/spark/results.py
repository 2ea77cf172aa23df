"""Rows that the executors hold, appended to the results."""

from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import from_arrow_schema

from omop_scorer.connections.spark import errors_as
from omop_scorer.errors import ResultsError, SqlError
from omop_scorer.stores.base import Writer
from omop_scorer.stores.folder.store import FolderStore
from omop_scorer.stores.spark.store import CatalogStore


def append_frame(writer: Writer, table: str, frame: DataFrame) -> None:
    """Append a frame to a table, by column name.

    The executors write to a folder or a catalog. Rows for any other store pass through the memory
    of the driver.

    Raises
    ------
    ResultsError
    """
    match writer:
        case CatalogStore():
            writer.append_frame(table, frame)
        case FolderStore():
            with errors_as(ResultsError, writer.where):
                _write_files(writer, table, frame)
        case _:
            with errors_as(SqlError, f"query for results.{table}"):
                rows = frame.toArrow()
            writer.append(table, rows.to_batches())


def _write_files(store: FolderStore, table: str, frame: DataFrame) -> None:
    """Write files into the folder of the run; they appear when all tasks have ended."""
    declared = from_arrow_schema(store.arrow_schema(table), prefer_timestamp_ntz=True)
    columns = [frame[field.name].cast(field.dataType) for field in declared.fields]
    writer = frame.select(*columns).write.mode("append").partitionBy("run_id")
    writer.parquet(store.folder_of(table).as_uri())
