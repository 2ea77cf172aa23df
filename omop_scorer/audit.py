"""The audits: who the cohort is, how the subgroups fall, and what patients were given next.

The counting is in `sql/audit/`, over the staged cohort, treatment lines and scores; this module
lays out the cells that are counted, those of nobody included, adds Wilson intervals, and holds
every audit to the population it must sum to.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from itertools import combinations, product

import numpy as np
import pandas as pd
import pyarrow as pa

from omop_scorer import results
from omop_scorer.cohort import INDEX, RACE_SETS, fetch_file, run_file
from omop_scorer.covariates import matrix_query, stage_covariates_at_index
from omop_scorer.engines.base import Engine
from omop_scorer.intervals import wilson_interval
from omop_scorer.journal import Journal
from omop_scorer.kernel import Uncertainty
from omop_scorer.model import Model
from omop_scorer.rules import Rules
from omop_scorer.scoring import NO_PREFERENCE, no_patient_preference, patient_preference
from omop_scorer.subgroups import label_set

#: Nested: each is part of the one before.
POPULATIONS = ("crohns_disease", "biologic_exposed", "first_biologic_since")
AGE_SEX_POPULATIONS = ("women_50_and_over", "men_50_and_over", "women_under_50", "men_under_50")
INDEX_RULES = ("first_biologic", "first_anti_tnf")
OTHER_ADVANCED = "other_advanced"
NONE_NEXT = ("none_died", "none_continuing", "none_stopped")
NOT_SCORED = "not_scored"
ALL = "all"
RACES = (*RACE_SETS, "race_unknown")
SEXES = ("female", "male", "unknown")
#: The paper's eighteen, in completed years, both ends included.
AGE_GROUPS = (
    ("Under 5", -(10**6), 4),
    *((f"{low} to {low + 4}", low, low + 4) for low in range(5, 85, 5)),
    ("85 and over", 85, 10**6),
)

_TREATED = ["population", "index_rule", "index_class"]
#: Keys, in order, and the column of the population, of each audit that is a count of persons.
_AUDITS: dict[str, tuple[list[str], str | None]] = {
    "prevalence": (["population", "measure"], "n_population"),
    "age_sex_pyramid": (["population", "age_group", "sex"], None),
    "subgroup_summary": (["stratum", "stratum_value", "subgroup"], "n_stratum"),
    "next_treatment": ([*_TREATED, "next_class"], "n_population"),
    "preference_concordance": (["population", "preferred", "next_class"], None),
}
_QUARTILES = {"first_quartile_days": 0.25, "median_days": 0.5, "third_quartile_days": 0.75}

Audits = Mapping[str, pd.DataFrame]
"""The rows of the audits by table, without run_id."""

#: First ids of the OHDSI cohorts of populations and of subgroups.
_FIRST_POPULATION, _FIRST_SUBGROUP = 1, 101
_TITLES = {
    "crohns_disease": "Whole cohort",
    "biologic_exposed": "Ever exposed to a biologic of the model",
    "first_biologic_since": "First biologic of the model on or after {since}",
    "women_50_and_over": "Women of 50 and over",
    "men_50_and_over": "Men of 50 and over",
    "women_under_50": "Women under 50",
    "men_under_50": "Men under 50",
}


def stage_audits(engine: Engine, rules: Rules, as_of: date, journal: Journal) -> None:
    """Stage who is counted where, and score everybody as of the first biologic.

    Needs the staged cohort, treatment lines and `work.patient_score`.
    """
    config = rules.config
    parameters: dict[str, object] = {
        "as_of_date": as_of,
        "since": config.audit.since,
        "continuing_days": config.audit.continuing_days,
        "age_at_index": int(config.audit.age_at == "index"),
        "year_only": int(config.cohort.age_rule == "year"),
        "age_minimum": config.cohort.age_minimum,
        "age_maximum": config.cohort.age_maximum,
    }
    _load_layout(engine, rules)
    with journal.step("audits") as step:
        run_file(engine, "audit/audit_person", "audit_person", parameters)
        run_file(engine, "audit/audit_population", "audit_population")
        run_file(engine, "audit/run_cohort", "run_cohort", parameters)
        run_file(engine, "audit/index_treatment", "index_treatment", parameters)
        step.rows = run_file(engine, "audit/index_member", "index_member", parameters)
    engine.load("index_preference", no_patient_preference())
    with journal.step("index_cohort") as step:
        step.rows = run_file(engine, "audit/index_cohort", f"{INDEX}cohort")
    if step.rows:
        run_file(engine, "cohort/left_out", "cohort_member", parameters, INDEX)
        run_file(engine, "cohort/patient", "patient", prefix=INDEX)
        stage_covariates_at_index(engine, config, rules.model, as_of, journal)
        with journal.step("index_score") as step:
            work = partial(_prefer, model=rules.model, uncertainty=config.uncertainty)
            query = matrix_query(rules.model, INDEX)
            step.rows = sum(engine.map_batches(query, config.batch_size, work))


def _prefer(
    batch: pa.RecordBatch, model: Model, uncertainty: Uncertainty
) -> tuple[dict[str, pa.Table], int]:
    rows = patient_preference(batch, model, uncertainty)
    return {"work.index_preference": rows}, rows.num_rows


def _load_layout(engine: Engine, rules: Rules) -> None:
    """Stage the classes, age groups, labels and cohorts, and every cell that is counted."""
    classes = [drug_class.key for drug_class in rules.model.card.classes]
    next_classes = (*classes, OTHER_ADVANCED, *NONE_NEXT)
    populations = (ALL, *AGE_SEX_POPULATIONS)
    measures = (
        "women_50_and_over",
        "age_or_sex_unknown",
        *(_alone_on_top(key) for key in classes),
        *RACES,
    )
    engine.load("model_class", pa.table({"drug_class": classes}))
    names, lowest, highest = map(list, zip(*AGE_GROUPS, strict=True))
    engine.load(
        "age_group",
        pa.table({"age_group": names, "lowest_age": lowest, "highest_age": highest}),
    )
    _load_cells(engine, "subgroup_label", ["subgroup"], [(label,) for label in _labels(rules)])
    cohorts = pa.Table.from_pylist(_cohorts(rules))
    engine.load("audit_cohort", cohorts.select(["cohort_definition_id", "cohort_key"]))
    grids: dict[str, list[Sequence[str]]] = {
        "prevalence": [POPULATIONS, measures],
        "age_sex_pyramid": [POPULATIONS, (*names, "unknown"), SEXES],
        "next_treatment": [populations, INDEX_RULES, (ALL, *classes), next_classes],
        "preference_concordance": [populations, _preferences(classes), next_classes],
    }
    for table, sides in grids.items():
        _load_cells(engine, f"{table}_grid", _AUDITS[table][0], list(product(*sides)))


def _load_cells(
    engine: Engine, table: str, keys: Sequence[str], cells: Sequence[tuple[str, ...]]
) -> None:
    columns = {key: [cell[i] for cell in cells] for i, key in enumerate(keys)}
    engine.load(table, pa.table({**columns, "place": list(range(len(cells)))}))


def _alone_on_top(class_key: str) -> str:
    return f"{class_key}_alone_on_top"


def _labels(rules: Rules) -> tuple[str, ...]:
    return label_set([drug_class.label for drug_class in rules.model.card.classes])


def _preferences(classes: Sequence[str]) -> list[str]:
    """Return every answer to which classes are on top: each group but all, none, not scored."""
    groups = [" = ".join(g) for n in range(1, len(classes)) for g in combinations(classes, n)]
    return [*groups, NO_PREFERENCE, NOT_SCORED]


def fetch_audits(engine: Engine) -> Audits:
    """Count what stage_audits staged; shares come with Wilson 95% intervals."""
    audits = {table: _counted(engine, table) for table in _AUDITS}
    days = pd.DataFrame(
        fetch_file(engine, "audit/days_to_next"), columns=[*_TREATED, "days", "n_persons"]
    )
    groups = audits["next_treatment"][_TREATED].drop_duplicates(ignore_index=True)
    return {**audits, "next_treatment_time": _quartiles(days, groups)}


def _counted(engine: Engine, table: str) -> pd.DataFrame:
    keys, total = _AUDITS[table]
    counts = ["n_persons", *([total] if total else [])]
    rows = pd.DataFrame(fetch_file(engine, f"audit/{table}"), columns=[*keys, *counts])
    rows = rows.astype(dict.fromkeys(counts, "int64"))
    return rows if total is None else with_wilson_interval(rows, total)


def with_wilson_interval(rows: pd.DataFrame, total: str) -> pd.DataFrame:
    """Add share, ci_low and ci_high of n_persons of the column `total`; NaN where that is 0."""
    count, n = rows["n_persons"], rows[total]
    low, high = wilson_interval(count, n)
    return rows.assign(share=count / n.where(n > 0), ci_low=low, ci_high=high)


def _quartiles(days: pd.DataFrame, groups: pd.DataFrame) -> pd.DataFrame:
    """Return quartiles (linear between order statistics) of the days of each group."""
    found = dict(iter(days.groupby(_TREATED)))
    out: list[dict[str, object]] = []
    for group in groups.itertuples(index=False, name=None):
        row: dict[str, object] = {**dict(zip(_TREATED, group, strict=True)), "n_persons": 0}
        row |= dict.fromkeys(_QUARTILES)
        if group in found:
            n = found[group]["n_persons"].to_numpy(np.int64)
            values = np.repeat(found[group]["days"].to_numpy(np.float64), n)
            row["n_persons"] = len(values)
            row |= {name: float(np.quantile(values, q)) for name, q in _QUARTILES.items()}
        out.append(row)
    return pd.DataFrame(out, columns=[*_TREATED, "n_persons", *_QUARTILES])


def arrow_tables(audits: Audits, run_id: int) -> Iterator[tuple[str, pa.Table]]:
    """Yield the rows to append, by table."""
    for table, rows in audits.items():
        schema = results.arrow_schema(table)
        columns = rows.assign(run_id=run_id)[schema.names]
        yield table, pa.Table.from_pandas(columns, schema=schema, preserve_index=False)


def contradictions(audits: Audits, n_cohort: int, n_scored: int) -> list[str]:
    """Name every audit that does not sum to its population."""
    problems = []

    def compare(what: str, found: pd.Series, expected: pd.Series | int) -> None:
        if n_wrong := int(found.ne(expected).sum()):
            problems.append(f"{what}: {n_wrong} sum(s) differ from the population")

    prevalence = audits["prevalence"].set_index(["population", "measure"])
    n_of = prevalence["n_population"].xs("women_50_and_over", level="measure")
    if n_of["crohns_disease"] != n_cohort:
        problems.append(f"prevalence: {n_of['crohns_disease']} persons, the cohort has {n_cohort}")
    races = prevalence["n_persons"][prevalence.index.get_level_values("measure").isin(RACES)]
    compare("prevalence by race", races.groupby("population").sum(), n_of)
    pyramid = audits["age_sex_pyramid"].groupby("population")["n_persons"].sum()
    compare("age_sex_pyramid", pyramid, n_of)
    strata = audits["subgroup_summary"].groupby("stratum")["n_persons"].sum()
    compare("subgroup_summary", strata, n_scored)
    treated = audits["next_treatment"].groupby(_TREATED)
    n_treated = treated["n_population"].first()
    compare("next_treatment", treated["n_persons"].sum(), n_treated)
    n_indexed = n_treated.loc[:, "first_biologic", ALL]
    if n_indexed[ALL] != n_of["first_biologic_since"]:
        problems.append(
            f"next_treatment: {n_indexed[ALL]} indexed of {n_of['first_biologic_since']} with a "
            "first biologic since"
        )
    preferred = audits["preference_concordance"].groupby("population")["n_persons"].sum()
    compare("preference_concordance", preferred, n_indexed)
    return problems


def _cohorts(rules: Rules) -> list[dict[str, object]]:
    """Return id, key, name and description of every OHDSI cohort of a run."""
    since, card = rules.config.audit.since, rules.model.card
    rows: list[dict[str, object]] = []
    for number, (key, title) in enumerate(_TITLES.items(), start=_FIRST_POPULATION):
        name = title.format(since=since)
        about = f"{name}: persons of the cohort on the as-of date, age in completed years then"
        rows.append(_cohort(number, key, name, about))
    for number, label in enumerate(_labels(rules), start=_FIRST_SUBGROUP):
        about = (
            f"Scored with the label {label} of {card.id}, uncertainty {rules.config.uncertainty}"
        )
        rows.append(_cohort(number, label, f"Preference {label}", about))
    return rows


def _cohort(number: int, key: str, name: str, description: str) -> dict[str, object]:
    return {
        "cohort_definition_id": number,
        "cohort_key": key,
        "cohort_definition_name": name,
        "cohort_definition_description": description,
    }


def cohort_definitions(rules: Rules, run_id: int) -> pa.Table:
    """Return the rows of `run_cohort_definition`."""
    rows = [{**row, "run_id": run_id} for row in _cohorts(rules)]
    return pa.Table.from_pylist(rows, schema=results.arrow_schema("run_cohort_definition"))
