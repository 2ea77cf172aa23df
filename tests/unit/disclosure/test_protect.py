"""What is taken from a run's tables before they leave: cells, identities, bins, means, messages."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from omop_scorer.disclosure.bins import merge_bins
from omop_scorer.disclosure.cells import Figures
from omop_scorer.disclosure.messages import without_counts
from omop_scorer.disclosure.protect import linked_tables, protect_run
from omop_scorer.disclosure.true_run import Change, RunTables, aggregate_tables, in_order
from omop_scorer.results.difference import Cause, CovariateChange, Flow, PatientDifference
from omop_scorer.results.history import Run
from tests.support.made_up_run import CARD, frame, people, run_of, tables_of

A, B, C, D = ("a",), ("b",), ("c",), ("d",)


def figures(**counts: int) -> Figures:
    """Return printed cells named by one letter."""
    found = Figures()
    for name, count in counts.items():
        found.add((name,), count)
    return found


def linked(run: RunTables) -> Figures:
    """Return the cells of a run and what links them."""
    return linked_tables(run, run.frames).figures


def rest(found: Figures, source: str, *words: str) -> list[int]:
    """Return what is left of the cells that hold rows of a count, by words of the rows' keys."""
    return [
        found.count(cell)
        for cell in found.cells()
        if cell[:2] == ("rest", source) and set(words) <= set(cell)
    ]


def shown(run: RunTables, table: str, column: str, minimum: int = 5) -> list[Any]:
    """Return what is shown of a column; None is hidden."""
    values = protect_run(run, minimum).tables[table][column]
    return [None if pd.isna(value) else value for value in values]


# ---- Cells and identities ----


def test_a_small_count_takes_another_with_it() -> None:
    # 40 = 2 + 18 + 20: with 2 alone hidden it would be 40 - 18 - 20.
    found = figures(a=40, b=2, c=18, d=20)
    found.declare_sum(A, (B, C, D))
    hidden = found.hide(5, keep=[A])
    assert [cell in hidden for cell in (A, B, C, D)] == [False, True, True, False]


def test_two_names_of_the_same_persons_are_hidden_together() -> None:
    found = figures(a=3, b=3, c=30)
    found.declare_same(A, B)
    hidden = found.hide(5)
    assert [cell in hidden for cell in (A, B, C)] == [True, True, False]


def test_a_difference_that_nobody_prints_is_protected() -> None:
    # 20 of 22: the 2 others follow.
    found = figures(a=22, b=20)
    found.add_rest(("others",), A, [B])
    hidden = found.hide(5)
    assert (A in hidden) != (B in hidden)


def test_a_sum_that_is_not_known_adds_to_itself() -> None:
    found = figures(a=1, b=2)
    found.add_sum(C, (A, B, D))
    assert found.count(C) == 3
    assert D not in found
    found.add_rest(("rest",), C, (A,))
    assert found.count(("rest",)) == 2


def test_what_does_not_hold_is_left_out_and_named() -> None:
    found = figures(a=10, b=4, c=5)
    found.declare_sum(A, (B, C))
    found.declare_same(A, B)
    found.add_rest(D, B, [C])
    assert found.broken == [A, B, D]
    assert D not in found
    assert [cell in found.hide(5) for cell in (A, B, C)] == [False, True, False]


def test_a_sum_with_one_member_that_is_not_zero_is_that_member() -> None:
    found = figures(a=3, b=3, c=0, d=50)
    found.declare_sum(A, (B, C))
    hidden = found.hide(5)
    assert [cell in hidden for cell in (A, B, C, D)] == [True, True, False, False]


@pytest.mark.parametrize("seed", range(6))
def test_every_identity_holds_of_made_up_persons(seed: int) -> None:
    run = run_of(tables_of(people(120, seed)))
    assert linked(run).broken == []


def test_who_was_left_out_follows_from_cohort_and_scored() -> None:
    tables = tables_of(people(150, 5))
    found = linked(run_of(tables))
    n = {row["reason"]: row["n_excluded"] for row in tables["attrition"]}
    assert found.count(("~left_out", "crohns_disease")) == sum(n.values())
    # Who is of no age is of no age group that is scored.
    of_age = [cell for cell in found.cells() if cell[0] == "~left_out_of_age"]
    assert sum(found.count(cell) for cell in of_age) == (
        sum(n.values()) - n["year_of_birth_unknown"] - _in_groups_without_scored(tables)
    )


def _in_groups_without_scored(tables: dict[str, list[dict[str, Any]]]) -> int:
    groups = {
        row["stratum_value"] for row in tables["subgroup_summary"] if row["stratum"] == "age_group"
    }
    return sum(
        row["n_persons"]
        for row in tables["age_sex_pyramid"]
        if row["population"] == "crohns_disease" and row["age_group"] not in {*groups, "unknown"}
    )


# ---- Means, and what they tell ----


def summary(covariate: str, n_recorded: int, mean: float, n_scored: int = 50) -> RunTables:
    """Return a run of which a covariate is recorded of some, and imputed of the others."""
    states = {"observed": n_recorded, "computed": 0, "absent": 0, "imputed": n_scored - n_recorded}
    rows = [
        {
            "covariate": covariate,
            "population": population,
            "n_persons": n,
            "mean": mean,
            "standard_deviation": 0.5,
            "trial_mean": 0.6,
            "trial_standard_deviation": 0.4,
            "standardised_mean_difference": 0.1,
        }
        for population, n in (("scored", n_scored), ("recorded", n_recorded))
    ]
    tables = {
        "covariate_quality": [
            {"covariate": covariate, "measure": f"n_{state}", "n": n} for state, n in states.items()
        ],
        "covariate_summary": rows,
    }
    return run_of(tables, n_cohort=n_scored, n_scored=n_scored)


def test_the_mean_of_a_yes_or_no_is_hidden_with_either_count() -> None:
    # 20 * 0.1 said yes, 20 * 0.9 said no: 2 is small, 18 is not.
    for mean in (0.1, 0.9):
        run = summary("ileal", 20, mean)
        assert shown(run, "covariate_summary", "mean") == [None, None]
        assert shown(run, "covariate_summary", "standardised_mean_difference") == [None, None]
        assert shown(run, "covariate_summary", "trial_mean") == [0.6, 0.6]
    assert shown(summary("ileal", 20, 0.5), "covariate_summary", "mean") == [0.5, 0.5]
    assert shown(summary("ileal", 20, 0.0), "covariate_summary", "mean") == [0.0, 0.0]


def test_the_mean_of_all_tells_that_of_few_recorded() -> None:
    # 47 of 50 are the constant: what is left of the sum is that of 3.
    run = summary("crp", 3, 11.5)
    assert shown(run, "covariate_summary", "mean") == [None, None]
    assert shown(run, "covariate_summary", "n_persons")[1] is None
    run = summary("crp", 30, 11.5)
    assert shown(run, "covariate_summary", "mean") == [11.5, 11.5]


@pytest.mark.parametrize("covariate", ["crp", "ileal"])
@pytest.mark.parametrize(
    ("n", "expected"), [(0, 0.5), (5, None), (19, None), (20, 0.5), (45, 0.5), (50, 0.5)]
)
def test_means_of_few_are_values_of_single_patients(
    covariate: str, n: int, expected: float | None
) -> None:
    run = summary(covariate, n, 0.5)
    for column in ("mean", "standard_deviation", "standardised_mean_difference"):
        scored, recorded = shown(run, "covariate_summary", column)
        assert (scored is None) == (recorded is None) == (expected is None)
    assert shown(run, "covariate_summary", "trial_mean") == [0.6, 0.6]


def test_shares_and_quartiles_are_hidden_with_their_counts() -> None:
    key = {"population": "all", "index_rule": "first_biologic", "index_class": "all"}
    tables = {
        "next_treatment": [
            {**key, "next_class": name, "n_persons": n, "n_population": 54, "share": n / 54}
            for name, n in (("anti_tnf", 3), ("anti_il12_23", 31), ("none_stopped", 20))
        ],
        "next_treatment_time": [
            {**key, "n_persons": 34, "median_days": 90.0, "first_quartile_days": 50.0}
        ],
    }
    run = run_of(tables, n_cohort=54, n_scored=54)
    counts = shown(run, "next_treatment", "n_persons")
    shares = shown(run, "next_treatment", "share")
    (time,) = shown(run, "next_treatment_time", "n_persons")
    # 3 must go, and 34 or 31 because 34 - 31 = 3.
    assert counts[0] is None
    assert (time is None) != (counts[1] is None)
    is_total_shown = shown(run, "next_treatment", "n_population") == [54, 54, 54]
    for n, value in zip(counts, shares, strict=True):
        assert (value is not None) == (n is not None and is_total_shown)
    assert shown(run, "next_treatment_time", "median_days") == [90.0 if time else None]


@pytest.mark.parametrize(("n", "expected"), [(19, None), (20, 90.0)])
def test_quartiles_of_few_are_days_of_single_patients(n: int, expected: float | None) -> None:
    # Between quartiles of 20 stand 5.
    key = {"population": "all", "index_rule": "first_biologic", "index_class": "all"}
    run = run_of({"next_treatment_time": [{**key, "n_persons": n, "median_days": 90.0}]})
    assert shown(run, "next_treatment_time", "n_persons") == [n]
    assert shown(run, "next_treatment_time", "median_days") == [expected]


def test_moments_leave_with_four_digits() -> None:
    row = {"covariate": "crp", "population": "recorded", "n_persons": 40, "trial_mean": 19.411078}
    row |= {"standard_deviation": 25.07618475546275, "standardised_mean_difference": -0.0470615733}
    run = run_of({"covariate_summary": [{**row, "mean": 18.231218396411002}]})
    assert shown(run, "covariate_summary", "mean") == [18.23]
    assert shown(run, "covariate_summary", "standard_deviation") == [25.08]
    assert shown(run, "covariate_summary", "standardised_mean_difference") == [-0.04706]
    assert shown(run, "covariate_summary", "trial_mean") == [19.411078]


# ---- Imputation, labels and records ----


def test_who_lacks_exactly_some_covariates_is_counted_in_and_out() -> None:
    # 60 scored: a of 30, b of 25, both of 22. a alone 8, b alone 3, neither 60 - 33 = 27.
    counts = {"cdai": 30, "crp": 25, "cdai + crp": 22}
    tables = {
        "imputation_sensitivity": [
            {
                "covariate": name,
                "assumption": "reduced_model",
                "n_imputed": n,
                "n_changed": 10,
                "assumed_value": None,
            }
            for name, n in counts.items()
        ]
    }
    found = linked(run_of(tables, n_cohort=60, n_scored=60))
    exactly = {
        names: found.count(("exactly imputed", *names))
        for names in ((), ("cdai",), ("crp",), ("cdai", "crp"))
    }
    assert exactly == {(): 27, ("cdai",): 8, ("crp",): 3, ("cdai", "crp"): 22}
    assert rest(found, "imputation_sensitivity.n_changed", "crp", "reduced_model") == [15]
    assert found.broken == []
    run = run_of(tables, n_cohort=60, n_scored=60)
    # b alone are 25 - 22 = 3: one of the two is not shown.
    assert None in shown(run, "imputation_sensitivity", "n_imputed")


def test_the_labels_of_the_run_are_those_of_its_uncertainty() -> None:
    equal, ordered = "(TNF = IL = INT)", "TNF > (IL = INT)"
    tables = {
        "uncertainty_comparison": [
            {"subgroup_bootstrap": b, "subgroup_analytic": a, "n_persons": n}
            for b, a, n in ((ordered, ordered, 20), (ordered, equal, 10), (equal, equal, 30))
        ],
        "label_check": [
            {"uncertainty": u, "measure": m, "n_persons": 7, "n_population": n}
            for u, m, n in (
                ("bootstrap", "order_not_significant", 30),
                ("bootstrap", "worst_class_ruled_out", 30),
                ("analytic", "order_not_significant", 20),
                ("analytic", "worst_class_ruled_out", 40),
                ("analytic", "best_response_elsewhere", 60),
            )
        ],
        "subgroup_summary": [
            {
                "stratum": "all",
                "stratum_value": "all",
                "subgroup": label,
                "n_persons": 30,
                "n_stratum": 60,
            }
            for label in (ordered, equal)
        ],
    }
    found = linked(run_of(tables, n_cohort=60, n_scored=60))
    assert found.broken == []
    # 20 + 10 with an order by the bootstrap, and 10 + 30 without one by the other uncertainty.
    assert found.count(("~by_bootstrap", ordered)) == 30
    assert found.count(("~by_analytic", equal)) == 40
    assert rest(found, "label_check.n_persons", "analytic", "worst_class_ruled_out") == [33]


def test_records_refused_do_not_follow_from_those_kept() -> None:
    counts = {
        "n_records": 100,
        "n_rejected_value": 0,
        "n_rejected_unit": 2,
        "n_rejected_limit": 30,
        "n_converted": 66,
        "n_censored": 10,
        "n_unit_from_text": 0,
        "n_unit_missing": 0,
    }
    rows = [{"covariate": "crp", "measure": name, "n": n} for name, n in counts.items()]
    run = run_of({"covariate_quality": rows}, n_cohort=60, n_scored=60)
    found = linked(run)
    # 68 usable, 66 of them converted: 2 were not.
    assert found.count(("~usable", "crp")) == 68
    assert rest(found, "covariate_quality.n", "~usable", "n_converted") == [2]
    n = dict(
        zip(
            shown(run, "covariate_quality", "measure"),
            shown(run, "covariate_quality", "n"),
            strict=True,
        )
    )
    assert n["n_rejected_unit"] is None
    assert n["n_rejected_value"] == 0
    assert n["n_censored"] == 10


# ---- Histograms ----


def bins(*counts: int, measure: str = "covariate", category: str = "crp", low: int = 0) -> Any:
    """Return rows of a histogram with bins of width 5 from `low`; 0: no row, as in the results."""
    return [
        {
            "measure": measure,
            "category": category,
            "bin_low": low + 5.0 * i,
            "bin_high": low + 5.0 * i + 5,
            "n_persons": n,
            "expected_share": None,
        }
        for i, n in enumerate(counts)
        if n
    ]


def merged(rows: Any, minimum: int = 5) -> list[tuple[Any, ...]]:
    """Return ends and count of the joined bins."""
    found = merge_bins(pd.DataFrame(rows), minimum, CARD)
    columns = ["bin_low", "bin_high", "n_persons"]
    return list(found[columns].itertuples(index=False, name=None))


def test_tails_are_joined_inwards_and_end_at_a_round_number() -> None:
    # Left: 1 + 3 + 7; right: 2 (a gap before it) + 6; ends move to multiples of 50.
    found = merged(bins(1, 3, 7, 20, 6, 0, 2, low=10))
    assert found == [(0.0, 25.0, 11), (25.0, 30.0, 20), (30.0, 50.0, 8)]


def test_a_small_bin_within_joins_its_smaller_neighbour() -> None:
    found = merged(bins(9, 30, 2, 12, 9))
    assert found == [(0, 5, 9), (5, 10, 30), (10, 20, 14), (20, 25, 9)]


def test_bins_that_are_not_small_stay() -> None:
    rows = bins(5, 0, 6)
    assert merged(rows) == [(0, 5, 5), (10, 15, 6)]
    assert merged(bins(1, 1), minimum=1) == [(0, 5, 1), (5, 10, 1)]


def test_a_histogram_of_few_is_not_shown() -> None:
    assert merged(bins(1, 2, 1)) == []
    assert merged(bins(1, 2, 2)) == [(0, 50, 5)]


def test_bins_of_age_end_where_age_groups_do() -> None:
    rows = [
        {**row, "bin_low": 18.0 + 2 * i, "bin_high": 20.0 + 2 * i}
        for i, row in enumerate(bins(*[6] * 10, category="age"))
    ]
    # From 18 in steps of 2 to 38: ends that are both even and a multiple of 5 are 20 and 30.
    assert merged(rows) == [(18, 20, 6), (20, 30, 30), (30, 40, 24)]


def distances(scored: list[int], complete: list[int]) -> Any:
    """Return rows of both categories of the trial distance."""
    return [
        *bins(*scored, measure="trial_distance", category="scored"),
        *bins(*complete, measure="trial_distance", category="nothing_imputed"),
    ]


def test_bins_of_distance_hold_enough_with_and_without_imputed_values() -> None:
    # With something imputed: 2, 8, 10; the first two bins are joined for them alone.
    found = merge_bins(pd.DataFrame(distances([12, 18, 20], [10, 10, 10])), 5, CARD)
    rows = found[["category", "bin_low", "bin_high", "n_persons"]]
    assert list(rows.itertuples(index=False, name=None)) == [
        ("scored", 0.0, 10.0, 30),
        ("scored", 10.0, 15.0, 20),
        ("nothing_imputed", 0.0, 10.0, 20),
        ("nothing_imputed", 10.0, 15.0, 10),
    ]
    # Nine covariates: practically everybody is nearer than 10.
    assert found["expected_share"].iloc[0] == pytest.approx(1, abs=1e-6)


def test_few_with_nothing_imputed_are_not_drawn() -> None:
    found = merge_bins(pd.DataFrame(distances([12, 18], [1, 3])), 5, CARD)
    assert list(found["category"]) == ["scored", "scored"]
    assert list(found["n_persons"]) == [12, 18]


# ---- Text, tables and changes ----


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "3 person(s) of the cohort have a death",
            "some persons of the cohort have a death",
        ),
        ("29 record(s) of the disease", "some records of the disease"),
        (
            "death.death_date: 4 value(s) could not",
            "death.death_date: some values could not",
        ),
        ("cdm_source holds 2 different rows", "cdm_source holds 2 different rows"),
        ("run 2026010102300003 was interrupted", "run 2026010102300003 was interrupted"),
        ("1,203 record(s) and 5 person(s)", "some records and some persons"),
        ("4 exposures longer than 366 days: 3", "some exposures longer than 366 days: some"),
        ("3 of 12 (25.0%), 2% of all", "some of some, some of all"),
        (
            "crp: 1 of 9 records have no number; 1 patient(s) (3.0%) have no usable value",
            "crp: some of the records have no number; some patients have no usable value",
        ),
        ("no record of 201606 up to 2026-01-01", "no record of 201606 up to 2026-01-01"),
        ("attempt 1 failed, women_50 10.5 v5.4", "attempt 1 failed, women_50 some v5.4"),
        ("900 records instead of 20 records", "some records instead of some records"),
        (None, None),
    ],
)
def test_warnings_hold_no_count(text: str | None, expected: str | None) -> None:
    assert protect_run(run_of({}, message=text), 5).run["message"] == expected


def test_a_number_of_no_known_kind_goes() -> None:
    text = without_counts("n=5, crp:3 [4] 1/3 <5 run 12,000")
    assert text == "n=some, crp:some [some] some/some <some run some"


def test_a_greater_threshold_shows_nothing_that_the_runs_own_hides() -> None:
    rows = [
        {"step": step, "reason": str(step), "n_persons": n, "n_excluded": left_out}
        for step, n, left_out in ((1, 60, 0), (2, 57, 3), (3, 50, 7), (4, 38, 12))
    ]
    run = run_of({"attrition": rows}, n_cohort=60, n_scored=38, minimum=5)
    for column in ("n_persons", "n_excluded"):
        own, greater = (
            [None if pd.isna(n) else n for n in protect_run(run, m).tables["attrition"][column]]
            for m in (5, 10)
        )
        assert None in own or column == "n_persons"
        assert all(b is None for a, b in zip(own, greater, strict=True) if a is None)


def test_labels_of_an_unknown_card_are_not_added_up_so_not_shown() -> None:
    run = replace(run_of(tables_of(people(90, 1))), card=None)
    data = protect_run(run, 5)
    measures = set(data.tables["prevalence"]["measure"])
    assert "women_50_and_over" in measures
    assert not [measure for measure in measures if measure.endswith("alone_on_top")]


def test_records_of_concepts_are_hidden_one_by_one() -> None:
    rows = [
        {"concept_set": "crp", "concept_id": i, "n_records": n} for i, n in enumerate((0, 4, 5, 90))
    ]
    assert shown(run_of({"concept_set_member": rows}), "concept_set_member", "n_records") == [
        *(0, None, 5, 90),
    ]


def test_tables_of_persons_are_not_read() -> None:
    names = aggregate_tables()
    assert {"attrition", "prevalence", "histogram", "run_cohort_definition"} <= set(names)
    assert not {"patient_covariate", "counterfactual", "treatment_line", "run_cohort"} & set(names)
    assert not {"covariate_input", "index_treatment"} & set(names)


def test_rows_are_in_the_order_of_readers() -> None:
    rows = [
        {"population": "biologic_exposed", "age_group": group, "sex": sex, "n_persons": 0}
        for group in ("unknown", "10 to 14", "85 and over", "5 to 9", "Under 5")
        for sex in ("male", "female")
    ]
    found = in_order(frame(rows), CARD)
    assert list(found["age_group"][::2]) == [
        *("Under 5", "5 to 9", "10 to 14", "85 and over", "unknown"),
    ]
    assert list(found["sex"][:2]) == ["female", "male"]


def changed(*flows: Flow, n_before: int) -> RunTables:
    """Return a run of two labels with what became of the patients since the run before."""
    labels = ("(TNF = IL = INT)", "TNF > (IL = INT)")
    now = {each: sum(f.n_persons for f in flows if f.later == each) for each in labels}
    n_scored = sum(now.values())
    rows = [
        {
            "stratum": "all",
            "stratum_value": "all",
            "subgroup": label,
            "n_persons": n,
            "n_stratum": n_scored,
        }
        for label, n in now.items()
    ]
    n_changed = sum(flow.n_persons for flow in flows if flow.is_change)
    run = run_of({"subgroup_summary": rows}, n_cohort=n_scored, n_scored=n_scored)
    names = set(Run.__dataclass_fields__) & set(run.run)
    earlier = Run(
        **{name: run.run[name] for name in names} | {"n_scored": n_before},
        recorded_at=run.run["completed_at"],
        status="COMPLETE",
    )
    patients = PatientDifference(
        flows, (Cause("crp", n_changed),), (CovariateChange("crp", n_changed),)
    )
    return replace(run, change=Change(earlier, patients))


def test_what_changed_is_shown_when_it_tells_nobody() -> None:
    equal, tnf = "(TNF = IL = INT)", "TNF > (IL = INT)"
    run = changed(
        *(Flow(equal, equal, 100), Flow(tnf, tnf, 50), Flow(equal, tnf, 12)),
        *(Flow(None, equal, 9), Flow(tnf, None, 8)),
        n_before=170,
    )
    assert linked(run).broken == []
    change = protect_run(run, 5).change
    assert change is not None
    assert (change["n_in"], change["n_out"], change["n_changed"]) == (9, 8, 12)
    assert change["flows"].values.tolist() == [[equal, tnf, 12]]
    assert change["causes"].values.tolist() == [["crp", 12]]


def test_few_who_came_or_changed_are_not_shown() -> None:
    equal, tnf = "(TNF = IL = INT)", "TNF > (IL = INT)"
    run = changed(
        *(Flow(equal, equal, 100), Flow(tnf, tnf, 50), Flow(equal, tnf, 2)),
        *(Flow(None, equal, 3), Flow(tnf, None, 8)),
        n_before=160,
    )
    change = protect_run(run, 5).change
    assert change is not None
    # Scored then 160, now 155: with 8 out in view, 3 in would follow.
    assert (change["n_in"], change["n_out"], change["n_changed"]) == (None, None, None)
    assert change["flows"]["n_persons"].isna().all()


def test_nobody_can_tell_what_changed_when_the_patients_are_gone() -> None:
    run = changed(Flow("(TNF = IL = INT)", "(TNF = IL = INT)", 100), n_before=100)
    assert run.change is not None
    change = protect_run(replace(run, change=replace(run.change, patients=None)), 5).change
    assert change is not None
    assert change["n_in"] is None
    assert change["causes"].empty
    assert change["flows"].empty
