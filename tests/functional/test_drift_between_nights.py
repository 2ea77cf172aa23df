"""Two nights on a CDM whose vocabulary or load changed between them."""

import io

import pytest

from omop_scorer.config import run_file as config
from omop_scorer.journal import PlainJournal
from omop_scorer.nightly.findings import Findings
from omop_scorer.nightly.preflight import check
from tests.conftest import outcome_of
from tests.support.layout import write_duckdb
from tests.support.spec import read_cdm

DRUGS = """
case | id | concept | start
one  |  1 | 2000011 | 2023-01-01
two  |  2 | 2000011 | 2023-01-01
"""
LINK = "above | below\n937368 | 2000011"
CONCEPT = "id | name | standard | invalid\n2000011 | infliximab | S | {}"
MAPPING = "one | relationship | two\n2000011 | Maps to | 937368"
FIRST = {"drug_exposure": DRUGS, "concept_ancestor": LINK, "concept": CONCEPT.format("")}


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, None),
        (
            {"concept_ancestor": "above | below", "concept": "id | name\n2000011 | infliximab",
             "concept_relationship": MAPPING},
            "members lost (2000011)",
        ),
        ({"concept_ancestor": "above | below"}, "members lost (2000011); 0 records instead"),
        ({"concept": CONCEPT.format("U")}, "no longer valid: 2000011"),
        ({"drug_exposure": DRUGS.replace("2000011", "999")}, "0 records instead of 2 records"),
    ],
)  # fmt: skip
def test_drift_is_warned_of_by_run_and_check(tmp_path, changed, found):
    nights = []
    for day, tables in (("2024-03-01", FIRST), ("2024-03-02", FIRST | changed)):
        folder = tmp_path / day
        folder.mkdir()
        site = write_duckdb(read_cdm(**tables).tables, folder)
        results = {"url": str(tmp_path / "results.duckdb")}
        nights.append({"cdm": site["cdm"], "results": results, "as_of_date": day})
    first = outcome_of(nights[0])
    assert "concept drift" not in first.log
    settings = config.RunConfig.model_validate(nights[1])
    checked = Findings()
    check(settings, PlainJournal(io.StringIO()), checked)
    messages = [each.message for each in checked.findings if each.severity == "warning"]
    warned = {text for text in messages if text.startswith("concept drift")}
    done = outcome_of(nights[1])
    assert {text for text in done.summary.warnings if text.startswith("concept drift")} == warned
    assert {text.split(",")[0] for text in warned} == (
        {"concept drift: infliximab", "concept drift: biologic_anti_tnf"} if found else set()
    )
    assert all(str(found) in text for text in warned if "infliximab" in text)
