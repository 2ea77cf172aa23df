"""Load of a CDM from a folder of CSV or Parquet files, or a DuckDB file, into PostgreSQL."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from omop_scorer.cdm.ddl import Column, table_columns
from omop_scorer.cdm.tables import SiteTable
from omop_scorer.config.connections import Connections
from omop_scorer.errors import CdmError
from omop_scorer.loading.postgres import CdmLoader, Loaded
from omop_scorer.loading.text_tables import TextTables

_BATCH = 50_000


@dataclass(frozen=True)
class Loading:
    """Loaded tables, and the columns of the files that the CDM version does not have."""

    tables: Mapping[str, Loaded]
    left_out: tuple[str, ...]


def load_cdm(
    folder: Path,
    settings: Connections,
    schema: str,
    cdm_version: str,
    progress: Callable[[str], None] | None = None,
) -> Loading:
    """Load every table that is found into a schema, in one transaction.

    Tables of the CDM version that are not found are created empty.

    Parameters
    ----------
    folder
        Folder of CSV or Parquet files, or a DuckDB file.
    settings
        Connections; `cdm.url` names the PostgreSQL database.
    schema
        Schema to create the tables in.
    cdm_version
        '5.3' or '5.4'.
    progress
        Called with the name of each table before it is loaded.

    Raises
    ------
    ConnectionFailedError
        The folder or the server cannot be opened.
    CdmError
        There is no person table, a required column is missing, or a value does not fit its column.
    """
    with TextTables(str(folder), settings.cdm.null_text) as source:
        plan = {
            table: (columns, source.find(table, {column.name for column in columns}))
            for table, columns in table_columns(cdm_version).items()
        }
        problems = [
            f"{folder}: column {table}.{column.name} is missing; CDM {cdm_version} requires it"
            for table, (columns, found) in plan.items()
            for column in columns
            if found is not None and column.is_required and column.name not in found.columns
        ]
        if plan["person"][1] is None:
            problems.insert(0, f"{folder}: there is no table person, so this is not a CDM")
        if problems:
            raise CdmError(*problems)
        left_out = tuple(
            f"{table}.{name}"
            for table, (columns, found) in plan.items()
            for name in (found.columns if found else ())
            if name not in {column.name for column in columns}
        )
        loader = CdmLoader(settings, schema)
        try:
            tables = loader.all_or_nothing(lambda: _load(loader, source, plan, progress))
        finally:
            loader.close()
    return Loading(tables, left_out)


def _load(
    loader: CdmLoader,
    source: TextTables,
    plan: Mapping[str, tuple[list[Column], SiteTable | None]],
    progress: Callable[[str], None] | None,
) -> dict[str, Loaded]:
    loaded = {}
    for table, (columns, found) in plan.items():
        if progress:
            progress(table)
        if found is None:
            loaded[table] = loader.load(table, columns, (), iter(()), table)
            continue
        given = [column for column in columns if column.name in found.columns]
        rows = source.read(found, given, _BATCH)
        loaded[table] = loader.load(table, columns, source.wide(found, given), rows, found.label)
    return loaded
