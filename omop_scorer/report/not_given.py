"""Persons who were not given a class next: the paper's headline, for each possible denominator."""

from dataclasses import dataclass

from omop_scorer.model.intervals import wilson_interval
from omop_scorer.report.figures import Rows, added, distinct, portion
from omop_scorer.report.words import whole
from omop_scorer.terms import ALL, NONE_NEXT, OTHER_ADVANCED

#: Persons with a next treatment, with one of a class of the model, and all with an index treatment.
NEXT_TREATMENT, NEXT_OF_MODEL_CLASSES, INDEXED = (
    *("next_treatment", "next_of_model_classes", "indexed"),
)
DENOMINATORS = (NEXT_TREATMENT, NEXT_OF_MODEL_CLASSES, INDEXED)


@dataclass(frozen=True)
class NotGiven:
    """Persons not given a class next, of how many, and their share; None is not shown."""

    n: int | None
    of: int | None
    share: float | None = None
    low: float | None = None
    high: float | None = None


def not_given(
    rows: Rows, key: str, denominator: str, minimum: int, *, all_index_classes: bool
) -> NotGiven:
    """Return the persons of a denominator who were not given a class next.

    The result is calculated from shown counts only, so it reveals nothing that a reader could not
    calculate.

    Parameters
    ----------
    rows
        Rows of `next_treatment`, of one population and one index rule.
    key
        The class.
    denominator
        One of `DENOMINATORS`.
    minimum
        The smallest count above zero that is shown.
    all_index_classes
        False to leave out the persons whose index treatment is of the class.
    """
    given, of = (
        _persons(rows, key, next_classes, all_index_classes=all_index_classes)
        for next_classes in ([key], _next_of(rows, denominator))
    )
    n = None if of is None or given is None else of - given
    # The results hold no cell for these sums, so they are suppressed here by the same rule. A sum
    # of rounded counts can be below zero.
    if any(each is not None and (each < 0 or 0 < each < minimum) for each in (n, of)):
        return NotGiven(None, None)
    if n is None or not of:
        return NotGiven(n, of)
    low, high = (float(end) for end in wilson_interval(n, of))
    return NotGiven(n, of, portion(n, of), low, high)


def _next_of(rows: Rows, denominator: str) -> list[str] | None:
    """Return the next classes of a denominator; None for any next class or none."""
    if denominator == INDEXED:
        return None
    excluded = set(NONE_NEXT)
    if denominator == NEXT_OF_MODEL_CLASSES:
        excluded.add(OTHER_ADVANCED)
    return [each for each in distinct(rows, "next_class") if each not in excluded]


def _persons(
    rows: Rows, key: str, next_classes: list[str] | None, *, all_index_classes: bool
) -> int | None:
    """Return the persons with these next classes, indexed on any class or on any but one."""
    by_pair = {(row["index_class"], row["next_class"]): row for row in rows}
    by_index = {row["index_class"]: row for row in rows}
    if not all_index_classes and by_index.keys() <= {ALL}:
        # The rows by index class are merged into one.
        return None

    def persons(index_class: str, next_class: str | None) -> int | None:
        is_any = next_class is None
        row = by_index.get(index_class) if is_any else by_pair.get((index_class, next_class))
        return 0 if row is None else whole(row["n_population" if is_any else "n_persons"])

    parts: list[int | None] = []
    for next_class in next_classes if next_classes is not None else [None]:
        everyone = persons(ALL, next_class)
        if all_index_classes:
            parts.append(everyone)
            continue
        others = added([persons(each, next_class) for each in by_index if each not in (ALL, key)])
        own = persons(key, next_class)
        if others is None and everyone is not None and own is not None:
            others = everyone - own
        parts.append(others)
    return added(parts)
