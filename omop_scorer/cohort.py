"""Stage the concept sets and the cohort in the work area, and count who is left out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from omop_scorer import sql
from omop_scorer.concepts import ConceptSet, ConceptSets
from omop_scorer.config import RunConfig
from omop_scorer.engines.base import Engine
from omop_scorer.errors import CdmError, ConfigurationError
from omop_scorer.journal import Journal

COHORT_SET = "crohns_disease"
#: Sets of person.race_concept_id, in the order of tables that are read by people.
RACE_SETS = (
    "race_white",
    "race_black_or_african_american",
    "race_asian",
    "race_american_indian_or_alaska_native",
    "race_native_hawaiian_or_other_pacific_islander",
    "race_other",
)
REASONS = ("year_of_birth_unknown", "sex_unknown", "deceased", "age_out_of_range")

_ITEM = pa.schema(
    [
        ("concept_set", pa.string()),
        ("concept_id", pa.int64()),
        ("vocabulary_id", pa.string()),
        ("concept_code", pa.string()),
        ("concept_name", pa.string()),
        ("concept_class_id", pa.string()),
        ("include_descendants", pa.bool_()),
        ("is_excluded", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class AttritionStep:
    """How many persons are left after a step, and how many it left out."""

    step: int
    reason: str
    n_persons: int
    n_excluded: int


#: Before the names of work tables that look at each person as of the index treatment.
INDEX = "index_"
#: Work tables that hang on each person's index date; the rest serves any of them.
_OF_AN_INDEX_DATE = frozenset(
    (
        *("cohort", "cohort_member", "patient", "measurement_record", "measurement_value"),
        *("measurement_latest", "drug_record", "steroid_form", "steroid_record", "covariate"),
        *("model_covariate", "patient_covariate"),
    )
)


def run_file(
    engine: Engine,
    name: str,
    table: str,
    parameters: Mapping[str, object] | None = None,
    prefix: str = "",
) -> int:
    """Stage the SELECT of a SQL file as `work.<table>`, binding exactly its own parameters.

    With a prefix, it reads and stages the work tables of other index dates.
    """
    file = sql.find(name)
    statements = file.statements()
    if prefix:
        statements = file.prefixed("work", _OF_AN_INDEX_DATE, prefix)
    (query,) = statements
    given = parameters or {}
    return engine.stage(f"{prefix}{table}", query, {key: given[key] for key in file.parameters})


def fetch_file(
    engine: Engine, name: str, parameters: Mapping[str, object] | None = None
) -> list[tuple[object, ...]]:
    """Return the rows of a SQL file that gives few."""
    file = sql.find(name)
    (query,) = file.statements()
    given = parameters or {}
    return engine.fetch(query, {key: given[key] for key in file.parameters})


def site_concept_sets(config: RunConfig) -> dict[str, ConceptSet]:
    """Return the concept sets that the run file itself defines."""
    ids = (*config.cohort.concept_ids, *config.cohort.extra_concept_ids)
    sets = {
        COHORT_SET: ConceptSet.from_ids(
            COHORT_SET, "The disease of the cohort", ids, True, ("condition_occurrence",)
        )
    }
    for quantity, rule in config.covariates.quantities().items():
        if rule.concept_ids:
            name = f"site_{quantity}"
            sets[name] = ConceptSet.from_ids(
                name,
                f"Concepts of this site for {quantity}",
                rule.concept_ids,
                False,
                ("measurement", "observation"),
            )
    return sets


def refuse_unknown_sets(config: RunConfig, concept_sets: ConceptSets) -> None:
    """Fail when the run file names a concept set that does not exist.

    Raises
    ------
    ConfigurationError
    """
    named = {"cohort.exclude_concept_sets": config.cohort.exclude_concept_sets}
    for quantity, rule in config.covariates.quantities().items():
        key = f"covariates.{quantity}"
        named[f"{key}.measurement_concept_sets"] = rule.measurement_concept_sets
        named[f"{key}.observation_concept_sets"] = rule.observation_concept_sets
    problems = [
        f"{key}: no concept set {name!r}; known: {', '.join(sorted(concept_sets))}"
        for key, names in named.items()
        for name in names
        if name not in concept_sets
    ]
    problems += [
        f"the concept sets lack {name!r}, which the covariate rules need"
        for name in RULE_SETS
        if name not in concept_sets
    ]
    if problems:
        raise ConfigurationError(*problems)


#: Sets that the SQL files ask for by name.
RULE_SETS = (
    "sex_male",
    "sex_female",
    *RACE_SETS,
    "operator_censored",
    "biologic_anti_tnf",
    "immunomodulator",
    "systemic_corticosteroid",
    "corticosteroid_always_systemic",
    "dose_form_oral",
    "dose_form_injectable",
    "dose_form_local",
    "route_oral",
    "route_injected",
    "route_local",
    "cd_ileal_definite",
    "cd_ileal_probable",
    "cd_not_ileal_colon",
    "ulcerative_colitis",
)


def stage_concept_sets(
    engine: Engine, config: RunConfig, concept_sets: ConceptSets, as_of: date
) -> tuple[int, list[str]]:
    """Stage `work.concept_set` and `work.concept_set_member`; warn of empty sets by name.

    Returns the number of members and the warnings.
    """
    extra = site_concept_sets(config)
    engine.load(
        "concept_set_item", pa.Table.from_pylist(concept_sets.item_rows(extra), schema=_ITEM)
    )
    tables = pa.schema([("concept_set", pa.string()), ("cdm_table", pa.string())])
    table_rows = concept_sets.table_rows(extra)
    engine.load("concept_set_table", pa.Table.from_pylist(table_rows, schema=tables))
    n_members = run_file(engine, "cohort/concept_set", "concept_set")
    run_file(engine, "cohort/concept_set_member", "concept_set_member", {"as_of_date": as_of})
    counts = {
        str(name): (int(str(members)), int(str(records)))
        for name, members, records in fetch_file(engine, "cohort/concept_set_count")
    }
    counted = {row["concept_set"] for row in table_rows}
    names = sorted({*concept_sets, *extra})
    unresolved = [name for name in names if name not in counts]
    silent = [n for n in names if n in counts and n in counted and counts[n][1] == 0]
    warnings = []
    if unresolved:
        warnings.append(f"concept sets that resolve to no concept: {', '.join(unresolved)}")
    if silent:
        warnings.append(f"concept sets without a record in the CDM: {', '.join(silent)}")
    return n_members, warnings


def stage_cohort(
    engine: Engine, config: RunConfig, as_of: date, journal: Journal
) -> list[AttritionStep]:
    """Stage `work.cohort_member`, `work.patient` and `work.attrition`; return the attrition.

    Raises
    ------
    CdmError
        A person of the cohort has more than one row in person.
    """
    rule = config.cohort
    parameters = {
        "as_of_date": as_of,
        "minimum_distinct_days": rule.minimum_distinct_days,
        "year_only": int(rule.age_rule == "year"),
        "age_minimum": rule.age_minimum,
        "age_maximum": rule.age_maximum,
    }
    excluded = pa.table({"concept_set": pa.array(rule.exclude_concept_sets, pa.string())})
    engine.load("excluded_set", excluded)
    places = pa.array(range(len(RACE_SETS)), pa.int32())
    engine.load("race_set", pa.table({"concept_set": list(RACE_SETS), "place": places}))
    run_file(engine, "cohort/race", "race")
    reasons = [COHORT_SET, *REASONS]
    engine.load(
        "attrition_step",
        pa.table({"step": pa.array(range(1, len(reasons) + 1), pa.int32()), "reason": reasons}),
    )
    with journal.step("cohort") as step:
        run_file(engine, "cohort/disease", "disease", parameters)
        step.rows = run_file(engine, "cohort/cohort", "cohort", parameters)
    (duplicates,) = fetch_file(engine, "cohort/duplicate_person")
    if duplicates[0]:
        raise CdmError(
            f"person: {duplicates[0]} person(s) of the cohort have more than one row; "
            "which one is right cannot be told, so nothing is scored"
        )
    with journal.step("attrition") as step:
        run_file(engine, "cohort/left_out", "cohort_member", parameters)
        step.rows = run_file(engine, "cohort/patient", "patient")
        run_file(engine, "cohort/attrition", "attrition")
    rows = fetch_file(engine, "cohort/attrition")
    steps = [AttritionStep(int(str(a)), str(b), int(str(c)), int(str(d))) for a, b, c, d in rows]
    return sorted(steps, key=lambda step: step.step)
