"""Parquet files of a table, read by Spark with the types that the files declare."""

import re
from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from pyspark.sql.types import StructType

from omop_scorer.connections.spark import Session
from omop_scorer.engines.parquet_table import Group
from omop_scorer.engines.parquet_types import ParquetType

#: Names of Spark's types where they differ from the names in Parquet.
_NATIVE = {
    "INT8": "byte",
    "INT16": "short",
    "INT32": "integer",
    "INT64": "long",
    "UINT8": "short",
    "UINT16": "integer",
    "UINT32": "long",
    "UINT64": "decimal(20,0)",
    "TEXT": "string",
}

#: Spark reads no nanoseconds, but the number of them. Those below a microsecond are cut off.
_MICROSECONDS = "({0} - PMOD({0}, 1000)) DIV 1000"
_FROM_NANOSECONDS = {
    True: f"TIMESTAMP_MICROS({_MICROSECONDS})",
    False: "TIMESTAMP_NTZ '1970-01-01 00:00:00' + MAKE_DT_INTERVAL(0, 0, 0, "
    f"CAST(CAST({_MICROSECONDS} AS DECIMAL(19, 0)) / 1000000 AS DECIMAL(18, 6)))",
}


def frame_of(session: Session, group: Group) -> DataFrame:
    """Return the needed columns of files that declare them alike."""
    schema = StructType()
    for name, found in group.types.items():
        if found.family != "null":
            schema = schema.add(group.names[name], _native(found))
    for key in group.keys.values():
        schema = schema.add(key, "string")
    reader = session.spark.read.schema(schema)
    if group.keys:
        reader = reader.option("basePath", _url(group.home))
    frame = reader.parquet(*map(_url, group.files))
    for name, found in group.types.items():
        written = group.names[name]
        if found.family == "null":
            frame = frame.withColumn(written, f.lit(None))
        elif found.is_in_nanoseconds:
            quoted = "`" + written.replace("`", "``") + "`"
            read = _FROM_NANOSECONDS[found.is_utc].format(quoted)
            frame = frame.withColumn(written, f.expr(read))
    return frame


def _native(found: ParquetType) -> str:
    if found.is_in_nanoseconds:
        return "long"
    if found.family == "moment":
        return "timestamp" if found.is_utc else "timestamp_ntz"
    return _NATIVE.get(found.name, found.name.lower())


def _url(path: Path) -> str:
    """Return a path that Spark does not read as a glob pattern; it decodes no URL."""
    return "file://" + re.sub(r"([\\\[\]{}*?])", r"\\\1", str(path))
