"""Body mass index: recorded within 730 days, else from weight and height, else 20, imputed."""

from tests.support.spec import Record, imputed, read_cdm, run

NONE = imputed(20.0)


def recorded(value: float, record: int) -> Record:
    return Record(value, "measurement", record)


def computed(value: float, weight: int) -> Record:
    return Record(value, "measurement", weight, "computed")


# 730 days before 2024-03-01 are 366 to 2023-03-01 and 364 more: 2022-03-02.
RECORDED = r"""
case                        | id | concept  |       date | value | unit  | text
first day of the window     |  1 | bmi      | 2022-03-02 |    22 | kg/m2 |
the day before the window   |  2 | bmi      | 2022-03-01 |    22 | kg/m2 |
on the index date           |  3 | bmi      | 2024-03-01 |    22 | kg/m2 |
the day after               |  4 | bmi      | 2024-03-02 |    22 | kg/m2 |
estimated                   |  5 | 36304833 | 2024-01-10 |    22 | kg/m2 |
percentile concept          |  6 | 40762636 | 2024-01-10 |    22 | kg/m2 |
no unit                     |  7 | bmi      | 2024-01-10 |    22 |       |
no unit, concept 0          |  8 | bmi      | 2024-01-10 |    22 | 0     | ' '
no unit, refused concept    |  9 | bmi      | 2024-01-10 |    22 | 8554  |
no unit concept, wrong text | 10 | bmi      | 2024-01-10 |    22 | 0     | %
refused concept, right text | 11 | bmi      | 2024-01-10 |    22 | 8554  | 'KG / m^2'
superscript                 | 12 | bmi      | 2024-01-10 |    22 | 0     | 'kg/m\u00b2'
lower limit                 | 13 | bmi      | 2024-01-10 |    10 | kg/m2 |
upper limit                 | 14 | bmi      | 2024-01-10 |    80 | kg/m2 |
below the limit             | 15 | bmi      | 2024-01-10 |  9.99 | kg/m2 |
above the limit             | 16 | bmi      | 2024-01-10 | 80.01 |       |
implausible after good      | 17 | bmi      | 2023-01-10 |    22 | kg/m2 |
                            | 18 | bmi      | 2024-01-10 |   220 | kg/m2 |
recorded before computed    | 19 | bmi      | 2022-03-02 |    22 | kg/m2 |
                            | 20 | weight   | 2024-01-10 |    80 | kg    |
                            | 21 | height   | 2024-01-10 |   200 | cm    |
unusable, so computed       | 22 | bmi      | 2024-01-10 |     9 | kg/m2 |
                            | 23 | weight   | 2023-01-10 |    80 | kg    |
                            | 24 | height   | 2023-01-10 |   200 | cm    |
too old, so computed        | 25 | bmi      | 2022-03-01 |    22 | kg/m2 |
                            | 26 | weight   | 2022-03-02 |    80 | kg    |
                            | 27 | height   | 2022-03-01 |   200 | cm    |
"""
FROM_RECORDED = {
    "first day of the window": recorded(22, 1),
    "the day before the window": NONE,
    "on the index date": recorded(22, 3),
    "the day after": NONE,
    "estimated": recorded(22, 5),
    "percentile concept": NONE,
    "no unit": recorded(22, 7),  # accepted for BMI
    "no unit, concept 0": recorded(22, 8),
    "no unit, refused concept": NONE,  # a unit is there: %
    "no unit concept, wrong text": NONE,
    "refused concept, right text": recorded(22, 11),
    "superscript": recorded(22, 12),
    "lower limit": recorded(10, 13),
    "upper limit": recorded(80, 14),
    "below the limit": NONE,
    "above the limit": NONE,
    "implausible after good": recorded(22, 17),
    "recorded before computed": recorded(22, 19),  # however old within its window
    "unusable, so computed": computed(20, 23),  # 80 / 2²
    "too old, so computed": computed(20, 26),  # 730 days back; a height is of any time
}

# Born on 15 June 1980: 18 on 15 June 1998.
COMPUTED = """
case                     | id | concept |       date |  value | unit | text
latest of each           |  1 | weight  | 2023-01-10 |     60 | kg   |
                         |  2 | weight  | 2024-01-10 |     80 | kg   |
                         |  3 | height  | 2010-01-10 |    190 | cm   |
                         |  4 | height  | 2011-01-10 |    200 | cm   |
weight without height    |  5 | weight  | 2024-01-10 |     80 | kg   |
height without weight    |  6 | height  | 2024-01-10 |    200 | cm   |
weight before the window |  7 | weight  | 2022-03-01 |     80 | kg   |
                         |  8 | height  | 2024-01-10 |    200 | cm   |
future weight            |  9 | weight  | 2024-03-02 |     80 | kg   |
                         | 10 | height  | 2024-01-10 |    200 | cm   |
future height            | 11 | weight  | 2024-01-10 |     80 | kg   |
                         | 12 | height  | 2024-03-02 |    200 | cm   |
height on 18th birthday  | 13 | weight  | 2024-01-10 |     80 | kg   |
                         | 14 | height  | 1998-06-15 |    200 | cm   |
height the day before 18 | 15 | weight  | 2024-01-10 |     80 | kg   |
                         | 16 | height  | 1998-06-14 |    200 | cm   |
child's height after     | 17 | weight  | 2024-01-10 |     80 | kg   |
                         | 18 | height  | 1998-06-15 |    200 | cm   |
                         | 19 | height  | 1996-06-15 |    160 | cm   |
weight without unit      | 20 | weight  | 2024-01-10 |     80 |      |
                         | 21 | height  | 2024-01-10 |    200 | cm   |
height without unit      | 22 | weight  | 2024-01-10 |     80 | kg   |
                         | 23 | height  | 2024-01-10 |    200 | 0    | ''
pounds and inches        | 24 | weight  | 2024-01-10 |    200 | 8739 |
                         | 25 | height  | 2024-01-10 |     75 | 0    | '"'
ounces and feet          | 26 | weight  | 2024-01-10 |   3200 | 0    | OZ
                         | 27 | height  | 2024-01-10 |   6.25 | 0    | ft
grams and metres         | 28 | weight  | 2024-01-10 |  80000 | 8504 |
                         | 29 | height  | 2024-01-10 |      2 | 9546 |
millimetres              | 30 | weight  | 2024-01-10 |     80 | kg   |
                         | 31 | height  | 2024-01-10 |   2000 | 8588 |
birth weight             | 32 | 4264825 | 2024-01-10 |     80 | kg   |
                         | 33 | height  | 2024-01-10 |    200 | cm   |
weight limits            | 34 | weight  | 2023-01-10 |     80 | kg   |
                         | 35 | weight  | 2024-01-10 | 350.01 | kg   |
                         | 36 | weight  | 2024-01-11 |  24.99 | kg   |
                         | 37 | height  | 2024-01-10 |    200 | cm   |
height limits            | 38 | weight  | 2024-01-10 |     80 | kg   |
                         | 39 | height  | 2023-01-10 |    200 | cm   |
                         | 40 | height  | 2024-01-10 | 230.01 | cm   |
                         | 41 | height  | 2024-01-11 | 119.99 | cm   |
greatest of both         | 42 | weight  | 2024-01-10 |    350 | kg   |
                         | 43 | height  | 2024-01-10 |    230 | cm   |
least of both            | 44 | weight  | 2024-01-10 |     25 | kg   |
                         | 45 | height  | 2024-01-10 |    120 | cm   |
exactly 80               | 46 | weight  | 2024-01-10 |    320 | kg   |
                         | 47 | height  | 2024-01-10 |    200 | cm   |
exactly 10               | 48 | weight  | 2024-01-10 |     40 | kg   |
                         | 49 | height  | 2024-01-10 |    200 | cm   |
over 80, older would do  | 50 | weight  | 2023-01-10 |     80 | kg   |
                         | 51 | weight  | 2024-01-10 |    321 | kg   |
                         | 52 | height  | 2024-01-10 |    200 | cm   |
under 10                 | 53 | weight  | 2024-01-10 |     39 | kg   |
                         | 54 | height  | 2024-01-10 |    200 | cm   |
stranger's height        | 55 | weight  | 2024-01-10 |     80 | kg   |
measured height by code  | 56 | weight  | 2024-01-10 |     80 | kg   |
                         | 57 | 2000003 | 2024-01-10 |    200 | cm   |
same day, higher id      | 58 | weight  | 2024-01-10 |     80 | kg   |
                         | 59 | 3013762 | 2024-01-10 |     60 | kg   |
                         | 60 | height  | 2024-01-10 |    200 | cm   |
"""
# 'Body height Measured' has no published id: it is found by its code.
CONCEPT = """
id      | name                 | vocabulary | class       | standard |   code
2000003 | Body height Measured | LOINC      | Observation | S        | 3137-7
"""
FROM_WEIGHT = {
    "latest of each": computed(20, 2),  # 80 / 2²
    "weight without height": NONE,
    "height without weight": NONE,
    "weight before the window": NONE,
    "future weight": NONE,
    "future height": NONE,
    "height on 18th birthday": computed(20, 13),
    "height the day before 18": NONE,
    "child's height after": computed(20, 17),
    "weight without unit": NONE,  # kg or pounds: not known
    "height without unit": NONE,
    "pounds and inches": computed(24.998029498, 24),  # 90.718474 / 1.905²
    "ounces and feet": computed(24.998029498, 26),  # 3200 oz = 200 lb, 6.25 ft = 75 in
    "grams and metres": computed(20, 28),
    "millimetres": computed(20, 30),
    "birth weight": NONE,
    "weight limits": computed(20, 34),
    "height limits": computed(20, 38),
    "greatest of both": computed(66.162570888, 42),  # 350 / 5.29
    "least of both": computed(17.361111111, 44),  # 25 / 1.44
    "exactly 80": computed(80, 46),  # 320 / 4
    "exactly 10": computed(10, 48),  # 40 / 4
    "over 80, older would do": NONE,  # 321 / 4, and no other pair is tried
    "under 10": NONE,  # 39 / 4
    "stranger's height": NONE,
    "measured height by code": computed(20, 56),
    "same day, higher id": computed(15, 59),  # 60 / 4
}


def test_recorded(tmp_path):
    cdm = read_cdm(measurement=RECORDED)
    assert run(tmp_path, cdm).covariate("bmi") == cdm.expect(FROM_RECORDED)


def test_computed(tmp_path):
    cdm = read_cdm(measurement=COMPUTED, concept=CONCEPT)
    assert run(tmp_path, cdm).covariate("bmi") == cdm.expect(FROM_WEIGHT)
