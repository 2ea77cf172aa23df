"""What is alike in how engines give the queries a site's table: which columns, and what is lost."""

from collections.abc import Callable

import sqlglot
from sqlglot import exp

from omop_scorer.cdm.tables import Kind, SiteTable, Table
from omop_scorer.config.connections import Cdm

#: From a column, its native type, the declared kind and the rules of the site: its value, and the
#: condition under which one is lost, None where none can be.
SafeCast = Callable[[exp.Expr, str, Kind, Cdm], tuple[exp.Expr, exp.Expr | None]]


def mapped_columns(
    table: Table,
    site: SiteTable | None,
    cdm: Cdm,
    safe_cast: SafeCast,
    null: Callable[[Kind], exp.Expr],
) -> tuple[list[exp.Expr], dict[str, exp.Expr]]:
    """Return the columns of a table as declared, missing ones NULL, and how to count lost values.

    Parameters
    ----------
    table, site
        What is declared, and what the site has; None: nothing.
    cdm
        Which texts mean missing and how dates are written.
    safe_cast, null
        An engine's own.
    """
    selected: list[exp.Expr] = []
    lost: dict[str, exp.Expr] = {}
    for column in table.columns:
        value = null(column.kind)
        if site is not None and column.name in site.columns:
            raw = exp.column(exp.to_identifier(site.names[column.name], quoted=True))
            value, is_lost = safe_cast(raw, site.columns[column.name], column.kind, cdm)
            if is_lost is not None:
                lost[column.name] = exp.Count(this=exp.case().when(is_lost, "1"))
        selected.append(exp.alias_(value, column.name))
    return selected, lost


def present(column: exp.Expr, kind: Kind, cdm: Cdm) -> exp.Expr:
    """Turn the texts that mean missing into NULL; text that stays text, only if asked to."""
    texts = set(cdm.null_text)
    if kind == "text" and texts <= {""}:
        return column
    return exp.case().when(column.isin(*sorted({"", *texts})), exp.null()).else_(column)


def fill(template: str, dialect: str, column: exp.Expr) -> exp.Expr:
    """Return an expression in which a column stands wherever the template, of a dialect, says x."""
    tree = sqlglot.parse_one(template, read=dialect)
    return tree.transform(
        lambda node: column.copy() if isinstance(node, exp.Column) and node.name == "x" else node
    )
