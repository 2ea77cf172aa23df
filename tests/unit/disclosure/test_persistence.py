"""Curves of persistence that leave: days and counts by hand, and an attacker on made-up persons."""

import csv
import io
import random
from typing import Any

import pandas as pd
import pytest

from omop_scorer.disclosure.persistence import fewer_days
from omop_scorer.disclosure.protect import protect_run
from omop_scorer.report.csv_files import csv_files
from tests.support.attacker import Attack, assert_nothing_leaks, true_counts
from tests.support.audit_peer import COLUMNS, NEXT_CLASSES
from tests.support.made_up_run import frame, run_of
from tests.support.persistence_peer import CLASSES, PREFERENCES, OnDrug, persistence
from tests.support.thoroughness import cases

COUNTED = ("n_at_risk", "n_stopped")
Tables = dict[str, list[dict[str, Any]]]


def tables_of(people: list[OnDrug], too_recent: list[OnDrug]) -> Tables:
    """Count persons on their first biologic, and those whose end cannot be known yet."""
    everybody = [*people, *too_recent]
    n = len(everybody)
    step = {"step": 1, "reason": "crohns_disease", "n_persons": n, "n_excluded": 0}
    treated = [
        {
            **{"population": "all", "index_rule": "first_biologic", "index_class": given},
            **{"next_class": next_class, "n_persons": total if last else 0, "n_population": total},
            **dict.fromkeys(("share", "ci_low", "ci_high"), float(last) if total else None),
        }
        for given in ("all", *CLASSES)
        for total in [sum(given in ("all", one.drug_class) for one in everybody)]
        for next_class in NEXT_CLASSES
        for last in [next_class == "none_stopped"]
    ]
    words = {"preferred": "anti_tnf", "others_preferred": "anti_integrin"}
    preferred = [
        {
            **{"population": "all", "preferred": words.get(each, each), "next_class": next_class},
            "n_persons": sum(one.preference == each for one in everybody)
            * (next_class == "none_stopped"),
        }
        for each in PREFERENCES
        for next_class in NEXT_CLASSES
    ]
    curves = {
        name: [dict(zip(COLUMNS[name].split(", "), row, strict=True)) for row in rows]
        for name, rows in persistence(people).items()
    }
    return {
        "attrition": [step],
        "next_treatment": treated,
        "preference_concordance": preferred,
        **curves,
    }


def draw(seed: int) -> Tables:
    """Draw persons: classes of none and of many, with few and with many who are censored."""
    lot = random.Random(seed)
    sizes = [lot.choice((0, 6, 45, 130, 260)) for _ in CLASSES]
    weights = [lot.choice((1, 6)) for _ in PREFERENCES]
    mean, followed = lot.choice((60, 250, 900)), lot.choice((700, 1500, 6000))
    groups: tuple[list[OnDrug], list[OnDrug]] = ([], [])
    late = lot.choice((0.0, 0.02, 0.2))
    for given, size in zip(CLASSES, sizes, strict=True):
        for _ in range(size):
            stop, end = int(lot.expovariate(1 / mean)), lot.randrange(followed)
            preference = lot.choices(PREFERENCES, weights)[0]
            one = OnDrug(["all"], "first_biologic", given, preference, min(stop, end), stop <= end)
            groups[lot.random() < late].append(one)
    return tables_of(*groups)


def parsed(files: dict[str, str]) -> dict[str, list[dict[str, str]]]:
    return {
        name.removesuffix(".csv"): list(csv.DictReader(io.StringIO(text)))
        for name, text in files.items()
        if name.endswith(".csv")
    }


@pytest.mark.parametrize("seed", cases(range(6), range(6, 60)))
def test_nothing_leaks_of_persons_on_a_drug(seed: int) -> None:
    tables = draw(seed)
    own, minimum, rounding = ((5, 5, 1), (3, 10, 1), (5, 5, 5))[seed % 3]
    data = protect_run(run_of(tables, own), minimum, rounding)
    n = tables["attrition"][0]["n_persons"]
    files = parsed(csv_files(data))
    assert_nothing_leaks(files, tables, n, n, minimum, rounding=rounding, bounds=data.bounds)


def test_counts_of_each_day_would_leak() -> None:
    # The attacker is worth its name: it subtracts one day from another.
    key = ("anti_tnf", "preferred")
    people = [OnDrug(["all"], "first_biologic", *key, 10 * i, True) for i in range(60)]
    people += [OnDrug(["all"], "first_biologic", *key, 305, False)] * 3
    tables = tables_of(people, [])
    data = protect_run(run_of(tables), 5)
    files, n = parsed(csv_files(data)), len(people)
    assert_nothing_leaks(files, tables, n, n, 5)
    counts = true_counts(tables, n, n, files)
    assert Attack(files).betrayed(counts, 5) == []
    for row in files["persistence"]:
        curve = (row["drug_class"], row["preference"], row["days"])
        row |= {name: str(counts["persistence", name, *curve]) for name in COUNTED}
    assert ("?", "censored", "all", "all", "360") in Attack(files).betrayed(counts, 5)


def rows_of(n_at_risk: list[int], n_stopped: list[int]) -> pd.DataFrame:
    key = {"population": "all", "index_rule": "first_biologic", "drug_class": "all"}
    return frame(
        [
            {**key, "preference": "all", "days": 30 * i, "n_at_risk": r, "n_stopped": s}
            | dict.fromkeys(("share", "ci_low", "ci_high"), 1 - s / 100)
            for i, (r, s) in enumerate(zip(n_at_risk, n_stopped, strict=True))
        ]
    )


@pytest.mark.parametrize(
    ("n_at_risk", "n_stopped", "days", "counted"),
    [
        # 10 stop and 5 are censored in each step.
        ([100, 85, 70, 55], [0, 10, 20, 30], [0, 30, 60, 90], [0, 30, 60, 90]),
        # 4 stop in the first step, and are printed with the 6 of the next.
        ([100, 96, 90, 80], [0, 4, 10, 20], [0, 60, 90], [0, 60, 90]),
        # 2 are censored in each step: the third has 6 of them since day 0.
        ([100, 88, 76, 64], [0, 10, 20, 30], [0, 30, 60, 90], [0, 90]),
        # 3 are left on the last day.
        ([100, 60, 30, 3], [0, 40, 70, 97], [0, 30, 60], [0, 30, 60]),
        # Nobody is left on the last day.
        ([100, 60, 30, 0], [0, 40, 70, 100], [0, 30, 60, 90], [0, 30, 60, 90]),
        # Fewer than the minimum on the first day.
        ([4, 4, 4, 4], [0, 0, 0, 0], [], []),
        ([0, 0, 0, 0], [0, 0, 0, 0], [0, 30, 60, 90], [0, 30, 60, 90]),
    ],
)
def test_days_between_which_few_stopped_are_left_out(
    n_at_risk: list[int], n_stopped: list[int], days: list[int], counted: list[int]
) -> None:
    treated = {
        **{"population": "all", "index_rule": "first_biologic", "index_class": "all"},
        **{"next_class": "none_stopped", "n_persons": n_at_risk[0], "n_population": n_at_risk[0]},
    }
    frames = {"persistence": rows_of(n_at_risk, n_stopped), "next_treatment": frame([treated])}
    found = fewer_days(frames, [5])["persistence"]
    assert list(found["days"]) == days
    assert list(found["days"][found["n_at_risk"].notna()]) == counted
    # 3 whose index date is too recent would follow from the number with an index treatment.
    frames["next_treatment"]["n_population"] += 3
    assert fewer_days(frames, [5])["persistence"]["n_at_risk"].isna().all()
