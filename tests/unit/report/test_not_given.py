"""Persons not given a class next, added up from what is shown, by hand."""

from collections.abc import Mapping

import pytest

from omop_scorer.report.figures import Rows
from omop_scorer.report.not_given import (
    INDEXED,
    NEXT_OF_MODEL_CLASSES,
    NEXT_TREATMENT,
    NotGiven,
    not_given,
)

#: Persons by index class and next class: of 100, 60 were indexed on tnf and 40 on il.
PERSONS = {
    "tnf": {"tnf": 10, "il": 20, "other_advanced": 6, "none_stopped": 24},
    "il": {"tnf": 12, "il": 0, "other_advanced": 8, "none_stopped": 20},
    "all": {"tnf": 22, "il": 20, "other_advanced": 14, "none_stopped": 44},
}


def rows(persons: Mapping[str, Mapping[str, int | None]] = PERSONS) -> Rows:
    totals = {"tnf": 60, "il": 40, "all": 100}
    return [
        {"index_class": i, "next_class": c, "n_persons": n, "n_population": totals[i]}
        for i, counts in persons.items()
        for c, n in counts.items()
    ]


def counted(found: NotGiven) -> tuple[int | None, int | None]:
    return found.n, found.of


@pytest.mark.parametrize(
    ("denominator", "any_index", "not_on_il"),
    [
        (NEXT_TREATMENT, (36, 56), (16, 36)),
        (NEXT_OF_MODEL_CLASSES, (22, 42), (10, 30)),
        (INDEXED, (80, 100), (40, 60)),
    ],
)
def test_each_denominator(
    denominator: str, any_index: tuple[int, int], not_on_il: tuple[int, int]
) -> None:
    for all_classes, expected in ((True, any_index), (False, not_on_il)):
        found = not_given(rows(), "il", denominator, 5, all_index_classes=all_classes)
        assert counted(found) == expected
        assert found.share == expected[0] / expected[1]


def test_what_is_hidden_or_small_is_not_shown() -> None:
    hidden = {**PERSONS, "all": {**PERSONS["all"], "other_advanced": None}}
    found = not_given(rows(hidden), "il", NEXT_TREATMENT, 5, all_index_classes=True)
    assert counted(found) == (None, None)
    assert not_given(rows(), "il", INDEXED, 50, all_index_classes=False).n is None
    # Rounded counts need not add up.
    rounded = {"all": {"tnf": 0, "il": 105}}
    found = not_given(rows(rounded), "il", INDEXED, 5, all_index_classes=True)
    assert counted(found) == (None, None)


def test_merged_index_classes_are_not_nobody() -> None:
    merged = rows({"all": PERSONS["all"]})
    assert counted(not_given(merged, "il", INDEXED, 5, all_index_classes=True)) == (80, 100)
    assert not_given(merged, "il", INDEXED, 5, all_index_classes=False) == NotGiven(None, None)
