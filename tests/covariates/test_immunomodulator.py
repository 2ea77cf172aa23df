"""Immunomodulator: an exposure, in any form, whose interval reaches the 90 days to the index."""

from tests.support.spec import ABSENT, Record, read_cdm, run


def yes(exposure: int) -> Record:
    return Record(1, "drug_exposure", exposure)


# 90 days before 2024-03-01: 29 of February, 31 of January, 30 of December: 2023-12-02.
DRUG_EXPOSURE = """
case                       | id | concept      |      start |        end |       days |   route
started on the first day   |  1 | azathioprine | 2023-12-02 |            |            |
started the day before     |  2 | azathioprine | 2023-12-01 |            |            |
started on the index date  |  3 | azathioprine | 2024-03-01 |            |            |
started the day after      |  4 | azathioprine | 2024-03-02 |            |            |
end on the first day       |  5 | azathioprine | 2023-06-01 | 2023-12-02 |            |
end the day before         |  6 | azathioprine | 2023-06-01 | 2023-12-01 |            |
supply to the first day    |  7 | azathioprine | 2023-11-01 |            |         32 |
supply one day short       |  8 | azathioprine | 2023-11-01 |            |         31 |
supply outlasts the end    |  9 | azathioprine | 2023-11-01 | 2023-11-02 |         32 |
end outlasts the supply    | 10 | azathioprine | 2023-11-01 | 2023-12-02 |          1 |
end before start, old      | 11 | azathioprine | 2023-12-01 | 2023-11-01 |            |
end before start, recent   | 12 | azathioprine | 2023-12-02 | 2023-11-01 |            |
end before start, supply   | 13 | azathioprine | 2023-11-01 | 2022-11-01 |         32 |
supply 0, old              | 14 | azathioprine | 2023-12-01 |            |          0 |
supply 0, recent           | 15 | azathioprine | 2023-12-02 |            |          0 |
supply -5, recent          | 16 | azathioprine | 2023-12-02 |            |         -5 |
supply -5 and a good end   | 17 | azathioprine | 2023-11-01 | 2023-12-02 |         -5 |
supply 1                   | 18 | azathioprine | 2023-12-01 |            |          1 |
supply 2                   | 19 | azathioprine | 2023-12-01 |            |          2 |
greatest supply            | 20 | azathioprine | 2000-01-01 |            | 2147483647 |
end of time                | 21 | azathioprine | 2000-01-01 | 9999-12-31 |            |
goes on                    | 22 | azathioprine | 2024-02-01 | 2024-12-31 |            |
mercaptopurine             | 23 | 1436650      | 2024-01-10 |            |            |
methotrexate, injected     | 24 | methotrexate | 2024-01-10 |            |            | 4142048
methotrexate, on the skin  | 25 | methotrexate | 2024-01-10 |            |            | 4263689
product                    | 26 | 2000021      | 2024-01-10 |            |            |
thioguanine                | 27 | 1437379      | 2024-01-10 |            |            |
ciclosporin                | 28 | 19010482     | 2024-01-10 |            |            |
latest start is evidence   | 29 | azathioprine | 2023-06-01 | 2024-03-01 |            |
                           | 30 | methotrexate | 2024-01-10 |            |            |
same day, higher id        | 32 | azathioprine | 2024-01-10 |            |            |
                           | 31 | methotrexate | 2024-01-10 |            |            |
current beside outdated    | 33 | azathioprine | 2023-06-01 | 2023-12-02 |            |
                           | 34 | methotrexate | 2023-11-01 |            |            |
end and supply bad, recent | 36 | azathioprine | 2023-12-02 | 2023-11-01 |         -5 |
neighbour without one      | 35 | prednisone   | 2024-01-10 |            |            |
"""
CONCEPT_ANCESTOR = """
above   |   below
1305058 | 2000021
"""
EXPECTED = {
    "started on the first day": yes(1),
    "started the day before": ABSENT,
    "started on the index date": yes(3),
    "started the day after": ABSENT,
    "end on the first day": yes(5),
    "end the day before": ABSENT,
    "supply to the first day": yes(7),  # 30 days of November, then 1 and 2 December
    "supply one day short": ABSENT,
    "supply outlasts the end": yes(9),
    "end outlasts the supply": yes(10),
    "end before start, old": ABSENT,  # the start day remains
    "end before start, recent": yes(12),
    "end before start, supply": yes(13),
    "supply 0, old": ABSENT,
    "supply 0, recent": yes(15),
    "supply -5, recent": yes(16),  # not start - 6: the start day remains
    "supply -5 and a good end": yes(17),
    "supply 1": ABSENT,  # the start day
    "supply 2": yes(19),
    "greatest supply": yes(20),
    "end of time": yes(21),
    "goes on": yes(22),
    "mercaptopurine": yes(23),
    "methotrexate, injected": yes(24),
    "methotrexate, on the skin": yes(25),  # any form
    "product": yes(26),
    "thioguanine": ABSENT,
    "ciclosporin": ABSENT,
    "latest start is evidence": yes(30),
    "same day, higher id": yes(32),
    "current beside outdated": yes(33),  # 34 started later, but does not support the yes
    "end and supply bad, recent": yes(36),  # neither counts: the start day remains
    "neighbour without one": ABSENT,
}


def test_immunomodulator(tmp_path):
    cdm = read_cdm(drug_exposure=DRUG_EXPOSURE, concept_ancestor=CONCEPT_ANCESTOR)
    assert run(tmp_path, cdm).covariate("immunomodulator") == cdm.expect(EXPECTED)


def test_the_window_is_configuration(tmp_path):
    cdm = read_cdm(drug_exposure=DRUG_EXPOSURE, concept_ancestor=CONCEPT_ANCESTOR)
    rule = {"covariates": {"immunomodulator": {"lookback_days": 91}}}
    # One day more: 2023-12-01.
    now_reached = {
        "started the day before": yes(2),
        "end the day before": yes(6),
        "supply one day short": yes(8),
        "end before start, old": yes(11),
        "supply 0, old": yes(14),
        "supply 1": yes(18),
    }
    assert run(tmp_path, cdm, rule).covariate("immunomodulator") == cdm.expect(
        EXPECTED | now_reached
    )
