"""Find, read, check and render the SQL files.

A file is plain DuckDB SQL over the logical schemas `cdm`, `vocab`, `work` and `results`. Its
header says what it returns; a test holds every file to it. Schemas are renamed on the parsed
tree and values stay bound parameters: no SQL is ever put together from strings.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path

import sqlglot
from sqlglot import exp

from omop_scorer.errors import ConfigurationError
from omop_scorer.resources import shipped

LOGICAL_SCHEMAS = ("cdm", "vocab", "work", "results")

HEADER_FIELDS = ("Title", "Returns", "Tables", "Window", "Missing", "Parameters")

DIALECTS = {"duckdb": "duckdb", "postgresql": "postgres", "postgres": "postgres", "spark": "spark"}

_FIELD = re.compile(rf"^-- ({'|'.join(HEADER_FIELDS)}): (.+)$")

#: Where a logical schema really is: catalog (or None) and schema.
Schemas = Mapping[str, tuple[str | None, str]]


@dataclass(frozen=True)
class SqlFile:
    """One .sql file: its name (the path without suffix, below `sql/`), header and text."""

    name: str
    header: Mapping[str, str]
    text: str

    def statements(self) -> list[exp.Expr]:
        """Return the parsed statements, the same trees at every call: nobody may change them."""
        return self._trees

    def prefixed(self, schema: str, tables: Collection[str], text: str) -> list[exp.Expr]:
        """Return the statements with a text before the names of these tables of a logical schema.

        They are the same trees at every call with the same arguments.
        """
        key = (schema, frozenset(tables), text)
        if key not in self._prefixed:
            trees = [tree.copy() for tree in self._trees]
            for tree in trees:
                for table in tree.find_all(exp.Table):
                    if table.db == schema and table.name in tables:
                        table.set("this", exp.to_identifier(f"{text}{table.name}"))
            self._prefixed[key] = trees
        return self._prefixed[key]

    @cached_property
    def _prefixed(self) -> dict[tuple[str, frozenset[str], str], list[exp.Expr]]:
        return {}

    @cached_property
    def _trees(self) -> list[exp.Expr]:
        trees = [tree for tree in sqlglot.parse(self.text, read="duckdb") if tree is not None]
        for tree in trees:
            tree.meta[_SCHEMAS] = frozenset(table.db for table in tree.find_all(exp.Table))
        return trees

    @cached_property
    def parameters(self) -> frozenset[str]:
        """Names of the parameters that the statements bind."""
        return frozenset(
            placeholder.name
            for tree in self._trees
            for placeholder in tree.find_all(exp.Placeholder)
        )

    def render(self, dialect: str, schemas: Schemas | None = None) -> list[str]:
        """Return the statements in a dialect, logical schemas replaced by real ones.

        Parameters stay named: `$name` for duckdb, `%(name)s` for postgres, `:name` for spark.
        """
        trees = [tree.copy() for tree in self._trees]
        if schemas is not None:
            for tree in trees:
                qualify(tree, schemas)
        return [tree.sql(dialect=DIALECTS[dialect], pretty=True, identify=False) for tree in trees]


def qualify(tree: exp.Expr, schemas: Schemas) -> None:
    """Rename, in place, the logical schemas of a parsed tree; names with a catalog stay."""
    for table in tree.find_all(exp.Table):
        if table.db in schemas and not table.catalog:
            catalog, schema = schemas[table.db]
            table.set("db", exp.to_identifier(schema, quoted=True))
            table.set("catalog", exp.to_identifier(catalog, quoted=True) if catalog else None)


def rendered(
    tree: exp.Expr, schemas: Schemas, write: Callable[..., str], *arguments: object
) -> str:
    """Return a tree as text for the real schemas.

    A tree of a file is left as it is, and rendered once in a process for all of the same arguments;
    any other is used up.

    Parameters
    ----------
    tree, schemas
        What to render, and where its logical schemas are.
    write
        A function of a module, given a tree that is its own, the schemas, and the arguments.
    arguments
        Whatever else the text depends on.
    """
    named = tree.meta.get(_SCHEMAS)
    if named is None:
        return write(tree, schemas, *arguments)
    where = tuple(sorted((name, *schemas[name]) for name in named & schemas.keys()))
    return _rendered_once(_Same(tree), where, write, arguments)


#: Key of a tree's notes under which a file's tree keeps the schemas that it names.
_SCHEMAS = "logical_schemas"


@dataclass(frozen=True, eq=False)
class _Same:
    """A tree that equals nothing but itself: comparing trees part by part would take longer."""

    tree: exp.Expr

    def __hash__(self) -> int:
        return id(self.tree)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.tree is other.tree


@lru_cache(maxsize=2048)
def _rendered_once(
    same: _Same,
    where: tuple[tuple[str, str | None, str], ...],
    write: Callable[..., str],
    arguments: tuple[object, ...],
) -> str:
    schemas = {name: (catalog, schema) for name, catalog, schema in where}
    return write(same.tree.copy(), schemas, *arguments)


def parse(text: str) -> exp.Expr:
    """Parse one statement over the logical schemas that stands in the code."""
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
        No file, or more than one, goes by that name.
    """
    known = names()
    matches = [known_name for known_name in known if name in (known_name, Path(known_name).name)]
    if len(matches) != 1:
        raise ConfigurationError(
            f"SQL file {name!r}: found {len(matches)} of that name; known: {', '.join(known)}"
        )
    return _read(matches[0])


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
