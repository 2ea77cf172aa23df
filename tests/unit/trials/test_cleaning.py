"""Cleaning of trial data, by hand: for each reason to leave out a row, a trap beside it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from omop_scorer.trials.load import TrialData, load_trials
from tests.support.trial_data import write_csv

#: A participant whom nothing is wrong with.
GOOD = {
    "participant_id": "",
    "trial": "T1",
    "year": "2005",
    "arm": "anti_tnf",
    "cdai": "310",
    "age": "40",
    "sex": "female",
    "bmi": "24",
    "crp": "12",
    "prior_anti_tnf": "no",
    "steroid": "no",
    "immunomodulator": "no",
    "ileal": "yes",
    "cdai_week_1": "300",
    "cdai_week_3": "280",
    "cdai_week_6": "200",
    "cdai_week_8": "100",
}
#: A participant of each arm, in two trials, that every file holds.
ARMS = [
    {**GOOD, "arm": arm, "trial": trial}
    for arm in ("placebo", "anti_tnf", "anti_il12_23", "anti_integrin")
    for trial in ("T1", "T2")
]


def load(folder: Path, *changes: dict[str, str], layout: dict[str, Any] | None = None) -> TrialData:
    """Clean the participants of all arms and one row for each change of the good participant."""
    path, rules = folder / "trials.csv", folder / "layout.yaml"
    write_csv(path, [*ARMS, *({**GOOD, **change} for change in changes)])
    rules.write_text(yaml.safe_dump(layout or {}), encoding="utf-8")
    return load_trials(path, rules)


def added(data: TrialData) -> dict[str, Any]:
    """Return the counts of the rows beside those of all arms, without zeros."""
    counts = data.attrition.as_json()
    counts["rows"] -= len(ARMS)
    counts["included"] -= len(ARMS)
    return {key: n for key, n in counts.items() if n and n != {"from_week_1": 0, "from_week_3": 0}}


def test_the_keys_and_their_order(tmp_path: Path) -> None:
    assert list(load(tmp_path).attrition.as_json()) == [
        *("rows", "unknown_arm", "no_trial", "no_baseline_cdai"),
        *("no_cdai_after_baseline_by_week_6", "missing_age", "missing_sex"),
        *("missing_prior_anti_tnf", "missing_steroid", "missing_immunomodulator"),
        *("missing_ileal", "included", "assumed_no_prior_anti_tnf", "carried_forward"),
        *("imputed_bmi", "imputed_crp"),
    ]


ALL_LATE = {"cdai_week_1": "", "cdai_week_3": "", "cdai_week_6": ""}


@pytest.mark.parametrize(
    ("reason", "out", "trap"),
    [
        ("unknown_arm", {"arm": "anti_il23"}, {"arm": " Anti_TNF "}),
        ("unknown_arm", {"arm": ""}, {"arm": "placebo"}),
        ("no_trial", {"trial": "  "}, {"trial": "0"}),
        ("no_baseline_cdai", {"cdai": ""}, {"cdai": "0"}),
        ("no_cdai_after_baseline_by_week_6", ALL_LATE, ALL_LATE | {"cdai_week_1": "0"}),
        ("missing_age", {"age": ""}, {"age": "0"}),
        ("missing_sex", {"sex": " "}, {"sex": "1"}),
        ("missing_prior_anti_tnf", {"prior_anti_tnf": ""}, {"prior_anti_tnf": "0"}),
        ("missing_steroid", {"steroid": ""}, {"steroid": "FALSE"}),
        ("missing_immunomodulator", {"immunomodulator": ""}, {"immunomodulator": "No"}),
        ("missing_ileal", {"ileal": ""}, {"ileal": "0.0"}),
    ],
)
def test_a_reason_and_its_trap(
    tmp_path: Path, reason: str, out: dict[str, str], trap: dict[str, str]
) -> None:
    found = added(load(tmp_path, out, trap))
    found.pop("carried_forward", None)
    assert found == {"rows": 2, reason: 1, "included": 1}


def test_the_first_reason_wins(tmp_path: Path) -> None:
    everything = {"arm": "x", "trial": "", "cdai": "", "age": "", "sex": "", "ileal": ""}
    changes = [dict(list(everything.items())[i:]) for i in range(6)]
    found = added(load(tmp_path, *changes))
    reasons = ("unknown_arm", "no_trial", "no_baseline_cdai", "missing_age", "missing_sex")
    assert found == {"rows": 6} | dict.fromkeys((*reasons, "missing_ileal"), 1)


def test_the_last_visit_up_to_the_outcome_week_is_carried_forward(tmp_path: Path) -> None:
    data = load(
        tmp_path,
        {},  # 310 - 200
        {"cdai_week_6": ""},  # 310 - 280
        {"cdai_week_6": "", "cdai_week_3": ""},  # 310 - 300, never week 8
        {"cdai_week_1": "", "cdai_week_3": ""},
        {"cdai_week_6": "", "ileal": ""},  # left out, so not counted
    )
    assert data.participants.outcome[len(ARMS) :].tolist() == [110, 30, 10, 110]
    carried = data.attrition.as_json()["carried_forward"]
    assert carried == {"from_week_1": 1, "from_week_3": 1}


def test_the_outcome_week_decides_which_visits_count(tmp_path: Path) -> None:
    data = load(tmp_path, {"cdai_week_3": ""}, layout={"outcome_week": 3})
    assert data.participants.outcome[-1] == 10
    assert list(data.attrition.as_json())[4] == "no_cdai_after_baseline_by_week_3"
    assert data.attrition.as_json()["carried_forward"] == {"from_week_1": 1}


def test_an_outcome_is_taken_as_it_is_and_visits_are_not_read(tmp_path: Path) -> None:
    layout = {"outcome": "cdai_week_8", "visits": {6: "no such column"}}
    data = load(tmp_path, {"cdai_week_8": "-7.5"}, {"cdai_week_8": ""}, layout=layout)
    assert data.participants.outcome[len(ARMS) :].tolist() == [-7.5]
    assert added(data)["no_cdai_after_baseline_by_week_6"] == 1
    assert data.attrition.as_json()["carried_forward"] == {}


def test_a_missing_number_is_the_median_of_its_trial(tmp_path: Path) -> None:
    others = [{"trial": "T3", "bmi": bmi} for bmi in ("10", "20", "30", "60", "60")]
    data = load(
        tmp_path,
        *others,
        {"trial": "T3", "bmi": "1000", "ileal": ""},  # left out: not in the median
        {"trial": "T3", "bmi": "", "arm": "placebo"},
        {"trial": "T4", "bmi": ""},  # no value in this trial: all, 24 x 8, 10 .. 60
        {"trial": "T5", "bmi": "22"},
        {"trial": "T5", "bmi": "23"},
        {"trial": "T5", "bmi": ""},  # the mean of the two middle ones
    )
    bmi = data.participants.values[:, data.participants.covariates.index("bmi")]
    assert bmi[len(ARMS) :].tolist() == [10, 20, 30, 60, 60, 30, 24, 22, 23, 22.5]
    assert data.attrition.as_json()["imputed_bmi"] == 3
    assert data.attrition.as_json()["imputed_crp"] == 0
    medians = data.medians["bmi"].as_json()
    # Medians of fewer than five values would tell of persons: T1 and T2 have four each.
    hidden = dict.fromkeys(("T1", "T2", "T4", "T5"))
    assert medians == {"by_trial": {**hidden, "T3": 30.0}, "pooled": 24.0}


def test_a_missing_number_can_be_the_median_of_all(tmp_path: Path) -> None:
    changes = [{"trial": "T3", "crp": "50"}, {"trial": "T3", "crp": ""}]
    data = load(tmp_path, *changes, layout={"missing_numbers": "pooled"})
    assert data.participants.values[-1, data.participants.covariates.index("crp")] == 12


def test_a_covariate_that_a_trial_never_collected(tmp_path: Path) -> None:
    layout = {"never_collected": {"prior_anti_tnf": {"assume": False, "trials": [" OLD ", "GONE"]}}}
    data = load(
        tmp_path,
        {"trial": "OLD", "prior_anti_tnf": ""},
        {"trial": "OLD", "prior_anti_tnf": "yes"},  # recorded all the same
        {"trial": "OLDER", "prior_anti_tnf": ""},
        {"trial": "OLD", "prior_anti_tnf": "", "ileal": ""},  # left out: not counted
        layout=layout,
    )
    prior = data.participants.values[:, data.participants.covariates.index("prior_anti_tnf")]
    assert prior[len(ARMS) :].tolist() == [0, 1]
    found = added(data)
    assert found["assumed_no_prior_anti_tnf"] == found["missing_prior_anti_tnf"] == 1
    assert any("GONE" in warning for warning in data.warnings)


def test_missing_yes_no_can_be_no_but_sex_never(tmp_path: Path) -> None:
    data = load(
        tmp_path,
        {"steroid": "", "ileal": ""},
        {"sex": ""},
        {"age": ""},
        layout={"missing_yes_no": "no"},
    )
    found = added(data)
    assert found == {
        **{"rows": 3, "missing_age": 1, "missing_sex": 1, "included": 1},
        **{"set_to_no_steroid": 1, "set_to_no_ileal": 1},
    }


def test_what_the_file_has_taken_away_is_added(tmp_path: Path) -> None:
    data = load(
        tmp_path, {"age": "-5", "year": "-1"}, layout={"centred": {"age": 35, "year": 2000}}
    )
    assert data.participants.values[-1, data.participants.covariates.index("age")] == 30
    assert data.participants.year[-1] == 1999


def test_folds_stand_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "trials.csv"
    write_csv(path, [{**row, "fold": str(i % 8)} for i, row in enumerate(ARMS)])
    fold = load_trials(path).participants.fold
    assert fold is not None
    assert fold.tolist() == [*range(8)]
    assert load(tmp_path).participants.fold is None


def test_doubts_are_said_and_do_not_refuse(tmp_path: Path) -> None:
    data = load(
        tmp_path,
        {"age": "17", "bmi": "200"},
        {"trial": "T2", "year": "2006"},
    )
    said = "\n".join(data.warnings)
    assert "age: 1 participant(s) outside the plausible range, 18 to 99 years" in said
    assert "bmi: 1 participant(s) outside" in said
    assert "year differs within 1 of 2 trial(s): T2" in said
    assert "crp has one value in all participants of placebo" in said
    assert not any("one trial" in warning for warning in data.warnings)


def test_a_class_of_one_trial_is_said(tmp_path: Path) -> None:
    path = tmp_path / "trials.csv"
    write_csv(path, [row for row in ARMS if (row["arm"], row["trial"]) != ("anti_il12_23", "T2")])
    (said,) = (each for each in load_trials(path).warnings if "one trial" in each)
    assert "anti_il12_23" in said


def test_a_class_without_participants_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "trials.csv"
    write_csv(path, [row for row in ARMS if row["arm"] != "anti_il12_23"])
    data = load_trials(path)
    assert data.participants.arms == ("placebo", "anti_tnf", "anti_integrin")
    assert [each.key for each in data.template.classes] == ["anti_tnf", "anti_integrin"]
    assert data.participants.arm.tolist() == [0, 0, 1, 1, 2, 2]
    assert any(warning.startswith("anti_il12_23: no participant") for warning in data.warnings)


def test_rows_keep_their_places(tmp_path: Path) -> None:
    path = tmp_path / "trials.csv"
    write_csv(path, [{**GOOD, "arm": "x"}, *ARMS, {**GOOD, "trial": ""}, GOOD])
    participants = load_trials(path).participants
    assert participants.row.tolist() == [*range(1, 9), 10]
    assert np.isfinite(participants.values).all()
