"""The published web calculator's answers, patient by patient.

`calculator_golden.csv` holds 400 made-up patients and what the R code of crohnsrx.org answers for
them (method `analytic`, year 2006). That code rounds effects and errors to 7 digits before its
t-test, so its p-values agree to 1e-6 as they are, and to 1e-12 once ours are rounded alike.
"""

import csv
from pathlib import Path

import numpy as np
import pytest

from omop_scorer.model import kernel, p_values
from omop_scorer.model.load import load_model
from omop_scorer.scoring.csv_file import score_csv

GOLDEN = Path(__file__).parent / "calculator_golden.csv"
NAME_IN_R = {"anti_tnf": "tnfi", "anti_il12_23": "il12", "anti_integrin": "intg"}
TEXT_COLUMNS = {"sex", "drug1", "drug2", "drug3"}


@pytest.fixture(scope="module")
def model():
    return load_model("crohns_srs_2025")


@pytest.fixture(scope="module")
def golden():
    with GOLDEN.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 400
    return {
        name: np.array([row[name] if name in TEXT_COLUMNS else float(row[name]) for row in rows])
        for name in rows[0]
    }


@pytest.fixture(scope="module")
def covariates(golden, model):
    golden = golden | {"male": golden["sex"] == "Male", "prior_anti_tnf": golden["hx_tnfi"]}
    return np.column_stack([golden[name] for name in model.arrays.covariates]).astype(float)


@pytest.fixture(scope="module")
def scores(covariates, model):
    return kernel.score(covariates, model.arrays, "analytic")


def test_effects_errors_and_probabilities(scores, golden, model):
    assert scores.placebo_effect == pytest.approx(golden["plac.attrib"], abs=1e-9)
    for i, drug_class in enumerate(model.arrays.classes):
        name = NAME_IN_R[drug_class.key]
        for values, suffix in (
            (scores.attributable_effect, "attrib"),
            (scores.standard_error, "se"),
            (scores.response_probability, "response"),
        ):
            assert values[:, i] == pytest.approx(golden[f"{name}.{suffix}"], abs=1e-9)


def test_order_and_subgroups(scores, golden, model):
    names = np.array([NAME_IN_R[drug_class.key] for drug_class in model.arrays.classes])
    drugs = np.column_stack([golden["drug1"], golden["drug2"], golden["drug3"]])
    assert (names[scores.ranking] == drugs).all()
    assert ((scores.p_first_second < 0.05) == golden["p12_ohe"]).all()
    assert ((scores.p_second_third < 0.05) == golden["p23_ohe"]).all()


def test_p_values(scores, golden):
    assert scores.p_first_second == pytest.approx(golden["p12"], abs=1e-6)
    assert scores.p_second_third == pytest.approx(golden["p23"], abs=1e-6)


def test_p_values_from_inputs_of_seven_digits(scores, golden, model):
    effects, errors = (
        np.array([[float(f"{value:.7g}") for value in row] for row in values])
        for values in (scores.attributable_effect, scores.standard_error)
    )
    degrees = [drug_class.degrees_of_freedom for drug_class in model.arrays.classes]
    for first, second, column in ((0, 1, "p12"), (1, 2, "p23")):
        for patient, ranking in enumerate(scores.ranking):
            a, b = ranking[first], ranking[second]
            variance = errors[patient, a] ** 2 + errors[patient, b] ** 2
            squared_t = (effects[patient, a] - effects[patient, b]) ** 2 / variance
            df = degrees[a] + degrees[b]
            p_value = p_values.two_sided_p_value(np.array(squared_t / df), df)
            assert p_value == pytest.approx(golden[column][patient], abs=1e-12)


def test_placebo_and_prediction_errors_of_the_card(covariates, golden, model):
    """The card's numbers that no score uses are the published ones too."""
    design = np.column_stack([np.ones(len(covariates)), covariates - model.arrays.centre])
    year = np.full((len(design), 1), 6.0)
    regressions = {"plac": (model.card.placebo, np.hstack([design[:, :1], year, design[:, 1:]]))}
    regressions |= {NAME_IN_R[each.key]: (each, design) for each in model.card.classes}
    for name, (regression, x) in regressions.items():
        variance = np.einsum("ni,ij,nj->n", x, np.array(regression.covariance), x)
        assert np.sqrt(variance) == pytest.approx(golden[f"{name}.se"], abs=1e-9)
        variance += regression.trial_variance + regression.residual_variance
        assert np.sqrt(variance) == pytest.approx(golden[f"{name}.pred_se"], abs=1e-9)


def test_score_csv_agrees(tmp_path, golden, model):
    """Through the file of the `score` command: the golden rows in, their answers out."""
    text = GOLDEN.read_text().replace('"hx_tnfi"', '"prior_anti_tnf"', 1)
    (tmp_path / "in.csv").write_text(text)
    counts = score_csv(tmp_path / "in.csv", tmp_path / "out.csv", model, "analytic")
    with (tmp_path / "out.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert counts.n_scored == len(rows) == 400

    def column(name):
        return np.array([float(row[name]) for row in rows])

    assert column("placebo_effect") == pytest.approx(golden["plac.attrib"], abs=1e-9)
    for key, name in NAME_IN_R.items():
        assert column(f"{key}_effect") == pytest.approx(golden[f"{name}.attrib"], abs=1e-9)
        assert column(f"{key}_standard_error") == pytest.approx(golden[f"{name}.se"], abs=1e-9)
        probability = column(f"{key}_response_probability")
        assert probability == pytest.approx(golden[f"{name}.response"], abs=1e-9)
    assert column("p_first_second") == pytest.approx(golden["p12"], abs=1e-6)
    assert column("p_second_third") == pytest.approx(golden["p23"], abs=1e-6)
    for place, drug in (("first_class", "drug1"), ("second_class", "drug2")):
        assert [NAME_IN_R[row[place]] for row in rows] == list(golden[drug])
