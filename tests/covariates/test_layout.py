"""One CDM kept in many ways (release, letter case, schemas, types, files): always one answer."""

from datetime import date

import pytest

from tests.support.spec import ABSENT, SOURCES, imputed, read_cdm, run_from

PERSON = """
case | gender | year | month | day
ann  | female | 1980 |     6 |  15
ben  | male   | 2006 |     3 |   1
cat  | female | 1980 |     6 |  15
"""
MEASUREMENT = """
case | id | concept |       date |            datetime | value | unit  | text  | operator
ann  |  1 | crp     | 2024-01-10 | 2024-01-10 08:00:00 |  1.25 | mg/dL |       |  4171756
     |  2 | crp     | 2024-01-10 | 2024-01-10 07:30:00 |     9 | mg/L  |       |
     |  3 | bmi     | 2022-03-02 |                     |  22.5 |       |       |
ben  |  4 | weight  | 2024-01-10 |                     |    80 | 0     | ' Kg' |
     |  5 | height  | 2024-03-01 |                     |   200 | cm    |       |
     |  6 | crp     | 2024-03-02 |                     |    99 | mg/L  |       |
"""
OBSERVATION = """
case | id |  concept |       date |            datetime | value | unit | text
ben  |  1 | 37398482 | 2024-01-10 | 2024-01-10 08:00:00 |   7.5 |      | mg/L
     |  2 | 20000001 | 2024-01-10 |                     |   250 |      |
"""
DRUG = """
case | id | concept      |      start |        end | days |   route
ann  |  1 | 2000011      | 2020-01-01 |            |      |
     |  2 | 2000101      | 2024-01-01 | 2024-01-31 |      | 4290759
ben  |  3 | azathioprine | 2023-11-01 |            |   32 |
"""
CONDITION = """
case | id | concept |       date
ann  |  1 | 4244235 | 2021-01-01
"""
DEATH = """
case |       date
cat  | 2024-03-01
"""
CONCEPT_ANCESTOR = """
above  |   below
937368 | 2000011
939259 | 2000101
"""
CONCEPT_RELATIONSHIP = """
one     | relationship         |      two | invalid
2000101 | RxNorm has dose form | 19082573 |
"""
SOURCE = """
name     | version
The site | v5.x
"""
JANUARY, TODAY = date(2024, 1, 10), date(2024, 3, 1)
EXPECTED = {
    "ann": {
        "age": (43.0, "observed", "person", 1001, None, None, 1980.0, None),
        "male": (0.0, "observed", "person", 1001, 8532, None, None, None),
        "crp": (12.5, "observed", "measurement", 1, 3020460, JANUARY, 1.25, None),  # x 10
        "bmi": (22.5, "observed", "measurement", 3, 3038553, date(2022, 3, 2), 22.5, None),
        "cdai": imputed(300.0),
        "prior_anti_tnf": (1.0, "observed", "drug_exposure", 1, 2000011, date(2020, 1, 1)),
        "steroid": (1.0, "observed", "drug_exposure", 2, 2000101, date(2024, 1, 1)),  # a tablet
        "immunomodulator": ABSENT,
        "ileal": (1.0, "observed", "condition_occurrence", 1, 4244235, date(2021, 1, 1)),
    },
    "ben": {
        "age": (18.0, "observed", "person", 1002, None, None, 2006.0, None),
        "male": (1.0, "observed", "person", 1002, 8507, None, None, None),
        "crp": (7.5, "observed", "observation", 1, 37398482, JANUARY, 7.5, "mg/L"),
        "bmi": (20.0, "computed", "measurement", 4, 3025315, JANUARY, 80.0, " Kg"),  # 80 / 2²
        "cdai": (250.0, "observed", "observation", 2, 20000001, JANUARY, 250.0, None),
        "prior_anti_tnf": ABSENT,
        "steroid": ABSENT,
        "immunomodulator": (1.0, "observed", "drug_exposure", 3, 19014878, date(2023, 11, 1)),
        "ileal": imputed(0.0),
    },
}
ALL_TEXT = dict.fromkeys(("BIGINT", "INTEGER", "DOUBLE", "DATE", "TIMESTAMP"), "VARCHAR")
LAYOUTS = {
    "CDM 5.4": {},
    "CDM 5.3 as it came: short and exact numbers": {
        "version": "5.3",
        "types": {"BIGINT": "INTEGER", "DOUBLE": "DECIMAL(18, 4)"},
    },
    "upper case": {"upper_case": True},
    "vocabulary in another schema": {"schema": "omop", "vocabulary_schema": "vocabulary"},
    "vocabulary in another file": {"vocabulary_file": True},
    "ids as doubles, days as moments": {"types": {"BIGINT": "DOUBLE", "DATE": "TIMESTAMP"}},
    "wide ids, floats, moments in seconds": {
        "types": {"BIGINT": "HUGEINT", "DOUBLE": "FLOAT", "TIMESTAMP": "TIMESTAMP_S"}
    },
    "ids as decimals, days as nanoseconds": {
        "types": {"BIGINT": "DECIMAL(20, 2)", "INTEGER": "DECIMAL(6, 1)", "DATE": "TIMESTAMP_NS"}
    },
    "all text": {"types": ALL_TEXT},
    "CSV files, upper case": {"files": "csv", "upper_case": True},
    "Parquet files": {"files": "parquet"},
}


#: A server has neither files nor a second file, and the tests use no schemas elsewhere.
LACKING = {
    "duckdb": set[str](),
    "sqlite": {"files", "vocabulary_file", "schema"},
    "mariadb": {"files", "vocabulary_file", "schema"},
}
ON_SOURCES = [
    (source, layout)
    for layout, how in LAYOUTS.items()
    for source in SOURCES
    if not LACKING.get(source, {"files", "vocabulary_file"}) & set(how)
]
ON_SOURCES += [
    ("delta", "upper case"),
    ("delta", "wide ids, floats, moments in seconds"),
    ("delta", "ids as decimals, days as nanoseconds"),
]


@pytest.mark.parametrize(("source", "layout"), ON_SOURCES)
def test_layout(source, tmp_path, layout):
    cdm = read_cdm(
        person=PERSON,
        measurement=MEASUREMENT,
        observation=OBSERVATION,
        drug_exposure=DRUG,
        condition_occurrence=CONDITION,
        death=DEATH,
        concept_ancestor=CONCEPT_ANCESTOR,
        concept_relationship=CONCEPT_RELATIONSHIP,
        cdm_source=SOURCE,
    )
    site = {"covariates": {"cdai": {"concept_ids": [20000001]}}}
    done = run_from(source, tmp_path, cdm, site, **LAYOUTS[layout])
    found = {name: done.covariate(name) for name in EXPECTED["ann"]}
    assert {found[name]["cat"] for name in found} == {None}  # died on the as-of date
    assert {case: {name: found[name][case] for name in found} for case in EXPECTED} == {
        case: {name: (*answer, None, None)[:8] for name, answer in answers.items()}
        for case, answers in EXPECTED.items()
    }
    assert done.uncastable() == {}
    assert done.rows("SELECT cdm_source_name, cdm_version FROM scoring_run") == [
        ("The site", "v5.x")
    ]
    assert [w for w in done.outcome.summary.warnings if w.startswith("column")] == []
