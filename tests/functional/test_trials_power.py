"""The command `trials power`: populations of a file and of a run, files, and refusals."""

import csv
import json
import random
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from omop_scorer.model import kernel
from omop_scorer.model.load import load_model
from omop_scorer.scoring.csv_file import read_csv
from omop_scorer.trials.exact_power import binary_power
from tests.support import tiny_card
from tests.support.command_line import Site, assert_refused, omop_scorer
from tests.support.server_site import ServerSite

COLUMNS = (
    *("cdai", "age", "bmi", "crp", "prior_anti_tnf", "sex", "steroid", "immunomodulator"),
    "ileal",
)
#: A value, and an id in a column that is not read, that may be in no output.
SENTINEL, PERSON = "317.718191", "P-9182736455"
QUICK = ("--simulations", 100, "--arm-size", 40, "--arm-size", 150)


def write(path: Path, n: int = 60, seed: int = 1, **changes: str) -> Path:
    """Write made-up patients; the first has the sentinel as CDAI."""
    draw = random.Random(seed)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["person", *COLUMNS])
        for i in range(n):
            row = {
                "cdai": SENTINEL if i == 0 else draw.randint(220, 450),
                "age": draw.randint(20, 80),
                "bmi": draw.randint(18, 35),
                "crp": draw.choice(("", 4, 30)),
                "sex": draw.choice(("male", "female")),
            }
            row |= {name: draw.choice(("yes", "no")) for name in COLUMNS if name not in row}
            row |= changes if i == 0 else {}
            writer.writerow([PERSON if i == 0 else f"P{i}", *(row[name] for name in COLUMNS)])
    return path


def without_crp(patients: Path) -> int:
    """Return the patients of a file without a C-reactive protein."""
    rows = csv.DictReader(patients.read_text(encoding="utf-8").splitlines())
    return sum(row["crp"] == "" for row in rows)


def missing_crp(n: int, n_whole: int) -> str:
    """Return the warning about patients without a C-reactive protein."""
    return (
        f"warning: crp: {n} of {n_whole} patients have no value, so it is imputed, or left out of "
        "the models, as in scoring"
    )


def numbers(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_file_of_patients(tmp_path: Path) -> None:
    patients, answer, table = write(tmp_path / "p.csv"), tmp_path / "p.json", tmp_path / "t.csv"
    done = omop_scorer("trials", "power", patients, *QUICK, "--json", answer, "--csv", table)
    assert done.returncode == 0, done.stderr
    n_missing = without_crp(patients)
    assert numbers(answer)["not_recorded"] == {"crp": n_missing}
    assert done.stderr.splitlines()[0] == missing_crp(n_missing, 60)
    assert "some of whom have no recorded crp" in " ".join(done.stdout.split())
    found = numbers(answer)["power"]
    assert list(found) == ["how", "age_50_and_over", "women_50_and_over"]
    scored = tmp_path / "scored.csv"
    assert omop_scorer("score", patients, scored).returncode == 0
    rows = list(csv.DictReader(scored.read_text("utf-8").splitlines()))
    for name, members in (
        ("age_50_and_over", [row for row in rows if int(row["age"]) >= 50]),
        (
            "women_50_and_over",
            [row for row in rows if int(row["age"]) >= 50 and row["sex"] == "female"],
        ),
    ):
        part = found[name]
        mean = [
            np.mean([float(row[f"{key}_response_probability"]) for row in members])
            for key in ("anti_il12_23", "anti_tnf")
        ]
        assert part["n_population"] == len(members)
        assert part["mean_probability"] == pytest.approx(mean, abs=1e-12)
        assert part["n_150"]["binary_chi2"] == pytest.approx(binary_power(150, *mean), abs=1e-12)
        alone = sum(row["subgroup"].startswith("IL >") for row in members)
        assert part["designs"]["subgroup_as_eligibility"]["n_population"] == alone
    with table.open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert {each["definition"] for each in lines} >= {
        *("binary_outcome", "predicted_probability", "expected_counts", "continuous_outcome"),
    }
    for each in ("binary", "predicted", "expected", "needed an arm", "optimistic"):
        assert each in done.stdout
    for said in (done.stdout, done.stderr, answer.read_text(), table.read_text()):
        assert SENTINEL not in said
        assert PERSON not in said


def test_few_patients_are_a_warning(tmp_path: Path) -> None:
    patients, page = write(tmp_path / "p.csv", n=90), tmp_path / "p.html"
    options = ("--sex", "any", "--min-age", 0, "--report", page)
    done = omop_scorer("trials", "power", patients, *QUICK, *options)
    assert done.returncode == 0
    assert done.stderr.splitlines() == [missing_crp(without_crp(patients), 90)]
    assert "Population: the patients of p.csv" in done.stdout
    assert "drawn from the patients of p.csv" in page.read_text(encoding="utf-8")
    write(patients, n=49)
    done = omop_scorer("trials", "power", patients, *QUICK, *options)
    assert done.returncode == 0
    assert "warning: all: only 49 patient(s)" in done.stderr
    assert "Fewer than 50 patients, who are drawn again" in page.read_text(encoding="utf-8")


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    patients = write(tmp_path / "p.csv")
    texts = []
    for seed in (1, 1, 2):
        answer = tmp_path / "p.json"
        arguments = ("--json", answer, "--seed", seed, "--min-age", 0, "--sex", "any")
        done = omop_scorer("trials", "power", patients, *QUICK, *arguments)
        assert done.returncode == 0, done.stderr
        texts.append(answer.read_bytes())
    assert texts[0] == texts[1] != texts[2]
    assert list(json.loads(texts[0])["power"]) == ["how", "all"]


def test_classes_ages_and_sex_by_options(tmp_path: Path) -> None:
    patients, answer = write(tmp_path / "p.csv"), tmp_path / "p.json"
    options = ("--class", "anti_integrin", "--against", "anti_il12_23", "--min-age", 30)
    options += ("--max-age", 60, "--sex", "male", "--yates", "--uncertainty", "analytic")
    done = omop_scorer("trials", "power", patients, *QUICK, *options, "--json", answer)
    assert done.returncode == 0, done.stderr
    found = numbers(answer)
    assert found["settings"]["arms"] == ["anti_integrin", "anti_il12_23"]
    assert list(found["power"]) == ["how", "men_30_to_60"]
    assert "Yates" in done.stdout


def test_a_card_of_another_disease_needs_its_classes_named(tmp_path: Path) -> None:
    tiny_card.load(tmp_path, c=4, left_out=())
    card, patients = tmp_path / "tiny.yaml", tmp_path / "p.csv"
    patients.write_text("x0,x1,x2,x3,flag,male\n" + "9,1,2,3,yes,no\n1,9,2,3,no,yes\n" * 5)
    refused = omop_scorer("trials", "power", patients, "--model", card)
    assert refused.returncode == 2
    assert "first, second, third, fourth" in re.sub(r"[\s│]+", " ", refused.stderr)
    answer = tmp_path / "p.json"
    options = ("--class", "second", "--against", "first", "--json", answer)
    done = omop_scorer("trials", "power", patients, "--model", card, *options, *QUICK)
    assert done.returncode == 0, done.stderr
    # Without a covariate age there is no limit of age.
    assert list(numbers(answer)["power"]) == ["how", "all", "women"]
    refused = omop_scorer("trials", "power", patients, "--model", card, *options, "--min-age", 50)
    assert refused.returncode == 2
    assert "no covariate age" in re.sub(r"[\s│]+", " ", refused.stderr)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give a CSV file of patients, or --results"),
        (("p.csv", "--results", "x.duckdb"), "not both"),
        (("p.csv", "--run", "previous"), "not both"),
        (("p.csv", "--class", "steroids"), "no drug class steroids in this model"),
        (("p.csv", "--against", "anti_il12_23"), "two different drug classes"),
        (("p.csv", "--sex", "other"), "allowed: any, female, male"),
        (("p.csv", "--min-age", 60, "--max-age", 50), "--min-age is above --max-age"),
        (("p.csv", "--arm-size", 1), "--arm-size"),
    ],
)
def test_options_that_are_refused(arguments, said, tmp_path: Path) -> None:
    write(tmp_path / "p.csv")
    done = omop_scorer("trials", "power", *arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert said in re.sub(r"[\s│]+", " ", done.stderr)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cdai": "3O0"}, r"line 2: cdai: not a number"),
        ({"age": "12"}, r"line 2: age: outside 18 to 99"),
        ({"sex": "unknown"}, r"line 2: sex: allowed: male, m, female, f"),
    ],
)
def test_a_bad_row_is_named_without_its_value(changes, said, tmp_path: Path) -> None:
    patients = write(tmp_path / "p.csv", **changes)
    done = omop_scorer("trials", "power", patients, *QUICK)
    assert_refused(done, 14, said)
    assert not any(value in done.stderr for value in ("3O0", "unknown", PERSON))


def test_files_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    patients = write(tmp_path / "p.csv")
    before = patients.read_bytes()
    assert_refused(omop_scorer("trials", "power", tmp_path / "none.csv"), 14, "none.csv: No such")
    taken = omop_scorer("trials", "power", patients, "--json", patients)
    assert_refused(taken, 10, "is the file of the data")
    nowhere = omop_scorer("trials", "power", patients, "--csv", tmp_path / "no" / "t.csv")
    assert_refused(nowhere, 10, "folder that does not exist")
    assert patients.read_bytes() == before


def test_nobody_of_this_age(tmp_path: Path) -> None:
    patients = write(tmp_path / "p.csv")
    done = omop_scorer("trials", "power", patients, "--min-age", 98, *QUICK)
    assert_refused(done, 14, "age_98_and_over: no patient", "women_98_and_over: no patient")


def test_the_scored_patients_of_a_run(tmp_path: Path, answered: Path) -> None:
    answer, table = tmp_path / "p.json", tmp_path / "t.csv"
    options = ("--results", answered, "--json", answer, "--csv", table, "--minimum-cell-count", 3)
    done = omop_scorer("trials", "power", *options, *QUICK, "--min-age", 40, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    site = Site(tmp_path, tmp_path, answered)
    rows = site.rows(
        "SELECT s.person_id, s.age, s.is_male, c.drug_class, c.response_probability, s.subgroup "
        "FROM latest_score AS s JOIN latest_counterfactual AS c USING (person_id)"
    )
    ((run_id, as_of),) = site.rows("SELECT run_id, as_of_date FROM latest_run")
    assert f"Population: the patients scored in run {run_id}, as of {as_of}" in done.stdout
    part = numbers(answer)["power"]["women_40_and_over"]
    members = [row for row in rows if row[1] >= 40 and not row[2]]
    assert part["n_population"] == len({row[0] for row in members})
    for i, key in enumerate(("anti_il12_23", "anti_tnf")):
        mean = np.mean([row[4] for row in members if row[3] == key])
        # Means of a warehouse have four digits, and powers are calculated from them.
        assert part["mean_probability"][i] == float(f"{mean:.4g}")
    assert part["n_150"]["binary_chi2"] == binary_power(150, *part["mean_probability"])
    # How many of a run lack a value is for its report, which protects small counts.
    lacking = dict.fromkeys(numbers(answer)["not_recorded"])
    sql = "SELECT DISTINCT covariate FROM patient_covariate WHERE status IN ('imputed', 'left_out')"
    assert set(lacking) == {name for (name,) in site.rows(sql)} != set()
    assert numbers(answer)["not_recorded"] == lacking
    assert done.stderr.count(": some patients have no value") == len(lacking)
    ids = {str(row[0]) for row in rows if row[0] > 999}
    for said in (done.stdout, done.stderr, answer.read_text(), table.read_text()):
        assert not ids & set(re.findall(r"\d+", said))


def test_results_on_a_server_give_the_same_numbers(
    tmp_path: Path, answered: Path, server_answered: ServerSite
) -> None:
    found = []
    for place in (("--results", answered), ("--config", server_answered.run_file())):
        answer = tmp_path / "p.json"
        options = (*place, *QUICK, "--json", answer, "--min-age", 40)
        done = omop_scorer("trials", "power", *options, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        found.append(numbers(answer))
    assert found[0] == found[1]


def test_a_small_population_of_a_run_is_refused(tmp_path: Path, answered: Path) -> None:
    site = Site(tmp_path, tmp_path, answered)
    ((n_women, n_all),) = site.rows(
        "SELECT COUNT(*) FILTER (NOT is_male), COUNT(*) FROM latest_score WHERE age >= 50"
    )
    assert 0 < n_women < n_all
    options = ("--results", answered, *QUICK)
    few = ("--minimum-cell-count", n_women + 1, "--sex", "female")
    done = omop_scorer("trials", "power", *options, *few, cwd=tmp_path)
    said = f"women_50_and_over: fewer than {n_women + 1} patients"
    assert_refused(done, 14, said)
    everyone = ("--min-age", 0, "--sex", "any", "--minimum-cell-count", 10_000)
    refused = omop_scorer("trials", "power", *options, *everyone, cwd=tmp_path)
    assert_refused(refused, 14, "all: fewer than 10000 patients")


def test_a_run_that_is_not_there(tmp_path: Path, answered: Path) -> None:
    done = omop_scorer("trials", "power", "--results", answered, "--run", "7", cwd=tmp_path)
    assert_refused(done, 10, "no run '7'")
    done = omop_scorer("trials", "power", "--results", tmp_path / "no.duckdb", cwd=tmp_path)
    assert_refused(done, 11, "no.duckdb")


def test_a_run_without_the_covariates_of_the_card(tmp_path: Path, answered: Path) -> None:
    tiny_card.load(tmp_path, c=2, left_out=())
    options = ("--class", "first", "--against", "second", "--model", tmp_path / "tiny.yaml")
    done = omop_scorer("trials", "power", "--results", answered, *options, cwd=tmp_path)
    assert_refused(done, 15, "no covariate x0, x1, flag of every patient")


def test_the_continuous_design_by_hand(tmp_path: Path) -> None:
    patients, answer = write(tmp_path / "p.csv"), tmp_path / "p.json"
    done = omop_scorer("trials", "power", patients, *QUICK, "--min-age", 0, "--json", answer)
    assert done.returncode == 0, done.stderr
    found = numbers(answer)["power"]["all"]["designs"]["continuous_outcome"]
    model = load_model("crohns_srs_2025")
    by_key = {each.key: each for each in model.card.classes}
    values, _ = read_csv(patients, model.card.covariates)
    scores = kernel.score(values, model.arrays, "analytic")
    keys = [each.key for each in model.card.classes]
    total, variance = 0.0, 0.0
    for key, sign in (("anti_il12_23", 1), ("anti_tnf", -1)):
        reduction = scores.expected_reduction[:, keys.index(key)]
        total += sign * reduction.mean()
        variance += by_key[key].residual_variance + reduction.var()
    deviate = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    expected = int(np.ceil(variance * (deviate / total) ** 2)) if total > 0 else None
    assert found["required_n"]["power_80"] == expected


def test_a_minimum_for_a_file(tmp_path: Path) -> None:
    patients, answer = write(tmp_path / "p.csv", n=30), tmp_path / "p.json"
    options = ("--min-age", 0, "--sex", "any", "--json", answer, *QUICK)
    done = omop_scorer("trials", "power", patients, *options, "--minimum-cell-count", 31)
    assert_refused(done, 14, "all: fewer than 31 patients")
    done = omop_scorer("trials", "power", patients, *options, "--minimum-cell-count", 10)
    assert done.returncode == 0, done.stderr
    mean = numbers(answer)["power"]["all"]["mean_probability"]
    assert mean == [float(f"{each:.4g}") for each in mean]
