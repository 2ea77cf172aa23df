"""What was not found is left out of the model, where the card has one without it."""

import numpy as np
import pytest

from omop_scorer import terms
from omop_scorer.model import kernel
from omop_scorer.model.load import load_model
from tests.support.spec import ABSENT, NOTHING, imputed, read_cdm, run

SITE_CDAI = 2000000001
SETTINGS = {
    "missing": "reduced_model",
    "covariates": {"cdai": {"concept_ids": [SITE_CDAI]}},
}
MEASUREMENT = f"""
case         | id | concept     |       date | value | unit
everything   |  1 | crp         | 2024-01-10 |    30 | mg/L
             |  2 | bmi         | 2024-01-10 |    30 |
             |  3 | {SITE_CDAI} | 2024-01-10 |   280 |
no CRP       |  4 | bmi         | 2024-01-10 |    30 |
             |  5 | {SITE_CDAI} | 2024-01-10 |   280 |
no BMI       |  6 | crp         | 2024-01-10 |    30 | mg/L
             |  7 | {SITE_CDAI} | 2024-01-10 |   280 |
CRP too old  |  8 | crp         | 2023-09-02 |    30 | mg/L
             |  9 | bmi         | 2024-01-10 |    30 |
nothing      | 10 | bmi         | 2020-01-10 |    30 |
"""
CONDITION = """
case         | id | concept |       date
everything   |  1 | 4244235 | 2021-01-01
no CRP       |  2 | 4177488 | 2021-01-01
no BMI       |  3 | 4177488 | 2021-01-01
CRP too old  |  4 | 4177488 | 2021-01-01
"""
LEFT_OUT = (None, "left_out", *NOTHING)
#: What is left out, and the values of the model that is left, in the order of its covariates:
#: a woman of 43, no drug ever.
EXPECTED = {
    "everything": (set(), [280, 43, 30, 30, 0, 0, 0, 0, 1]),
    "no CRP": ({"crp"}, [280, 43, 30, 0, 0, 0, 0, 0]),
    "no BMI": (set(), [280, 43, 20, 30, 0, 0, 0, 0, 0]),
    "CRP too old": ({"cdai", "crp"}, [43, 30, 0, 0, 0, 0, 0]),
    "nothing": ({"cdai", "crp", "ileal"}, [43, 20, 0, 0, 0, 0]),
}


@pytest.fixture
def cdm():
    return read_cdm(measurement=MEASUREMENT, condition_occurrence=CONDITION)


@pytest.mark.parametrize("uncertainty", terms.UNCERTAINTIES)
def test_each_patient_has_the_model_without_what_is_missing(tmp_path, cdm, uncertainty):
    done = run(tmp_path, cdm, {**SETTINGS, "uncertainty": uncertainty})
    found = {name: done.covariate(name) for name in ("cdai", "crp", "ileal", "bmi", "steroid")}
    scores = done.by_case(
        "SELECT person_id, drug_class, attributable_effect, standard_error, response_probability "
        "FROM counterfactual"
    )
    model = load_model("crohns_srs_2025")
    for case, (left_out, values) in EXPECTED.items():
        for name in ("cdai", "crp", "ileal"):
            assert (found[name][case] == LEFT_OUT) == (name in left_out), (case, name)
        arrays = model.reduced[frozenset(left_out)] if left_out else model.arrays
        expected = kernel.score(np.array([values], dtype=float), arrays, uncertainty)
        assert {row[0]: row[1:] for row in scores[case]} == {
            drug_class.key: (
                expected.attributable_effect[0, i],
                expected.standard_error[0, i],
                expected.response_probability[0, i],
            )
            for i, drug_class in enumerate(arrays.classes)
        }
    # No model is without the BMI, and a drug that no record shows was not taken.
    assert found["bmi"]["nothing"] == imputed(20.0)
    assert found["steroid"]["nothing"] == ABSENT


def test_what_is_left_out_is_counted_and_not_called_imputed(tmp_path, cdm):
    done = run(tmp_path, cdm, SETTINGS)
    counts = done.rows("SELECT covariate, n FROM covariate_quality WHERE measure = 'n_left_out'")
    expected = dict.fromkeys((c.name for c in load_model("crohns_srs_2025").card.covariates), 0)
    assert dict(counts) == {**expected, "cdai": 2, "crp": 3, "ileal": 1}
    assert dict(done.by_case("SELECT person_id, n_imputed FROM patient_subgroup")) == {
        "everything": [(0,)],
        "no CRP": [(0,)],
        "no BMI": [(1,)],
        "CRP too old": [(0,)],
        "nothing": [(1,)],
    }
    # Whether the disease is active is known only of those with a CDAI.
    assert dict(done.by_case("SELECT person_id, within_trial_range FROM patient_subgroup")) == {
        "everything": [(True,)],
        "no CRP": [(True,)],
        "no BMI": [(True,)],
        "CRP too old": [(None,)],
        "nothing": [(None,)],
    }
