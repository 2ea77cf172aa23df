"""`omop-scorer trials fit`: from trial data to a card that scores patients and a warehouse."""

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from omop_scorer.model.load import load_model
from tests.support.command_line import Site, omop_scorer
from tests.support.trial_data import CROHNS, Made, Plan, make_up, write_csv, write_template
from tests.support.trials import LAYOUT, trials_sample  # noqa: F401

#: Effects so strong that nobody can miss them.
PLANTED = Plan(
    n=1200,
    effects={
        "anti_tnf": {"intercept": 60.0},
        "anti_il12_23": {"intercept": 60.0, "age": 4.0},
        "anti_integrin": {"intercept": 10.0},
    },
    residual_deviation=40.0,
)
#: A disease whose covariates a run can derive.
SHORT = {name: CROHNS[name] for name in ("age", "bmi", "crp", "male")}
PATIENT = ("--age", "60", "--sex", "female", "--cdai", "320", "--prior-anti-tnf", "--ileal")


def fit(data: Path, card: Path, *arguments: object) -> Any:
    finished = omop_scorer("trials", "fit", data, "-o", card, "--refits", 400, *arguments)
    assert finished.returncode == 0, finished.stderr
    return finished


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with planted data, their card, its variants, and what was printed."""
    folder = tmp_path_factory.mktemp("fitted")
    data = make_up(4, PLANTED).write(folder / "trials.csv")
    numbers = folder / "numbers.json"
    finished = fit(data, folder / "my_card.yaml", "--json", numbers, "--rows", "--threads", 1)
    (folder / "printed.txt").write_text(finished.stdout + finished.stderr, encoding="utf-8")
    return folder


def test_the_planted_effects_come_back(fitted: Path) -> None:
    model = load_model(fitted / "my_card.yaml")
    classes = {each.key: each for each in model.card.classes}
    for key, effects in PLANTED.effects.items():
        each = classes[key]
        for term, planted in effects.items():
            place = each.terms.index(term)
            error = np.sqrt(each.covariance[place][place])
            # The intercept also has the error of the placebo model.
            assert abs(each.beta[place] - planted) < 5 * error + (term == "intercept") * 20
    assert model.card.training_population.n == 1200
    assert len(model.reduced) == 7


def test_the_card_says_how_it_was_made(fitted: Path) -> None:
    card = load_model(fitted / "my_card.yaml").card
    assert card.id == "my_card"
    assert card.fit is not None
    assert (card.fit.seed, card.fit.refits, card.fit.bootstrap_trials) == (20250531, 400, "held")
    assert card.fit.attrition["included"] == 1200
    assert set(card.fit.likelihood_ratio) == {"placebo", *PLANTED.classes}
    texts = (card.title, card.credit, card.limits.line, card.limits.text, card.sources[0].gives)
    assert not any("Rudrapatna" in text or "2025 from trials" in text for text in texts)
    # Texts of the calculator go with the template, but not what they say of its own trials.
    assert card.calculator is not None
    assert card.calculator.covariates["cdai"].label == "CDAI"
    assert card.calculator.covariates["cdai"].enrolled is None
    assert card.calculator.limits is None
    assert card.calculator.not_in_model == ()
    assert "n_per_trial" not in (fitted / "my_card.yaml").read_text(encoding="utf-8")


def test_numbers_are_written_at_full_precision(fitted: Path) -> None:
    numbers = json.loads((fitted / "numbers.json").read_text(encoding="utf-8"))
    card = load_model(fitted / "my_card.yaml").card
    for each in card.classes:
        model = numbers["models"][each.key]
        assert list(each.beta) == model["beta"]
        assert [list(row) for row in each.covariance] == model["covariance"]
        assert list(each.bootstrap_mean) == numbers["bootstrap"]["moments"][each.key]["mean"]
    assert list(numbers) == [
        *("labels", "class_order", "attrition", "medians", "warnings"),
        *("models", "bootstrap", "full_data", "ablation"),
    ]
    labels = numbers["full_data"]["analytic"]["label"]
    assert len(labels) == 1200
    counted = {numbers["labels"][each]: labels.count(each) for each in set(labels)}
    assert counted == numbers["full_data"]["analytic"]["subgroup_counts"]
    assert list(numbers["ablation"])[-1] == "cdai+crp+ileal"


def test_the_same_seed_gives_the_same_bytes_with_any_threads(fitted: Path, tmp_path: Path) -> None:
    card, numbers = tmp_path / "my_card.yaml", tmp_path / "numbers.json"
    fit(fitted / "trials.csv", card, "--json", numbers, "--rows", "--threads", 2)
    for name in ("my_card.yaml", "my_card.variants.json", "numbers.json"):
        assert (tmp_path / name).read_bytes() == (fitted / name).read_bytes()
    fit(fitted / "trials.csv", card, "--seed", 7)
    assert card.read_bytes() != (fitted / "my_card.yaml").read_bytes()


def test_what_is_printed_fits_80_columns(fitted: Path) -> None:
    printed = (fitted / "printed.txt").read_text(encoding="utf-8")
    lines = [each for each in printed.splitlines() if not each.startswith(("written", "warning"))]
    assert max(map(len, lines)) <= 80
    for word in (
        "included          1,200  ",
        "immunomodulator",
        "likelihood ratio",
        "no preference",
    ):
        assert word in printed


def test_a_card_scores_a_patient_and_a_file(fitted: Path, tmp_path: Path) -> None:
    card = fitted / "my_card.yaml"
    one = omop_scorer("score", "--model", card, *PATIENT)
    assert one.returncode == 0, one.stderr
    rows = [
        {each: row[each] for each in row if each not in {"participant_id", "trial", "outcome"}}
        for row in make_up(9, Plan(n=40)).rows()
    ]
    rows = [row for row in rows if 18 <= float(row["age"]) <= 99]
    source, target = write_csv(tmp_path / "patients.csv", rows), tmp_path / "scores.csv"
    finished = omop_scorer("score", source, target, "--model", card)
    assert finished.returncode == 0, finished.stderr
    with target.open(encoding="utf-8", newline="") as file:
        assert all(row["subgroup"] for row in csv.DictReader(file))


def test_a_card_scores_a_warehouse_and_its_report_claims_nothing(
    fitted: Path, tmp_path: Path, made_up: Any
) -> None:
    site = Site(tmp_path, made_up(), tmp_path / "results.duckdb")
    finished = site.run(model=str(fitted / "my_card.yaml"), missing="reduced_model")
    assert finished.returncode == 0, finished.stderr
    ((model_id, n_scored),) = site.rows("SELECT model_id, n_scored FROM latest_run")
    assert (model_id, n_scored > 0) == ("my_card", True)
    page = tmp_path / "report.html"
    written = omop_scorer("report", "--config", site.run_file(), "--output", page)
    assert written.returncode == 0, written.stderr
    text = page.read_text(encoding="utf-8")
    for claim in ("Rudrapatna", "University of California", "paper’s", "web calculator"):
        assert claim not in text
    # The names come from the card, as long as it is the one that the run read.
    assert "TNF is anti-TNF (adalimumab, infliximab, certolizumab pegol)" in text
    ((n_equal,),) = site.rows(
        "SELECT COUNT(*) FROM latest_score WHERE subgroup = '(TNF = IL = INT)'"
    )
    if n_equal >= 5:
        assert f"Patients without a preference: {n_equal} by bootstrap" in text
    card = tmp_path / "my_card.yaml"
    shutil.copy(fitted / "my_card.yaml", card)
    shutil.copy(fitted / "my_card.variants.json", tmp_path)
    again = site.run(model=str(card), missing="reduced_model")
    assert again.returncode == 0, again.stderr
    with card.open("a", encoding="utf-8") as file:
        file.write("# changed since\n")
    written = omop_scorer("report", "--config", site.run_file(), "--output", page)
    assert written.returncode == 0, written.stderr
    changed = page.read_text(encoding="utf-8")
    assert "TNF is anti-TNF" not in changed
    assert "Patients without a preference: 0" not in changed


@pytest.mark.parametrize("command", ["fit", "validate", "forest"])
def test_rows_without_a_file_for_them_are_refused(fitted: Path, command: str) -> None:
    finished = omop_scorer("trials", command, fitted / "trials.csv", "--rows")
    assert finished.returncode == 2
    assert "--rows adds to --json; give both" in finished.stderr


@pytest.mark.parametrize("n_classes", [2, 4, 5])
def test_another_disease_from_fit_to_score_and_run(
    tmp_path: Path, made_up: Any, n_classes: int
) -> None:
    keys = tuple(f"class_{letter}" for letter in "abcde"[:n_classes])
    plan = Plan(n=120 * (n_classes + 1), classes=keys, covariates=SHORT, placebo={}, year=None)
    template = write_template(tmp_path / "disease.yaml", plan)
    data = make_up(2, plan).write(tmp_path / "trials.csv")
    card = tmp_path / "disease_fitted.yaml"
    fit(data, card, "--template", template, "--without", "crp")
    assert [each.key for each in load_model(card).card.classes] == list(keys)
    rows = [{"age": "40", "bmi": "", "crp": "12", "sex": "f"}]
    source, target = write_csv(tmp_path / "patients.csv", rows), tmp_path / "scores.csv"
    scored = omop_scorer("score", source, target, "--model", card)
    assert scored.returncode == 0, scored.stderr
    site = Site(tmp_path, made_up(), tmp_path / "results.duckdb")
    finished = site.run(model=str(card), missing="reduced_model")
    assert finished.returncode == 0, finished.stderr
    ((n_scored,),) = site.rows("SELECT n_scored FROM latest_run")
    assert n_scored > 0


def test_covariates_that_no_warehouse_has(tmp_path: Path) -> None:
    covariates = {"pain": Made(5, 2, 4), "smoker": Made(0.3)}
    plan = Plan(n=300, classes=("x", "y"), covariates=covariates, placebo={"pain": 2.0})
    template = write_template(tmp_path / "pain_template.yaml", plan)
    data = make_up(2, plan).write(tmp_path / "trials.csv")
    fit(data, tmp_path / "pain.yaml", "--template", template)
    source = write_csv(tmp_path / "in.csv", [{"pain": "3", "smoker": "yes"}])
    scored = omop_scorer("score", source, tmp_path / "out.csv", "--model", tmp_path / "pain.yaml")
    assert scored.returncode == 0, scored.stderr
    one = omop_scorer("score", "--model", tmp_path / "pain.yaml", "--age", 40)
    assert one.returncode == 2
    said = re.sub(r"[\s│]+", " ", one.stderr)
    assert "covariates without an option: pain, smoker; give a CSV file with the columns" in said
    site = Site(tmp_path, tmp_path / "no_cdm.duckdb", tmp_path / "results.duckdb")
    checked = site.run(command="check", model=str(tmp_path / "pain.yaml"))
    assert "add sql/covariates/pain.sql, sql/covariates/smoker.sql" in checked.stdout
    assert "[model: add the rules to sql/covariates" in checked.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "pattern"),
    [
        (("-o", "crohns_srs_2025.yaml"), 10, "a shipped card has the id"),
        (("-o", "card.json"), 10, "a model card is a file .yaml"),
        (("-o", "2025.yaml"), 10, "begins with a letter"),
        (("-o", "none/card.yaml"), 10, "folder that does not exist"),
        (("--json", "trials.csv"), 10, "is the file of the data"),
        (("--layout", "nobody"), 10, "crohnsrx_sample, plain"),
        (("--template", "nobody"), 10, "crohns_srs_2025"),
        (("--without", "weight"), 10, "--without: found weight"),
        (("--refits", "1"), 2, "--refits"),
        (("--rows",), 2, "--rows adds to --json"),
        (("--bootstrap-trials", "free"), 2, "bootstrap-trials"),
    ],
)
def test_refusals(
    fitted: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, pattern: str
) -> None:
    (tmp_path / "trials.csv").write_bytes((fitted / "trials.csv").read_bytes())
    finished = omop_scorer("trials", "fit", "trials.csv", *arguments, cwd=tmp_path)
    assert finished.returncode == code, finished.stderr
    assert re.search(pattern, finished.stderr)
    assert "Traceback" not in finished.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["trials.csv"]


#: Cells that stand for a person: nothing that the program says or writes may hold them.
SENTINEL = re.compile(r"SENTINEL|(?<!\d)73519(?!\d)|(?<!\d)7351\.9(?!\d)")


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ({}, 0),
        ({"bmi": "73519x"}, 14),
        ({"steroid": "SENTINEL"}, 14),
        ({"sex": "SENTINEL", "age": "73519,1"}, 14),
        ({"participant_id": "SENTINEL1"}, 14),
        ({"arm": "SENTINEL"}, 0),
        ({"crp": "7351.9"}, 0),
        ({"fold": "73519"}, 14),
        ({"year": "SENTINEL"}, 14),
    ],
    ids=str,
)
def test_nobody_is_named(tmp_path: Path, cells: dict[str, str], code: int) -> None:
    rows = [
        {**row, "participant_id": f"SENTINEL{i}", "fold": str(i % 10)}
        for i, row in enumerate(make_up(3, Plan(n=400)).rows())
    ]
    # A trial of two, whose median of the CRP would be a value of theirs.
    rows[5] |= {"trial": "ALONE", "crp": "73519.0", "bmi": ""}
    rows[6] |= {"trial": "ALONE", "crp": "", "bmi": "7351.9"}
    rows[9] |= cells
    data = write_csv(tmp_path / "trials.csv", rows)
    card, numbers = tmp_path / "card.yaml", tmp_path / "numbers.json"
    arguments = ("-o", card, "--json", numbers, "--rows", "--refits", 200, "--without", "crp")
    finished = omop_scorer("trials", "fit", data, *arguments)
    assert finished.returncode == code, finished.stderr
    said = [finished.stdout, finished.stderr]
    said += [path.read_text(encoding="utf-8") for path in tmp_path.iterdir() if path != data]
    assert [text for text in said if SENTINEL.search(text)] == []
    assert "Traceback" not in finished.stderr


def test_the_authors_sample(trials_sample: Path, tmp_path: Path) -> None:  # noqa: F811
    numbers = tmp_path / "numbers.json"
    fit(trials_sample, tmp_path / "sample.yaml", "--layout", LAYOUT, "--json", numbers)
    found = json.loads(numbers.read_text(encoding="utf-8"))
    attrition = found["attrition"]
    assert (attrition.pop("rows"), attrition.pop("included")) == (1000, 1000)
    assert {str(n) for n in attrition.values()} == {"0", "{}"}
    assert len(found["medians"]["bmi"]["by_trial"]) == 15
    assert found["medians"]["crp"]["pooled"] == pytest.approx(9.095, abs=1e-9)
    card = load_model(tmp_path / "sample.yaml").card
    assert [each.trial_variance for each in card.classes] == [0, 0, 0]
    assert yaml.safe_load((tmp_path / "sample.yaml").read_text("utf-8"))["variants"]
