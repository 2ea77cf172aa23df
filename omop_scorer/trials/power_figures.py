"""Figures of planned trials as JSON and as rows of a CSV file. No figure is of one person."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omop_scorer.trials.power import ArmSizes, Moments, PlannedTrial, PowerAtSize
from omop_scorer.trials.simulated_power import Simulated

#: Key in the JSON of each definition; the first is the headline.
DEFINITIONS = {
    "binary_outcome": "binary_chi2",
    "predicted_probability": "predicted_probability_t_test",
    "expected_counts": "expected_count_chi2",
}

SUBGROUP_CAUTION = (
    "The difference in this subgroup was picked by significance on the data that fitted the model, "
    "so the size is optimistic."
)

CSV_COLUMNS = (*("population", "definition", "kind", "n_per_arm", "power", "monte_carlo_error"),)


def plans_as_json(plans: Sequence[PlannedTrial], how: str) -> dict[str, Any]:
    """Return the part `power` of the JSON: a description, then one entry a population.

    Pairs of numbers are in the order of the arms.
    """
    return {"how": how} | {plan.name: _plan(plan) for plan in plans}


def plans_as_rows(
    plans: Sequence[PlannedTrial], *, is_corrected: bool
) -> Iterator[tuple[str | int | float | None, ...]]:
    """Yield the rows of the CSV file.

    `kind` is `power` for the power with n_per_arm patients, and `required` for the patients an arm
    that reach the power; required patients are empty if no number is enough.
    """
    for plan in plans:
        for each in plan.at_size:
            for name, (power, error) in _powers(each, is_corrected).items():
                yield plan.name, name, "power", each.n, power, error
        for name, sizes in _required(plan).items():
            for power, n in sizes.items():
                yield plan.name, name, "required", n, power, None


def _powers(each: PowerAtSize, is_corrected: bool) -> dict[str, tuple[float, float | None]]:
    simulated = each.simulated
    counted = each.binary_outcome_corrected if is_corrected else each.binary_outcome
    found: dict[str, tuple[float, float | None]] = {
        "binary_outcome": (counted, None),
        "predicted_probability": _with_error(simulated.predicted_probability),
        "expected_counts": _with_error(simulated.expected_counts),
    }
    if each.subgroup is not None:
        found["binary_outcome_in_subgroup"] = (each.subgroup, None)
    return found | {"continuous_outcome": (each.continuous_outcome, None)}


def _with_error(simulated: Simulated) -> tuple[float, float]:
    return simulated.power, simulated.monte_carlo_error


def _required(plan: PlannedTrial) -> dict[str, ArmSizes]:
    return {
        "binary_outcome": plan.needed,
        "binary_outcome_in_subgroup": plan.needed_in_subgroup,
        "continuous_outcome": plan.needed_with_continuous_outcome,
    }


def _plan(plan: PlannedTrial) -> dict[str, Any]:
    return {
        **_moments(plan.moments),
        **{f"n_{each.n}": _at_size(each) for each in plan.at_size},
        "required_n": _sizes(plan.needed),
        "designs": {
            "subgroup_as_eligibility": _subgroup(plan),
            "continuous_outcome": {
                "mean_reduction": list(plan.moments.mean_reduction),
                "outcome_sd": list(plan.outcome_sd),
                "required_n": _sizes(plan.needed_with_continuous_outcome),
                **{f"n_{each.n}": {"power": each.continuous_outcome} for each in plan.at_size},
            },
        },
    }


def _moments(moments: Moments) -> dict[str, Any]:
    return {
        "n_population": moments.n,
        "mean_probability": list(moments.mean_probability),
        "sd_probability": list(moments.sd_probability),
    }


def _at_size(each: PowerAtSize) -> dict[str, float]:
    found = {
        "binary_chi2": each.binary_outcome,
        "binary_chi2_continuity": each.binary_outcome_corrected,
    }
    for name in ("predicted_probability", "expected_counts"):
        key, simulated = DEFINITIONS[name], getattr(each.simulated, name)
        found |= {key: simulated.power, f"{key}_mc_se": simulated.monte_carlo_error}
    return found


def _subgroup(plan: PlannedTrial) -> dict[str, Any]:
    found: dict[str, Any] = {"n_population": plan.n_subgroup, "caution": SUBGROUP_CAUTION}
    if plan.subgroup is None:
        return found
    return {
        **found,
        **_moments(plan.subgroup),
        "required_n": _sizes(plan.needed_in_subgroup),
        **{f"n_{each.n}": {"binary_chi2": each.subgroup} for each in plan.at_size},
    }


def _sizes(sizes: ArmSizes) -> Mapping[str, int | None]:
    return {f"power_{power:.0%}".rstrip("%"): n for power, n in sizes.items()}
