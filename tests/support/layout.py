"""How a site keeps its CDM: types, letter case, schemas, and which columns its release has."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from deltalake import write_deltalake

from tests.support import mariadb, postgresql
from tests.support.write_cdm import COLUMNS

VOCABULARY = ("concept", "concept_ancestor", "concept_relationship")
#: Columns that came with CDM 5.4.
SINCE_5_4 = {
    "unit_source_concept_id",
    "measurement_event_id",
    "meas_event_field_concept_id",
    "value_source_value",
    "observation_event_id",
    "obs_event_field_concept_id",
}
_SOURCE = {"cdm_source_name": "VARCHAR", "cdm_version": "VARCHAR", "cdm_release_date": "DATE"}
TYPES = {**COLUMNS, "cdm_source": {**_SOURCE, "vocabulary_version": "VARCHAR"}}
#: What PostgreSQL calls the types of DuckDB, where they differ.
POSTGRES = {
    "DOUBLE": "DOUBLE PRECISION",
    "FLOAT": "REAL",
    "HUGEINT": "NUMERIC(38)",
    "TIMESTAMP_S": "TIMESTAMP(0)",
    "TIMESTAMP_NS": "TIMESTAMP",
}

#: What MariaDB calls them. TEXT keeps blanks and cases; a DATETIME keeps microseconds if told to.
_MARIADB = {
    "HUGEINT": "DECIMAL(38)",
    "VARCHAR": "TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "TIMESTAMP": "DATETIME(6)",
    "TIMESTAMP_S": "DATETIME",
    "TIMESTAMP_NS": "DATETIME(6)",
}
#: What SQLite calls the types of DuckDB; its affinity decides how a text is kept.
_SQLITE = {"DOUBLE": "REAL", "FLOAT": "REAL", "HUGEINT": "BIGINT", "VARCHAR": "TEXT"}

Rows = Sequence[Mapping[str, str | None]]


def write_duckdb(
    tables: Mapping[str, Rows],
    folder: Path,
    *,
    types: Mapping[str, str] | None = None,
    version: str = "5.4",
    upper_case: bool = False,
    schema: str = "main",
    vocabulary_schema: str | None = None,
    vocabulary_file: bool = False,
    files: str | None = None,
) -> dict[str, Any]:
    """Write a CDM as DuckDB files, or a folder of csv, parquet or delta `files`.

    Returns the sections of the run file that say where it is, and where results go. `types`
    overrides the types of CDM 5.4 by "table.column", or by type for all its columns.
    """
    cdm_file, own_file = folder / "cdm.duckdb", folder / "vocabulary.duckdb"
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{cdm_file}' AS cdm")
        if vocabulary_file:
            connection.execute(f"ATTACH '{own_file}' AS vocabulary")
        else:  # one transaction, for each commit waits for the disk, but only on one file
            connection.begin()
        for table, columns in TYPES.items():
            is_vocabulary = table in VOCABULARY
            database = "vocabulary" if vocabulary_file and is_vocabulary else "cdm"
            home = vocabulary_schema if vocabulary_schema and is_vocabulary else schema
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {database}.{home}")
            connection.register("given", _as_text(list(columns), tables.get(table, ())))
            selected = ", ".join(
                f"CAST({name} AS {_type(types or {}, table, name, kind)}) "
                f'AS "{name.upper() if upper_case else name}"'
                for name, kind in columns.items()
                if version == "5.4" or name not in SINCE_5_4
            )
            name = table.upper() if upper_case else table
            connection.execute(
                f'CREATE TABLE {database}.{home}."{name}" AS SELECT {selected} FROM given'
            )
            connection.unregister("given")
            if files == "delta":
                rows = connection.sql(f'FROM cdm.{home}."{name}"').to_arrow_table()
                write_deltalake(folder / name, rows)
            elif files:
                target = f"'{folder / name}.{files}' (FORMAT {files})"
                connection.execute(f'COPY {database}.{home}."{name}" TO {target}')
        if not vocabulary_file:
            connection.commit()
    settings = {"url": str(folder if files else cdm_file)}
    if vocabulary_file:
        settings["vocabulary_url"] = str(own_file)
    # A run refuses results in the folder of its CDM.
    beside = (
        folder.with_name(f"{folder.name}_results.duckdb") if files else folder / "results.duckdb"
    )
    return {"cdm": settings, "results": {"url": str(beside)}}


def write_delta(tables: Mapping[str, Rows], folder: Path, **layout: Any) -> dict[str, Any]:
    """Write a CDM as a folder of Delta tables."""
    return write_duckdb(tables, folder, files="delta", **layout)


def write_postgresql(
    tables: Mapping[str, Rows],
    folder: Path,
    *,
    types: Mapping[str, str] | None = None,
    version: str = "5.4",
    upper_case: bool = False,
    schema: str | None = None,
    vocabulary_schema: str | None = None,
) -> dict[str, Any]:
    """Write a CDM into a schema of its own, or two; the types are named as for DuckDB."""
    homes = {None: postgresql.new_schema(schema or "cdm")}
    if vocabulary_schema:
        homes[vocabulary_schema] = postgresql.new_schema(vocabulary_schema)
    with postgresql.session().transaction():
        for home in homes.values():
            postgresql.session().execute(f'CREATE SCHEMA "{home}"')
        for table, columns in TYPES.items():
            kept = {
                name: _type(types or {}, table, name, kind)
                for name, kind in columns.items()
                if version == "5.4" or name not in SINCE_5_4
            }
            postgresql.write_table(
                homes[vocabulary_schema if table in VOCABULARY else None],
                table.upper() if upper_case else table,
                {n.upper() if upper_case else n: POSTGRES.get(k, k) for n, k in kept.items()},
                [[row.get(name) for name in kept] for row in tables.get(table, ())],
            )
    own = homes[vocabulary_schema] if vocabulary_schema else None
    return postgresql.sections(homes[None], own)


def write_sqlite(
    tables: Mapping[str, Rows],
    folder: Path,
    *,
    types: Mapping[str, str] | None = None,
    version: str = "5.4",
    upper_case: bool = False,
) -> dict[str, Any]:
    """Write a CDM as a SQLite file, which keeps any value in a column of any type."""
    path = folder / "cdm.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        for table, columns in TYPES.items():
            kept = {
                name: _type(types or {}, table, name, kind)
                for name, kind in columns.items()
                if version == "5.4" or name not in SINCE_5_4
            }
            name = table.upper() if upper_case else table
            declared = ", ".join(
                f'"{n.upper() if upper_case else n}" {_SQLITE.get(k, k)}' for n, k in kept.items()
            )
            connection.execute(f'CREATE TABLE "{name}" ({declared})')
            marks = ", ".join("?" * len(kept))
            rows = [[row.get(column) for column in kept] for row in tables.get(table, ())]
            connection.executemany(f'INSERT INTO "{name}" VALUES ({marks})', rows)
    return {"cdm": {"url": f"sqlite:///{path}"}, "results": {"url": str(folder / "results.duckdb")}}


def write_mariadb(
    tables: Mapping[str, Rows],
    folder: Path,
    *,
    types: Mapping[str, str] | None = None,
    version: str = "5.4",
    upper_case: bool = False,
) -> dict[str, Any]:
    """Write a CDM into a database of its own on a MariaDB server."""
    database = mariadb.new_database()
    for table, columns in TYPES.items():
        kept = {
            name: _type(types or {}, table, name, kind)
            for name, kind in columns.items()
            if version == "5.4" or name not in SINCE_5_4
        }
        mariadb.write_table(
            database,
            table.upper() if upper_case else table,
            {n.upper() if upper_case else n: _MARIADB.get(k, k) for n, k in kept.items()},
            [[row.get(name) for name in kept] for row in tables.get(table, ())],
        )
    url = mariadb.server().url(database)
    return {"cdm": {"url": url}, "results": {"url": str(folder / "results.duckdb")}}


def _type(types: Mapping[str, str], table: str, column: str, kind: str) -> str:
    return types.get(f"{table}.{column}", types.get(kind, kind))


def _as_text(columns: Sequence[str], rows: Rows) -> pa.Table:
    given = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in columns}
    return pa.table(given)
