"""Forests with few trees: their errors, their seeds, and what they say beside mixed models."""

import sys

import numpy as np
import pytest

from omop_scorer.errors import ConfigurationError
from omop_scorer.trials.forest_errors import as_published, jackknife_variance, resample
from omop_scorer.trials.forest_models import forest_data
from omop_scorer.trials.forest_tuning import candidates, folds_of_arm, mixed_errors, tune
from omop_scorer.trials.random_forest import (
    Growth,
    dealt,
    grow,
    in_order,
    predict,
    predict_by_tree,
    require_scikit_learn,
)
from omop_scorer.trials.spectrum import FitError
from omop_scorer.trials.srs import fit_models
from tests.support.trial_data import CLASSES, Plan, make_up

EFFECTS = {"anti_tnf": {"intercept": 60.0, "male": -80.0}, "anti_integrin": {"intercept": -40.0}}
FEW = Growth(n_trees=5, max_features=5, min_samples_leaf=10)


@pytest.fixture(scope="module")
def made():
    return make_up(3, Plan(n=240, effects=EFFECTS, residual_deviation=30.0))


@pytest.fixture(scope="module")
def data(made):
    return forest_data(made.participants())


def growths(data, growth=FEW):
    return dict.fromkeys(data.arms, growth)


def test_the_jackknife_by_loops():
    random = np.random.default_rng(1)
    predicted, drawn = random.normal(size=(6, 2)), random.integers(0, 4, size=(6, 5)).astype(float)
    expected = []
    for person in range(2):
        trees = predicted[:, person]
        total = 0.0
        for participant in range(5):
            covariance = np.mean(
                [(drawn[b, participant] - 1) * (trees[b] - trees.mean()) for b in range(6)]
            )
            total += covariance**2
        bias = 5 / 6**2 * sum((trees[b] - trees.mean()) ** 2 for b in range(6))
        expected.append(total - bias)
    assert jackknife_variance(predicted, drawn) == pytest.approx(np.array(expected), abs=1e-14)


def test_the_jackknife_of_a_mean_is_the_variance_of_a_mean():
    # The infinitesimal jackknife of a bagged mean is sum (y - mean)^2 / n^2.
    random, n, n_trees = np.random.default_rng(2), 40, 10_000
    y = random.normal(size=n)
    drawn = random.multinomial(n, np.full(n, 1 / n), size=n_trees).astype(float)
    found = jackknife_variance((drawn @ y / n)[:, None], drawn)[0]
    assert found == pytest.approx(np.var(y) / n, rel=0.05)


def test_trees_and_their_draws_are_those_of_the_forest(data):
    rows = data.rows["placebo"]
    values = data.of_placebo[rows]
    forest = grow(values, data.outcome[rows], FEW, 4)
    by_tree = predict_by_tree(forest, values)
    assert by_tree.mean(axis=0) == pytest.approx(predict(forest, values), abs=1e-9)
    assert forest.drawn.shape == (5, len(rows))
    assert (forest.drawn.sum(axis=1) == len(rows)).all()


def test_threads_change_no_digit(data):
    one = resample(data, growths(data), 4, 9, threads=1)
    other = resample(data, growths(data), 4, 9, threads=3)
    assert np.array_equal(one.effects, other.effects)
    assert np.array_equal(one.errors, other.errors)
    assert not np.array_equal(one.effects, resample(data, growths(data), 4, 8).effects)


def test_each_resample_has_a_seed_of_its_own(data):
    # The mean over two resamples is that of the first two of three, whatever is drawn later.
    two, three = (resample(data, growths(data), n, 9) for n in (2, 3))
    placebo = data.rows["placebo"]
    third = 3 * three.effects[placebo] - 2 * two.effects[placebo]
    ordinary = three.effects[placebo].std(axis=0)
    assert (abs(third - two.effects[placebo]) < 20 * ordinary + 100).all()
    assert not np.allclose(third, two.effects[placebo])


def test_effects_that_are_planted_are_found(made, data):
    found = resample(data, growths(data, Growth(10, 5, 10)), 4, 1)
    male = made.values[:, list(made.plan.covariates).index("male")] == 1
    mean = {key: found.effects[:, place] for place, key in enumerate(CLASSES)}
    assert mean["anti_tnf"][~male].mean() > mean["anti_tnf"][male].mean() + 30
    assert mean["anti_integrin"].mean() < mean["anti_il12_23"].mean() - 15
    assert (found.errors > 0).all()


def test_published_forests_have_an_error_for_each_class(data):
    found = as_published(data, growths(data, Growth(12, 3, min_samples_split=6)), 5, threads=2)
    assert found.effects.shape == found.errors.shape == (240, 3)
    assert (found.errors > 0).all()
    assert 0 <= found.n_without_error < found.errors.size
    again = as_published(data, growths(data, Growth(12, 3, min_samples_split=6)), 5)
    assert np.array_equal(found.errors, again.errors)


def test_settings_to_choose_from():
    assert len(candidates(100, 9)) == 12
    assert {each.max_features for each in candidates(100, 9)} == {2, 5, 9}
    assert {each.max_features for each in candidates(100, 3)} == {2, 3}
    assert {each.max_features for each in candidates(100, 1)} == {1}
    assert {each.min_samples_leaf for each in candidates(100, 9)} == {1, 5, 20, 50}


def test_the_chosen_settings_have_the_smallest_error(data):
    rows = data.rows["placebo"]
    outcome = data.outcome[rows]
    done = []
    choices = [Growth(4, 3, leaf) for leaf in (1, 20, 30)]
    growth, rmse = tune("placebo", data, outcome, choices, 2, 2, done.append)
    alone = {each: tune("placebo", data, outcome, [each], 2, 1, done.append)[1] for each in choices}
    # A setting alone is grown from other seeds, so its error is only near.
    assert rmse == pytest.approx(min(alone.values()), rel=0.1)
    assert growth in choices
    assert len(done) == 5 * 3 * 2


def test_error_of_mixed_models_by_numpy(made, data):
    # Without a trial effect a mixed model is least squares.
    plain = make_up(5, Plan(n=200, trial_deviation=0.0, residual_deviation=20.0))
    participants = plain.participants()
    models = fit_models(participants, plain.centres)
    found = mixed_errors(participants, plain.centres, models.placebo, forest_data(participants), 7)
    arms = forest_data(participants)
    rows, fold = arms.rows["placebo"], folds_of_arm("placebo", arms, 7)
    design = np.column_stack([np.ones(len(rows)), arms.of_placebo[rows]])
    outcome, total = plain.outcome[rows], 0.0
    for each in range(5):
        kept = fold != each
        beta = np.linalg.lstsq(design[kept], outcome[kept], rcond=None)[0]
        total += np.sum((outcome[~kept] - design[~kept] @ beta) ** 2)
    assert found["placebo"] == pytest.approx(np.sqrt(total / len(rows)), rel=0.02)
    assert set(found) == {"placebo", *CLASSES}


def test_folds_are_as_even_as_can_be():
    assert sorted(np.bincount(dealt(23, 5, 1)).tolist()) == [4, 4, 5, 5, 5]


def test_answers_are_in_the_order_of_the_tasks():
    done = []
    assert in_order(lambda n: n * n, range(20), 4, done.append) == [n * n for n in range(20)]
    assert done == [1] * 20


def test_an_arm_with_too_few_participants_is_named():
    few = make_up(1, Plan(n=40, n_trials=2, classes=CLASSES)).participants()
    small = few.arm.copy()
    small[small == 3] = 2
    small[0] = 3
    lacking = type(few)(**(vars(few) | {"arm": small}))
    with pytest.raises(FitError, match="anti_integrin: fewer than 10 participants"):
        forest_data(lacking)


def test_missing_scikit_learn_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.tree", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'omop-scorer\[trials\]'"):
        require_scikit_learn()
