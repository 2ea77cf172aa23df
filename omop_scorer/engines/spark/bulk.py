"""What the executors do with a batch, and how its several tables travel as one."""

import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence

import pyarrow as pa
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import BinaryType, IntegerType, StructField, StructType

from omop_scorer import __version__
from omop_scorer.engines.base import Work
from omop_scorer.errors import ConfigurationError, OmopScorerError

COUNTS = "counts"


def mapped_schema(schemas: Mapping[str, pa.Schema]) -> StructType:
    """Return the columns of what `on_batches` yields.

    A row is of one table: `place` is the table's among `schemas`, and `rows_<place>` the row. One
    more row a batch has the place after them all, and the counts.
    """
    fields = [StructField("place", IntegerType()), StructField(COUNTS, BinaryType())]
    for place, schema in enumerate(schemas.values()):
        fields.append(StructField(f"rows_{place}", from_arrow_schema(schema)))
    return StructType(fields)


def on_batches(
    work: Work, names: Sequence[str], version: str
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return the function that works on the batches of a partition.

    An error of ours takes the place of the counts, so that the driver can raise it as it is; so
    does the complaint that the executor has another omop-scorer than the driver, `version`.
    """

    def on_partition(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            try:
                if __version__ != version:
                    raise ConfigurationError(
                        f"the executors have omop-scorer {__version__}, the driver {version}: "
                        "install the same on both"
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
            for place, struct in enumerate(structs):
                yield _batch(place, None, struct, types)
            yield _batch(len(names), pickle.dumps(counts), None, types)

    return on_partition


def _batch(
    place: int, counts: bytes | None, rows: pa.StructArray | None, types: Sequence[pa.DataType]
) -> pa.RecordBatch:
    n = 1 if rows is None else len(rows)
    columns = {"place": pa.repeat(pa.scalar(place, pa.int32()), n)}
    columns[COUNTS] = pa.repeat(pa.scalar(counts, pa.binary()), n)
    for other, kind in enumerate(types):
        columns[f"rows_{other}"] = rows if other == place else pa.nulls(n, kind)
    return pa.RecordBatch.from_pydict(columns)
