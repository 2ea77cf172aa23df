"""How a corticosteroid product is taken: its dose forms first, the recorded route without one."""

from tests.support.spec import ABSENT, Record, read_cdm, run


def yes(exposure: int) -> Record:
    return Record(1, "drug_exposure", exposure)


# 19082573 oral tablet, 19082255 oral capsule, 46234469 injection, 19082103 injectable solution,
# 19082627 enema, 19082200 suppository, 19126918 inhaler, 19082224 cream, 19082167 eye drops.
# Products 20001xx are budesonide, 20002xx prednisone.
CONCEPT_RELATIONSHIP = """
one      | relationship         |      two | invalid
2000101  | RxNorm has dose form | 19082573 | ' '
2000102  | RxNorm has dose form | 19082627 |
2000103  | RxNorm has dose form | 46234469 |
2000104  | RxNorm has dose form | 19082627 |
2000104  | RxNorm has dose form | 19082255 |
2000105  | RxNorm has dose form | 19082200 |
2000105  | RxNorm has dose form | 19082103 |
2000106  | RxNorm has dose form | 46234469 |
2000106  | RxNorm has dose form | 19082573 |
2000107  | RxNorm has dose form | 99999999 |
2000108  | RxNorm has dose form | 99999999 |
2000108  | RxNorm has dose form | 19126918 |
2000109  | RxNorm has dose form | 19082627 | D
2000110  | RxNorm has dose form | 19082627 | ''
2000111  | Has dose form        | 19082573 |
19082573 | RxNorm dose form of  |  2000112 |
2000113  | RxNorm has dose form | 19126918 |
2000201  | RxNorm has dose form | 19082627 |
2000202  | RxNorm has dose form | 46234469 |
2000203  | RxNorm has dose form | 99999999 |
2000204  | RxNorm has dose form | 19082224 |
2000205  | RxNorm has dose form | 19082167 |
9999999  | RxNorm has dose form | 19082573 |
"""
PRODUCTS = [*range(2000101, 2000114), *range(2000201, 2000206)]
CONCEPT_ANCESTOR = "\n".join(
    ["above | below"] + [f"{939259 if p < 2000200 else 1551099} | {p}" for p in PRODUCTS]
)
# Routes: 4132161 oral, 4171047 intravenous, 4290759 rectal, 45956874 inhaled.
DRUG_EXPOSURE = """
case                          | id | concept |      start |        end |   route
tablet                        |  1 | 2000101 | 2024-02-10 |            |
tablet, rectal route          |  2 | 2000101 | 2024-02-10 |            | 4290759
enema                         |  3 | 2000102 | 2024-02-10 | 2024-02-20 |
enema, oral route             |  4 | 2000102 | 2024-02-10 | 2024-02-20 | 4132161
injection of a day            |  5 | 2000103 | 2024-02-10 |            |
injection of a day, oral      |  6 | 2000103 | 2024-02-10 |            | 4132161
injection of two days         |  7 | 2000103 | 2024-02-10 | 2024-02-11 |
enema and capsule             |  8 | 2000104 | 2024-02-10 |            |
suppository and solution      |  9 | 2000105 | 2024-02-10 | 2024-02-11 |
suppository and solution, day | 10 | 2000105 | 2024-02-10 |            |
injection and tablet, one day | 11 | 2000106 | 2024-02-10 |            |
unknown form                  | 12 | 2000107 | 2024-02-10 | 2024-02-20 |
unknown form, oral route      | 13 | 2000107 | 2024-02-10 | 2024-02-20 | 4132161
unknown form and inhaler      | 14 | 2000108 | 2024-02-10 | 2024-02-20 | 4132161
form no longer valid          | 15 | 2000109 | 2024-02-10 |            |
form no longer valid, oral    | 16 | 2000109 | 2024-02-10 |            | 4132161
empty text is valid           | 17 | 2000110 | 2024-02-10 |            | 4132161
another relationship          | 18 | 2000111 | 2024-02-10 |            |
relationship upside down      | 19 | 2000112 | 2024-02-10 |            |
inhaler                       | 20 | 2000113 | 2024-02-10 | 2024-02-20 |
prednisone enema              | 21 | 2000201 | 2024-02-10 | 2024-02-20 |
prednisone injection, day     | 22 | 2000202 | 2024-02-10 |            |
prednisone injection, week    | 23 | 2000202 | 2024-02-10 | 2024-02-17 |
prednisone, unknown form      | 24 | 2000203 | 2024-02-10 | 2024-02-17 |
prednisone cream              | 25 | 2000204 | 2024-02-10 | 2024-02-17 |
prednisone eye drops          | 26 | 2000205 | 2024-02-10 | 2024-02-17 |
tablet of another drug        | 27 | 9999999 | 2024-02-10 | 2024-02-17 |
"""
EXPECTED = {
    "tablet": yes(1),
    "tablet, rectal route": yes(2),  # the form goes before the route
    "enema": ABSENT,
    "enema, oral route": ABSENT,
    "injection of a day": ABSENT,
    "injection of a day, oral": ABSENT,
    "injection of two days": yes(7),
    "enema and capsule": yes(8),  # one oral form is enough
    "suppository and solution": yes(9),  # injected goes before local
    "suppository and solution, day": ABSENT,
    "injection and tablet, one day": yes(11),  # oral goes before injected
    "unknown form": ABSENT,  # unclassified: a form is there, so no route is asked
    "unknown form, oral route": ABSENT,
    "unknown form and inhaler": ABSENT,  # local
    "form no longer valid": ABSENT,  # no form, no route: unclassified
    "form no longer valid, oral": yes(16),  # no form: the route decides
    "empty text is valid": ABSENT,  # an enema
    "another relationship": ABSENT,
    "relationship upside down": ABSENT,
    "inhaler": ABSENT,
    "prednisone enema": ABSENT,  # always systemic only where form and route say nothing
    "prednisone injection, day": ABSENT,
    "prednisone injection, week": yes(23),
    "prednisone, unknown form": ABSENT,
    "prednisone cream": ABSENT,
    "prednisone eye drops": ABSENT,
    "tablet of another drug": ABSENT,
}


def test_dose_form(tmp_path):
    cdm = read_cdm(
        drug_exposure=DRUG_EXPOSURE,
        concept_relationship=CONCEPT_RELATIONSHIP,
        concept_ancestor=CONCEPT_ANCESTOR,
    )
    done = run(tmp_path, cdm)
    assert done.covariate("steroid") == cdm.expect(EXPECTED)
    # In records: what each of the 27 was, counting only corticosteroids.
    assert dict(
        done.rows(
            "SELECT measure, n FROM covariate_quality WHERE covariate = 'steroid' "
            "AND measure NOT IN ('n_observed', 'n_computed', 'n_absent', 'n_imputed', 'n_left_out')"
        )
    ) == {
        "n_oral": 5,  # 1, 2, 8, 11, 16
        "n_injected": 3,  # 7, 9, 23
        "n_injected_one_day": 4,  # 5, 6, 10, 22
        "n_local": 8,  # 3, 4, 14, 17, 20, 21, 25, 26
        "n_unclassified": 6,  # 12, 13, 15, 18, 19, 24
        "n_unclassified_persons": 6,
    }
