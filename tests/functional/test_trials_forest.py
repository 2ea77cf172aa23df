"""The command `trials forest`: what it writes and prints, the same on any threads, and refusals."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command_line import assert_refused, environment, omop_scorer
from tests.support.trial_data import Plan, make_up, write_csv, write_template

EFFECTS = {"anti_tnf": {"intercept": 60.0}, "anti_il12_23": {"intercept": 40.0, "age": 3.0}}
QUICK = ("--resamples", 3, "--trees", 3, "--refits", 200)
PERSON = "P000007"


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forest")
    made = make_up(2, Plan(n=240, effects=EFFECTS, residual_deviation=30.0))
    return made.write(folder / "trials.csv")


def test_numbers_files_and_tables(trials: Path, tmp_path: Path) -> None:
    answer, table = tmp_path / "f.json", tmp_path / "f.csv"
    options = ("--json", answer, "--rows", "--csv", table, "--threads", 2)
    done = omop_scorer("trials", "forest", trials, *QUICK, *options)
    assert done.returncode == 0, done.stderr
    document = json.loads(answer.read_text(encoding="utf-8"))
    found = document["random_forest"]
    (run,) = found["runs"]
    assert 0.9 < run["concordance_with_bootstrap"] <= 1
    assert set(found["models"]) == {"placebo", "anti_tnf", "anti_il12_23", "anti_integrin"}
    for each in found["models"].values():
        assert each["rmse"] > 0
        assert each["rmse_ratio"] == pytest.approx(each["rmse"] / each["rmse_mixed"])
    labels = found["forest"]["label"]
    assert len(labels) == 240
    n_equal = labels.count(len(document["labels"]) - 1)
    assert run["no_preference_share"] == pytest.approx(n_equal / 240)
    for how in ("bootstrap", "analytic"):
        assert found["agreement"][how]["concordance"] == run[f"concordance_with_{how}"]
        for pair in found["agreement"][how]["pairs"].values():
            assert sum(map(sum, pair)) == 240
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for how in ("bootstrap", "analytic"):
        of_how = [row for row in rows if row["uncertainty"] == how]
        assert sum(int(row["n_participants"]) for row in of_how) == 240
        same = sum(
            int(row["n_participants"])
            for row in of_how
            if row["subgroup"] == row["forest_subgroup"]
        )
        assert same / 240 == pytest.approx(run[f"same_label_as_{how}"])
    for each in ("concordance", "same label", "without preference, forests", "five-fold"):
        assert each in done.stdout
    values = [row["outcome"] for row in csv.DictReader(trials.read_text("utf-8").splitlines())]
    for text in (done.stdout, done.stderr, answer.read_text(), table.read_text()):
        assert PERSON not in text
        assert not any(value in text for value in values)


def test_threads_change_no_byte(trials: Path, tmp_path: Path) -> None:
    texts = []
    for threads, seed in ((1, 5), (3, 5), (1, 6)):
        answer = tmp_path / "f.json"
        options = ("--threads", threads, "--seed", seed, "--json", answer)
        done = omop_scorer("trials", "forest", trials, *QUICK, *options)
        assert done.returncode == 0, done.stderr
        texts.append(answer.read_bytes())
    assert texts[0] == texts[1] != texts[2]


def test_rows_are_written_only_if_asked_for(trials: Path, tmp_path: Path) -> None:
    answer = tmp_path / "f.json"
    done = omop_scorer("trials", "forest", trials, *QUICK, "--json", answer)
    assert done.returncode == 0, done.stderr
    assert "label" not in json.loads(answer.read_text())["random_forest"]["forest"]


def test_two_classes_and_an_arm_that_is_too_small(tmp_path: Path) -> None:
    plan = Plan(n=120, n_trials=3, classes=("anti_tnf", "anti_integrin"), year=None)
    rows = make_up(6, plan).rows()
    two = write_csv(tmp_path / "two.csv", rows)
    options = ("--template", write_template(tmp_path / "two.yaml", plan), *QUICK)
    done = omop_scorer("trials", "forest", two, *options)
    assert done.returncode == 0, done.stderr
    n_kept = 0
    for row in rows:
        if row["arm"] == "anti_integrin":
            n_kept += 1
            row["arm"] = "anti_tnf" if n_kept > 8 else "anti_integrin"
    small = write_csv(tmp_path / "small.csv", rows)
    done = omop_scorer("trials", "forest", small, *options)
    assert_refused(done, 14, "anti_integrin: fewer than 10 participants")


def test_missing_scikit_learn(trials: Path) -> None:
    code = (
        "import sys; sys.modules['sklearn'] = None; "
        f"sys.argv = ['omop-scorer', 'trials', 'forest', {str(trials)!r}]; "
        "from omop_scorer.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert_refused(done, 10, r"pip install 'omop-scorer\[trials\]'")


def test_a_file_that_cannot_be_written(trials: Path, tmp_path: Path) -> None:
    before = trials.read_bytes()
    done = omop_scorer("trials", "forest", trials, *QUICK, "--json", trials)
    assert_refused(done, 10, "is the file of the data")
    assert trials.read_bytes() == before
