"""Creation and migration of the results schema."""

import pyarrow as pa

from omop_scorer import __version__, sql
from omop_scorer.errors import ResultsError
from omop_scorer.results.descriptions import descriptions
from omop_scorer.results.runs import utc_now
from omop_scorer.stores.base import ResultsReader, Store

_VERSION = pa.schema(
    [("version", pa.int32()), ("tool_version", pa.string()), ("applied_at", pa.timestamp("us"))]
)

_NEWEST = "SELECT COALESCE(MAX(version), 0) AS version FROM results.schema_version"


def migrate(store: Store) -> None:
    """Migrate the results schema to the version of this release, creating it if necessary.

    Raises
    ------
    ResultsError
        The schema was written by a newer release, or has other tables with these names.
    """
    names = migrations()
    with store.transaction():
        if not store.has_schema():
            store.create_schema()
        store.define(
            sql.parse(
                "CREATE TABLE IF NOT EXISTS results.schema_version "
                "(version INTEGER NOT NULL, tool_version VARCHAR NOT NULL, "
                "applied_at TIMESTAMP NOT NULL)"
            )
        )
        ((newest,),) = store.fetch(sql.parse(_NEWEST), {})
        version = int(str(newest))
        refuse_newer(version)
        for number, name in enumerate(names[version:], start=version + 1):
            for statement in sql.find(name).statements():
                store.define(statement)
            row = {"version": number, "tool_version": __version__, "applied_at": utc_now()}
            store.append("schema_version", [pa.RecordBatch.from_pylist([row], _VERSION)])
        if version < len(names):
            for statement in sql.find("results/views").statements():
                store.define(statement)
            # A view that is replaced loses its comments in DuckDB.
            store.describe(descriptions())


def refuse_newer(version: int) -> None:
    """Fail if the version of the results schema is newer than this release.

    Raises
    ------
    ResultsError
        The schema was written by a newer release.
    """
    known = len(migrations())
    if version > known:
        raise ResultsError(
            f"the results schema has version {version}, but this omop-scorer knows only "
            f"versions up to {known}: a newer release wrote it; install that release"
        )


def refuse_older(reader: ResultsReader) -> None:
    """Fail if the version of the results schema is older than this release.

    Raises
    ------
    ResultsError
        An earlier release wrote the schema, and no run of this one has migrated it.
    """
    version, known = read_version(reader), len(migrations())
    if version is not None and version < known:
        raise ResultsError(
            f"{reader.where}: the results schema has version {version}, and version {known} is "
            "needed: the next run migrates it; start one, with: omop-scorer run"
        )


def read_version(reader: ResultsReader) -> int | None:
    """Return the version of the results schema; None for a copy made by `export`, without any."""
    if "schema_version" not in reader.tables():
        return None
    return int(reader.read(sql.parse(_NEWEST), {})["version"][0].as_py())


def migrations() -> list[str]:
    """Return the names of the migrations, first to last."""
    return [name for name in sql.names() if name.startswith("results/migrations/")]
