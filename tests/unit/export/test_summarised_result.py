"""The summarised_result: rules of omopgenerics, figures of the CSV files, no small count."""

import csv
import io

import pytest

from omop_scorer.data_model import data_model
from omop_scorer.disclosure.protect import protect_run
from omop_scorer.export.summarised_result import summarised_result
from omop_scorer.report.csv_files import csv_files
from tests.support import report_data
from tests.support.attacker import assert_nothing_leaks
from tests.support.made_up_run import people, run_of, tables_of
from tests.support.summarised_result import COLUMNS, HIDDEN, faults, read, tables
from tests.support.thoroughness import cases

MADE = [report_data.realistic, report_data.all_hidden, report_data.nobody]
REALISTIC = read(summarised_result(report_data.realistic()))


@pytest.mark.parametrize("make", MADE)
def test_it_follows_the_rules(make) -> None:
    assert faults(read(summarised_result(make()))) == []


def test_what_a_result_is() -> None:
    kinds = [
        (row["result_id"], row["estimate_value"])
        for row in REALISTIC
        if row["estimate_name"] == "result_type"
    ]
    assert kinds[:3] == [("1", "prevalence"), ("2", "prevalence"), ("3", "prevalence_attrition")]
    others = {"subgroup_summary", "preference_summary", "next_treatment"}
    assert others < {kind for _, kind in kinds}
    of_prevalence = {
        (row["variable_name"], row["estimate_name"], row["estimate_type"])
        for row in REALISTIC
        if row["result_id"] == "1" and row["variable_name"] != "settings"
    }
    assert of_prevalence == {
        ("Denominator", "denominator_count", "integer"),
        ("Outcome", "outcome_count", "integer"),
        ("Outcome", "prevalence", "numeric"),
        ("Outcome", "prevalence_95CI_lower", "numeric"),
        ("Outcome", "prevalence_95CI_upper", "numeric"),
    }


def figures(text: str, keys: dict[str, str]) -> list[dict[str, str]]:
    rows = csv.DictReader(io.StringIO(text))
    return [row for row in rows if all(row[name] == value for name, value in keys.items())]


@pytest.mark.parametrize("make", MADE)
def test_it_says_what_the_csv_files_say(make) -> None:
    """Figure by figure, and every row of each table of shares."""
    data = make()
    files, found = csv_files(data), tables(read(summarised_result(data)))
    known = {name: rows for name, rows in data.tables.items() if name in data_model()}
    counted = {name for name, rows in known.items() if {"share", "n_persons"} <= set(rows)}
    shares = {*counted, "attrition"}
    assert {name for name in shares if len(data.tables[name])} == found.keys()
    for name, rows in found.items():
        assert len(rows) == len(data.tables[name])
        for row in rows:
            keys = {
                key: value
                for key, value in row.items()
                if not key.startswith("n_") and key not in ("share", "ci_low", "ci_high")
            }
            (same,) = figures(files[f"{name}.csv"], keys)
            # A share of nobody is empty there, and has no row here.
            assert same == {**same, **row}
            assert all(same[key] == "" for key in same.keys() - row.keys())


@pytest.mark.parametrize("seed", cases(range(8), range(8, 30)))
def test_a_reader_learns_no_small_count(seed: int) -> None:
    """The attacker of the report's files reads this one instead, and knows the rules of the run."""
    made = tables_of(people((6, 20, 45, 90, 150, 250)[seed % 6], seed))
    minimum, rounding = (5, 3, 10)[seed % 3], (1, 5)[seed % 2]
    run = run_of(made)
    data = protect_run(run, minimum, rounding)
    rows = read(summarised_result(data))
    assert faults(rows) == []
    said = {(row["estimate_name"], row["estimate_value"]) for row in rows}
    assert said >= {("min_cell_count", str(data.minimum_cell_count))}
    assert said >= {("rounding", str(data.rounding))}
    assert_nothing_leaks(
        {**tables(rows), "run": figures(csv_files(data)["run.csv"], {})},
        made,
        *(run.run["n_cohort"], run.run["n_scored"], data.minimum_cell_count),
        rounding=data.rounding,
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"estimate_value": "3", "estimate_type": "integer", "estimate_name": "count"}, "small"),
        ({"estimate_type": "double"}, "double"),
        ({"strata_name": "Sex", "strata_level": "female"}, "snake_case"),
        ({"strata_name": "a &&& b", "strata_level": "female"}, "['a', 'b']"),
        ({"group_name": "overall"}, "group"),
        ({"result_id": "77"}, "no settings"),
        ({"cdm_name": ""}, "empty"),
        ({"additional_name": "model_id", "additional_level": "x"}, "model_id"),
        ({"estimate_type": "proportion", "estimate_value": "1.5"}, "proportion"),
        ({"estimate_type": "integer", "estimate_value": "1.0"}, "integer"),
        ({"estimate_type": "date", "estimate_value": "2026"}, "date"),
    ],
)
def test_the_checker_finds_what_is_wrong(change: dict[str, str], said: str) -> None:
    of_next = [row["result_id"] == "6" and bool(row["variable_level"] != "NA") for row in REALISTIC]
    rows = [dict(row) for row in REALISTIC]
    rows[of_next.index(True)] |= change
    assert said in " ".join(faults(rows))


def test_the_checker_finds_repeats_and_shares_of_hidden_counts() -> None:
    figures = [row for row in REALISTIC if row["variable_name"] != "settings"]
    assert any("twice" in each for each in faults([*REALISTIC, figures[0]]))
    rows = [dict(row) for row in REALISTIC]
    next(row for row in rows if row["estimate_name"] == "outcome_count")["estimate_value"] = HIDDEN
    assert any("hidden count" in each for each in faults(rows))
    settings = [row for row in REALISTIC if row["variable_name"] == "settings"]
    assert any("no setting" in each for each in faults(settings[1:]))
    assert list(REALISTIC[0]) == COLUMNS
