"""Units and treatment lines: the shipped tables hold what they should, faults are all named."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from omop_scorer.config.concept_sets import load_concept_sets
from omop_scorer.config.treatment_lines import load_treatment_lines
from omop_scorer.config.units import Units, load_units, normalise_unit_text
from omop_scorer.errors import ConfigurationError
from omop_scorer.resources import shipped

CONFIGS = shipped("configs")


@pytest.fixture(scope="module")
def units() -> Units:
    return load_units(CONFIGS / "units.yaml")


def factors(rows: list[dict[str, object]], key: str) -> dict[tuple[str, Any], float]:
    found = {(str(r["quantity"]), r[key]): float(str(r["factor"])) for r in rows}
    assert len(found) == len(rows)
    return found


def test_shipped_unit_concepts(units: Units) -> None:
    molar = 1 / 9.524
    assert factors(units.concept_rows(), "unit_concept_id") == pytest.approx(
        {
            ("crp", 8751): 1,
            ("crp", 4122414): 1,
            ("crp", 8840): 10,
            ("crp", 4121396): 10,
            ("crp", 8859): 1,
            ("crp", 8748): 1e-3,
            ("crp", 8842): 1e-3,
            ("crp", 8837): 1e-2,
            ("crp", 8636): 1000,
            ("crp", 8861): 1000,
            ("crp", 8736): molar,
            ("crp", 8843): 1000 * molar,
            ("crp", 8749): 1000 * molar,
            ("bmi", 9531): 1,
            ("body_weight", 9529): 1,
            ("body_weight", 8739): 0.45359237,
            ("body_weight", 9346): 0.45359237,
            ("body_weight", 3195625): 0.45359237,
            ("body_weight", 9373): 0.45359237 / 16,
            ("body_weight", 8504): 1e-3,
            ("body_height", 8582): 1,
            ("body_height", 9330): 2.54,
            ("body_height", 9327): 2.54,
            ("body_height", 9546): 100,
            ("body_height", 8588): 0.1,
            ("body_height", 9306): 30.48,
            ("body_height", 9307): 30.48,
            ("cdai", 44777566): 1,
        },
        rel=1e-15,
    )


@pytest.mark.parametrize(
    ("quantity", "text", "factor"),
    [
        ("crp", "mg/L", 1),
        ("crp", "MG / DL", 10),
        ("crp", "mg%", 10),
        ("crp", "mg\tper\u00a0L\n", 1),
        ("crp", "µg/ml", 1),
        ("crp", "μg/ml", 1),
        ("crp", "mcg/dL", 0.01),
        ("crp", "gm/L", 1000),
        ("crp", "nmol/L", 0.10499790004199916),
        ("crp", "mmol/L", None),
        ("crp", "kg", None),
        ("bmi", "kg/m²", 1),
        ("bmi", "Kg/Sq M", 1),
        ("bmi", "%", None),
        ("body_weight", "[lb_av]", 0.45359237),
        ("body_weight", "Ounces", 0.028349523125),
        ("body_weight", "stone", None),
        ("body_height", '"', 2.54),
        ("body_height", "Feet", 30.48),
        ("body_height", "m", 100),
        ("cdai", "Points", 1),
    ],
)
def test_spellings(units: Units, quantity: str, text: str, factor: float | None) -> None:
    found = factors(units.text_rows(), "unit_text")
    assert found.get((quantity, normalise_unit_text(text))) == factor


def test_a_missing_unit_is_accepted_for_bmi_and_cdai_alone(units: Units) -> None:
    accepting = {name for name in units.quantities if units.accepts_missing_unit(name)}
    assert accepting == {"bmi", "cdai"}


def test_canonical_units(units: Units) -> None:
    assert {name: units.canonical_unit(name) for name in units.quantities} == {
        "crp": "mg/L",
        "bmi": "kg/m2",
        "body_weight": "kg",
        "body_height": "cm",
        "cdai": "points",
    }


def test_the_conversion_of_the_kernel_and_of_sql_see_the_same_blanks() -> None:
    assert normalise_unit_text(" M\tg\n/\r\u00a0L ") == "mg/l"
    assert normalise_unit_text(" \t\u00a0") == ""


CRP: dict[str, Any] = {
    "canonical_unit": "mg/L",
    "units": [
        {"unit": "mg/L", "concept_ids": [8751], "texts": ["mg/L", "MG/l"], "factor": 1},
        {"unit": "mg/dL", "concept_ids": [8840], "texts": ["mg/dL"], "factor": 10},
    ],
}


def written(folder: Path, quantities: dict[str, Any]) -> Path:
    path = folder / "units.yaml"
    path.write_text(yaml.safe_dump({"quantities": quantities}), encoding="utf-8")
    return path


def test_the_hash_follows_the_conversion_but_not_words(tmp_path: Path) -> None:
    first = load_units(written(tmp_path, {"crp": CRP})).sha256
    worded = copy.deepcopy(CRP) | {"note": "words"}
    worded["units"].reverse()
    assert load_units(written(tmp_path, {"crp": worded})).sha256 == first
    lenient = CRP | {"accept_missing_unit": True}
    assert load_units(written(tmp_path, {"crp": lenient})).sha256 != first
    changed = copy.deepcopy(CRP)
    changed["units"][1]["factor"] = 10.5
    assert load_units(written(tmp_path, {"crp": changed})).sha256 != first


def test_every_fault_of_the_unit_table_is_named(tmp_path: Path) -> None:
    contradictory = copy.deepcopy(CRP)
    contradictory["units"][1]["texts"].append("mg / l")
    contradictory["units"][1]["concept_ids"].append(8751)
    contradictory["rejected"] = [{"unit": "mmol/L", "texts": ["MG/DL", " "], "note": "never"}]
    unlisted = copy.deepcopy(CRP) | {"canonical_unit": "mg/mL"}
    path = written(
        tmp_path,
        {
            "crp": contradictory,
            "bmi": unlisted,
            "cdai": {"canonical_unit": "points", "units": [], "accept_missing_unit": "yes"},
            "body_weight": {
                "canonical_unit": "kg",
                "units": [{"unit": "kg", "concept_ids": [0], "factor": -1, "text": ["kg"]}],
            },
            "body_height": {
                "canonical_unit": "cm",
                "units": [{"unit": "cm", "texts": [1], "factor": "1e3"}, {"unit": "m"}],
            },
        },
    )
    with pytest.raises(ConfigurationError) as caught:
        load_units(path)
    text = "\n".join(caught.value.problems)
    for expected in (
        "quantities.crp: 8751 is listed under 'mg/L' and under 'mg/dL'; allowed: one factor, or",
        "'mg/l' is listed under 'mg/L' and under 'mg/dL'",
        "'mg/dl' is listed under 'mg/dL' and under 'mmol/L'",
        "unit 'mmol/L': a text of only blanks is not a unit",
        "quantities.bmi: canonical_unit 'mg/mL': not among the texts with factor 1",
        "quantities.cdai.units: found []; it should have at least 1 item",
        "quantities.cdai.accept_missing_unit: found 'yes'; it should be true or false",
        "quantities.body_weight.units.0.concept_ids.0: found 0; it should be greater than or",
        "quantities.body_weight.units.0.factor: found -1; it should be greater than 0",
        "quantities.body_weight.units.0.text: no such key; allowed: unit, concept_ids, texts, f",
        "quantities.body_height.units.0.texts.0: found 1; it should be text",
        "quantities.body_height.units.0.factor: found '1e3'; it should be a number",
        "quantities.body_height.units.1.factor: missing",
    ):
        assert expected in text
    assert all(problem.startswith(f"{path}: ") for problem in caught.value.problems)
    assert len(caught.value.problems) == 10


def test_an_infinite_factor_is_refused(tmp_path: Path) -> None:
    endless = copy.deepcopy(CRP)
    endless["units"][1]["factor"] = float("inf")
    with pytest.raises(ConfigurationError, match="finite number"):
        load_units(written(tmp_path, {"crp": endless}))


def test_malformed_yaml_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "units.yaml"
    path.write_text("quantities:\n  crp: {units: [\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"units\.yaml: line 3: not valid YAML"):
        load_units(path)
    with pytest.raises(ConfigurationError, match=r"absent\.yaml: cannot be read"):
        load_units(tmp_path / "absent.yaml")


# --- treatment lines ----------------------------------------------------------------------------


def test_shipped_lines_stand_in_the_order_of_ties() -> None:
    sets = load_concept_sets(CONFIGS / "concept_sets")
    rows = load_treatment_lines(CONFIGS / "treatment_lines.yaml", sets).rows()
    assert [(r["drug"], r["drug_class"]) for r in rows[:6]] == [
        ("adalimumab", "anti_tnf"),
        ("infliximab", "anti_tnf"),
        ("certolizumab pegol", "anti_tnf"),
        ("ustekinumab", "anti_il12_23"),
        ("natalizumab", "anti_integrin"),
        ("vedolizumab", "anti_integrin"),
    ]
    others = [str(r["drug"]) for r in rows[6:]]
    assert others == sorted(others)
    assert len(others) == 12
    assert {r["drug_class"] for r in rows[6:]} == {"other_advanced"}
    assert [r["drug_order"] for r in rows] == list(range(1, 19))
    assert all(r["concept_set"] == str(r["drug"]).replace(" ", "_") for r in rows)


def test_faults_of_treatment_lines_are_named(tmp_path: Path) -> None:
    path = tmp_path / "lines.yaml"
    path.write_text(
        "treatment_lines:\n"
        "  - {drug: a, drug_class: x, concept_set: nowhere}\n"
        "  - {drug: a, drug_class: X Y, concept_set: known, since: 2016}\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigurationError) as caught:
        load_treatment_lines(path, {"known"})
    assert [problem.split(";")[0] for problem in caught.value.problems] == [
        f"{path}: treatment_lines.0.concept_set: no concept set 'nowhere'",
        f"{path}: treatment_lines.1.drug_class: found 'X Y'",
        f"{path}: treatment_lines.1.since: no such key",
    ]


def test_a_drug_named_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lines.yaml"
    path.write_text(
        "treatment_lines:\n"
        "  - {drug: a, drug_class: x, concept_set: known}\n"
        "  - {drug: a, drug_class: x, concept_set: other}\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigurationError, match="drug named more than once: a; allowed: once"):
        load_treatment_lines(path, {"known", "other"})
