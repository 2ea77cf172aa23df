"""Dates that are text or moments: read as days where that is safe, else missing and counted."""

import pytest

from tests.support.spec import read_cdm, run

DAYS = """
case            | id | concept | date                     | value | unit
first day       |  1 | crp     | 2023-09-03               |     7 | mg/L
day before      |  2 | crp     | 2023-09-02               |     7 | mg/L
with a time     |  3 | crp     | 2024-03-01 23:59:59      |     7 | mg/L
ISO 8601        |  4 | crp     | 2024-03-01T08:00:00.000Z |     7 | mg/L
blanks around   |  5 | crp     | ' 2024-01-10 '           |     7 | mg/L
American        |  6 | crp     | 1/10/2024                |     7 | mg/L
American, short |  7 | crp     | 1/9/24                   |     7 | mg/L
German          |  8 | crp     | 10.01.2024               |     7 | mg/L
without dashes  |  9 | crp     | 20240110                 |     7 | mg/L
30 February     | 10 | crp     | 2024-02-30               |     7 | mg/L
29 February     | 11 | crp     | 2024-02-29               |     7 | mg/L
no leap year    | 12 | crp     | 2023-02-29               |     7 | mg/L
empty           | 13 | crp     | ''                       |     7 | mg/L
word            | 14 | crp     | unknown                  |     7 | mg/L
"""
READ_DAYS = {
    "first day": (7.0, 1),
    "with a time": (7.0, 3),
    "ISO 8601": (7.0, 4),
    "blanks around": (7.0, 5),
    "29 February": (7.0, 11),
}
AMERICAN = {"American": (7.0, 6), "American, short": (7.0, 7)}


@pytest.mark.parametrize(
    ("formats", "read", "n_lost"),
    [
        ([], {}, 7),  # American, short, German, without dashes, 30 February, no leap year, word
        (["%m/%d/%Y", "%m/%d/%y"], AMERICAN, 5),  # year 24 is no year, so the second is tried
    ],
)
def test_days_as_text(tmp_path, formats, read, n_lost):
    cdm = read_cdm(measurement=DAYS)
    settings = {"cdm": {"date_formats": formats}}
    types = {"measurement.measurement_date": "VARCHAR"}
    done = run(tmp_path, cdm, settings, types=types)
    assert done.numbers("crp") == dict.fromkeys(cdm.persons) | READ_DAYS | read
    assert done.uncastable() == {"measurement.measurement_date": n_lost}


def test_days_as_moments_are_days(tmp_path):
    disease = """
    case           | id | concept |                date
    two days       |  1 | crohns  | 2020-01-01 08:00:00
                   |  2 | crohns  | 2020-01-02 07:00:00
    one day twice  |  3 | crohns  | 2020-01-01 08:00:00
                   |  4 | crohns  | 2020-01-01 09:00:00
    night of as-of |  5 | crohns  | 2020-01-01 00:00:00
                   |  6 | crohns  | 2024-03-01 23:59:59
    """
    drugs = """
    case           | id | concept    |               start |                 end
    two days       |  1 | prednisone | 2024-01-30 23:00:00 | 2024-01-31 01:00:00
    night of as-of |  2 | infliximab | 2024-02-29 23:59:59 |
                   |  3 | infliximab | 2024-03-01 00:00:01 |
    """
    cdm = read_cdm(diagnosed=False, condition_occurrence=disease, drug_exposure=drugs)
    rule = {"cohort": {"minimum_distinct_days": 2}}
    done = run(tmp_path, cdm, rule, types={"DATE": "TIMESTAMP"})
    scored = {case for case, answer in done.covariate("age").items() if answer}
    assert scored == {"two days", "night of as-of"}
    assert done.covariate("steroid")["two days"][3] == 1  # to 31 January, 30 days back
    assert done.covariate("prior_anti_tnf")["night of as-of"][3] == 2  # the day before
    assert done.uncastable() == {}
