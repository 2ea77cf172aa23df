"""Variants of a card: what is wrong with a file of them, and who is scored with which."""

import hashlib
import json

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from omop_scorer import terms
from omop_scorer.config.definitions import refuse_without_variants
from omop_scorer.config.run_file import RunConfig
from omop_scorer.errors import ConfigurationError, ScoringError
from omop_scorer.model import kernel
from omop_scorer.model.load import load_model
from omop_scorer.model.reduced import score_patterns
from tests.support import tiny_card

NAN = np.nan


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_card.load(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def crohns():
    return load_model("crohns_srs_2025")


def problems_of(folder, text, **changes):
    """Load the tiny card with this text of variants; return what is wrong, without the folder."""
    document = tiny_card.card() | {"variants": "v.json"} | changes
    (folder / "card.yaml").write_text(yaml.safe_dump(document))
    if text is not None:
        (folder / "v.json").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_model(folder / "card.yaml")
    return [problem.replace(f"{folder}/", "") for problem in caught.value.problems]


def test_a_card_with_its_variants(tiny):
    assert set(tiny.reduced) == {
        frozenset({"x0"}),
        frozenset({"flag"}),
        frozenset({"x0", "flag"}),
    }
    reduced = tiny.reduced[frozenset({"x0"})]
    assert reduced.covariates == ("x1", "flag", "male")
    assert reduced.activity_covariate is None
    assert reduced.classes[0].bootstrap_mean.tolist() == [1, 0, 0, 0]
    assert reduced.classes[1].coefficients.tolist() == [0, 1, 6, 0]
    assert tiny.reduced[frozenset({"flag"})].activity_covariate == "x0"


def test_a_card_without_variants(tmp_path):
    model = tiny_card.load(tmp_path, left_out=())
    assert model.reduced == {}
    assert model.can_be_left_out == ()
    assert model.sha256 == hashlib.sha256((tmp_path / "tiny.yaml").read_bytes()).hexdigest()


def test_the_hash_is_of_both_files(tmp_path):
    model = tiny_card.load(tmp_path)
    both = (tmp_path / "tiny.yaml").read_bytes() + (tmp_path / "tiny.variants.json").read_bytes()
    assert model.sha256 == hashlib.sha256(both).hexdigest()
    with (tmp_path / "tiny.variants.json").open("a") as file:
        file.write("\n")
    assert load_model(tmp_path / "tiny.yaml").sha256 != model.sha256


def test_fixed_terms_and_the_order_of_terms_are_folded_as_in_the_card(tmp_path):
    document = tiny_card.card()
    regression = document["placebo"]
    regression["fixed_terms"] = {"year": {"value": 2006, "centre": 2000}}
    regression["terms"].append("year")
    regression["beta"].append(2)
    for row in regression["covariance"]:
        row.append(0)
    regression["covariance"].append([0, 0, 0, 0, 0, 1])
    given_variants = tiny_card.variants(left_out=[("x0",)])
    placebo = given_variants["variants"][0]["placebo"]
    placebo["terms"] = ["male", "year", "intercept", "flag", "x1"]
    placebo["beta"] = [3, 1.5, 10, 4, 5]
    placebo["covariance"] = np.eye(5).tolist()
    (tmp_path / "v.json").write_text(json.dumps(given_variants))
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(document | {"variants": "v.json"}))
    reduced = load_model(tmp_path / "card.yaml").reduced[frozenset({"x0"})]
    # x1, flag, male after the intercept: 10 + 6 years of 1.5.
    assert reduced.placebo_coefficients.tolist() == [19, 5, 4, 3]


def changed(change, left_out=(("x0",), ("flag",), ("x0", "flag"))):
    document = tiny_card.variants(left_out=left_out)
    change(document["variants"])
    return json.dumps(document)


ONE_FAULT = [
    (lambda v: v[0].update(left_out=["x7"]), "variants.0.left_out: found x7; allowed: some of x0,"),
    (lambda v: v[0].update(left_out=["x0", "x0"]), "left_out: found x0, x0; allowed: some of"),
    (
        lambda v: v[0].update(left_out=["x0", "x1", "flag", "male"]),
        "variants.0.left_out: found x0, x1, flag, male; allowed: some of",
    ),
    (lambda v: v[0].update(left_out=[]), "variants.0.left_out: found []; it should have at least"),
    (lambda v: v[1].update(left_out=["x0"]), "1.left_out: found x0 more than once; allowed: once"),
    (lambda v: v[2].update(left_out=["flag"]), "2.left_out: found flag more than once"),
    (lambda v: v[0].pop("placebo"), "variants.0.placebo: missing"),
    (
        lambda v: v[0]["classes"].pop("second"),
        "variants.0.classes: found first; allowed: each of first, second once",
    ),
    (
        lambda v: v[0]["classes"].update(third=v[0]["classes"]["first"]),
        "variants.0.classes: found first, second, third; allowed: each of first, second once",
    ),
    (
        lambda v: v[0]["placebo"].update(fixed_terms={}),
        "variants.0.placebo.fixed_terms: no such key; allowed: terms,",
    ),
    (
        lambda v: v[0]["placebo"]["terms"].__setitem__(1, "x0"),
        "variants.0.placebo.terms: found intercept, x0, flag, male; allowed: each of intercept, x1",
    ),
    (
        lambda v: v[1]["classes"]["first"]["beta"].pop(),
        "variants.1.classes.first.beta: found 3 numbers; allowed: 4, one per term",
    ),
    (
        lambda v: v[1]["classes"]["first"]["bootstrap_mean"].__setitem__(0, NAN),
        "variants.1.classes.first.bootstrap_mean.0: found nan; it should be a finite number",
    ),
    (
        lambda v: v[0]["classes"]["second"]["covariance"][1].__setitem__(1, 0),
        "variants.0.classes.second.covariance: found 0.0 at [1][1]; allowed: a variance above 0",
    ),
    (
        lambda v: v[0]["classes"]["second"].update(degrees_of_freedom=2000),
        "second.degrees_of_freedom: found 2000; allowed: fewer than n_observations, 2000",
    ),
    (
        lambda v: v[0]["placebo"].update(trial_variance=-1),
        "variants.0.placebo.trial_variance: found",
    ),
]


@pytest.mark.parametrize(("change", "problem"), ONE_FAULT)
def test_each_fault(tmp_path, change, problem):
    problems = problems_of(tmp_path, changed(change))
    assert any(problem in found for found in problems), problems
    assert all(found.startswith("v.json: ") for found in problems)


def test_the_faults_of_both_files_are_reported_at_once(tmp_path):
    def change(found):
        found[0]["left_out"] = ["x7"]
        found[1]["placebo"]["residual_variance"] = -1

    problems = "\n".join(problems_of(tmp_path, changed(change), alpha=2))
    for part in (
        *("card.yaml: alpha: found 2", "v.json: variants.0.left_out: found x7"),
        "v.json: variants.1.placebo.residual_variance: found -1",
    ):
        assert part in problems, part


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "v.json: cannot be read: "),
        ("{\n  3}", "v.json: line 2: not valid JSON: "),
        ('{"variants": [], "variants": []}', "v.json: not valid JSON: the key 'variants' is"),
        ("[]", "v.json: the file as a whole: found []; it should be keys and values"),
        ('{"variants": []}', "v.json: variants: found []; it should have at least 1"),
        ('{"variants": 3}', "v.json: variants: found 3; it should be a list"),
        ('{"variants": [3]}', "v.json: variants.0: found 3; it should be keys and values"),
    ],
)
def test_what_is_no_file_of_variants(tmp_path, text, problem):
    assert problems_of(tmp_path, text)[0].startswith(problem)


def test_text_that_is_not_utf8(tmp_path):
    (tmp_path / "v.json").write_bytes(b'{\n"about": "\xff"}')
    (problem,) = problems_of(tmp_path, None)
    assert problem == "v.json: line 2: cannot be read: not UTF-8 text"


@pytest.mark.parametrize("name", ["../v.json", "/v.json", "v.yaml", 3])
def test_variants_lie_beside_the_card(tmp_path, name):
    assert f"card.yaml: variants: found {name!r}; it should " in "\n".join(
        problems_of(tmp_path, None, variants=name)
    )


def test_each_patient_is_scored_with_the_model_of_what_is_known(tiny):
    values = np.array(
        [
            # x0, x1, flag, male
            [5, 0, 0, 1],
            [NAN, 5, 0, 1],
            [5, 4, NAN, 0],
            [NAN, 0, NAN, 0],
            [5, 0, 1, 1],
        ]
    )
    scores = score_patterns(values, tiny, "bootstrap")
    # A's effect is x0, or 1 without it; B's is x1 + 6 flag.
    assert scores.attributable_effect.tolist() == [[5, 0], [1, 5], [5, 4], [1, 0], [5, 6]]
    assert scores.subgroups().tolist() == ["A > B", "B > A", "(A = B)", "(A = B)", "(A = B)"]
    assert scores.preference_rank.tolist() == [[1, 2], [2, 1], [1, 2], [1, 2], [2, 1]]
    # Fits: A 1 more; P = Phi((placebo 10 + effect - 10) / 10).
    assert scores.response_probability[3, 0] == pytest.approx(0.539827837277029, abs=1e-14)


def test_a_pattern_without_a_variant_is_refused_by_count_and_name(tiny):
    values = np.full((6, 4), 4.25)
    values[0, 1] = values[1, 1] = values[1, 0] = values[2, 1] = values[3, 0] = NAN
    with pytest.raises(ScoringError) as caught:
        score_patterns(values, tiny, "bootstrap")
    assert list(caught.value.problems) == [
        "2 patient(s) lack x1, but the model card has no variant without x1; nothing was scored",
        "1 patient(s) lack x0, x1, but the model card has no variant without x0, x1; "
        "nothing was scored",
    ]


PATTERNS = [[], *(["cdai"], ["crp"], ["ileal"], ["cdai", "ileal"], ["cdai", "crp"])]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    patterns=st.lists(st.integers(0, len(PATTERNS) - 1), min_size=1, max_size=15),
    cut=st.integers(0, 15),
    uncertainty=st.sampled_from(terms.UNCERTAINTIES),
)
def test_a_patient_scores_the_same_bits_in_any_company(crohns, seed, patterns, cut, uncertainty):
    names = crohns.arrays.covariates
    values = np.random.default_rng(seed).normal(size=(len(patterns), 9)) * 30 + 50
    for row, pattern in zip(values, patterns, strict=True):
        row[[names.index(name) for name in PATTERNS[pattern]]] = NAN
    whole = score_patterns(values, crohns, uncertainty)
    ranked = score_patterns(values[::-1], crohns, uncertainty, with_response=False)
    parts = [score_patterns(part, crohns, uncertainty) for part in (values[:cut], values[cut:])]
    alone = []
    for row, pattern in zip(values, patterns, strict=True):
        left_out = frozenset(PATTERNS[pattern])
        arrays = crohns.reduced[left_out] if left_out else crohns.arrays
        alone.append(kernel.score(row[~np.isnan(row)][None], arrays, uncertainty))
    for name, each in vars(whole).items():
        if name == "labels":
            continue
        assert each.tobytes() == np.concatenate([getattr(a, name) for a in alone]).tobytes()
        assert each.tobytes() == np.concatenate([getattr(p, name) for p in parts]).tobytes()
        if "response" not in name:
            assert each.tobytes() == getattr(ranked, name)[::-1].tobytes()
    assert np.isnan(ranked.response_probability).all()


def run_config(**settings):
    return RunConfig.model_validate(
        {"cdm": {"url": "cdm"}, "results": {"url": "answers.db"}, **settings}
    )


def test_what_can_be_left_out_is_in_the_order_of_the_card(tmp_path):
    model = tiny_card.load(tmp_path, left_out=[("flag",), ("x1", "flag")])
    assert model.can_be_left_out == ("x1", "flag")


def test_a_run_with_reduced_models_needs_every_combination(tmp_path, crohns):
    reduced = run_config(missing="reduced_model")
    refuse_without_variants(reduced, crohns)
    for folder, left_out, problem in (
        ("none", [], "tiny.yaml has no variants; allowed: impute, or a card with variants"),
        (
            "some",
            [("flag",), ("x0",), ("x1",), ("x0", "x1")],
            "has no variant without x0, flag; x1, flag; x0, x1, flag; a patient may lack any "
            "combination of x0, x1, flag",
        ),
    ):
        (tmp_path / folder).mkdir()
        model = tiny_card.load(tmp_path / folder, left_out=left_out)
        refuse_without_variants(run_config(), model)
        with pytest.raises(ConfigurationError) as caught:
            refuse_without_variants(reduced, model)
        (found,) = caught.value.problems
        assert found.startswith("missing: found 'reduced_model', but ")
        assert found.endswith(problem)


def test_a_drug_is_never_left_out_so_no_combination_with_it_is_needed(tmp_path):
    document = tiny_card.card()
    text = yaml.safe_dump(document | {"variants": "v.json"}).replace("flag", "steroid")
    (tmp_path / "card.yaml").write_text(text)
    found = json.dumps(tiny_card.variants(left_out=[("x0",), ("flag",)])).replace("flag", "steroid")
    (tmp_path / "v.json").write_text(found)
    model = load_model(tmp_path / "card.yaml")
    assert model.can_be_left_out == ("x0", "steroid")
    refuse_without_variants(run_config(missing="reduced_model"), model)
