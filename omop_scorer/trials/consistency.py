"""A layout held against a template: unknown names, and values of a wrong kind.

Both are files of the user, so a fault is one of configuration.
"""

from collections.abc import Iterator
from pathlib import Path

from omop_scorer.documents import limited, shown
from omop_scorer.errors import ConfigurationError
from omop_scorer.model.card import Covariate
from omop_scorer.trials.layout import Layout
from omop_scorer.trials.recorded import ARM, FOLD, OUTCOME, PARTICIPANT, TRIAL
from omop_scorer.trials.subject import YEAR, Subject
from omop_scorer.trials.words import faults_of_words


def refuse_contradictions(layout: Layout, path: Path, subject: Subject) -> None:
    """Refuse a layout that does not fit its template.

    Raises
    ------
    ConfigurationError
        Every fault, with key, what was found and what is allowed.
    """
    if faults := limited(f"{path}: {fault}" for fault in _faults(layout, subject)):
        raise ConfigurationError(*faults)


def _faults(layout: Layout, subject: Subject) -> Iterator[str]:
    if foreign := [each for each in subject.template.placebo.fixed_terms if each != YEAR]:
        yield (
            f"the template {subject.template.id} has the fixed term {', '.join(foreign)}; trial "
            f"data can give {YEAR} alone"
        )
    own = (PARTICIPANT, TRIAL, YEAR, ARM, FOLD, OUTCOME)
    known = list(subject.covariates)
    numeric = [column for column in known if subject.covariates[column].kind == "continuous"]
    for key, names, allowed in (
        ("columns", layout.columns, [*own, *known]),
        ("centred", layout.centred, [YEAR, *numeric]),
        ("never_collected", layout.never_collected, known),
    ):
        found = [subject.column_of.get(name, name) for name in names]
        for name in sorted(set(found) - set(allowed)):
            yield f"{key}: found {shown(name)}; allowed: {', '.join(allowed)}"
        for name in sorted({name for name in found if found.count(name) > 1}):
            yield f"{key}: found the covariate {shown(name)} under two names; allowed: one"
    for arm in sorted(set((layout.arms or {}).values()) - set(subject.arms)):
        yield f"arms: found {shown(arm)}; allowed: {', '.join(subject.arms)}"
    if layout.outcome is not None and OUTCOME in layout.columns:
        yield f"outcome: found a column here and under columns.{OUTCOME}; allowed: one of them"
    if layout.visits is not None and subject.baseline is None:
        yield "visits: the template has no activity_covariate; name the column of the outcome"
    yield from faults_of_words(layout, subject)
    for name, rule in layout.never_collected.items():
        covariate = subject.covariates.get(subject.column_of.get(name, name))
        if covariate is not None and assumed_value(covariate, rule.assume) is None:
            words = "a number" if covariate.kind == "continuous" else ", ".join(covariate.words)
            yield f"never_collected.{name}.assume: found {shown(rule.assume)}; allowed: {words}"


def assumed_value(covariate: Covariate, given: object) -> float | None:
    """Return the value that a layout assumes for a covariate; None if it is not one."""
    if covariate.kind == "continuous":
        return given if isinstance(given, float) else None
    if isinstance(given, str):
        return covariate.words.get(given.lower())
    return float(given) if given in (0, 1) else None
