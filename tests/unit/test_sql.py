"""Every SQL file keeps the rules that make it mean the same on every engine."""

import json
import re
from difflib import unified_diff
from typing import Any

import duckdb
import pytest
from sqlglot import exp, parse, parse_one

from omop_scorer import sql
from omop_scorer.errors import ConfigurationError
from omop_scorer.sql import HEADER_FIELDS, LOGICAL_SCHEMAS
from tests import golden

LINES_OF_A_SCREEN = 66
NAMES = sql.names()
QUERIES = [name for name in NAMES if not name.startswith("results/")]

FORBIDDEN_FUNCTIONS = {
    "isfinite", "isnan", "isinf", "regexp_replace", "arg_max", "argmax", "arg_min", "max_by",
    "min_by", "ln", "log", "log10", "log2", "exp", "pow", "power", "sqrt", "round", "age", "range",
    "quantile_cont", "quantile", "median", "percentile_cont", "date_sub", "date_add", "date_trunc",
    "now", "today", "current_date", "current_timestamp", "random", "any_value", "first", "list",
}  # fmt: skip


def forbidden(query: exp.Expr) -> list[str]:  # noqa: PLR0912
    """Name every forbidden idiom of a parsed query."""
    found = []
    for node in query.walk():
        if isinstance(node, exp.Func):
            names = {name.lower() for name in node.sql_names()}
            names |= {node.name.lower()} if isinstance(node, exp.Anonymous) else set()
            found += [f"function {name}" for name in names & FORBIDDEN_FUNCTIONS]
        if isinstance(node, exp.DateDiff) and str(node.args.get("unit")).upper() != "DAY":
            found.append("DATE_DIFF of another unit than day")
        if isinstance(node, exp.Interval):
            found.append("INTERVAL")
        if isinstance(node, exp.Group) and node.args.get("all"):
            found.append("GROUP BY ALL")
        if isinstance(node, exp.Like | exp.ILike):
            found.append("LIKE")
        if (
            isinstance(node, exp.Sub | exp.Add)
            and any(is_date(side) for side in operands(node))
            and not is_later_day(node)
        ):
            found.append("arithmetic on dates")
        if isinstance(node, exp.In) and any(
            isinstance(e, exp.Placeholder) for e in node.expressions
        ):
            found.append("IN with a parameter")
        if isinstance(node, exp.Cast) and isinstance(node.this, exp.Boolean):
            found.append("CAST of a boolean")
        if isinstance(node, exp.Literal) and not node.is_string:
            if re.fullmatch(r"\d+\.\d+", node.name) and not isinstance(node.parent, exp.Cast):
                found.append("decimal literal")
            if node.is_int and int(node.name) >= 1000:
                found.append("concept id")
        if isinstance(node, exp.Div) and any(
            side.find(exp.Count, exp.Sum) for side in operands(node)
        ):
            found.append("division of counts")
        if isinstance(node, exp.Window) and node.args.get("order") is None and is_ranking(node):
            found.append("ranking without an order")
        if isinstance(node, exp.Select):
            found += reused(node)
        if isinstance(node, exp.Table) and node.db and node.db not in LOGICAL_SCHEMAS:
            found.append(f"schema {node.db}")
    return found


def operands(node: exp.Expr) -> list[exp.Expr]:
    return [side for side in (node.args.get("this"), node.args.get("expression")) if side]


def is_date(node: exp.Expr) -> bool:
    if isinstance(node, exp.Column):
        return node.name.endswith(("_date", "date"))
    return isinstance(node, exp.Cast) and node.to.this is exp.DataType.Type.DATE


def is_later_day(node: exp.Expr) -> bool:
    """Tell whether a whole number of days is added to a day, which is a day on every engine."""
    return (
        isinstance(node, exp.Add)
        and is_date(node.this)
        and isinstance(node.expression, exp.Cast)
        and node.expression.to.this is exp.DataType.Type.INT
    )


def is_ranking(window: exp.Expr) -> bool:
    return isinstance(window.this, exp.RowNumber | exp.Rank | exp.DenseRank)


def reused(select: exp.Select) -> list[str]:
    """Name aliases of a select list that the same list uses again (one dialect allows it)."""
    own = [
        column.name
        for expression in select.expressions
        for column in expression.find_all(exp.Column)
        if not column.table and column.find_ancestor(exp.Select) is select
    ]
    sources = select.find_all(exp.Table, exp.Subquery)
    is_single = sum(1 for s in sources if s.find_ancestor(exp.Select) is select) <= 1
    defined = {
        each.alias
        for each in select.expressions
        if isinstance(each, exp.Alias)
        and not (isinstance(each.this, exp.Column) and each.this.name == each.alias)
    }
    return [] if is_single else [f"alias {name} used again" for name in own if name in defined]


@pytest.mark.parametrize("name", NAMES)
def test_header(name: str) -> None:
    file = sql.find(name)
    assert list(file.header) == list(HEADER_FIELDS)
    assert all(file.header.values())
    declared = set(re.findall(r"[a-z][a-z_]+", re.sub(r"\(.*?\)", "", file.header["Parameters"])))
    assert declared - {"none"} == set(file.parameters)


@pytest.mark.parametrize("name", NAMES)
def test_header_names_every_table_read(name: str) -> None:
    file = sql.find(name)
    if name.startswith("results/"):
        return
    read = {
        f"{table.db}.{table.name}"
        for tree in file.statements()
        for table in tree.find_all(exp.Table)
        if table.db
    }
    assert set(re.findall(r"\w+\.\w+", file.header["Tables"])) == read


@pytest.mark.parametrize("name", QUERIES)
def test_is_one_query_of_one_screen(name: str) -> None:
    file = sql.find(name)
    (query,) = file.statements()
    assert isinstance(query, exp.Query)
    assert len(file.text.splitlines()) <= LINES_OF_A_SCREEN


@pytest.mark.parametrize("name", NAMES)
def test_has_no_forbidden_idiom(name: str) -> None:
    # A statement of sql/source binds lists, which its source writes out.
    allowed = {"IN with a parameter"} if name.startswith("source/") else set()
    found = [idiom for tree in sql.find(name).statements() for idiom in forbidden(tree)]
    assert [idiom for idiom in found if idiom not in allowed] == []


@pytest.mark.parametrize("name", QUERIES)
def test_rankings_say_where_nulls_go_and_end_in_an_id(name: str) -> None:
    text = sql.find(name).text
    rankings = re.findall(r"ROW_NUMBER\(\)\s+OVER \((.*?)\)\s+AS", text, flags=re.DOTALL)
    assert len(rankings) == text.count("ROW_NUMBER()")
    for ranking in rankings:
        keys = ranking.partition("ORDER BY")[2].split(",")
        assert all(key.strip().endswith("NULLS LAST") for key in keys)
        assert any(re.search("_id |drug_order|line_number", key) for key in keys)


@pytest.mark.parametrize(
    ("query", "idiom"),
    [
        (
            "SELECT DATE_DIFF('year', a.x, a.y) FROM cdm.t AS a",
            "DATE_DIFF of another unit than day",
        ),
        ("SELECT a.start_date - a.end_date FROM cdm.t AS a", "arithmetic on dates"),
        ("SELECT CAST(a.x AS DATE) + 1 FROM cdm.t AS a", "arithmetic on dates"),
        ("SELECT a.x FROM cdm.t AS a GROUP BY ALL", "GROUP BY ALL"),
        ("SELECT LN(a.x) FROM cdm.t AS a", "function ln"),
        ("SELECT ROUND(a.x) FROM cdm.t AS a", "function round"),
        ("SELECT ARG_MAX(a.x, a.y) FROM cdm.t AS a", "function arg_max"),
        ("SELECT REGEXP_REPLACE(a.x, 'a', 'b') FROM cdm.t AS a", "function regexp_replace"),
        ("SELECT ISFINITE(a.x) FROM cdm.t AS a", "function isfinite"),
        ("SELECT CURRENT_DATE FROM cdm.t AS a", "function current_date"),
        ("SELECT a.x FROM cdm.t AS a WHERE a.x LIKE 'a%'", "LIKE"),
        ("SELECT a.x FROM cdm.t AS a WHERE a.x IN (:ids)", "IN with a parameter"),
        ("SELECT a.x * 1.0 FROM cdm.t AS a", "decimal literal"),
        ("SELECT a.x FROM cdm.t AS a WHERE a.concept_id = 201606", "concept id"),
        ("SELECT COUNT(*) / SUM(a.x) FROM cdm.t AS a", "division of counts"),
        ("SELECT a.x FROM hospital.t AS a", "schema hospital"),
        ("SELECT ROW_NUMBER() OVER (PARTITION BY a.x) FROM cdm.t AS a", "ranking without an order"),
        ("SELECT CAST(TRUE AS DOUBLE) FROM cdm.t AS a", "CAST of a boolean"),
        ("SELECT a.d + INTERVAL 1 DAY FROM cdm.t AS a", "INTERVAL"),
    ],
)
def test_forbidden_idioms_are_seen(query: str, idiom: str) -> None:
    assert idiom in forbidden(parse_one(query, read="duckdb"))


@pytest.mark.parametrize("dialect", golden.DIALECTS)
def test_other_dialects_differ_from_duckdb_as_reviewed(dialect: str) -> None:
    reviewed = golden.golden_path(dialect).read_text(encoding="utf-8").splitlines()
    found = golden.differences(dialect).splitlines()
    change = "\n".join(unified_diff(reviewed, found, "reviewed", "found", lineterm=""))
    assert found == reviewed, (
        f"the rendered SQL has changed; if that is intended, run `python -m tests.golden` and "
        f"review the change of tests/golden/{dialect}.diff:\n{change}"
    )


@pytest.mark.parametrize("dialect", sorted(set(sql.DIALECTS) - {"duckdb", *golden.DIALECTS}))
def test_a_dialect_without_a_diff_changes_no_word(dialect: str) -> None:
    for name in golden.files(dialect):
        assert golden.alike(name, dialect).split() == golden.alike(name, "duckdb").split()


def test_a_file_names_the_dialects_in_which_it_is_sent() -> None:
    assert sql.find("crp").dialects == sql.find("audit/prevalence").dialects == ("duckdb", "spark")
    for name in ("history/runs", "results/views"):
        assert sql.find(name).dialects == ("duckdb", "spark", "postgres")
    assert {"duckdb", "spark", "postgres", "tsql"} < set(sql.find("source/person").dialects)


@pytest.mark.parametrize("dialect", golden.PARAMETERS)
def test_every_parameter_is_rendered_in_the_form_of_the_dialect(dialect: str) -> None:
    wrong = {}
    for name in golden.files(dialect):
        found = re.findall(golden.PARAMETERS[dialect], golden.rendered(name, dialect))
        trees = sql.find(name).statements()
        bound = [each.name for tree in trees for each in tree.find_all(exp.Placeholder)]
        if sorted(found) != sorted(bound):
            wrong[name] = found
    assert wrong == {}


def test_duckdb_reads_the_same_from_a_file_and_from_its_rendering() -> None:
    with duckdb.connect() as connection:

        def tree(text: str) -> Any:
            """Return the tree of DuckDB's own parser; it knows `$name` and not `:name`."""
            bound = {"text": re.sub(r"(?<!:):(?=[a-z])", "$", text)}
            ((found,),) = connection.execute("SELECT json_serialize_sql($text)", bound).fetchall()
            return uniform(json.loads(found))

        trees = {
            name: (tree(sql.find(name).text), tree(golden.rendered(name, "duckdb")))
            for name in QUERIES
        }
    assert [name for name, (file, _) in trees.items() if file["error"]] == []
    assert [name for name, (file, rendering) in trees.items() if file != rendering] == []


def uniform(node: Any) -> Any:
    """Return a tree of DuckDB without positions, and with one spelling for what is the same."""
    if isinstance(node, list):
        return [uniform(each) for each in node]
    if not isinstance(node, dict):
        # A type's two names, the unit of DATE_DIFF, and the order that is DuckDB's default.
        return {"VARCHAR": "TEXT", "day": "DAY", "NULLS LAST": "ORDER_DEFAULT"}.get(node, node)
    found = {k: uniform(v) for k, v in node.items() if not k.startswith("query_location")}
    if found.get("type") == "OPERATOR_IS_NOT_NULL":
        found |= {"type": "OPERATOR_NOT", "children": [found | {"type": "OPERATOR_IS_NULL"}]}
    return found


@pytest.mark.parametrize("name", [name for name in NAMES if name not in QUERIES])
def test_the_rendering_of_other_statements_parses_to_the_same_trees(name: str) -> None:
    """DuckDB gives trees of queries only."""
    trees = [tree for tree in parse(golden.rendered(name, "duckdb"), read="duckdb") if tree]
    assert trees == sql.find(name).statements()


def test_schemas_are_renamed_and_quoted() -> None:
    (query,) = sql.find("steroid").render("duckdb", {"work": ('a"b', "c; DROP TABLE x")})
    assert 'FROM "a""b"."c; DROP TABLE x".steroid_record' in query


def test_names_with_a_catalog_stay() -> None:
    tree = parse_one("SELECT x FROM site.cdm.person", read="duckdb")
    sql.qualify(tree, {"cdm": ("memory", "cdm")})
    assert tree.sql("duckdb") == "SELECT x FROM site.cdm.person"


def test_a_file_is_found_by_its_last_part() -> None:
    assert sql.find("crp") is sql.find("covariates/crp")


def test_an_unknown_file_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="covariates/crp"):
        sql.find("no_such_file")
