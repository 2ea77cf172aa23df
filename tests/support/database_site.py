"""A site whose CDM is in a database, from which a run copies the rows of the cohort."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from tests.support.command_line import RUN_TABLES, Site
from tests.support.mariadb import MariaDb

#: The tables of a CDM that is attached as `given`.
_TABLES = (
    "SELECT table_schema, table_name FROM information_schema.tables WHERE table_catalog = 'given'"
)


@dataclass
class DatabaseSite(Site):
    """A site whose CDM is in a database."""

    url: str = ""
    schema: str | None = None

    def places(self) -> dict[str, Any]:
        return {
            "cdm": {"url": self.url, "schema": self.schema},
            "results": {"url": str(self.results)},
            "postgresql": {"retries": 0},
            "threads": 2,
        }


def in_sqlite(cdm: Path, folder: Path) -> Path:
    """Copy a CDM into a SQLite file."""
    path = folder / "cdm.sqlite"
    with duckdb.connect() as source, closing(sqlite3.connect(path)) as target, target:
        source.execute(f"ATTACH '{cdm}' AS given (READ_ONLY)")
        for schema, table in source.execute(_TABLES).fetchall():
            columns = source.execute(f"DESCRIBE given.{schema}.{table}").fetchall()
            kinds = {"BIGINT": "BIGINT", "INTEGER": "INTEGER", "DOUBLE": "FLOAT"}
            declared = ", ".join(f"{n} {kinds.get(k, 'TEXT')}" for n, k, *_ in columns)
            target.execute(f"CREATE TABLE {table} ({declared})")
            selected = ", ".join(n if k in kinds else f"{n}::VARCHAR" for n, k, *_ in columns)
            rows = source.execute(f"SELECT {selected} FROM given.{schema}.{table}").fetchall()
            marks = ", ".join("?" * len(columns))
            target.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
    return path


def in_mariadb(cdm: Path, server: MariaDb, database: str) -> None:
    """Copy a CDM into a new database of a server."""
    kinds = {"BIGINT": "BIGINT", "INTEGER": "INTEGER", "DOUBLE": "DOUBLE", "DATE": "DATE"}
    with (
        duckdb.connect() as source,
        server.connect() as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"CREATE DATABASE {database} CHARACTER SET utf8mb4")
        source.execute(f"ATTACH '{cdm}' AS given (READ_ONLY)")
        for schema, table in source.execute(_TABLES).fetchall():
            columns = source.execute(f"DESCRIBE given.{schema}.{table}").fetchall()
            declared = ", ".join(f"{n} {kinds.get(k, 'VARCHAR(255)')}" for n, k, *_ in columns)
            cursor.execute(f"CREATE TABLE {database}.{table} ({declared})")
            rows = source.execute(f"FROM given.{schema}.{table}").fetchall()
            marks = ", ".join(["%s"] * len(columns))
            cursor.executemany(f"INSERT INTO {database}.{table} VALUES ({marks})", rows)


def rows_of(site: Site) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of every results table."""
    return {
        table: site.rows(f"SELECT * EXCLUDE run_id FROM {table} ORDER BY ALL")
        for table in RUN_TABLES
    }
