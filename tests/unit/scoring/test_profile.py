"""Means of covariates and effects by preference group, worked out by hand on the tiny card."""

import math

import numpy as np
import pytest

from omop_scorer.model.reduced import score_patterns
from omop_scorer.scoring.profile import Profile
from tests.support import tiny_card

NAN = np.nan
# A's effect is x0, B's x1 + 6 flag. Three patients of A alone, two of no preference.
VALUES = [[8, 0, 0, 1], [9, 0, 0, 0], [10, 3, 0, 1], [3, 3, 0, 1], [0, 2, 0, 0]]
IMPUTED = [[0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_card.load(tmp_path_factory.mktemp("tiny"))


def rows_of(model, values, imputed, uncertainty="bootstrap"):
    values, imputed = np.array(values, float), np.array(imputed, bool)
    profile = Profile(model)
    profile.add(values, imputed, score_patterns(values, model, uncertainty))
    key = ("preference_group", "measure", "category", "population")
    figures = ("n_persons", "mean", "standard_deviation", "ci_low", "ci_high")
    return {
        tuple(row[name] for name in key): tuple(row[name] for name in figures)
        for row in profile.table(7, uncertainty).to_pylist()
    }


def test_values_as_used_and_as_recorded(tiny):
    found = rows_of(tiny, VALUES, IMPUTED)
    # 8, 9, 10: the percentile of t with 2 degrees of freedom is 4.302653.
    half = 4.302652729911275 / math.sqrt(3)
    assert found["first_alone", "covariate", "x0", "scored"] == pytest.approx(
        (3, 9, 1, 9 - half, 9 + half)
    )
    # 8 and 9, with 1 degree of freedom: 12.7062.
    half = 12.706204736432095 * math.sqrt(0.5) / math.sqrt(2)
    assert found["first_alone", "covariate", "x0", "recorded"] == pytest.approx(
        (2, 8.5, math.sqrt(0.5), 8.5 - half, 8.5 + half)
    )
    assert found["no_preference", "covariate", "x0", "recorded"] == (1, 0, None, None, None)
    assert found["second_alone", "covariate", "x0", "scored"] == (0, None, None, None, None)
    # Two of three are male: Wilson's interval with z^2 3.8414588.
    low, high = (
        (2 + 3.8414588207 / 2 + sign * 1.9599639845 * math.sqrt(2 / 3 + 3.8414588207 / 4))
        / (3 + 3.8414588207)
        for sign in (-1, 1)
    )
    assert found["first_alone", "covariate", "male", "recorded"] == pytest.approx(
        (3, 2 / 3, math.sqrt(1 / 3), low, high)
    )
    assert found["all", "covariate", "x0", "scored"][:2] == (5, 6)
    assert found["all", "covariate", "x0", "recorded"][0] == 3


def test_the_error_of_a_mean_effect_is_that_at_the_mean_covariates(tiny):
    found = rows_of(tiny, VALUES, IMPUTED)
    error = math.sqrt(float(mean_design(tiny, VALUES[:3], "bootstrap")))
    assert found["first_alone", "attributable_effect", "first", "scored"] == pytest.approx(
        (3, 9, 1, 9 - 1.959963985 * error, 9 + 1.959963985 * error)
    )
    # By the other uncertainty A is 1 more, and its errors are larger.
    analytic = rows_of(tiny, [VALUES[2]], [IMPUTED[2]], "analytic")
    n, mean, deviation, low, high = analytic[
        *("first_alone", "attributable_effect", "first", "scored"),
    ]
    wider = math.sqrt(float(mean_design(tiny, VALUES[2:3], "analytic")))
    assert (n, mean, deviation) == (1, 11, None)
    assert (low, high) == pytest.approx((11 - 1.959963985 * wider, 11 + 1.959963985 * wider))


def mean_design(model, values, uncertainty):
    """The variance of the mean of effects, over every pair of patients."""
    first = model.arrays.classes[0]
    matrix = first.bootstrap_covariance if uncertainty == "bootstrap" else first.covariance
    rows = [[1.0, *row] for row in values]
    return sum(np.array(a) @ matrix @ np.array(b) for a in rows for b in rows) / len(rows) ** 2


def test_where_a_covariate_was_left_out_a_mean_effect_has_no_interval(tiny):
    found = rows_of(tiny, [[NAN, 9, 0, 1], [0, 9, 0, 1]], np.zeros((2, 4)))
    assert found["second_alone", "attributable_effect", "second", "scored"] == (2, 9, 0, None, None)
    assert found["second_alone", "covariate", "x0", "scored"][0] == 1
    assert found["second_alone", "covariate", "x1", "scored"] == (2, 9, 0, 9, 9)


def test_parts_add_up(tiny):
    values, imputed = np.array(VALUES, float), np.array(IMPUTED, bool)
    parts = Profile(tiny)
    for part in (slice(3, 5), slice(0, 3)):
        other = Profile(tiny)
        other.add(values[part], imputed[part], score_patterns(values[part], tiny, "bootstrap"))
        parts.update(other)
    whole = Profile(tiny)
    whole.add(values, imputed, score_patterns(values, tiny, "bootstrap"))
    assert parts.table(1, "bootstrap").equals(whole.table(1, "bootstrap"))
