"""Curves of persistence that leave: days and counts by hand, and an attacker on made-up persons."""

import csv
import io
import random
from dataclasses import dataclass
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
#: Classes that labels put first, as far as they are told apart.
LABELS = (*CLASSES, "anti_tnf = anti_integrin", "no_preference", "not_scored")
Tables = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Labelled(OnDrug):
    """A person on the first biologic, with the classes that the label puts first."""

    label: str


def labelled(given: str, label: str, days: int, *, is_stopped: bool) -> Labelled:
    first = "preferred" if given in label.split(" = ") else "others_preferred"
    preference = label if label in PREFERENCES else first
    return Labelled(["all"], "first_biologic", given, preference, days, is_stopped, label)


def tables_of(people: list[Labelled], too_recent: list[Labelled]) -> Tables:
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
    preferred = [
        {
            **{"population": "all", "preferred": label, "next_class": next_class},
            "n_persons": sum(one.label == label for one in everybody)
            * (next_class == "none_stopped"),
        }
        for label in LABELS
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
    """Draw persons: classes and labels of none and of many, with few and many who are censored."""
    lot = random.Random(seed)
    sizes = [lot.choice((0, 0, 6, 45, 130, 260)) for _ in CLASSES]
    weights = [lot.choice((0, 1, 6)) for _ in LABELS]
    weights[lot.randrange(3)] += 1
    mean, followed = lot.choice((60, 250, 900)), lot.choice((700, 1500, 6000))
    groups: tuple[list[Labelled], list[Labelled]] = ([], [])
    late = lot.choice((0.0, 0.02, 0.2))
    for given, size in zip(CLASSES, sizes, strict=True):
        for _ in range(size):
            stop, end = int(lot.expovariate(1 / mean)), lot.randrange(followed)
            label = lot.choices(LABELS, weights)[0]
            one = labelled(given, label, min(stop, end), is_stopped=stop <= end)
            groups[lot.random() < late].append(one)
    return tables_of(*groups)


def parsed(files: dict[str, str]) -> dict[str, list[dict[str, str]]]:
    return {
        name.removesuffix(".csv"): list(csv.DictReader(io.StringIO(text)))
        for name, text in files.items()
        if name.endswith(".csv")
    }


# In 42 and 69, numbers at risk by preference would tell of few who are too recent.
@pytest.mark.parametrize("seed", cases((*range(4), 42, 69), range(4, 42)))
def test_nothing_leaks_of_persons_on_a_drug(seed: int) -> None:
    tables = draw(seed)
    own, minimum, rounding = ((5, 5, 1), (3, 10, 1), (5, 5, 5))[seed % 3]
    data = protect_run(run_of(tables, own), minimum, rounding)
    n = tables["attrition"][0]["n_persons"]
    files = parsed(csv_files(data))
    assert_nothing_leaks(files, tables, n, n, minimum, rounding=rounding, bounds=data.bounds)


def test_counts_of_each_day_would_leak() -> None:
    # The attacker is worth its name: it subtracts one day from another.
    key = ("anti_tnf", "anti_tnf")
    people = [labelled(*key, 10 * i, is_stopped=True) for i in range(60)]
    people += [labelled(*key, 305, is_stopped=False)] * 3
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


def at_risk_by_preference(tables: Tables) -> tuple[dict[str, list[dict[str, str]]], list[Any]]:
    """Return the files, and what they would betray if preferences had numbers on the first day."""
    data = protect_run(run_of(tables, 5), 5)
    files, n = parsed(csv_files(data)), tables["attrition"][0]["n_persons"]
    assert_nothing_leaks(files, tables, n, n, 5, bounds=data.bounds)
    counts = true_counts(tables, n, n, files)
    rows = [row for row in files["persistence"] if row["preference"] != "all"]
    assert rows
    assert not any(row[name] for row in rows for name in COUNTED)
    rows += [row for row in files["persistence_mean"] if row["preference"] != "all"]
    assert not any(row.get("n_persons") for row in rows)
    for row in rows:
        if row.get("days") == "0":
            curve = ("all", row["preference"], "0")
            row["n_at_risk"] = str(counts["persistence", "n_at_risk", *curve])
    return files, Attack(files).betrayed(counts, 5)


def of_each(given: str, label: str, n: int) -> list[Labelled]:
    """Persons of whom as many stop every 40 days."""
    return [labelled(given, label, 25 + 40 * i, is_stopped=True) for i in range(10)] * n


def test_labels_of_classes_given_to_nobody_tell_who_is_too_recent() -> None:
    # 100, 82 and 89 have an index treatment, of whom 20, 2 and 9 are too recent.
    labels = {"anti_tnf": 20, "anti_integrin": 2, "no_preference": 9}
    people = [one for label in labels for one in of_each("anti_tnf", label, 8)]
    recent = [one for label, n in labels.items() for one in of_each("anti_tnf", label, 2)[:n]]
    files, betrayed = at_risk_by_preference(tables_of(people, recent))
    by_class = {row["index_class"]: row["n_population"] for row in files["next_treatment"]}
    assert (by_class["anti_tnf"], by_class["anti_integrin"]) == ("271", "0")
    assert ("?", "too recent", "others_preferred") in betrayed


def test_a_class_of_all_labels_tells_who_has_no_preference() -> None:
    # All who have a label prefer anti-TNF; 2 of those given it have none.
    people = of_each("anti_tnf", "anti_tnf", 8) + of_each("anti_integrin", "anti_tnf", 8)
    people += of_each("anti_integrin", "no_preference", 8)
    people += [labelled("anti_tnf", "no_preference", 25, is_stopped=True)] * 2
    _, betrayed = at_risk_by_preference(tables_of(people, []))
    assert ("?", "classes that are preferred", "n_at_risk", "0") in betrayed


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
