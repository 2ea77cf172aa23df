"""The audits over plain rows: a slow, independent peer of the SQL, on top of the extractor.

One loop per rule, and nothing of the package: what the models say of a patient comes in as a
function from covariates to a label and the class that is ruled out.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from statistics import NormalDist
from typing import Any

from tests.support.extractor import (
    COVARIATES,
    FEMALE,
    MALE,
    Cdm,
    Extraction,
    Row,
    Settings,
    age_on,
    counting,
    days_covered,
    descendants,
    drugs_read,
    empty_quality,
    exposures,
    happened_by,
    leave_out,
    patient_covariates,
)
from tests.support.persistence_peer import OnDrug, persistence


@dataclass(frozen=True)
class Said:
    """What the models say of a patient; `ruled_out` is the key of a class."""

    label: str
    ruled_out: str | None


Say = Callable[[Mapping[str, float]], Said]
Counts = tuple[Any, ...]

WITH_SHARE = "n_persons, {}, share, ci_low, ci_high"
COLUMNS = {
    "prevalence": "population, measure, " + WITH_SHARE.format("n_population"),
    "age_sex_pyramid": "population, age_group, sex, n_persons",
    "next_treatment": "population, index_rule, index_class, next_class, "
    + WITH_SHARE.format("n_population"),
    "index_treatment": "person_id, index_rule, drug, drug_class, index_date, population, "
    "preferred, next_drug, next_class, next_date, days_to_next",
    "next_treatment_time": "population, index_rule, index_class, n_persons, "
    "first_quartile_days, median_days, third_quartile_days",
    "preference_concordance": "population, preferred, next_class, n_persons",
    "subgroup_summary": "stratum, stratum_value, subgroup, " + WITH_SHARE.format("n_stratum"),
    "preference_summary": "stratum, stratum_value, preference_group, "
    + WITH_SHARE.format("n_stratum"),
    "current_treatment": "population, treatment, preference_group, preferred, drug_class, "
    + WITH_SHARE.format("n_population"),
    "treated_otherwise": "population, treatment, class_used, " + WITH_SHARE.format("n_population"),
    "prevalence_by_year": "event, calendar_year, measure, " + WITH_SHARE.format("n_population"),
    "patient_attribute": "person_id, race, care_site_id, care_site_name, first_record_date, "
    "current_drug, current_class, is_exposed",
    "persistence": "population, index_rule, drug_class, preference, days, n_at_risk, n_stopped, "
    "share, ci_low, ci_high",
    "persistence_mean": "population, index_rule, drug_class, preference, n_persons, mean_days, "
    "ci_low, ci_high, difference_days, difference_ci_low, difference_ci_high, p_value",
}
CLASSES = {"TNF": "anti_tnf", "IL": "anti_il12_23", "INT": "anti_integrin"}
GROUPS = (
    *("anti_tnf_alone", "anti_il12_23_alone", "anti_integrin_alone"),
    *("shared_top", "no_preference"),
)
LABELS = (
    *("TNF > IL > INT", "TNF > INT > IL", "IL > TNF > INT", "IL > INT > TNF", "INT > TNF > IL"),
    *("INT > IL > TNF", "TNF > (IL = INT)", "IL > (TNF = INT)", "INT > (TNF = IL)"),
    *("(TNF = IL) > INT", "(TNF = INT) > IL", "(IL = INT) > TNF", "(TNF = IL = INT)"),
)
PREFERRED = (
    *("anti_tnf", "anti_il12_23", "anti_integrin", "anti_tnf = anti_il12_23"),
    *("anti_tnf = anti_integrin", "anti_il12_23 = anti_integrin", "no_preference", "not_scored"),
)
RACES = {
    8527: "race_white",
    8516: "race_black_or_african_american",
    8515: "race_asian",
    8657: "race_american_indian_or_alaska_native",
    8557: "race_native_hawaiian_or_other_pacific_islander",
    8522: "race_other",
}
AGE_GROUPS = (
    *("Under 5", "5 to 9", "10 to 14", "15 to 19", "20 to 24", "25 to 29", "30 to 34", "35 to 39"),
    *("40 to 44", "45 to 49", "50 to 54", "55 to 59", "60 to 64", "65 to 69", "70 to 74"),
    *("75 to 79", "80 to 84", "85 and over"),
)
POPULATIONS = ("crohns_disease", "biologic_exposed", "first_biologic_since")
TREATED = ("all", "women_50_and_over", "men_50_and_over", "women_under_50", "men_under_50")
INDEX_RULES = {"first_biologic": tuple(CLASSES.values()), "first_anti_tnf": ("anti_tnf",)}
NEXT_CLASSES = (
    *(*CLASSES.values(), "other_advanced"),
    *("none_died", "none_continuing", "none_stopped"),
)
TRIAL_RANGE = {
    "age": (19.0, 69.0),
    "bmi": (15.39, 41.79),
    "crp": (-math.inf, 118.0),
    "cdai": (197.0, 456.0),
}


@dataclass
class Line:
    """A treatment line."""

    drug: str
    drug_class: str
    start: date
    last_start: date
    last_day: date
    is_current: bool


@dataclass
class Patient:
    """A person of the cohort; `covariates` (value and status) and `said` are of the scored."""

    person_id: int
    birth: Row | None
    age: int | None
    sex: str
    race: str
    is_dead: bool
    lines: list[Line]
    care_site: tuple[int | None, str | None]
    first_record: date
    covariates: dict[str, tuple[float, str]] | None = None
    said: Said | None = None

    @property
    def label(self) -> str | None:
        return None if self.said is None else self.said.label

    def first(self, classes: Sequence[str]) -> int | None:
        """The place of the first line of any of the classes."""
        places = [i for i, line in enumerate(self.lines) if line.drug_class in classes]
        return min(places, default=None)

    def first_biologic(self) -> date | None:
        """The day of the first line of the six."""
        place = self.first(INDEX_RULES["first_biologic"])
        return None if place is None else self.lines[place].start


@dataclass
class Indexed:
    """An index line: of whom, in which populations, what came next, what the models preferred."""

    patient: Patient
    populations: list[str]
    line: Line
    next_class: str
    after: Line | None
    preferred: str = ""

    @property
    def days(self) -> int | None:
        return None if self.after is None else (self.after.start - self.line.start).days


def audit(cdm: Cdm, settings: Settings, found: Extraction, say: Say) -> dict[str, list[Counts]]:
    """The rows of each audit's table, the columns as in `COLUMNS`, in order."""
    patients = find_patients(cdm, settings, found, say)
    indexed = {rule: index(cdm, settings, patients, rule) for rule in INDEX_RULES}
    preferred: dict[tuple[int, date], str] = {}
    for one in (each for found in indexed.values() for each in found):
        key = (one.patient.person_id, one.line.start)
        if key not in preferred:
            preferred[key] = preferred_on(cdm, settings, one.patient, one.line.start, say)
        one.preferred = preferred[key]
    scored = [patient for patient in patients if patient.label is not None]
    tables = {
        "prevalence": prevalence(settings, patients),
        "age_sex_pyramid": pyramid(settings, patients),
        "next_treatment": next_treatment(indexed),
        "index_treatment": index_treatment(indexed),
        "next_treatment_time": next_treatment_time(indexed),
        "preference_concordance": concordance(indexed["first_biologic"]),
        "subgroup_summary": subgroup_summary(scored),
        "preference_summary": preference_summary(scored),
        "current_treatment": current_treatment(scored),
        "treated_otherwise": treated_otherwise(scored),
        "prevalence_by_year": prevalence_by_year(cdm, settings, patients),
        "patient_attribute": [attributes(patient) for patient in scored],
        **persistence(persons_on_drugs(cdm, settings, patients, indexed)),
    }
    return {name: sorted(rows) for name, rows in tables.items()}


def find_patients(cdm: Cdm, settings: Settings, found: Extraction, say: Say) -> list[Patient]:
    persons = {row["person_id"]: row for row in cdm.get("person", [])}
    dead = {
        row["person_id"]
        for row in cdm.get("death", [])
        if happened_by(row["death_date"], settings.as_of_date)
    }
    days = disease_days(cdm, settings)
    patients = {}
    for person_id, _, age in found.cohort:
        birth = persons.get(person_id)
        known = birth or {}
        patients[person_id] = Patient(
            person_id,
            birth,
            age,
            {FEMALE: "female", MALE: "male"}.get(known.get("gender_concept_id"), "unknown"),
            RACES.get(known.get("race_concept_id"), "unknown"),
            person_id in dead,
            [Line(*line[2:]) for line in found.treatment_line if line[0] == person_id],
            care_site(cdm, known.get("care_site_id")),
            min(days[person_id]),
        )
    for person_id in found.scored:
        rows = [row[1:4] for row in found.patient_covariate if row[0] == person_id]
        patient = patients[person_id]
        patient.covariates = {name: (value, status) for name, value, status in rows}
        patient.said = say({name: value for name, value, _ in rows})
    return list(patients.values())


def care_site(cdm: Cdm, number: int | None) -> tuple[int | None, str | None]:
    """The id of a care site and its name; 0 is no care site, and blanks are no name."""
    if not number:
        return (None, None)
    rows = [row for row in cdm.get("care_site", []) if row["care_site_id"] == number]
    names = [(row["care_site_name"] or "").strip(" ") for row in rows]
    return (number, min((name for name in names if name), default=None))


def attributes(patient: Patient) -> Counts:
    """What patient_attribute says of a scored person."""
    current = [line for line in patient.lines if line.is_current]
    places = sorted(range(len(current)), key=lambda i: (current[i].last_start, i))
    used = (current[places[-1]].drug, current[places[-1]].drug_class) if places else (None, None)
    race = "race_unknown" if patient.race == "unknown" else patient.race
    who = (patient.person_id, race, *patient.care_site, patient.first_record)
    return (*who, *used, bool(patient.lines))


def with_share(n: int, n_of: int) -> tuple[float | None, ...]:
    """Share and Wilson's 95% interval (1927), as textbooks print it."""
    if n_of == 0:
        return (None, None, None)
    z, p = NormalDist().inv_cdf(0.975), n / n_of
    middle = p + z**2 / (2 * n_of)
    half = z * math.sqrt(p * (1 - p) / n_of + z**2 / (4 * n_of**2))
    whole = 1 + z**2 / n_of
    return (p, (middle - half) / whole, (middle + half) / whole)


def members(settings: Settings, patients: Iterable[Patient]) -> dict[str, list[Patient]]:
    """The three nested populations."""
    crohns = list(patients)
    exposed = [p for p in crohns if p.first_biologic()]
    since = [p for p in exposed if (p.first_biologic() or date.min) >= settings.since]
    return dict(zip(POPULATIONS, (crohns, exposed, since), strict=True))


def is_woman_of_50(patient: Patient) -> bool:
    return patient.sex == "female" and patient.age is not None and patient.age >= 50


def first_group(label: str) -> list[str]:
    """The keys of the classes that a label puts first."""
    return [CLASSES[name] for name in label.partition(" > ")[0].strip("()").split(" = ")]


def prevalence(settings: Settings, patients: list[Patient]) -> list[Counts]:
    rows = []
    for population, people in members(settings, patients).items():
        scored = [p for p in people if p.label is not None]
        counts = {
            "women_50_and_over": (sum(map(is_woman_of_50, people)), len(people)),
            "age_or_sex_unknown": (
                sum(p.age is None or p.sex == "unknown" for p in people),
                len(people),
            ),
        }
        for key in CLASSES.values():
            alone = sum(first_group(p.label or "") == [key] for p in scored)
            counts[f"{key}_alone_on_top"] = (alone, len(scored))
        for race in (*RACES.values(), "unknown"):
            measure = "race_unknown" if race == "unknown" else race
            counts[measure] = (sum(p.race == race for p in people), len(people))
        rows += [(population, name, *n, *with_share(*n)) for name, n in counts.items()]
    return rows


def age_group(age: int | None) -> str:
    return "unknown" if age is None else AGE_GROUPS[max(0, min(age // 5, len(AGE_GROUPS) - 1))]


def pyramid(settings: Settings, patients: list[Patient]) -> list[Counts]:
    rows = []
    for population, people in members(settings, patients).items():
        bars = [(age_group(p.age), p.sex) for p in people]
        rows += [
            (population, group, sex, bars.count((group, sex)))
            for group in (*AGE_GROUPS, "unknown")
            for sex in ("female", "male", "unknown")
        ]
    return rows


def index(cdm: Cdm, settings: Settings, patients: list[Patient], rule: str) -> list[Indexed]:
    """Those whose index line is not before `since`."""
    found = []
    for patient in patients:
        place = patient.first(INDEX_RULES[rule])
        if place is None or patient.lines[place].start < settings.since:
            continue
        line = patient.lines[place]
        age = patient.age
        if settings.age_at == "index":
            age = age_on(patient.birth, line.start, settings)
        populations = ["all"]
        if age is not None and patient.sex != "unknown":
            who = {"female": "women", "male": "men"}[patient.sex]
            populations.append(f"{who}_{'50_and_over' if age >= 50 else 'under_50'}")
        after = None
        if place + 1 < len(patient.lines):
            after = patient.lines[place + 1]
            next_class = after.drug_class
        elif patient.is_dead:
            next_class = "none_died"
        elif continues(cdm, settings, patient.person_id, line.drug):
            next_class = "none_continuing"
        else:
            next_class = "none_stopped"
        found.append(Indexed(patient, populations, line, next_class, after))
    return found


def continues(cdm: Cdm, settings: Settings, person_id: int, drug: str) -> bool:
    """Whether any exposure to the drug reaches the last `continuing_days` days."""
    [ingredients] = [concepts for name, _, concepts in settings.line_drugs if name == drug]
    return any(
        (settings.as_of_date - row["drug_exposure_start_date"]).days - (days_covered(row) - 1)
        <= settings.continuing_days
        for row in exposures(cdm, settings, person_id, descendants(cdm, ingredients))
    )


def groups(indexed: dict[str, list[Indexed]]) -> Iterable[tuple[tuple[str, ...], list[Indexed]]]:
    """Every population, index rule and index class, with its people."""
    for rule, everybody in indexed.items():
        for population in TREATED:
            for index_class in ("all", *CLASSES.values()):
                yield (
                    (population, rule, index_class),
                    [
                        one
                        for one in everybody
                        if population in one.populations
                        and index_class in ("all", one.line.drug_class)
                    ],
                )


def next_treatment(indexed: dict[str, list[Indexed]]) -> list[Counts]:
    rows = []
    for key, people in groups(indexed):
        for next_class in NEXT_CLASSES:
            n = sum(one.next_class == next_class for one in people)
            rows.append((*key, next_class, n, len(people), *with_share(n, len(people))))
    return rows


def index_treatment(indexed: dict[str, list[Indexed]]) -> list[Counts]:
    rows = []
    for rule, everybody in indexed.items():
        for one in everybody:
            line, after = one.line, one.after
            population = one.populations[1] if len(one.populations) == 2 else None
            index = (one.patient.person_id, rule, line.drug, line.drug_class, line.start)
            following = (None, one.next_class, None, None)
            if after is not None:
                following = (after.drug, one.next_class, after.start, one.days)
            rows.append((*index, population, one.preferred, *following))
    return rows


def quantile(ordered: list[int], share: float) -> float | None:
    """Linear between the two neighbours of place share * (n - 1)."""
    if not ordered:
        return None
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def next_treatment_time(indexed: dict[str, list[Indexed]]) -> list[Counts]:
    rows = []
    for key, people in groups(indexed):
        days = sorted(one.days for one in people if one.days is not None)
        rows.append((*key, len(days), *(quantile(days, share) for share in (0.25, 0.5, 0.75))))
    return rows


def preferred_on(cdm: Cdm, settings: Settings, patient: Patient, day: date, say: Say) -> str:
    """What the label puts first when nothing after the day is known, or why there is none."""
    then = replace(settings, as_of_date=day)
    number, birth = patient.person_id, patient.birth
    persons = {} if birth is None else {number: birth}
    _, scored = leave_out(cdm, then, [number], persons, {number: age_on(birth, day, then)})
    if not scored:
        return "not_scored"
    assert birth is not None
    found = patient_covariates(cdm, then, birth, empty_quality())
    first = first_group(say({name: value for name, value, *_ in found}).label)
    return "no_preference" if len(first) == len(CLASSES) else " = ".join(first)


def concordance(indexed: list[Indexed]) -> list[Counts]:
    pairs = [
        (population, one.preferred, one.next_class)
        for one in indexed
        for population in one.populations
    ]
    return [
        (population, preferred, next_class, pairs.count((population, preferred, next_class)))
        for population in TREATED
        for preferred in PREFERRED
        for next_class in NEXT_CLASSES
    ]


def persons_on_drugs(
    cdm: Cdm, settings: Settings, patients: list[Patient], indexed: dict[str, list[Indexed]]
) -> list[OnDrug]:
    """Those followed on their index drug, by index rule."""
    last = last_day(cdm, settings, patients)
    found = []
    for rule, people in indexed.items():
        for one in people:
            days = days_on_drug(cdm, settings, one, last)
            if days is not None:
                given = one.line.drug_class
                preferred = one.preferred
                if preferred not in ("no_preference", "not_scored"):
                    is_preferred = given in preferred.split(" = ")
                    preferred = "preferred" if is_preferred else "others_preferred"
                found.append(OnDrug(one.populations, rule, given, preferred, *days))
    return found


def days_on_drug(cdm: Cdm, settings: Settings, one: Indexed, last: date) -> tuple[int, bool] | None:
    """Days to the end of the index drug, or followed without one; whether it is known to end.

    None where an end on the index date itself could not be known yet.
    """
    deaths = [
        row["death_date"]
        for row in cdm.get("death", [])
        if row["person_id"] == one.patient.person_id and happened_by(row["death_date"], last)
    ]
    start = one.line.start
    followed = (min([last, *deaths]) - start).days - settings.gap_days - 1
    if followed < 0:
        return None
    [ingredients] = [concepts for name, _, concepts in settings.line_drugs if name == one.line.drug]
    covered = [
        (day, day + max(days_covered(row), settings.exposure_days) - 1)
        for row in exposures(cdm, settings, one.patient.person_id, descendants(cdm, ingredients))
        for day in [(row["drug_exposure_start_date"] - start).days]
    ]
    end = 0
    while further := [b for a, b in covered if a - end <= settings.gap_days and b > end]:
        end = max(further)
    lines = one.patient.lines
    for line in lines[lines.index(one.line) + 1 :]:
        if line.drug_class != one.line.drug_class:
            end = min(end, (line.start - start).days)
    return min(end, followed), end <= followed


def last_day(cdm: Cdm, settings: Settings, patients: list[Patient]) -> date:
    """The newest start, up to the as-of date, of a drug of the cohort that the rules ask for."""
    cohort = {patient.person_id for patient in patients}
    return max(
        (
            row["drug_exposure_start_date"]
            for row in counting(cdm, settings, "drug_exposure", drugs_read(cdm, settings))
            if row["person_id"] in cohort
            and happened_by(row["drug_exposure_start_date"], settings.as_of_date)
        ),
        default=settings.as_of_date,
    )


def trial_range(patient: Patient) -> str:
    assert patient.covariates is not None
    for name, (low, high) in TRIAL_RANGE.items():
        value, status = patient.covariates[name]
        if status in ("observed", "computed") and not low <= value <= high:
            return "no"
    return "yes" if patient.covariates["cdai"][1] == "observed" else "unknown"


def strata(patient: Patient) -> dict[str, str]:
    """Where a scored person stands."""
    assert patient.covariates is not None
    assert patient.said is not None
    first = patient.first_biologic()
    statuses = [patient.covariates[name][1] for name in COVARIATES]
    number, name = patient.care_site
    site = "unknown" if number is None else str(number) if name is None else f"{name} ({number})"
    race = "race_unknown" if patient.race == "unknown" else patient.race
    assert patient.age is not None
    half = "50 and over" if patient.age >= 50 else "under 50"

    def yes_no(is_yes: bool) -> str:
        return "yes" if is_yes else "no"

    return {
        "all": "all",
        "sex": patient.sex,
        "age_group": age_group(patient.age),
        "women_50_and_over": yes_no(is_woman_of_50(patient)),
        "race": patient.race,
        "prior_anti_tnf": yes_no(patient.covariates["prior_anti_tnf"][0] == 1),
        "first_biologic_year": "none" if first is None else str(first.year),
        "first_record_year": str(patient.first_record.year),
        "care_site": site,
        "race_sex_age": f"{race}, {patient.sex}, {half}",
        "imputed": yes_no("imputed" in statuses),
        "within_trial_range": trial_range(patient),
        "preference_group": group_of(patient.said.label),
        "ruled_out_class": patient.said.ruled_out or "none",
    }


def group_of(label: str) -> str:
    """The class on top alone, or whether some or all of the classes are."""
    first = first_group(label)
    if len(first) == 1:
        return f"{first[0]}_alone"
    return "no_preference" if len(first) == len(CLASSES) else "shared_top"


def subgroup_summary(scored: list[Patient]) -> list[Counts]:
    """All thirteen labels for every value of a stratum that occurs."""
    labels: dict[tuple[str, str], list[str | None]] = {}
    for patient in scored:
        for stratum in strata(patient).items():
            labels.setdefault(stratum, []).append(patient.label)
    return [
        (*stratum, label, n, len(found), *with_share(n, len(found)))
        for stratum, found in labels.items()
        for label in LABELS
        for n in [found.count(label)]
    ]


def preference_summary(scored: list[Patient]) -> list[Counts]:
    """The five groups for every value of a stratum that occurs, except the groups themselves."""
    groups: dict[tuple[str, str], list[str]] = {}
    for patient in scored:
        for stratum, value in strata(patient).items():
            if stratum != "preference_group":
                groups.setdefault((stratum, value), []).append(group_of(patient.label or ""))
    return [
        (*stratum, group, n, len(found), *with_share(n, len(found)))
        for stratum, found in groups.items()
        for group in GROUPS
        for n in [found.count(group)]
    ]


SHARED = ("anti_tnf = anti_il12_23", "anti_tnf = anti_integrin", "anti_il12_23 = anti_integrin")
WHICH = [
    ("all", "all"),
    *((group, "all") for group in GROUPS),
    *(("shared_top", s) for s in SHARED),
]


def is_active(patient: Patient) -> bool:
    """Whether a recorded CDAI, or without one a recorded CRP, says that the disease is active."""
    assert patient.covariates is not None
    (cdai, of_cdai), (crp, of_crp) = patient.covariates["cdai"], patient.covariates["crp"]
    return cdai >= 150 if of_cdai == "observed" else of_crp == "observed" and crp > 10


def drug_class_of(patient: Patient, treatment: str) -> str:
    """The class in use, or the one last used: by the day on which the latest exposure started."""
    lines = [line for line in patient.lines if line.is_current]
    if treatment == "last" and not lines:
        lines = patient.lines
    if not lines:
        return "none"
    latest = max(range(len(lines)), key=lambda i: (lines[i].last_start, i))
    return lines[latest].drug_class


def now_populations(scored: list[Patient]) -> dict[str, list[Patient]]:
    return {
        "all": scored,
        "women_50_and_over": [p for p in scored if is_woman_of_50(p)],
        "active_disease": [p for p in scored if is_active(p)],
    }


def treated_otherwise(scored: list[Patient]) -> list[Counts]:
    rows = []
    for population, people in now_populations(scored).items():
        for treatment in ("current", "last"):
            used = [
                "none" if drug == "none" else "on_top" if drug == first[0] else "another"
                for p in people
                if len(first := first_group(p.label or "")) == 1
                for drug in [drug_class_of(p, treatment)]
            ]
            for word in ("on_top", "another", "none"):
                n = used.count(word)
                rows.append((population, treatment, word, n, len(used), *with_share(n, len(used))))
    return rows


def current_treatment(scored: list[Patient]) -> list[Counts]:
    rows = []
    for population, people in now_populations(scored).items():
        for group, preferred in WHICH:
            found = [p for p in people if group in ("all", group_of(p.label or ""))]
            if preferred != "all":
                found = [p for p in found if " = ".join(first_group(p.label or "")) == preferred]
            for treatment in ("current", "last"):
                given = [drug_class_of(p, treatment) for p in found]
                for drug_class in (*CLASSES.values(), "other_advanced", "none"):
                    n = given.count(drug_class)
                    key = (population, treatment, group, preferred, drug_class)
                    rows.append((*key, n, len(found), *with_share(n, len(found))))
    return rows


def disease_days(cdm: Cdm, settings: Settings) -> dict[int, list[date]]:
    """The days with a record of the disease up to the as-of date, by person."""
    members = descendants(cdm, (*settings.cohort_concept_ids, *settings.extra_cohort_concept_ids))
    days: dict[int, list[date]] = {}
    for row in counting(cdm, settings, "condition_occurrence", members):
        if happened_by(row["condition_start_date"], settings.as_of_date):
            days.setdefault(row["person_id"], []).append(row["condition_start_date"])
    return days


def prevalence_by_year(cdm: Cdm, settings: Settings, patients: list[Patient]) -> list[Counts]:
    """Who has a record of the disease, or the first of the six, in each year since `since`."""
    days = disease_days(cdm, settings)
    rows = []
    for year in range(settings.since.year, settings.as_of_date.year + 1):
        for event in ("disease_record", "first_biologic"):
            found = []
            for patient in patients:
                first = patient.first_biologic()
                known = days.get(patient.person_id, []) if event == "disease_record" else [first]
                if any(day and day >= settings.since and day.year == year for day in known):
                    found.append(patient)
            born = [(p.sex, (p.birth or {}).get("year_of_birth")) for p in found]
            counts = {
                "women_50_and_over": sum(
                    sex == "female" and year_born is not None and year - year_born >= 50
                    for sex, year_born in born
                ),
                "age_or_sex_unknown": sum("unknown" in each or None in each for each in born),
            }
            rows += [
                (event, year, measure, n, len(found), *with_share(n, len(found)))
                for measure, n in counts.items()
            ]
    return rows
