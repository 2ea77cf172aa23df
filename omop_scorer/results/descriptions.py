"""Descriptions of the results tables, the views and their columns, as comments in the database.

Columns of tables are described in `results_data_model.csv`, tables and views in `descriptions.csv`.
A column of a view has the description of the column that it shows; those that a view makes itself
are in `descriptions.csv` too.
"""

import csv
from collections.abc import Iterator, Mapping
from functools import cache

from sqlglot import exp

from omop_scorer import sql
from omop_scorer.data_model import data_model
from omop_scorer.resources import shipped
from omop_scorer.stores.base import Description


@cache
def descriptions() -> tuple[Description, ...]:
    """Return a description of each table, of each view, and of each of their columns.

    An undescribed one is left out; a test finds it.
    """
    written = _written()
    columns = {
        table: {each.column_name: each.description for each in of_table}
        for table, of_table in data_model().items()
    }
    columns["schema_version"] = dict(written["schema_version"])
    for name, query in _views().items():
        own = written.get(name, {})
        columns[name] = {
            column: own.get(column) or columns.get(table, {}).get(shown, "")
            for column, table, shown in _shown(query, columns)
        }
    views = _views().keys()
    return tuple(
        Description(name, name in views, column, text)
        for name, of_name in columns.items()
        for column, text in {"": _of(name, written), **of_name}.items()
        if text
    )


def _of(name: str, written: Mapping[str, Mapping[str, str]]) -> str:
    """Return the description of a table or view; `latest_<table>` may have that of the table."""
    if (own := written.get(name, {}).get("")) is not None:
        return own
    table = name.removeprefix("latest_")
    text = written.get(table, {}).get("", "")
    return f"The rows of {table} of the latest run. {text}" if text else ""


@cache
def _written() -> dict[str, dict[str, str]]:
    """Return the texts of `descriptions.csv` by name and column; "" is the table or view itself."""
    found: dict[str, dict[str, str]] = {}
    path = shipped("sql") / "results" / "descriptions.csv"
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["name"], {})[row["column_name"]] = row["description"]
    return found


def _views() -> dict[str, exp.Select]:
    """Return the query of each view, in the order in which they are created."""
    return {
        statement.this.name: statement.expression
        for statement in sql.find("results/views").statements()
    }


def _shown(
    query: exp.Select, columns: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[str, str, str]]:
    """Yield each column of a view, and the table or view and the column that it shows, if any."""
    joined = [query.args["from_"], *query.args.get("joins", [])]
    sources = {each.this.alias_or_name: each.this for each in joined}
    tables = {
        alias: source.name for alias, source in sources.items() if isinstance(source, exp.Table)
    }
    for each in query.expressions:
        inner = each.unalias()
        table = tables.get(inner.table, "") if isinstance(inner, exp.Column) else ""
        if each.is_star:
            yield from ((name, table, name) for name in columns[table])
        else:
            yield each.alias_or_name, table, inner.name
