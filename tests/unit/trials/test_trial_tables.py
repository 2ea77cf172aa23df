"""Tables of trial data in a terminal: words, arms, signs, and what cannot be estimated."""

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console, RenderableType

from omop_scorer.cli.trials_tables import attrition_table, render_fit, with_error
from omop_scorer.cli.validation_tables import render_validation
from omop_scorer.report.trial_data.fit_page import render_fit as fit_page
from omop_scorer.trials.class_moments import Refitting
from omop_scorer.trials.fitting import fit_card
from omop_scorer.trials.load import TrialData, load_trials
from omop_scorer.trials.validation import validate_models
from tests.support.trial_data import Plan, make_up, write_csv, write_template

#: Two covariates, so that small arms are enough.
PLAN = Plan(
    n=240,
    n_trials=4,
    classes=("drug_a", "drug_b"),
    covariates={name: made for name, made in Plan().covariates.items() if name in ("cdai", "crp")},
    year=None,
)


def printed(table: RenderableType) -> str:
    console = Console(width=80)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def data_of(folder: Path, rows: list[dict[str, str]]) -> TrialData:
    template = write_template(folder / "template.yaml", PLAN, activity="cdai")
    return load_trials(write_csv(folder / "trials.csv", rows), template=template)


def test_attrition_is_in_words_and_by_arm(tmp_path: Path) -> None:
    rows = make_up(1, PLAN).rows()
    for row in rows:
        row["cdai_week_6"] = row.pop("outcome")
    placebo, of_a = ([row for row in rows if row["arm"] == arm] for arm in ("placebo", "drug_a"))
    of_a[0]["cdai_week_6"] = placebo[0]["crp"] = placebo[1]["cdai"] = ""
    rows[rows.index(of_a[1])]["arm"] = "unknown"
    lines = printed(attrition_table(data_of(tmp_path, rows))).splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "all placebo DRUG_A DRUG_B",
        "rows of the file 240 80 79 80",
        "left out: no word of an arm 1 0 0 0",
        "left out: no cdai at baseline 1 1 0 0",
        "left out: no cdai after baseline up to week 6 1 0 1 0",
        "included 237 79 78 80",
        "of them: set to a median where missing: crp 1 1 0 0",
    ]


def test_no_number_is_minus_zero() -> None:
    assert with_error(-0.3, 13.2) == "0 ± 13"
    assert with_error(-0.001, 0.27) == "0.00 ± 0.27"
    assert with_error(-0.04, 0.027) == "-0.040 ± 0.027"


@pytest.fixture(scope="module")
def of_one_trial(tmp_path_factory: pytest.TempPathFactory) -> TrialData:
    """Return data in which drug_b has one trial, and the others four."""
    rows = [
        row for row in make_up(1, PLAN).rows() if row["arm"] != "drug_b" or row["trial"] == "TRIALA"
    ]
    return data_of(tmp_path_factory.mktemp("one_trial"), rows)


def test_a_trial_variance_of_one_trial_is_not_estimable(of_one_trial: TrialData) -> None:
    fitted = fit_card(of_one_trial, Refitting(100), ())
    said = printed(render_fit(fitted))
    (line,) = (line for line in said.splitlines() if line.startswith("trial variance"))
    assert line.endswith("not estimable")
    assert "Not estimable: the trials of DRUG_B cannot show a variance" in " ".join(said.split())
    page = fit_page(fitted, 5)
    assert ">not estimable<" in page
    assert "In the model of DRUG_B the trial variance is not estimable" in page


def test_a_validation_begins_with_its_summary_and_names_arms_one_way(
    of_one_trial: TrialData,
) -> None:
    found = validate_models(of_one_trial, Refitting(100))
    said = printed(render_validation(found))
    headings = [
        *("Summary of participants held out", "Participants\n", "all_patients: ten folds"),
        *("placebo_once: ten folds", "Predicted and observed outcome", "Each trial left out"),
    ]
    places = [said.index(heading) for heading in headings]
    assert places == sorted(places)
    assert "Fewer than 3 trials, so none is left out: DRUG_B (1)." in said
    # The key says which class DRUG_A is; no table has it by its key.
    assert (said.count("drug_a"), "DRUG_A = drug_a, DRUG_B = drug_b." in said) == (1, True)
    error = found.calibrations("all_patients")["drug_a"]
    assert f"RMSE of DRUG_A, points {error.rmse:.1f}" in " ".join(said.split())
    lines = [line.split() for line in said.splitlines()]
    assert ["DRUG_A", "all", "80", f"{error.bias:z.1f}", f"{error.rmse:.1f}"] in lines
    group = error.groups[1]
    assert ["2", str(group.n), f"{group.predicted:.1f}", f"{group.observed:.1f}"] in (
        line[:4] for line in lines
    )
    assert np.max([len(line) for line in said.splitlines()]) <= 80
