"""Errors of a query, with the column of the CDM that causes them, as the site knows it.

An engine names the work table at which it stops. So each column that the query reads is read again
alone, until one fails.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from sqlglot import exp

from omop_scorer import sql
from omop_scorer.cdm.tables import SiteTable, Table
from omop_scorer.errors import SqlError

Mapped = Mapping[str, tuple[Table, SiteTable]]
"""The mapped tables that exist at the site, by qualified name such as `cdm.person`."""


@contextmanager
def column_named(
    query: exp.Expr, mapped: Mapped, read: Callable[[exp.Expr], object]
) -> Iterator[None]:
    """Raise an error of a query with the column of the CDM that cannot be read.

    Parameters
    ----------
    query
        The query over the logical schemas.
    mapped
        The tables that it may read.
    read
        Function that runs a query, and raises SqlError.
    """
    names = sorted(f"{schema}.{table}" for schema, table in sql.tables_of(query))
    tables = [mapped[name] for name in names if name in mapped]
    try:
        yield
    except SqlError as error:
        raise _explained(error, tables, read) from None


def _explained(
    error: SqlError, tables: list[tuple[Table, SiteTable]], read: Callable[[exp.Expr], object]
) -> SqlError:
    text = str(error)
    # More of the same memory, disk or connection would be needed to look.
    if error.is_transient or "memory" in text or "space" in text:
        return error
    for table, site in tables:
        for column in table.columns:
            if column.name not in site.columns:
                continue
            query = exp.select(exp.Count(this=exp.column(column.name)))
            try:
                read(query.from_(exp.table_(table.name, db=table.schema)))
            except SqlError as failed:
                reason = str(failed).partition(": query: ")[2] or str(failed)
                name = site.names[column.name]
                return _like(error, f"{site.label}: column {name} cannot be read: {reason}")
    if tables:
        return _like(error, f"{text}; it reads {', '.join(site.label for _, site in tables)}")
    if text.endswith(")"):
        text += "; every value that it reads was computed before: please report this line"
    return _like(error, text)


def _like(error: SqlError, text: str) -> SqlError:
    """Return an error with another text, which is retried like the first one."""
    explained = type(error)(text)
    explained.is_transient = error.is_transient
    return explained
