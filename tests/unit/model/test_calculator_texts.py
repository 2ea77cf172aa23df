"""Texts of a card for the calculator: each fault is named, and no score depends on them."""

import hashlib

import pytest
import yaml

from omop_scorer.errors import ConfigurationError
from omop_scorer.model.load import load_model, load_template
from tests.support import tiny_card

ITEM = {"text": "Stools", "weight": 2, "range": [0, 10]}
UNIT = {"unit": "mg/dL", "factor": 10, "ask_below": 1, "ask_above": 7}


@pytest.fixture
def faults(tmp_path):
    """Return a function that gives the faults of a card with these texts, without the file."""

    def of(texts):
        path = tmp_path / "card.yaml"
        path.write_text(yaml.safe_dump(tiny_card.card() | {"calculator": texts}, sort_keys=False))
        try:
            load_model(path)
        except ConfigurationError as error:
            return [problem.removeprefix(f"{path}: ") for problem in error.problems]
        return []

    return of


@pytest.mark.parametrize(
    "texts",
    [
        {},
        {"title": "One patient", "limits": "None.", "not_in_model": ["Cost"]},
        {"eligibility": [{"text": "Adult", "otherwise": "Adults only."}]},
        {"covariates": {"x0": {"label": "X", "other_unit": UNIT, "items": [ITEM]}}},
        {"covariates": {"flag": {"label": "Flag", "hint": "a drug", "locked": "It describes."}}},
        {"classes": {"first": {"contraindicated": [{"text": "sepsis", "source": "label"}]}}},
    ],
)
def test_valid_texts(faults, texts):
    assert faults(texts) == []


@pytest.mark.parametrize(
    ("texts", "fault"),
    [
        (
            {"covariates": {"x7": {"label": "X"}}},
            "calculator.covariates: found 'x7'; allowed: x0, x1, flag, male",
        ),
        ({"classes": {"third": {}}}, "calculator.classes: found 'third'; allowed: first, second"),
        (
            {"covariates": {"flag": {"other_unit": UNIT}}},
            "calculator.covariates.flag.other_unit: found for a yes/no covariate; allowed: none",
        ),
        (
            {"covariates": {"flag": {"items": [ITEM]}}},
            "calculator.covariates.flag.items: found for a yes/no covariate; allowed: none",
        ),
        (
            {"covariates": {"x0": {"from_height_and_weight": True}}},
            "calculator.covariates.x0.from_height_and_weight: found the unit 'points'; "
            "allowed: 'kg/m2'",
        ),
        (
            {"covariates": {"x0": {"enrolled": [9, 3]}}},
            "calculator.covariates.x0: enrolled: found 9 to 3; allowed: low < high",
        ),
        (
            {"covariates": {"x0": {"items": [ITEM | {"range": [5, 5]}]}}},
            "calculator.covariates.x0.items.0: range: found 5 to 5; allowed: low < high",
        ),
        (
            {"covariates": {"x0": {"items": [ITEM | {"choices": [{"text": "A", "value": 11}]}]}}},
            "calculator.covariates.x0.items.0: choices: found 11; allowed: 0 to 10",
        ),
        (
            {
                "covariates": {
                    "x0": {
                        "items": [
                            ITEM | {"subtract_from": {"covariate": "x1", "no": 42, "yes": 47}}
                        ]
                    }
                }
            },
            "calculator.covariates.x0.items.0.subtract_from.covariate: found 'x1'; "
            "allowed: a yes/no covariate",
        ),
        (
            {"covariates": {"x0": {"other_unit": UNIT | {"factor": 0}}}},
            "calculator.covariates.x0.other_unit.factor: found 0; it should be greater than 0",
        ),
        (
            {"classes": {"first": {"contraindicated": [{"text": "sepsis"}]}}},
            "calculator.classes.first.contraindicated.0.source: missing",
        ),
        (
            {"notes": "x"},
            "calculator.notes: no such key; allowed: title, eligibility, covariates, classes, "
            "limits, not_in_model",
        ),
    ],
)
def test_each_fault_is_named(faults, texts, fault):
    assert faults(texts) == [fault]


def test_texts_that_are_no_texts_are_faults(faults):
    for texts in (
        *("text", ["a"], {"covariates": ["x0"]}, {"covariates": {"x0": {"items": 5}}}),
        *({"covariates": {"x0": {"enrolled": ["a", 3]}}}, {"covariates": {"x0": 5}}),
        {"covariates": {"x0": {"items": [ITEM | {"subtract_from": {"covariate": ["x"]}}]}}},
    ):
        assert faults(texts)


def test_the_digest_leaves_texts_at_the_end_out(tmp_path):
    path = tmp_path / "card.yaml"
    plain = yaml.safe_dump(tiny_card.card(), sort_keys=False)
    path.write_text(plain)
    digest = load_model(path).sha256
    assert digest == hashlib.sha256(plain.encode()).hexdigest()
    for texts in ("\ncalculator:\n  title: One\n", "calculator:\n  # Two.\n  title: Two\n"):
        path.write_text(plain + texts)
        assert load_model(path).sha256 == digest
        assert load_model(path).card.calculator is not None
    # A number of the model always counts, and so do texts before one.
    path.write_text(plain.replace("n_trials: 2", "n_trials: 3", 1) + "calculator: {}\n")
    assert load_model(path).sha256 != digest
    moved = yaml.safe_dump({"calculator": {"title": "One"}} | tiny_card.card(), sort_keys=False)
    path.write_text("# Texts first.\n" + moved)
    whole = hashlib.sha256(path.read_bytes()).hexdigest()
    assert load_model(path).sha256 == whole


def test_the_shipped_card_gives_every_example_a_source():
    texts = load_model("crohns_srs_2025").card.calculator
    assert len(texts.eligibility) == 5
    assert list(texts.classes) == ["anti_tnf", "anti_il12_23", "anti_integrin"]
    for each in texts.classes.values():
        assert len(each.contraindicated) >= 2
        assert all("section" in example.source for example in each.contraindicated)
    cdai = texts.covariates["cdai"]
    assert len(cdai.items) == 8
    # The weights of Best et al.; the most ill patient of a trial is far below the sum of maxima.
    assert [item.weight for item in cdai.items] == [2, 5, 7, 20, 30, 10, 6, 1]
    assert texts.covariates["steroid"].locked
    assert texts.covariates["immunomodulator"].locked


def test_a_template_has_texts_too(tmp_path):
    template, has_numbers = load_template("crohns_srs_2025")
    assert has_numbers
    assert template.calculator == load_model("crohns_srs_2025").card.calculator
