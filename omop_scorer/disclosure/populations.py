"""Rules for figures of a population of scored patients, of which only counts and means are shown.

The printed powers and arm sizes are calculated from the rounded means, so they tell no more than
the means do.
"""

import json
from dataclasses import replace

from omop_scorer.disclosure.digits import DIGITS
from omop_scorer.trials.population import Criteria, Persons
from omop_scorer.trials.power import PlannedTrial, Protection


def protection_of(config_json: str, minimum: int) -> Protection:
    """Return the rules for the patients of a run.

    Parameters
    ----------
    config_json
        The configuration that the run recorded. If its minimum is greater, that one applies.
    minimum
        The smallest count above zero that is printed.
    """
    config = json.loads(config_json)
    own = config.get("minimum_cell_count") if isinstance(config, dict) else None
    return Protection(max(minimum, own if isinstance(own, int) else minimum), DIGITS)


def may_be_counted(criteria: Criteria, persons: Persons, protection: Protection) -> bool:
    """Return True if neither the population nor what it leaves out is too small to be counted.

    A reader has the number of scored patients, and that of both sexes at the same ages.
    """
    n = int(criteria.met_by(persons).sum())
    both_sexes = int(replace(criteria, sex="any").met_by(persons).sum())
    return all(protection.allows(n, whole) for whole in (len(persons.values), both_sexes))


def without_small_subgroup(plan: PlannedTrial, protection: Protection) -> PlannedTrial:
    """Return a plan without the figures of its subgroup, if that or the rest is too small."""
    if plan.n_subgroup is None or protection.allows(plan.n_subgroup, plan.moments.n):
        return plan
    return replace(
        plan,
        at_size=[replace(each, subgroup=None) for each in plan.at_size],
        subgroup=None,
        n_subgroup=None,
        needed_in_subgroup={},
    )
