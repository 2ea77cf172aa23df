"""Find, read, check and render the SQL files.

A file is plain DuckDB SQL over the logical schemas `cdm`, `vocab`, `work` and `results`. Its
header says what it returns; a test holds every file to it. Schemas are renamed on the parsed
tree and values stay bound parameters: no SQL is ever put together from strings.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
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
        """Return the parsed statements, fresh copies at every call."""
        return [tree.copy() for tree in self._trees]

    @cached_property
    def _trees(self) -> list[exp.Expr]:
        return [tree for tree in sqlglot.parse(self.text, read="duckdb") if tree is not None]

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
        trees = self.statements()
        if schemas is not None:
            for tree in trees:
                place(tree, schemas)
        return [tree.sql(dialect=DIALECTS[dialect], pretty=True, identify=False) for tree in trees]


def place(tree: exp.Expr, schemas: Schemas) -> None:
    """Rename, in place, the logical schemas of a parsed tree; names with a catalog stay."""
    for table in tree.find_all(exp.Table):
        if table.db in schemas and not table.catalog:
            catalog, schema = schemas[table.db]
            table.set("db", exp.to_identifier(schema, quoted=True))
            table.set("catalog", exp.to_identifier(catalog, quoted=True) if catalog else None)


def prefix_tables(tree: exp.Expr, schema: str, tables: Collection[str], text: str) -> None:
    """Put a text, in place, before the names of these tables of a logical schema."""
    for table in tree.find_all(exp.Table):
        if table.db == schema and table.name in tables:
            table.set("this", exp.to_identifier(f"{text}{table.name}"))


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
