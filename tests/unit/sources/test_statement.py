"""Statements of sql/source, fitted to the tables of a site."""

from datetime import date

import pytest
from sqlglot import exp

from omop_scorer import sql
from omop_scorer.cdm.tables import COUNT_TABLES, TABLES, SiteTable
from omop_scorer.sources.statement import LONGEST_LIST, Ids, Statement, bound, fitted

#: What a statement may consist of; the same words in every database.
ALLOWED = {
    *("Select", "Column", "Identifier", "From", "Table", "Where", "And", "In", "Placeholder"),
    *("Subquery", "Alias", "Group", "Count", "Star", "Min", "Max", "LTE", "Literal"),
    *("Or", "Paren", "Is", "Null"),
}
NAMES = [name for name in sql.names() if name.startswith("source/")]


def site(table: str, **changes: object) -> SiteTable:
    """A table as a site has it: names in upper case, ids as numbers."""
    columns = {c.name: c.kind for each in TABLES if each.name == table for c in each.columns}
    natives = {"integer": "BIGINT", "double": "DOUBLE"}
    found = {
        "relation": table,
        "label": table,
        "columns": {name: natives.get(kind, "VARCHAR") for name, kind in columns.items()},
        "names": {name: name.upper() for name in columns},
        "table": exp.table_(table.upper(), "Site", quoted=True),
        "numeric": frozenset(n for n, kind in columns.items() if kind in natives),
        "dated": frozenset(n for n, kind in columns.items() if kind == "date"),
    }
    return SiteTable(**{**found, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_statements_use_a_small_part_of_sql(name: str) -> None:
    (query,) = sql.find(name).statements()
    assert {type(node).__name__ for node in query.walk()} <= ALLOWED
    for select in query.find_all(exp.Select):
        assert "joins" not in {key for key, value in select.args.items() if value}


def test_every_table_that_is_read_has_a_statement() -> None:
    expected = {table.name for table in (*TABLES, *COUNT_TABLES)}
    assert expected <= {name.rpartition("/")[2] for name in NAMES}


@pytest.mark.parametrize("table", [table.name for table in TABLES])
def test_a_statement_selects_every_declared_column(table: str) -> None:
    tables = {table: site(table), "condition_occurrence": site("condition_occurrence")}
    declared = next(each for each in TABLES if each.name == table)
    assert set(fitted(table, tables).columns) == {column.name for column in declared.columns}


def test_names_are_quoted_and_missing_columns_left_out() -> None:
    whole = site("person")
    columns = {n: t for n, t in whole.columns.items() if n != "race_concept_id"}
    tables = {
        "person": site("person", columns=columns),
        "condition_occurrence": site("condition_occurrence"),
    }
    statement = fitted("person", tables)
    ((tree, values),) = bound(
        statement, {"cohort_concept_ids": [201606, 7], "cohort_source_ids": []}
    )
    assert tree.sql("postgres", comments=False) == (
        'SELECT "PERSON_ID", "GENDER_CONCEPT_ID", "YEAR_OF_BIRTH", "MONTH_OF_BIRTH", '
        '"DAY_OF_BIRTH", "CARE_SITE_ID" FROM "Site"."PERSON" '
        'WHERE "PERSON_ID" IN (SELECT "PERSON_ID" FROM '
        '"Site"."CONDITION_OCCURRENCE" WHERE "CONDITION_CONCEPT_ID" IN '
        "(%(cohort_concept_ids_0)s, %(cohort_concept_ids_1)s))"
    )
    assert values == {"cohort_concept_ids_0": 201606, "cohort_concept_ids_1": 7}
    assert statement.columns == tuple(columns)


def test_ids_kept_as_text_are_not_compared() -> None:
    text = site("condition_occurrence", numeric=frozenset())
    ((tree, values),) = bound(
        fitted("condition_occurrence", {"condition_occurrence": text}), {"concept_ids": [1]}
    )
    assert tree.args.get("where") is None
    assert values == {}


def test_persons_of_two_types_are_not_compared() -> None:
    tables = {
        "person": site("person", numeric=frozenset()),
        "condition_occurrence": site("condition_occurrence"),
    }
    ((tree, _),) = bound(
        fitted("person", tables), {"cohort_concept_ids": [1], "cohort_source_ids": []}
    )
    assert tree.args.get("where") is None


def test_counts_are_by_date_where_dates_cannot_be_compared() -> None:
    ids = {"concept_ids": [1], "as_of_date": date(2024, 3, 1)}
    ((tree, values),) = bound(
        fitted("measurement_count", {"measurement": site("measurement")}), ids
    )
    assert len(tree.args["group"].expressions) == 1
    assert values == {"concept_ids_0": 1, "as_of_date": date(2024, 3, 1)}
    text = site("measurement", dated=frozenset())
    ((tree, values),) = bound(fitted("measurement_count", {"measurement": text}), ids)
    assert len(tree.args["group"].expressions) == 2
    assert tree.find(exp.Min) is None
    assert values == {"concept_ids_0": 1}


@pytest.mark.parametrize(("n", "n_statements"), [(0, 0), (1, 1), (1000, 1), (1001, 2), (2500, 3)])
def test_long_lists_are_split_over_statements(n: int, n_statements: int) -> None:
    statement = fitted("concept", {"concept": site("concept")})
    parts = list(bound(statement, {"concept_ids": list(range(n))}))
    assert len(parts) == n_statements
    assert [value for _, values in parts for value in values.values()] == list(range(n))


def test_two_long_lists_are_divided_into_every_pair_of_parts() -> None:
    statement = fitted("concept_by_code", {"concept": site("concept")})
    codes, vocabularies = ([f"{kind}{n}" for n in range(1500)] for kind in ("code", "vocabulary"))
    parts = [
        values
        for _, values in bound(statement, {"concept_codes": codes, "vocabulary_ids": vocabularies})
    ]
    assert [len(values) for values in parts] == [2000, 1500, 1500, 1000]
    pairs = set()
    for values in parts:
        kinds: dict[str, list[object]] = {"code": [], "vocabulary": []}
        for value in values.values():
            kinds[str(value).rstrip("0123456789")].append(value)
        pairs |= {(code, other) for code in kinds["code"] for other in kinds["vocabulary"]}
    assert len(pairs) == 1500 * 1500


def test_a_long_list_of_a_subquery_becomes_literals_of_one_statement() -> None:
    tables = {"death": site("death"), "condition_occurrence": site("condition_occurrence")}
    ids = {"cohort_concept_ids": list(range(LONGEST_LIST + 1)), "cohort_source_ids": []}
    ((tree, values),) = bound(fitted("death", tables), ids)
    assert values == {}
    lists = [each for each in tree.find_all(exp.In) if each.expressions]
    assert [len(each.expressions) for each in lists] == [LONGEST_LIST, 1]
    assert tree.sql("tsql", comments=False).endswith("OR [CONDITION_CONCEPT_ID] IN (1000)))")


@pytest.mark.parametrize("name", NAMES)
def test_no_statement_binds_more_values_than_sql_server_takes(name: str) -> None:
    tables = {table.name: site(table.name) for table in TABLES}
    statement = fitted(name.removeprefix("source/"), tables)
    listed = list(range(2500))
    ids = dict.fromkeys(
        (each.name for each in statement.tree.find_all(exp.Placeholder)), listed
    ) | {"as_of_date": date(2024, 3, 1)}
    parts = list(bound(statement, ids))
    assert max(len(values) for _, values in parts) <= 2098


def disease(**changes: object) -> dict[str, SiteTable]:
    return {"death": site("death"), "condition_occurrence": site("condition_occurrence", **changes)}


def where(statement: Statement, ids: Ids) -> str:
    ((tree, _),) = bound(statement, ids)
    return tree.sql("sqlite", comments=False).partition(" WHERE ")[2]


COHORT = {"cohort_concept_ids": [7], "cohort_source_ids": [8]}
ONLY = '"PERSON_ID" IN (SELECT "PERSON_ID" FROM "Site"."CONDITION_OCCURRENCE"{})'
STANDARD = ' WHERE "CONDITION_CONCEPT_ID" IN (:cohort_concept_ids_0)'
SOURCE = '"CONDITION_SOURCE_CONCEPT_ID" IN (:cohort_source_ids_0)'
WITHOUT_SOURCE = {c.name: "BIGINT" for t in TABLES for c in t.columns if "source" not in c.name}


@pytest.mark.parametrize(
    ("changes", "ids", "expected"),
    [
        ({}, COHORT, f"{STANDARD} OR {SOURCE}"),
        ({}, COHORT | {"cohort_source_ids": []}, STANDARD),
        ({}, COHORT | {"cohort_concept_ids": []}, f" WHERE {SOURCE}"),
        ({"columns": WITHOUT_SOURCE}, COHORT, STANDARD),
        # Source concepts as text: more persons are read, but only if any counts by one.
        ({"numeric": {"person_id", "condition_concept_id"}}, COHORT, ""),
        (
            {"numeric": {"person_id", "condition_concept_id"}},
            COHORT | {"cohort_source_ids": []},
            STANDARD,
        ),
        ({"numeric": {"person_id"}}, COHORT, ""),
    ],
)
def test_persons_are_found_by_standard_or_by_source_concept(
    changes: dict[str, object], ids: Ids, expected: str
) -> None:
    assert where(fitted("death", disease(**changes)), ids) == ONLY.format(expected)


def test_records_without_a_standard_concept_have_concept_0_or_none() -> None:
    statement = fitted("condition_occurrence_unmapped", disease())
    assert where(statement, {"concept_ids": [7], "no_concept_ids": [0]}) == (
        '"CONDITION_SOURCE_CONCEPT_ID" IN (:concept_ids_0) AND '
        '("CONDITION_CONCEPT_ID" IN (:no_concept_ids_0) OR "CONDITION_CONCEPT_ID" IS NULL)'
    )


def test_records_are_counted_for_all_concepts_where_the_list_is_long() -> None:
    tables = {"measurement": site("measurement")}
    counting = fitted("measurement_count", tables)
    asked = (
        '("MEASUREMENT_CONCEPT_ID" IN (:concept_ids_0) OR "MEASUREMENT_CONCEPT_ID" IS NULL) AND '
    )
    by_day = '"MEASUREMENT_DATE" <= :as_of_date GROUP BY "MEASUREMENT_CONCEPT_ID"'
    ids = {"concept_ids": [1], "as_of_date": date(2024, 3, 1)}
    assert where(counting, ids) == asked + by_day
    assert where(counting, ids | {"concept_ids": list(range(LONGEST_LIST + 1))}) == by_day
    # By date there would be many rows of every concept.
    text = fitted("measurement_count", {"measurement": site("measurement", dated=frozenset())})
    parts = list(bound(text, ids | {"concept_ids": list(range(LONGEST_LIST + 1))}))
    assert len(parts) == 2
