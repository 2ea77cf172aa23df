"""Counts of a cleaning in words and by arm, as a terminal and a page print them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from omop_scorer.trials.attrition import Attrition, Count

#: Words for the keys of an attrition; names of columns stay as they are.
_WORDS = (
    (r"unknown_arm", "no word of an arm"),
    (r"no_trial", "no trial"),
    (r"no_outcome", "no outcome"),
    (r"no_baseline_(.+)", r"no \1 at baseline"),
    (r"no_(.+)_after_baseline_by_week_(\d+)", r"no \1 after baseline up to week \2"),
    (r"missing_(.+)", r"no \1"),
    (r"assumed_value_(.+)", r"set by the layout where never collected: \1"),
    (r"assumed_(no|yes)_(.+)", r"taken as \1 where never collected: \2"),
    (r"set_to_no_(.+)", r"taken as no where missing: \1"),
    (r"imputed_(.+)", r"set to a median where missing: \1"),
)


@dataclass(frozen=True)
class Line:
    """One count of a cleaning."""

    words: str
    n: int
    by_arm: tuple[int, ...]
    """In the order of `Attrition.arms`; rows without a known arm are in none of them."""


def reasons(attrition: Attrition) -> list[Line]:
    """Return the rows left out by reason, in the order in which reasons are checked."""
    return [_line(key, count) for key, count in attrition.left_out.items()]


def changes(attrition: Attrition) -> list[Line]:
    """Return the included participants with a value that is not the file's own."""
    return list(_changes(attrition))


def _changes(attrition: Attrition) -> Iterator[Line]:
    for key, count in attrition.assumed.items():
        yield _line(key, count)
    for week, count in attrition.carried_forward.items():
        yield Line(f"outcome carried forward from week {week}", count.n, count.by_arm)
    for column, count in attrition.imputed.items():
        yield _line(f"imputed_{column}", count)


def _line(key: str, count: Count) -> Line:
    for pattern, words in _WORDS:
        if match := re.fullmatch(pattern, key):
            return Line(match.expand(words), count.n, count.by_arm)
    return Line(key.replace("_", " "), count.n, count.by_arm)
