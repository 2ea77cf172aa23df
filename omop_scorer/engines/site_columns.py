"""Columns of a mapped CDM table. Engines differ only in the casts that they pass in."""

from collections.abc import Callable

import sqlglot
from sqlglot import exp

from omop_scorer.cdm.tables import Kind, SiteTable, Table
from omop_scorer.config.connections import Cdm

#: Function of a column, its type at the site, the declared kind and the CDM settings. It returns
#: the cast column, and the condition under which the cast loses a value; None if it never does.
SafeCast = Callable[[exp.Expr, str, Kind, Cdm], tuple[exp.Expr, exp.Expr | None]]


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
            # `null_text` lists texts; a number of a database may arrive as text, and stays one.
            listed = _without_null_text(cdm) if column.name in site.numeric else cdm
            value, is_lost = safe_cast(raw, site.columns[column.name], column.kind, listed)
            if is_lost is not None:
                lost[column.name] = exp.Count(this=exp.case().when(is_lost, "1"))
        selected.append(exp.alias_(value, column.name))
    return selected, lost


def _without_null_text(cdm: Cdm) -> Cdm:
    return cdm.model_copy(update={"null_text": ("",)})


def missing_as_null(column: exp.Expr, kind: Kind, cdm: Cdm) -> exp.Expr:
    """Return a text column with NULL in place of the empty text and of `cdm.null_text`.

    A column whose declared kind is text keeps empty texts, unless `null_text` names other texts.
    """
    texts = set(cdm.null_text)
    if kind == "text" and texts <= {""}:
        return column
    return exp.case().when(column.isin(*sorted({"", *texts})), exp.null()).else_(column)


def fill(template: str, dialect: str, column: exp.Expr) -> exp.Expr:
    """Parse a template in a dialect and put the column in place of every `x`."""
    tree = sqlglot.parse_one(template, read=dialect)
    return tree.transform(
        lambda node: column.copy() if isinstance(node, exp.Column) and node.name == "x" else node
    )
