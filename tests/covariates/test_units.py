"""Units: the concept where it is accepted, else the text, else nothing; shown with CRP, in mg/L."""

from tests.conftest import shipped_definitions
from tests.support.extractor import UNIT_CONCEPTS, UNIT_TEXTS, without_blanks
from tests.support.spec import Record, imputed, read_cdm, run

# \u00b5 is the micro sign, \u03bc the Greek letter, \u039c its capital.
RECORDS = r"""
case                        | id | concept |       date |   value | unit    | text
concept alone               |  1 | crp     | 2024-01-10 |       3 | mg/L    |
concept with a factor       |  2 | crp     | 2024-01-10 |       3 | mg/dL   |
text alone                  |  3 | crp     | 2024-01-10 |       3 |         | mg/L
text, concept 0             |  4 | crp     | 2024-01-10 |       3 | 0       | mg/dL
wrong concept, right text   |  5 | crp     | 2024-01-10 |       3 | mmol/L  | mg/L
foreign concept, right text |  6 | crp     | 2024-01-10 |       3 | kg      | mg/dL
right concept, wrong text   |  7 | crp     | 2024-01-10 |       3 | mg/L    | mmol/L
concept against text        |  8 | crp     | 2024-01-10 |       3 | mg/L    | mg/dL
text against concept        |  9 | crp     | 2024-01-10 |       3 | mg/dL   | mg/L
upper case                  | 10 | crp     | 2024-01-10 |       3 | 0       | MG/DL
blanks inside and around    | 11 | crp     | 2024-01-10 |       3 | 0       | '  m g / l '
tab and newline             | 12 | crp     | 2024-01-10 |       3 | 0       | '\tmg\n/L\n'
no-break space              | 13 | crp     | 2024-01-10 |       3 | 0       | 'mg\u00a0/\u00a0dL'
spelled with blanks         | 14 | crp     | 2024-01-10 |       3 | 0       | Milligrams Per Liter
micro sign                  | 15 | crp     | 2024-01-10 |       3 | 0       | '\u00b5g/mL'
Greek mu                    | 16 | crp     | 2024-01-10 |    3000 | 0       | '\u03bcg/L'
Greek capital               | 17 | crp     | 2024-01-10 |    3000 | 0       | '\u039cG/L'
SNOMED concept              | 18 | crp     | 2024-01-10 |       3 | 4121396 |
ng/mL                       | 19 | crp     | 2024-01-10 |    3000 | 8842    |
ug/dL                       | 20 | crp     | 2024-01-10 |     300 | 8837    |
g/L                         | 21 | crp     | 2024-01-10 |   0.003 | 8636    |
nmol/L                      | 22 | crp     | 2024-01-10 |   95.24 | 0       | nmol/L
umol/L                      | 23 | crp     | 2024-01-10 | 0.09524 | 8749    |
no unit                     | 24 | crp     | 2024-01-10 |       3 |         |
concept 0, empty text       | 25 | crp     | 2024-01-10 |       3 | 0       | ''
concept 0, blank text       | 26 | crp     | 2024-01-10 |       3 | 0       | ' \t'
unknown text                | 27 | crp     | 2024-01-10 |       3 | 0       | mg/kg
half a text                 | 28 | crp     | 2024-01-10 |       3 | 0       | mg
text with more to it        | 29 | crp     | 2024-01-10 |       3 | 0       | mg/L (serum)
known and refused           | 30 | crp     | 2024-01-10 |       3 | mmol/L  |
refused, empty text         | 31 | crp     | 2024-01-10 |       3 | mmol/L  | ''
of another quantity         | 32 | crp     | 2024-01-10 |       3 | kg      | kg
falls back past a bad unit  | 33 | crp     | 2024-01-10 |       4 | mg/L    |
                            | 34 | crp     | 2024-02-10 |       3 | mmol/L  | mmol/L
negative concept            | 35 | crp     | 2024-01-10 |       3 | -1      | mg/dL
"""
# Value in mg/L, and how it comes about.
IN_MG_PER_L = {
    "concept alone": 3,
    "concept with a factor": 30,  # 1 mg/dL = 10 mg/L
    "text alone": 3,
    "text, concept 0": 30,
    "wrong concept, right text": 3,  # 8753 is not accepted for CRP, so the text counts
    "foreign concept, right text": 30,
    "right concept, wrong text": 3,
    "concept against text": 3,
    "text against concept": 30,
    "upper case": 30,
    "blanks inside and around": 3,
    "tab and newline": 3,
    "no-break space": 30,
    "spelled with blanks": 3,  # milligramsperliter on both sides
    "micro sign": 3,  # 1 ug/mL = 1 mg/L
    "Greek mu": 3,  # 3000 / 1000
    "Greek capital": 3,
    "SNOMED concept": 30,
    "ng/mL": 3,  # 3000 / 1000
    "ug/dL": 3,  # 300 / 100
    "g/L": 3,  # 0.003 x 1000
    "nmol/L": 10,  # 95.24 / 9.524
    "umol/L": 10,  # 95.24 nmol/L
    "no unit": None,
    "concept 0, empty text": None,
    "concept 0, blank text": None,
    "unknown text": None,
    "half a text": None,
    "text with more to it": None,
    "known and refused": None,
    "refused, empty text": None,
    "of another quantity": None,
    "falls back past a bad unit": 4,
    "negative concept": 30,
}


def test_units(tmp_path):
    cdm = read_cdm(measurement=RECORDS)
    records = reversed(cdm.tables["measurement"])
    first = {row["person_id"]: int(row["measurement_id"]) for row in records}
    assert run(tmp_path, cdm).covariate("crp") == cdm.expect(
        {
            case: imputed(10.0)
            if value is None
            else Record(value, "measurement", first[str(cdm.persons[case])])
            for case, value in IN_MG_PER_L.items()
        }
    )


# A value of each quantity, in its own unit, whose digits no factor leaves as they are.
VALUES = {
    "crp": ("crp", 12.3456789),
    "cdai": ("2000001", 222.22),
    "bmi": ("bmi", 23.456789),
    "body_weight": ("weight", 71.2345678),
    "body_height": ("height", 171.2345678),
}
HEADER = "case | id | concept | date | value | unit | text"


def test_every_value_is_its_number_times_the_factor_of_its_unit(tmp_path):
    units = shipped_definitions().units
    texts = {q: {without_blanks(t): f for t, f in UNIT_TEXTS[q].items()} for q in VALUES}
    cases = [
        (row["quantity"], row["unit_concept_id"], "", UNIT_CONCEPTS[row["quantity"]])
        for row in units.concept_rows()
    ]
    cases += [
        (row["quantity"], 0, row["unit_text"], texts[row["quantity"]]) for row in units.text_rows()
    ]
    cases += [("bmi", 0, "", {0: 1.0}), ("cdai", 0, "", {0: 1.0})]
    lines, expected = [HEADER], {}
    for number, (quantity, unit, text, factors) in enumerate(cases, start=1):
        concept, value = VALUES[quantity]
        factor = factors[text or unit]
        case, recorded = f"{quantity} {unit} {text}".strip(), value / factor
        lines.append(
            f"{case} | {number} | {concept} | 2024-01-10 | {recorded!r} | {unit} | {text!r}"
        )
        source = "text" if text else "concept" if unit else "missing"
        expected[case] = (quantity, recorded * factor, recorded, text, unit, source, factor, False)
        if quantity.startswith("body"):
            other = "height | 2024-01-10 | 180 | cm" if "weight" in quantity else None
            lines.append(f" | {1000 + number} | {other or 'weight | 2024-01-10 | 80 | kg'} | ")
    cdm = read_cdm(measurement="\n".join(lines))
    done = run(tmp_path, cdm, {"covariates": {"cdai": {"concept_ids": [2000001]}}})
    evidence = "source_value, source_unit, unit_concept_id, unit_source, factor, is_censored"
    found = {
        row
        for table, names in (
            ("patient_covariate", "covariate, covariate_value"),
            ("covariate_input", "quantity, quantity_value"),
        )
        for rows in done.by_case(f"SELECT person_id, {names}, {evidence} FROM {table}").values()
        for row in rows
    }
    for case, row in expected.items():
        assert row in found, case
    assert len(expected) == len(cases) > 60
