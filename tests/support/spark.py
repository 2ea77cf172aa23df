"""A Spark session for each process of the tests, and CDMs as folders of Parquet for it.

Without PySpark or Java the tests are skipped, and say why; where CI is true they fail.
"""

import atexit
import functools
import importlib.util
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import duckdb
import pyarrow as pa
import pytest

from tests.support.layout import TYPES
from tests.support.write_cdm import as_text

#: Java that is young and stays young: to compile for speed costs more than it gives.
YOUNG = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
SETTINGS = {
    "spark.master": "local[2,2]",
    "spark.driver.memory": "2g",
    "spark.driver.extraJavaOptions": YOUNG,
    "spark.log.level": "OFF",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "1",
    "spark.default.parallelism": "1",
    # To compile a plan takes longer than to interpret it on so few rows.
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}


@functools.cache
def session() -> Any:
    """Return the session of this process, which every run in it finds."""
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    os.environ["PYSPARK_PYTHON"] = sys.executable
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pandas 3
            from pyspark.sql import SparkSession

            warehouse = tempfile.mkdtemp(prefix="omop-scorer-spark-")
            atexit.register(shutil.rmtree, warehouse, ignore_errors=True)
            builder = SparkSession.builder.appName("tests of omop-scorer")
            builder = builder.config("spark.sql.warehouse.dir", warehouse)
            for name, value in SETTINGS.items():
                builder = builder.config(name, value)
            return builder.getOrCreate()
    except Exception as error:  # whatever a machine lacks
        _do_without(f"{type(error).__name__}: {error}".split("\n")[0])


def home() -> Path:
    """Return the folder of PySpark, for programs that start Spark themselves."""
    found = importlib.util.find_spec("pyspark")
    if found is None or found.origin is None:
        _do_without("no package pyspark")
    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        _do_without("no java")
    return Path(found.origin).parent


def _do_without(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(f"no Spark: {reason}")
    pytest.skip(f"no Spark: {reason}")


def write_parquet(
    tables: Mapping[str, Sequence[Mapping[str, Any]]], folder: Path, *, as_it_is: bool = False
) -> Path:
    """Write a CDM as a folder of Parquet, with the types of CDM 5.4, or `as_it_is`: all text."""
    folder.mkdir(parents=True)
    with duckdb.connect() as connection:
        for table, columns in TYPES.items():
            rows = tables.get(table, ())
            text = {
                name: pa.array(
                    [None if row.get(name) is None else as_text(row[name]) for row in rows],
                    pa.string(),
                )
                for name in columns
            }
            connection.register("given", pa.table(text))
            selected = ", ".join(
                name if as_it_is else f"TRY_CAST({name} AS {kind}) AS {name}"
                for name, kind in columns.items()
            )
            connection.execute(
                f"COPY (SELECT {selected} FROM given) "
                f"TO '{folder / table}.parquet' (FORMAT parquet)"
            )
            connection.unregister("given")
    return folder
