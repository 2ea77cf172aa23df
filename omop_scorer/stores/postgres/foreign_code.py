"""Owners, triggers and rules of the results tables in PostgreSQL.

A trigger runs with the rights of the session that writes: somebody who may not read the CDM could
copy it that way, or hold rows back. Whoever owns a table can create one, so a run writes only to
tables of its own role, or of roles that could read the CDM anyhow.
"""

from functools import cache

from sqlglot import exp

from omop_scorer import sql
from omop_scorer.config.connections import Results
from omop_scorer.connections.postgres import Connection, quoted
from omop_scorer.data_model import data_model
from omop_scorer.errors import ResultsError

#: The roles that may own what a run writes to: its own, roles that it is a member of, superusers,
#: and those that the run file names. A superuser counts as a member of every role, but is not.
_TRUSTED = """
WITH RECURSIVE session (oid, rolsuper) AS (
  SELECT r.oid, r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user
), trusted (oid) AS (
  SELECT r.oid FROM pg_catalog.pg_roles AS r CROSS JOIN session AS s
  WHERE r.rolsuper OR r.rolname = ANY (%(owners)s)
    OR CASE WHEN s.rolsuper THEN r.oid = s.oid ELSE pg_has_role(s.oid, r.oid, 'MEMBER') END
), relation (oid) AS (
  SELECT c.oid FROM pg_catalog.pg_class AS c
  INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  WHERE n.nspname = %(schema)s AND c.relname = ANY (%(names)s)
  UNION
  SELECT i.inhrelid FROM relation AS p
  INNER JOIN pg_catalog.pg_inherits AS i ON i.inhparent = p.oid
)
"""

_FOREIGN_OWNERS = f"""{_TRUSTED}
SELECT 'SCHEMA' AS kind, NULL AS relname, pg_get_userbyid(n.nspowner) AS owner
FROM pg_catalog.pg_namespace AS n
WHERE n.nspname = %(schema)s AND n.nspowner NOT IN (SELECT t.oid FROM trusted AS t)
UNION ALL
SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, c.relname,
  pg_get_userbyid(c.relowner)
FROM relation AS r
INNER JOIN pg_catalog.pg_class AS c ON c.oid = r.oid
WHERE c.relowner NOT IN (SELECT t.oid FROM trusted AS t)
ORDER BY 1, 2
"""  # noqa: S608

#: Triggers of constraints are the server's own. A trigger that a partition has from its parent is
#: marked as internal by some versions, but has no constraint. An event trigger, which only a
#: superuser can create, is as trusted as the owner of its function.
_HOOKS = f"""{_TRUSTED}
SELECT 'trigger' AS kind, c.relname || '.' || t.tgname AS name
FROM relation AS r
INNER JOIN pg_catalog.pg_class AS c ON c.oid = r.oid
INNER JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = c.oid
WHERE t.tgenabled <> 'D' AND (NOT t.tgisinternal OR t.tgconstraint = 0)
UNION
SELECT 'rule', c.relname || '.' || w.rulename
FROM relation AS r
INNER JOIN pg_catalog.pg_class AS c ON c.oid = r.oid
INNER JOIN pg_catalog.pg_rewrite AS w ON w.ev_class = c.oid
WHERE w.ev_enabled <> 'D' AND NOT (c.relkind IN ('v', 'm') AND w.rulename = '_RETURN')
UNION
SELECT 'event trigger', e.evtname
FROM pg_catalog.pg_event_trigger AS e
INNER JOIN pg_catalog.pg_proc AS p ON p.oid = e.evtfoid
WHERE e.evtenabled <> 'D' AND p.proowner NOT IN (SELECT t.oid FROM trusted AS t)
ORDER BY 1, 2
"""  # noqa: S608

_TABLES = """
SELECT c.relname FROM pg_catalog.pg_class AS c
INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = ANY (%(names)s) AND c.relkind IN ('r', 'p')
ORDER BY c.relname
"""


def lock_against_new_triggers(connection: Connection, schema: str) -> None:
    """Lock the results tables until the transaction ends, so that nobody can add a trigger."""
    rows = connection.rows(_TABLES, {"schema": schema, "names": _names()})
    tables = [exp.table_(name, schema, quoted=True).sql(dialect="postgres") for (name,) in rows]
    if tables:
        connection.execute(f"LOCK TABLE ONLY {', ONLY '.join(tables)} IN ROW EXCLUSIVE MODE")


def refuse_foreign_code(connection: Connection, results: Results) -> None:
    """Refuse a schema, table or view of a role that is not trusted, and any trigger or rule.

    Raises
    ------
    ResultsError
    """
    given = {"schema": results.schema_, "names": _names(), "owners": list(results.allow_owners)}
    problems = [
        _foreign(connection, results.schema_, *row)
        for row in connection.rows(_FOREIGN_OWNERS, given)[:1]
    ] or [
        _hooked(connection, kind, name)
        for kind, name in connection.rows(_HOOKS, given)
        if name not in results.allow_triggers
    ]
    if problems:
        raise ResultsError(*problems)


def _foreign(connection: Connection, schema: str, kind: str, relation: str, owner: str) -> str:
    named = quoted(schema)
    if kind != "SCHEMA":
        named = exp.table_(relation, schema, quoted=True).sql(dialect="postgres")
    ((user,),) = connection.rows("SELECT current_user")
    return (
        f"{connection.where}: the {kind.lower()} {named} belongs to the role {owner}, whose "
        "triggers would run with the rights of this run: ALTER "
        f"{kind} {named} OWNER TO {quoted(user)}, or allow the owner: "
        f'results.allow_owners: ["{owner}"]'
    )


def _hooked(connection: Connection, kind: str, name: str) -> str:
    return (
        f"{connection.where}: the {kind} {name} would run when results are written, with the "
        "rights of this run; find out what it does, then drop it, or allow it: "
        f'results.allow_triggers: ["{name}"]'
    )


@cache
def _names() -> list[str]:
    """Return the names of the results tables and of the views over them."""
    views = {view.this.name for view in sql.find("results/views").statements()}
    return sorted({"schema_version", *data_model(), *views})
