"""Hypothesis strategies for tiny CDMs that sit on the edges of the covariate rules.

A person and an event are a few bytes each, every byte picking one trait, the plain one for a zero.
Drawing is fast this way, and a failing CDM shrinks by dropping persons and events and by turning
single traits plain. The length is lists of traits.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from tests.support.extractor import UNIT_CONCEPTS, UNIT_TEXTS, Cdm, Row, Settings
from tests.support.thoroughness import examples

SITE_CDAI = 2_000_000_001
PRODUCT = 2_100_000_000
# The first integer that a double cannot hold apart from its neighbour.
NOT_A_DOUBLE = 2**53 + 1
NBSP = "\u00a0"

TABLES = (
    *("person", "condition_occurrence", "drug_exposure", "measurement", "observation", "death"),
    *("concept", "concept_ancestor", "concept_relationship", "care_site"),
)

#: Settings of the tests that draw CDMs.
GENERATED = settings(
    max_examples=examples(20),
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],  # a failing CDM is small; shrinking takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


class TinyCdm(dict[str, list[Row]]):
    """A CDM whose repr stays readable: filled columns, and of the vocabulary only what varies."""

    def __repr__(self) -> str:
        lines = []
        for table, rows in self.items():
            if table == "concept":
                continue
            if table == "concept_ancestor":
                present = {tuple(row.values())[:2] for row in rows}
                usual = {*CONDITION_LINKS, *DRUG_LINKS}
                lines.append(f"{table}: without {usual - present}, with {present - usual}")
                continue
            lines += [
                f"{table}: " + ", ".join(f"{n}={v}" for n, v in row.items() if v is not None)
                for row in rows
            ]
        return "\n".join(("", *lines))


class Scenario(tuple[Settings, Cdm]):
    """Settings and CDM; Hypothesis would print every field of a dataclass by itself."""

    def __repr__(self) -> str:
        return f"{self[0]!r}{self[1]!r}"


AS_OF_DATES = (
    *(date(2026, 1, 1), date(2024, 2, 29), date(2025, 2, 28), date(2025, 3, 1)),
    *(date(2024, 12, 31), date(2023, 6, 15), date(2020, 2, 28), date(2020, 3, 1)),
)

DAYS_AGO = (
    *(10, 0, 1, -1, 29, 30, 31, 89, 90, 91, 179, 180, 181, 729, 730, 731, 5, 60, 120, 400),
    *(1500, 4000, -30, 0, 30, 90, 180, 730),
)
NEXT_TO = (0, -1, 1)
FAR_DATES = (date(1900, 1, 1), date(2099, 12, 31), None)

CROHNS = 201606
CROHNS_CHILD = 4246693
ILEAL_CHILD_NOT_LISTED = PRODUCT + 900
UNLINKED = PRODUCT + 901
COLITIS, COLITIS_CHILD = 81893, PRODUCT + 902
COMPLICATION, COMPLICATION_CHILD = 46269889, PRODUCT + 903
PERIANAL = 4340812
CONDITIONS = (
    *(CROHNS, CROHNS_CHILD, 195585, 4244235, 195575, 194684, 4177488, 4239382, CROHNS),
    *(ILEAL_CHILD_NOT_LISTED, 4212992, 37116446, COLITIS, COLITIS_CHILD, COMPLICATION),
    *(COMPLICATION_CHILD, PERIANAL, UNLINKED, 201826, 0, CROHNS_CHILD, 37172546, 46269876),
)
# Concepts without descendant links, from which mappings may lead anywhere.
N_OLD = 10
OLD_CONDITIONS = tuple(PRODUCT + 800 + number for number in range(N_OLD))
OLD_DRUGS = tuple(PRODUCT + 820 + number for number in range(N_OLD))
OLD_MEASURED = tuple(PRODUCT + 840 + number for number in range(4))
OLD = (*OLD_CONDITIONS, *OLD_DRUGS, *OLD_MEASURED)
CONDITION_LINKS = (
    *((CROHNS, CROHNS), (CROHNS, CROHNS_CHILD), (CROHNS, 195585), (CROHNS, 4244235)),
    *((CROHNS, 195575), (CROHNS, 194684), (CROHNS, 4177488), (CROHNS, 4239382)),
    *((195585, ILEAL_CHILD_NOT_LISTED), (CROHNS, ILEAL_CHILD_NOT_LISTED), (195585, 4244235)),
    *((CROHNS_CHILD, UNLINKED), (COLITIS, COLITIS_CHILD), (COLITIS, COLITIS)),
    *((COMPLICATION, COMPLICATION_CHILD), (4074815, CROHNS), (4074815, COLITIS)),
    *((CROHNS, 4212992), (CROHNS, 46269876), (194684, 46269876)),
)

SIX = (1119119, 937368, 912263, 36857573, 40161532, 735843, 45774639)
OTHER_ADVANCED = (
    *(1151789, 35891916, 19041065, 1593700, 37499437, 1511348, 45892883, 35200139, 42904205),
    1361580,
)
IMMUNOMODULATORS = (19014878, 1436650, 1305058)
ALWAYS_SYSTEMIC = (1551099, 1550557, 1506270, 1507705)
BY_FORM = (975125, 1518254, 939259, 1115572)
NOT_SYSTEMIC = (920458, 903963, 19086888, 1555120)
SIMPLE_PRODUCT = {
    ingredient: PRODUCT + 500 + number
    for number, ingredient in enumerate((*SIX, *OTHER_ADVANCED, *IMMUNOMODULATORS))
}
# Descends from two ingredients of the lines at once, and one that only a missing link connects.
TWO_DRUGS, BEHIND_A_GAP = PRODUCT + 590, PRODUCT + 591
BIOLOGICS = {
    *(*SIX, *OTHER_ADVANCED, TWO_DRUGS, BEHIND_A_GAP),
    *(SIMPLE_PRODUCT[ingredient] for ingredient in (*SIX, *OTHER_ADVANCED)),
}
DRUG_LINKS = (
    *((ingredient, product) for ingredient, product in SIMPLE_PRODUCT.items()),
    *((937368, TWO_DRUGS), (1511348, TWO_DRUGS), (SIMPLE_PRODUCT[937368], BEHIND_A_GAP)),
    *((937368, 937368), (19014878, 19014878), (21601386, 937368), (21601386, 1551099)),
)
STEROID_PARENTS = (
    *((1551099,), (939259,), (975125,), (1506270, 975125), (1550557,), (1115572,), (1518254,)),
    *((1507705,), (939259, 1115572), (920458,), (920458, 1550557), (1518254, 1551099), ()),
)
N_PRODUCTS = 8
MARKS = ((None, "D"), (None, None), ("S", None), (None, "U"), ("S", "D"), ("C", None), ("", ""), ())
ORAL, INJECTABLE, ENEMA, INHALER, EYE_DROPS, UNKNOWN_FORM = (
    *(19082573, 46234469, 19082627, 19127579, 19129634),
    19_999_999,
)
DOSE_FORMS = (
    *((), (ORAL,), (INJECTABLE,), (ENEMA,), (UNKNOWN_FORM,), (ORAL, ENEMA), (INJECTABLE, INHALER)),
    *((ORAL, INJECTABLE), (UNKNOWN_FORM, EYE_DROPS), (19082080,), (46234468,), (37499223,)),
    *((UNKNOWN_FORM, ORAL), (19082199,), (19095972,), (1592486,)),
)
ROUTES = (
    *(None, 0, 4132161, 4128794, 4171047, 4302612, 4142048, 4290759, 45956874, 4263689, 4262914),
    *(4184451, 4023156, 4186831, None, 0),
)
SUPPLIES = (None, 1, 0, -5, 2, 30, 14, 90, 365, 100_000, 2_147_483_647, None, None, None)

NOT_FINITE = (None, math.nan, math.inf, -math.inf, 1e308, -1e308)
VALUES = {
    "bmi": (
        *(22.5, 24.07, 10.0, 80.0, 9.999999, 80.000001, math.nextafter(80.0, 81.0), 0.0, -22.5),
        *(18.5, 30.25, 41.8, *NOT_FINITE),
    ),
    "crp": (
        *(12.5, 3.0, 0.0, 500.0, 500.001, -0.001, 50.0, 50.001, 0.5, 500000.0, 118.5, 0.3, 5.0),
        *(5e-324, 4762.0, 4.7, 50000.0, 1.2, *NOT_FINITE),
    ),
    # 25 and 350 kg in grams, pounds and ounces on both sides of the edge, 40 and 320 kg for a BMI
    # of exactly 10 and 80 at 2 metres.
    "body_weight": (
        *(70.0, 82.5, 25.0, 350.0, 24.999, 350.001, 40.0, 320.0, 154.3, 70000.0, 2469.2, 25000.0),
        *(55.115, 55.116, 771.61, 771.62, 39.9, 321.0, 0.0, -70.0, 25 / 0.45359237, *NOT_FINITE),
    ),
    "body_height": (
        *(170.0, 182.5, 120.0, 230.0, 119.999, 230.001, 200.0, 200.0, 1.7, 2.0, 1.2, 2.3, 67.0),
        *(
            5.6,
            5.11,
            5.1,
            6.05,
            1700.0,
            1200.0,
            2300.0,
            47.244,
            90.551,
            3.937,
            0.0,
            -170.0,
            *NOT_FINITE,
        ),
    ),
    "cdai": (250.0, 0.0, 750.0, 750.001, -0.001, 150.0, 220.0, 450.0, 197.0, 17.5, *NOT_FINITE),
}
# In the canonical unit, to be written in whatever unit the record has. Pairs of weight and height
# stay away from a BMI of 10 or 80, where the last digit would decide.
PLAUSIBLE = {
    "bmi": (22.5, 31.2, 18.5),
    "crp": (12.5, 3.25, 87.0, 0.0, 500.0, 118.0),
    "body_weight": (70.0, 82.5, 55.5, 91.0, 25.0, 350.0),
    "body_height": (170.0, 182.5, 163.0, 176.0, 120.0, 230.0),
    "cdai": (250.0, 310.0, 180.0),
}
CONCEPTS = {
    "bmi": (3038553, 36304833, 40762636, 4060985),
    "crp": (
        *(3020460, 3010156, 3051387, 42870365, 1091617, 1469985, 4208414, 46234770, 46234771),
        *(37398482, 37398420, 37398482, 37398420, 3035320, 3028766, 37051295),
    ),
    "body_weight": (3025315, 3013762, 3023166, 3027492, 4099154, 4264825),
    "body_height": (3036277, 3036277, 3036277, 3025315),
    "cdai": (SITE_CDAI, SITE_CDAI + 1, SITE_CDAI, 0),
}
HEIGHT_TEXTS = (None, None, "5'11\"", "5.6 ft", "5 ft 7 in", "5-8", "", "6.0'")
WRONG_UNITS = (8753, 8554, 9529, 8582, 8751, 9531, NOT_A_DOUBLE)
UNIT_CONCEPT_IDS = {
    "bmi": (9531, None, 0, 8554, 8753),
    "crp": (
        *(8751, 8840, 8859, 8748, 8842, 8837, 8636, 8861, 4122414, 4121396, 8736, 8843, 8749),
        *(None, 0, 8753, 8753),
    ),
    "body_weight": (9529, 8739, 9346, 9373, 8504, 3195625, None, 0, 8753),
    "body_height": (8582, 9330, 9327, 9546, 8588, 9306, 9307, None, 0, 8753),
    "cdai": (44777566, None, 0, 8554),
}
TEXTS = {
    "bmi": ("kg/m2", "kg/m^2", "kg/m\u00b2", "kg/sqm", "kg/sq m", "bmi", "%", "percentile"),
    "crp": (
        *("mg/L", "mg/dL", "mg/l", "mgL", "mg per l", "milligram/l", "milligrams per liter"),
        *("mg%", "ug/ml", "mcg/ml", "\u00b5g/ml", "\u03bcg/ml", "ug/l", "mcg/l", "\u00b5g/l"),
        *("\u03bcg/l", "ng/ml", "ug/dl", "mcg/dl", "\u00b5g/dl", "\u03bcg/dl", "g/l", "gm/l"),
        *("mg/ml", "nmol/l", "nmol/ml", "umol/l", "\u00b5mol/l", "mmol/l", "\u03bcmol/l"),
    ),
    "body_weight": (
        *("kg", "lb", "kgs", "kilogram", "kilograms", "lbs", "pound", "pounds", "[lb_av]"),
        *("pound force", "oz", "ounce", "ounces", "g", "gram", "grams", "gm", "stone"),
        *("[lb_us]", "[lbf_av]", "[oz_av]"),
    ),
    "body_height": (
        *("cm", "in", "centimeter", "centimetre", "inch", "inches", '"', "m", "meter", "metre"),
        *("mm", "ft", "foot", "feet", "'", "[in_us]", "[in_i]", "[ft_i]", "[ft_us]"),
    ),
    "cdai": ("score", "points", "pts"),
}
NO_TEXTS = (None, "", " ", "\t", NBSP, f" \n{NBSP}\t\r")
QUANTITIES = ("bmi", "crp", "body_weight", "body_height", "cdai")
RACES = (8527, 0, 8516, 8515, 8657, 8557, 8522, None, 44814653, 8527, 0, 8516)
OPERATORS = (None, 4172703, 4171756, 4171754, 4172704, 4171755, 0)


def as_written(text: str, style: int) -> str:
    """A unit text as a site might write it: odd blanks and letter case."""
    return (
        text,
        text.upper(),
        f" {text}\t",
        f"{NBSP}{text}",
        text.replace("/", f" /{NBSP}"),
        text.title() + "\r\n",
        "\t".join(text),
        text.swapcase().replace(" ", "  "),
    )[style % 8]


@dataclass
class Builder:
    """Rows in the making; `as_of` is the centre of all dates, `last` the date that ties reuse."""

    settings: Settings
    id_base: int
    id_step: int
    cdm: TinyCdm = field(default_factory=lambda: TinyCdm({table: [] for table in TABLES}))
    last: date | None = None
    same_day: bool = False
    numbers: dict[str, int] = field(default_factory=dict)

    def add(self, table: str, **columns: Any) -> None:
        # A falling id sets the order of rows against the ids. An observation takes the id of the
        # measurement before it where it can.
        number = self.numbers.get(table, 0)
        if table == "observation":
            number = max(number, self.numbers.get("measurement", 0) - 1)
        self.numbers[table] = number + 1
        self.cdm[table].append({f"{table}_id": self.id_base + self.id_step * number, **columns})

    def day(self, trait: int) -> date | None:
        """A day near an edge of a window; a quarter of the days repeat the one before."""
        if (trait >= 192 or self.same_day) and self.last is not None:
            return self.last
        if trait in (189, 190, 191):
            return FAR_DATES[trait - 189]
        self.last = self.ago(DAYS_AGO[trait % len(DAYS_AGO)])
        return self.last

    def ago(self, days: int) -> date:
        return self.settings.as_of_date - timedelta(days=days)

    def moment(self, day: date | None, trait: int) -> datetime | None:
        """A time of the day; now and then on another day, as a time zone can make it."""
        if day is None:
            return None
        hours = (None, None, 0, 8, 20, 8, 23.999, -2, 25)[trait % 9]
        midnight = datetime.combine(day, time())
        return None if hours is None else midnight + timedelta(hours=hours)


def pick(options: tuple[Any, ...], trait: int) -> Any:
    return options[trait % len(options)]


def mostly(plain: int, options: tuple[Any, ...], trait: int) -> Any:
    """The first options by turns for traits under 200, else any."""
    return pick(options[:plain] if trait < 200 else options, trait)


def concepts_of(
    concept: int, old: tuple[int, ...], traits: tuple[int, int]
) -> tuple[int | None, int | None]:
    """Concept and source concept of a record: a quarter have an old one, or only a source one."""
    kind, choice = traits[0] % 16, traits[1]
    source = pick((*old, concept, 0, None, *old), choice)
    if kind in (3, 4):
        return pick(old, choice), None
    if kind in (5, 6):
        return pick((0, None), choice // 16), source
    return concept, source if kind == 7 else None


def add_condition(builder: Builder, person_id: int, event: bytes, birth: Row) -> None:
    day = builder.day(event[2])
    concept, source = pick(CONDITIONS, event[1]), None
    if len(event) > 5:
        concept, source = concepts_of(concept, OLD_CONDITIONS, (event[5], event[6]))
    builder.add(
        "condition_occurrence",
        person_id=person_id,
        condition_concept_id=concept,
        condition_source_concept_id=source,
        condition_start_date=day,
        condition_start_datetime=builder.moment(day, event[3]),
        condition_end_date=pick((None, day), event[4]),
        condition_type_concept_id=32817,
    )


def add_measurement(builder: Builder, person_id: int, event: bytes, birth: Row) -> None:
    quantity = pick(QUANTITIES, event[1])
    day = builder.day(event[2])
    if quantity == "body_height" and event[2] % 3 == 1 and birth["year_of_birth"]:
        day = birthday(birth, builder.settings.height_from_age) + timedelta(days=event[3] % 3 - 1)
    lookback = builder.settings.lookback_days[quantity]
    if lookback is not None and 128 <= event[11] < 192 and not builder.same_day:
        day = builder.last = builder.ago(lookback + pick(NEXT_TO, event[11]))
    concept = pick(CONCEPTS[quantity], event[4])
    unit_concept, text, factor = unit_of(quantity, event)
    value = pick(VALUES[quantity], event[5])
    if event[5] < 160:
        value = pick(PLAUSIBLE[quantity], event[5]) / factor
    concept, source = concepts_of(concept, OLD_MEASURED, (event[10] // 3, event[6]))
    in_observation = event[8] % 4 == 3 or (concept in (37398482, 37398420) and event[8] < 200)
    table = "observation" if in_observation else "measurement"
    columns: Row = {
        "person_id": person_id,
        f"{table}_concept_id": concept,
        f"{table}_source_concept_id": source,
        f"{table}_date": day,
        f"{table}_datetime": builder.moment(day, event[3]),
        f"{table}_type_concept_id": 32817,
        "value_as_number": value,
        "unit_concept_id": unit_concept,
        "unit_source_value": text,
    }
    if table == "measurement":
        columns["operator_concept_id"] = pick(OPERATORS, event[9])
        if quantity == "body_height":
            columns["value_source_value"] = pick(HEIGHT_TEXTS, event[9])
    builder.add(table, **columns)


def unit_of(quantity: str, event: bytes) -> tuple[int | None, str | None, float]:
    """Unit concept, unit text and a factor that fits: half of the time a unit that is accepted."""
    trait, style = event[7], event[10]
    concept, text = pick(UNIT_CONCEPT_IDS[quantity], event[6]), pick(TEXTS[quantity], trait)
    factor = UNIT_CONCEPTS[quantity].get(concept)
    if trait < 64:
        return concept, None, factor or 1.0
    if trait < 160:
        concept = pick((None, 0, 8753, concept), event[6] // 3)
        factor = UNIT_CONCEPTS[quantity].get(concept, UNIT_TEXTS[quantity].get(text))
        return concept, as_written(text, style), factor or 1.0
    if trait < 200:
        return pick((None, 0, 8753), event[6]), pick(NO_TEXTS, style), 1.0
    if trait < 220:
        other = pick(TEXTS[pick(QUANTITIES, event[6])], trait)
        return pick((None, 0, 8753), style), as_written(other, style), 1.0
    return pick(WRONG_UNITS, event[6]), as_written(text, style), UNIT_TEXTS[quantity].get(text, 1.0)


def add_drug(builder: Builder, person_id: int, event: bytes, birth: Row) -> None:
    family = pick(
        (
            (*SIX, *SIMPLE_PRODUCT.values(), TWO_DRUGS, BEHIND_A_GAP),
            (*(PRODUCT + n for n in range(N_PRODUCTS)), *ALWAYS_SYSTEMIC, *BY_FORM, *NOT_SYSTEMIC),
            (*IMMUNOMODULATORS, *(SIMPLE_PRODUCT[i] for i in IMMUNOMODULATORS), 0),
            (*(PRODUCT + n for n in range(N_PRODUCTS)), *ALWAYS_SYSTEMIC, *BY_FORM, *SIX),
            (*OTHER_ADVANCED, *SIX),
        ),
        event[1],
    )
    settings, concept = builder.settings, pick(family, event[5])
    start = builder.day(event[2])
    edges = [settings.lookback_days[name] or 0 for name in ("steroid", "immunomodulator")]
    if concept in BIOLOGICS:
        edges = [settings.continuing_days] * 2
    if event[10] >= 216 and not builder.same_day:
        # Around the day from which the audits follow a biologic, or the edge of a window.
        edge = settings.since if concept in BIOLOGICS else builder.ago(edges[event[6] % 2])
        start = builder.last = edge + timedelta(days=pick(NEXT_TO, event[10]))
    concept, source = concepts_of(concept, OLD_DRUGS, (event[6] // 2, event[9]))
    ends: tuple[date | None, ...] = (start, None)
    supply = pick(SUPPLIES, event[4])
    if start is not None:
        ends = (
            *(start, None, start + timedelta(days=1), start - timedelta(days=1)),
            *(start - timedelta(days=400), start + timedelta(days=29), builder.ago(0)),
            *(builder.ago(edge) for edge in edges),
            *(builder.ago(edge + 1) for edge in edges),
            *(builder.ago(-20), None),
        )
        to_edge = (settings.as_of_date - start).days + 1 - edges[event[6] % 2]
        supply = (supply, supply, to_edge, to_edge - 1)[event[8] % 4]
    builder.add(
        "drug_exposure",
        person_id=person_id,
        drug_concept_id=concept,
        drug_source_concept_id=source,
        drug_exposure_start_date=start,
        drug_exposure_start_datetime=builder.moment(start, event[9]),
        drug_exposure_end_date=pick(ends, event[3]),
        drug_type_concept_id=32817,
        days_supply=supply,
        route_concept_id=pick(ROUTES, event[7]),
    )


#: Care sites of persons. Of two the names are alike but for blanks, one has a name that means
#: another thing here, one has blanks for a name, and one has no row.
CARE_SITES = (None, 1, 2, 0, NOT_A_DOUBLE, 3, 4)
CARE_SITE_NAMES = {1: "Clinic", 2: " Clinic ", NOT_A_DOUBLE: "unknown", 3: " ", 5: "Nobody's"}
ADD_EVENT = (
    *(add_measurement, add_drug, add_measurement, add_drug, add_condition, add_measurement),
    *(add_drug, add_measurement),
)
# What a person's records are mostly about, so that records of one kind compete: the first byte of
# their events, and what the second may be (any, if nothing stands there).
THEMES = (
    *((), (0, 1), (0, 2, 3), (1, 1), (0, 0), (0, 3, 2), (1, 3), (0, 4), (1, 0), (1, 2), (1, 4)),
    *((4,), (), (0, 1), (1, 1), (0, 2, 3)),
)


def birthday(birth: Row, age: int) -> date:
    """The day the rules take for a birthday; 1 March stands for a day the year does not have."""
    year, month, day = birth["year_of_birth"], birth["month_of_birth"], birth["day_of_birth"]
    if month is None or not 1 <= month <= 12:
        month, day = 6, 15
    if day is None or not 1 <= day <= 31:
        day = 1
    try:
        return date(year + age, month, day)
    except ValueError:
        return date(year + age, month % 12 + 1, 1)


def add_person(builder: Builder, number: int, traits: bytes, events: list[bytes]) -> None:
    as_of = builder.settings.as_of_date
    person_id = number + 1 + pick((0, 0, 0, 2**31, NOT_A_DOUBLE - 1, 2**62), traits[0])
    near = [as_of + timedelta(days=days) for days in (0, 1, -1)]
    months = (3, as_of.month, *(d.month for d in near), None, 0, 13, 2, 12, 1, 6, 6)
    days = (9, as_of.day, *(d.day for d in near), None, 0, 32, 29, 31, 30, 15, 16)
    years_back = (40, 52, 25, 50, 71, 18, 33, 17, 19, 99, 100, 98, 10, -3, 49, 2000, None)
    back = mostly(7, years_back, traits[1])
    # Month and day from the same trait half of the time, so that birthdays fall around the as-of
    # date.
    day_trait = traits[2] if traits[3] % 2 else traits[3] // 2
    birth: Row = {
        "person_id": person_id,
        "gender_concept_id": mostly(2, (8532, 8507, 8551, 0, None, 8521), traits[4]),
        "year_of_birth": None if back is None else as_of.year - back,
        "month_of_birth": pick(months, traits[2]),
        "day_of_birth": pick(days, day_trait),
        "race_concept_id": pick(RACES, traits[9]),
        "care_site_id": pick(CARE_SITES, traits[9] // 16),
        "ethnicity_concept_id": 0,
    }
    if traits[5] < 244:
        builder.cdm["person"].append(birth)
    deaths = {250: (0,), 249: (-1,), 248: (1,), 247: (None,), 246: (-5, 30), 245: (0, None)}
    deaths |= {244: (90,), 243: (400,), 242: (180,), 241: (1500, 10), 240: (5,), 239: (729,)}
    for days_ago in deaths.get(traits[6], ()):
        day = None if days_ago is None else builder.ago(days_ago)
        builder.cdm["death"].append({"person_id": person_id, "death_date": day})
    builder.last = None
    if traits[7] < 220:
        # Most persons are patients from the start; the rest only if an event makes them one.
        concept = 0 if traits[7] < 140 else traits[7]
        add_condition(builder, person_id, bytes((0, concept, 19, 0, 0)), birth)
    theme, before = pick(THEMES, traits[8]), None
    for event in events:
        record = event
        if theme and event[0] < 170:
            record = bytes((theme[0], pick(theme[1:] or (event[1],), event[1]))) + event[2:]
        if event[11] >= 192 and before is not None:
            # Of the same kind and day as the record before, so that the tie rules decide.
            record = before[:3] + event[3:]
            builder.same_day = True
        pick(ADD_EVENT, record[0])(builder, person_id, record, birth)
        before, builder.same_day = record, False


def mappings(old: list[bytes]) -> Iterator[tuple[int, int, str, str | None]]:
    """Up to two relations of each old concept: to members, to others, to itself, in circles."""
    relations = (*("Maps to", "Concept replaced by") * 3, "Mapped from", "RxNorm has dose form")
    for number, (concept, traits) in enumerate(zip(OLD, old, strict=True)):
        is_condition, is_drug = concept in OLD_CONDITIONS, concept in OLD_DRUGS
        members: tuple[int, ...] = (3020460, 3038553, 46234770, SITE_CDAI, 37398482, 3025315)
        if is_condition:
            members = (*CONDITIONS[:12], COLITIS, COMPLICATION)
        elif is_drug:
            members = (*(PRODUCT + n for n in range(N_PRODUCTS)), *ALWAYS_SYSTEMIC, *SIX, TWO_DRUGS)
            members += (*BY_FORM, *IMMUNOMODULATORS, SIMPLE_PRODUCT[937368])
        for trait, relation in ((traits[0], traits[1]), (traits[2], traits[1] // 8)):
            near = (OLD[number - 1], OLD[(number + 1) % len(OLD)], concept, UNLINKED, 0)
            target = pick(members, trait) if trait < 160 else pick(near, trait)
            if trait < 232:
                yield (
                    concept,
                    target,
                    pick(relations, relation),
                    pick((None, None, "", "D", None), traits[3] // 8),
                )


def add_vocabulary(
    builder: Builder, missing: set[int], products: list[bytes], old: list[bytes]
) -> None:
    """Ancestors with gaps, dose forms, and a concept row for every id in use."""
    cdm = builder.cdm
    links = [
        link for number, link in enumerate((*CONDITION_LINKS, *DRUG_LINKS)) if number not in missing
    ]
    forms = []
    for number, product in enumerate(products):
        concept_id = PRODUCT + number
        links += [(parent, concept_id) for parent in pick(STEROID_PARENTS, product[0])]
        for form in pick(DOSE_FORMS, product[1]):
            invalid = pick((None, None, None, "D", "U", ""), product[2] // (1 + form % 3))
            relation = "RxNorm has ingredient" if product[3] > 245 else "RxNorm has dose form"
            forms.append((concept_id, form, relation, invalid))
            forms.append((form, concept_id, "RxNorm dose form of", invalid))
        if product[3] % 16 == 1:
            # Related to a form, but not as its dose form.
            forms.append((concept_id, ORAL, "Mapped from", None))
    forms += mappings(old)
    # How the vocabulary marks an old concept: standard or not, valid or not, or not known to it.
    marks = {c: pick(MARKS, traits[3]) for c, traits in zip(OLD, old, strict=True)}
    cdm["concept_ancestor"] = [
        {
            "ancestor_concept_id": ancestor,
            "descendant_concept_id": descendant,
            "min_levels_of_separation": int(ancestor != descendant),
            "max_levels_of_separation": int(ancestor != descendant),
        }
        for ancestor, descendant in dict.fromkeys(links)
    ]
    cdm["concept_relationship"] = [
        {
            "concept_id_1": first,
            "concept_id_2": second,
            "relationship_id": relation,
            "valid_start_date": date(1970, 1, 1),
            "valid_end_date": date(2019, 6, 30) if invalid else date(2099, 12, 31),
            "invalid_reason": invalid,
        }
        for first, second, relation, invalid in forms
    ]
    used = {concept_id for link in links for concept_id in link}
    used |= {concept_id for form in forms for concept_id in form[:2]}
    for table in ("condition_occurrence", "drug_exposure", "measurement", "observation"):
        column = f"{table.partition('_')[0]}_concept_id"
        used |= {row[column] for row in cdm[table] if row[column] is not None}
    cdm["concept"] = [
        {
            "concept_id": concept_id,
            "concept_name": f"concept {concept_id}",
            "domain_id": "Metadata",
            "vocabulary_id": "None",
            "concept_class_id": "Undefined",
            "standard_concept": mark[0],
            "concept_code": str(concept_id),
            "valid_start_date": date(1970, 1, 1),
            "valid_end_date": date(2099, 12, 31),
            "invalid_reason": mark[1],
        }
        for concept_id in sorted(used)
        if (mark := marks.get(concept_id, ("S", None)))
    ]


# Hypothesis spends five examples of six on copying one drawing over another of its kind, which
# leaves few different CDMs. Unique lists are spared, and so is what is drawn once: hence one
# integer for the settings and one string of bytes for the vocabulary. The last byte of persons and
# events leaves room for several plain ones. Long lists are asked for apart, as lists keep to five
# elements.
EVENT = st.binary(min_size=12, max_size=12)
EVENTS = st.one_of(
    st.lists(EVENT, unique=True, max_size=8),
    st.lists(EVENT, unique=True, min_size=8, max_size=16),
)
PERSON = st.tuples(st.binary(min_size=10, max_size=10), EVENTS)
N_LINKS = len(CONDITION_LINKS) + len(DRUG_LINKS)
N_VOCABULARY_TRAITS = 1 + 4 * N_PRODUCTS + 4 * len(OLD) + N_LINKS
VOCABULARY = st.binary(min_size=N_VOCABULARY_TRAITS, max_size=N_VOCABULARY_TRAITS)


def persons(max_persons: int) -> st.SearchStrategy[list[tuple[bytes, list[bytes]]]]:
    few = min(14, max_persons)
    return st.one_of(
        st.lists(PERSON, unique_by=lambda person: person[0], min_size=1, max_size=few),
        st.lists(PERSON, unique_by=lambda person: person[0], min_size=few, max_size=max_persons),
    )


@st.composite
def settings_of_runs(draw: st.DrawFn) -> Settings:
    """As-of dates (leap days too), cohort, the site's CDAI, and what the audits count from when."""
    options: tuple[tuple[Any, ...], ...] = (
        ("follow", "follow", "follow", "exact"),
        ("date", "date", "year"),
        (1, 1, 1, 2),
        ((), (SITE_CDAI,), (SITE_CDAI,), (SITE_CDAI, SITE_CDAI + 1)),
        ((), (), (COMPLICATION, PERIANAL)),
        AS_OF_DATES,
        # None: 2016.
        (None, None, 180, 400, 0, 1500),
        ("as_of", "as_of", "index"),
        (180, 180, 90, 0, 400),
        (180, 30, 0),
        (1, 1, 56),
    )
    trait = draw(st.integers(0, math.prod(map(len, options)) - 1))
    picked = []
    for values in options:
        trait, place = divmod(trait, len(values))
        picked.append(values[place])
    mapping, age_rule, days, cdai, extra, as_of_date, since, age_at, continuing, *on_drug = picked
    return Settings(
        as_of_date=as_of_date,
        concept_mapping=mapping,
        age_rule=age_rule,
        minimum_distinct_days=days,
        cdai_concept_ids=cdai,
        extra_cohort_concept_ids=extra,
        since=date(2016, 1, 1) if since is None else as_of_date - timedelta(days=since),
        age_at=age_at,
        continuing_days=continuing,
        gap_days=on_drug[0],
        exposure_days=on_drug[1],
    )


@st.composite
def tiny_cdms(draw: st.DrawFn, settings: Settings, max_persons: int = 40) -> Cdm:
    """A CDM, table name -> rows, around the as-of date of the settings."""
    traits = draw(VOCABULARY)
    builder = Builder(
        settings,
        id_base=pick((1, 1, 1, 1000, NOT_A_DOUBLE - 1, 2**31 - 2, 2**40, 500), traits[0]),
        id_step=pick((1, 1, 1, -1, 1, 1, 1, -1), traits[0]),
    )
    for number, (person, events) in enumerate(draw(persons(max_persons))):
        add_person(builder, number, person, events)
    products = [traits[start : start + 4] for start in range(1, 1 + 4 * N_PRODUCTS, 4)]
    first = 1 + 4 * N_PRODUCTS
    last = first + 4 * len(OLD)
    old = [traits[start : start + 4] for start in range(first, last, 4)]
    missing = {number for number, trait in enumerate(traits[last:]) if trait >= 216}
    add_vocabulary(builder, missing, products, old)
    builder.cdm["care_site"] = [
        {"care_site_id": number, "care_site_name": name} for number, name in CARE_SITE_NAMES.items()
    ]
    return builder.cdm


@st.composite
def scenarios(draw: st.DrawFn, max_persons: int = 40) -> Scenario:
    """Settings of a run and a CDM around its as-of date."""
    settings = draw(settings_of_runs())
    return Scenario((settings, draw(tiny_cdms(settings, max_persons))))
