"""`omop-scorer trials validate`: subgroups and errors for participants that models never saw."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.command_line import Finished, omop_scorer
from tests.support.trial_data import Made, Plan, make_up, write_csv, write_template

#: Women of 50 and over are best on the anti-IL-12/23, others on the anti-TNF.
PLANTED = Plan(
    n=960,
    effects={
        "anti_tnf": {"intercept": 60.0},
        "anti_il12_23": {"intercept": 60.0, "age": 6.0, "male": -60.0},
        "anti_integrin": {"intercept": -40.0},
    },
    residual_deviation=40.0,
)


def validate(data: Path, *arguments: object) -> Finished:
    return omop_scorer("trials", "validate", data, "--refits", 200, *arguments)


def numbers_of(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def validated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with planted data and all that a validation of them writes."""
    folder = tmp_path_factory.mktemp("validated")
    data = make_up(4, PLANTED).write(folder / "trials.csv")
    arguments = ("--json", folder / "v.json", "--rows", "--csv", folder / "tables", "--threads", 1)
    finished = validate(data, *arguments)
    assert finished.returncode == 0, finished.stderr
    (folder / "printed.txt").write_text(finished.stdout, encoding="utf-8")
    (folder / "said.txt").write_text(finished.stderr, encoding="utf-8")
    return folder


def test_the_planted_subgroup_is_found_by_models_that_never_saw_it(validated: Path) -> None:
    found = numbers_of(validated / "v.json")
    for way in ("all_patients", "placebo_once"):
        for how in ("analytic", "bootstrap"):
            each = found["cross_validation"][way][how]
            il_best = sum(fold["n_il_best"] for fold in each["folds"])
            of_women = sum(fold["n_il_best_women_50_and_over"] for fold in each["folds"])
            women = sum(fold["n_women_50_and_over"] for fold in each["folds"])
            assert of_women > 0.8 * women
            assert il_best > of_women
            assert each["against_full_data"]["same_label_share"] > 0.9
            shares = each["over_folds"]["il_best_among_women_50_and_over"]
            assert shares["low"] <= shares["median"] <= shares["high"] <= 1.0
        assert found["cross_validation"][way]["n_failed"] == 0
    errors = found["cross_validation"]["all_patients"]["calibration"]
    assert list(errors) == ["placebo", *PLANTED.classes]
    # The noise has a deviation of 40, and trials differ by 6.
    assert all(38 < each["rmse"] < 48 for each in errors.values())
    assert all(len(each["fifths"]) == 5 for each in errors.values())


def test_every_row_has_a_fold_and_counts_add_up(validated: Path) -> None:
    found = numbers_of(validated / "v.json")
    assert np.bincount(found["fold"]).tolist() == [96] * 10
    for way, n in (("all_patients", 960), ("placebo_once", 720)):
        each = found["cross_validation"][way]["bootstrap"]
        labels = [label for label in each["label"] if label is not None]
        assert len(each["label"]) == 960
        assert len(labels) == n
        counted = {found["labels"][label]: labels.count(label) for label in set(labels)}
        assert counted == each["subgroup_counts"]
        folds = each["folds"]
        assert [fold["fold"] for fold in folds] == list(range(10))
        assert sum(fold["n_held_out"] for fold in folds) == n
        assert sum(sum(fold["subgroup_counts"].values()) for fold in folds) == n


def test_the_csv_files_hold_the_same_figures(validated: Path) -> None:
    found = numbers_of(validated / "v.json")
    with (validated / "tables" / "folds.csv").open(encoding="utf-8", newline="") as file:
        folds = list(csv.DictReader(file))
    assert len(folds) == 40
    for row in folds:
        each = found["cross_validation"][row["way"]][row["uncertainty"]]["folds"][int(row["fold"])]
        for column in ("n_held_out", "n_women_50_and_over", "n_il_best"):
            assert int(row[column]) == each[column]
    with (validated / "tables" / "leave_one_trial_out.csv").open(encoding="utf-8") as file:
        trials = list(csv.DictReader(file))
    assert len(trials) == 24
    assert float(trials[0]["observed"]) == found["leave_one_trial_out"]["placebo"][0]["observed"]
    with (validated / "tables" / "calibration.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 5 * 4 + 5 * 3


def test_what_is_printed_fits_80_columns(validated: Path) -> None:
    printed = (validated / "printed.txt").read_text(encoding="utf-8")
    lines = [each for each in printed.splitlines() if not each.startswith("written")]
    assert max(map(len, lines)) <= 80
    for word in ("all_patients: ten folds", "women of 50+ among IL first", "RMSE", "(TNF = IL) >"):
        assert word in printed


def test_nothing_of_a_person_leaves(validated: Path) -> None:
    data = make_up(4, PLANTED)
    texts = [
        path.read_text(encoding="utf-8")
        for path in sorted(validated.rglob("*"))
        if path.is_file() and path.name != "trials.csv"
    ]
    assert len(texts) == 6
    for text in texts:
        assert "P000" not in text
        assert not any(repr(float(each)) in text for each in data.outcome)


def test_the_same_seed_gives_the_same_bytes_with_any_threads(
    validated: Path, tmp_path: Path
) -> None:
    arguments = ("--json", tmp_path / "v.json", "--rows", "--csv", tmp_path / "tables")
    assert validate(validated / "trials.csv", *arguments, "--threads", 3).returncode == 0
    for name in ("v.json", "tables/folds.csv", "tables/calibration.csv"):
        assert (tmp_path / name).read_bytes() == (validated / name).read_bytes()


def test_folds_of_the_file_are_used(validated: Path, tmp_path: Path) -> None:
    rows = make_up(4, PLANTED).rows()
    own = [place // 7 % 10 for place in range(len(rows))]
    named = [{**row, "fold": str(fold)} for row, fold in zip(rows, own, strict=True)]
    data = write_csv(tmp_path / "trials.csv", named)
    finished = validate(data, "--json", tmp_path / "v.json", "--rows", "--csv", tmp_path / "f.csv")
    assert finished.returncode == 0, finished.stderr
    found = numbers_of(tmp_path / "v.json")
    assert found["fold"] == own
    assert found["folds"]["source"] == "column"
    assert (tmp_path / "f_leave_one_trial_out.csv").is_file()


def test_an_empty_fold_is_refused(tmp_path: Path) -> None:
    rows = make_up(4, PLANTED).rows()
    named = [{**row, "fold": str(place % 9)} for place, row in enumerate(rows)]
    data = write_csv(tmp_path / "trials.csv", named)
    finished = validate(data, "--json", tmp_path / "v.json")
    assert finished.returncode == 14
    assert "column fold: no included participant has fold 9" in finished.stderr
    assert not (tmp_path / "v.json").exists()


def test_a_collinear_covariate_is_named(tmp_path: Path) -> None:
    rows = make_up(4, PLANTED).rows()
    for row in rows:
        row["crp"] = repr(2.0 * float(row["bmi"]))
    finished = validate(write_csv(tmp_path / "trials.csv", rows))
    assert finished.returncode == 14
    assert "placebo: crp is determined by bmi, or almost so (collinear)," in finished.stderr


def test_a_class_with_one_trial_is_validated(tmp_path: Path) -> None:
    rows = [
        row
        for row in make_up(4, PLANTED).rows()
        if row["arm"] != "anti_integrin" or row["trial"] == "TRIALB"
    ]
    data = write_csv(tmp_path / "trials.csv", rows)
    finished = validate(data, "--json", tmp_path / "v.json")
    assert finished.returncode == 0, finished.stderr
    assert "anti_integrin" in finished.stderr
    found = numbers_of(tmp_path / "v.json")
    assert found["leave_one_trial_out"]["anti_integrin"] == []
    models = found["cross_validation"]["all_patients"]["models"]
    assert all(each["anti_integrin"]["trial_variance"] == 0 for each in models)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_another_disease_without_year_age_and_sex(tmp_path: Path, n_classes: int) -> None:
    classes = tuple(f"class_{letter}" for letter in "abcd"[:n_classes])
    plan = Plan(
        n=500,
        classes=classes,
        covariates={"marker": Made(0.5), "score": Made(100, 20, 100)},
        placebo={"intercept": 20.0},
        effects={"class_a": {"intercept": 80.0, "marker": -160.0}},
        year=None,
        residual_deviation=30.0,
    )
    data = make_up(2, plan).write(tmp_path / "trials.csv")
    card = write_template(tmp_path / "other.yaml", plan)
    finished = validate(data, "--template", card, "--json", tmp_path / "v.json")
    assert finished.returncode == 0, finished.stderr
    found = numbers_of(tmp_path / "v.json")
    folds = found["cross_validation"]["all_patients"]["bootstrap"]["folds"]
    assert {fold["n_women_50_and_over"] for fold in folds} == {None}
    assert {fold["n_il_best"] for fold in folds} == {None}
    assert sum(fold["n_best_alone"]["class_a"] for fold in folds) > 200
    assert "IL first" not in finished.stdout
    assert max(map(len, finished.stdout.split("written")[0].splitlines())) <= 80
