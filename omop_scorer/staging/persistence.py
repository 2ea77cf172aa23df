"""The audit of persistence: how long patients stay on the drug of their index treatment.

`sql/audit/persistence_*.sql` counts persons by day. This module estimates a curve and a restricted
mean per population, index rule, class and preference.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product

import numpy as np
import pyarrow as pa

from omop_scorer import data_model, terms
from omop_scorer.scoring.survival import (
    Estimate,
    Ints,
    combined,
    difference,
    kaplan_meier,
    restricted_mean,
)
from omop_scorer.staging.night import Night
from omop_scorer.terms import ALL, FIRST_BIOLOGIC, INDEX_RULES, OTHERS_PREFERRED, PREFERRED

_LONGEST = terms.PERSISTENCE_DAYS[-1]
_KEYS = ("population", "index_rule", "drug_class", "preference")

Group = tuple[str, str, str, str]
"""Population, index rule, class of the index treatment, and preference."""
Persons = tuple[Ints, Ints]
"""Days of each person, and 1 for each known to have stopped."""

_NOBODY: Persons = (np.empty(0, np.int64), np.empty(0, np.int64))


def load_class_preferences(night: Night, classes: Sequence[str]) -> None:
    """Load, per value of `preferred` and class given, whether the models preferred the class."""
    pairs = list(product(terms.preferences(classes), classes))
    columns: dict[str, list[str]] = {
        "preferred": [preferred for preferred, _ in pairs],
        "drug_class": [given for _, given in pairs],
        "preference": [_preference(*pair) for pair in pairs],
    }
    night.load("class_preference", pa.table(columns))


def _preference(preferred: str, given: str) -> str:
    if preferred in (terms.NO_PREFERENCE, terms.NOT_SCORED):
        return preferred
    return PREFERRED if given in preferred.split(terms.EQUALLY) else OTHERS_PREFERRED


def fetch_persistence(night: Night) -> dict[str, pa.Table]:
    """Return the rows of `persistence` and `persistence_mean`, without run_id."""
    persons = _persons(night)
    classes = [drug_class.key for drug_class in night.model.card.classes]
    groups = {group: persons.get(group, _NOBODY) for group in _groups(classes)}
    means = {group: restricted_mean(*each, _LONGEST) for group, each in groups.items()}
    rows = {
        "persistence": [row for group, each in groups.items() for row in _curve(group, *each)],
        "persistence_mean": [_mean(group, len(days), means) for group, (days, _) in groups.items()],
    }
    return {
        table: pa.Table.from_pylist(each, data_model.rows_schema(table))
        for table, each in rows.items()
    }


def _groups(classes: Sequence[str]) -> Iterator[Group]:
    """Yield the curves: by class for each population, by preference for everybody and women."""
    for population in terms.TREATED_POPULATIONS:
        has_preferences = population in (ALL, terms.WOMEN_50_AND_OVER)
        preferences = (ALL, *terms.PREFERENCES) if has_preferences else (ALL,)
        yield from product((population,), (FIRST_BIOLOGIC,), (ALL, *classes), preferences)
    rest = [rule for rule in INDEX_RULES if rule != FIRST_BIOLOGIC]
    yield from product(terms.TREATED_POPULATIONS, rest, (ALL,), (ALL,))


def _persons(night: Night) -> dict[Group, Persons]:
    """Return the persons of each group; days above the longest are one day more than it."""
    counts: dict[Group, list[tuple[int, int, int]]] = {}
    for row in night.fetch("audit/persistence_days", longest_days=_LONGEST):
        population, rule, given, preference = map(str, row[:4])
        days, is_stopped, n_persons = (int(str(number)) for number in row[4:])
        for each in (ALL, preference):
            key = (population, rule, given, each)
            counts.setdefault(key, []).append((days, is_stopped, n_persons))
    return {group: _repeated(rows) for group, rows in counts.items()}


def _repeated(rows: Iterable[tuple[int, int, int]]) -> Persons:
    days, is_stopped, n_persons = np.array(sorted(rows), np.int64).T
    return np.repeat(days, n_persons), np.repeat(is_stopped, n_persons)


def _curve(group: Group, days: Ints, is_stopped: Ints) -> Iterator[dict[str, object]]:
    curve = kaplan_meier(days, is_stopped, terms.PERSISTENCE_DAYS)
    for i, day in enumerate(terms.PERSISTENCE_DAYS):
        yield {
            **dict(zip(_KEYS, group, strict=True)),
            "days": day,
            "n_at_risk": int(curve.n_at_risk[i]),
            "n_stopped": int(curve.n_events[i]),
            "share": _known(curve.share[i]),
            "ci_low": _known(curve.ci_low[i]),
            "ci_high": _known(curve.ci_high[i]),
        }


def _mean(group: Group, n_persons: int, means: Mapping[Group, Estimate]) -> dict[str, object]:
    found = means[group]
    low, high = np.clip(found.interval, 0, _LONGEST)
    row: dict[str, object] = {
        **dict(zip(_KEYS, group, strict=True)),
        "n_persons": n_persons,
        "mean_days": _known(found.days),
        "ci_low": _known(low),
        "ci_high": _known(high),
    }
    if group[-1] == PREFERRED:
        further = difference_within_classes(group, means)
        names = ("difference_days", "difference_ci_low", "difference_ci_high", "p_value")
        values = (further.days, *further.interval, further.p_value)
        row |= {name: _known(value) for name, value in zip(names, values, strict=True)}
    return row


def difference_within_classes(group: Group, means: Mapping[Group, Estimate]) -> Estimate:
    """Return preferred minus others, of one class or of all classes by inverse variance.

    Over all persons it would be a difference of classes, because some are preferred more often.
    """
    population, rule, given, _ = group
    classes = {key for _, _, key, _ in means} - {ALL} if given == ALL else {given}
    pairs = (
        [means.get((population, rule, key, each)) for each in (PREFERRED, OTHERS_PREFERRED)]
        for key in sorted(classes)
    )
    return combined(difference(one, other) for one, other in pairs if one and other)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
