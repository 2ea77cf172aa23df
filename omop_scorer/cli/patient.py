"""Scores of one patient, formatted for a terminal."""

import math
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from omop_scorer.model.load import Model
from omop_scorer.scoring.patient import NO_CLASS_LEFT, PatientScore

_BAR_WIDTH = 22


def render_patient(patient: PatientScore, model: Model, console: Console) -> None:
    """Print the scores of one patient: a row with a bar per drug class, then their meaning.

    The output fits 80 columns, and colour carries no information of its own.
    """
    card = model.card
    full = "█" if console.encoding.lower().startswith("utf") else "#"
    longest = max(0.0, *(each.expected_reduction for each in patient.classes))
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    table.add_column("")
    table.add_column("class", no_wrap=True, overflow="ellipsis", max_width=20)
    table.add_column("effect", justify="right")
    table.add_column("se", justify="right")
    table.add_column("total", justify="right")
    table.add_column("", no_wrap=True, width=_BAR_WIDTH)
    table.add_column("response", justify="right")
    for each in sorted(patient.classes, key=lambda each: each.preference_rank or math.inf):
        width = round(_BAR_WIDTH * max(0.0, each.expected_reduction) / longest) if longest else 0
        table.add_row(
            str(each.preference_rank or "-"),
            Text(f"{each.label} {each.title}"),
            f"{each.attributable_effect:.1f}",
            f"{each.standard_error:.1f}",
            f"{each.expected_reduction:.1f}",
            Text(full * width, style="green" if each.is_on_top else "dim"),
            f"{each.response_probability:.0%}",
        )
    facts = Table(box=None, padding=(0, 1), pad_edge=False, show_header=False)
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column()
    for name, fact in _facts(patient, model):
        facts.add_row(name, Text(fact))
    heading = f"{card.outcome.title}, {card.outcome.unit} ({patient.uncertainty} uncertainty)"
    for part in (Text(heading, style="bold"), table, facts, Text(card.limits.line, style="italic")):
        console.print(part)


def _facts(patient: PatientScore, model: Model) -> Iterator[tuple[str, str]]:
    card = model.card
    unit = card.outcome.unit
    yield "total", f"effect of the class + effect of placebo, {patient.placebo_effect:.1f} {unit}"
    yield "response", f"probability of a total of {card.response_threshold:g} {unit} or more"
    if patient.subgroup is None:
        yield "on top", f"{NO_CLASS_LEFT}: every class is excluded"
    else:
        yield "subgroup", patient.subgroup
        ranked = sum(each.preference_rank is not None for each in patient.classes)
        n_on_top = sum(each.is_on_top for each in patient.classes)
        name = "not told apart" if n_on_top == ranked > 1 else "on top"
        yield name, f"{patient.on_top}, response {patient.on_top_response_probability:.0%}"
    p_values = {
        "first-second": patient.p_first_second,
        "second-third": patient.p_second_third,
        "first-third": patient.p_first_third,
    }
    if known := [f"{name} {p:.3g}" for name, p in p_values.items() if p is not None]:
        yield "p-values", ", ".join(known)
    if patient.worst_class_ruled_out:
        yield "worst class", "ruled out: it differs from the first, although no neighbours differ"
    by_name = {covariate.name: covariate for covariate in card.covariates}
    imputed = [
        f"{name} {'yes' if value else 'no'}"
        if by_name[name].kind == "yes_no"
        else f"{name} {value:g} {by_name[name].unit}"
        for name, value in patient.imputed.items()
    ]
    yield "imputed", f"{', '.join(imputed)} (not given)" if imputed else "nothing"
    yield (
        "trials",
        {
            True: "within the range of the trial participants",
            False: "outside the range of the trial participants: the score is an extrapolation",
            None: f"unknown whether within range: {card.activity_covariate} was not given",
        }[patient.within_trial_range],
    )
