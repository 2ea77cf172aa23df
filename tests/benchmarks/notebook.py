"""The notebook way: pull the rows into pandas, group by patient, apply a function.

python -m tests.benchmarks.notebook KIND PLACE...: what an analyst writes in an afternoon, on a CDM
that has been scored: it is given the resolved concept sets of the run, and its labels are compared
with the run's. It takes the shortcuts of an afternoon: units by concept alone, a steroid whatever
its form, an exposure that ends on the day it says. So it agrees on most patients and not on all.
"""

import sys
from collections.abc import Callable
from datetime import date
from typing import Any

import pandas as pd

from omop_scorer.config import run_file as config
from omop_scorer.config.definitions import load_definitions
from tests.benchmarks.engine import AS_OF
from tests.benchmarks.measuring import clock, tell
from tests.benchmarks.published_formulas import Calculator

_DAY = pd.Timestamp(date.fromisoformat(AS_OF))
#: Names, then what is pulled; {ids} are concept ids, {cdm} the schema.
_PERSONS = (
    "SELECT person_id, gender_concept_id, year_of_birth, month_of_birth, day_of_birth "
    "FROM {cdm}.person WHERE person_id IN ({cohort})"
)
_COHORT = (
    "SELECT person_id FROM {cdm}.condition_occurrence "
    "WHERE condition_concept_id IN ({ids}) AND condition_start_date <= DATE '{day}'"
)
_VALUES = (
    "SELECT person_id, measurement_concept_id AS concept_id, measurement_date AS day, "
    "measurement_id AS id, value_as_number AS value, unit_concept_id FROM {cdm}.measurement "
    "WHERE measurement_concept_id IN ({ids}) AND measurement_date <= DATE '{day}' "
    "AND person_id IN ({cohort}) UNION ALL "
    "SELECT person_id, observation_concept_id, observation_date, observation_id, "
    "value_as_number, unit_concept_id FROM {cdm}.observation "
    "WHERE observation_concept_id IN ({ids}) AND observation_date <= DATE '{day}' "
    "AND person_id IN ({cohort})"
)
_DRUGS = (
    "SELECT person_id, drug_concept_id AS concept_id, drug_exposure_start_date AS day, "
    "drug_exposure_end_date AS last_day FROM {cdm}.drug_exposure "
    "WHERE drug_concept_id IN ({ids}) AND drug_exposure_start_date <= DATE '{day}' "
    "AND person_id IN ({cohort})"
)
_CONDITIONS = (
    "SELECT person_id, condition_concept_id AS concept_id FROM {cdm}.condition_occurrence "
    "WHERE condition_concept_id IN ({ids}) AND condition_start_date <= DATE '{day}' "
    "AND person_id IN ({cohort})"
)
Query = Callable[[str], pd.DataFrame]


def notebook(query: Query, cdm: str, sets: dict[str, set[int]]) -> pd.Series:
    """Return the label of each patient, by person_id."""
    definitions = load_definitions(config.load(config.shipped_run_file()))
    cohort = _COHORT.format(cdm=cdm, ids=_listed(sets["crohns_disease"]), day=AS_OF)

    def pull(text: str, *names: str) -> pd.DataFrame:
        ids = set().union(*(sets.get(name, set()) for name in names))
        rows = query(text.format(cdm=cdm, ids=_listed(ids), day=AS_OF, cohort=cohort))
        kinds = {"day": "datetime64[s]", "last_day": "datetime64[s]", "value": float}
        return rows.astype({name: kind for name, kind in kinds.items() if name in rows})

    patients = pull(_PERSONS).set_index("person_id")
    month, day = patients["month_of_birth"].fillna(6), patients["day_of_birth"].fillna(15)
    is_later = month * 100 + day > _DAY.month * 100 + _DAY.day
    patients["age"] = _DAY.year - patients["year_of_birth"] - is_later
    patients["male"] = (patients["gender_concept_id"] == 8507).astype(float)

    units = definitions.units.concept_rows()
    factors = {(unit["quantity"], unit["unit_concept_id"]): unit["factor"] for unit in units}
    for quantity, rule in definitions.config.covariates.quantities().items():
        names = (*rule.measurement_concept_sets, *rule.observation_concept_sets, f"site_{quantity}")
        rows = pull(_VALUES, *names)
        if rule.lookback_days is not None:
            rows = rows[(_DAY - rows["day"]).dt.days <= rule.lookback_days]
        concepts = rows["unit_concept_id"].fillna(0).astype(int)
        rows["value"] *= [factors.get((quantity, concept)) for concept in concepts]
        rows = rows[rows["value"].between(rule.minimum, rule.maximum)]
        patients[quantity] = rows.groupby("person_id").apply(_latest)
    computed = patients["body_weight"] / (patients["body_height"] / 100) ** 2
    patients["bmi"] = patients["bmi"].fillna(computed)

    drugs = pull(_DRUGS, "biologic_anti_tnf", "systemic_corticosteroid", "immunomodulator")
    drugs["last_day"] = drugs["last_day"].fillna(drugs["day"])
    by_person = drugs.groupby("person_id")
    for name, used, days in (
        ("prior_anti_tnf", "biologic_anti_tnf", None),
        ("steroid", "systemic_corticosteroid", 30),
        ("immunomodulator", "immunomodulator", 90),
    ):
        patients[name] = by_person.apply(_is_on, sets[used], days)
    locations = pull(_CONDITIONS, "cd_ileal_definite", "cd_ileal_probable")
    patients["ileal"] = locations.groupby("person_id").apply(lambda _: 1.0)

    card = definitions.model.card
    has_sex = patients["gender_concept_id"].isin((8507, 8532))
    known = patients[patients["age"].between(18, 99) & has_sex]
    known = known.fillna({c.name: c.imputed_value or 0.0 for c in card.covariates})
    calculator = Calculator(definitions.model)
    return known.apply(lambda row: calculator.patient(row).label, axis=1)


def _listed(ids: set[int]) -> str:
    return ", ".join(map(str, sorted(ids))) or "NULL"


def _latest(own: pd.DataFrame) -> float:
    return own.sort_values(["day", "id"])["value"].iloc[-1]


def _is_on(own: pd.DataFrame, concepts: set[int], days: int | None) -> float:
    own = own[own["concept_id"].isin(concepts)]
    if days is None:
        return float((own["day"] < _DAY).any())
    return float(((_DAY - own["last_day"]).dt.days <= days).any())


def _duckdb(cdm: str, results: str) -> tuple[Query, str, str]:
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"ATTACH '{cdm}' AS site (READ_ONLY)")
    connection.execute(f"ATTACH '{results}' AS answer (READ_ONLY)")
    return (lambda text: connection.execute(text).df()), "site.cdm", "answer.omop_scorer"


def _postgresql(url: str, cdm: str, results: str) -> tuple[Query, str, str]:
    import psycopg

    connection = psycopg.connect(url)

    def query(text: str) -> pd.DataFrame:
        cursor = connection.execute(text)
        names = [column.name for column in cursor.description or ()]
        return pd.DataFrame(cursor.fetchall(), columns=names).infer_objects()

    return query, cdm, results


def main(kind: str, *places: str) -> None:
    opened: Any = {"duckdb": _duckdb, "postgresql": _postgresql}[kind]
    query, cdm, results = opened(*places)
    members = query(f"SELECT concept_set, concept_id FROM {results}.concept_set_member")
    sets = {name: set(rows["concept_id"]) for name, rows in members.groupby("concept_set")}
    start = clock()
    labels = notebook(query, cdm, sets)
    seconds, cpu_seconds = (now - then for now, then in zip(clock(), start, strict=True))
    ours = query(f"SELECT person_id, subgroup FROM {results}.patient_subgroup")
    ours = ours.set_index("person_id")["subgroup"]
    both = labels.reindex(ours.index)
    note = f"same label for {(both == ours).mean():.1%} of {len(ours):,} patients"
    tell(start, seconds=seconds, cpu_seconds=cpu_seconds, note=note)


if __name__ == "__main__":
    main(*sys.argv[1:])
