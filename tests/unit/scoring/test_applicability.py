"""Moments, histograms and distances by hand, and the same in any order and any batches."""

import math
import statistics
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from omop_scorer.model.load import load_model
from omop_scorer.model.reduced import score_patterns
from omop_scorer.scoring.applicability import Applicability, TrainingDistance
from omop_scorer.scoring.exact_sums import Histogram, Moments, round_width
from tests.support import tiny_card

NAN = np.nan


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_card.load(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def crohns():
    return load_model("crohns_srs_2025")


def moments_of(*parts):
    moments = Moments()
    for part in parts:
        moments.add(np.array(part, float))
    return moments


def test_moments_by_hand():
    moments = moments_of([2, 4], [4, 4, 5], [5, 7, 9])
    assert moments.n == 8
    assert moments.mean() == 5
    # Squares 232 - 8 * 25 = 32, over 7.
    assert moments.standard_deviation() == math.sqrt(32 / 7)


def test_moments_of_nobody_and_of_one():
    assert (moments_of().mean(), moments_of([]).standard_deviation()) == (None, None)
    assert (moments_of([3.5]).mean(), moments_of([3.5]).standard_deviation()) == (3.5, None)
    assert moments_of([3.5, 3.5]).standard_deviation() == 0


def test_moments_where_floating_point_sums_lose_the_answer():
    values = [1e16, 1.0, -1e16]
    assert sum([values[0], values[2], values[1]]) == 1.0
    assert sum(values) == 0.0
    assert moments_of(values).mean() == float(Fraction(1, 3))
    # The deviation of 1e9, 1e9 + 1, 1e9 + 2 is 1.
    assert moments_of([1e9, 1e9 + 1, 1e9 + 2]).standard_deviation() == 1


NUMBERS = st.floats(-1e12, 1e12) | st.floats(-1, 1) | st.integers(-(2**53), 2**53).map(float)


@settings(max_examples=200, deadline=None)
@given(st.lists(NUMBERS, max_size=30), st.integers(0, 30), st.randoms(use_true_random=False))
@example([5e-324, -5e-324, 2.2e-308, 0.1], 2, None)
@example([float(2**53 - 1), -float(2**53 - 1), 1 / 3], 1, None)
def test_moments_are_those_of_fractions_in_any_order(values, cut, random):
    exact = [Fraction(value) for value in values]
    shuffled = list(values)
    if random is not None:
        random.shuffle(shuffled)
    moments = moments_of(shuffled[:cut])
    moments.update(moments_of(shuffled[cut:]))
    assert moments.n == len(values)
    if values:
        assert moments.mean() == float(sum(exact) / len(exact))
    if len(values) > 1:
        assert moments.standard_deviation() == math.sqrt(statistics.variance(exact))


def counts_of(width, values):
    histogram = Histogram(Fraction(width))
    histogram.add(np.array(values, float))
    return list(histogram.bins())


def test_bins_by_hand():
    assert counts_of(10, [-0.0, 0, 9.999, 10, -1e-300, -10, 35]) == [
        (-10, 0, 2),
        (0, 10, 3),
        (10, 20, 1),
        (30, 40, 1),
    ]
    assert counts_of(10, []) == []


@pytest.mark.parametrize("width", [Fraction(1, 20), Fraction(1, 10), Fraction(1, 2), Fraction(20)])
def test_a_bin_holds_its_low_end_and_not_its_high_end(width):
    """Also where dividing by the width would say otherwise: 0.15 / 0.05 is below 3."""
    for number in range(-400, 401):
        low, high = float(number * width), float((number + 1) * width)
        inside = [low, math.nextafter(low, math.inf), math.nextafter(high, -math.inf)]
        assert counts_of(width, inside) == [(low, high, 3)]


@settings(max_examples=300, deadline=None)
@given(st.floats(-1e6, 1e6), st.sampled_from([Fraction(1, 20), Fraction(5), Fraction(3, 1000)]))
def test_every_number_lies_in_its_bin(value, width):
    ((low, high, n),) = counts_of(width, [value])
    assert low <= value < high
    assert n == 1
    number = round(Fraction(low) / width)
    assert (low, high) == (float(number * width), float((number + 1) * width))


@pytest.mark.parametrize(
    ("span", "width"),
    [
        (456 - 197, 10),  # 12.95
        (69 - 19, 2),  # 2.5
        (41.79 - 15.39, 1),  # 1.32
        (118 - 0.32, 5),  # 5.88
        (20, 1),
        (70, 5),  # 3.5: 5 is nearer by ratio than 2
        (0.1, Fraction(1, 200)),
        (1e5, 5000),
        (1.9, Fraction(1, 10)),
    ],
)
def test_round_widths(span, width):
    assert round_width(span) == width


def test_distance_by_hand(tmp_path):
    # Independent: 2 deviations of x0, 1 of x1, none of the flag, 1 of male: sqrt(4 + 1 + 0 + 1).
    model = tiny_card.load(tmp_path)
    distance = TrainingDistance(model)
    values = np.array([[9, 3, 0.8, 1], [5, 5, 0.8, 0.5]])
    assert distance.of(values).tolist() == [math.sqrt(6), 0]
    # Correlated: covariance [[4, 2], [2, 4]], x - mean = (2, 0): 4 * 4 / 12.
    population = tiny_card.card()["training_population"]
    population["covariance"][0][1] = population["covariance"][1][0] = 2
    model = tiny_card.load(tmp_path, training_population=population)
    found = TrainingDistance(model).of(np.array([[7, 5, 0.8, 0.5]]))
    assert found == pytest.approx([math.sqrt(4 / 3)], abs=1e-14)


def test_distance_against_the_inverse_and_alone(crohns):
    values = np.random.default_rng(1).normal(size=(500, 9)) * 30 + 50
    population = crohns.card.training_population
    away = values - [population.mean[name] for name in crohns.arrays.covariates]
    squares = np.einsum("ni,ij,nj->n", away, np.linalg.inv(population.covariance), away)
    distance = TrainingDistance(crohns)
    assert distance.of(values) == pytest.approx(np.sqrt(squares), rel=1e-9)
    alone = np.concatenate([distance.of(each[None]) for each in values])
    assert alone.tobytes() == distance.of(np.asfortranarray(values)).tobytes()


def test_the_share_that_is_expected(tiny, crohns):
    # Four covariates: the square has the distribution function 1 - exp(-d / 2) (1 + d / 2).
    def below(distance):
        half = distance**2 / 2
        return 1 - math.exp(-half) * (1 + half)

    share = TrainingDistance(tiny).expected_share(1.5, 2)
    assert share == pytest.approx(below(2) - below(1.5), abs=1e-15)
    nine = TrainingDistance(crohns)
    shares = [nine.expected_share(i / 2, (i + 1) / 2) for i in range(40)]
    assert sum(shares) == pytest.approx(1, abs=1e-14)
    assert shares.index(max(shares)) == 5  # The mode is sqrt(9 - 1) = 2.83.


def counted(model, values, imputed, batches=None):
    values, imputed = np.array(values, float), np.array(imputed, bool)
    applicability = Applicability(model)
    for rows in batches or [slice(None)]:
        scores = score_patterns(values[rows], model, "bootstrap")
        applicability.add(values[rows], imputed[rows], scores)
    return applicability


# x0, x1, flag, male; 5 and deviation 2 (0.5) in training, the flag 0.8 there.
VALUES = [[7, 5, 0, 1], [3, 6, 1, 0], [3, 13, 0, 1], [NAN, 8, 0, 1]]
IMPUTED = [[0, 0, 0, 0], [1, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]


def test_covariate_summary_by_hand(tiny):
    rows = counted(tiny, VALUES, IMPUTED).covariate_summary(9).to_pylist()
    found = {(row["covariate"], row["population"]): row for row in rows}
    assert [*found][:3] == [("x0", "scored"), ("x0", "recorded"), ("x1", "scored")]
    assert len(rows) == 8
    # x0 as used: 7, 3, 3; mean 13 / 3, variance 16 / 3.
    assert found["x0", "scored"] == {
        "run_id": 9,
        "covariate": "x0",
        "population": "scored",
        "n_persons": 3,
        "mean": 13 / 3,
        "standard_deviation": math.sqrt(16 / 3),
        "trial_mean": 5,
        "trial_standard_deviation": 2,
        "standardised_mean_difference": pytest.approx(-(2 / 3) / math.sqrt((16 / 3 + 4) / 2)),
    }
    # Recorded: 7 alone, without a deviation.
    one = found["x0", "recorded"]
    assert (one["n_persons"], one["mean"]) == (1, 7)
    assert one["standard_deviation"] is None
    assert one["standardised_mean_difference"] is None
    # x1: 5, 6, 13, 8; mean 8, variance (9 + 4 + 25 + 0) / 3.
    for population in ("scored", "recorded"):
        row = found["x1", population]
        assert (row["n_persons"], row["mean"]) == (4, 8)
        assert row["standard_deviation"] == math.sqrt(38 / 3)
        expected = 3 / math.sqrt((38 / 3 + 4) / 2)
        assert row["standardised_mean_difference"] == pytest.approx(expected)
    # Flag, recorded: 0, 1, 0; trial deviation 0.5.
    flag = found["flag", "recorded"]
    assert (flag["n_persons"], flag["mean"], flag["trial_standard_deviation"]) == (3, 1 / 3, 0.5)


def test_histogram_by_hand(tiny):
    rows = counted(tiny, VALUES, IMPUTED).histogram(9).to_pylist()
    found = [tuple(row.values())[1:] for row in rows]
    # A: 7, 3, 3 and, without x0, 1. B: x1 + 6 flag: 5, 12, 13, 8.
    assert found[:3] == [
        ("attributable_effect", "first", 0, 10, 4, None),
        ("attributable_effect", "second", 0, 10, 2, None),
        ("attributable_effect", "second", 10, 20, 2, None),
    ]
    # P = Phi(effect by the fit / 10): Phi(0.8), Phi(0.4) twice and, without x0, Phi(0.1).
    assert [row for row in found if row[:2] == ("response_probability", "first")] == [
        ("response_probability", "first", 0.5, 0.55, 1, None),
        ("response_probability", "first", 0.65, 0.7, 2, None),
        ("response_probability", "first", 0.75, 0.8, 1, None),
    ]
    # Twenty bins from 0 to 20; recorded only; no yes/no covariate.
    assert [row for row in found if row[0] == "covariate"] == [
        ("covariate", "x0", 7, 8, 1, None),
        *(("covariate", "x1", low, low + 1, 1, None) for low in (5, 6, 8, 13)),
    ]
    # Squares: 1 + 0 + 2.56 + 1, 1 + 0.25 + 0.16 + 1, 1 + 16 + 2.56 + 1; the fourth has none.
    share = TrainingDistance(tiny).expected_share
    assert [row for row in found if row[0] == "trial_distance"] == [
        ("trial_distance", "scored", 1.5, 2, 1, share(1.5, 2)),
        ("trial_distance", "scored", 2, 2.5, 1, share(2, 2.5)),
        ("trial_distance", "scored", 4.5, 5, 1, share(4.5, 5)),
        ("trial_distance", "nothing_imputed", 2, 2.5, 1, share(2, 2.5)),
    ]


def test_nobody(crohns):
    applicability = counted(crohns, np.empty((0, 9)), np.empty((0, 9)))
    rows = applicability.covariate_summary(1).to_pylist()
    assert [row["n_persons"] for row in rows] == [0] * 18
    assert {row["mean"] for row in rows} == {None}
    assert applicability.histogram(1).num_rows == 0


def test_widths_of_a_card_without_percentiles(tmp_path):
    # A deviation of 2: the percentiles are taken to lie 9.3 apart; 0.465 is nearest to 0.5.
    population = tiny_card.card()["training_population"] | {"percentiles": {}}
    model = tiny_card.load(tmp_path, training_population=population)
    rows = counted(model, [[3.4, 5, 0, 1]], [[False] * 4]).histogram(1).to_pylist()
    (row,) = [row for row in rows if row["category"] == "x0"]
    assert (row["bin_low"], row["bin_high"]) == (3, 3.5)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 60),
    cuts=st.lists(st.integers(0, 60), max_size=4),
    left_out=st.booleans(),
)
def test_the_tables_are_the_same_in_any_batches_and_order(crohns, seed, n, cuts, left_out):
    random = np.random.default_rng(seed)
    values = random.normal(size=(n, 9)) * 30 + 50
    imputed = random.random((n, 9)) < 0.2
    if left_out:
        values[random.random(n) < 0.3, 0] = NAN
        imputed[:, 0] = False
    whole = counted(crohns, values, imputed)
    order = random.permutation(n)
    ends = [0, *sorted(min(cut, n) for cut in cuts), n]
    batches = [order[a:b] for a, b in pairwise(ends)]
    parts = counted(crohns, values, imputed, batches)
    assert parts.covariate_summary(1).equals(whole.covariate_summary(1))
    assert parts.histogram(1).equals(whole.histogram(1))
