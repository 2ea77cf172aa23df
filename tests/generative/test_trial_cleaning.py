"""Cleaning of made-up trial data, against a slow program written from the rules alone."""

import statistics
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omop_scorer.errors import ScoringError
from omop_scorer.trials.load import load_trials
from tests.support.thoroughness import examples
from tests.support.trial_data import write_csv

ARMS = ("placebo", "anti_tnf", "anti_il12_23", "anti_integrin")
NUMBERS = ("cdai", "age", "bmi", "crp")
YES_NO = ("prior_anti_tnf", "steroid", "immunomodulator", "ileal")
REQUIRED = ("age", "sex", *YES_NO)
WORDS = {"yes": 1.0, "1": 1.0, "TRUE": 1.0, "1.0": 1.0, "no": 0.0, "0": 0.0, " No ": 0.0}
SEXES = {"male": 1.0, "M": 1.0, "1": 1.0, "female": 0.0, " f": 0.0, "0": 0.0}


def often(*cells: str) -> st.SearchStrategy[str]:
    """Return one of these cells, now and then a blank."""
    return st.sampled_from([*cells * 3, "", "  "])


NUMBER = often("0", "10", "20.5", " 33 ", "4e1", "-7")
ROW = st.fixed_dictionaries(
    {
        "trial": often("OLD", "NEW", "NEWER "),
        "arm": often(*ARMS, "ANTI_TNF", "other"),
        "year": often("2001", "2002"),
        **dict.fromkeys(NUMBERS, NUMBER),
        **dict.fromkeys(("cdai_week_2", "cdai_week_6", "cdai_week_9"), NUMBER),
        **dict.fromkeys(YES_NO, often(*WORDS)),
        "sex": often(*SEXES),
    }
)
LAYOUT = st.fixed_dictionaries(
    {
        "missing_yes_no": st.sampled_from(["leave_out", False]),
        "missing_numbers": st.sampled_from(["trial", "pooled"]),
        "outcome_week": st.sampled_from([2, 6, 9]),
        "centred": st.sampled_from([{}, {"cdai": 300, "age": 35}]),
        "never_collected": st.sampled_from(
            [{}, {"prior_anti_tnf": {"assume": False, "trials": ["OLD"]}}]
        ),
    }
)


def number(cell: str) -> float | None:
    return float(cell) if cell.strip() else None


def read(
    place: int, row: dict[str, str], layout: dict[str, Any]
) -> tuple[dict[str, Any], set[str]]:
    """Return one row as values, None where missing, and the counts that an assumption adds to."""
    found: dict[str, Any] = {name: number(row[name]) for name in NUMBERS}
    for name, added in layout["centred"].items():
        if found[name] is not None:
            found[name] += added
    found |= {x: WORDS.get(row[x]) if row[x].strip() else None for x in YES_NO}
    found["sex"] = SEXES.get(row["sex"]) if row["sex"].strip() else None
    found |= {"row": place, "trial": row["trial"].strip(), "arm": row["arm"].strip().lower()}
    found["year"] = number(row["year"])
    done = set()
    if layout["never_collected"] and found["trial"] == "OLD" and found[YES_NO[0]] is None:
        found[YES_NO[0]] = 0.0
        done.add("assumed_no_prior_anti_tnf")
    for name in YES_NO:
        if found[name] is None and layout["missing_yes_no"] is False:
            found[name] = 0.0
            done.add(f"set_to_no_{name}")
    return found, done


def last_visit(row: dict[str, str], visits: list[int]) -> tuple[float | None, int | None]:
    """Return the last value up to the outcome week, and its week."""
    for each in reversed(visits):
        if (value := number(row[f"cdai_week_{each}"])) is not None:
            return value, each
    return None, None


def impute(kept: list[dict[str, Any]], layout: dict[str, Any], counts: dict[str, Any]) -> None:
    """Replace missing numbers by medians, one row at a time."""
    for name in ("bmi", "crp"):
        known = [(row["trial"], row[name]) for row in kept if row[name] is not None]
        counts[f"imputed_{name}"] = len(kept) - len(known)
        for row in kept:
            if row[name] is None:
                of_trial = [value for trial, value in known if trial == row["trial"]]
                use = of_trial if of_trial and layout["missing_numbers"] == "trial" else None
                use = use or [value for _, value in known]
                row[name] = statistics.median(use) if use else None


def peer(rows: list[dict[str, str]], layout: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return the included rows, cleaned one by one, and the counts."""
    week = layout["outcome_week"]
    visits = [each for each in (2, 6, 9) if each <= week]
    reasons = ["unknown_arm", "no_trial", "no_baseline_cdai"]
    reasons += [f"no_cdai_after_baseline_by_week_{week}", *(f"missing_{x}" for x in REQUIRED)]
    counts = {"rows": len(rows), **dict.fromkeys(reasons, 0), "included": 0}
    counts["assumed_no_prior_anti_tnf"] = 0
    if layout["missing_yes_no"] is False:
        counts |= {f"set_to_no_{x}": 0 for x in YES_NO}
    carried = {f"from_week_{each}": 0 for each in visits if each < week}
    kept, n_without_year = [], 0
    for place, row in enumerate(rows):
        found, done = read(place, row, layout)
        last, of = last_visit(row, visits)
        checks = [found["arm"] in ARMS, found["trial"] != "", found["cdai"] is not None]
        checks += [last is not None, *(found[name] is not None for name in REQUIRED)]
        if not all(checks):
            counts[reasons[checks.index(False)]] += 1
        elif found["year"] is None:
            n_without_year += 1
        else:
            counts["included"] += 1
            for key in done:
                counts[key] += 1
            if of != week:
                carried[f"from_week_{of}"] += 1
            kept.append(found | {"outcome": found["cdai"] - last})
    if n_without_year:
        counts["missing_year"] = n_without_year
    counts["carried_forward"] = carried
    impute(kept, layout, counts)
    return kept, counts


@settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(ROW, min_size=30, max_size=60), LAYOUT)
def test_cleaning_agrees_with_the_peer(
    tmp_path_factory: Any, rows: list[dict[str, str]], layout: dict[str, Any]
) -> None:
    folder: Path = tmp_path_factory.mktemp("trials")
    data = write_csv(folder / "trials.csv", rows)
    rules = folder / "layout.yaml"
    rules.write_text(yaml.safe_dump(layout), encoding="utf-8")
    kept, counts = peer(rows, layout)
    arms = {row["arm"] for row in kept}
    if "placebo" not in arms or len(arms) < 3 or any(row["bmi"] is None for row in kept):
        return
    if any(row["crp"] is None for row in kept):
        return
    try:
        found = load_trials(data, rules)
    except ScoringError as error:  # pragma: no cover
        raise AssertionError(error.problems) from error
    assert found.attrition.as_json() == counts
    participants = found.participants
    assert participants.row.tolist() == [row["row"] for row in kept]
    assert [participants.trials[i] for i in participants.trial] == [row["trial"] for row in kept]
    assert [participants.arms[i] for i in participants.arm] == [row["arm"] for row in kept]
    assert participants.year.tolist() == [row["year"] for row in kept]
    assert participants.outcome.tolist() == [row["outcome"] for row in kept]
    names = ["sex" if name == "male" else name for name in participants.covariates]
    expected = np.array([[row[name] for name in names] for row in kept])
    np.testing.assert_array_equal(participants.values, expected)
