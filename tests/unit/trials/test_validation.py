"""Folds, held-out subgroups, calibration, trials left out, and variants of made-up data."""

from dataclasses import replace

import numpy as np
import pytest

from omop_scorer.errors import ScoringError
from omop_scorer.model.card import Template
from omop_scorer.trials.calibration import calibrate
from omop_scorer.trials.class_moments import Refitting
from omop_scorer.trials.cross_validation import UNASSIGNED, WAYS, cross_validate
from omop_scorer.trials.fold_figures import LabelNames, fold_counts, over_folds
from omop_scorer.trials.folds import Folds, folds_of, women_of_50_and_over
from omop_scorer.trials.leave_one_trial_out import leave_one_trial_out
from omop_scorer.trials.participants import Participants
from omop_scorer.trials.spectrum import FitError
from omop_scorer.trials.srs import design_of, fit_models
from omop_scorer.trials.subgroup_labels import arrays_of, label_participants
from omop_scorer.trials.variants import combinations_of, fit_variants
from tests.support.trial_data import Made, MadeUp, Plan, make_up, template

REFITTING = Refitting(refits=200)
EFFECTS = {
    "anti_tnf": {"intercept": 60.0, "cdai": 0.5},
    "anti_il12_23": {"intercept": 10.0, "crp": 1.0},
    "anti_integrin": {"intercept": -40.0},
}


def made(n: int = 480, **plan: object) -> MadeUp:
    return make_up(5, Plan(n=n, effects=EFFECTS, **plan))  # type: ignore[arg-type]


def template_of(data: MadeUp) -> Template:
    return Template.model_validate(template(data.plan))


def without(participants: Participants, dropped: np.ndarray) -> Participants:
    kept = ~dropped
    rows = {
        name: value[kept]
        for name, value in vars(participants).items()
        if isinstance(value, np.ndarray)
    }
    return replace(participants, **rows)


def test_dealt_folds_are_balanced_and_seeded() -> None:
    participants = made().participants()
    folds = folds_of(participants, 3)
    assert folds.source == "dealt"
    assert np.bincount(folds.fold).tolist() == [48] * 10
    women = women_of_50_and_over(participants)
    assert women is not None
    for stratum in np.unique(2 * participants.arm + women):
        counts = np.bincount(folds.fold[(2 * participants.arm + women) == stratum], minlength=10)
        assert counts.max() - counts.min() <= 1
    assert (folds_of(participants, 3).fold == folds.fold).all()
    assert (folds_of(participants, 4).fold != folds.fold).any()


def test_fifty_is_fifty_and_over() -> None:
    participants = made(80).participants()
    names = participants.covariates
    values = participants.values.copy()
    values[:4, names.index("age")] = [49.9, 50.0, 50.0, 80.0]
    values[:4, names.index("male")] = [0.0, 0.0, 1.0, 0.0]
    women = women_of_50_and_over(replace(participants, values=values))
    assert women is not None
    assert women[:4].tolist() == [False, True, False, True]


def test_a_disease_without_age_and_sex_is_dealt_by_arm() -> None:
    plan = {"covariates": {"score": Made(10, 3, 10)}, "placebo": {"intercept": 5.0}}
    participants = make_up(1, Plan(n=203, classes=("a", "b"), **plan)).participants()
    assert women_of_50_and_over(participants) is None
    fold = folds_of(participants, 1).fold
    for arm in range(3):
        counts = np.bincount(fold[participants.arm == arm], minlength=10)
        assert counts.max() - counts.min() <= 1


def test_folds_of_the_file_are_used_as_they_stand() -> None:
    participants = made(100).participants()
    own = np.arange(100) // 7 % 10
    assert (folds_of(replace(participants, fold=own), 1).fold == own).all()


def test_an_empty_fold_is_refused() -> None:
    participants = made(100).participants()
    own = np.arange(100) % 8
    with pytest.raises(ScoringError, match="column fold: no included participant has fold 8, 9;"):
        folds_of(replace(participants, fold=own), 1)


@pytest.mark.parametrize("way", WAYS)
def test_held_out_participants_never_change_their_own_models(way: str) -> None:
    data = made()
    participants, centres = data.participants(), data.centres
    folds = folds_of(participants, 1)
    found = cross_validate(way, participants, template_of(data), centres, folds, REFITTING)  # type: ignore[arg-type]
    held_out = folds.fold == 4
    kept = without(participants, held_out)
    alone = fit_models(kept, centres)
    models = found.folds[4].models
    assert models is not None
    if way == "all_patients":
        assert models.placebo.beta == pytest.approx(alone.placebo.beta, rel=1e-9)
        for key, fit in models.classes.items():
            assert fit.beta == pytest.approx(alone.classes[key].beta, rel=1e-8)
            assert fit.n == alone.classes[key].n
        expected = design_of(participants, centres).predict(alone.placebo)
        rows = held_out & (participants.arm == 0)
        assert found.predicted[rows] == pytest.approx(expected[rows], rel=1e-8)
        assert (found.labels["analytic"] != UNASSIGNED).all()
    else:
        whole = fit_models(participants, centres)
        assert models.placebo.beta == pytest.approx(whole.placebo.beta, rel=1e-9)
        assert models.classes["anti_tnf"].n == alone.classes["anti_tnf"].n
        assigned = found.labels["analytic"] != UNASSIGNED
        assert (assigned == (participants.arm > 0)).all()
        assert (np.isfinite(found.predicted) == assigned).all()


def test_a_fold_that_cannot_be_fitted_fails_alone() -> None:
    # Only participants of fold 2 on one class have had the other drug before.
    data = made()
    participants = data.participants()
    folds = folds_of(participants, 1)
    values = participants.values.copy()
    column = participants.covariates.index("prior_anti_tnf")
    on_class = participants.arm == 2
    values[on_class, column] = (folds.fold[on_class] == 2).astype(float)
    done: list[int] = []
    found = cross_validate(
        "all_patients",
        replace(participants, values=values),
        template_of(data),
        data.centres,
        folds,
        replace(REFITTING, advance=done.append),
    )
    failed = [each.fold for each in found.folds if each.models is None]
    assert failed == [2]
    assert found.folds[2].failure is not None
    assert found.folds[2].failure.startswith("anti_il12_23: prior_anti_tnf is constant among")
    assert ((found.labels["bootstrap"] == UNASSIGNED) == (folds.fold == 2)).all()
    assert sum(done) == 10 * 3 * 200


def test_counts_of_folds_by_hand() -> None:
    names = LabelNames(("A > B", "B > A", "(A = B)"), {"anti_tnf": "A", "anti_il12_23": "B"})
    data = make_up(2, Plan(n=200, classes=("anti_tnf", "anti_il12_23")))
    participants = data.participants()
    folds = Folds(np.arange(200) // 20, "column")
    found = cross_validate(
        "all_patients", participants, template_of(data), data.centres, folds, REFITTING
    )
    label, women = np.full(200, 2), np.zeros(200, np.bool_)
    label[:3], label[20:24] = 1, [0, 1, 1, UNASSIGNED]
    women[[0, 1, 5, 21]] = True
    counts = fold_counts(found, label, names, women)
    assert counts[0].as_json() == {
        "fold": 0,
        "n_held_out": 20,
        "n_women_50_and_over": 3,
        "n_il_best": 3,
        "n_il_best_women_50_and_over": 2,
        "n_best_alone": {"anti_tnf": 0, "anti_il12_23": 3},
        "subgroup_counts": {"B > A": 3, "(A = B)": 17},
        "failed": None,
    }
    assert counts[1].n_il_best == 2
    assert counts[1].n_il_best_women_50_and_over == 1
    shares = over_folds(counts, "(A = B)")
    among = shares["women_50_and_over_among_il_best"]
    assert (among.n_folds, among.median, among.low, among.high) == (
        2,
        (2 / 3 + 1 / 2) / 2,
        0.5,
        2 / 3,
    )
    of_women = shares["il_best_among_women_50_and_over"]
    assert (of_women.n_folds, of_women.low, of_women.high) == (2, 2 / 3, 1.0)
    assert shares["il_best"].median == 0.0


def test_calibration_by_hand() -> None:
    predicted = np.array([5.0, 1, 2, 3, 4, 10, 9, 8, 7, 6])
    observed = predicted + np.array([1.0, -1, 1, -1, 1, -1, 1, -1, 1, 4])
    found = calibrate(predicted, observed)
    assert found.rmse == pytest.approx(np.sqrt((9 * 1 + 16) / 10))
    assert found.bias == pytest.approx(0.5)
    low, high = found.groups
    assert (low.n, low.predicted, low.observed) == (5, 3.0, pytest.approx(3.2))
    assert (high.n, high.predicted, high.observed) == (5, 8.0, pytest.approx(8.8))
    deviation = np.std([6, 0, 3, 2, 5], ddof=1)
    assert low.observed_standard_error == pytest.approx(deviation / np.sqrt(5))


@pytest.mark.parametrize(
    ("n", "groups"), [(4, 0), (5, 1), (9, 1), (10, 2), (24, 4), (25, 5), (99, 5)]
)
def test_no_group_has_fewer_than_five(n: int, groups: int) -> None:
    values = np.arange(float(n))
    found = calibrate(values, values[::-1])
    assert len(found.groups) == groups
    assert all(each.n >= 5 for each in found.groups)
    assert (found.rmse is None) == (n < 5)


def test_a_trial_that_is_left_out_never_changes_its_prediction() -> None:
    data = made()
    participants = data.participants()
    found = leave_one_trial_out(participants, data.centres)
    assert list(found) == list(participants.arms)
    assert [each.trial for each in found["anti_tnf"]] == list(participants.trials)
    rows = (participants.trial == 2) & (participants.arm == 1)
    alone = fit_models(without(participants, participants.trial == 2), data.centres)
    design = design_of(participants, data.centres)
    total = design.predict(alone.placebo) + design.predict(alone.classes["anti_tnf"])
    third = found["anti_tnf"][2]
    assert third.n == rows.sum()
    assert third.observed == pytest.approx(participants.outcome[rows].mean())
    assert third.predicted == pytest.approx(total[rows].mean(), rel=1e-9)
    assert third.standard_error is not None
    assert third.standard_error > np.sqrt(alone.classes["anti_tnf"].residual_variance / third.n)


def test_few_participants_of_a_trial_are_not_shown() -> None:
    data = made()
    participants = data.participants()
    rows = np.flatnonzero((participants.trial == 2) & (participants.arm == 1))
    dropped = np.isin(np.arange(len(participants)), rows[4:])
    found = leave_one_trial_out(without(participants, dropped), data.centres)["anti_tnf"][2]
    assert (found.n, found.observed, found.predicted, found.standard_error) == (4, None, None, None)


def test_a_class_with_two_trials_is_not_left_out() -> None:
    data = made()
    participants = data.participants()
    dropped = (participants.arm == 3) & (participants.trial > 1)
    found = leave_one_trial_out(without(participants, dropped), data.centres)
    assert found["anti_integrin"] == []
    assert len(found["anti_tnf"]) == 6


def test_each_combination_of_covariates_has_a_variant() -> None:
    names = ["+".join(each) for each in combinations_of(("cdai", "crp", "ileal"))]
    assert names == [
        *("cdai", "crp", "ileal", "cdai+crp", "cdai+ileal", "crp+ileal", "cdai+crp+ileal"),
    ]


def test_a_variant_is_the_fit_of_data_without_the_covariates() -> None:
    data = made()
    participants, centres = data.participants(), data.centres
    models = fit_models(participants, centres)
    arrays = arrays_of(models, REFITTING.moments(models), template_of(data), centres)
    full = label_participants(participants, arrays)
    variants = fit_variants(
        participants, template_of(data), centres, full, ("cdai", "crp"), REFITTING
    )
    kept = [i for i, name in enumerate(participants.covariates) if name not in ("cdai", "crp")]
    reduced = replace(
        participants,
        covariates=tuple(participants.covariates[i] for i in kept),
        values=participants.values[:, kept],
    )
    expected = fit_models(reduced, centres)
    assert [each.name for each in variants] == ["cdai", "crp", "cdai+crp"]
    for name, fit in variants[-1].models.named().items():
        assert fit.terms == expected.named()[name].terms
        assert fit.beta == pytest.approx(expected.named()[name].beta, rel=1e-8)
    found = variants[-1].as_json()["bootstrap"]
    assert 0.0 < found["no_preference_share"] < 1.0
    assert found["concordance"] == 1.0 - found["contradictory"] / 480


def test_the_year_is_in_the_placebo_model_alone() -> None:
    data = made()
    models = fit_models(data.participants(), data.centres)
    assert models.placebo.terms[:2] == ("intercept", "year")
    assert all("year" not in fit.terms for fit in models.classes.values())
    no_year = made(year=None)
    assert "year" not in fit_models(no_year.participants(), no_year.centres).placebo.terms


def test_an_arm_without_participants_is_named() -> None:
    data = made()
    participants = data.participants()
    for arm, message in ((0, "^placebo: no participant"), (2, "^anti_il12_23: no participant")):
        with pytest.raises(FitError, match=message):
            fit_models(without(participants, participants.arm == arm), data.centres)
