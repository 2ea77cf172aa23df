"""The published models without CDAI, CRP, ileal involvement and their combinations.

`WORKED` is one patient: a man of 45, CDAI 320, BMI 25, CRP 20, on a steroid, ileal disease, nothing
else; the answers are sums over the published coefficients with 50 decimal digits, calendar year
2006 - 2000 = 6, apart from this program.
"""

import json
from itertools import combinations

import numpy as np
import pytest

from omop_scorer.model import kernel
from omop_scorer.model.load import load_model
from omop_scorer.model.reduced import score_patterns

PATIENT = {"cdai": 320, "age": 45, "bmi": 25, "crp": 20, "male": 1, "steroid": 1, "ileal": 1}

# Left out: placebo effect; effect and standard error (bootstrap) of anti-TNF, anti-IL-12/23 and
# anti-integrin; of anti-TNF the standard error (analytic) and the probability of response.
WORKED = {
    "cdai": (
        *(73.2068335835, 35.8295392584, 5.23468735883, 30.0157133052, 12.7102659899),
        *(26.221129659, 5.5204905857, 9.47509153659, 0.541069700805),
    ),
    "crp": (
        *(83.0824006794, 37.8875238938, 5.14058169916, 27.4289951109, 12.6727368384),
        *(23.6353764226, 5.43111547304, 9.47939211907, 0.596151663704),
    ),
    "cdai + crp": (
        *(73.5767402028, 34.6119116389, 5.25092770893, 29.3665949348, 12.7207681039),
        *(25.3794842175, 5.47974757584, 9.48544610126, 0.537338610114),
    ),
    "ileal": (
        *(80.9544574681, 40.7563159172, 4.91507857696, 30.2812193452, 12.5701300225),
        *(25.8699412499, 5.27048400245, 9.40206400661, 0.599364992689),
    ),
    "cdai + ileal": (
        *(71.8385220769, 38.8117171772, 5.01073378864, 31.8333206492, 12.6273534174),
        *(28.5925012088, 5.33115344145, 9.34349867289, 0.54799521612),
    ),
    "crp + ileal": (
        *(81.5744008772, 40.2839282769, 4.91494526368, 29.7262836167, 12.585629356),
        *(25.8588425107, 5.25941412636, 9.34187091795, 0.600029357244),
    ),
    "cdai + crp + ileal": (
        *(72.1810614433, 37.8287767137, 5.02871185278, 31.640132567, 12.635645248),
        *(27.8297892751, 5.30157249658, 9.35259837645, 0.545135388747),
    ),
}


@pytest.fixture(scope="module")
def model():
    return load_model("crohns_srs_2025")


@pytest.mark.parametrize(("left_out", "expected"), WORKED.items())
def test_one_patient_by_each_variant(model, left_out, expected):
    lacking = left_out.split(" + ")
    values = [
        np.nan if name in lacking else float(PATIENT.get(name, 0))
        for name in model.arrays.covariates
    ]
    scores = score_patterns(np.array([values]), model, "bootstrap")
    analytic = score_patterns(np.array([values]), model, "analytic")
    found = [scores.placebo_effect[0]]
    for effect, error in zip(scores.attributable_effect[0], scores.standard_error[0], strict=True):
        found += [effect, error]
    found += [analytic.standard_error[0, 0], scores.response_probability[0, 0]]
    assert found == pytest.approx(list(expected), rel=1e-11, abs=0)


def test_every_combination_of_three_covariates_and_no_other(model):
    names = ("cdai", "crp", "ileal")
    every = {frozenset(each) for r in (1, 2, 3) for each in combinations(names, r)}
    assert set(model.reduced) == every == {frozenset(each.split(" + ")) for each in WORKED}
    assert model.can_be_left_out == names


def test_terms_are_the_cards_without_what_is_left_out(model):
    document = json.loads((model.path.parent / model.card.variants).read_text())
    for variant in document["variants"]:
        left_out = variant["left_out"]
        for fit, own in [
            (variant["placebo"], model.card.placebo),
            *((variant["classes"][each.key], each) for each in model.card.classes),
        ]:
            assert fit["terms"] == [term for term in own.terms if term not in left_out]
            assert fit["n_observations"] == own.n_observations
        for each in model.card.classes:
            # One degree of freedom more for each coefficient less.
            fit = variant["classes"][each.key]
            assert fit["degrees_of_freedom"] == each.degrees_of_freedom + len(left_out)


def test_arrays_are_those_of_the_remaining_covariates(model):
    for left_out, arrays in model.reduced.items():
        kept = [i for i, name in enumerate(model.arrays.covariates) if name not in left_out]
        assert arrays.covariates == tuple(model.arrays.covariates[i] for i in kept)
        for name in ("centre", "trial_low", "trial_high"):
            assert getattr(arrays, name).tolist() == getattr(model.arrays, name)[kept].tolist()
        assert arrays.activity_covariate == (None if "cdai" in left_out else "cdai")
        assert [each.label for each in arrays.classes] == ["TNF", "IL", "INT"]
        assert arrays.response_threshold == 100
        assert arrays.alpha == 0.05
        for drug_class in arrays.classes:
            assert drug_class.covariance.shape == (len(kept) + 1, len(kept) + 1)


def test_a_patient_with_everything_is_scored_by_the_card_itself(model):
    values = np.array([[float(PATIENT.get(name, 0)) for name in model.arrays.covariates]])
    whole = kernel.score(values, model.arrays)
    assert score_patterns(values, model, "bootstrap").attributable_effect.tobytes() == (
        whole.attributable_effect.tobytes()
    )
