"""Earlier anti-TNF: an exposure that started before the index date; what starts on it is none."""

from datetime import date

import pytest

from tests.support.spec import ABSENT, Record, read_cdm, run


def yes(exposure: int) -> Record:
    return Record(1, "drug_exposure", exposure)


DRUG_EXPOSURE = """
case                        | id | concept      |      start |        end | days
the day before              |  1 | infliximab   | 2024-02-29 |            |
on the index date           |  2 | infliximab   | 2024-03-01 |            |
the day after               |  3 | infliximab   | 2024-03-02 |            |
long ago                    |  4 | infliximab   | 1999-01-01 | 1999-01-01 |
goes on over the index date |  5 | adalimumab   | 2024-02-29 | 2024-06-01 |   90
end before start            |  6 | adalimumab   | 2023-01-01 | 2022-01-01 |   -5
adalimumab                  |  7 | adalimumab   | 2023-01-01 |            |
certolizumab                |  8 | certolizumab | 2023-01-01 |            |
certolizumab's twin         |  9 | 36857573     | 2023-01-01 |            |
biosimilar product          | 10 | 2000011      | 2023-01-01 |            |
pack below a product        | 11 | 2000012      | 2023-01-01 |            |
class above the ingredient  | 12 | 2000014      | 2023-01-01 |            |
beside the ingredient       | 13 | 2000013      | 2023-01-01 |            |
golimumab                   | 14 | 19041065     | 2023-01-01 |            |
etanercept                  | 15 | 1151789      | 2023-01-01 |            |
ustekinumab                 | 16 | ustekinumab  | 2023-01-01 |            |
vedolizumab                 | 17 | vedolizumab  | 2023-01-01 |            |
no concept                  | 18 | 0            | 2023-01-01 |            |
concept NULL                | 19 |              | 2023-01-01 |            |
no start                    | 20 | infliximab   |            | 2023-01-01 |
latest is the evidence      | 23 | infliximab   | 2022-01-01 |            |
                            | 22 | adalimumab   | 2023-01-01 |            |
                            | 21 | certolizumab | 2022-06-01 | 2024-02-01 |
same day, higher id         | 25 | adalimumab   | 2023-01-01 |            |
                            | 24 | infliximab   | 2023-01-01 |            |
history and today           | 26 | infliximab   | 2022-01-01 |            |
                            | 27 | infliximab   | 2024-03-01 |            |
two years before            | 28 | infliximab   | 2022-03-02 |            |
and a day                   | 29 | infliximab   | 2022-03-01 |            |
neighbour without one       | 30 | methotrexate | 2023-01-01 |            |
"""
# adalimumab has no row to itself and counts all the same.
CONCEPT_ANCESTOR = """
above   |   below
937368  |  937368
937368  | 2000011
937368  | 2000012
2000011 | 2000012
2000014 |  937368
2000014 | 2000013
"""
EXPECTED = {
    "the day before": yes(1),
    "on the index date": ABSENT,
    "the day after": ABSENT,
    "long ago": yes(4),
    "goes on over the index date": yes(5),  # its start decides
    "end before start": yes(6),
    "adalimumab": yes(7),
    "certolizumab": yes(8),
    "certolizumab's twin": yes(9),
    "biosimilar product": yes(10),
    "pack below a product": yes(11),
    "class above the ingredient": ABSENT,
    "beside the ingredient": ABSENT,
    "golimumab": ABSENT,  # an anti-TNF, but none of the model's
    "etanercept": ABSENT,
    "ustekinumab": ABSENT,
    "vedolizumab": ABSENT,
    "no concept": ABSENT,
    "concept NULL": ABSENT,
    "no start": ABSENT,
    "latest is the evidence": yes(22),  # by start, not by end or id
    "same day, higher id": yes(25),
    "history and today": yes(26),
    "two years before": yes(28),
    "and a day": yes(29),
    "neighbour without one": ABSENT,
}
# 730 days before the index date are 2022-03-02.
IN_730_DAYS = EXPECTED | {"long ago": ABSENT, "history and today": ABSENT, "and a day": ABSENT}


@pytest.mark.parametrize(
    ("rule", "expected"), [({}, EXPECTED), ({"lookback_days": 730}, IN_730_DAYS)]
)
def test_prior_anti_tnf(tmp_path, rule, expected):
    cdm = read_cdm(drug_exposure=DRUG_EXPOSURE, concept_ancestor=CONCEPT_ANCESTOR)
    done = run(tmp_path, cdm, {"covariates": {"prior_anti_tnf": rule}})
    found = done.covariate("prior_anti_tnf")
    assert found == cdm.expect(expected)
    # In full: the product as it was given, not its ingredient.
    evidence = ("drug_exposure", 10, 2000011, date(2023, 1, 1), None, None)
    assert found["biosimilar product"] == (1.0, "observed", *evidence)
