"""Ileal involvement: ever an ileal concept 1, else ever a colonic one 0, else 0, imputed."""

from tests.support.spec import Record, imputed, read_cdm, run

NONE = imputed(0.0)


def yes(condition: int) -> Record:
    return Record(1, "condition_occurrence", condition)


def no(condition: int) -> Record:
    return Record(0, "condition_occurrence", condition)


# 4244235 ileum, 4055020 terminal ileum, 195575 small and large intestine, 195585 small intestine,
# 36686095 small intestine with stenosis, 194684 large bowel, 4177488 colon, 4242392 rectum,
# 4239382 jejunum, 4210469 duodenum, 4340812 perianal, 4246693 intestine.
# Everybody has Crohn's disease, 201606, since 2020 besides.
CONDITION = """
case                      | id |  concept |       date
location not said         |  1 |   201606 | 2021-01-01
ileum                     |  2 |  4244235 | 2021-01-01
terminal ileum, long ago  |  3 |  4055020 | 1990-01-01
small and large intestine |  4 |   195575 | 2021-01-01
small intestine           |  5 |   195585 | 2021-01-01
small intestine, stenosis |  6 | 36686095 | 2021-01-01
on the index date         |  7 |  4244235 | 2024-03-01
the day after             |  8 |  4244235 | 2024-03-02
large bowel               |  9 |   194684 | 2021-01-01
colon on the index date   | 10 |  4177488 | 2024-03-01
colon the day after       | 11 |  4177488 | 2024-03-02
jejunum                   | 12 |  4239382 | 2021-01-01
duodenum                  | 13 |  4210469 | 2021-01-01
perianal                  | 14 |  4340812 | 2021-01-01
intestine                 | 15 |  4246693 | 2021-01-01
below the ileum           | 16 |  2000031 | 2021-01-01
below the colon           | 17 |  2000032 | 2021-01-01
ileum, then colon         | 18 |  4244235 | 2015-01-01
                          | 19 |  4177488 | 2023-01-01
colon, then ileum         | 20 |  4177488 | 2015-01-01
                          | 21 |   195585 | 2023-01-01
colon, ileum to come      | 22 |  4177488 | 2023-01-01
                          | 23 |  4244235 | 2024-03-02
probable after definite   | 24 |  4244235 | 2021-01-01
                          | 25 |   195585 | 2022-01-01
definite after probable   | 27 |   195585 | 2021-01-01
                          | 26 |  4244235 | 2022-01-01
ileal on one day          | 29 |  4244235 | 2021-01-01
                          | 28 |   195585 | 2021-01-01
colonic on one day        | 31 |   194684 | 2021-01-01
                          | 30 |  4242392 | 2021-01-01
latest of the colon       | 33 |   194684 | 2021-01-01
                          | 32 |  4242392 | 2022-01-01
colon and jejunum         | 34 |  4177488 | 2021-01-01
                          | 35 |  4239382 | 2022-01-01
no date                   | 36 |  4244235 |
ulcerative colitis        | 37 |    81893 | 2021-01-01
neighbour without         | 38 |        0 | 2021-01-01
"""
# The jejunum lies below the small intestine, and says nothing of the ileum all the same.
CONCEPT_ANCESTOR = """
above   |   below
195585  | 4239382
195585  | 4210469
4244235 | 2000031
4177488 | 2000032
"""
EXPECTED = {
    "location not said": NONE,
    "ileum": yes(2),
    "terminal ileum, long ago": yes(3),
    "small and large intestine": yes(4),
    "small intestine": yes(5),  # probable counts
    "small intestine, stenosis": yes(6),
    "on the index date": yes(7),
    "the day after": NONE,
    "large bowel": no(9),
    "colon on the index date": no(10),
    "colon the day after": NONE,
    "jejunum": NONE,
    "duodenum": NONE,
    "perianal": NONE,
    "intestine": NONE,
    "below the ileum": NONE,  # exact ids
    "below the colon": NONE,
    "ileum, then colon": yes(18),  # ever ileal, whatever came later
    "colon, then ileum": yes(21),
    "colon, ileum to come": no(22),
    "probable after definite": yes(25),  # the latest that says ileum, of either set
    "definite after probable": yes(26),
    "ileal on one day": yes(29),  # higher id
    "colonic on one day": no(31),
    "latest of the colon": no(32),
    "colon and jejunum": no(34),
    "no date": NONE,
    "ulcerative colitis": NONE,
    "neighbour without": NONE,
}


def test_ileal(tmp_path):
    cdm = read_cdm(condition_occurrence=CONDITION, concept_ancestor=CONCEPT_ANCESTOR)
    assert run(tmp_path, cdm).covariate("ileal") == cdm.expect(EXPECTED)
