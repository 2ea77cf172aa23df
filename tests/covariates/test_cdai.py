"""Crohn's disease activity index: concepts a site names, 90 days, in points; else 300, imputed."""

from tests.support.spec import Record, imputed, read_cdm, run

NONE = imputed(300.0)
# 90 days before 2024-03-01: 29 of February, 31 of January, 30 of December: 2023-12-02.
MEASUREMENT = """
case                  | id | concept |       date |            datetime | value | unit     | text
first day of window   |  1 | 2000001 | 2023-12-02 |                     |   220 |          |
day before window     |  2 | 2000001 | 2023-12-01 |                     |   220 |          |
on the index date     |  3 | 2000001 | 2024-03-01 |                     |   220 |          |
the day after         |  4 | 2000001 | 2024-03-02 |                     |   220 |          |
another index         |  5 | 2000003 | 2024-02-01 |                     |    40 |          |
points                |  6 | 2000001 | 2024-02-01 |                     |   220 | 0        | Points
score concept         |  7 | 2000001 | 2024-02-01 |                     |   220 | 44777566 |
blank text            |  8 | 2000001 | 2024-02-01 |                     |   220 | 0        | '  '
another unit          |  9 | 2000001 | 2024-02-01 |                     |   220 | 0        | %
another unit concept  | 10 | 2000001 | 2024-02-01 |                     |   220 | mg/L     |
lower limit           | 11 | 2000001 | 2024-02-01 |                     |     0 |          |
upper limit           | 12 | 2000001 | 2024-02-01 |                     |   750 |          |
beyond the limits     | 13 | 2000001 | 2024-02-01 |                     | 750.5 |          |
                      | 14 | 2000001 | 2024-02-02 |                     |    -1 |          |
NULL after a good one | 15 | 2000001 | 2024-02-01 |                     |   220 |          |
                      | 16 | 2000001 | 2024-02-02 |                     |       |          |
one id in both tables | 17 | 2000001 | 2024-02-01 |                     |   220 |          |
later that day        | 18 | 2000001 | 2024-02-01 | 2024-02-01 08:00:00 |   220 |          |
second concept        | 19 | 2000002 | 2024-02-01 |                     |   220 |          |
"""
OBSERVATION = """
case                  | id | concept |       date |            datetime | value | unit | text
one id in both tables | 17 | 2000001 | 2024-02-01 |                     |   330 |      |
later that day        |  1 | 2000001 | 2024-02-01 | 2024-02-01 09:00:00 |   330 |      |
in observation alone  |  2 | 2000002 | 2023-12-02 |                     |   330 |      |
observed too early    |  3 | 2000002 | 2023-12-01 |                     |   330 |      |
"""
EXPECTED = {
    "first day of window": Record(220, "measurement", 1),
    "day before window": NONE,
    "on the index date": Record(220, "measurement", 3),
    "the day after": NONE,
    "another index": NONE,  # of rheumatoid arthritis, say: not named by the site
    "points": Record(220, "measurement", 6),
    "score concept": Record(220, "measurement", 7),
    "blank text": Record(220, "measurement", 8),  # no unit is the rule for the CDAI
    "another unit": NONE,
    "another unit concept": NONE,
    "lower limit": Record(0, "measurement", 11),
    "upper limit": Record(750, "measurement", 12),
    "beyond the limits": NONE,
    "NULL after a good one": Record(220, "measurement", 15),
    "one id in both tables": Record(220, "measurement", 17),
    "later that day": Record(330, "observation", 1),
    "second concept": Record(220, "measurement", 19),
    "in observation alone": Record(330, "observation", 2),
    "observed too early": NONE,
}
SITE = {"concept_ids": [2000001, 2000002]}


def test_cdai(tmp_path):
    cdm = read_cdm(measurement=MEASUREMENT, observation=OBSERVATION)
    done = run(tmp_path, cdm, {"covariates": {"cdai": SITE}})
    assert done.covariate("cdai") == cdm.expect(EXPECTED)


def test_window_and_limits_are_configuration(tmp_path):
    cdm = read_cdm(measurement=MEASUREMENT, observation=OBSERVATION)
    rule = {"concept_ids": [2000001], "lookback_days": 91, "minimum": 1, "maximum": 751}
    found = run(tmp_path, cdm, {"covariates": {"cdai": rule}}).covariate("cdai")
    changed = {
        "day before window": Record(220, "measurement", 2),  # 91 days back
        "lower limit": NONE,
        "beyond the limits": Record(750.5, "measurement", 13),
        "second concept": NONE,
        "in observation alone": NONE,
    }
    assert found == cdm.expect(EXPECTED | changed)


def test_without_a_named_concept_nobody_has_one(tmp_path):
    cdm = read_cdm(measurement=MEASUREMENT, observation=OBSERVATION)
    done = run(tmp_path, cdm)
    assert done.covariate("cdai") == dict.fromkeys(EXPECTED, NONE)
