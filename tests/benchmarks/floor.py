"""The floor: what no program can be faster than, on this engine and these data.

python -m tests.benchmarks.floor scan KIND PLACE...: the engine reads every column that a run reads,
once. python -m tests.benchmarks.floor write KIND PLACE...: the rows that a run left behind are
written again, in bulk, into bare tables.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from omop_scorer.cdm.tables import TABLES
from tests.benchmarks.engine import SPARK_SETTINGS
from tests.benchmarks.measuring import clock, tell
from tests.benchmarks.warehouse import parquet_files


def scan_duckdb(cdm: str, _results: str) -> None:
    import duckdb

    connection = duckdb.connect()
    if Path(cdm).is_file():
        connection.execute(f"ATTACH '{cdm}' AS site (READ_ONLY)")
    start = clock()
    for table in TABLES:
        relation = f"site.cdm.{table.name}"
        if Path(cdm).is_dir():
            relation = f"READ_PARQUET('{parquet_files(Path(cdm), table.name)}')"
        # A hash: minimum, maximum and count are known without a scan.
        names = ", ".join(column.name for column in table.columns)
        connection.execute(f"SELECT BIT_XOR(HASH({names})) FROM {relation}").fetchall()
    tell(start)


def write_duckdb(_cdm: str, results: str) -> None:
    import duckdb

    with tempfile.TemporaryDirectory(dir=Path(results).parent) as folder:
        connection = duckdb.connect()
        connection.execute(f"ATTACH '{results}' AS given (READ_ONLY)")
        tables = connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = 'given'"
        ).fetchall()
        start = clock()
        connection.execute(f"ATTACH '{folder}/bare.duckdb' AS bare")
        for (table,) in tables:
            connection.execute(f"CREATE TABLE bare.{table} AS FROM given.omop_scorer.{table}")
        connection.execute("DETACH bare")
        tell(start)


def scan_postgresql(url: str, cdm: str, _results: str) -> None:
    import psycopg

    with psycopg.connect(url) as connection:
        start = clock()
        for table in TABLES:
            counts = ", ".join(f"COUNT({column.name})" for column in table.columns)
            connection.execute(f"SELECT {counts} FROM {cdm}.{table.name}")
        tell(start)


def write_postgresql(url: str, _cdm: str, results: str) -> None:
    import psycopg

    with psycopg.connect(url) as connection, tempfile.TemporaryFile() as file:
        rows = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = %(name)s", {"name": results}
        ).fetchall()
        ends = []
        for (table,) in rows:
            with connection.cursor().copy(f"COPY {results}.{table} TO STDOUT") as out:
                for chunk in out:
                    file.write(chunk)
            ends.append((table, file.tell()))
            bare = f"CREATE TABLE {results}.bare_{table} AS TABLE {results}.{table} WITH NO DATA"
            connection.execute(bare)
        connection.commit()
        file.seek(0)
        start = clock()
        for table, end in ends:
            with connection.cursor().copy(f"COPY {results}.bare_{table} FROM STDIN") as into:
                while file.tell() < end:
                    into.write(file.read(min(1 << 20, end - file.tell())))
        connection.commit()
        seconds, cpu_seconds = (now - then for now, then in zip(clock(), start, strict=True))
        for table, _ in ends:
            connection.execute(f"DROP TABLE {results}.bare_{table}")
        connection.commit()
        tell(start, seconds=seconds, cpu_seconds=cpu_seconds)


def scan_sqlite(cdm: str, _results: str) -> None:
    import sqlite3

    connection = sqlite3.connect(f"file:{cdm}?mode=ro", uri=True)
    start = clock()
    for table in TABLES:
        counts = ", ".join(f"COUNT({column.name})" for column in table.columns)
        connection.execute(f"SELECT {counts} FROM {table.name}").fetchall()
    tell(start)


def spark_session() -> Any:
    """Return a session of this process with the settings of a run on one machine."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder
    java = {"spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
    for name, value in (SPARK_SETTINGS | java | {"spark.log.level": "OFF"}).items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def scan_spark(cdm: str, _results: str) -> None:
    spark = spark_session()
    start = clock()
    for table in TABLES:
        names = ", ".join(column.name for column in table.columns)
        rows = spark.read.parquet(str(parquet_files(Path(cdm), table.name)))
        rows.selectExpr(f"BIT_XOR(XXHASH64({names}))").collect()
    tell(start, cpu_seconds=None)  # Java's are not to be seen from here
    spark.stop()


WAYS: dict[tuple[str, str], Callable[..., None]] = {
    ("scan", "duckdb"): scan_duckdb,
    ("write", "duckdb"): write_duckdb,
    ("scan", "postgresql"): scan_postgresql,
    ("write", "postgresql"): write_postgresql,
    ("scan", "sqlite"): scan_sqlite,
    ("write", "sqlite"): write_duckdb,
    ("scan", "spark"): scan_spark,
}

if __name__ == "__main__":
    WAYS[sys.argv[1], sys.argv[2]](*sys.argv[3:])
