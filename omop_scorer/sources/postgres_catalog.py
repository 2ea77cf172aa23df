"""Tables of a CDM in a PostgreSQL database, with a check that they may be read."""

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from omop_scorer.cdm.tables import TABLES, SiteTable
from omop_scorer.connections.postgres import Connection, quoted
from omop_scorer.errors import CdmError

_RELATIONS = """
SELECT n.nspname, c.relname, c.oid,
  has_schema_privilege(n.oid, 'USAGE') AS is_open,
  has_table_privilege(c.oid, 'SELECT') AS is_readable,
  c.relkind IN ('r', 'p', 'v') AS is_lockable
FROM pg_catalog.pg_class AS c
INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND lower(c.relname) = ANY (%(names)s)
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(temp|toast)'
ORDER BY n.nspname, c.relname
"""

#: A column of a domain has the type below the domain, which may be of another domain.
_COLUMNS = """
WITH RECURSIVE typed (attnum, attname, type_id, type_modifier) AS (
  SELECT attnum, attname, atttypid, atttypmod FROM pg_catalog.pg_attribute
  WHERE attrelid = %(oid)s AND attnum > 0 AND NOT attisdropped
  UNION ALL
  SELECT c.attnum, c.attname, t.typbasetype, t.typtypmod
  FROM typed AS c
  INNER JOIN pg_catalog.pg_type AS t ON t.oid = c.type_id AND t.typtype = 'd'
)
SELECT c.attname, pg_catalog.format_type(c.type_id, c.type_modifier) AS native
FROM typed AS c
INNER JOIN pg_catalog.pg_type AS t ON t.oid = c.type_id AND t.typtype <> 'd'
ORDER BY c.attnum
"""

#: Tables, reached through views of any depth, whose policies hide rows. A view reads its tables
#: with the rights of its owner, a view with security_invoker with those of the session.
_HIDING = """
WITH RECURSIVE session (oid) AS (
  SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user
), reached (oid, reader) AS (
  SELECT %(oid)s::oid, session.oid FROM session
  UNION
  SELECT d.refobjid, CASE WHEN EXISTS (
      SELECT 1 FROM pg_catalog.pg_options_to_table(v.reloptions) AS o
      WHERE o.option_name = 'security_invoker' AND o.option_value::boolean
    ) THEN session.oid ELSE v.relowner END
  FROM reached AS r
  CROSS JOIN session
  INNER JOIN pg_catalog.pg_class AS v ON v.oid = r.oid AND v.relkind IN ('v', 'm')
  INNER JOIN pg_catalog.pg_rewrite AS w ON w.ev_class = v.oid
  INNER JOIN pg_catalog.pg_depend AS d
    ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
    AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> v.oid
)
SELECT DISTINCT n.nspname, t.relname
FROM reached AS r
INNER JOIN pg_catalog.pg_class AS t
  ON t.oid = r.oid AND t.relkind IN ('r', 'p') AND t.relrowsecurity
INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
INNER JOIN pg_catalog.pg_roles AS a ON a.oid = r.reader
WHERE NOT a.rolsuper AND NOT a.rolbypassrls
  AND (t.relforcerowsecurity OR NOT pg_has_role(r.reader, t.relowner, 'USAGE'))
ORDER BY n.nspname, t.relname
"""


#: Fixed width; `bpchar` is that of a union of several widths.
_PADDED = re.compile(r"character\(|character$|bpchar")
_NUMERIC = re.compile("smallint|integer|bigint|numeric|real|double precision")


@dataclass(frozen=True)
class _Relation:
    schema: str
    name: str
    oid: int
    is_open: bool
    is_readable: bool
    is_lockable: bool


class PostgresCatalog:
    """The tables of a database by name, in any letter case.

    Parameters
    ----------
    connection
        A session on the CDM's database.
    names
        What the site calls each table.
    """

    def __init__(self, connection: Connection, names: dict[str, str]) -> None:
        self._connection = connection
        self._names = names
        self._lockable: set[str] = set()
        self._found: set[str] = set()
        wanted = {names.get(table.name, table.name).lower() for table in TABLES}
        self._relations: dict[str, list[_Relation]] = defaultdict(list)
        for row in connection.rows(_RELATIONS, {"names": sorted(wanted)}):
            relation = _Relation(*row)
            self._relations[relation.name.lower()].append(relation)

    def find(
        self,
        table: str,
        schema: str | None,
        anchor: str,
        native: Callable[[str], str] = str,
    ) -> SiteTable | None:
        """Find a table; without a schema, in the only one that holds the anchor table.

        Raises
        ------
        CdmError
            The schema, or which of several is meant, is not known; or the table may not be read.
        """
        where = self._connection.where
        wanted = self._names.get(table, table)
        found = self._relations[wanted.lower()]
        if schema is None:
            anchors = self._relations[self._names.get(anchor, anchor).lower()]
            homes = sorted({each.schema for each in anchors or found})
            if len(homes) > 1:
                raise CdmError(
                    f"{where}: the schemas {', '.join(homes)} each hold a table {anchor}; "
                    "choose one with cdm.schema or cdm.vocabulary_schema"
                )
        else:
            homes = [self._schema_of(schema)]
        matches = [each for each in found if each.schema in homes]
        if len(matches) > 1:
            # A name that is quoted nowhere is lower-case.
            exact = [each for each in matches if each.name == wanted]
            matches = exact or [each for each in matches if each.name == wanted.lower()] or matches
        if len(matches) > 1:
            names = ", ".join(each.name for each in matches)
            raise CdmError(
                f"{where}: table {wanted} is found as {names}; name one of them under cdm.tables"
            )
        return self._describe(matches[0], native) if matches else None

    def lockable_relations(self) -> set[str]:
        """Return every table found so far that can be locked."""
        return set(self._lockable)

    def relations(self) -> set[str]:
        """Return every table found so far."""
        return set(self._found)

    def _schema_of(self, wanted: str) -> str:
        rows = self._connection.rows(
            "SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_' "
            "AND nspname <> 'information_schema' ORDER BY nspname = %(name)s DESC, nspname",
            {"name": wanted},
        )
        names = [str(name) for (name,) in rows]
        if wanted in names:
            return wanted
        matches = [name for name in names if name.lower() == wanted.lower()]
        if len(matches) != 1:
            known = ", ".join(names) or "none"
            raise CdmError(f"{self._connection.where}: no schema {wanted!r}; schemas: {known}")
        return matches[0]

    def _describe(self, relation: _Relation, native_of: Callable[[str], str]) -> SiteTable:
        label = exp.table_(relation.name, relation.schema, quoted=True).sql(dialect="postgres")
        self._refuse_unreadable(relation, label)
        rows = self._connection.rows(_COLUMNS, {"oid": relation.oid})
        names: dict[str, str] = {}
        natives: dict[str, str] = {}
        for name, native in rows:
            if name.lower() not in names or name == name.lower():
                names[name.lower()], natives[name.lower()] = name, native_of(native)
        self._found.add(label)
        if relation.is_lockable:
            self._lockable.add(label)
        table = exp.table_(relation.name, relation.schema, quoted=True)
        numeric = frozenset(name.lower() for name, native in rows if _NUMERIC.match(native))
        return SiteTable(
            label,
            label,
            natives,
            names,
            table,
            numeric,
            padded=frozenset(name.lower() for name, native in rows if _PADDED.match(native)),
            dated=frozenset(name.lower() for name, native in rows if native == "date"),
            is_filtered=bool(self._connection.rows(_HIDING, {"oid": relation.oid})),
        )

    def _refuse_unreadable(self, relation: _Relation, label: str) -> None:
        if relation.is_open and relation.is_readable:
            return
        ((user,),) = self._connection.rows("SELECT current_user")
        grant = (
            f"GRANT SELECT ON {label} TO {quoted(user)}"
            if relation.is_open
            else f"GRANT USAGE ON SCHEMA {quoted(relation.schema)} TO {quoted(user)}"
        )
        raise CdmError(f"{self._connection.where}: the user may not read {label}: {grant}")
