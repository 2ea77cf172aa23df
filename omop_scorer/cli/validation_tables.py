"""Tables of a validation, for a terminal of 80 columns."""

from collections.abc import Callable, Iterable, Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from omop_scorer.cli.trials_tables import arm_labels, arms_key, attrition_table, heading
from omop_scorer.terms import UNCERTAINTIES
from omop_scorer.texts.characters import one_line
from omop_scorer.trials.calibration import FEWEST
from omop_scorer.trials.concordance import Concordance
from omop_scorer.trials.cross_validation import Way
from omop_scorer.trials.fold_figures import IL, FoldCounts, OverFolds, over_folds
from omop_scorer.trials.folds import N_FOLDS
from omop_scorer.trials.leave_one_trial_out import FEWEST_TRIALS, LeftOutTrial
from omop_scorer.trials.validation import Validation

_MEANING = {
    "all_patients": "ten folds, every model fitted without the fold (the paper's text)",
    "placebo_once": "ten folds of all on a drug, one placebo model (the paper's code)",
}

_SHARES = {
    "no_preference": "no preference",
    "il_best": "IL first",
    "women_50_and_over_among_il_best": "women of 50+ among IL first",
    "il_best_among_women_50_and_over": "IL first among women of 50+",
}


#: Figures of held-out labels beside those of models that saw everybody.
_FIGURES: dict[str, Callable[[Concordance], str]] = {
    "same label as seen": lambda each: f"{each.same_label_share:.1%}",
    "contradictory labels": lambda each: f"{each.n_contradictory:,}",
    "no preference, seen": lambda each: f"{each.no_preference_share[0]:.1%}",
    "no preference, held out": lambda each: f"{each.no_preference_share[1]:.1%}",
}


def render_validation(found: Validation) -> Group:
    """Return what `trials validate` prints."""
    return Group(*_parts(found))


def _parts(found: Validation) -> Iterator[RenderableType]:
    yield heading(f"Summary of participants held out: {_both(UNCERTAINTIES)}")
    yield _summary(found)
    yield Text(
        "seen: by models that saw everybody. Labels without a preference contradict nothing, so "
        "read these lines together. RMSE: root mean squared error of one prediction."
    )
    yield heading("Participants")
    yield attrition_table(found.data)
    yield arms_key(found.data.template.classes)
    for way in found.ways:
        yield from _way(found, way)
    yield heading(f"Participants by subgroup: {_both(UNCERTAINTIES)}")
    yield _subgroups(found)
    outcome = found.data.template.outcome
    yield heading(f"Predicted and observed outcome, held out (all_patients), {outcome.unit}")
    yield _calibration(found)
    yield Text(
        f"{outcome.title}. Groups of participants by rising prediction; mean predicted, mean "
        "observed ± standard error. Bias: mean observed less predicted."
    )
    yield heading(f"Each trial left out, {outcome.unit}")
    yield from _left_out(found)


def _way(found: Validation, way: Way) -> Iterator[RenderableType]:
    yield heading(f"{way}: {_MEANING[way]}")
    no_preference = found.names.labels[-1]
    by_uncertainty = {str(how): found.folds_of(way, how) for how in UNCERTAINTIES}
    has_il, has_women = IL in found.names.classes, found.women is not None
    yield _folds(by_uncertainty, no_preference, has_il=has_il, has_women=has_women)
    for each in by_uncertainty[UNCERTAINTIES[0]]:
        if each.failure is not None:
            line = f"fold {each.fold} failed: {each.failure}"
            yield Text(one_line(line), style="yellow")
    if all(each.failure is not None for each in by_uncertainty[UNCERTAINTIES[0]]):
        return
    yield Text()
    yield _over({how: over_folds(folds, no_preference) for how, folds in by_uncertainty.items()})


def _folds(
    by_uncertainty: dict[str, list[FoldCounts]],
    no_preference: str,
    *,
    has_il: bool,
    has_women: bool,
) -> Table:
    table = _table()
    table.add_column("\nfold", no_wrap=True)
    table.add_column("held\nout", justify="right")
    if has_women:
        table.add_column("women\n50+", justify="right")
    for how in by_uncertainty:
        table.add_column(f"{how}\nno pref.", justify="right")
        if has_il:
            table.add_column("\nIL first", justify="right")
        if has_il and has_women:
            table.add_column("of them\nwomen 50+", justify="right")
    for same_fold in zip(*by_uncertainty.values(), strict=True):
        first = same_fold[0]
        cells = [str(first.fold), f"{first.n_held_out:,}"]
        cells += [_count(first.n_women_50_and_over)] * has_women
        for each in same_fold:
            n = each.subgroup_counts.get(no_preference, 0) if each.failure is None else None
            cells.append(_count(n))
            cells += [_count(each.n_il_best)] * has_il
            cells += [_count(each.n_il_best_women_50_and_over)] * (has_il and has_women)
        table.add_row(*cells)
    return table


def _over(by_uncertainty: dict[str, dict[str, OverFolds]]) -> Table:
    table = _table()
    table.add_column("median (range) over folds", no_wrap=True)
    for how in by_uncertainty:
        table.add_column(how, justify="right", no_wrap=True)
    for name, words in _SHARES.items():
        cells = [_range(each.get(name)) for each in by_uncertainty.values()]
        if any(cells):
            table.add_row(words, *cells)
    return table


def _range(share: OverFolds | None) -> str:
    if share is None or share.median is None:
        return ""
    return f"{share.median:.1%} ({share.low:.1%} to {share.high:.1%})"


def _subgroups(found: Validation) -> Table:
    """Return counts by label, `bootstrap / analytic`, by models that saw everybody and by folds."""
    table = _table()
    table.add_column("label", no_wrap=True)
    for where in ("seen", *found.ways):
        table.add_column(where, justify="right", no_wrap=True)
    sources = [found.labels, *(each.labels for each in found.ways.values())]
    counts = [[found.names.counts(each[how]) for how in UNCERTAINTIES] for each in sources]
    for label in found.names.labels:
        cells = [[each.get(label, 0) for each in both] for both in counts]
        if any(map(any, cells)):
            table.add_row(Text(label), *(_both(f"{n:,}" for n in both) for both in cells))
    return table


def _summary(found: Validation) -> Table:
    """Return the figures to read first, `bootstrap / analytic`, by way."""
    table, arms = _table(), arm_labels(found.data.template)
    table.add_column("", no_wrap=True)
    for way in found.ways:
        table.add_column(way, justify="right", no_wrap=True)
    of_ways = [[found.against_full_data(way, how) for how in UNCERTAINTIES] for way in found.ways]
    failed = [sum(e.models is None for e in each.folds) for each in found.ways.values()]
    calibrations = [found.calibrations(way) for way in found.ways]
    table.add_row("folds that failed", *(f"{n} of {N_FOLDS}" for n in failed))
    table.add_row("participants held out", *(f"{each[0].n:,}" for each in of_ways))
    for name, figure in _FIGURES.items():
        table.add_row(
            name, *(_both(figure(each) if each.n else "-" for each in w) for w in of_ways)
        )
    for arm in found.data.participants.arms:
        errors = [each[arm].rmse if arm in each else None for each in calibrations]
        cells = ["-" if error is None else f"{error:.1f}" for error in errors]
        table.add_row(Text(f"RMSE of {arms[arm]}, {found.data.template.outcome.unit}"), *cells)
    return table


def _both(cells: Iterable[str]) -> str:
    return " / ".join(cells)


def _calibration(found: Validation) -> Table:
    table, arms = _table(), arm_labels(found.data.template)
    table.add_column("arm", overflow="fold")
    table.add_column("group")
    for name in ("n", "predicted", "observed", "bias", "RMSE"):
        table.add_column(name, justify="right", no_wrap=True)
    for arm, each in found.calibrations("all_patients").items():
        if each.rmse is None or each.bias is None:
            table.add_row(Text(arms[arm]), "all", f"under {FEWEST}")
            continue
        whole = (f"{each.bias:z.1f}", f"{each.rmse:.1f}")
        table.add_row(Text(arms[arm]), "all", f"{each.n:,}", "", "", *whole)
        for place, group in enumerate(each.groups, start=1):
            observed = f"{group.observed:z.1f} ± {group.observed_standard_error:.1f}"
            table.add_row("", str(place), f"{group.n:,}", f"{group.predicted:z.1f}", observed)
    return table


def _left_out(found: Validation) -> Iterator[RenderableType]:
    arms = arm_labels(found.data.template)
    if any(found.trials.values()):
        yield _trials(found)
        yield Text(
            "The trial is in no model. Difference: observed less predicted mean ± its standard "
            f"error in a new trial. No means of fewer than {FEWEST} participants."
        )
    few = [f"{arms[arm]} ({found.n_trials(arm)})" for arm, each in found.trials.items() if not each]
    if few:
        yield Text(f"Fewer than {FEWEST_TRIALS} trials, so none is left out: {', '.join(few)}.")


def _trials(found: Validation) -> Table:
    table = _table()
    table.add_column("arm", overflow="fold")
    table.add_column("trial", overflow="fold")
    for name in ("n", "predicted", "observed", "difference"):
        table.add_column(name, justify="right", no_wrap=True)
    arms = arm_labels(found.data.template)
    for arm, trials in found.trials.items():
        head = Text(arms[arm])
        for each in trials:
            table.add_row(head, Text(one_line(each.trial)), *_trial_cells(each))
            head = Text()
    return table


def _trial_cells(each: LeftOutTrial) -> list[str]:
    n = f"{each.n:,}" if each.n >= FEWEST else f"under {FEWEST}"
    if each.predicted is None or each.observed is None:
        return [n, "failed" if each.failure else "", "", ""]
    difference = f"{each.observed - each.predicted:+z.1f} ± {each.standard_error:.1f}"
    return [n, f"{each.predicted:z.1f}", f"{each.observed:z.1f}", difference]


def _count(n: int | None) -> str:
    return "-" if n is None else f"{n:,}"


def _table() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
