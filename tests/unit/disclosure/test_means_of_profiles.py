"""Means of preference groups: hidden for few, and so that no hidden one follows from the others."""

import pandas as pd
import pytest

from omop_scorer.disclosure.cells import Figures
from omop_scorer.disclosure.profile import hide_profile
from omop_scorer.disclosure.rules_profile import yes_of

GROUPS = ("first_alone", "second_alone", "no_preference")


def profile(counts: tuple[int, ...], measure: str = "covariate", recorded: int | None = None):
    """Return the rows of one covariate or effect: of all, and of three groups."""
    rows = []
    for group, n in zip(("all", *GROUPS), (sum(counts), *counts), strict=True):
        key = {"preference_group": group, "measure": measure, "category": "crp"}
        populations = ["scored", "recorded"] if measure == "covariate" else ["scored"]
        for population in populations:
            n_of = n if population == "recorded" or recorded is None else n + recorded
            rows.append(
                {**key, "population": population, "n_persons": n_of}
                | {"mean": 12.34567, "standard_deviation": 1.0, "ci_low": 12.0, "ci_high": 13.0}
            )
    return pd.DataFrame(rows).astype({"n_persons": "Int64"})


def shown(rows: pd.DataFrame, hidden=None) -> list[str]:
    """Return the groups whose means are shown, those as used and those recorded alike."""
    found = hide_profile(rows, rows, hidden or Figures().hide(5), 5)
    means = ["mean", "standard_deviation", "ci_low", "ci_high"]
    for group, own in found.groupby("preference_group", sort=False):
        assert own[means].notna().to_numpy().all() or own[means].isna().to_numpy().all(), group
    return [
        str(group)
        for group, own in found.groupby("preference_group", sort=False)
        if own["mean"].notna().all()
    ]


@pytest.mark.parametrize("measure", ["covariate", "attributable_effect"])
@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((20, 20, 20), ["all", *GROUPS]),
        # 19 are few: with those of all and of two groups, the third would follow.
        ((19, 30, 25), ["all", "second_alone"]),
        ((19, 1, 30), ["all", "no_preference"]),
        # Nobody has no mean, and so none to hide.
        ((0, 40, 40), ["all", *GROUPS]),
        ((10, 8, 2), ["all"]),
        ((3, 9, 4), []),
    ],
)
def test_means_of_few_take_another_with_them(measure, counts, expected) -> None:
    assert shown(profile(counts, measure)) == expected


def test_few_recorded_values_hide_those_as_used_too() -> None:
    assert shown(profile((19, 30, 25), recorded=500)) == ["all", "second_alone"]


def test_a_hidden_yes_hides_the_share_that_tells_it() -> None:
    figures = Figures()
    figures.add(yes_of("first_alone", "crp"), 3)
    assert shown(profile((40, 50, 60)), figures.hide(5)) == ["all", "second_alone", "no_preference"]


def test_means_have_four_digits() -> None:
    rows = profile((20, 20, 20))
    assert set(hide_profile(rows, rows, Figures().hide(5), 5)["mean"]) == {12.35}
