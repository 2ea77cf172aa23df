"""Functions, types and triggers in a results file, which run with the rights of the reader or run.

The views in the file call functions such as MAX without a schema, and DuckDB looks for them in the
file first.
"""

from collections.abc import Collection

import duckdb

from omop_scorer.connections.duckdb import errors_as
from omop_scorer.errors import ResultsError

_HAS_OWN = """
SELECT EXISTS (
  SELECT f.function_name FROM system.main.duckdb_functions() AS f
  WHERE f.database_name = $alias AND NOT f.internal
) OR EXISTS (
  SELECT t.type_name FROM system.main.duckdb_types() AS t
  WHERE t.database_name = $alias AND NOT t.internal
)
"""

_STAND_INS = """
SELECT DISTINCT 'MACRO' || IF(f.function_type = 'table_macro', ' TABLE ', ' ') AS kind,
  f.schema_name, f.function_name
FROM system.main.duckdb_functions() AS f
WHERE f.database_name = $alias AND NOT f.internal AND LOWER(f.function_name) IN (
  SELECT LOWER(b.function_name) FROM system.main.duckdb_functions() AS b WHERE b.internal
)
UNION ALL
SELECT DISTINCT 'TYPE ', t.schema_name, t.type_name
FROM system.main.duckdb_types() AS t
WHERE t.database_name = $alias AND NOT t.internal AND LOWER(t.type_name) IN (
  SELECT LOWER(b.type_name) FROM system.main.duckdb_types() AS b WHERE b.internal
)
ORDER BY ALL
"""

_TRIGGERS = """
SELECT t.schema_name, t.table_name, t.trigger_name FROM system.main.duckdb_triggers() AS t
WHERE t.database_name = $alias ORDER BY ALL
"""


def refuse_stand_ins(connection: duckdb.DuckDBPyConnection, alias: str, where: str) -> None:
    """Refuse an attached results file with functions or types that have the names of DuckDB's own.

    Raises
    ------
    ResultsError
    """
    with errors_as(ResultsError, where):
        ((has_own,),) = connection.execute(_HAS_OWN, {"alias": alias}).fetchall()
        rows = connection.execute(_STAND_INS, {"alias": alias}).fetchall() if has_own else []
    if rows:
        kind, schema, name = rows[0]
        raise ResultsError(
            f"{where}: the file defines {len(rows)} of DuckDB's own functions or types anew, such "
            f"as {name}, which would change what its views show; find out who did so, then: "
            f'DROP {kind}"{schema}"."{name}"'
        )


def refuse_triggers(
    connection: duckdb.DuckDBPyConnection, alias: str, where: str, allowed: Collection[str]
) -> None:
    """Refuse an attached results file with triggers, except those named as `table.trigger`.

    Raises
    ------
    ResultsError
    """
    with errors_as(ResultsError, where):
        rows = connection.execute(_TRIGGERS, {"alias": alias}).fetchall()
    for schema, table, name in rows:
        if f"{table}.{name}" not in allowed:
            raise ResultsError(
                f"{where}: the table {table} has the trigger {name}, which could change or copy "
                f'what a run writes; find out what it does, then: DROP TRIGGER "{name}" ON '
                f'"{schema}"."{table}", or allow it: results.allow_triggers: ["{table}.{name}"]'
            )
