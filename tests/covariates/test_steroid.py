"""Systemic corticosteroid: oral, or injected for more than a day, within 30 days of the index."""

import pytest

from tests.support.spec import ABSENT, Record, read_cdm, run


def yes(exposure: int) -> Record:
    return Record(1, "drug_exposure", exposure)


# 30 days before 2024-03-01: 29 of February, 1 of January: 2024-01-31.
INTERVALS = """
case                      | id | concept    |      start |        end | days
started on the first day  |  1 | prednisone | 2024-01-31 |            |
started the day before    |  2 | prednisone | 2024-01-30 |            |
started on the index date |  3 | prednisone | 2024-03-01 |            |
started the day after     |  4 | prednisone | 2024-03-02 |            |
end on the first day      |  5 | prednisone | 2023-12-01 | 2024-01-31 |
end the day before        |  6 | prednisone | 2023-12-01 | 2024-01-30 |
supply to the first day   |  7 | prednisone | 2024-01-01 |            |   31
supply one day short      |  8 | prednisone | 2024-01-01 |            |   30
end before start          |  9 | prednisone | 2024-01-30 | 2024-01-01 |
supply 0                  | 10 | prednisone | 2024-01-30 |            |    0
supply -5                 | 11 | prednisone | 2024-01-31 |            |   -5
latest start is evidence  | 12 | prednisone | 2023-12-01 | 2024-03-01 |
                          | 13 | prednisone | 2024-02-10 |            |
same day, higher id       | 15 | prednisone | 2024-02-10 |            |
                          | 14 | prednisone | 2024-02-10 |            |
current beside outdated   | 16 | prednisone | 2023-12-01 | 2024-01-31 |
                          | 17 | prednisone | 2024-01-10 |            |
"""
BY_INTERVAL = {
    "started on the first day": yes(1),
    "started the day before": ABSENT,
    "started on the index date": yes(3),
    "started the day after": ABSENT,
    "end on the first day": yes(5),
    "end the day before": ABSENT,
    "supply to the first day": yes(7),  # 1 to 31 January
    "supply one day short": ABSENT,
    "end before start": ABSENT,
    "supply 0": ABSENT,
    "supply -5": yes(11),
    "latest start is evidence": yes(13),
    "same day, higher id": yes(15),
    "current beside outdated": yes(16),
}

# Without a dose form: 4132161 and 4128794 oral, 4171047 intravenous, 4302612 intramuscular,
# 4142048 subcutaneous, 4290759 rectal, 45956874 inhaled, 4263689 on the skin, 2000071 none of them.
ROUTES = """
case                      | id | concept        |      start |        end | days |    route
prednisone, no route      |  1 | prednisone     | 2024-02-10 |            |      |
prednisolone, route 0     |  2 | 1550557        | 2024-02-10 |            |      |        0
methylprednisolone, other |  3 | 1506270        | 2024-02-10 |            |      |  2000071
cortisone                 |  4 | 1507705        | 2024-02-10 |            |      |
prednisone, rectal        |  5 | prednisone     | 2024-02-10 | 2024-02-20 |      |  4290759
prednisone, one injection |  6 | prednisone     | 2024-02-10 |            |      |  4302612
hydrocortisone, no route  |  7 | hydrocortisone | 2024-02-10 | 2024-02-20 |      |
hydrocortisone, route 0   |  8 | hydrocortisone | 2024-02-10 | 2024-02-20 |      |        0
dexamethasone, other      |  9 | 1518254        | 2024-02-10 | 2024-02-20 |      |  2000071
budesonide, no route      | 10 | budesonide     | 2024-02-10 | 2024-02-20 |      |
beclomethasone, no route  | 11 | 1115572        | 2024-02-10 | 2024-02-20 |      |
budesonide, oral          | 12 | budesonide     | 2024-02-10 |            |      |  4132161
budesonide, other oral    | 13 | budesonide     | 2024-02-10 |            |      |  4128794
budesonide, inhaled       | 14 | budesonide     | 2024-02-10 | 2024-02-20 |      | 45956874
hydrocortisone, skin      | 15 | hydrocortisone | 2024-02-10 | 2024-02-20 |      |  4263689
injected, no end          | 16 | hydrocortisone | 2024-02-10 |            |      |  4171047
injected, end on start    | 17 | hydrocortisone | 2024-02-10 | 2024-02-10 |    1 |  4171047
injected, end before      | 18 | hydrocortisone | 2024-02-10 | 2024-02-09 |    0 |  4142048
injected, to the next day | 19 | hydrocortisone | 2024-02-10 | 2024-02-11 |      |  4171047
injected, supply of 2     | 20 | hydrocortisone | 2024-02-10 |            |    2 |  4142048
injected twice            | 21 | hydrocortisone | 2024-02-10 |            |      |  4171047
                          | 22 | hydrocortisone | 2024-02-11 |            |      |  4171047
oral under an injection   | 23 | prednisone     | 2024-02-10 |            |      |
                          | 24 | hydrocortisone | 2024-02-11 |            |      |  4171047
fludrocortisone           | 25 | 1555120        | 2024-02-10 |            |      |  4132161
triamcinolone             | 26 | 903963         | 2024-02-10 |            |      |  4132161
"""
BY_ROUTE = {
    "prednisone, no route": yes(1),  # oral: always systemic
    "prednisolone, route 0": yes(2),
    "methylprednisolone, other": yes(3),
    "cortisone": yes(4),
    "prednisone, rectal": ABSENT,
    "prednisone, one injection": ABSENT,
    "hydrocortisone, no route": ABSENT,  # unclassified
    "hydrocortisone, route 0": ABSENT,
    "dexamethasone, other": ABSENT,
    "budesonide, no route": ABSENT,
    "beclomethasone, no route": ABSENT,
    "budesonide, oral": yes(12),  # one day counts when swallowed
    "budesonide, other oral": yes(13),
    "budesonide, inhaled": ABSENT,
    "hydrocortisone, skin": ABSENT,
    "injected, no end": ABSENT,  # one day: pre-medication
    "injected, end on start": ABSENT,
    "injected, end before": ABSENT,  # the start day remains
    "injected, to the next day": yes(19),
    "injected, supply of 2": yes(20),
    "injected twice": ABSENT,  # each interval is judged alone
    "oral under an injection": yes(23),  # the later record does not support the yes
    "fludrocortisone": ABSENT,  # not in the list
    "triamcinolone": ABSENT,
}


@pytest.mark.parametrize(("exposures", "expected"), [(INTERVALS, BY_INTERVAL), (ROUTES, BY_ROUTE)])
def test_steroid(tmp_path, exposures, expected):
    cdm = read_cdm(drug_exposure=exposures)
    assert run(tmp_path, cdm).covariate("steroid") == cdm.expect(expected)
