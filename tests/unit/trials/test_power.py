"""Populations and planned trials on a card whose answers can be read off."""

import numpy as np
import pytest
from scipy import stats

from omop_scorer.trials.exact_power import binary_arm_size, binary_power
from omop_scorer.trials.population import Criteria, Persons, Population, populations
from omop_scorer.trials.power import Protection, Settings, plan
from omop_scorer.trials.power_figures import plans_as_json, plans_as_rows
from tests.support import tiny_card

SETTINGS = Settings(sizes=(50, 200), residual_variance=(50.0, 50.0), seed=1, n_simulations=400)


def made(n=40, difference=0.1, n_alone=8):
    """Return a population of n persons with probabilities around 0.5."""
    spread = np.linspace(-0.2, 0.2, n)
    probability = np.column_stack([0.5 + difference + spread, 0.5 - spread])
    is_alone = np.zeros(n, bool)
    is_alone[n - n_alone :] = True
    return Population("made_up", probability, 100 * probability, is_alone)


@pytest.mark.parametrize(
    ("criteria", "name", "met"),
    [
        (Criteria(), "all", [0, 1, 2, 3]),
        (Criteria(50), "age_50_and_over", [1, 2, 3]),
        (Criteria(50, None, "female"), "women_50_and_over", [1, 3]),
        (Criteria(None, 50, "male"), "men_up_to_50", []),
        (Criteria(18, 49, "any"), "age_18_to_49", [0]),
        (Criteria(None, None, "female"), "women", [0, 1, 3]),
        (Criteria(51, 51, "male"), "men_51_to_51", [2]),
    ],
)
def test_limits_are_included(criteria, name, met):
    persons = Persons(
        np.zeros((4, 2)), np.array([49.0, 50, 51, 90]), np.array([False, False, True, False])
    )
    assert criteria.name == name
    assert np.flatnonzero(criteria.met_by(persons)).tolist() == met


def test_probabilities_reductions_and_labels_are_those_of_the_card(tmp_path):
    model = tiny_card.load(tmp_path, c=2, left_out=())
    # Covariates x0, x1, flag, male. First class: x0 + 1 by the fit; second: x1. Placebo 10.
    values = np.array([[9.0, 0, 0, 1], [0, 9, 0, 0], [3, 3, 0, 0]])
    persons = Persons(values, None, values[:, 3] == 1)
    (found,) = populations(persons, [Criteria()], ("first", "second"), model)
    assert found.reduction == pytest.approx(np.array([[20.0, 10], [11, 19], [14, 13]]))
    expected = stats.norm.cdf((found.reduction - 10) / 10)
    assert found.probability == pytest.approx(expected, abs=1e-12)
    assert found.is_first_alone.tolist() == [True, False, False]
    (turned,) = populations(persons, [Criteria()], ("second", "first"), model)
    assert turned.is_first_alone.tolist() == [False, True, False]
    assert np.array_equal(turned.probability, found.probability[:, ::-1])


def test_the_order_of_persons_changes_nothing_exact():
    given = made()
    order = np.random.default_rng(1).permutation(len(given))
    mixed = Population(
        "made_up", given.probability[order], given.reduction[order], given.is_first_alone[order]
    )
    one, other = plan(given, SETTINGS), plan(mixed, SETTINGS)
    assert one.needed == other.needed
    for a, b in zip(one.at_size, other.at_size, strict=True):
        assert a.binary_outcome == pytest.approx(b.binary_outcome, abs=1e-12)
        assert a.continuous_outcome == pytest.approx(b.continuous_outcome, abs=1e-12)


def test_every_part_by_hand():
    given = made()
    found = plan(given, SETTINGS)
    mean = given.probability.mean(axis=0)
    assert found.moments.mean_probability == pytest.approx(tuple(mean))
    assert found.at_size[1].binary_outcome == binary_power(200, *mean)
    assert found.needed[0.8] == binary_arm_size(*mean, 0.8)
    alone = given.probability[-8:].mean(axis=0)
    assert found.n_subgroup == 8
    assert found.at_size[0].subgroup == binary_power(50, *alone)
    assert found.needed_in_subgroup[0.9] == binary_arm_size(*alone, 0.9) < found.needed[0.9]
    # Residual variance 50, and a spread of the expected reduction in the population.
    spread = given.reduction.std(axis=0)
    assert found.outcome_sd == pytest.approx(tuple(np.sqrt(50 + spread**2)))


def test_the_better_class_second_needs_no_number():
    found = plan(made(difference=-0.1, n_alone=0), SETTINGS)
    assert set(found.needed.values()) == {None}
    assert (found.n_subgroup, found.subgroup, found.needed_in_subgroup) == (0, None, {})
    assert ("made_up", "binary_outcome", "required", None, 0.8, None) in list(
        plans_as_rows([found], is_corrected=False)
    )


@pytest.mark.parametrize(("n_alone", "shown"), [(0, 0), (4, None), (5, 5), (35, 35), (36, None)])
def test_a_subgroup_that_is_too_small_or_leaves_too_few_is_not_shown(n_alone, shown):
    found = plan(made(n_alone=n_alone), SETTINGS, Protection(5, 4))
    assert found.n_subgroup == shown
    assert (found.subgroup is None) == (not shown)
    part = plans_as_json([found], "how")["made_up"]["designs"]["subgroup_as_eligibility"]
    assert part["n_population"] == shown
    assert ("mean_probability" in part) == bool(shown)


def test_of_a_warehouse_everything_follows_from_rounded_means():
    given = made()
    jittered = Population(
        "made_up", given.probability + 3e-6, given.reduction + 3e-4, given.is_first_alone
    )
    one, other = (plan(each, SETTINGS, Protection(5, 4)) for each in (given, jittered))
    assert one.moments == other.moments
    for a, b in zip(one.at_size, other.at_size, strict=True):
        assert (a.binary_outcome, a.subgroup, a.continuous_outcome) == (
            b.binary_outcome,
            b.subgroup,
            b.continuous_outcome,
        )


def test_names_of_the_json():
    found = plans_as_json([plan(made(), SETTINGS)], "how")
    assert list(found) == ["how", "made_up"]
    part = found["made_up"]
    assert {"n_population", "mean_probability", "sd_probability", "n_50", "n_200"} <= set(part)
    assert set(part["n_50"]) == {
        *("binary_chi2", "binary_chi2_continuity", "predicted_probability_t_test"),
        *("predicted_probability_t_test_mc_se", "expected_count_chi2"),
        "expected_count_chi2_mc_se",
    }
    assert set(part["required_n"]) == {"power_80", "power_90"}
    assert "optimistic" in part["designs"]["subgroup_as_eligibility"]["caution"]


def test_yates_correction_is_the_headline_if_asked_for():
    plans = [plan(made(), SETTINGS)]
    rows = {row[1]: row for row in plans_as_rows(plans, is_corrected=True) if row[3] == 50}
    assert rows["binary_outcome"][4] == plans[0].at_size[0].binary_outcome_corrected
