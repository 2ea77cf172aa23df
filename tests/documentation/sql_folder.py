"""The folder `sql`: its files, the results tables and the views."""

import csv
from functools import cache

from sqlglot import exp

from omop_scorer import sql, terms
from omop_scorer.data_model import person_level_tables
from omop_scorer.model.subgroups import label_set
from omop_scorer.resources import shipped
from tests.documentation.configs_folder import shipped_definitions
from tests.documentation.markdown import code, codes, table, text

#: Migrations are history, and the views have a section of their own.
_NOT_LISTED = {"results", "results/migrations"}


def files(folder: str) -> str:
    """Return the files of a folder with their titles."""
    names = [name for name in sql.names() if name.rpartition("/")[0] == folder]
    rows = [[code(name.rpartition("/")[2]), text(sql.find(name).header["Title"])] for name in names]
    return table(["file", "what it gives"], rows)


def folders() -> list[str]:
    """Return the folders whose files are listed."""
    return sorted({name.rpartition("/")[0] for name in sql.names()} - _NOT_LISTED)


@cache
def specification() -> dict[str, list[dict[str, str]]]:
    """Return the rows of the specification, by table."""
    tables: dict[str, list[dict[str, str]]] = {}
    path = shipped("sql") / "results" / "results_data_model.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            tables.setdefault(row["table_name"], []).append(row)
    return tables


def results_table(name: str) -> str:
    """Return the key of a results table, whether its rows are of persons, and its columns."""
    columns = specification()[name]
    key = codes(each["column_name"] for each in columns if each["primary_key"] == "Yes")
    persons = "rows of persons" if name in person_level_tables() else "no rows of persons"
    rows = [
        [
            code(each["column_name"]),
            each["data_type"],
            each["is_required"].lower(),
            "yes" if each["min_cell_count"] == "Yes" else "",
            text(each["description"]),
        ]
        for each in columns
    ]
    headings = ["column", "type", "required", "count", "description"]
    shown = [f"Key: {key}. It holds {persons}.", table(headings, rows)]
    words = [[code(column), codes(words)] for column, words in coded_words(name).items()]
    return "\n\n".join([*shown, table(["coded column", "words"], words)] if words else shown)


def coded_words(name: str) -> dict[str, tuple[str, ...]]:
    """Return the words that the coded columns of a table hold with the shipped model card."""
    model = shipped_definitions().model
    labels = label_set([each.label for each in model.arrays.classes])
    keys = [each.key for each in model.arrays.classes]
    found = terms.coded_words(keys, labels, model.arrays.covariates)
    return {column: words for (of, column), words in found.items() if of == name}


def views() -> str:
    """Return the views, each with the table that it shows or with its own columns."""
    rows = []
    for view in sql.find("results/views").statements():
        query = view.expression
        if query.find(exp.Star):
            shown = f"the rows of {code(view.this.name.removeprefix('latest_'))} of the latest run"
        else:
            shown = codes(query.named_selects)
        rows.append([code(view.this.name), shown])
    return table(["view", "what it shows, or its columns"], rows)
