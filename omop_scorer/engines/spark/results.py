"""Rows that the executors hold, appended to the results."""

from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import from_arrow_schema

from omop_scorer.connections.spark import Session, errors_as
from omop_scorer.engines.spark.shared_folders import append_parquet, refuse_unless_shared
from omop_scorer.errors import ResultsError, SqlError
from omop_scorer.stores.base import Writer
from omop_scorer.stores.folder.store import FolderStore
from omop_scorer.stores.spark.store import CatalogStore


class FrameAppender:
    """Appends frames of a session to results.

    The executors write to a folder or a catalog. Rows for any other store pass through the memory
    of the driver.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._are_shared: set[str] = set()
        """Results folders that the executors share with the driver."""

    def append(self, writer: Writer, table: str, frame: DataFrame) -> None:
        """Append a frame to a table, by column name.

        Raises
        ------
        ResultsError
            The rows cannot be written, or the executors write to a folder of their own.
        SqlError
            The rows cannot be computed.
        """
        match writer:
            case CatalogStore():
                writer.append_frame(table, frame)
            case FolderStore():
                self._write_files(writer, table, frame)
            case _:
                with errors_as(SqlError, f"query for results.{table}"):
                    rows = frame.toArrow()
                writer.append(table, rows.to_batches())

    def _write_files(self, store: FolderStore, table: str, frame: DataFrame) -> None:
        """Write files into the folder of the run; they appear when all tasks have ended."""
        folder = store.folder_of(table)
        if store.where not in self._are_shared:
            refuse_unless_shared(self._session, store.where, folder.parent)
            self._are_shared.add(store.where)
        declared = from_arrow_schema(store.arrow_schema(table), prefer_timestamp_ntz=True)
        columns = [frame[field.name].cast(field.dataType) for field in declared.fields]
        with errors_as(ResultsError, store.where):
            append_parquet(self._session, store.where, folder, frame.select(*columns), ["run_id"])
