"""Runs of made-up persons, counted here in plain Python: small, and with every tie there is."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pandas as pd

from omop_scorer.config.run_file import RunConfig
from omop_scorer.disclosure.true_run import RunTables
from omop_scorer.model.card import ModelCard
from omop_scorer.model.load import load_model
from omop_scorer.model.subgroups import label_set

Person = dict[str, Any]

CARD: ModelCard = load_model("crohns_srs_2025").card
LABELS = label_set([each.label for each in CARD.classes])
KEYS = {each.label: each.key for each in CARD.classes}
CONFIG = RunConfig.model_validate({"cdm": {"url": "cdm"}, "results": {"url": "results"}})
AGE_GROUPS = ("Under 5", *(f"{low} to {low + 4}" for low in range(5, 85, 5)), "85 and over")
RACES = ("race_white", "race_black_or_african_american", "race_asian", "race_unknown")
MEMBERS: dict[str, Callable[[Person], bool]] = {
    "crohns_disease": lambda _: True,
    "biologic_exposed": lambda person: person["year"] is not None,
    "first_biologic_since": lambda person: (person["year"] or 0) >= 2016,
}


def people(n: int, seed: int) -> list[Person]:
    """Draw persons; each draw has its own mixture, so that empty and full cells both occur."""
    draw = random.Random(seed)
    ages = draw.sample(range(12, 95), k=draw.choice((3, 8, 40)))
    labels = draw.sample(LABELS, k=draw.choice((2, 4, 9)))
    unknown, treated = draw.choice((0.0, 0.03)), draw.choice((0.1, 0.5, 0.9))
    found = []
    for _ in range(n):
        person: Person = {
            "sex": "unknown" if draw.random() < unknown else draw.choice(("female", "male")),
            "age": None if draw.random() < unknown else draw.choice(ages),
            "race": draw.choices(RACES, weights=(12, 3, 1, 2))[0],
            "year": draw.randrange(2010, 2024) if draw.random() < treated else None,
            "is_dead": draw.random() < 0.05,
            "label": draw.choice(labels),
        }
        person["reason"] = next((r for r, holds in REASONS.items() if holds(person)), None)
        found.append(person)
    return found


REASONS: dict[str, Callable[[Person], bool]] = {
    "year_of_birth_unknown": lambda person: person["age"] is None,
    "sex_unknown": lambda person: person["sex"] == "unknown",
    "deceased": lambda person: person["is_dead"],
    "age_out_of_range": lambda person: not 18 <= person["age"] <= 99,
}


def group_of(age: int | None) -> str:
    """The age group of an age."""
    return "unknown" if age is None else AGE_GROUPS[min(age, 85) // 5]


def is_woman_from_50(person: Person) -> bool:
    """Whether this is a woman of 50 or over."""
    return person["sex"] == "female" and (person["age"] or 0) >= 50


def tables_of(persons: list[Person]) -> dict[str, list[dict[str, Any]]]:
    """Count attrition, subgroups, prevalence and pyramid."""
    scored = [person for person in persons if person["reason"] is None]
    return {
        "attrition": _attrition(persons),
        "subgroup_summary": _subgroups(scored) if scored else [],
        "preference_summary": _groups(_subgroups(scored)) if scored else [],
        "prevalence": list(_prevalence(persons)),
        "age_sex_pyramid": [
            {
                "population": population,
                "age_group": group,
                "sex": sex,
                "n_persons": sum(
                    is_in(p) and (group_of(p["age"]), p["sex"]) == (group, sex) for p in persons
                ),
            }
            for population, is_in in MEMBERS.items()
            for group in (*AGE_GROUPS, "unknown")
            for sex in ("female", "male", "unknown")
        ],
    }


def _attrition(persons: list[Person]) -> list[dict[str, Any]]:
    left = len(persons)
    rows = [{"step": 1, "reason": "crohns_disease", "n_persons": left, "n_excluded": 0}]
    counts = Counter(person["reason"] for person in persons)
    for step, reason in enumerate(REASONS, start=2):
        left -= counts[reason]
        row = {"step": step, "reason": reason, "n_persons": left, "n_excluded": counts[reason]}
        rows.append(row)
    return rows


def _subgroups(scored: list[Person]) -> list[dict[str, Any]]:
    strata: dict[str, Callable[[Person], str]] = {
        "all": lambda _: "all",
        "sex": lambda person: str(person["sex"]),
        "age_group": lambda person: group_of(person["age"]),
        "women_50_and_over": lambda person: "yes" if is_woman_from_50(person) else "no",
        "race": lambda person: str(person["race"]).replace("race_unknown", "unknown"),
        "first_biologic_year": lambda person: str(person["year"] or "none"),
        # These stay in the warehouse, and what leaves must not tell their counts either.
        "first_record_year": lambda person: str(2010 + (person["age"] or 0) % 7),
        "care_site": lambda person: f"Clinic ({(person['age'] or 0) % 5})",
        "race_sex_age": lambda person: (
            f"{person['race']}, {person['sex']}, "
            + ("50 and over" if (person["age"] or 0) >= 50 else "under 50")
        ),
    }
    rows = []
    for stratum, value_of in strata.items():
        pairs = Counter((value_of(person), person["label"]) for person in scored)
        for value in sorted({value for value, _ in pairs}):
            n = sum(count for (each, _), count in pairs.items() if each == value)
            for label in LABELS:
                row = {"stratum": stratum, "stratum_value": value, "subgroup": label}
                rows.append(with_share({**row, "n_persons": pairs[value, label]}, "n_stratum", n))
    return rows


def _groups(by_label: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Count the preference groups: the class alone on top, several, or all."""
    found: dict[tuple[Any, ...], int] = {}
    for row in by_label:
        first = row["subgroup"].partition(" > ")[0].strip("()").split(" = ")
        alone = f"{KEYS[first[0]]}_alone" if len(first) == 1 else "shared_top"
        group = "no_preference" if len(first) == len(KEYS) else alone
        key = (row["stratum"], row["stratum_value"], group, row["n_stratum"])
        found[key] = found.get(key, 0) + row["n_persons"]
    return [
        with_share(
            {"stratum": a, "stratum_value": b, "preference_group": c, "n_persons": n},
            *("n_stratum", total),
        )
        for (a, b, c, total), n in found.items()
    ]


def _prevalence(persons: list[Person]) -> Iterable[dict[str, Any]]:
    for population, is_in in MEMBERS.items():
        inside = [person for person in persons if is_in(person)]
        scored = [person for person in inside if person["reason"] is None]
        counts = {
            "women_50_and_over": (sum(map(is_woman_from_50, inside)), len(inside)),
            "age_or_sex_unknown": (
                sum("unknown" in (p["sex"], group_of(p["age"])) for p in inside),
                len(inside),
            ),
        }
        for label, key in KEYS.items():
            n = sum(person["label"].startswith(f"{label} >") for person in scored)
            counts[f"{key}_alone_on_top"] = (n, len(scored))
        for race in RACES:
            counts[race] = (sum(person["race"] == race for person in inside), len(inside))
        for measure, (n, total) in counts.items():
            row = {"population": population, "measure": measure, "n_persons": n}
            yield with_share(row, "n_population", total)


def with_share(row: dict[str, Any], column: str, total: int) -> dict[str, Any]:
    """Add the total and the share; the interval is the share again, which tells as much."""
    share = row["n_persons"] / total if total else None
    return {**row, column: total, "share": share, "ci_low": share, "ci_high": share}


def run_of(tables: dict[str, list[dict[str, Any]]], minimum: int = 5, **run: Any) -> RunTables:
    """Return a run that has these tables."""
    config = CONFIG.model_copy(update={"minimum_cell_count": minimum})
    attrition = tables.get("attrition") or [{"n_persons": 0}]
    about = {
        "run_id": 2026010102300042,
        "as_of_date": date(2026, 1, 1),
        "started_at": datetime(2026, 1, 1, 2, 30),
        "completed_at": datetime(2026, 1, 1, 2, 31),
        "tool_version": "0.1.0",
        "engine": "duckdb",
        "model_id": "crohns_srs_2025",
        "model_sha256": "0" * 64,
        "config_sha256": "1" * 64,
        "concept_sets_sha256": "2" * 64,
        "uncertainty": "bootstrap",
        "cdm_source_name": None,
        "cdm_version": "5.4",
        "cdm_release_date": None,
        "vocabulary_version": None,
        "config_json": config.to_json(),
        "config": json.loads(config.to_json()),
        "n_cohort": attrition[0]["n_persons"],
        "n_scored": attrition[-1]["n_persons"],
        "message": None,
    }
    frames = {name: frame(rows) for name, rows in tables.items() if rows}
    return RunTables(about | run, frames, config, CARD, None)


def frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return rows as a table, counts and numbers of the types that a report has."""
    whole = {"step", "n", "n_persons", "n_excluded", "n_population", "n_stratum", "n_records"}
    whole |= {"n_imputed", "n_changed", "days", "n_at_risk", "n_stopped"}
    found = pd.DataFrame(rows)
    return found.astype(
        {
            name: "Int64" if name in whole else "Float64"
            for name in found
            if name in whole or not any(isinstance(row[name], str) for row in rows)
        }
    )


def with_own_trend(run: RunTables) -> RunTables:
    """Return a run with its own figures in a trend over runs, as a later report has them."""
    whole = {"preference_summary": "n_stratum", "prevalence": "n_population"}
    found: list[tuple[Any, ...]] = []
    for table, measure, item, is_followed in (
        (*("preference_summary", "preference_group", "preference_group"), {"stratum": "all"}),
        (
            *("prevalence", "women_50_and_over", "population"),
            {"measure": "women_50_and_over", "population": "crohns_disease"},
        ),
        (*("covariate_quality", "imputed", "covariate"), {"measure": "n_imputed"}),
    ):
        for row in run.frames[table].to_dict("records") if table in run.frames else ():
            if all(row[key] == word for key, word in is_followed.items()):
                n = row.get("n_persons", row.get("n"))
                of = row[whole[table]] if table in whole else run.run["n_scored"]
                about = (run.run["run_id"], run.run["as_of_date"], 5)
                found.append((*about, measure, row[item], int(n), int(of)))
    columns = ["run_id", "as_of_date", "minimum", "measure", "item", "n_persons", "n_population"]
    return replace(run, trend=pd.DataFrame(found, columns=columns))
