"""The covariate rules over plain rows: a slow, independent peer of the SQL.

One loop per rule, no SQL and nothing of the package, so that an error in one of the two shows as a
difference. The length is the concept ids and units, written out here a second time on purpose.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime, time, timedelta
from typing import Any

Row = dict[str, Any]
Cdm = dict[str, list[Row]]

COVARIATES = (
    *("cdai", "age", "bmi", "crp", "prior_anti_tnf"),
    *("male", "steroid", "immunomodulator", "ileal"),
)
QUANTITIES = ("crp", "cdai", "bmi", "body_weight", "body_height")
MALE, FEMALE = 8507, 8532

PUBLISHED_CONSTANT = {"cdai": 300.0, "bmi": 20.0, "crp": 10.0, "ileal": 0.0}
TRAINING_MEAN = {"cdai": 306.2, "bmi": 24.07, "crp": 19.41, "ileal": 0.7414}

FOOT = 30.48
# Signs of feet and of inches, as the one that stands for them.
FEET, INCHES = "'\u2019\u2032\u2018`\u00b4", '"\u201d\u2033\u201c'
CRP_PER_MOLE = 104.99790004199916
UNIT_CONCEPTS: dict[str, dict[int, float]] = {
    "crp": {
        **{8751: 1.0, 8840: 10.0, 8859: 1.0, 8748: 0.001, 8842: 0.001, 8837: 0.01},
        **{8636: 1000.0, 8861: 1000.0, 4122414: 1.0, 4121396: 10.0},
        **{8736: 0.10499790004199916, 8843: CRP_PER_MOLE, 8749: CRP_PER_MOLE},
    },
    "bmi": {9531: 1.0},
    "body_weight": {
        **{9529: 1.0, 8739: 0.45359237, 9346: 0.45359237, 3195625: 0.45359237},
        **{9373: 0.028349523125, 8504: 0.001},
    },
    "body_height": {
        **{8582: 1.0, 9330: 2.54, 9327: 2.54, 9546: 100.0, 8588: 0.1, 9306: 30.48, 9307: 30.48},
    },
    "cdai": {44777566: 1.0},
}
UNIT_TEXTS: dict[str, dict[str, float]] = {
    "crp": {
        **dict.fromkeys(("mg/l", "mgL", "mg per l", "milligram/l", "milligrams per liter"), 1.0),
        **dict.fromkeys(("mg/dl", "mg%"), 10.0),
        **dict.fromkeys(("ug/ml", "mcg/ml", "\u00b5g/ml", "\u03bcg/ml"), 1.0),
        **dict.fromkeys(("ug/l", "mcg/l", "\u00b5g/l", "\u03bcg/l", "ng/ml"), 0.001),
        **dict.fromkeys(("ug/dl", "mcg/dl", "\u00b5g/dl", "\u03bcg/dl"), 0.01),
        **dict.fromkeys(("g/l", "gm/l", "mg/ml"), 1000.0),
        **dict.fromkeys(("nmol/ml", "umol/l", "\u00b5mol/l"), CRP_PER_MOLE),
        "nmol/l": 0.10499790004199916,
    },
    "bmi": dict.fromkeys(("kg/m2", "kg/m^2", "kg/m\u00b2", "kg/sqm", "kg/sq m", "bmi"), 1.0),
    "body_weight": {
        **dict.fromkeys(("kg", "kgs", "kilogram", "kilograms"), 1.0),
        **dict.fromkeys(("lb", "lbs", "pound", "pounds", "[lb_av]", "pound force"), 0.45359237),
        **dict.fromkeys(("[lb_us]", "[lbf_av]"), 0.45359237),
        **dict.fromkeys(("oz", "ounce", "ounces", "[oz_av]"), 0.028349523125),
        **dict.fromkeys(("g", "gram", "grams", "gm"), 0.001),
    },
    "body_height": {
        **dict.fromkeys(("cm", "centimeter", "centimetre"), 1.0),
        **dict.fromkeys(("in", "inch", "inches", '"', "[in_us]", "[in_i]"), 2.54),
        **dict.fromkeys(("m", "meter", "metre"), 100.0),
        **dict.fromkeys(("ft", "foot", "feet", "[ft_i]", "[ft_us]"), 30.48),
        "mm": 0.1,
    },
    "cdai": dict.fromkeys(("score", "points", "[score]"), 1.0),
}


@dataclass(frozen=True, repr=False)
class Settings:
    """Every number and list of the rules, with the shipped defaults."""

    as_of_date: date = date(2026, 1, 1)
    concept_mapping: str = "follow"
    age_rule: str = "date"
    minimum_age: int = 18
    maximum_age: int = 99
    height_from_age: int = 18

    cohort_concept_ids: tuple[int, ...] = (201606,)
    extra_cohort_concept_ids: tuple[int, ...] = ()
    minimum_distinct_days: int = 1
    exclude_ulcerative_colitis: bool = False
    ulcerative_colitis: tuple[int, ...] = (81893, 46273477, 46273478, 75580, 46269843, 46269847)

    # None is "ever".
    lookback_days: dict[str, int | None] = field(
        default_factory=lambda: {
            "bmi": 730,
            "body_weight": 730,
            "body_height": None,
            "crp": 180,
            "cdai": 90,
            "steroid": 30,
            "immunomodulator": 90,
        }
    )
    limits: dict[str, tuple[float, float]] = field(
        default_factory=lambda: {
            "bmi": (10.0, 80.0),
            "body_weight": (25.0, 350.0),
            "body_height": (120.0, 230.0),
            "crp": (0.0, 500.0),
            "cdai": (0.0, 750.0),
        }
    )
    imputed: dict[str, float] = field(default_factory=lambda: dict(PUBLISHED_CONSTANT))

    bmi: tuple[int, ...] = (3038553, 36304833)
    body_weight: tuple[int, ...] = (3025315, 3013762, 3023166, 3027492, 4099154)
    body_height: tuple[int, ...] = (3036277,)
    crp: tuple[int, ...] = (3020460, 3010156, 3051387, 42870365, 1091617, 1469985, 4208414)
    crp_moles: tuple[int, ...] = (46234770, 46234771)
    crp_observation_table: tuple[int, ...] = (37398482, 37398420)
    cdai_concept_ids: tuple[int, ...] = ()
    unit_concepts: dict[str, dict[int, float]] = field(default_factory=lambda: UNIT_CONCEPTS)
    unit_texts: dict[str, dict[str, float]] = field(default_factory=lambda: UNIT_TEXTS)
    missing_unit_accepted: tuple[str, ...] = ("bmi", "cdai")
    censoring_operators: tuple[int, ...] = (4171756, 4171754, 4172704, 4171755)

    biologic_anti_tnf: tuple[int, ...] = (1119119, 937368, 912263, 36857573)
    immunomodulator: tuple[int, ...] = (19014878, 1436650, 1305058)
    steroid_always_systemic: tuple[int, ...] = (1551099, 1550557, 1506270, 1507705)
    steroid_by_form: tuple[int, ...] = (975125, 1518254, 939259, 1115572)
    dose_form_oral: tuple[int, ...] = (
        *(19082573, 19082168, 19082255, 19001949, 19082077, 19082079, 19082080, 19082076),
        *(44817840, 19135866, 19082170, 19082191, 45775490, 45775489, 19082651, 19095976),
        1592486,
    )
    dose_form_injectable: tuple[int, ...] = (
        *(46234469, 19082103, 19082104, 19082106, 19126920, 46234466, 46234467, 46234468),
    )
    dose_form_exclude: tuple[int, ...] = (
        *(19082627, 19082200, 19000942, 19082574, 19082197, 19095917, 19082282, 19082283),
        *(19082221, 19082199),
        *(19127579, 19126918, 19082259, 19095898, 1356078, 37499223, 19011167, 19082165),
        *(19129634, 19082167, 19135925, 19082195, 19082224, 19082227, 19095972),
    )
    route_oral: tuple[int, ...] = (4132161, 4128794)
    route_injected: tuple[int, ...] = (4171047, 4302612, 4142048)
    route_local_exclude: tuple[int, ...] = (
        *(4290759, 45956874, 4263689, 4262914, 4184451, 4023156),
    )

    cd_ileal_definite: tuple[int, ...] = (
        *(4244235, 4055020, 37162890, 195575, 46269878, 46269879, 46269880, 46269881, 46269882),
        37172546,
    )
    cd_ileal_probable: tuple[int, ...] = (
        *(195585, 36686095, 37170274, 4212992, 46269883, 46269884, 46269885, 46269886, 46269887),
    )
    cd_not_ileal_colon: tuple[int, ...] = (
        *(194684, 4177488, 4242392, 36715915, 37162889, 4131542, 4212991, 37172426, 37170088),
        *(46269874, 46269875, 46269876, 46269877, 46274073, 37116446),
    )

    # Drug, class, ingredients; lines of one day stand in this order.
    line_drugs: tuple[tuple[str, str, tuple[int, ...]], ...] = (
        ("adalimumab", "anti_tnf", (1119119,)),
        ("infliximab", "anti_tnf", (937368,)),
        ("certolizumab pegol", "anti_tnf", (912263, 36857573)),
        ("ustekinumab", "anti_il12_23", (40161532,)),
        ("natalizumab", "anti_integrin", (735843,)),
        ("vedolizumab", "anti_integrin", (45774639,)),
        ("etanercept", "other_advanced", (1151789,)),
        ("etrasimod", "other_advanced", ()),
        ("filgotinib", "other_advanced", (35891916,)),
        ("golimumab", "other_advanced", (19041065,)),
        ("guselkumab", "other_advanced", (1593700,)),
        ("mirikizumab", "other_advanced", ()),
        ("ozanimod", "other_advanced", (37499437,)),
        ("risankizumab", "other_advanced", (1511348,)),
        ("secukinumab", "other_advanced", (45892883,)),
        ("tildrakizumab", "other_advanced", (35200139,)),
        ("tofacitinib", "other_advanced", (42904205,)),
        ("upadacitinib", "other_advanced", (1361580,)),
    )

    # Of the audits: from when an index line counts, whose age counts, and how a drug goes on.
    since: date = date(2016, 1, 1)
    age_at: str = "as_of"
    continuing_days: int = 180

    def __repr__(self) -> str:
        default = Settings()
        named = {f.name: getattr(self, f.name) for f in fields(self)}
        other = [f"{n}={v!r}" for n, v in named.items() if v != getattr(default, n)]
        return f"Settings({', '.join(other)})"


@dataclass
class Extraction:
    """The rows of the results tables without run_id, each a list of tuples in column order.

    cohort: person_id, index_date, age (None without a year of birth).
    attrition: step, reason, n_persons, n_excluded.
    patient_covariate: person_id, covariate, covariate_value, status, source_table, source_id,
        source_concept_id, source_date, source_value, source_unit, unit_concept_id, unit_source,
        factor (of an observed value), is_censored.
    covariate_input: person_id, quantity, covariate, quantity_value, then source_table and what
        follows in patient_covariate.
    treatment_line: person_id, line_number, drug, drug_class, start_date, last_start_date,
        last_exposure_date, is_current.
    covariate_quality: covariate, measure, n.
    doubts: how many values of the cohort cannot be right, by measure.
    """

    cohort: list[tuple[Any, ...]]
    attrition: list[tuple[Any, ...]]
    patient_covariate: list[tuple[Any, ...]]
    covariate_input: list[tuple[Any, ...]]
    treatment_line: list[tuple[Any, ...]]
    covariate_quality: list[tuple[Any, ...]]
    scored: list[int]
    n_also_ulcerative_colitis: int
    doubts: dict[str, int]

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        """The sorted rows of a table; its first two columns differ, so None is never compared."""
        return sorted(getattr(self, table))


@dataclass
class Verdict:
    """What became of one candidate record of a quantity."""

    reason: str
    value: float = math.nan
    factor: float = 1.0
    unit_from: str = ""
    is_ambiguous: bool = False


@dataclass
class Reading:
    """One candidate record of a quantity, with its verdict."""

    table: str
    row: Row
    verdict: Verdict

    def column(self, name: str) -> Any:
        return self.row.get(f"{self.table}_{name}")

    def order(self) -> tuple[Any, ...]:
        """The greatest is the latest; of equal ids in both tables the measurement wins."""
        day = self.column("date")
        moment = self.column("datetime") or datetime.combine(day, time())
        return (day, moment, self.column("id"), self.table == "measurement")

    def is_censored(self, settings: Settings) -> bool:
        return self.row.get("operator_concept_id") in settings.censoring_operators

    def evidence(self, settings: Settings, *, is_value: bool = True) -> tuple[Any, ...]:
        """The ten columns; the factor only where the converted number is the value itself."""
        return (
            self.table,
            self.column("id"),
            self.column("concept_id"),
            self.column("date"),
            float(self.row["value_as_number"]),
            self.row.get("unit_source_value"),
            self.row.get("unit_concept_id"),
            self.verdict.unit_from,
            self.verdict.factor if is_value else None,
            self.is_censored(settings),
        )


NO_UNIT = (None,) * 5
NO_EVIDENCE = (None,) * 10


def extract(cdm: Cdm, settings: Settings) -> Extraction:
    """Apply the rules to a CDM, table name -> rows; a missing table is an empty one."""
    persons = {row["person_id"]: row for row in cdm.get("person", [])}
    crohns, n_also_colitis = find_cohort(cdm, settings)
    ages = {p: age_on(persons.get(p), settings.as_of_date, settings) for p in crohns}
    attrition, scored = leave_out(cdm, settings, crohns, persons, ages)

    covariates: list[tuple[Any, ...]] = []
    inputs: list[tuple[Any, ...]] = []
    quality: dict[tuple[str, str], int] = empty_quality()
    quality |= mapped_records(cdm, settings, crohns)
    for person_id in scored:
        for found in patient_covariates(cdm, settings, persons[person_id], quality):
            covariates.append((person_id, *found))
            quality[found[0], f"n_{found[2]}"] += 1
            if found[2] == "computed":
                inputs += weight_and_height(cdm, settings, persons[person_id])

    return Extraction(
        cohort=[(p, settings.as_of_date, ages[p]) for p in crohns],
        attrition=attrition,
        patient_covariate=covariates,
        covariate_input=inputs,
        treatment_line=[line for p in crohns for line in treatment_lines(cdm, settings, p)],
        covariate_quality=[(*name, n) for name, n in quality.items()],
        scored=scored,
        n_also_ulcerative_colitis=n_also_colitis,
        doubts=doubts_of_drugs(cdm, settings, crohns, persons)
        | doubts_of_deaths(cdm, settings, crohns, persons),
    )


def descendants(cdm: Cdm, concept_ids: Iterable[int]) -> set[int]:
    """The concepts themselves and what concept_ancestor puts under them, as its rows stand."""
    found = set(concept_ids)
    return found | {
        row["descendant_concept_id"]
        for row in cdm.get("concept_ancestor", [])
        if row["ancestor_concept_id"] in found
    }


MAPPINGS = ("Maps to", "Concept replaced by")


def leads_to(cdm: Cdm, concept_id: int) -> set[int]:
    """Every concept at the end of a chain of valid mappings from a concept, in circles too."""
    found: set[int] = set()
    waiting = [concept_id]
    while waiting:
        here = waiting.pop()
        for link in cdm.get("concept_relationship", []):
            target = link["concept_id_2"]
            is_mapping = (
                link["relationship_id"] in MAPPINGS
                and not (link.get("invalid_reason") or "").strip()
            )
            if link["concept_id_1"] == here and is_mapping and target not in found:
                found.add(target)
                waiting.append(target)
    return found


def mapped_into(cdm: Cdm, members: set[int]) -> set[int]:
    """The concepts, not standard or not valid, from which mappings lead to a member."""
    in_force = {
        row["concept_id"]
        for row in cdm.get("concept", [])
        if (row.get("standard_concept") or "").strip() == "S"
        and not (row.get("invalid_reason") or "").strip()
    }
    starts = {link["concept_id_1"] for link in cdm.get("concept_relationship", [])}
    return {c for c in starts - members - in_force - {0} if leads_to(cdm, c) & members}


def belonging(cdm: Cdm, table: str, members: set[int]) -> list[tuple[Row, bool]]:
    """The records of a set, and whether each is one by a mapping or by its source concept."""
    mapped = mapped_into(cdm, members)
    word = table.partition("_")[0]
    found = []
    for row in cdm.get(table, []):
        concept = row.get(f"{word}_concept_id")
        if not concept:
            if row.get(f"{word}_source_concept_id") in (members | mapped) - {0, None}:
                found.append((row, True))
        elif concept in members | mapped:
            found.append((row, concept in mapped))
    return found


def counting(cdm: Cdm, settings: Settings, table: str, members: set[int]) -> list[Row]:
    """The records of a set that the rules use: conditions and drugs by their source concept too."""
    by_source = table in ("condition_occurrence", "drug_exposure")
    word = table.partition("_")[0]
    return [
        row
        for row, is_mapped in belonging(cdm, table, members)
        if not is_mapped
        or (settings.concept_mapping == "follow" and (by_source or row[f"{word}_concept_id"]))
    ]


def mapped_records(cdm: Cdm, settings: Settings, cohort: list[int]) -> dict[tuple[str, str], int]:
    """Records and persons of each set by a mapping or source concept, whether they count or not.

    Those of the cohort's persons; of the disease itself, which decides who is one, everybody's.
    """
    conditions = {
        "crohns_disease": descendants(
            cdm, (*settings.cohort_concept_ids, *settings.extra_cohort_concept_ids)
        ),
        "ulcerative_colitis": descendants(cdm, settings.ulcerative_colitis),
        "cd_ileal_definite": {*settings.cd_ileal_definite},
        "cd_ileal_probable": {*settings.cd_ileal_probable},
        "cd_not_ileal_colon": {*settings.cd_not_ileal_colon},
    }
    steroids = settings.steroid_always_systemic + settings.steroid_by_form
    drugs = {
        "biologic_anti_tnf": settings.biologic_anti_tnf,
        "immunomodulator": settings.immunomodulator,
        "systemic_corticosteroid": steroids,
        **{drug.replace(" ", "_"): ids for drug, _, ids in settings.line_drugs},
    }
    sets = {name: [("condition_occurrence", "start_", ids)] for name, ids in conditions.items()}
    sets |= {
        name: [("drug_exposure", "exposure_start_", descendants(cdm, ids))]
        for name, ids in drugs.items()
    }
    for name in ("crp", "crp_moles", "bmi", "body_weight", "body_height"):
        sets[name] = [("measurement", "", {*getattr(settings, name)})]
    sets["crp_observation_table"] = [("observation", "", {*settings.crp_observation_table})]
    if settings.cdai_concept_ids:
        ids = {*settings.cdai_concept_ids}
        sets["site_cdai"] = [("measurement", "", ids), ("observation", "", ids)]
    counts = {}
    for name, searched in sets.items():
        found = [
            row["person_id"]
            for table, kind, members in searched
            for row, is_mapped in belonging(cdm, table, members)
            if is_mapped
            and happened_by(row[f"{table.partition('_')[0]}_{kind}date"], settings.as_of_date)
            and (name == "crohns_disease" or row["person_id"] in cohort)
        ]
        counts[name, "n_records_mapped"] = len(found)
        counts[name, "n_persons_mapped"] = len({*found})
    return counts


def happened_by(day: date | None, last_day: date) -> bool:
    return day is not None and day <= last_day


def find_cohort(cdm: Cdm, settings: Settings) -> tuple[list[int], int]:
    """The persons with Crohn's disease, and how many of them also have ulcerative colitis."""
    crohns = descendants(cdm, (*settings.cohort_concept_ids, *settings.extra_cohort_concept_ids))
    colitis = descendants(cdm, settings.ulcerative_colitis)
    days: dict[int, set[date]] = {}
    with_colitis: set[int] = set()
    for row in counting(cdm, settings, "condition_occurrence", crohns):
        if happened_by(row["condition_start_date"], settings.as_of_date):
            days.setdefault(row["person_id"], set()).add(row["condition_start_date"])
    for row in counting(cdm, settings, "condition_occurrence", colitis):
        if happened_by(row["condition_start_date"], settings.as_of_date):
            with_colitis.add(row["person_id"])
    cohort = [p for p, found in days.items() if len(found) >= settings.minimum_distinct_days]
    n_also_colitis = sum(p in with_colitis for p in cohort)
    if settings.exclude_ulcerative_colitis:
        cohort = [p for p in cohort if p not in with_colitis]
    return sorted(cohort), n_also_colitis


def age_on(person: Row | None, day: date, settings: Settings) -> int | None:
    if person is None or person.get("year_of_birth") is None:
        return None
    years = day.year - int(person["year_of_birth"])
    if settings.age_rule == "year":
        return years
    month, day_of_month = person.get("month_of_birth"), person.get("day_of_birth")
    if month is None or not 1 <= month <= 12:
        month, day_of_month = 6, 15
    elif day_of_month is None or not 1 <= day_of_month <= 31:
        day_of_month = 1
    return years - 1 if (day.month, day.day) < (month, day_of_month) else years


def leave_out(
    cdm: Cdm,
    settings: Settings,
    cohort: list[int],
    persons: dict[int, Row],
    ages: dict[int, int | None],
) -> tuple[list[tuple[Any, ...]], list[int]]:
    """The attrition rows and the persons who are scored."""
    dead = {
        row["person_id"]
        for row in cdm.get("death", [])
        if happened_by(row["death_date"], settings.as_of_date)
    }
    gender = {p: row.get("gender_concept_id") for p, row in persons.items()}
    reasons = {
        "year_of_birth_unknown": lambda p: ages[p] is None,
        "sex_unknown": lambda p: gender[p] not in (MALE, FEMALE),
        "deceased": lambda p: p in dead,
        "age_out_of_range": lambda p: (
            not settings.minimum_age <= ages[p] <= settings.maximum_age  # type: ignore[operator]
        ),
    }
    rows: list[tuple[Any, ...]] = [(1, "crohns_disease", len(cohort), 0)]
    left = cohort
    for step, (reason, applies) in enumerate(reasons.items(), start=2):
        kept = [p for p in left if not applies(p)]
        rows.append((step, reason, len(kept), len(left) - len(kept)))
        left = kept
    return rows, left


def is_before_birth(day: date, person: Row | None, settings: Settings) -> bool:
    """Whether a day is before the day of birth that the rules of the age give."""
    years = age_on(person, day, replace(settings, age_rule="date"))
    return years is not None and years < 0


def drugs_read(cdm: Cdm, settings: Settings) -> set[int]:
    """Every concept that a rule about drugs asks for."""
    ingredients = [i for _, _, each in settings.line_drugs for i in each]
    ingredients += settings.biologic_anti_tnf + settings.immunomodulator
    ingredients += settings.steroid_always_systemic + settings.steroid_by_form
    return descendants(cdm, ingredients)


def doubts_of_drugs(
    cdm: Cdm, settings: Settings, cohort: list[int], persons: dict[int, Row]
) -> dict[str, int]:
    found = dict.fromkeys(("long_exposure", "reversed_exposure", "negative_supply"), 0)
    found["implausible_start"] = 0
    concepts = drugs_read(cdm, settings)
    for person_id in cohort:
        for row in exposures(cdm, settings, person_id, concepts):
            start, end = row["drug_exposure_start_date"], row.get("drug_exposure_end_date")
            supply = row.get("days_supply")
            found["long_exposure"] += days_covered(row) > 366
            found["reversed_exposure"] += end is not None and end < start
            found["negative_supply"] += supply is not None and supply < 0
            found["implausible_start"] += start < date(1900, 1, 1) or is_before_birth(
                start, persons.get(person_id), settings
            )
    return {f"n_{name}": n for name, n in found.items()}


def days_of_records(cdm: Cdm, settings: Settings, person_id: int) -> list[date]:
    """The days of a person's records that a rule asks for, up to the as-of date."""
    disease = descendants(cdm, (*settings.cohort_concept_ids, *settings.extra_cohort_concept_ids))
    disease |= {*settings.cd_ileal_definite, *settings.cd_ileal_probable}
    disease |= {*settings.cd_not_ileal_colon}
    measured = {*settings.crp, *settings.crp_moles, *settings.cdai_concept_ids, *settings.bmi}
    measured |= {*settings.body_weight, *settings.body_height}
    observed = {*settings.crp_observation_table, *settings.cdai_concept_ids}
    read = (
        ("condition_occurrence", "condition_start_date", disease),
        ("measurement", "measurement_date", measured),
        ("observation", "observation_date", observed),
    )
    days = [
        row["drug_exposure_start_date"]
        for row in exposures(cdm, settings, person_id, drugs_read(cdm, settings))
    ]
    for table, day, wanted in read:
        days += [
            row[day]
            for row in counting(cdm, settings, table, wanted)
            if row["person_id"] == person_id and happened_by(row[day], settings.as_of_date)
        ]
    return days


def doubts_of_deaths(
    cdm: Cdm, settings: Settings, cohort: list[int], persons: dict[int, Row]
) -> dict[str, int]:
    found = dict.fromkeys(("record_after_death", "death_contradicted", "death_before_birth"), 0)
    found["deaths_of_two_dates"] = 0
    for person_id in cohort:
        deaths = {
            row["death_date"] for row in cdm.get("death", []) if row["person_id"] == person_id
        } - {None}
        found["deaths_of_two_dates"] += len(deaths) > 1
        if not deaths or min(deaths) > settings.as_of_date:
            continue
        days = days_of_records(cdm, settings, person_id)
        after = [(day - min(deaths)).days for day in days if day > min(deaths)]
        found["record_after_death"] += len(after)
        found["death_contradicted"] += any(n > 60 for n in after)
        found["death_before_birth"] += is_before_birth(
            min(deaths), persons.get(person_id), settings
        )
    return {f"n_{name}": n for name, n in found.items()}


def empty_quality() -> dict[tuple[str, str], int]:
    """Every measure at zero, for zero rows are written too."""
    records = ("records", "rejected_value", "rejected_unit", "rejected_limit", "converted")
    records += ("censored", "unit_from_text", "unit_missing")
    steroids = ("oral", "injected", "injected_one_day", "local", "unclassified")
    names = [(quantity, measure) for quantity in QUANTITIES for measure in records]
    states = ("observed", "computed", "absent", "imputed", "left_out")
    names += [(covariate, state) for covariate in COVARIATES for state in states]
    names += [("steroid", measure) for measure in (*steroids, "unclassified_persons")]
    return {(covariate, f"n_{measure}"): 0 for covariate, measure in names}


def patient_covariates(
    cdm: Cdm, settings: Settings, person: Row, quality: dict[tuple[str, str], int]
) -> list[tuple[Any, ...]]:
    """One row per covariate of the card: covariate, value, status, then the ten of the evidence."""
    person_id, gender = person["person_id"], person["gender_concept_id"]
    latest = {q: latest_reading(cdm, settings, person, q, quality) for q in QUANTITIES}
    age = age_on(person, settings.as_of_date, settings)
    assert age is not None
    year = float(person["year_of_birth"])
    as_person = ("person", person_id)
    found: dict[str, tuple[Any, ...]] = {
        "age": (float(age), "observed", *as_person, None, None, year, *NO_UNIT),
        "male": (float(gender == MALE), "observed", *as_person, gender, None, None, *NO_UNIT),
        "bmi": body_mass_index(settings, latest),
        "prior_anti_tnf": yes_or_absent(prior_anti_tnf(cdm, settings, person_id)),
        "steroid": yes_or_absent(steroids(cdm, settings, person_id, quality)),
        "immunomodulator": yes_or_absent(immunomodulators(cdm, settings, person_id)),
        "ileal": ileal(cdm, settings, person_id),
    }
    for name in ("crp", "cdai"):
        reading = latest[name]
        found[name] = (
            imputed(settings, name)
            if reading is None
            else (reading.verdict.value, "observed", *reading.evidence(settings))
        )
    return [(covariate, *found[covariate]) for covariate in COVARIATES]


def imputed(settings: Settings, covariate: str) -> tuple[Any, ...]:
    return (settings.imputed[covariate], "imputed", *NO_EVIDENCE)


def without_blanks(text: str) -> str:
    for blank in (" ", "\t", "\n", "\r", "\u00a0"):
        text = text.replace(blank, "")
    return text.lower()


def judge(settings: Settings, quantity: str, row: Row) -> Verdict:
    """Value, unit and limits, in this order: the first that fails gives the reason."""
    value = row.get("value_as_number")
    if value is None or not math.isfinite(value):
        return Verdict("rejected_value")

    concept = row.get("unit_concept_id")
    text = without_blanks(row.get("unit_source_value") or "")
    texts = {without_blanks(t): f for t, f in settings.unit_texts[quantity].items()}
    if concept in settings.unit_concepts[quantity]:
        factor, unit_from = settings.unit_concepts[quantity][concept], "concept"
    elif text in texts:
        factor, unit_from = texts[text], "text"
    elif concept in (None, 0) and not text and quantity in settings.missing_unit_accepted:
        factor, unit_from = 1.0, "missing"
    else:
        return Verdict("rejected_unit")

    if quantity == "body_height" and factor == FOOT and may_be_inches(row):
        return Verdict("rejected_unit", is_ambiguous=True)

    low, high = settings.limits[quantity]
    converted = float(value) * float(factor)
    if not low <= converted <= high:
        return Verdict("rejected_limit")
    return Verdict("usable", converted, factor, unit_from)


def may_be_inches(row: Row) -> bool:
    """Whether a height of 4 to 7 feet may be feet and inches, by its text or its digits."""
    value = row["value_as_number"]
    if not 4 <= value <= 7:
        return False
    text = without_blanks(row.get("value_source_value") or "").replace(".", "").replace(",", "")
    after_feet = f"[{FEET}].|^[^-]+-.|ft.|feet.|foot."
    if "measurement_id" in row and re.search(f"[{INCHES}]|in|{after_feet}", text):
        return True
    digits = repr(float(value)).partition(".")[2]
    return len(digits) <= 2 and 1 <= int(digits.ljust(2, "0")) <= 11


def candidates(cdm: Cdm, settings: Settings, person: Row, quantity: str) -> list[Reading]:
    """The person's records of a quantity in its window, usable or not."""
    measured = {
        "crp": settings.crp + settings.crp_moles,
        "cdai": settings.cdai_concept_ids,
        "bmi": settings.bmi,
        "body_weight": settings.body_weight,
        "body_height": settings.body_height,
    }[quantity]
    observed = {"crp": settings.crp_observation_table, "cdai": settings.cdai_concept_ids}
    concepts = {"measurement": measured, "observation": observed.get(quantity, ())}
    lookback = settings.lookback_days[quantity]
    readings = []
    for table in ("measurement", "observation"):
        for row in counting(cdm, settings, table, {*concepts[table]}):
            if row["person_id"] != person["person_id"]:
                continue
            day = row[f"{table}_date"]
            if not happened_by(day, settings.as_of_date):
                continue
            if lookback is not None and day < settings.as_of_date - timedelta(days=lookback):
                continue
            if quantity == "body_height":
                age = age_on(person, day, settings)
                if age is None or age < settings.height_from_age:
                    continue
            readings.append(Reading(table, row, judge(settings, quantity, row)))
    return readings


def latest_reading(
    cdm: Cdm, settings: Settings, person: Row, quantity: str, quality: dict[tuple[str, str], int]
) -> Reading | None:
    """The latest usable record, None without one; the counts of all candidates go to quality."""
    readings = candidates(cdm, settings, person, quantity)
    quality[quantity, "n_records"] += len(readings)
    usable = [reading for reading in readings if reading.verdict.reason == "usable"]
    for reading in readings:
        if reading.verdict.reason != "usable":
            quality[quantity, f"n_{reading.verdict.reason}"] += 1
        if reading.verdict.is_ambiguous:
            name = (quantity, "n_rejected_unit:feet_and_inches")
            quality[name] = quality.get(name, 0) + 1
    for reading in usable:
        quality[quantity, "n_converted"] += reading.verdict.factor != 1
        quality[quantity, "n_censored"] += reading.is_censored(settings)
        quality[quantity, "n_unit_from_text"] += reading.verdict.unit_from == "text"
        quality[quantity, "n_unit_missing"] += reading.verdict.unit_from == "missing"
    return max(usable, key=Reading.order, default=None)


def body_mass_index(settings: Settings, latest: dict[str, Reading | None]) -> tuple[Any, ...]:
    recorded, weight, height = latest["bmi"], latest["body_weight"], latest["body_height"]
    if recorded is not None:
        return (recorded.verdict.value, "observed", *recorded.evidence(settings))
    if weight is not None and height is not None:
        low, high = settings.limits["bmi"]
        value = weight.verdict.value / (height.verdict.value / 100) ** 2
        if low <= value <= high:
            return (value, "computed", *weight.evidence(settings, is_value=False))
    return imputed(settings, "bmi")


def weight_and_height(cdm: Cdm, settings: Settings, person: Row) -> list[tuple[Any, ...]]:
    """The two records of a computed body mass index."""
    rows = []
    for quantity in ("body_weight", "body_height"):
        reading = latest_reading(cdm, settings, person, quantity, empty_quality())
        assert reading is not None
        used = (person["person_id"], quantity, "bmi", reading.verdict.value)
        rows.append((*used, *reading.evidence(settings)))
    return rows


def exposures(cdm: Cdm, settings: Settings, person_id: int, concepts: set[int]) -> list[Row]:
    """The person's exposures to any of the concepts that started on or before the index date."""
    return [
        row
        for row in counting(cdm, settings, "drug_exposure", concepts)
        if row["person_id"] == person_id
        and happened_by(row["drug_exposure_start_date"], settings.as_of_date)
    ]


def days_covered(row: Row) -> int:
    """Length of an exposure, both ends included; a supply can outlast the calendar, so no date."""
    days = 1
    end, supply = row.get("drug_exposure_end_date"), row.get("days_supply")
    if end is not None:
        days = max(days, (end - row["drug_exposure_start_date"]).days + 1)
    if supply is not None:
        days = max(days, int(supply))
    return days


def reaches(row: Row, settings: Settings, covariate: str) -> bool:
    """Whether the last day of the exposure is in the lookback window or later."""
    lookback = settings.lookback_days[covariate]
    assert lookback is not None
    days_ago = (settings.as_of_date - row["drug_exposure_start_date"]).days
    return days_ago - (days_covered(row) - 1) <= lookback


def latest_row(rows: list[Row], table: str, start: str) -> tuple[Any, ...]:
    """The evidence of a yes: the latest row by date, then id."""
    row = max(rows, key=lambda r: (r[start], r[f"{table}_id"]))
    concept = "drug_concept_id" if table == "drug_exposure" else "condition_concept_id"
    return (table, row[f"{table}_id"], row[concept], row[start], None, *NO_UNIT)


def yes_or_absent(rows: list[Row]) -> tuple[Any, ...]:
    if not rows:
        return (0.0, "absent", *NO_EVIDENCE)
    return (1.0, "observed", *latest_row(rows, "drug_exposure", "drug_exposure_start_date"))


def prior_anti_tnf(cdm: Cdm, settings: Settings, person_id: int) -> list[Row]:
    taken = exposures(cdm, settings, person_id, descendants(cdm, settings.biologic_anti_tnf))
    return [row for row in taken if row["drug_exposure_start_date"] < settings.as_of_date]


def immunomodulators(cdm: Cdm, settings: Settings, person_id: int) -> list[Row]:
    taken = exposures(cdm, settings, person_id, descendants(cdm, settings.immunomodulator))
    return [row for row in taken if reaches(row, settings, "immunomodulator")]


def how_taken(cdm: Cdm, settings: Settings, row: Row) -> str:
    """oral, injected, local or unclassified: from the dose forms, without one from the route.

    A mapped product without a dose form has those of the corticosteroids that it leads to.
    """
    product = row["drug_concept_id"] or row.get("drug_source_concept_id")
    members = descendants(cdm, settings.steroid_always_systemic + settings.steroid_by_form)
    forms = dose_forms(cdm, {product})
    if not forms and product not in members:
        forms = dose_forms(cdm, leads_to(cdm, product) & members)
    route = row.get("route_concept_id")
    ways = (
        ("oral", settings.dose_form_oral, settings.route_oral),
        ("injected", settings.dose_form_injectable, settings.route_injected),
        ("local", settings.dose_form_exclude, settings.route_local_exclude),
    )
    for way, way_forms, way_routes in ways:
        if (forms & set(way_forms)) if forms else (route in way_routes):
            return way
    if forms:
        return "unclassified"
    always_systemic = descendants(cdm, settings.steroid_always_systemic)
    if settings.concept_mapping == "follow":
        always_systemic |= mapped_into(cdm, always_systemic)
    return "oral" if product in always_systemic else "unclassified"


def dose_forms(cdm: Cdm, products: set[int]) -> set[int]:
    return {
        link["concept_id_2"]
        for link in cdm.get("concept_relationship", [])
        if link["concept_id_1"] in products
        and link["relationship_id"] == "RxNorm has dose form"
        and not (link.get("invalid_reason") or "").strip()
    }


def steroids(
    cdm: Cdm, settings: Settings, person_id: int, quality: dict[tuple[str, str], int]
) -> list[Row]:
    """The exposures that count; what was seen on the way goes to quality."""
    ingredients = settings.steroid_always_systemic + settings.steroid_by_form
    counting, any_unclassified = [], False
    for row in exposures(cdm, settings, person_id, descendants(cdm, ingredients)):
        if not reaches(row, settings, "steroid"):
            continue
        taken = how_taken(cdm, settings, row)
        if taken == "injected" and days_covered(row) == 1:
            taken = "injected_one_day"
        quality["steroid", f"n_{taken}"] += 1
        any_unclassified |= taken == "unclassified"
        if taken in ("oral", "injected"):
            counting.append(row)
    quality["steroid", "n_unclassified_persons"] += any_unclassified
    return counting


def ileal(cdm: Cdm, settings: Settings, person_id: int) -> tuple[Any, ...]:
    """Exact ids, never descendants: jejunum and duodenum stand under the small intestine."""
    ileum = settings.cd_ileal_definite + settings.cd_ileal_probable
    for value, concepts in ((1.0, ileum), (0.0, settings.cd_not_ileal_colon)):
        rows = [
            row
            for row in counting(cdm, settings, "condition_occurrence", {*concepts})
            if row["person_id"] == person_id
            and happened_by(row["condition_start_date"], settings.as_of_date)
        ]
        if rows:
            evidence = latest_row(rows, "condition_occurrence", "condition_start_date")
            return (value, "observed", *evidence)
    return imputed(settings, "ileal")


def treatment_lines(cdm: Cdm, settings: Settings, person_id: int) -> list[tuple[Any, ...]]:
    firsts = []
    for order, (drug, drug_class, ingredients) in enumerate(settings.line_drugs):
        taken = exposures(cdm, settings, person_id, descendants(cdm, ingredients))
        if taken:
            starts = [row["drug_exposure_start_date"] for row in taken]
            days = [(settings.as_of_date - start).days for start in starts]
            left = [min(n, days_covered(row) - 1) for n, row in zip(days, taken, strict=True)]
            last_day = max(s + timedelta(n) for s, n in zip(starts, left, strict=True))
            is_current = (settings.as_of_date - last_day).days <= settings.continuing_days
            latest = (max(starts), last_day, is_current)
            firsts.append((min(starts), order, drug, drug_class, latest))
    return [
        (person_id, number, drug, drug_class, first, *latest)
        for number, (first, _, drug, drug_class, latest) in enumerate(sorted(firsts), start=1)
    ]
