"""The page of one patient: what a run stored, and the same scores computed again in the browser."""

from datetime import date
from typing import Any

from omop_scorer.model.load import Model
from omop_scorer.report.words import day
from omop_scorer.results.patient_record import PatientRecord
from omop_scorer.web.calculator.page import document
from omop_scorer.web.frame import render_page
from omop_scorer.web.patient_words import (
    Words,
    evidence_of,
    label_spans,
    of_hundred,
    treatments_of,
    within_words,
)

#: The scripts of the page: the calculator's arithmetic and answer, and what compares and overrides.
SCRIPTS = ("calculator/score.js", "calculator/answer.js", "templates/patient.js")


def render_patient(
    record: PatientRecord, model: Model | None, today: date, *, is_served: bool = False
) -> str:
    """Return the page of a patient as HTML.

    Without the model of the run, the page shows what is stored and says that nothing computes it
    again.
    """
    run = record.run
    card = model.card if model else None
    words = Words(run, card)
    ranked = sorted(record.classes.values(), key=lambda row: int(row["preference_rank"]))
    return render_page(
        "patient.html.j2",
        SCRIPTS if model else (),
        is_served=is_served,
        record=record,
        run=run,
        card=card,
        texts=card.calculator if card else None,
        words=words,
        day=day,
        age_of_data=(today - run.as_of_date).days,
        age_of_records=run.cdm_last_date and (run.as_of_date - run.cdm_last_date).days,
        within=within_words(record.score["within_trial_range"]),
        classes=ranked,
        of_hundred=of_hundred,
        evidence=evidence_of(record, words),
        treatments=treatments_of(record, words),
        labels=label_spans(record, words),
        document=document(model) if model else None,
        stored=stored_scores(record),
    )


def stored_scores(record: PatientRecord) -> dict[str, Any]:
    """Return what the page's script compares with its own result, and the inputs that gave it."""
    score = record.score
    names = ("subgroup", "first_class", "second_class", "third_class", "placebo_effect")
    tests = ("p_first_second", "p_second_third", "p_first_third")
    flags = ("worst_class_ruled_out", "within_trial_range")
    per_class = (
        *("attributable_effect", "standard_error", "expected_reduction"),
        *("response_probability", "preference_rank"),
    )
    return {
        "uncertainty": record.run.uncertainty,
        "values": {name: row["covariate_value"] for name, row in record.covariates.items()},
        "status": {name: row["status"] for name, row in record.covariates.items()},
        **{name: score[name] for name in (*names, *tests, *flags)},
        "classes": {
            key: {name: row[name] for name in per_class} for key, row in record.classes.items()
        },
    }
