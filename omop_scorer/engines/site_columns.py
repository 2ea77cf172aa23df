"""Columns of a mapped CDM table. Engines differ only in the casts that they pass in."""

import re
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from omop_scorer.cdm.tables import Kind, SiteTable, Table
from omop_scorer.config.connections import Cdm
from omop_scorer.engines.texts import BLANKS

#: Function of a column, its type at the site, the declared kind and the CDM settings. It returns
#: the cast column, and the condition under which the cast loses a value; None if it never does.
#: In place of the type of a column of numbers whose values arrive as text.
NUMBER_AS_TEXT = "number as text"

SafeCast = Callable[[exp.Expr, str, Kind, Cdm], tuple[exp.Expr, exp.Expr | None]]


@dataclass(frozen=True)
class Mapped:
    """A declared table over a site's table, and the columns and query that count lost values."""

    query: exp.Query
    lost: tuple[str, ...]
    counting: exp.Query


def mapped_table(
    table: Table,
    site: SiteTable | None,
    cdm: Cdm,
    safe_cast: SafeCast,
    null: Callable[[Kind], exp.Expr],
    dialect: str,
) -> Mapped:
    """Return the query of a declared table: the rows of every part, or none if there is no table.

    Parameters
    ----------
    table, site, cdm, safe_cast, null
        As for `mapped_columns`.
    dialect
        Dialect of the relations of the site.
    """
    if site is None:
        selected, _ = mapped_columns(table, None, cdm, safe_cast, null)
        return Mapped(exp.select(*selected).where("FALSE"), (), exp.select())
    pieces = [(part, *mapped_columns(table, part, cdm, safe_cast, null)) for part in site.pieces]
    losing = {name for _, _, lost in pieces for name in lost}
    columns = tuple(column.name for column in table.columns if column.name in losing)
    queries, counts = [], []
    for part, selected, lost in pieces:
        queries.append(exp.select(*selected).from_(part.relation, dialect=dialect))
        if lost:
            each = [exp.alias_(lost.get(name, "0"), name) for name in columns]
            counts.append(exp.select(*each).from_(part.relation, dialect=dialect))
    return Mapped(_together(queries), columns, _sum(counts, columns))


def _together(queries: Sequence[exp.Query]) -> exp.Query:
    """Return one query for the rows of all."""
    # Nested to the depth of a balanced tree, because the parts of a table may be thousands.
    if len(queries) == 1:
        return queries[0]
    half = len(queries) // 2
    return exp.union(_together(queries[:half]), _together(queries[half:]), distinct=False)


def _sum(counts: Sequence[exp.Query], columns: Sequence[str]) -> exp.Query:
    """Return the sums of several counts of the same columns."""
    if len(counts) < 2:
        return counts[0] if counts else exp.select()
    sums = [exp.Sum(this=exp.column(name)) for name in columns]
    return exp.select(*sums).from_(_together(counts).subquery("part"))


def mapped_columns(
    table: Table,
    site: SiteTable | None,
    cdm: Cdm,
    safe_cast: SafeCast,
    null: Callable[[Kind], exp.Expr],
) -> tuple[list[exp.Expr], dict[str, exp.Expr]]:
    """Return the declared columns of a table, and expressions that count lost values.

    Parameters
    ----------
    table, site
        Declared table, and the site's table; None if the site has none.
    cdm
        Settings that list the texts for missing and the date formats.
    safe_cast, null
        Cast of the engine, and its typed NULL for columns that the site lacks.

    Returns
    -------
    tuple
        Columns to select, in declared order; and a count for each column whose cast can lose
        values, by column name.
    """
    selected: list[exp.Expr] = []
    lost: dict[str, exp.Expr] = {}
    for column in table.columns:
        value = null(column.kind)
        if site is not None and column.name in site.columns:
            raw = exp.column(exp.to_identifier(site.names[column.name], quoted=True))
            native = site.columns[column.name]
            if native == "VARCHAR" and column.name in site.numeric:
                native = NUMBER_AS_TEXT
            # `null_text` lists texts; a number of a database may arrive as text, and stays one.
            listed = _without_null_text(cdm) if column.name in site.numeric else cdm
            value, is_lost = safe_cast(raw, native, column.kind, listed)
            if is_lost is not None:
                lost[column.name] = exp.Count(this=exp.case().when(is_lost, "1"))
        selected.append(exp.alias_(value, column.name))
    return selected, lost


def texts_without_value(cdm: Cdm, no_values: Set[str]) -> Set[str]:
    """Return the texts, in lower case and without blanks around them, that are no values."""
    return {"", *no_values, *(text.strip().lower() for text in cdm.null_text)}


def any_value(site: SiteTable, cdm: Cdm, no_values: Set[str], dialect: str) -> exp.Query:
    """Return a query with one row if a table holds a value, as `Engine.has_values` defines it."""
    texts = sorted(texts_without_value(cdm, no_values))
    parts = [_any_value(part, texts, dialect) for part in site.pieces]
    return exp.union(*parts, distinct=False).limit(1) if len(parts) > 1 else parts[0]


def _any_value(site: SiteTable, texts: Sequence[str], dialect: str) -> exp.Select:
    conditions: list[exp.Expr] = [exp.false()]
    for name, native in site.columns.items():
        column = exp.column(exp.to_identifier(site.names[name], quoted=True))
        if re.match("varchar|string|char", native, re.IGNORECASE):
            bare = exp.func("LOWER", exp.func("TRIM", column))
            conditions.append(bare.isin(*texts).not_())
        else:
            conditions.append(column.is_(exp.null()).not_())
    query = exp.select("1").from_(site.relation, dialect=dialect)
    return query.where(exp.or_(*conditions)).limit(1)


def _without_null_text(cdm: Cdm) -> Cdm:
    return cdm.model_copy(update={"null_text": ("",)})


def missing_as_null(column: exp.Expr, kind: Kind, cdm: Cdm, dialect: str) -> exp.Expr:
    """Return a text column with NULL in place of the empty text and of `cdm.null_text`.

    A column whose declared kind is text keeps blanks and empty texts, unless `null_text` names
    other texts. In any other column blanks around a text mean nothing, and blanks alone are empty.
    """
    texts = set(cdm.null_text)
    if kind == "text" and texts <= {""}:
        return column
    if kind != "text":
        column = fill(f"TRIM(BOTH {BLANKS} FROM x)", dialect, column)
    return exp.case().when(column.isin(*sorted({"", *texts})), exp.null()).else_(column)


def fill(template: str, dialect: str, column: exp.Expr) -> exp.Expr:
    """Parse a template in a dialect and put the column in place of every `x`."""
    tree = sqlglot.parse_one(template, read=dialect)
    return tree.transform(
        lambda node: column.copy() if isinstance(node, exp.Column) and node.name == "x" else node
    )
