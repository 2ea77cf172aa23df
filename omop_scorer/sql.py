"""The SQL files: lookup, header, and rendering for a dialect.

A file is plain DuckDB SQL over the logical schemas `cdm`, `vocab`, `work` and `results`. Its header
describes the query, and a test compares the two. Schemas are renamed on the parsed tree and values
remain bound parameters, so SQL is never built from strings.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import sqlglot
from sqlglot import exp

from omop_scorer.errors import ConfigurationError
from omop_scorer.resources import shipped

LOGICAL_SCHEMAS = ("cdm", "vocab", "work", "results")

HEADER_FIELDS = ("Title", "Returns", "Tables", "Window", "Missing", "Parameters")

#: sqlglot's name of a dialect in which some file is sent: to an engine, a store or a source.
Dialect: TypeAlias = Literal[
    "duckdb",
    "spark",
    "postgres",
    "bigquery",
    "databricks",
    "mysql",
    "oracle",
    "redshift",
    "snowflake",
    "sqlite",
    "trino",
    "tsql",
]
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
_ENGINES: tuple[Dialect, ...] = ("duckdb", "spark")
_STORES: tuple[Dialect, ...] = (*_ENGINES, "postgres")
#: Dialects by folder. The rules, in all other folders, run on the engines.
_BY_FOLDER = {"source": DIALECTS, "history": _STORES, "results": _STORES}

_FIELD = re.compile(rf"^-- ({'|'.join(HEADER_FIELDS)}): (.+)$")

#: Catalog (or None) and schema of each logical schema at a site.
Schemas = Mapping[str, tuple[str | None, str]]


@dataclass(frozen=True)
class SqlFile:
    """One SQL file: its name (the path below `sql/`, without suffix), header and text."""

    name: str
    header: Mapping[str, str]
    text: str

    def statements(self) -> list[exp.Expr]:
        """Return the parsed statements. Every call returns the same trees; do not change them."""
        return self._trees

    def prefixed(self, schema: str, tables: Collection[str], prefix: str) -> list[exp.Expr]:
        """Return the statements with a prefix on the names of some tables of a logical schema.

        Calls with the same arguments return the same trees; do not change them.
        """
        key = (schema, frozenset(tables), prefix)
        if key not in self._prefixed:
            trees = [tree.copy() for tree in self._trees]
            for tree in trees:
                for table in tree.find_all(exp.Table):
                    if table.db == schema and table.name in tables:
                        table.set("this", exp.to_identifier(f"{prefix}{table.name}"))
            self._prefixed[key] = trees
        return self._prefixed[key]

    @cached_property
    def _prefixed(self) -> dict[tuple[str, frozenset[str], str], list[exp.Expr]]:
        return {}

    @cached_property
    def _trees(self) -> list[exp.Expr]:
        trees = [tree for tree in sqlglot.parse(self.text, read="duckdb") if tree is not None]
        for tree in trees:
            tree.meta[_TABLES] = _tables_of(tree)
        return trees

    @cached_property
    def parameters(self) -> frozenset[str]:
        """Names of the parameters that the statements bind."""
        return frozenset(
            placeholder.name
            for tree in self._trees
            for placeholder in tree.find_all(exp.Placeholder)
        )

    @property
    def dialects(self) -> tuple[Dialect, ...]:
        """Dialects in which the statements are sent; `render` gives the SQL of any."""
        return _BY_FOLDER.get(self.name.partition("/")[0], _ENGINES)

    def render(self, dialect: Dialect, schemas: Schemas | None = None) -> list[str]:
        """Return the statements in a dialect, with the logical schemas replaced by real ones.

        Parameters stay named: `$name` for duckdb, `%(name)s` for postgres, `:name` for spark.
        """
        trees = [tree.copy() for tree in self._trees]
        if schemas is not None:
            for tree in trees:
                qualify(tree, schemas)
        return [tree.sql(dialect=dialect, pretty=True, identify=False) for tree in trees]


def qualify(tree: exp.Expr, schemas: Schemas) -> None:
    """Replace the logical schemas of a parsed tree in place; names with a catalog stay."""
    for table in tree.find_all(exp.Table):
        if table.db in schemas and not table.catalog:
            catalog, schema = schemas[table.db]
            table.set("db", exp.to_identifier(schema, quoted=True))
            table.set("catalog", exp.to_identifier(catalog, quoted=True) if catalog else None)


def rendered(
    tree: exp.Expr, schemas: Schemas, write: Callable[..., str], *arguments: object
) -> str:
    """Return a tree as text for the real schemas.

    The tree of a file is copied first, and the text is cached for the process. Any other tree may
    be changed by `write`.

    Parameters
    ----------
    tree
        The tree to render.
    schemas
        Catalog and schema of each logical schema.
    write
        A module-level function that renders a tree; it receives a tree that it may change, the
        schemas, and the arguments.
    arguments
        Everything else that the text depends on; hashable.
    """
    named = tree.meta.get(_TABLES)
    if named is None:
        return write(tree, schemas, *arguments)
    used = {schema for schema, _ in named}
    located = tuple(sorted((name, *schemas[name]) for name in used & schemas.keys()))
    return _rendered_once(_ById(tree), located, write, arguments)


def tables_of(tree: exp.Expr) -> frozenset[tuple[str, str]]:
    """Return the tables that a tree over the logical schemas names: schema and table.

    Work tables of a tree from `prefixed` are named without the prefix.
    """
    named: frozenset[tuple[str, str]] = tree.meta.get(_TABLES) or _tables_of(tree)
    return named


def _tables_of(tree: exp.Expr) -> frozenset[tuple[str, str]]:
    return frozenset((table.db, table.name) for table in tree.find_all(exp.Table))


#: Key of `meta` under which the tree of a file keeps the tables that it names.
_TABLES = "logical_tables"


@dataclass(frozen=True, eq=False)
class _ById:
    """A tree compared by identity, because comparing trees node by node takes longer."""

    tree: exp.Expr

    def __hash__(self) -> int:
        return id(self.tree)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and self.tree is other.tree


@lru_cache(maxsize=2048)
def _rendered_once(
    by_id: _ById,
    located: tuple[tuple[str, str | None, str], ...],
    write: Callable[..., str],
    arguments: tuple[object, ...],
) -> str:
    schemas = {name: (catalog, schema) for name, catalog, schema in located}
    return write(by_id.tree.copy(), schemas, *arguments)


def parse(text: str) -> exp.Expr:
    """Parse one statement over the logical schemas, given as a string in the code."""
    return sqlglot.parse_one(text, read="duckdb")


@cache
def names() -> tuple[str, ...]:
    """Return the names of all SQL files, for example `covariates/crp`."""
    root = shipped("sql")
    paths = root.rglob("*.sql")
    return tuple(sorted(path.relative_to(root).with_suffix("").as_posix() for path in paths))


@cache
def find(name: str) -> SqlFile:
    """Return a file by its name or by its last part, `crp` for `covariates/crp`.

    Raises
    ------
    ConfigurationError
        No file, or more than one, has that name.
    """
    known = names()
    matches = [known_name for known_name in known if name in (known_name, Path(known_name).name)]
    if len(matches) != 1:
        raise ConfigurationError(
            f"SQL file {name!r}: found {len(matches)} files; allowed: one of {', '.join(known)}"
        )
    return _read(matches[0])


#: Files whose work table has another name, or the name of which has files of several tables.
_PRODUCERS = {
    "cohort_member": ("cohort/left_out",),
    "record_count": ("cohort/record_count",),
}


def chain(name: str) -> list[SqlFile]:
    """Return the files that a file rests on, in the order in which a run stages them, and itself.

    A file comes before every file that reads its work table. Work tables that the program loads
    (rules, units, lines) have no file.

    Raises
    ------
    ConfigurationError
        As for `find`.
    """
    ordered: dict[str, SqlFile] = {}

    def add(file: SqlFile, above: frozenset[str]) -> None:
        if file.name in ordered or file.name in above:
            return
        for table in re.findall(r"\bwork\.(\w+)", file.header["Tables"]):
            for producer in _producers(table):
                add(find(producer), above | {file.name})
        ordered[file.name] = file

    add(find(name), frozenset())
    return list(ordered.values())


def _producers(table: str) -> tuple[str, ...]:
    """Return the names of the files whose rows a work table holds."""
    if table in _PRODUCERS:
        return _PRODUCERS[table]
    if table == "covariate":
        return tuple(each for each in names() if _gives_covariate(each))
    rules = [each for each in names() if each.partition("/")[0] not in _BY_FOLDER]
    return tuple(each for each in rules if each.partition("/")[2] == table)


def _gives_covariate(name: str) -> bool:
    """Return True for a file whose rows are appended to `work.covariate`."""
    text = find(name).text if name.startswith("covariates/") else ""
    return f"'{name.rpartition('/')[2]}' AS covariate," in text


@cache
def _read(name: str) -> SqlFile:
    path = shipped("sql") / f"{name}.sql"
    text = path.read_text(encoding="utf-8")
    header: dict[str, str] = {}
    field = None
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        if match := _FIELD.match(line):
            field = match[1]
            header[field] = match[2].strip()
        elif field is not None:
            header[field] += " " + line.removeprefix("--").strip()
    return SqlFile(name=name, header=header, text=text)
