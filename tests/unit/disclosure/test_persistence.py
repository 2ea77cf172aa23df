"""Curves of persistence that leave: days and counts by hand, and an attacker on made-up persons."""

import csv
import io
import random
from typing import Any

import pytest

from omop_scorer.disclosure.protect import protect_run
from omop_scorer.report.csv_files import csv_files
from tests.support.attacker import assert_nothing_leaks
from tests.support.audit_peer import COLUMNS, NEXT_CLASSES
from tests.support.made_up_run import run_of
from tests.support.persistence_peer import CLASSES, PREFERENCES, OnDrug, persistence
from tests.support.thoroughness import cases

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
