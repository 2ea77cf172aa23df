"""Power against numbers of R for rows of the authors' sample: age of 50 and over, and its women."""

import json
from math import hypot
from pathlib import Path

import numpy as np
import pytest

from omop_scorer.model.load import load_model
from omop_scorer.trials.load import load_trials
from omop_scorer.trials.population import Criteria, Persons, populations
from omop_scorer.trials.power import PlannedTrial, Settings, plan
from tests.support.trials import LAYOUT, trials_sample  # noqa: F401

EXPECTED = json.loads(
    (Path(__file__).parent / "trials" / "trials_sample_expected.json").read_text("utf-8")
)["power"]
ARMS = ("anti_il12_23", "anti_tnf")
SIZES = (100, 250, 500, 1000, 2000)
CRITERIA = {each.name: each for each in (Criteria(50), Criteria(50, None, "female"))}


@pytest.fixture(scope="module", params=list(CRITERIA))
def planned(
    request: pytest.FixtureRequest,
    trials_sample: Path,  # noqa: F811
) -> PlannedTrial:
    """Return the plan in one of the two populations."""
    participants = load_trials(trials_sample, LAYOUT).participants
    column = dict(zip(participants.covariates, participants.values.T, strict=True))
    persons = Persons(participants.values, column["age"], column["male"] == 1)
    (found,) = populations(persons, [CRITERIA[request.param]], ARMS, load_model("crohns_srs_2025"))
    return plan(found, Settings(SIZES, (1.0, 1.0), seed=20250531))


def test_the_population(planned: PlannedTrial) -> None:
    expected = EXPECTED[planned.name]
    assert planned.moments.n == expected["n_population"]
    for name in ("mean_probability", "sd_probability"):
        assert getattr(planned.moments, name) == pytest.approx(expected[name], abs=1e-12)


def test_exact_powers(planned: PlannedTrial) -> None:
    for each in planned.at_size:
        expected = EXPECTED[planned.name][f"n_{each.n}"]
        assert each.binary_outcome == pytest.approx(expected["binary_chi2"], abs=1e-9)
        corrected = expected["binary_chi2_continuity"]
        assert each.binary_outcome_corrected == pytest.approx(corrected, abs=1e-9)


def test_simulated_powers(planned: PlannedTrial) -> None:
    n_compared = 0
    for each in planned.at_size:
        expected = EXPECTED[planned.name][f"n_{each.n}"]
        for found, name in (
            (each.simulated.predicted_probability, "predicted_probability_t_test"),
            (each.simulated.expected_counts, "expected_count_chi2"),
        ):
            if name not in expected:
                continue
            # A share of 0 or 1 has an error of 0; one trial of 20,000 more or less is then normal.
            error = max(hypot(found.monte_carlo_error, expected[f"{name}_mc_se"]), 1 / 20_000)
            assert abs(found.power - expected[name]) < 4 * error, (each.n, name)
            n_compared += 1
    assert n_compared == 6


def test_both_published_definitions_are_far_from_the_power_of_counted_responders(
    planned: PlannedTrial,
) -> None:
    at_250 = planned.at_size[1]
    assert at_250.simulated.predicted_probability.power > at_250.binary_outcome + 0.5
    assert at_250.simulated.expected_counts.power < at_250.binary_outcome - 0.2
    assert np.isfinite(at_250.continuous_outcome)
