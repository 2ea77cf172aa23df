"""Work of the executors on batches of rows.

`mapInArrow` returns a single frame, so the tables that a batch gives are packed into one.
"""

import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence

import pyarrow as pa
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import BinaryType, IntegerType, StructField, StructType

from omop_scorer import __version__
from omop_scorer.engines.base import Work
from omop_scorer.errors import ConfigurationError, OmopScorerError

COUNTS = "counts"

TABLE_INDEX = "table_index"


def mapped_schema(schemas: Mapping[str, pa.Schema]) -> StructType:
    """Return the columns of the batches that `on_batches` yields.

    Each row belongs to one table: `table_index` is the position of the table in `schemas`, and
    `rows_<table_index>` is the row. One more row per batch holds the counts; its index is the
    number of tables.
    """
    fields = [StructField(TABLE_INDEX, IntegerType()), StructField(COUNTS, BinaryType())]
    for index, schema in enumerate(schemas.values()):
        fields.append(StructField(f"rows_{index}", from_arrow_schema(schema)))
    return StructType(fields)


def on_batches(
    work: Work, names: Sequence[str], version: str
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return a function that applies `work` to the batches of a partition.

    An OmopScorerError is returned in place of the counts, so that the driver can raise it
    unchanged. An executor whose release of omop-scorer is not `version` returns a
    ConfigurationError in the same way.

    Parameters
    ----------
    work
        Function for one batch.
    names
        Tables that `work` returns, in the order of `mapped_schema`.
    version
        Release of omop-scorer on the driver.
    """

    def on_partition(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            try:
                if __version__ != version:
                    raise ConfigurationError(
                        f"the executors have omop-scorer {__version__}, but the driver has "
                        f"{version}; install the same release on both"
                    )
                tables, counts = work(batch)
            except OmopScorerError as error:
                tables, counts = work(batch.slice(0, 0))[0], error
            structs = [
                pa.StructArray.from_arrays(
                    [column.combine_chunks() for column in tables[name].columns],
                    fields=list(tables[name].schema),
                )
                for name in names
            ]
            types = [struct.type for struct in structs]
            for index, struct in enumerate(structs):
                yield _batch(index, None, struct, types)
            yield _batch(len(names), pickle.dumps(counts), None, types)

    return on_partition


def _batch(
    table_index: int,
    counts: bytes | None,
    rows: pa.StructArray | None,
    types: Sequence[pa.DataType],
) -> pa.RecordBatch:
    n = 1 if rows is None else len(rows)
    columns = {TABLE_INDEX: pa.repeat(pa.scalar(table_index, pa.int32()), n)}
    columns[COUNTS] = pa.repeat(pa.scalar(counts, pa.binary()), n)
    for index, kind in enumerate(types):
        columns[f"rows_{index}"] = rows if index == table_index else pa.nulls(n, kind)
    return pa.RecordBatch.from_pydict(columns)
