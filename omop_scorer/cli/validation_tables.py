"""Tables of a validation, for a terminal of 80 columns."""

from collections.abc import Iterable, Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from omop_scorer.cli.trials_tables import attrition_table, heading
from omop_scorer.terms import UNCERTAINTIES
from omop_scorer.texts.characters import one_line
from omop_scorer.trials.calibration import FEWEST
from omop_scorer.trials.cross_validation import Way
from omop_scorer.trials.fold_figures import IL, FoldCounts, OverFolds, over_folds
from omop_scorer.trials.leave_one_trial_out import LeftOutTrial
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


def render_validation(found: Validation) -> Group:
    """Return what `trials validate` prints."""
    return Group(*_parts(found))


def _parts(found: Validation) -> Iterator[RenderableType]:
    yield heading("Participants")
    yield attrition_table(found.data.attrition.as_json())
    for way in found.ways:
        yield from _way(found, way)
    yield heading(f"Participants by subgroup: {_both(UNCERTAINTIES)}")
    yield _subgroups(found)
    yield Text(
        "seen: by models that saw everybody. Models that find no preference contradict\n"
        "nothing, so read both of the last lines."
    )
    yield heading("Predicted and observed reduction, held out (all_patients)")
    yield _calibration(found)
    yield Text("Fifths by predicted reduction; observed mean ± standard error.")
    yield heading("Each trial left out")
    yield _trials(found)
    yield Text(
        f"Means of at least {FEWEST} participants. The error is that of the mean in a new trial.\n"
        "Classes with fewer than three trials are not shown."
    )


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
    agreements = [
        [found.against_full_data(way, how) for how in UNCERTAINTIES] for way in found.ways
    ]
    table.add_section()
    table.add_row(
        "same label as seen",
        "",
        *(_both(f"{e.same_label_share:.1%}" if e.n else "-" for e in both) for both in agreements),
    )
    contradictions = (_both(f"{each.n_contradictory:,}" for each in both) for both in agreements)
    table.add_row("contradictions", "", *contradictions)
    return table


def _both(cells: Iterable[str]) -> str:
    return " / ".join(cells)


def _calibration(found: Validation) -> Table:
    table = _table()
    for name in ("arm", "n", "RMSE", "bias"):
        table.add_column(name, justify="left" if name == "arm" else "right", no_wrap=True)
    table.add_column("predicted", justify="right", no_wrap=True)
    table.add_column("observed", justify="right", no_wrap=True)
    for arm, each in found.calibrations("all_patients").items():
        if each.rmse is None or each.bias is None:
            table.add_row(arm, f"under {FEWEST}")
            continue
        heads = [arm, f"{each.n:,}", f"{each.rmse:.1f}", f"{each.bias:.1f}"]
        for group in each.groups:
            observed = f"{group.observed:.1f} ± {group.observed_standard_error:.1f}"
            table.add_row(*heads, f"{group.predicted:.1f}", observed)
            heads = [""] * len(heads)
    return table


def _trials(found: Validation) -> Table:
    table = _table()
    table.add_column("arm", no_wrap=True)
    table.add_column("trial", overflow="fold")
    for name in ("n", "predicted", "observed", "difference"):
        table.add_column(name, justify="right", no_wrap=True)
    for arm, trials in found.trials.items():
        head = arm
        for each in trials:
            table.add_row(head, Text(one_line(each.trial)), *_trial_cells(each))
            head = ""
    return table


def _trial_cells(each: LeftOutTrial) -> list[str]:
    n = f"{each.n:,}" if each.n >= FEWEST else f"under {FEWEST}"
    if each.predicted is None or each.observed is None:
        return [n, "failed" if each.failure else "", "", ""]
    difference = f"{each.observed - each.predicted:+.1f} ± {each.standard_error:.1f}"
    return [n, f"{each.predicted:.1f}", f"{each.observed:.1f}", difference]


def _count(n: int | None) -> str:
    return "-" if n is None else f"{n:,}"


def _table() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
