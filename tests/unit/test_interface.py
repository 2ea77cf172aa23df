"""The functions for Python code: what they import, what they refuse, and what they never say."""

import ast
import inspect
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import omop_scorer
from omop_scorer.errors import (
    ConfigurationError,
    OmopScorerError,
    ResultsError,
    ScoringError,
    as_the_program_says,
)
from omop_scorer.results.tables import open_tables
from omop_scorer.texts import secret_values

PATIENT = {"age": 45, "sex": "male", "bmi": 25.5, "crp": 20, "cdai": 320, "steroid": True}
REST = ("prior_anti_tnf", "immunomodulator", "ileal")
HEAVY = {"numpy", "pandas", "duckdb", "pyarrow", "scipy", "pydantic", "yaml", "sqlglot", "rich"}


def modules_after(code: str) -> set[str]:
    """Return the top-level packages that a fresh process has loaded after some code."""
    script = f"{code}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_the_import_loads_nothing_but_the_standard_library() -> None:
    bare, loaded = modules_after(""), modules_after("import omop_scorer; dir(omop_scorer)")
    assert loaded - bare - sys.stdlib_module_names == {"omop_scorer"}


@pytest.mark.parametrize(
    ("code", "not_loaded"),
    [
        ("from omop_scorer import errors, load_model, results, run, score_frame", HEAVY),
        ("import omop_scorer; omop_scorer.results('r.duckdb')", {"duckdb", "pandas"}),
        ("import omop_scorer; omop_scorer.score_patient(age=45, sex='f')", {"duckdb", "pandas"}),
    ],
)
def test_a_name_loads_only_what_it_needs(code: str, not_loaded: set[str]) -> None:
    assert modules_after(code) & not_loaded == set()


def test_the_types_name_what_there_is() -> None:
    stub = ast.parse(Path(omop_scorer.__file__).with_suffix(".pyi").read_text("utf-8"))
    named = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert sorted(named) == sorted(omop_scorer.__all__)
    for name in named.keys() - {"errors", "results"}:
        found = getattr(omop_scorer, name)
        assert f"{found.__module__}.{found.__qualname__}" == named[name]
        assert found.__doc__
    assert omop_scorer.errors.ScoringError is ScoringError
    with pytest.raises(AttributeError, match="no attribute 'score'"):
        omop_scorer.score  # noqa: B018


@pytest.mark.parametrize("uncertainty", ["bootstrap", "analytic"])
def test_one_patient_equals_one_row_of_a_frame(uncertainty) -> None:
    patient = omop_scorer.score_patient(**PATIENT, uncertainty=uncertainty)
    missing = pd.DataFrame([PATIENT]).reindex(columns=[*PATIENT, *REST])
    (row,) = omop_scorer.score_frame(missing, uncertainty=uncertainty).to_dict("records")
    assert row["placebo_effect"] == patient.placebo_effect
    for each in patient.classes:
        assert row[f"{each.key}_effect"] == each.attributable_effect
        assert row[f"{each.key}_standard_error"] == each.standard_error
        assert row[f"{each.key}_response_probability"] == each.response_probability
    for name in (
        *("subgroup", "on_top", "p_first_second", "p_second_third", "p_first_third"),
        *("worst_class_ruled_out", "within_trial_range"),
    ):
        assert row[name] == getattr(patient, name)
    assert row["n_imputed"] == len(patient.imputed) == len(REST)
    ranked = sorted(patient.classes, key=lambda each: each.preference_rank)
    assert [row[f"{place}_class"] for place in ("first", "second", "third")] == [
        each.key for each in ranked
    ]


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT, "", " "])
def test_what_is_missing_is_imputed(missing) -> None:
    given = omop_scorer.score_patient(**{**PATIENT, "crp": missing})
    assert given == omop_scorer.score_patient(**{k: v for k, v in PATIENT.items() if k != "crp"})
    assert given.imputed["crp"] == 10


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        # 1 means a man in one warehouse and a woman in another.
        ({"sex": 1}, "sex: allowed: male, m, female, f"),
        ({"sex": True}, "sex: allowed: male, m, female, f"),
        ({"crp": True}, "crp: not a number (leave blank if missing)"),
        ({"crp": "nan"}, "crp: not a number (leave blank if missing)"),
        ({"crp": 10**5000}, "crp: not a number (leave blank if missing)"),
        ({"crp": float("inf")}, "crp: not a number (leave blank if missing)"),
        ({"steroid": 2}, "steroid: allowed: yes, true, 1, no, false, 0"),
        ({"age": None}, "age: missing; it is never imputed"),
        ({"bmi": 46}, "bmi: outside 12 to 45 kg/m2"),
    ],
)
def test_one_patient_is_refused_with_the_reason(given, problem) -> None:
    with pytest.raises(ScoringError) as caught:
        omop_scorer.score_patient(**{**PATIENT, **given})
    assert caught.value.problems == (problem,)
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize("yes", [True, 1, 1.0, "yes", np.float32(1), np.True_, np.int8(1)])
def test_ways_to_say_yes(yes) -> None:
    expected = omop_scorer.score_patient(**PATIENT)
    assert omop_scorer.score_patient(**{**PATIENT, "steroid": yes}) == expected


def test_an_excluded_class_is_in_no_place_of_the_ranking() -> None:
    frame = pd.DataFrame([PATIENT]).reindex(columns=[*PATIENT, *REST])
    (row,) = omop_scorer.score_frame(frame, exclude_classes=["anti_tnf"]).to_dict("records")
    patient = omop_scorer.score_patient(**PATIENT, exclude_classes=["anti_tnf"])
    assert "anti_tnf" not in {row["first_class"], row["second_class"]}
    assert pd.isna(row["third_class"])
    assert pd.isna(row["p_first_third"])
    assert row["subgroup"] == patient.subgroup
    assert patient.p_first_third is None


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"uncertainty": "fit"}, "uncertainty: found 'fit'; allowed: bootstrap, analytic"),
        ({"model": "none"}, "model: found 'none'; allowed: a path, or one of crohns_srs_2025"),
        ({"exclude_classes": None}, "exclude_classes: found None; it should be a list of"),
        ({"exclude_classes": "jak"}, "exclude_classes: no drug class jak in this model; allowed"),
        ({"model": 5}, "model: found 5; allowed: a name, a path, or a model of load_model"),
        (
            {"exclude_classes": ["jak"]},
            "exclude_classes: no drug class jak in this model; "
            "allowed: anti_tnf, anti_il12_23, anti_integrin",
        ),
    ],
)
def test_wrong_arguments_are_refused(arguments, problem) -> None:
    for score in (omop_scorer.score_frame, lambda _, **more: omop_scorer.score_patient(**more)):
        with pytest.raises(ConfigurationError) as caught:
            score(pd.DataFrame([PATIENT]), **arguments)
        (said,) = caught.value.problems
        assert said.startswith(problem)


def test_frames_that_cannot_be_used() -> None:
    with pytest.raises(ScoringError, match="frame: found list; allowed: a pandas DataFrame"):
        omop_scorer.score_frame([PATIENT])
    with pytest.raises(ScoringError) as caught:
        omop_scorer.score_frame(pd.DataFrame([PATIENT | {"AGE": 3, "Subgroup": "x"}]))
    assert caught.value.problems == (
        "frame: columns prior_anti_tnf, immunomodulator, ileal are missing; the header needs "
        "cdai, age, bmi, crp, prior_anti_tnf, sex, steroid, immunomodulator, ileal",
        "frame: column age appears more than once; keep one of them",
        "frame: column subgroup has the name of an output column; rename or remove it",
    )


def test_a_value_out_of_range_is_marked_or_refused() -> None:
    good = pd.DataFrame([PATIENT]).reindex(columns=[*PATIENT, *REST])
    frame = pd.concat([good, good.assign(bmi=9.0), good], keys=list("abc"))
    scored = omop_scorer.score_frame(frame)
    assert scored["out_of_range"].fillna("").tolist() == ["", "bmi", ""]
    assert scored["subgroup"].isna().tolist() == [False, True, False]
    assert scored["placebo_effect"].isna().tolist() == [False, True, False]
    assert scored.iloc[[0]].reset_index(drop=True).equals(omop_scorer.score_frame(good))
    with pytest.raises(ScoringError) as caught:
        omop_scorer.score_frame(frame, strict=True)
    assert caught.value.problems[1:] == ("row 1: bmi: outside 10 to 80 kg/m2",)


def test_an_empty_frame_has_the_columns_and_types_of_a_full_one() -> None:
    full = pd.DataFrame([PATIENT]).reindex(columns=[*PATIENT, *REST])
    empty = omop_scorer.score_frame(full.iloc[:0])
    assert len(empty) == 0
    assert empty.dtypes.equals(omop_scorer.score_frame(full).dtypes)


@pytest.mark.parametrize("as_of", ["2026-13-01", "yesterday", datetime(2026, 1, 1, 12), ""])
def test_a_date_of_a_run_is_a_date(tmp_path: Path, as_of) -> None:
    path = tmp_path / "nightly.yaml"
    path.write_text("cdm: {url: cdm.duckdb}\nresults: {url: r.duckdb}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"as_of_date.*a date such as 2026-01-31"):
        omop_scorer.run(path, as_of=as_of)


def test_overrides_of_a_run_are_checked_like_the_file(tmp_path: Path) -> None:
    path = tmp_path / "nightly.yaml"
    path.write_text("cdm: {url: cdm.duckdb}\nresults: {url: r.duckdb}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        omop_scorer.run(
            path,
            date(2026, 1, 1),
            cohort__age_minimum="x",
            results={"url": tmp_path / "é: #1.duckdb", "shema": "a"},
            **{"audit.continuing_days": -1},
        )
    assert caught.value.problems == (
        "--set: results.shema: no such key; allowed: url, password_file, schema, "
        "allow_owners, allow_triggers, lock_timeout_seconds",
        "--set: cohort.age_minimum: found 'x'; it should be a whole number",
        "--set: audit.continuing_days: found -1; it should be greater than or equal to 0",
    )
    with pytest.raises(ConfigurationError, match=r"is after today.*--allow-future"):
        omop_scorer.run(path, date(2990, 1, 1))


def test_results_that_cannot_be_located() -> None:
    with pytest.raises(ConfigurationError) as caught:
        omop_scorer.results("mysql://me:hunter22@host/db")
    (said,) = caught.value.problems
    assert "results.url" in said
    assert "hunter22" not in said
    with pytest.raises(omop_scorer.errors.ConnectionFailedError, match="no such file"):
        omop_scorer.results("nowhere/results.duckdb").table("latest_score")


def test_passwords_are_shown_nowhere() -> None:
    tables = omop_scorer.results("postgresql://me:hunter22@localhost:1/db", schema="scores")
    assert tables.url == "postgresql://me@localhost:1/db"
    assert "hunter22" not in repr(tables)
    with pytest.raises(omop_scorer.errors.ConnectionFailedError) as caught:
        tables.names()
    assert "hunter22" not in str(caught.value)


def test_errors_hide_secrets_and_values() -> None:
    secret_values.keep("correct-horse-7")

    @as_the_program_says
    def fail(error: Exception) -> None:
        raise error

    with pytest.raises(ResultsError) as said:
        fail(ResultsError("first\nline", "password correct-horse-7"))
    assert said.value.problems == ("first\\nline", "password ***")
    with pytest.raises(OmopScorerError) as caught:
        fail(ValueError("CRP of 7919"))
    assert str(caught.value).startswith("unexpected error (ValueError at test_interface.py:")
    assert caught.value.__context__ is None


def test_a_call_with_arguments_that_there_are_not_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"score_patient\(\) takes 0 positional arguments"):
        omop_scorer.score_patient(55, "female")  # type: ignore[misc]
    with pytest.raises(TypeError, match=r"score_frame\(\) got an unexpected keyword argument"):
        omop_scorer.score_frame(pd.DataFrame([PATIENT]), age=55)  # type: ignore[call-arg]

    @as_the_program_says
    def fail() -> None:
        int(None)  # type: ignore[call-overload]

    with pytest.raises(OmopScorerError, match="TypeError at test_interface"):
        fail()


def test_the_help_of_results_names_its_arguments() -> None:
    said = omop_scorer.results.__doc__ or ""
    assert all(name in said for name in inspect.signature(open_tables).parameters)
