"""Model cards: what a valid one becomes, and each fault of another, all named at once."""

import hashlib

import numpy as np
import pytest
import yaml

from omop_scorer.errors import ConfigurationError
from omop_scorer.model.load import load_model, shipped_models
from omop_scorer.resources import shipped

CARD = """\
id: tiny
title: Two classes, one measurement, one yes or no
sources:
  - citation: Nobody, Journal of Nothing 2026;1:1
    doi: 10.1000/nothing
    gives: the models
credit: Models by nobody.
outcome: {title: Reduction in points, unit: points}
response_threshold: 10
alpha: 0.05
limits: {line: For tests., text: For tests.}
covariates:
  - {name: marker, title: Marker, unit: mg/L, kind: continuous, centre: 2, imputed_value: 3,
     accepted_range: [0, 50], plausible_range: [0, 100], within_trial_range: [1, 9]}
  - {name: male, title: Male sex, unit: yes/no, kind: yes_no, column: sex,
     coding: {m: 1, f: 0}, centre: 0, imputed_value: null}
activity_covariate: marker
placebo:
  fixed_terms: {year: {value: 2006, centre: 2000}}
  terms: [intercept, year, marker, male]
  beta: [1, 2, 3, 4]
  covariance: [[4, 0, 0, 0], [0, 3, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]]
  trial_variance: 5
  residual_variance: 6
  n_observations: 50
  n_trials: 2
classes:
  - key: first
    label: A
    title: first class
    drugs: [one]
    terms: [intercept, marker, male]
    beta: [1, 2, 3]
    covariance: [[4, 1, 0], [1, 2, 0], [0, 0, 1.5]]
    trial_variance: 5
    residual_variance: 6
    n_observations: 50
    n_trials: 2
    degrees_of_freedom: 40
    bootstrap_mean: [1.5, 2.5, 3.5]
    bootstrap_covariance: [[5, 0, 0], [0, 6, 0], [0, 0, 7]]
  - key: second
    label: B
    title: second class
    drugs: [two, three]
    fixed_terms: {dose: {value: 3}}
    terms: [male, dose, intercept, marker]
    beta: [30, 7, 10, 20]
    covariance: [[3, 0, 0, 0], [0, 1, 0.5, 0], [0, 0.5, 4, 0], [0, 0, 0, 2]]
    trial_variance: 5
    residual_variance: 6
    n_observations: 50
    n_trials: 2
    degrees_of_freedom: 40
    bootstrap_mean: [30, 7, 10, 20]
    bootstrap_covariance: [[3, 0, 0, 0], [0, 1, 0.5, 0], [0, 0.5, 4, 0], [0, 0, 0, 2]]
training_population:
  n: 50
  mean: {marker: 5, male: 0.5}
  covariance: [[4, 0], [0, 0.25]]
  percentiles: {marker: {1: 1, 50: 5, 99: 9}}
"""


@pytest.fixture
def load(tmp_path):
    """Load a card from its text, or return what is wrong with it, without the file's name."""

    def load_text(text):
        path = tmp_path / "card.yaml"
        path.write_text(text)
        try:
            return load_model(path)
        except ConfigurationError as error:
            return [problem.replace(str(path), "card") for problem in error.problems]

    return load_text


def test_the_shipped_card():
    model = load_model("crohns_srs_2025")
    assert "crohns_srs_2025" in shipped_models()
    assert model.arrays.covariates == (
        *("cdai", "age", "bmi", "crp", "prior_anti_tnf", "male"),
        *("steroid", "immunomodulator", "ileal"),
    )
    keys = [(drug_class.key, drug_class.label) for drug_class in model.arrays.classes]
    assert keys == [("anti_tnf", "TNF"), ("anti_il12_23", "IL"), ("anti_integrin", "INT")]
    for drug_class in model.card.classes:
        assert drug_class.degrees_of_freedom == drug_class.n_observations - 10
    assert model.card.sources[0].doi == "10.1038/s41746-025-01627-w"
    assert model.card.sources[0].licence == "CC BY 4.0"
    folder = shipped("configs") / "models"
    numbers, _, _ = (folder / "crohns_srs_2025.yaml").read_bytes().partition(b"\ncalculator:")
    content = numbers + b"\n" + (folder / "crohns_srs_2025.variants.json").read_bytes()
    assert model.sha256 == hashlib.sha256(content).hexdigest()
    assert load_model(model.path).sha256 == model.sha256


def test_the_shipped_card_is_consistent_with_its_training_population():
    card = load_model("crohns_srs_2025").card
    percentiles = card.training_population.percentiles
    for covariate in card.covariates:
        if covariate.name == "crp":
            assert covariate.within_trial_range == (None, percentiles["crp"][99])
        elif covariate.kind == "continuous":
            first_to_99th = percentiles[covariate.name][1], percentiles[covariate.name][99]
            assert covariate.within_trial_range == first_to_99th
        else:
            assert covariate.within_trial_range is None
    never_imputed = [each.name for each in card.covariates if each.imputed_value is None]
    assert never_imputed == ["age", "male"]
    # The terms round to the paper's Table 2.
    assert card.classes[0].beta[0] == 54.9572325934766
    assert card.classes[1].covariance[1][2] == 0.00106960425203376


def test_terms_in_any_order_and_fixed_terms_become_arrays_in_card_order(load):
    arrays = load(CARD).arrays
    assert arrays.covariates == ("marker", "male")
    assert arrays.centre.tolist() == [2, 0]
    assert arrays.placebo_coefficients.tolist() == [1 + 2 * 6, 3, 4]
    first, second = arrays.classes
    assert first.coefficients.tolist() == [1, 2, 3]
    assert first.covariance.tolist() == [[4, 1, 0], [1, 2, 0], [0, 0, 1.5]]
    assert first.bootstrap_mean.tolist() == [1.5, 2.5, 3.5]
    assert first.prediction_variance == 11
    # intercept + 3 dose: 10 + 3 * 7, with variance 4 + 9 * 1 + 2 * 3 * 0.5.
    assert second.coefficients.tolist() == [31, 20, 30]
    assert second.covariance.tolist() == [[16, 0, 0], [0, 2, 0], [0, 0, 3]]
    assert second.bootstrap_covariance.tolist() == second.covariance.tolist()
    assert arrays.trial_low.tolist() == [1, -np.inf]
    assert arrays.trial_high.tolist() == [9, np.inf]
    assert (arrays.response_threshold, arrays.alpha, arrays.activity_covariate) == (
        *(10, 0.05),
        "marker",
    )


def test_words_of_a_yes_no_covariate(load):
    covariate = load(CARD).card.covariates[1]
    assert covariate.csv_column == "sex"
    assert covariate.words == {"m": 1.0, "f": 0.0}


@pytest.mark.parametrize("exponent", ["5e-2", "5e-02", "5.0e-2", "5E-2", "+5e-02", ".05"])
def test_every_way_to_write_a_number(load, exponent):
    assert load(CARD.replace("alpha: 0.05", f"alpha: {exponent}")).card.alpha == 0.05


ONE_FAULT = [
    ("alpha: 0.05", "alpha: '5e-2'", "alpha: found '5e-2'; it should be a number"),
    ("alpha: 0.05", "alpha: 1.5", "alpha: found 1.5; it should be less than 1"),
    ("alpha: 0.05", "alpha: yes", "alpha: found True; it should be a number"),
    ("alpha: 0.05\n", "", "alpha: missing"),
    ("response_threshold: 10", "response_threshold: .nan", "it should be a finite number"),
    ("response_threshold: 10", "response_threshold: .inf", "it should be a finite number"),
    ("credit:", "credits: x\ncredit:", "credits: no such key; allowed: id, title, sources,"),
    ("gives:", "give: x\n    gives:", "sources.0.give: no such key; allowed: citation, doi,"),
    ("doi: 10.1000/nothing", "doi: nothing", "sources.0.doi: found 'nothing'; it should match"),
    ("unit: mg/L", "unit: yes/no", "covariates.0.unit: found 'yes/no'; allowed: the unit"),
    ("unit: mg/L", "unit: ''", "covariates.0.unit: found ''; it should match"),
    ("unit: yes/no", "unit: sex", "covariates.1.unit: found 'sex'; allowed: 'yes/no'"),
    ("kind: yes_no", "kind: binary", "covariates.1.kind: found 'binary'; it should be"),
    ("m: 1, f: 0", "m: 2, f: 0", "covariates.1.coding.m: found 2; it should be 0 or 1"),
    ("imputed_value: 3", "imputed_value: 300", "imputed_value: found 300; allowed: 0 to 100"),
    ("accepted_range: [0, 50]", "accepted_range: [50, 0]", "found 50 to 0; allowed: low < high"),
    ("range: [0, 50]", "range: [0, 200]", "found 0 to 200; allowed: inside plausible_range"),
    ("range: [0, 50]", "range: [0]", "covariates.0.accepted_range.1: missing"),
    ("activity_covariate: marker", "activity_covariate: cdai", "allowed: one of marker, male"),
    ("year, marker, male]", "year, marker]", "placebo.terms: found intercept, year, marker;"),
    ("[male, dose,", "[male, male,", "classes.1.terms: found male, male, intercept,"),
    ("[1, 2, 3, 4]", "[1, 2, 3]", "placebo.beta: found 3 numbers; allowed: 4, one per term"),
    ("[1.5, 2.5, 3.5]", "[1.5, 2.5]", "classes.0.bootstrap_mean: found 2 numbers; allowed: 3"),
    ("[1.5, 2.5, 3.5]", "[1.5, x, 3.5]", "classes.0.bootstrap_mean.1: found 'x'"),
    ("[[4, 1, 0], [1, 2, 0], ", "[[4, 1, 0], [1, 2], ", "covariance: found 3 rows of 2, 3 numbers"),
    (
        "[[4, 1, 0], [1,",
        "[[4, 1, 0], [1.001,",
        "classes.0.covariance: found 1.0 at [0][1] and 1.001",
    ),
    ("[[4, 1, 0], [1,", "[[4, 9, 0], [9,", "classes.0.covariance: found a smallest eigenvalue of"),
    (
        "[0, 0, 1.5]]",
        "[0, 0, 0]]",
        "classes.0.covariance: found 0.0 at [2][2]; allowed: a variance",
    ),
    ("[[5, 0, 0], [0, 6, 0], [0, 0, 7]]", "[]", "bootstrap_covariance: found []; it should have"),
    ("[0, 6, 0], [0, 0, 7]]", "[0, 6, 1], [0, 0, 7]]", "classes.0.bootstrap_covariance: found 1.0"),
    ("[[4, 0], [0, 0.25]]", "[[4]]", "training_population.covariance: found 1 rows; allowed: 2"),
    ("trial_variance: 5", "trial_variance: -1", "trial_variance: found -1; it should be greater"),
    ("residual_variance: 6", "residual_variance: -6", "residual_variance: found -6; it should be"),
    ("freedom: 40", "freedom: 50", "found 50; allowed: fewer than n_observations, 50"),
    ("n_trials: 2", "n_trials: 2.5", "n_trials: found 2.5; it should be a whole number"),
    ("key: second", "key: first", "classes: found the key 'first' more than once; allowed: once"),
    ("label: B", "label: A", "classes: found the label 'A' more than once; allowed: once"),
    ("label: B", "label: A = B", "classes.1.label: found 'A = B'; it should match"),
    ("key: second", "key: placebo", "classes: found the key 'placebo'; allowed: a different key"),
    ("column: sex", "column: marker", "covariates: found the column 'marker' more than once"),
    ("drugs: [one]", "drugs: []", "classes.0.drugs: found []; it should have at"),
    (
        "mean: {marker: 5, ",
        "mean: {",
        "training_population.mean: found male; allowed: each of mark",
    ),
    (
        "{marker: 5,",
        "{marker: 5, crp: 1,",
        "training_population.mean: found marker, crp, male; allowed:",
    ),
    ("line: For tests.", f"line: {'x' * 79}", "limits.line: found 'xxx"),
]


@pytest.mark.parametrize(("valid", "faulty", "problem"), ONE_FAULT)
def test_each_fault(load, valid, faulty, problem):
    assert valid in CARD
    problems = load(CARD.replace(valid, faulty))
    assert any(problem in found for found in problems), problems
    assert all(found.startswith("card") for found in problems)


def test_every_fault_is_reported_at_once(load):
    changes = [
        ("alpha: 0.05", "alfa: 0.05"),
        ("unit: mg/L", "unit: yes/no"),
        ("doi: 10.1000/nothing", "doi: nothing"),
        ("[[4, 1, 0], [1,", "[[4, 1, 0], [1.001,"),
        ("[0, 6, 0], [0, 0, 7]]", "[0, -6, 0], [0, 0, 7]]"),
        ("residual_variance: 6", "residual_variance: -6"),
        ("year, marker, male]", "year, marker, female]"),
        ("label: B", "label: A"),
        ("activity_covariate: marker", "activity_covariate: cdai"),
    ]
    text = CARD
    for valid, faulty in changes:
        text = text.replace(valid, faulty)
    problems = "\n".join(load(text))
    for part in (
        *("alfa: no such key", "alpha: missing", "covariates.0.unit"),
        *("sources.0.doi", "classes.0.covariance", "classes.0.bootstrap_covariance"),
        *("placebo.residual_variance", "classes.0.residual_variance", "placebo.terms"),
        *("classes: found the label 'A'", "activity_covariate: found 'cdai'"),
    ):
        assert part in problems, part


@pytest.mark.parametrize("n_classes", [1, 6])
def test_two_to_five_classes(load, n_classes):
    card = yaml.safe_load(CARD)
    first = card["classes"][0]
    card["classes"] = [first | {"key": f"k{i}", "label": f"L{i}"} for i in range(n_classes)]
    problems = load(yaml.safe_dump(card))
    assert len(problems) == 1
    assert problems[0].startswith("card: classes: found [{")
    assert problems[0].endswith(f" items after validation, not {n_classes}")


def test_malformed_yaml_names_the_line(load):
    assert load("id: tiny\ntitle: [1, 2\nalpha: 3\n")[0].startswith("card: line 3: not valid YAML:")


def test_a_key_that_stands_twice_names_the_line(load):
    line = CARD.count("\n") + 1
    assert load(CARD + "alpha: 0.1\nid: other\n") == [
        f"card: line {line}: not valid YAML: the key 'alpha' is written twice",
        f"card: line {line + 1}: not valid YAML: the key 'id' is written twice",
    ]


@pytest.mark.parametrize(("text", "found"), [("", "None"), ("- 1\n", "[1]"), ("x", "'x'")])
def test_yaml_that_is_no_card(load, text, found):
    assert load(text) == [f"card: the file as a whole: found {found}; it should be keys and values"]


def test_a_file_of_the_wrong_shape_is_a_list_of_faults_not_a_crash(load):
    problems = load("covariates: [3, {name: [a]}]\nclasses: {a: b}\nplacebo: [1]\n1: 2\n")
    assert "card: classes: found {'a': 'b'}; it should be a list" in problems
    assert "card: placebo: found [1]; it should be keys and values" in problems


def test_text_that_is_not_utf8_names_the_line(tmp_path):
    path = tmp_path / "card.yaml"
    path.write_bytes(b"id: tiny\ntitle: \xff\n")
    with pytest.raises(ConfigurationError, match=r"card\.yaml: line 2: .*not UTF-8 text"):
        load_model(path)


def test_characters_that_yaml_does_not_allow(load):
    assert load("id: a\x07b\n")[0].startswith("card: not valid YAML: unacceptable character")


def test_a_card_that_is_not_there(tmp_path):
    with pytest.raises(ConfigurationError, match=r"none\.yaml: cannot be read"):
        load_model(tmp_path / "none.yaml")
    with pytest.raises(ConfigurationError, match="one of crohns_srs_2025"):
        load_model("no_such_card")
