"""Parquet files of a table, read in place by DuckDB."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import duckdb
from sqlglot import exp

from omop_scorer.cdm.tables import SiteTable
from omop_scorer.connections.duckdb import errors_as
from omop_scorer.engines.parquet_table import FILE_INDEX, Group, ParquetTable
from omop_scorer.errors import CdmError

#: Number of files whose values from folders are in one list, which DuckDB copies for each batch of
#: rows.
_MOST_FILES = 200

_WITHOUT_ZONE = ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")


def parquet_table(connection: duckdb.DuckDBPyConnection, table: ParquetTable) -> SiteTable:
    """Return a table whose relations are calls of READ_PARQUET.

    Raises
    ------
    CdmError
        DuckDB cannot read a file.
    """
    with errors_as(CdmError, f"{table.label}: the table cannot be read"):
        groups = chain.from_iterable(map(_few_files, table.groups))
        return table.at_site([_part(connection, group, table.label) for group in groups])


def _few_files(group: Group) -> list[Group]:
    """Return the group in parts of few files, if the names of folders give a column."""
    if not group.keys:
        return [group]
    starts = range(0, len(group.files), _MOST_FILES)
    return [
        replace(
            group,
            files=group.files[first : first + _MOST_FILES],
            keys={key: each[first : first + _MOST_FILES] for key, each in group.keys.items()},
        )
        for first in starts
    ]


def _part(connection: duckdb.DuckDBPyConnection, group: Group, label: str) -> SiteTable:
    relation = _relation(group)
    natives = _described(connection, relation)
    local = [
        _as_utc(name)
        for name, native in natives.items()
        if (found := group.types.get(name.lower())) and found.is_utc and native in _WITHOUT_ZONE
    ]
    if local:
        # DuckDB takes the moment that INT96 holds in UTC for the time on the wall.
        relation = f"(SELECT * REPLACE ({', '.join(local)}) FROM {relation})"  # noqa: S608
        natives = _described(connection, relation)
    return SiteTable(
        relation=relation,
        label=label,
        columns={name.lower(): native for name, native in natives.items()},
        names={name.lower(): name for name in natives},
    )


def _relation(group: Group) -> str:
    # DuckDB reads the names as glob patterns, so we escape the special characters.
    files = [re.sub(r"([\[*?])", r"[\1]", str(file)) for file in group.files]
    # It would take columns from all folders, also from those that links in the table lead to.
    read = f"READ_PARQUET({_array(files)}, binary_as_string = TRUE, hive_partitioning = FALSE)"
    if not group.keys:
        return read
    columns = [f"{_of_folder(values)} AS {_quoted(key)}" for key, values in group.keys.items()]
    return f"(SELECT *, {', '.join(columns)} FROM {read})"  # noqa: S608


def _of_folder(values: Sequence[str | None]) -> str:
    """Return, as SQL, the value that the folder of a file gives."""
    if len({*values}) == 1:
        return f"CAST({_text(values[0]).sql(dialect='duckdb')} AS VARCHAR)"
    # The index is that of the list of files, and lists begin at 1.
    return f"LIST_EXTRACT({_array(values)}, CAST({FILE_INDEX} AS BIGINT) + 1)"


def _array(texts: Sequence[str | None]) -> str:
    return exp.array(*map(_text, texts)).sql(dialect="duckdb")


def _text(text: str | None) -> exp.Expr:
    return exp.null() if text is None else exp.Literal.string(text)


def _described(connection: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    rows = connection.execute(f"DESCRIBE FROM {relation}").fetchall()
    return {name: native for name, native, *_ in rows}


def _as_utc(name: str) -> str:
    return f"TIMEZONE('UTC', {_quoted(name)}) AS {_quoted(name)}"


def _quoted(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql(dialect="duckdb")
