"""The kernel by hand-worked cases, on cards so small that the answer can be read off."""

import math
from dataclasses import replace
from decimal import Decimal, localcontext
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from omop_scorer import terms
from omop_scorer.errors import ScoringError
from omop_scorer.model import kernel, p_values
from omop_scorer.model.arrays import ClassArrays, ModelArrays
from omop_scorer.model.kernel import score, within_trial_range
from omop_scorer.model.load import load_model
from omop_scorer.model.subgroups import label_set

LABELS = ("TNF", "IL", "INT", "JAK", "SIP")


def tiny_model(errors=(1.0, 1.0, 1.0), degrees_of_freedom=1000.0):
    """Class i's effect is covariate i itself, with the standard error given for it."""
    c = len(errors)
    almost_zero = 1e-20
    return ModelArrays(
        covariates=tuple(f"x{i}" for i in range(c)),
        centre=np.zeros(c),
        placebo_coefficients=np.array([10.0, *[0.0] * c]),
        classes=tuple(
            ClassArrays(
                key=LABELS[i].lower(),
                label=LABELS[i],
                coefficients=np.eye(c + 1)[i + 1],
                covariance=np.diag([error**2, *[almost_zero] * c]),
                bootstrap_mean=np.eye(c + 1)[i + 1],
                bootstrap_covariance=np.diag([error**2, *[almost_zero] * c]),
                prediction_variance=99.0,
                degrees_of_freedom=degrees_of_freedom,
            )
            for i, error in enumerate(errors)
        ),
        response_threshold=10.0,
        alpha=0.05,
        trial_low=np.array([-math.inf, 5.0, *[-math.inf] * (c - 2)]),
        trial_high=np.array([math.inf, 6.0, *[math.inf] * (c - 2)]),
        activity_covariate="x0",
    )


def score_one(effects, errors=None, **options):
    model = tiny_model(errors or [1.0] * len(effects))
    return score(np.array([effects], dtype=float), model, **options)


# With errors of 1, neighbours differ when they are more than 1.96 * sqrt(2) = 2.77 apart:
# 4 apart p = 0.005, 2 apart p = 0.16, 1 apart p = 0.48.
THIRTEEN = {
    "TNF > IL > INT": (8, 4, 0),
    "TNF > INT > IL": (8, 0, 4),
    "IL > TNF > INT": (4, 8, 0),
    "INT > TNF > IL": (4, 0, 8),
    "IL > INT > TNF": (0, 8, 4),
    "INT > IL > TNF": (0, 4, 8),
    "TNF > (IL = INT)": (5, 0, 1),
    "IL > (TNF = INT)": (1, 5, 0),
    "INT > (TNF = IL)": (0, 1, 5),
    "(TNF = IL) > INT": (4, 5, 0),
    "(TNF = INT) > IL": (4, 0, 5),
    "(IL = INT) > TNF": (0, 4, 5),
    "(TNF = IL = INT)": (1, 2, 0),
}


@pytest.mark.parametrize(("label", "effects"), THIRTEEN.items())
def test_each_of_the_thirteen_labels(label, effects):
    scores = score_one(effects)
    assert scores.subgroups()[0] == label
    assert scores.labels == label_set(["TNF", "IL", "INT"])
    assert set(scores.labels) == set(THIRTEEN)
    assert scores.labels[scores.label[0]] == label
    assert list(scores.ranking[0]) == sorted(range(3), key=lambda i: -effects[i])


def test_contrasts_are_those_of_the_t_distribution():
    scores = score_one((8, 4, 1))
    assert scores.p_first_second[0] == pytest.approx(2 * special.stdtr(2000, -4 / math.sqrt(2)))
    assert scores.p_second_third[0] == pytest.approx(2 * special.stdtr(2000, -3 / math.sqrt(2)))
    assert scores.p_first_third[0] == pytest.approx(2 * special.stdtr(2000, -7 / math.sqrt(2)))
    # All pairs in the card's order, whatever the ranking: (TNF, IL), (TNF, INT), (IL, INT).
    shuffled = score_one((4, 1, 8))
    assert shuffled.contrast_p_value[0].tolist() == [
        shuffled.p_second_third[0],
        shuffled.p_first_second[0],
        shuffled.p_first_third[0],
    ]


@pytest.mark.parametrize(
    ("effects", "errors", "label", "is_ruled_out"),
    [
        ((4, 2, 0), (1, 1, 1), "(TNF = IL = INT)", True),
        ((2, 1, 0), (1, 1, 1), "(TNF = IL = INT)", False),
        ((6, 2, 0), (1, 1, 1), "TNF > (IL = INT)", False),
        # First differs from second, not from the third, whose error is large.
        ((4, 0, -1), (1, 1, 5), "TNF > (IL = INT)", False),
    ],
)
def test_worst_class_ruled_out(effects, errors, label, is_ruled_out):
    scores = score_one(effects, errors)
    assert scores.subgroups()[0] == label
    assert scores.worst_class_ruled_out[0] == is_ruled_out


def test_first_against_third_may_be_no_difference_under_a_strict_label():
    scores = score_one((4, 0, -1), (1, 1, 5))
    assert scores.p_first_second[0] < 0.05 < scores.p_first_third[0]


@pytest.mark.parametrize("effects", [(5, 5, 5), (0, 5, 5), (5, 0, 5), (-0.0, 0.0, 0.0)])
def test_ties_go_by_the_order_of_the_card(effects):
    scores = score_one(effects)
    ranking = list(scores.ranking[0])
    assert ranking == sorted(range(3), key=lambda i: (-effects[i], i))
    tied = [i for i in range(3) if effects[i] == max(effects)]
    assert scores.contrast_p_value[0][-1 if 0 not in tied else tied[1] - 1] == 1.0


def test_preference_rank_is_the_place_in_the_ranking():
    scores = score_one((4, 0, 8))
    assert scores.ranking[0].tolist() == [2, 0, 1]
    assert scores.preference_rank[0].tolist() == [2, 3, 1]


def test_on_top_is_the_first_group_with_its_mean_response():
    strict, tied, whole = (score_one(effects) for effects in ((9, 5, 0), (9, 8, 0), (2, 1, 0)))
    assert strict.on_top[0].tolist() == [True, False, False]
    assert tied.on_top[0].tolist() == [True, True, False]
    assert whole.on_top[0].tolist() == [True, True, True]
    for scores in (strict, tied, whole):
        mean = scores.response_probability[0][scores.on_top[0]].mean()
        assert scores.on_top_response_probability[0] == pytest.approx(mean, abs=1e-15)


def test_response_probability_is_of_the_total_reduction():
    # Placebo 10 + effect 10 against 10 points, standard deviation sqrt(1 + 99) = 10: Phi(1).
    scores = score_one((10, 0, 0))
    assert scores.expected_reduction[0].tolist() == [20, 10, 10]
    expected = [0.5 * (1 + math.erf(1 / math.sqrt(2))), 0.5, 0.5]
    assert scores.response_probability[0] == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(
    ("excluded", "label", "ranking", "ranks"),
    [
        ({"tnf"}, "IL > INT", [1, 2, -1], [0, 1, 2]),
        ({"il"}, "(TNF = INT)", [0, 2, -1], [1, 0, 2]),
        ({"tnf", "il"}, "INT", [2, -1, -1], [0, 0, 1]),
        (set(), "(TNF = IL) > INT", [0, 1, 2], [1, 2, 3]),
    ],
)
def test_excluded_classes_leave_the_ranking_but_keep_their_effects(excluded, label, ranking, ranks):
    effects = (5, 4, 0) if "il" not in excluded else (1, 4, 0)
    scores = score_one(effects, excluded=frozenset(excluded))
    assert scores.attributable_effect[0].tolist() == list(effects)
    assert scores.subgroups()[0] == label
    assert scores.ranking[0].tolist() == ranking
    assert scores.preference_rank[0].tolist() == ranks
    is_ranked = [LABELS[i].lower() not in excluded for i in range(3)]
    pairs = [(0, 1), (0, 2), (1, 2)]
    is_contrasted = [is_ranked[a] and is_ranked[b] for a, b in pairs]
    assert (~np.isnan(scores.contrast_p_value[0])).tolist() == is_contrasted


def test_no_class_left_says_so():
    scores = score_one((5, 4, 0), excluded=frozenset({"tnf", "il", "int"}))
    assert scores.labels == ()
    assert scores.subgroups().tolist() == [None]
    assert scores.label.tolist() == [-1]
    assert scores.ranking[0].tolist() == [-1, -1, -1]
    assert not scores.on_top.any()
    assert np.isnan(scores.on_top_response_probability).all()
    assert np.isnan(scores.p_first_second).all()
    assert scores.attributable_effect[0].tolist() == [5, 4, 0]


@pytest.mark.parametrize(("c", "n_labels"), [(0, 0), (1, 1), (2, 3), (3, 13), (4, 75), (5, 541)])
def test_label_sets(c, n_labels):
    labels = label_set(LABELS[:c])
    assert len(labels) == len(set(labels)) == n_labels


def test_label_sets_run_from_strict_orders_to_no_preference():
    assert label_set(["A", "B"]) == ("A > B", "B > A", "(A = B)")
    labels = label_set(LABELS[:3])
    assert labels[0] == "TNF > IL > INT"
    assert labels[6] == "TNF > (IL = INT)"
    assert labels[-1] == "(TNF = IL = INT)"
    with pytest.raises(ValueError, match="6 classes"):
        label_set("ABCDEF")


@pytest.mark.parametrize("c", [2, 4, 5])
def test_other_numbers_of_classes(c):
    """Effects 4 apart are a strict order, 1 apart inside a group; every order of every group."""
    model = tiny_model([1.0] * c)
    places = np.array(list(permutations(range(c))))
    strict = score(places * 4.0, model)
    for place, label in zip(places, strict.subgroups(), strict=True):
        best_first = sorted(range(c), key=lambda i: -place[i])
        assert label == " > ".join(LABELS[i] for i in best_first)
    # The two worst of each order are 1 apart instead of 4.
    joined = score(np.where(places == 0, 3.0, places * 4.0), model)
    for place, label in zip(places, joined.subgroups(), strict=True):
        *best, second, last = sorted(range(c), key=lambda i: -place[i])
        group = " = ".join(LABELS[i] for i in sorted((second, last)))
        assert label == " > ".join([*(LABELS[i] for i in best), f"({group})"])
    assert np.isnan(strict.p_second_third).all() == (c < 3)
    # Steps of 2 are no difference between neighbours; the ends are 4 or more apart from c = 3 on.
    chained = score(places * 2.0, model)
    assert set(chained.subgroups()) == {f"({' = '.join(LABELS[:c])})"}
    assert (chained.worst_class_ruled_out == (c > 2)).all()


def test_first_third_and_first_last_are_kept_apart_beyond_three_classes():
    scores = score_one((6, 4, 2, 0))
    assert scores.p_first_third[0] == scores.contrast_p_value[0][1]
    assert scores.worst_class_ruled_out[0]


@pytest.fixture(scope="module")
def crohns():
    return load_model("crohns_srs_2025").arrays


def test_one_patient_by_plain_arithmetic(crohns):
    """A man of 45, CDAI 320, BMI 25, CRP 20, steroid and ileal disease, nothing else."""
    patient = dict.fromkeys(crohns.covariates, 0.0)
    patient |= {"cdai": 320, "age": 45, "bmi": 25, "crp": 20, "male": 1, "steroid": 1, "ileal": 1}
    values = np.array([list(patient.values())])
    scores = score(values, crohns, "analytic")
    placebo = (
        74.6908371484355
        - 1.96347984562364 * 6
        + 0.326523265581311 * 20
        + 0.406964811563125 * 10
        + 0.715846713185878 * 5
        - 0.221201939020093 * 10
        + 2.21693463757667
        + 0.317886690877847
        + 4.8827728878034
    )
    anti_tnf = (
        54.9572325934766
        + 0.110412207931505 * 20
        - 1.23291917667804 * 10
        - 0.192074248403298 * 5
        + 0.346654751855589 * 10
        + 0.677295837994369
        - 1.69361013709372
        - 7.29447798636533
    )
    assert scores.placebo_effect[0] == pytest.approx(placebo, abs=1e-11)
    assert scores.attributable_effect[0, 0] == pytest.approx(anti_tnf, abs=1e-11)
    assert scores.expected_reduction[0, 0] == pytest.approx(placebo + anti_tnf, abs=1e-11)

    x = [1, 20, 10, 5, 10, 0, 1, 1, 0, 1]
    covariance = crohns.classes[0].covariance.tolist()
    variance = sum(x[i] * covariance[i][j] * x[j] for i in range(10) for j in range(10))
    assert scores.standard_error[0, 0] == pytest.approx(math.sqrt(variance), abs=1e-11)
    s = math.sqrt(variance + 570.942904674982 + 7072.13148826088)
    response = 0.5 * math.erfc((100 - placebo - anti_tnf) / s / math.sqrt(2))
    assert scores.response_probability[0, 0] == pytest.approx(response, abs=1e-13)

    bootstrap = score(values, crohns, "bootstrap")
    mean = crohns.classes[0].bootstrap_mean.tolist()
    effect = sum(x[i] * mean[i] for i in range(10))
    assert bootstrap.attributable_effect[0, 0] == pytest.approx(effect, abs=1e-11)
    assert bootstrap.response_probability[0, 0] == scores.response_probability[0, 0]


def bits(scores, patients=slice(None)):
    return [
        getattr(scores, name)[patients].tobytes()
        for name in scores.__dataclass_fields__
        if name != "labels"
    ]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 40),
    n_before=st.sampled_from([0, 1, 7, 8190, 8191, 8192, 8193]),
    cut=st.integers(0, 40),
    uncertainty=st.sampled_from(terms.UNCERTAINTIES),
)
def test_a_patient_scores_the_same_bits_in_any_batch(crohns, seed, n, n_before, cut, uncertainty):
    random = np.random.default_rng(seed)
    values = random.normal(size=(n_before + n, 9)) * 30 + 50
    patients = values[n_before:]
    together = bits(score(values, crohns, uncertainty), slice(n_before, None))
    assert bits(score(patients, crohns, uncertainty)) == together
    assert bits(score(np.asfortranarray(patients), crohns, uncertainty)) == together
    assert bits(score(patients[::-1], crohns, uncertainty), slice(None, None, -1)) == together
    parts = [score(part, crohns, uncertainty) for part in (patients[:cut], patients[cut:])]
    for name in ("attributable_effect", "standard_error", "contrast_p_value", "label"):
        joined = np.concatenate([getattr(part, name) for part in parts])
        whole = getattr(score(patients, crohns, uncertainty), name)
        assert joined.tobytes() == np.ascontiguousarray(whole).tobytes()


@pytest.mark.parametrize("uncertainty", terms.UNCERTAINTIES)
def test_the_ranking_alone_is_the_same_without_the_response(crohns, uncertainty):
    values = np.random.default_rng(3).normal(size=(50, 9)) * 30 + 50
    whole = score(values, crohns, uncertainty)
    ranked = score(values, crohns, uncertainty, with_response=False)
    for name, each in vars(whole).items():
        if name.endswith("response_probability"):
            assert np.isnan(getattr(ranked, name)).all()
        elif name != "labels":
            assert getattr(ranked, name).tobytes() == each.tobytes()


def test_what_is_not_finite_is_refused_without_the_response_too(crohns):
    values = np.full((4, 9), 7.25)
    values[2, 1] = 1e300
    with pytest.raises(ScoringError, match=r"^0 of 4 .* for 1 the score is not finite"):
        score(values, crohns, with_response=False)


def test_no_patients_give_empty_scores(crohns):
    scores = score(np.empty((0, 9)), crohns)
    assert scores.attributable_effect.shape == (0, 3)
    assert scores.subgroups().shape == (0,)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_are_refused_by_count(crohns, bad):
    values = np.full((5, 9), 7.25)
    values[1, 3] = values[3, 0] = bad
    with pytest.raises(ScoringError, match=r"^2 of 5 patients have a covariate") as caught:
        score(values, crohns)
    assert "7.25" not in str(caught.value)


def test_results_that_are_not_finite_are_refused_by_count(crohns):
    values = np.full((4, 9), 7.25)
    values[2, 1] = 1e300
    with pytest.raises(ScoringError, match=r"^0 of 4 .* for 1 the score is not finite"):
        score(values, crohns)


def test_bad_arguments_are_named_together(crohns):
    with pytest.raises(ScoringError) as caught:
        score(np.zeros((2, 4)), crohns, "jackknife", frozenset({"anti_x"}))
    shape, uncertainty, excluded = caught.value.problems
    assert "(2, 4)" in shape
    assert "(n, 9)" in shape
    assert "allowed: bootstrap, analytic" in uncertainty
    assert "anti_x; allowed: anti_tnf, anti_il12_23, anti_integrin" in excluded


def exact_two_sided_p_value(t, degrees_of_freedom):
    """Abramowitz and Stegun 26.7.4, a finite sum for even degrees of freedom, with 60 digits."""
    with localcontext(prec=60):
        square, df = Decimal(t) ** 2, Decimal(degrees_of_freedom)
        cosine_squared = df / (df + square)
        term = total = Decimal(1)
        for k in range(1, degrees_of_freedom // 2):
            term *= cosine_squared * (2 * k - 1) / (2 * k)
            total += term
        return float(1 - (square / (df + square)).sqrt() * total)


@pytest.mark.parametrize("degrees_of_freedom", [4, 40, 498, 500, 502, 1000, 2244, 3476])
def test_p_values_against_the_exact_sum(degrees_of_freedom):
    for t in (0.0, 0.01, 0.5, 1.0, 1.96, 2.5, 4.0, 7.0, 12.0):
        squared_ratio = np.array([t * t / degrees_of_freedom])
        found = p_values.two_sided_p_value(squared_ratio, degrees_of_freedom)[0]
        exact = exact_two_sided_p_value(t, degrees_of_freedom)
        assert found == pytest.approx(exact, rel=2e-12, abs=0)
        assert abs(found - exact) < 1e-15


@pytest.mark.parametrize("degrees_of_freedom", [500.0, 617.25, 2385.0, 3475.0, 1e6])
def test_p_values_against_the_incomplete_beta_function(degrees_of_freedom):
    t = np.linspace(0, 20, 2001)
    found = p_values.two_sided_p_value(t * t / degrees_of_freedom, degrees_of_freedom)
    assert found == pytest.approx(2 * special.stdtr(degrees_of_freedom, -t), rel=1e-9, abs=1e-15)


def test_p_values_keep_their_input_unless_told():
    squared_ratio = np.array([0.25])
    p_values.two_sided_p_value(squared_ratio, 1000.0)
    assert squared_ratio[0] == 0.25


@pytest.mark.parametrize(
    ("values", "recorded", "answer"),
    [
        # x1 has the range 5 to 6, x0 tells disease activity, x2 has no range.
        ((0, 5.5, 0), (True, True, True), kernel.WITHIN),
        ((0, 5, 0), (True, True, True), kernel.WITHIN),
        ((0, 6, 0), (True, True, True), kernel.WITHIN),
        ((0, 6.01, 0), (True, True, True), kernel.OUTSIDE),
        ((0, 4.99, 0), (True, True, False), kernel.OUTSIDE),
        ((0, 4.99, 0), (False, True, True), kernel.OUTSIDE),
        ((0, 4.99, 0), (True, False, True), kernel.WITHIN),
        ((0, 5.5, 0), (False, True, True), kernel.UNKNOWN),
        ((0, 4.99, 0), (False, False, False), kernel.UNKNOWN),
        # Left out of the model.
        ((math.nan, 5.5, 0), (False, True, True), kernel.UNKNOWN),
        ((0, math.nan, 0), (True, False, True), kernel.WITHIN),
    ],
)
def test_within_trial_range(values, recorded, answer):
    answers = within_trial_range(np.array([values], float), np.array([recorded]), tiny_model())
    assert answers.tolist() == [answer]
    assert answers.dtype == np.int8


def test_within_trial_range_of_a_card_without_an_activity_covariate():
    model = replace(tiny_model(), activity_covariate=None)
    values = np.array([[0, 5.5, 0], [0, 7, 0], [0, 7, 0]])
    recorded = np.array([[False] * 3, [False] * 3, [True] * 3])
    answers = within_trial_range(values, recorded, model)
    assert answers.tolist() == [kernel.WITHIN, kernel.WITHIN, kernel.OUTSIDE]


def test_estimates_of_another_method_are_ranked_as_the_model_ranks_its_own():
    model = load_model("crohns_srs_2025").arrays
    random = np.random.default_rng(4)
    values = np.column_stack(
        [random.normal(m, s, 500) for m, s in ((306, 60), (38, 12), (24, 5), (19, 15))]
        + [random.integers(0, 2, 500).astype(float) for _ in range(5)]
    )
    own = score(values, model, "bootstrap")
    found = kernel.rank_estimates(own.attributable_effect, own.standard_error, model)
    for name in ("label", "ranking", "preference_rank", "contrast_p_value", "on_top"):
        assert np.array_equal(getattr(found, name), getattr(own, name)), name
    assert np.isnan(found.response_probability).all()
    assert len(set(found.label.tolist())) > 3
