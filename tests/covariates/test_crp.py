"""C-reactive protein: the latest usable value of 180 days, in mg/L; without one 10, imputed."""

from datetime import date

from tests.support.spec import Record, imputed, read_cdm, run


def measured(value: float, record: int) -> Record:
    return Record(value, "measurement", record)


def noted(value: float, record: int) -> Record:
    return Record(value, "observation", record)


NONE = imputed(10.0)

# 180 days before 2024-03-01: 29 of February, 31, 31, 30, 31 and 28 of September: 2023-09-03.
DATES = """
case                            | id | concept |       date |            datetime | value | unit
first day of the window         |  1 | crp     | 2023-09-03 |                     |    12 | mg/L
the day before the window       |  2 | crp     | 2023-09-02 | 2023-09-03 00:00:00 |    12 | mg/L
on the index date               |  3 | crp     | 2024-03-01 | 2024-03-01 23:59:00 |    13 | mg/L
the day after the index date    |  4 | crp     | 2024-03-02 |                     |    13 | mg/L
past and future                 |  5 | crp     | 2024-01-10 |                     |    14 | mg/L
                                |  6 | crp     | 2024-03-02 |                     |    99 | mg/L
latest of three                 |  7 | crp     | 2024-01-10 |                     |     1 | mg/L
                                |  8 | crp     | 2024-01-12 |                     |     2 | mg/L
                                |  9 | crp     | 2024-01-11 |                     |     3 | mg/L
later in the day                | 10 | crp     | 2024-01-10 | 2024-01-10 09:30:00 |     7 | mg/L
                                | 11 | crp     | 2024-01-10 | 2024-01-10 08:00:00 |     5 | mg/L
no time is the start of the day | 12 | crp     | 2024-01-10 | 2024-01-10 00:00:01 |     7 | mg/L
                                | 13 | crp     | 2024-01-10 |                     |     5 | mg/L
midnight, then no time          | 14 | crp     | 2024-01-10 | 2024-01-10 00:00:00 |     5 | mg/L
                                | 15 | crp     | 2024-01-10 |                     |     7 | mg/L
no time, then midnight          | 16 | crp     | 2024-01-10 |                     |     5 | mg/L
                                | 17 | crp     | 2024-01-10 | 2024-01-10 00:00:00 |     7 | mg/L
the date goes before the time   | 18 | crp     | 2024-01-10 | 2024-01-30 12:00:00 |     5 | mg/L
                                | 19 | crp     | 2024-01-11 | 2024-01-11 08:00:00 |     7 | mg/L
same moment                     | 21 | crp     | 2024-01-10 | 2024-01-10 08:00:00 |     7 | mg/L
                                | 20 | crp     | 2024-01-10 | 2024-01-10 08:00:00 |     5 | mg/L
one id in both tables           | 30 | crp     | 2024-01-10 |                     |     5 | mg/L
observation at a later time     | 31 | crp     | 2024-01-10 | 2024-01-10 08:00:00 |     5 | mg/L
no date                         | 32 | crp     |            |                     |     5 | mg/L
neighbour with a value          | 33 | crp     | 2024-02-29 |                     |   444 | mg/L
"""
NOTES = """
case                             | id | concept  |       date |            datetime | value | unit
one id in both tables            | 30 | 37398482 | 2024-01-10 |                     |     7 | mg/L
observation at a later time      |  1 | 37398482 | 2024-01-10 | 2024-01-10 09:00:00 |     7 | mg/L
in observation alone             |  2 | 37398420 | 2023-09-03 |                     |    12 | mg/L
in observation before the window |  3 | 37398420 | 2023-09-02 |                     |    12 | mg/L
in observation, future           |  4 | 37398420 | 2024-03-02 |                     |    12 | mg/L
measurement concept in it        |  5 | crp      | 2024-01-10 |                     |    12 | mg/L
"""
BY_DATE = {
    "first day of the window": measured(12, 1),
    "the day before the window": NONE,  # the time says another day: the date counts
    "on the index date": measured(13, 3),
    "the day after the index date": NONE,
    "past and future": measured(14, 5),
    "latest of three": measured(2, 8),
    "later in the day": measured(7, 10),  # 9:30, though of the lower id
    "no time is the start of the day": measured(7, 12),  # a second later, lower id
    "midnight, then no time": measured(7, 15),  # the same moment: higher id
    "no time, then midnight": measured(7, 17),
    "the date goes before the time": measured(7, 19),
    "same moment": measured(7, 21),
    "one id in both tables": measured(5, 30),  # nothing else tells them apart
    "observation at a later time": noted(7, 1),
    "no date": NONE,
    "neighbour with a value": measured(444, 33),
    "in observation alone": noted(12, 2),
    "in observation before the window": NONE,
    "in observation, future": NONE,
    "measurement concept in it": NONE,  # only concepts named for observation count there
}

VALUES = """
case                         | id | concept  |       date | value  | unit  | operator | text
nothing today                |  1 | crp      | 2024-01-10 | 20     | mg/L  |          |
                             |  2 | crp      | 2024-03-01 |        | mg/L  |          |
no number                    |  3 | crp      | 2024-01-10 | 20     | mg/L  |          |
                             |  4 | crp      | 2024-03-01 | nan    | mg/L  |          |
infinite                     |  5 | crp      | 2024-01-10 | 20     | mg/L  |          |
                             |  6 | crp      | 2024-02-01 | inf    | mg/L  |          |
                             |  7 | crp      | 2024-03-01 | -inf   | mg/L  |          |
implausible after a good one |  8 | crp      | 2024-01-10 | 20     | mg/L  |          |
                             |  9 | crp      | 2024-03-01 | 500.01 | mg/L  |          |
negative after a good one    | 10 | crp      | 2024-01-10 | 20     | mg/L  |          |
                             | 11 | crp      | 2024-03-01 | -0.01  | mg/L  |          |
only implausible             | 12 | crp      | 2024-01-10 | 501    | mg/L  |          |
good one before the window   | 13 | crp      | 2023-09-02 | 20     | mg/L  |          |
                             | 14 | crp      | 2024-03-01 | 501    | mg/L  |          |
lower limit                  | 15 | crp      | 2024-01-10 | 0      | mg/L  |          |
upper limit                  | 16 | crp      | 2024-01-10 | 500    | mg/L  |          |
upper limit, converted       | 17 | crp      | 2024-01-10 | 50     | mg/dL |          | ' MG/dl'
over it when converted       | 18 | crp      | 2024-01-10 | 50.1   | mg/dL |          |
too great for a double       | 19 | crp      | 2024-01-10 | 20     | mg/L  |          |
                             | 20 | crp      | 2024-03-01 | 1e308  | 8636  |          |
below 3                      | 21 | crp      | 2024-01-10 | 3      | mg/L  |  4171756 |
equal                        | 22 | crp      | 2024-01-10 | 3      | mg/L  |  4172703 |
high sensitivity             | 23 | 3010156  | 2024-01-10 | 4      | mg/L  |          |
cerebrospinal fluid          | 24 | 3044417  | 2024-01-10 | 4      | mg/L  |          |
no concept                   | 25 | 0        | 2024-01-10 | 4      | mg/L  |          |
observation concept          | 26 | 37398482 | 2024-01-10 | 4      | mg/L  |          |
below the concept            | 27 | 2000001  | 2024-01-10 | 4      | mg/L  |          |
moles                        | 28 | 46234770 | 2024-01-10 | 190.48 | 8736  |          |
site's own concept           | 29 | 2000002  | 2024-01-10 | 4      | mg/L  |          |
named by the site            | 30 | 2000004  | 2024-01-10 | 4      | mg/L  |          |
"""
# The ids of a set are exact unless the set says otherwise.
CONCEPT_ANCESTOR = """
above   |   below
3020460 | 3020460
3020460 | 2000001
"""
BY_VALUE = {
    "nothing today": measured(20, 1),
    "no number": measured(20, 3),
    "infinite": measured(20, 5),
    "implausible after a good one": measured(20, 8),
    "negative after a good one": measured(20, 10),
    "only implausible": NONE,
    "good one before the window": NONE,
    "lower limit": measured(0, 15),
    "upper limit": measured(500, 16),
    "upper limit, converted": measured(500, 17),  # 50 x 10
    "over it when converted": NONE,  # 501
    "too great for a double": measured(20, 19),  # 1e308 g/L x 1000
    "below 3": measured(3, 21),  # the number is kept
    "equal": measured(3, 22),
    "high sensitivity": measured(4, 23),
    "cerebrospinal fluid": NONE,
    "no concept": NONE,
    "observation concept": NONE,  # in the wrong table
    "below the concept": NONE,
    "moles": measured(20, 28),  # 190.48 / 9.524
    "site's own concept": NONE,  # until the site names it
    "named by the site": measured(4, 30),  # beside the shipped ones
}


def test_dates(tmp_path):
    cdm = read_cdm(measurement=DATES, observation=NOTES)
    assert run(tmp_path, cdm).covariate("crp") == cdm.expect(BY_DATE)


def test_values(tmp_path):
    cdm = read_cdm(measurement=VALUES, concept_ancestor=CONCEPT_ANCESTOR)
    named = {"covariates": {"crp": {"concept_ids": [2000004]}}}
    found = run(tmp_path, cdm, named).covariate("crp")
    assert found == cdm.expect(BY_VALUE)
    # In full: the recorded number, not the converted one, and the unit text as it stands.
    evidence = ("measurement", 17, 3020460, date(2024, 1, 10), 50.0, " MG/dl")
    assert found["upper limit, converted"] == (500.0, "observed", *evidence)
