"""Descriptions of the results, read back as comments from the databases that keep them."""

import csv

from omop_scorer.data_model import data_model
from omop_scorer.resources import shipped
from tests.support.command_line import Site, in_files_and_on_a_server

#: Comments by table or view and column; "" for the table or view itself. $ is the schema.
COMMENTS = {
    "duckdb": (
        "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE schema_name = '$' "
        "UNION ALL SELECT table_name, '', comment FROM duckdb_tables() WHERE schema_name = '$' "
        "UNION ALL SELECT view_name, '', comment FROM duckdb_views() WHERE schema_name = '$'"
    ),
    "postgresql": (
        "SELECT c.relname, COALESCE(a.attname, ''), d.description "
        "FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
        "LEFT JOIN (SELECT attrelid, attnum, attname FROM pg_attribute "
        "WHERE attnum > 0 AND NOT attisdropped UNION ALL SELECT oid, 0, '' FROM pg_class) AS a "
        "ON a.attrelid = c.oid "
        "LEFT JOIN pg_description AS d ON d.objoid = c.oid AND d.objsubid = a.attnum "
        "WHERE n.nspname = '$' AND c.relkind IN ('r', 'v')"
    ),
}


def comments(site: Site) -> dict[tuple[str, str], str | None]:
    rows = site.rows(COMMENTS[site.engine].replace("$", site.results_schema))
    found = {(table, column): text for table, column, text in rows}
    assert len(found) == len(rows)
    return found


def assert_described(site: Site) -> None:
    """Hold every table, view and column of the results to a description."""
    found = comments(site)
    assert [name for name, text in found.items() if not text] == []
    for table, columns in data_model().items():
        for column in columns:
            assert found[table, column.column_name] == column.description
    # A view says what the column of its table says, and of its own columns what is written.
    assert found["latest_prevalence", "share"] == found["prevalence", "share"]
    assert found["latest_patient", "as_of_date"] == found["scoring_run", "as_of_date"]
    assert found["latest_patient", "race"] == found["patient_attribute", "race"]
    path = shipped("sql") / "results" / "descriptions.csv"
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            assert found[row["name"], row["column_name"]] == row["description"]


@in_files_and_on_a_server
def test_every_table_view_and_column_has_a_comment(site: Site) -> None:
    assert_described(site)
