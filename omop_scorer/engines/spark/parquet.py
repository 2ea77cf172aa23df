"""Parquet files of a table, read by Spark with the types that the files declare."""

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from pyspark.sql.types import StructType

from omop_scorer.connections.spark import Session
from omop_scorer.engines.parquet_table import Group
from omop_scorer.engines.parquet_types import ParquetType
from omop_scorer.errors import CdmError

#: Columns that no table of a site has: the URL of the file of a row, and whether it is known.
_FILE, _LISTED = "omop_scorer_file", "omop_scorer_listed"

_LOCAL = "file://"

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
    """Return the needed columns of files that declare them alike.

    Raises
    ------
    CdmError
        Spark does not read a file.
    """
    schema = StructType()
    for name, found in group.types.items():
        if found.family != "null":
            schema = schema.add(group.names[name], _native(found))
    frame = session.spark.read.schema(schema).parquet(*map(_url, group.files))
    urls = _urls_of(frame, group)
    if group.keys:
        frame = _with_keys(session, frame, group, urls)
    for name, found in group.types.items():
        written = group.names[name]
        if found.family == "null":
            frame = frame.withColumn(written, f.lit(None))
        elif found.is_in_nanoseconds:
            quoted = "`" + written.replace("`", "``") + "`"
            read = _FROM_NANOSECONDS[found.is_utc].format(quoted)
            frame = frame.withColumn(written, f.expr(read))
    return frame


def _urls_of(frame: DataFrame, group: Group) -> list[str]:
    """Return the URLs of the files of a frame, in order of the group, without `file:`."""
    listed = [url.removeprefix(_LOCAL) for url in frame.inputFiles()]
    urls = {unquote(url): url for url in listed}
    for file in group.files:
        # It skips hidden files, also if a link of another name leads to one.
        if str(file) not in urls:
            raise CdmError(
                f"{file}: Spark reads no file of this name, but it belongs to a table of the CDM; "
                "rename it, or read the folder with engine: duckdb"
            )
    return [urls[str(file)] for file in group.files]


def _with_keys(session: Session, frame: DataFrame, group: Group, urls: Sequence[str]) -> DataFrame:
    """Add the columns that the names of folders give."""
    if all(len({*values}) == 1 for values in group.keys.values()):
        return frame.withColumns({key: f.lit(v[0]).cast("string") for key, v in group.keys.items()})
    columns = {**group.keys, _FILE: [f"file:{url}" for url in urls]}
    schema = pa.schema([(name, pa.string()) for name in columns])
    folders = f.broadcast(session.frame(pa.table(columns, schema)))
    is_unknown = f.col(_LISTED).isNull()
    frame = frame.withColumn(_FILE, f.col("_metadata.file_path")).join(
        folders.withColumn(_LISTED, f.lit(True)), _FILE, "left"
    )
    nobodys = f.raise_error(f.lit("a file that is not listed")).cast("string")
    return frame.withColumns(
        {key: f.when(is_unknown, nobodys).otherwise(f.col(key)) for key in group.keys}
    ).drop(_FILE, _LISTED)


def _native(found: ParquetType) -> str:
    if found.is_in_nanoseconds:
        return "long"
    if found.family == "moment":
        return "timestamp" if found.is_utc else "timestamp_ntz"
    return _NATIVE.get(found.name, found.name.lower())


def _url(path: Path) -> str:
    """Return a path that Spark does not read as a glob pattern; it decodes no URL."""
    return _LOCAL + re.sub(r"([\\\[\]{}*?])", r"\\\1", str(path))
