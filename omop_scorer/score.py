"""Score one patient from given values, or a CSV of patients, without any database.

One patient goes the published calculator's way: what is missing is the card's constant, what is
outside its form's limits is refused. A CSV is a batch: a clinically possible value outside those
limits is used. Age and sex are never imputed. No message holds a patient's value.
"""

import csv
import math
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TextIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from omop_scorer import kernel
from omop_scorer.card import Covariate
from omop_scorer.errors import ScoringError
from omop_scorer.kernel import Floats, Scores, Uncertainty
from omop_scorer.model import Model, ends
from omop_scorer.subgroups import first_group

NO_CLASS_LEFT = "no class left"

Given: TypeAlias = str | float | bool | None
Recorded: TypeAlias = NDArray[np.bool_]
Answers: TypeAlias = Callable[[Floats, Recorded], dict[str, list[Any]]]
"""From the covariates of a batch to the columns that are written, by name."""

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
# What Python reads for a byte that is no UTF-8.
_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_BATCH = 10_000
_MAXIMUM_LISTED = 50


@dataclass(frozen=True)
class ClassScore:
    """One patient under one class of drugs, in the outcome's unit."""

    key: str
    label: str
    title: str
    attributable_effect: float
    standard_error: float
    expected_reduction: float
    response_probability: float
    preference_rank: int | None
    """1 = best; None = excluded."""
    is_recommended: bool


@dataclass(frozen=True)
class PatientScore:
    """Everything the models say of one patient; None where a place of the ranking is empty."""

    uncertainty: Uncertainty
    placebo_effect: float
    classes: tuple[ClassScore, ...]
    """In the card's order."""
    subgroup: str | None
    p_first_second: float | None
    p_second_third: float | None
    p_first_third: float | None
    worst_class_ruled_out: bool
    recommendation: str
    recommended_response_probability: float | None
    imputed: Mapping[str, float]
    """Covariates that were not given, with the constant that stands in."""
    within_trial_range: bool | None
    """None = not known."""


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
        Value by column (`age`, `sex`, `bmi`, ...), as text or as a number in the card's unit; what
        is absent, None or blank is missing.
    model
        The model card.
    uncertainty
        `bootstrap` or `analytic`.
    excluded
        Keys of the classes that the patient cannot have.

    Raises
    ------
    ScoringError
        Names every covariate that is unknown, unreadable, missing without a stand-in, or outside
        the range that the published calculator accepts, and what is allowed.
    """
    covariates = model.card.covariates
    columns = [covariate.csv_column for covariate in covariates]
    problems = [
        f"{name}: no such covariate; allowed: {', '.join(columns)}"
        for name in given
        if name not in columns
    ]
    row, is_given, refusals = _read_patient(
        (covariate, given.get(covariate.csv_column), ends(covariate.accepted_range))
        for covariate in covariates
    )
    if problems or refusals:
        raise ScoringError(*problems, *refusals)
    values, recorded = np.array([row]), np.array([is_given])
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
                is_recommended=bool(scores.recommended[0, i]),
            )
            for i, drug_class in enumerate(model.card.classes)
        ),
        subgroup=scores.subgroups()[0],
        p_first_second=_known(scores.p_first_second)[0],
        p_second_third=_known(scores.p_second_third)[0],
        p_first_third=_known(scores.p_first_third)[0],
        worst_class_ruled_out=bool(scores.worst_class_ruled_out[0]),
        recommendation=_recommendations(scores)[0],
        recommended_response_probability=_known(scores.recommended_response_probability)[0],
        imputed={
            covariate.name: value
            for covariate, value, is_recorded in zip(covariates, row, is_given, strict=True)
            if not is_recorded
        },
        within_trial_range=None if within == kernel.UNKNOWN else within == kernel.WITHIN,
    )


def score_csv(
    source: Path,
    target: Path,
    model: Model,
    uncertainty: Uncertainty = "bootstrap",
    excluded: Set[str] = frozenset(),
) -> int:
    """Score a CSV of patients into a CSV, in constant memory, and return how many were scored.

    The columns of the input come first, as they were; then the scores. The target appears whole
    or not at all.

    Parameters
    ----------
    source
        UTF-8 with a header: the columns of the card in any order and letter case, others are
        kept. Blank = missing.
    target
        Written in UTF-8 with LF line ends; an earlier file is replaced.
    model
        The model card.
    uncertainty
        `bootstrap` or `analytic`.
    excluded
        Keys of the classes that the patients cannot have.

    Raises
    ------
    ScoringError
        A file cannot be read or written, a column is missing, or rows are bad: each is named by
        its line in the file and the reason, never by its values.
    """
    target = target.resolve()
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        if target.exists() and (not target.is_file() or target.samefile(source)):
            raise ScoringError(f"{target}: is the input or no plain file; choose another output")
        # What is no UTF-8 passes as it is, so that every row that holds some can be named.
        with (
            source.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as lines,
            part.open("x", encoding="utf-8", newline="") as output,
        ):
            answers = partial(_answers, model, uncertainty, excluded)
            n_scored = _score_rows(source, lines, output, model.card.covariates, answers)
        part.replace(target)
    except OSError as error:
        raise ScoringError(f"{error.filename or target}: {error.strerror}") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return n_scored


def _score_rows(
    source: Path, lines: TextIO, output: TextIO, covariates: Sequence[Covariate], answers: Answers
) -> int:
    reader = csv.reader(lines, strict=True)
    writer = csv.writer(output, lineterminator="\n")
    no_values = np.empty((0, len(covariates)))
    new_columns = list(answers(no_values, no_values.astype(np.bool_)))
    names, places = _header(reader, source, covariates, new_columns)
    writer.writerow([*names, *new_columns])
    bad_rows, n_scored = _BadRows(), 0
    good_rows = _good_rows(reader, len(names), places, bad_rows)
    while batch := list(islice(good_rows, _BATCH)):
        # One bad row spoils the file; the rest is read only to name all of them.
        if not bad_rows.n:
            records, values, recorded = zip(*batch, strict=True)
            new_cells = zip(*answers(np.array(values), np.array(recorded)).values(), strict=True)
            writer.writerows([*r, *new] for r, new in zip(records, new_cells, strict=True))
            n_scored += len(batch)
    if bad_rows.n:
        more = bad_rows.n - len(bad_rows.listed)
        raise ScoringError(
            f"{source}: bad rows: {bad_rows.n}; nothing was written",
            *bad_rows.listed,
            *([f"and {more} more"] if more else []),
        )
    return n_scored


def _answers(
    model: Model, uncertainty: Uncertainty, excluded: Set[str], values: Floats, recorded: Recorded
) -> dict[str, list[Any]]:
    """Return the new columns; csv writes a float with all its digits and None as a blank."""
    scores = kernel.score(values, model.arrays, uncertainty, excluded)
    within = kernel.within_trial_range(values, recorded, model.arrays)
    columns: dict[str, list[Any]] = {"placebo_effect": scores.placebo_effect.tolist()}
    for i, drug_class in enumerate(model.card.classes):
        key, response = drug_class.key, scores.response_probability
        columns[f"{key}_effect"] = scores.attributable_effect[:, i].tolist()
        columns[f"{key}_standard_error"] = scores.standard_error[:, i].tolist()
        columns[f"{key}_response_probability"] = response[:, i].tolist()
    columns["subgroup"] = scores.subgroups().tolist()
    keys = np.array([*(c.key for c in model.card.classes), None], dtype=object)
    for i, place in enumerate(("first_class", "second_class", "third_class")):
        is_place = i < scores.ranking.shape[1]
        columns[place] = keys[scores.ranking[:, i]].tolist() if is_place else [None] * len(values)
    yes_no = np.array(["false", "true", None], dtype=object)
    return columns | {
        "p_first_second": _known(scores.p_first_second),
        "p_second_third": _known(scores.p_second_third),
        "p_first_third": _known(scores.p_first_third),
        "worst_class_ruled_out": yes_no[scores.worst_class_ruled_out.astype(np.intp)].tolist(),
        "n_imputed": (~recorded).sum(axis=1).tolist(),
        "within_trial_range": yes_no[within].tolist(),
        "recommendation": _recommendations(scores),
    }


@dataclass
class _BadRows:
    n: int = 0
    listed: list[str] = field(default_factory=list)

    def add(self, line: int, *reasons: str) -> None:
        self.n += 1
        if len(self.listed) < _MAXIMUM_LISTED:
            self.listed.append(f"line {line}: {'; '.join(reasons)}")


def _header(
    reader: Any, source: Path, covariates: Sequence[Covariate], new_columns: Sequence[str]
) -> tuple[list[str], list[tuple[Covariate, int]]]:
    """Return the columns' names, and the card's covariates with the place where each stands."""
    try:
        names: list[str] = next(reader, [])
    except csv.Error as error:
        raise ScoringError(f"{source}: line 1: not CSV: {error}") from None
    if _NOT_UTF8.search("".join(names)):
        raise ScoringError(f"{source}: line 1: not UTF-8 text")
    found = [name.strip().lower() for name in names]
    wanted = [covariate.csv_column for covariate in covariates]
    missing = [column for column in wanted if column not in found]
    repeated = [column for column in wanted if found.count(column) > 1]
    taken = [column for column in new_columns if column in found]
    problems = []
    if missing:
        needs = ", ".join(wanted)
        problems.append(f"column {', '.join(missing)} is missing; the header needs {needs}")
    if repeated:
        problems.append(f"column {', '.join(repeated)} stands more than once")
    if taken:
        problems.append(f"column {', '.join(taken)} would be written twice; rename or drop it")
    if problems:
        raise ScoringError(*(f"{source}: {problem}" for problem in problems))
    return names, [(c, found.index(c.csv_column)) for c in covariates]


def _good_rows(
    reader: Any, n_fields: int, places: Sequence[tuple[Covariate, int]], bad_rows: _BadRows
) -> Iterator[tuple[list[str], list[float], list[bool]]]:
    """Yield records, their values and what was recorded; note the bad rows on the way."""
    columns = [(covariate, place, ends(covariate.plausible_range)) for covariate, place in places]
    for line, record in _records(reader, bad_rows):
        if len(record) != n_fields:
            bad_rows.add(line, f"{len(record)} fields; the header has {n_fields}")
        elif _NOT_UTF8.search("".join(record)):
            bad_rows.add(line, "not UTF-8 text")
        else:
            values, recorded, refusals = _read_patient(
                (covariate, record[place], limits) for covariate, place, limits in columns
            )
            if refusals:
                bad_rows.add(line, *refusals)
            else:
                yield record, values, recorded


def _records(reader: Any, bad_rows: _BadRows) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the line of the file it begins on; empty lines are no records."""
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            bad_rows.add(line, f"not CSV: {error}")
            continue
        if record:
            yield line, record


def _read_patient(
    cells: Iterable[tuple[Covariate, Given, tuple[float, float]]],
) -> tuple[list[float], list[bool], list[str]]:
    """Return one patient's values, whether each was recorded, and what is refused."""
    values, recorded, refusals = [], [], []
    for covariate, given, limits in cells:
        try:
            value, is_recorded = _read(covariate, given, *limits)
        except ValueError as refusal:
            refusals.append(f"{covariate.csv_column}: {refusal}")
        else:
            values.append(value)
            recorded.append(is_recorded)
    return values, recorded, refusals


def _read(covariate: Covariate, given: Given, low: float, high: float) -> tuple[float, bool]:
    """Return the value and whether it was recorded; a missing one is the card's constant.

    Raises
    ------
    ValueError
        The reason for a refusal, without the value.
    """
    text = given.strip() if isinstance(given, str) else given
    if text is None or text == "":
        if covariate.imputed_value is None:
            raise ValueError("missing; it is never imputed")
        return covariate.imputed_value, False
    if covariate.kind == "yes_no":
        words = covariate.words
        meaning = words.get(text.lower()) if isinstance(text, str) else float(text)
        if meaning not in (0.0, 1.0):
            raise ValueError(f"allowed: {', '.join(words)}")
        return meaning, True
    if isinstance(text, str) and not _NUMBER.fullmatch(text):
        raise ValueError("not a number (blank when missing)")
    value = float(text)
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"outside {low:g} to {high:g} {covariate.unit}")
    return value, True


def _known(values: Floats) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values.tolist()]


def _recommendations(scores: Scores) -> list[str]:
    table = np.array([*map(first_group, scores.labels), NO_CLASS_LEFT], dtype=object)
    recommendations: list[str] = table[scores.label].tolist()
    return recommendations
