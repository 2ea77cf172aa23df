"""Concept drift between two runs."""

import pytest

from omop_scorer.staging.concept_drift import Member, drift

VALID, INVALID, UNKNOWN = False, True, None


def member(n_records: int = 0, *, mapped: bool = False, invalid: bool | None = VALID) -> Member:
    return Member(n_records, mapped, invalid)


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        ({1: member(10)}, {1: member(10)}, None),
        # A descendant is lost, also where a mapping leads to it now.
        ({1: member(), 2: member()}, {1: member()}, "1 of 2 members lost (2)"),
        ({2: member(3)}, {2: member(3, mapped=True)}, "1 of 1 members lost (2)"),
        # Mapped concepts come and go with their records.
        ({1: member(9), 2: member(1, mapped=True)}, {1: member(9)}, None),
        ({1: member()}, {1: member(), 2: member(3, mapped=True)}, None),
        ({1: member()}, {}, "1 of 1 members lost (1)"),
        ({1: member()}, {1: member(invalid=INVALID)}, "no longer valid: 1"),
        ({1: member(invalid=INVALID)}, {1: member(invalid=INVALID)}, None),
        # Runs of earlier releases do not say what was valid.
        ({1: member(invalid=UNKNOWN)}, {1: member(invalid=INVALID)}, None),
        ({1: member(10)}, {1: member(5)}, None),
        ({1: member(11)}, {1: member(5)}, "5 records instead of 11 records"),
        (
            {1: member(9), 2: member(2)},
            {1: member(0), 2: member(5)},
            "5 records instead of 11 records",
        ),
        (
            {n: member() for n in range(1, 9)},
            {1: member()},
            "7 of 8 members lost (2, 3, 4, 5, 6 and 2 more)",
        ),
    ],
)  # fmt: skip
def test_drift(before: dict[int, Member], now: dict[int, Member], found: str | None) -> None:
    expected = [f"concept drift: crp, since run 7: {found}"] if found else []
    assert drift({"crp": before}, {"crp": now}, 7) == expected


def test_a_new_concept_set_is_no_drift() -> None:
    assert drift({}, {"crp": {1: member()}}, 7) == []
