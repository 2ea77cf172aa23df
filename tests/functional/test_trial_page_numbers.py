"""Pages on trial data: their numbers are those of the answers, and small counts are hidden."""

import html
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from omop_scorer.report.blocks import Table
from omop_scorer.report.charts.estimates import Estimate, Repetitions, estimates, strips
from omop_scorer.report.trial_data.coefficients import section as coefficients
from omop_scorer.report.trial_data.fit_page import render_fit
from omop_scorer.report.trial_data.folds import first_shares, women_shares
from omop_scorer.report.trial_data.left_out_trials import section as left_out
from omop_scorer.report.trial_data.names import TrialNames, breakable
from omop_scorer.report.trial_data.refits import error_ratios
from omop_scorer.report.trial_data.shown_counts import shown_counts
from omop_scorer.report.trial_data.subgroups import heat_map
from omop_scorer.report.trial_data.trial_effects import unshrunken
from omop_scorer.report.trial_data.validation_page import render_validation
from omop_scorer.trials.class_moments import Refitting
from omop_scorer.trials.fitting import Fitted, fit_card
from omop_scorer.trials.load import load_trials
from omop_scorer.trials.validation import Validation, validate_models
from tests.support.trial_data import Plan, make_up, write_csv

PLAN = Plan(
    n=480,
    n_trials=6,
    effects={"anti_tnf": {"intercept": 60.0}, "anti_il12_23": {"intercept": 40.0, "age": 4.0}},
    trial_deviation=20.0,
    residual_deviation=40.0,
)
#: Participants of the small trial, all on anti_tnf.
N_SMALL = 3


@pytest.fixture(scope="module")
def data_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = make_up(3, PLAN).rows()
    of_class = [row for row in rows if row["arm"] == "anti_tnf"]
    for row in of_class[:N_SMALL]:
        row["trial"] = "TINY"
    for i, row in enumerate(rows):
        row["participant_id"] = f"SENTINEL{i}"
    return write_csv(tmp_path_factory.mktemp("pages") / "trials.csv", rows)


@pytest.fixture(scope="module")
def fitted(data_file: Path) -> Fitted:
    return fit_card(load_trials(data_file), Refitting(200), ("crp",))


@pytest.fixture(scope="module")
def validation(data_file: Path) -> Validation:
    return validate_models(load_trials(data_file), Refitting(200))


@pytest.fixture(scope="module")
def fit_page(fitted: Fitted) -> str:
    return render_fit(fitted, 5)


@pytest.fixture(scope="module")
def validation_page(validation: Validation) -> str:
    return render_validation(validation, 5)


def words(page: str) -> str:
    """Return the words of a page, without its style and pictures."""
    body = page.partition("</style>")[2].replace("<wbr>", "")
    body = re.sub(r"<svg.*?</svg>", " ", body, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def everything(page: str) -> str:
    """Return a page with the words of its pictures."""
    return html.unescape(page)


def test_numbers_of_a_fit(fitted: Fitted, fit_page: str) -> None:
    said = words(fit_page)
    models = fitted.models.named()
    for fit in models.values():
        assert f"{fit.lrt_chi2:.2f} {fit.lrt_df}" in said
        assert f"{fit.residual_variance:,.1f}" in said
    labels = fitted.labels["bootstrap"]
    n_equal = int((labels == len(fitted.label_set) - 1).sum())
    assert f"(TNF = IL = INT) {n_equal:,} " in said
    assert f"{n_equal / len(labels):.1%}" in said
    variant = fitted.variants[0]
    left = variant.agreement["bootstrap"].no_preference_share[1]
    assert f"Without C-reactive protein {left:.1%}" in said
    assert f"{variant.agreement['bootstrap'].concordance:.1%}" in said
    for claim in (
        "TNF means anti-TNF",
        "u are held at their estimates",
        "It is blind to lost power",
    ):
        assert claim in said


def test_the_same_fit_gives_the_same_page(fitted: Fitted, fit_page: str) -> None:
    assert render_fit(fitted, 5) == fit_page


def test_scaled_coefficients(fitted: Fitted) -> None:
    data = fitted.data
    names = TrialNames(data.template, data.template.classes)
    found = coefficients(fitted.models.named(), data.participants, names, 5)
    tables = [block.table for block in found.blocks if getattr(block, "table", None)]
    fit = fitted.models.placebo
    row = {str(cells[0]): cells for cells in tables[0].rows}
    step = float(f"{np.std(data.participants.values[:, 0], ddof=1):.2g}")
    label = f"CDAI, per {step:g} points"
    scaled = float(fit.beta[fit.terms.index("cdai")]) * step
    assert row[label][1] == f"{scaled:z,.1f}".replace("-", "−")


def test_a_trial_effect_is_the_shrunken_mean_residual(fitted: Fitted, data_file: Path) -> None:
    fit, data = fitted.models.placebo, fitted.data
    assert not fit.singular
    people = data.participants
    columns = [np.ones(len(people)), people.year - 2000]
    columns += [
        people.values[:, i] - data.centres[name] for i, name in enumerate(people.covariates)
    ]
    residual = people.outcome - np.column_stack(columns) @ fit.beta
    for place, trial in enumerate(people.trials):
        rows = (people.trial == place) & (people.arm == 0)
        if rows.any():
            assert unshrunken(fit, trial) == pytest.approx(float(residual[rows].mean()), rel=1e-6)


def test_error_ratios(fitted: Fitted) -> None:
    fit, moments = fitted.models.classes["anti_tnf"], fitted.moments["anti_tnf"]
    place = fit.terms.index("age")
    expected = np.sqrt(moments.covariance[place, place]) / fit.se[place]
    assert error_ratios(fit, moments)["age"] == pytest.approx(float(expected))


def test_small_trials_are_hidden_with_what_reveals_them(fitted: Fitted) -> None:
    counts = shown_counts(fitted.data.participants, 5)["anti_tnf"]
    true = fitted.models.classes["anti_tnf"].n_per_trial
    assert true["TINY"] == N_SMALL
    hidden = {trial for trial, n in counts.items() if n is None}
    # The number of the class is printed, so one hidden trial alone could be calculated.
    assert "TINY" in hidden
    assert len(hidden) >= 2
    assert all(counts[trial] == true[trial] for trial in counts if trial not in hidden)
    shown = shown_counts(fitted.data.participants, 1)["anti_tnf"]
    assert shown == true
    assert set(shown_counts(fitted.data.participants, 10_000)["anti_tnf"].values()) == {None}


def test_a_hidden_trial_has_no_figure_anywhere(fitted: Fitted, fit_page: str) -> None:
    said = words(fit_page)
    assert "TINY not shown not shown not shown not shown" in said
    fit = fitted.models.classes["anti_tnf"]
    if not fit.singular:
        assert f"TINY {fit.trial_effects['TINY']:.1f}".replace("-", "−") not in said


def test_nobody_is_in_a_page(fitted: Fitted, fit_page: str, validation_page: str) -> None:
    outcomes = [repr(each) for each in fitted.data.participants.outcome.tolist()]
    for page in (fit_page, validation_page):
        text = everything(page)
        assert "SENTINEL" not in text
        assert not [each for each in outcomes if each in text]


def test_numbers_of_a_validation(validation: Validation, validation_page: str) -> None:
    said = words(validation_page)
    for way in validation.ways:
        for each in validation.calibrations(way).values():
            assert f"{each.n:,} {each.rmse:.1f}" in said
        agreement = validation.against_full_data(way, "analytic")
        assert f"{agreement.n_contradictory:,} of {agreement.n:,}" in said
    folds = validation.folds_of("all_patients", "bootstrap")
    shares = first_shares(folds, "anti_il12_23")
    assert shares == [each.n_il_best / each.n_held_out for each in folds]
    assert f"{np.median(shares):.1%}" in said
    of_women = women_shares(folds, "anti_il12_23")
    assert of_women == [e.n_il_best_women_50_and_over / e.n_il_best for e in folds if e.n_il_best]
    assert "TINY not shown" in said
    for claim in ("the paper’s text says", "the paper’s code does", "mostly the residual spread"):
        assert claim in said


def test_a_failure_of_a_hidden_trial_tells_no_number(validation: Validation) -> None:
    failing = [
        replace(each, predicted=None, failure="anti_tnf: 117 participants are left")
        for each in validation.trials["anti_tnf"]
    ]
    counts = shown_counts(validation.data.participants, 5)
    template = validation.data.template
    names = TrialNames(template, template.classes)
    found = left_out({"anti_tnf": failing}, counts, names)
    (table,) = (block for block in found.blocks if isinstance(block, Table))
    cells = {str(row[0]): [str(cell) for cell in row[1:]] for row in table.rows}
    assert cells["TINY"] == ["not shown"] * 5
    assert "failed" in {row[1] for row in cells.values()}
    assert not any("117" in cell for row in cells.values() for cell in row)


def test_rare_labels_of_a_heat_map_are_added_up() -> None:
    label_set = [f"L{i:02}" for i in range(20)]
    pairs = {(label, "L00"): 20 - i for i, label in enumerate(label_set)}
    table = heat_map(pairs, label_set, "caption", "First")
    assert [row[0] for row in table.rows] == [*label_set[:8], "other labels", "All"]
    assert table.rows[0][1].text == "20"  # type: ignore[union-attr]
    assert table.rows[8][-1] == str(sum(range(1, 13)))
    assert table.rows[-1][-1] == str(sum(range(1, 21)))
    numbered = heat_map({("A" * 30, "B"): 2, ("B", "A" * 30): 3}, ["A" * 30, "B"], "c", "First")
    assert list(numbered.columns) == ["First", "1", "2", "All"]
    assert [str(row[0]).replace("<wbr>", "") for row in numbered.rows[:2]] == [
        f"1: {'A' * 30}",
        "2: B",
    ]


def test_long_words_may_break_and_stay_text() -> None:
    assert breakable("TNF > (IL = INT)") == "TNF > (IL = INT)"
    broken = breakable("A_VERY_LONG_<b>NAME</b>_OF_A_TRIAL")
    assert html.unescape(broken.replace("<wbr>", "")) == "A_VERY_LONG_<b>NAME</b>_OF_A_TRIAL"
    assert "<b>" not in broken


def test_pictures_hide_and_count() -> None:
    assert not estimates([Estimate("a", None)]).shows
    assert estimates([Estimate("a", 1.0, 0.5, 1.5), Estimate("b", None)]).shows
    assert not strips([Repetitions("a", [])], colours=["#000000"]).shows
    one, other = (estimates([Estimate("a", 1.0, 0.5, 1.5, 2.0)]).draw(500) for _ in range(2))
    assert one == other
