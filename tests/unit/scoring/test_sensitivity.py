"""Sensitivity of the labels by hand on the tiny card, and against a patient-by-patient count."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omop_scorer import terms
from omop_scorer.model import arrays, kernel
from omop_scorer.model.load import load_model
from omop_scorer.model.reduced import score_patterns
from omop_scorer.scoring.sensitivity import Sensitivity, label_checks, scenarios
from tests.support import tiny_card

NAN = np.nan


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_card.load(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    return tiny_card.load(tmp_path_factory.mktemp("three"), c=3)


@pytest.fixture(scope="module")
def crohns():
    return load_model("crohns_srs_2025")


def counted(model, values, imputed, uncertainty="bootstrap"):
    """Count patients as one batch."""
    values, imputed = np.array(values, float), np.array(imputed, bool)
    sensitivity = Sensitivity(model)
    scores = score_patterns(values, model, uncertainty)
    sensitivity.add(values, imputed, scores, uncertainty)
    return sensitivity


def by_scenario(sensitivity):
    rows = sensitivity.imputation_sensitivity(7).to_pylist()
    assert {row["run_id"] for row in rows} <= {7}
    return {(r["covariate"], r["assumption"]): (r["n_imputed"], r["n_changed"]) for r in rows}


def test_every_scenario_of_the_shipped_card_also_of_nobody(crohns):
    rows = Sensitivity(crohns).imputation_sensitivity(1).to_pylist()
    found = [(row["covariate"], row["assumption"], row["assumed_value"]) for row in rows]
    quartiles = {
        "cdai": (258.0, 347.16),
        "bmi": (20.54, 26.63),
        "crp": (3.76, 25.75),
        # Of 0 and 1 with the means 0.44, 0.44, 0.34 and 0.74: the first quartile no, the third yes.
        **dict.fromkeys(("prior_anti_tnf", "steroid", "immunomodulator", "ileal"), (0.0, 1.0)),
    }
    expected = []
    for name, (first, third) in quartiles.items():
        expected += [(name, "first_quartile", first), (name, "third_quartile", third)]
        expected.append((name, "either_quartile", None))
        if name in ("cdai", "crp", "ileal"):
            expected.append((name, "reduced_model", None))
    pairs = ("cdai + crp", "cdai + ileal", "crp + ileal", "cdai + crp + ileal")
    expected += [(pair, "reduced_model", None) for pair in pairs]
    assert found == expected
    assert {(row["n_imputed"], row["n_changed"]) for row in rows} == {(0, 0)}


@pytest.mark.parametrize(
    ("mean", "first", "third"),
    [(0.8, 1, 1), (0.75, 0, 1), (0.5, 0, 1), (0.26, 0, 1), (0.25, 0, 0), (0.1, 0, 0)],
)
def test_quartiles_of_a_yes_no_covariate(tmp_path, mean, first, third):
    population = tiny_card.card()["training_population"]
    population["mean"]["flag"] = mean
    model = tiny_card.load(tmp_path, training_population=population)
    names = model.arrays.covariates
    found = [
        each.assumed_value
        for each in scenarios(model)
        if each.covariates == (names.index("flag"),) and each.assumption.startswith(("fi", "th"))
    ]
    assert found == [first, third]


def test_a_covariate_without_percentiles_has_no_quartile(tmp_path):
    population = tiny_card.card()["training_population"]
    del population["percentiles"]["x1"]
    model = tiny_card.load(tmp_path, training_population=population)
    assert not [each for each in scenarios(model) if each.covariates == (1,)]
    assert [each for each in scenarios(model) if each.covariates == (0,)]


# A's effect is x0, B's x1 + 6 flag; quartiles of x0 and x1 are 2 and 8, of the flag 1 and 1.
PATIENTS = [
    # 3 : 0, A. x0 2 : 0 level, changed; 8 : 0 A; without it 1 : 0 level, changed.
    ([3, 0, 0, 1], [True, False, False, False]),
    # 3 : 3, level. x0 2 : 3 level; 8 : 3 A, changed; without it 1 : 3 level. x1 the same, without a
    # variant. Flag 3 : 9 B, twice changed; without it level; without both 1 : 3 level.
    ([3, 3, 0, 0], [True, True, True, False]),
    # 10 : 0, A. Flag 10 : 6 A; without it A.
    ([10, 0, 0, 0], [False, False, True, False]),
    # Nothing imputed.
    ([0, 9, 0, 0], [False, False, False, False]),
]


def test_imputation_by_hand(tiny):
    sensitivity = counted(tiny, *zip(*PATIENTS, strict=True))
    assert by_scenario(sensitivity) == {
        ("x0", "first_quartile"): (2, 1),
        ("x0", "third_quartile"): (2, 1),
        # The first patient by one quartile, the second by the other.
        ("x0", "either_quartile"): (2, 2),
        ("x0", "reduced_model"): (2, 1),
        ("x1", "first_quartile"): (1, 0),
        ("x1", "third_quartile"): (1, 1),
        ("x1", "either_quartile"): (1, 1),
        ("flag", "first_quartile"): (2, 1),
        ("flag", "third_quartile"): (2, 1),
        # The second patient by both.
        ("flag", "either_quartile"): (2, 1),
        ("flag", "reduced_model"): (2, 0),
        ("x0 + flag", "reduced_model"): (1, 0),
    }


def test_imputation_by_the_runs_own_uncertainty(tiny):
    # Analytic: A is x0 + 1, and only more than 5.54 apart differ. 4 : 0 is level, 9 : 0 is not.
    sensitivity = counted(tiny, [PATIENTS[0][0]], [PATIENTS[0][1]], "analytic")
    found = by_scenario(sensitivity)
    assert found["x0", "first_quartile"] == (1, 0)
    assert found["x0", "third_quartile"] == (1, 1)
    assert found["x0", "reduced_model"] == (1, 0)


def test_imputation_in_a_patient_of_whom_something_is_left_out(tiny):
    # x0 left out: A is 1. Flag imputed 0: 1 : 0 level; flag 1: 1 : 6 B; without it 1 : 0 level.
    found = by_scenario(counted(tiny, [[NAN, 0, 0, 1]], [[False, False, True, False]]))
    assert found["flag", "first_quartile"] == (1, 1)
    assert found["flag", "reduced_model"] == (1, 0)
    assert found["x0", "first_quartile"] == (0, 0)
    assert found["x0 + flag", "reduced_model"] == (0, 0)


def test_a_value_that_was_assumed_anyway_changes_nothing(tiny):
    found = by_scenario(counted(tiny, [[2, 0, 0, 1], [8, 0, 0, 1]], [[True] + [False] * 3] * 2))
    # 2 : 0 is level and 8 : 0 is A: each changes under the other's value.
    assert found["x0", "first_quartile"] == (2, 1)
    assert found["x0", "third_quartile"] == (2, 1)


def test_uncertainty_comparison_by_hand(tiny):
    # 3 : 0 is A by bootstrap, 4 : 0 level by analytic; 10 : 0 and 11 : 0 A by both; 3 : 3 level.
    values = [[3, 0, 0, 1], [10, 0, 0, 0], [12, 0, 0, 0], [3, 3, 0, 0]]
    for uncertainty in terms.UNCERTAINTIES:
        sensitivity = counted(tiny, values, np.zeros((4, 4)), uncertainty)
        assert sensitivity.uncertainty_comparison(3).to_pylist() == [
            {"run_id": 3, "subgroup_bootstrap": a, "subgroup_analytic": b, "n_persons": n}
            for a, b, n in (
                ("A > B", "A > B", 2),
                ("A > B", "(A = B)", 1),
                ("(A = B)", "(A = B)", 1),
            )
        ]


def test_label_check_by_hand(three):
    # x0, x1, x2, flag, male; bootstrap: A x0, B x1, C x2; analytic: A 1 more, 5.54 apart.
    values = [
        # Level, first and last 4 apart: ruled out. Analytic 5, 2, 0: level, 5 apart, not.
        [4, 2, 0, 0, 0],
        # Level, 2 apart: not. Analytic 3, 1, 0: the same.
        [2, 1, 0, 0, 0],
        # B before A by bootstrap; the fit has A 1, B 0.5, so the response is highest of A.
        [0, 0.5, 0, 0, 0],
        # A > (B = C) by both.
        [12, 1, 0, 0, 0],
        # Tie of A and B by the fit: the response of the first is as high as any.
        [2, 3, 0, 0, 0],
    ]
    rows = counted(three, values, np.zeros((5, 5))).label_check(5).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        (5, "bootstrap", "worst_class_ruled_out", 2, 4),
        (5, "bootstrap", "order_not_significant", 0, 1),
        (5, "bootstrap", "best_response_elsewhere", 1, 5),
        (5, "analytic", "worst_class_ruled_out", 0, 4),
        (5, "analytic", "order_not_significant", 0, 1),
        (5, "analytic", "best_response_elsewhere", 0, 5),
    ]


def test_an_order_whose_ends_do_not_differ(three):
    # C has the error 5: A > (B = C), though A against C has p = 0.33.
    classes = list(three.arrays.classes)
    wide = np.diag([25.0, *[1e-20] * 5])
    classes[2] = arrays.ClassArrays(**vars(classes[2]) | {"bootstrap_covariance": wide})
    model = arrays.ModelArrays(**vars(three.arrays) | {"classes": tuple(classes)})
    values = np.array([[4, 0, -1, 0, 0], [40, 0, -1, 0, 0], [0, 0, 0, 0, 0]], float)
    scores = kernel.score(values, model)
    assert scores.subgroups().tolist() == ["A > (B = C)", "A > (B = C)", "(A = B = C)"]
    assert label_checks(scores, scores.response_probability, model) == {
        "worst_class_ruled_out": (0, 1),
        "order_not_significant": (1, 2),
        "best_response_elsewhere": (0, 3),
    }


@pytest.mark.parametrize("c", [2, 4, 5])
def test_other_numbers_of_classes(tmp_path, c):
    model = tiny_card.load(tmp_path, c=c)
    # Steps of 2 from the last class to the first: level between neighbours; the ends differ if not
    # neighbours themselves.
    steps = [[2.0 * i for i in range(c)] + [0, 0]]
    rows = counted(model, steps, np.zeros((1, c + 2))).label_check(1).to_pylist()
    assert [row["n_persons"] for row in rows[:2]] == [int(c > 2), 0]
    assert rows[0]["n_population"] == 1


def test_nobody(crohns):
    sensitivity = counted(crohns, np.empty((0, 9)), np.empty((0, 9)))
    assert sensitivity.uncertainty_comparison(1).num_rows == 0
    rows = sensitivity.label_check(1).to_pylist()
    assert len(rows) == 6
    assert {(row["n_persons"], row["n_population"]) for row in rows} == {(0, 0)}
    assert sensitivity.imputation_sensitivity(1).num_rows == 28


def made_up(model, seed, n):
    """Patients with round values, so that ties occur, some imputed and some left out."""
    random = np.random.default_rng(seed)
    names = model.arrays.covariates
    values = np.empty((n, len(names)))
    imputed = np.zeros(values.shape, bool)
    for j, covariate in enumerate(model.card.covariates):
        high = 2 if covariate.kind == "yes_no" else 60
        scale = 10 if covariate.name == "cdai" else 1
        values[:, j] = random.integers(0, high, n) * scale
        if covariate.imputed_value is not None:
            state = random.integers(0, 3, n)
            imputed[:, j] = state == 1
            values[imputed[:, j], j] = covariate.imputed_value
    for row in range(n):
        # Where something is left out, what has a variant is left out or known, never imputed.
        if random.random() < 0.4:
            for name in ("cdai", "crp", "ileal"):
                j = names.index(name)
                imputed[row, j] = False
                if random.random() < 0.5:
                    values[row, j] = NAN
    return values, imputed


def label_of(model, row, uncertainty):
    known = ~np.isnan(row)
    left_out = frozenset(np.array(model.arrays.covariates)[~known].tolist())
    arrays = model.reduced[left_out] if left_out else model.arrays
    return kernel.score(row[known][None], arrays, uncertainty).subgroups()[0]


def naive(model, values, imputed, uncertainty):
    """Count patient by patient, from the card alone."""
    population = model.card.training_population
    names = list(model.arrays.covariates)
    pairs, changes = Counter(), {}
    quartiles = {name: (p[25], p[75]) for name, p in population.percentiles.items()}
    for row, is_imputed in zip(values, imputed, strict=True):
        labels = {each: label_of(model, row, each) for each in terms.UNCERTAINTIES}
        own = labels[uncertainty]
        pairs[labels["bootstrap"], labels["analytic"]] += 1

        def note(key, other, own=own):
            n, changed = changes.get(key, (0, 0))
            is_changed = any(label_of(model, each, uncertainty) != own for each in other)
            changes[key] = n + 1, changed + is_changed

        for j in np.flatnonzero(is_imputed):
            assumed = quartiles.get(names[j], (0, 1))
            others = []
            for assumption, value in zip(("first", "third"), assumed, strict=True):
                other = row.copy()
                other[j] = value
                note((names[j], f"{assumption}_quartile"), [other])
                others.append(other)
            note((names[j], "either_quartile"), others)
        for left_out in model.reduced:
            places = [j for j, name in enumerate(names) if name in left_out]
            if is_imputed[places].all():
                other = row.copy()
                other[places] = NAN
                note((" + ".join(names[j] for j in places), "reduced_model"), [other])
    return pairs, changes


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 15),
    cut=st.integers(0, 15),
    uncertainty=st.sampled_from(terms.UNCERTAINTIES),
)
def test_counts_agree_with_a_count_patient_by_patient_in_any_batches(
    crohns, seed, n, cut, uncertainty
):
    values, imputed = made_up(crohns, seed, n)
    whole = counted(crohns, values, imputed, uncertainty)
    pairs, changes = naive(crohns, values, imputed, uncertainty)
    rows = whole.uncertainty_comparison(1).to_pylist()
    found = {(r["subgroup_bootstrap"], r["subgroup_analytic"]): r["n_persons"] for r in rows}
    assert found == dict(pairs)
    assert by_scenario_of_somebody(whole) == changes

    parts = Sensitivity(crohns)
    for part in (slice(cut, None), slice(0, cut)):
        scores = score_patterns(values[part], crohns, uncertainty)
        parts.add(values[part], imputed[part], scores, uncertainty)
    for table in ("uncertainty_comparison", "label_check", "imputation_sensitivity"):
        assert getattr(parts, table)(1).equals(getattr(whole, table)(1))


def by_scenario_of_somebody(sensitivity):
    rows = sensitivity.imputation_sensitivity(1).to_pylist()
    return {
        (r["covariate"], r["assumption"]): (r["n_imputed"], r["n_changed"])
        for r in rows
        if r["n_imputed"]
    }
