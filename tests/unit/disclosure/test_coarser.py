"""Rows that are merged because few are in them, before anything is hidden."""

from datetime import date
from typing import Any

import pandas as pd

from omop_scorer.disclosure.bounds import bounds_of, is_wide
from omop_scorer.disclosure.coarser import coarser
from omop_scorer.disclosure.coarser_uses import fewer_uses
from omop_scorer.disclosure.protect import protect_run
from omop_scorer.disclosure.years import with_joined_years
from tests.support.made_up_run import frame, run_of


def pyramid(*rows: tuple[str, str, int]) -> pd.DataFrame:
    """Return a pyramid of one population."""
    return frame(
        [
            {"population": "crohns_disease", "age_group": group, "sex": sex, "n_persons": n}
            for group, sex, n in rows
        ]
    )


def counts(rows: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Return words and count of each row, without the first word."""
    return [row[1:] for row in rows.itertuples(index=False, name=None)]


def test_a_pyramid_with_a_small_bar_is_in_tens() -> None:
    rows = pyramid(
        *(("20 to 24", "female", 3), ("25 to 29", "female", 9), ("85 and over", "female", 7)),
        *(("20 to 24", "unknown", 1), ("unknown", "female", 6), ("unknown", "unknown", 0)),
    )
    found = coarser({"age_sex_pyramid": rows}, 5)
    # The one of unknown sex joins those of unknown age.
    assert counts(found.frames["age_sex_pyramid"]) == [
        *(("20 to 29", "female", 12), ("80 and over", "female", 7), ("unknown", "unknown", 7)),
    ]
    assert found.merged == {"age_sex_pyramid"}
    assert found.has_decades
    large = pyramid(("20 to 24", "female", 5), ("25 to 29", "female", 0))
    assert coarser({"age_sex_pyramid": large}, 5).frames["age_sex_pyramid"] is large


def test_treatments_of_few_are_for_everybody_and_women_of_50_and_over() -> None:
    key = {"index_rule": "first_biologic", "index_class": "all", "next_class": "anti_tnf"}
    populations = {
        "all": 60,
        "women_50_and_over": 20,
        "men_50_and_over": 20,
        "women_under_50": 10,
        "men_under_50": 10,
    }
    rows = [{"population": name, **key, "n_persons": n} for name, n in populations.items()]
    for men, expected in ((10, 5), (8, 2), (3, 2)):
        # With 8 instead of 10, two of 60 are of unknown age or sex.
        rows[-1]["n_persons"] = men
        found = coarser({"next_treatment": frame(rows)}, 5).frames["next_treatment"]
        assert len(found) == expected


def uses(counts: dict[str, dict[str, tuple[int, ...]]]) -> pd.DataFrame:
    """Return the drugs last used, by population and group: TNF, IL and none."""
    return frame(
        [
            {"population": population, "treatment": "last", "preference_group": group}
            | {"preferred": "all", "drug_class": drug, "n_persons": n, "n_population": sum(found)}
            for population, groups in counts.items()
            for group, found in groups.items()
            for drug, n in zip(("anti_tnf", "anti_il12_23", "none"), found, strict=True)
        ]
    )


def test_groups_of_few_are_left_out_together() -> None:
    everybody = {
        "all": (190, 65, 105),
        "anti_tnf_alone": (40, 9, 30),
        "anti_il12_23_alone": (80, 30, 40),
        "shared_top": (20, 11, 15),
        "no_preference": (50, 15, 20),
    }
    # Of the women, one group has 2 of no drug. With the 6 of the next one, they are not few.
    women = {
        "all": (90, 29, 43),
        "anti_tnf_alone": (20, 0, 15),
        "anti_il12_23_alone": (40, 12, 16),
        "shared_top": (10, 5, 2),
        "no_preference": (20, 10, 6),
    }
    printed, apart = fewer_uses(uses({"all": everybody, "women_50_and_over": women}), 5)
    is_part = printed["population"] != "all"
    assert list(printed["preference_group"][is_part].unique()) == [
        *("all", "anti_tnf_alone", "anti_il12_23_alone"),
    ]
    assert list(apart["preference_group"].unique()) == ["shared_top", "no_preference"]
    # Of everybody with one class alone, 3 are no such women: that group goes with the few.
    everybody["anti_il12_23_alone"] = (80, 15, 40)
    _, apart = fewer_uses(uses({"all": everybody, "women_50_and_over": women}), 5)
    assert list(apart["preference_group"].unique()) == ["anti_il12_23_alone", "shared_top"]
    # Nothing is left out of large counts, and all groups where nothing else helps.
    women = {group: tuple(8 for _ in found) for group, found in everybody.items()}
    everybody = {group: tuple(50 for _ in found) for group, found in everybody.items()}
    assert fewer_uses(uses({"all": everybody, "women_50_and_over": women}), 5)[1].empty
    women = dict.fromkeys(everybody, (1, 0, 0))
    _, apart = fewer_uses(uses({"all": everybody, "women_50_and_over": women}), 5)
    assert len(apart["preference_group"].unique()) == 4


def test_strata_of_few_are_totals_of_all_groups() -> None:
    rows = [
        {"stratum": "race", "stratum_value": race, "preference_group": group, "n_persons": n}
        for race, group, n in (
            *(("race_white", "anti_tnf_alone", 30), ("race_white", "no_preference", 50)),
            *(("race_asian", "anti_tnf_alone", 2), ("race_asian", "no_preference", 9)),
        )
    ]
    sizes = {"race_white": 80, "race_asian": 11}
    rows = [{**row, "n_stratum": sizes[str(row["stratum_value"])]} for row in rows]
    found = coarser({"preference_summary": frame(rows)}, 5).frames["preference_summary"]
    columns = ["stratum_value", "preference_group", "n_persons", "n_stratum", "share"]
    assert found[columns].values.tolist() == [
        ["race_white", "all", 80, 80, 1.0],
        ["race_asian", "all", 11, 11, 1.0],
    ]


def test_years_are_joined_on_each_side_of_a_date() -> None:
    years = {"2013": 2, "2014": 9, "2015": 3, "2016": 8, "2017": 1, "2018": 6}
    rows = frame(
        [
            {"stratum": "first_biologic_year", "stratum_value": year, "preference_group": "all"}
            | {"n_persons": n, "n_stratum": n}
            for year, n in years.items()
        ]
    )
    joined = with_joined_years(rows, 5, date(2016, 3, 1))
    assert dict(zip(joined["stratum_value"], joined["n_stratum"], strict=True)) == {
        "2013 to 2015": 14,
        "2016": 8,
        "2017 to 2018": 7,
    }
    whole = coarser({"preference_summary": rows}, 5).frames["preference_summary"]
    assert set(whole["share"]) == {1.0}


# ---- Bounds ----


def test_bounds_follow_from_what_is_printed() -> None:
    # 40 = 18 + a + b, each of a and b at least 1, and b is at most 15, a part of 15.
    found = bounds_of(
        {"whole": (40, 40), "c": (18, 18), "more": (15, 15)},
        {"a", "b"},
        {"rest"},
        [("whole", ["a", "b", "c"]), ("more", ["b", "rest"])],
    )
    assert found == {"a": (7, 21), "b": (1, 15)}
    assert bounds_of({}, {"alone"}, set(), []) == {"alone": (1, None)}


def test_rounded_counts_leave_wider_bounds() -> None:
    found = bounds_of(
        {"whole": (38, 42), "c": (18, 22)}, {"a", "b"}, set(), [("whole", ["a", "b", "c"])]
    )
    assert found == {"a": (1, 23), "b": (1, 23)}


def test_bounds_are_shown_only_if_they_are_wide() -> None:
    assert is_wide(1, 5, 5)
    assert not is_wide(1, 4, 5)
    assert not is_wide(2, 90, 5)
    assert is_wide(1996, 2001, 5)
    assert not is_wide(1996, 2000, 5)
    assert not is_wide(1, None, 5)


# ---- Rounded counts ----


def test_shares_are_those_of_the_rounded_counts() -> None:
    rows = [
        {"population": "crohns_disease", "measure": "women_50_and_over"}
        | {"n_persons": 33, "n_population": 102, "share": 33 / 102, "ci_low": 0.2, "ci_high": 0.4}
    ]
    data = protect_run(run_of({"prevalence": rows}, n_cohort=102, n_scored=102), 5, 5)
    (row,) = data.tables["prevalence"].to_dict("records")
    assert (row["n_persons"], row["n_population"], row["share"]) == (35, 100, 0.35)
    assert (data.run["n_cohort"], data.rounding) == (100, 5)


def test_the_mean_of_a_yes_or_no_is_that_of_rounded_counts() -> None:
    # 40 recorded, 33 of them yes: 0.825 would tell; 35 of 40 is printed.
    row = {"covariate": "ileal", "population": "recorded", "n_persons": 40, "mean": 33 / 40}
    row |= {"standard_deviation": 0.38, "standardised_mean_difference": 0.1}
    row |= {"trial_mean": 0.6, "trial_standard_deviation": 0.4}
    scored = {**row, "population": "scored", "n_persons": 52, "mean": 0.7}
    run = run_of({"covariate_summary": [scored, row]}, n_cohort=52, n_scored=52)
    used, recorded = protect_run(run, 5, 5).tables["covariate_summary"].to_dict("records")
    assert (recorded["n_persons"], recorded["mean"]) == (40, 0.875)
    # With the mean of all, 12 imputed values would follow.
    assert pd.isna(used["mean"])
    assert used["n_persons"] == 50
