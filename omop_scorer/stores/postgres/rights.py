"""The rights of a user who writes results to a PostgreSQL database, and the run lock."""

import hashlib

from sqlglot import exp

from omop_scorer.config.connections import Connections, Results
from omop_scorer.connections.postgres import Connection, quoted
from omop_scorer.errors import LockHeldError, ResultsError
from omop_scorer.stores.postgres.foreign_code import refuse_foreign_code


def refuse_without_rights(connection: Connection, settings: Connections) -> None:
    """Refuse a standby, a schema that the user may not write, and one that looks like a CDM.

    Raises
    ------
    ResultsError
    """
    if connection.is_standby():
        raise ResultsError(
            f"{connection.where}: this server is a standby, to which nothing can be written; give "
            "the address of the primary server (cdm.url may name the standby)"
        )
    _refuse_tables_of_a_cdm(connection, settings)
    _refuse_unwritable(connection, settings.results)


def _refuse_unwritable(connection: Connection, results: Results) -> None:
    schema = results.schema_
    if has_schema(connection, schema):
        rights = connection.rows(
            "SELECT current_user, has_schema_privilege(%(name)s, 'USAGE') "
            "AND has_schema_privilege(%(name)s, 'CREATE')",
            {"name": schema},
        )
        what = f"USAGE, CREATE ON SCHEMA {quoted(schema)}"
    else:
        rights = connection.rows(
            "SELECT current_user, has_database_privilege(current_database(), 'CREATE')"
        )
        what = f"CREATE ON DATABASE {quoted(connection.driver.info.dbname)}"
    ((user, may),) = rights
    if not may:
        raise ResultsError(
            f"{connection.where}: the user may not create or write the schema {schema}: "
            f"GRANT {what} TO {quoted(user)}"
        )
    refuse_foreign_code(connection, results)
    _refuse_tables_of_others(connection, schema, user)


def _refuse_tables_of_a_cdm(connection: Connection, settings: Connections) -> None:
    schema, names = settings.results.schema_, {"person", "concept"}
    names |= {settings.cdm.table_names.get(name, name).lower() for name in names}
    rows = connection.rows(
        "SELECT c.relname FROM pg_catalog.pg_class AS c "
        "INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
        "WHERE n.nspname = %(name)s AND lower(c.relname) = ANY (%(tables)s) ORDER BY c.relname",
        {"name": schema, "tables": sorted(names)},
    )
    if rows:
        raise ResultsError(
            f"{connection.where}: results.schema {schema} holds a table {rows[0][0]}, so it looks "
            "like a CDM, and results are never written to a CDM; choose another schema"
        )


def _refuse_tables_of_others(connection: Connection, schema: str, user: str) -> None:
    """Refuse before anything is written what would fail at the end: somebody else made a table."""
    rows = connection.rows(
        "SELECT c.relname FROM pg_catalog.pg_class AS c "
        "INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
        "WHERE n.nspname = %(name)s AND c.relkind IN ('r', 'p') "
        "AND (c.relname = 'schema_version' OR EXISTS (SELECT 1 FROM pg_catalog.pg_attribute AS a "
        "WHERE a.attrelid = c.oid AND a.attname = 'run_id' AND NOT a.attisdropped)) "
        "AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT') "
        "AND has_table_privilege(c.oid, 'DELETE')) ORDER BY c.relname",
        {"name": schema},
    )
    if rows:
        raise ResultsError(
            f"{connection.where}: the user may not read, add and remove rows of "
            f"{', '.join(name for (name,) in rows)}: GRANT SELECT, INSERT, DELETE "
            f"ON ALL TABLES IN SCHEMA {quoted(schema)} TO {quoted(user)}"
        )


def _lock_key(schema: str) -> dict[str, int]:
    digest = hashlib.sha256(f"omop-scorer run on {schema}".encode()).digest()
    first, second = (int.from_bytes(digest[i : i + 4], signed=True) for i in (0, 4))
    return {"first": first, "second": second}


def take_lock(connection: Connection, schema: str) -> None:
    """Take the run lock on a schema, which the session holds until it ends.

    Raises
    ------
    LockHeldError
    """
    key = _lock_key(schema)
    ((is_taken,),) = connection.rows("SELECT pg_try_advisory_lock(%(first)s, %(second)s)", key)
    if is_taken:
        return
    holder = lock_holder(connection, schema)
    named = "" if holder is None else f" (server process {holder})"
    raise LockHeldError(
        f"{connection.where}: another run is writing to the schema {schema}{named}; "
        "wait for it to end and start again"
    )


def refuse_without_lock(connection: Connection, schema: str) -> None:
    """Refuse to commit what is not under the lock of the run any more.

    Raises
    ------
    ResultsError
    """
    holder = lock_holder(connection, schema)
    ((pid,),) = connection.rows("SELECT pg_backend_pid()")
    if holder != pid:
        raise ResultsError(
            f"{connection.where}: this run no longer holds the run lock, so nothing is written; "
            "start again"
        )


def lock_holder(connection: Connection, schema: str) -> int | None:
    """Return the server process that holds the lock of the run on a schema, if any does."""
    holders = connection.rows(
        "SELECT l.pid FROM pg_catalog.pg_locks AS l WHERE l.locktype = 'advisory' AND l.granted "
        "AND l.database = (SELECT oid FROM pg_catalog.pg_database "
        "WHERE datname = current_database()) "
        "AND l.classid::bigint = %(first)s & 4294967295 "
        "AND l.objid::bigint = %(second)s & 4294967295 AND l.objsubid = 2",
        _lock_key(schema),
    )
    return int(holders[0][0]) if holders else None


def has_schema(connection: Connection, schema: str) -> bool:
    """Tell whether a schema exists."""
    query = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %(name)s"
    return bool(connection.rows(query, {"name": schema}))


def probe(connection: Connection, schema: str) -> int:
    """Create a table and roll it back; return the version of the results schema, 0 without one."""
    with connection.driver.transaction(force_rollback=True):
        if not has_schema(connection, schema):
            connection.execute(f"CREATE SCHEMA {quoted(schema)}")
        table = exp.table_("omop_scorer_probe", schema, quoted=True).sql(dialect="postgres")
        connection.execute(f"CREATE TABLE {table} (n BIGINT)")
        exists = connection.rows(
            "SELECT 1 FROM pg_catalog.pg_class AS c INNER JOIN pg_catalog.pg_namespace AS n "
            "ON n.oid = c.relnamespace WHERE n.nspname = %(name)s "
            "AND c.relname = 'schema_version'",
            {"name": schema},
        )
        if not exists:
            return 0
        versions = exp.table_("schema_version", schema, quoted=True).sql(dialect="postgres")
        query = f"SELECT COALESCE(MAX(version), 0) FROM {versions}"  # noqa: S608
        return int(connection.rows(query)[0][0])
