"""Scoring of one patient from given values, and reading of patients for a CSV file.

A single patient is treated as in the published calculator: a missing value is replaced by the
card's constant, and a value outside the limits of its form is refused. In a CSV file, a value that
is outside those limits but clinically possible is used. Age and sex are never imputed. No message
contains a patient's value.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from omop_scorer.errors import ScoringError
from omop_scorer.model import kernel
from omop_scorer.model.arrays import Floats
from omop_scorer.model.card import Covariate
from omop_scorer.model.contradictions import ends
from omop_scorer.model.kernel import Scores
from omop_scorer.model.load import Model
from omop_scorer.model.subgroups import first_group
from omop_scorer.terms import Uncertainty
from omop_scorer.texts.numbers import DECIMAL_COMMA, NUMBER

NO_CLASS_LEFT = "no class left"

Given: TypeAlias = str | float | bool | None

Recorded: TypeAlias = NDArray[np.bool_]

# What Python, numpy, decimal and pandas print for a value that is missing.
_MISSING = frozenset(("None", "nan", "NaN", "<NA>", "NaT"))

_PLAIN = re.compile(r"[-+.\deE,]*", re.ASCII)

# Surrogates that Python reads for bytes that are not UTF-8.
NOT_UTF8 = re.compile("[\udc80-\udcff]")

BATCH_ROWS = 10_000

MAXIMUM_LISTED = 50


class _OutsideLimitsError(ValueError):
    """A number can be read, but is outside the limits of its covariate."""


@dataclass(frozen=True)
class ClassScore:
    """Scores of one patient under one drug class; effects are in the outcome's unit."""

    key: str
    label: str
    title: str
    attributable_effect: float
    standard_error: float
    expected_reduction: float
    response_probability: float
    preference_rank: int | None
    """1 = best; None = excluded."""
    is_on_top: bool


@dataclass(frozen=True)
class PatientScore:
    """All scores of one patient. A p-value is None if too few classes are ranked for it."""

    uncertainty: Uncertainty
    placebo_effect: float
    classes: tuple[ClassScore, ...]
    """In the card's order."""
    subgroup: str | None
    p_first_second: float | None
    p_second_third: float | None
    p_first_third: float | None
    worst_class_ruled_out: bool
    on_top: str
    on_top_response_probability: float | None
    """Mean of the classes on top."""
    imputed: Mapping[str, float]
    """Covariates that were not given, with the constant used instead."""
    within_trial_range: bool | None
    """None = disease activity is unknown."""


def score_patient(
    given: Mapping[str, Given],
    model: Model,
    uncertainty: Uncertainty = "bootstrap",
    excluded: Set[str] = frozenset(),
) -> PatientScore:
    """Score one patient.

    Parameters
    ----------
    given
        Value by column (`age`, `sex`, `bmi`, ...), as text or as a number in the card's unit. A
        value that is absent, None, NaN or blank is missing.
    model
        The model card.
    uncertainty
        `bootstrap` or `analytic`.
    excluded
        Keys of the drug classes to exclude from the ranking.

    Raises
    ------
    ScoringError
        Names every covariate that is unknown, unreadable, missing although it is never imputed, or
        outside the range that the published calculator accepts, and what is allowed.
    """
    covariates = model.card.covariates
    values, recorded = read_one(given, covariates)
    scores = kernel.score(values, model.arrays, uncertainty, excluded)
    within = int(kernel.within_trial_range(values, recorded, model.arrays)[0])
    return PatientScore(
        uncertainty=uncertainty,
        placebo_effect=float(scores.placebo_effect[0]),
        classes=tuple(
            ClassScore(
                key=drug_class.key,
                label=drug_class.label,
                title=drug_class.title,
                attributable_effect=float(scores.attributable_effect[0, i]),
                standard_error=float(scores.standard_error[0, i]),
                expected_reduction=float(scores.expected_reduction[0, i]),
                response_probability=float(scores.response_probability[0, i]),
                preference_rank=int(scores.preference_rank[0, i]) or None,
                is_on_top=bool(scores.on_top[0, i]),
            )
            for i, drug_class in enumerate(model.card.classes)
        ),
        subgroup=scores.subgroups()[0],
        p_first_second=none_where_nan(scores.p_first_second)[0],
        p_second_third=none_where_nan(scores.p_second_third)[0],
        p_first_third=none_where_nan(scores.p_first_third)[0],
        worst_class_ruled_out=bool(scores.worst_class_ruled_out[0]),
        on_top=on_top_words(scores)[scores.label[0]],
        on_top_response_probability=none_where_nan(scores.on_top_response_probability)[0],
        imputed={
            covariate.name: value
            for covariate, value, is_recorded in zip(
                covariates, values[0].tolist(), recorded[0], strict=True
            )
            if not is_recorded
        },
        within_trial_range=None if within == kernel.UNKNOWN else within == kernel.WITHIN,
    )


def read_one(
    given: Mapping[str, Given], covariates: Sequence[Covariate]
) -> tuple[Floats, Recorded]:
    """Return the values and recorded flags of one patient, each (1, k).

    Raises
    ------
    ScoringError
        As for `score_patient`.
    """
    columns = [covariate.csv_column for covariate in covariates]
    problems = [
        f"{name}: unknown covariate; allowed: {', '.join(columns)}"
        for name in given
        if name not in columns
    ]
    row, is_given, refusals = read_patient(
        (covariate, given.get(covariate.csv_column), ends(covariate.accepted_range))
        for covariate in covariates
    )
    if problems or refusals:
        raise ScoringError(*problems, *refusals)
    return np.array([row]), np.array([is_given])


def read_patient(
    cells: Iterable[tuple[Covariate, Given, tuple[float, float]]], keep_outside: bool = False
) -> tuple[list[float], list[bool], list[str]]:
    """Return one patient's values, a recorded flag per value, and messages of refused values.

    With `keep_outside` a number outside its limits is infinite instead of refused.
    """
    values, recorded, refusals = [], [], []
    for covariate, given, limits in cells:
        try:
            value, is_recorded = _read(covariate, given, *limits)
        except _OutsideLimitsError as refusal:
            if keep_outside:
                values.append(math.inf)
                recorded.append(True)
            else:
                refusals.append(f"{covariate.csv_column}: {refusal}")
        except ValueError as refusal:
            refusals.append(f"{covariate.csv_column}: {refusal}")
        else:
            values.append(value)
            recorded.append(is_recorded)
    return values, recorded, refusals


def read_column(
    covariate: Covariate, cells: Sequence[str], limits: tuple[float, float]
) -> tuple[Floats, Recorded]:
    """Return the value of a covariate for each of n patients, and a recorded flag; both (n,).

    A number outside its limits is infinite.

    Raises
    ------
    ValueError
        A cell is refused; `read_patient` gives the reason.
    """
    values = _plain_numbers(cells, *limits) if covariate.kind == "continuous" else None
    if values is None:
        by_cell = {cell: _read_cell(covariate, cell, limits) for cell in set(cells)}
        values = np.fromiter(map(by_cell.__getitem__, cells), np.float64, len(cells))
    is_missing = np.isnan(values)
    if is_missing.any():
        values[is_missing], _ = _read(covariate, None, *limits)
    return values, ~is_missing


def _read_cell(covariate: Covariate, cell: str, limits: tuple[float, float]) -> float:
    """Return the value, NaN if it is missing and infinity if it is outside its limits."""
    try:
        value, is_recorded = _read(covariate, cell, *limits)
    except _OutsideLimitsError:
        return math.inf
    return value if is_recorded else math.nan


def _plain_numbers(cells: Sequence[str], low: float, high: float) -> Floats | None:
    """Return numbers at once, NaN for a blank, infinity for a number outside its limits.

    None if `_read` must look at each cell.
    """
    # Of these characters, float() makes a number of what `NUMBER` matches and of nothing else.
    if not _PLAIN.fullmatch(",".join(cells)):
        return None
    try:
        numbers = map(float, [cell or "nan" for cell in cells])
        values = np.fromiter(numbers, np.float64, len(cells))
    except ValueError:
        return None
    values[(values < low) | (values > high)] = math.inf
    return values


def cell_text(given: object) -> str:
    """Return a value as the cell of a CSV file that says the same: blank if it is missing.

    None, NaN and the NA of pandas are missing. A whole number has no decimals, so 1.0 is the word
    `1` of a yes/no covariate. A text is returned unchanged.
    """
    if isinstance(given, str):
        return given
    text = str(given)
    return "" if text in _MISSING else text.removesuffix(".0")


def _read(covariate: Covariate, given: Given, low: float, high: float) -> tuple[float, bool]:
    """Return the value and True if it was recorded; a missing value is the card's constant.

    Raises
    ------
    ValueError
        The reason why the value is refused, without the value.
    """
    text = cell_text(given).strip()
    if not text:
        if covariate.imputed_value is None:
            raise ValueError("missing; it is never imputed")
        return covariate.imputed_value, False
    if covariate.kind == "yes_no":
        words = covariate.words
        if text.lower() not in words:
            raise ValueError(f"allowed: {', '.join(words)}")
        return words[text.lower()], True
    if DECIMAL_COMMA.fullmatch(text):
        raise ValueError("has a comma; write a decimal point, and no separator of thousands")
    if not NUMBER.fullmatch(text):
        raise ValueError("not a number (leave blank if missing)")
    value = float(text)
    if not (math.isfinite(value) and low <= value <= high):
        raise _OutsideLimitsError(f"outside {low:g} to {high:g} {covariate.unit}")
    return value, True


def none_where_nan(values: Floats) -> list[float | None]:
    """Return an array as a list with None in place of NaN."""
    return [None if math.isnan(value) else value for value in values.tolist()]


def on_top_words(scores: Scores) -> list[str]:
    """Return, by the label of a patient, the classes ranked first, joined by ` = `."""
    return [*map(first_group, scores.labels), NO_CLASS_LEFT]
