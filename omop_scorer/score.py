"""Score one patient from given values, or a CSV of patients, without any database.

One patient goes the published calculator's way: what is missing is the card's constant, what is
outside its form's limits is refused. A CSV is a batch: a clinically possible value outside those
limits is used. Age and sex are never imputed. No message holds a patient's value.
"""

import csv
import math
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rich.text import Text

from omop_scorer import kernel
from omop_scorer.errors import ScoringError
from omop_scorer.kernel import Floats, Scores, Uncertainty
from omop_scorer.model import Bounds, Covariate, Model

NO_CLASS_LEFT = "no class left"

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_BATCH = 10_000
_MAXIMUM_LISTED = 50
_BAR_WIDTH = 22


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
    given: Mapping[str, str | float | bool | None],
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
    values = np.empty((1, len(covariates)))
    recorded = np.empty((1, len(covariates)), np.bool_)
    for i, covariate in enumerate(covariates):
        try:
            values[0, i], recorded[0, i] = _read(
                covariate, given.get(covariate.csv_column), covariate.accepted_range
            )
        except ValueError as refusal:
            problems.append(f"{covariate.csv_column}: {refusal}")
    if problems:
        raise ScoringError(*problems)
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
            covariate.name: float(values[0, i])
            for i, covariate in enumerate(covariates)
            if not recorded[0, i]
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
            n_scored = _Scoring(source, model, uncertainty, excluded).run(lines, output)
        part.replace(target)
    except OSError as error:
        raise ScoringError(f"{error.filename or target}: {error.strerror}") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return n_scored


@dataclass(frozen=True)
class _Scoring:
    source: Path
    model: Model
    uncertainty: Uncertainty
    excluded: Set[str]

    def run(self, lines: TextIO, output: TextIO) -> int:
        reader = csv.reader(lines, strict=True)
        writer = csv.writer(output, lineterminator="\n")
        no_values = np.empty((0, len(self.model.card.covariates)))
        new_columns = list(self.answers(no_values, no_values.astype(np.bool_)))
        header = _header(reader, self.source, self.model.card.covariates, new_columns)
        writer.writerow([*header.names, *new_columns])
        bad_rows, n_scored = _BadRows(), 0
        for records, values, recorded in _batches(reader, header, bad_rows):
            # One bad row spoils the file; the rest is read only to name all of them.
            if not bad_rows.n:
                answers = zip(*self.answers(values, recorded).values(), strict=True)
                writer.writerows([*r, *a] for r, a in zip(records, answers, strict=True))
                n_scored += len(records)
        if bad_rows.n:
            more = bad_rows.n - len(bad_rows.listed)
            raise ScoringError(
                f"{self.source}: bad rows: {bad_rows.n}; nothing was written",
                *bad_rows.listed,
                *([f"and {more} more"] if more else []),
            )
        return n_scored

    def answers(self, values: Floats, recorded: NDArray[np.bool_]) -> dict[str, list[Any]]:
        """Return the new columns; csv writes a float with all its digits and None as a blank."""
        model = self.model
        scores = kernel.score(values, model.arrays, self.uncertainty, self.excluded)
        within = kernel.within_trial_range(values, recorded, model.arrays)
        columns: dict[str, list[Any]] = {"placebo_effect": scores.placebo_effect.tolist()}
        for i, drug_class in enumerate(model.card.classes):
            columns |= {
                f"{drug_class.key}_effect": scores.attributable_effect[:, i].tolist(),
                f"{drug_class.key}_standard_error": scores.standard_error[:, i].tolist(),
                f"{drug_class.key}_response_probability": scores.response_probability[
                    :, i
                ].tolist(),
            }
        keys = np.array([*(c.key for c in model.card.classes), None], dtype=object)
        yes_no = np.array(["false", "true", None], dtype=object)
        columns["subgroup"] = scores.subgroups().tolist()
        for i, place in enumerate(("first_class", "second_class", "third_class")):
            is_place = i < scores.ranking.shape[1]
            columns[place] = (
                keys[scores.ranking[:, i]].tolist() if is_place else [None] * len(values)
            )
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


@dataclass(frozen=True)
class _Header:
    names: list[str]
    columns: list[tuple[Covariate, int]]
    """The card's covariates, in its order, and where each stands."""


def _header(
    reader: Any, source: Path, covariates: Sequence[Covariate], new_columns: Sequence[str]
) -> _Header:
    try:
        names: list[str] = next(reader, [])
    except csv.Error as error:
        raise ScoringError(f"{source}: line 1: not CSV: {error}") from None
    if not _is_utf8(names):
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
    return _Header(names, [(c, found.index(c.csv_column)) for c in covariates])


def _batches(
    reader: Any, header: _Header, bad_rows: _BadRows
) -> Iterator[tuple[list[list[str]], Floats, NDArray[np.bool_]]]:
    """Yield records with their values and what was recorded; note the bad rows on the way."""
    records: list[list[str]] = []
    values: list[list[float]] = []
    recorded: list[list[bool]] = []
    for line, record in _records(reader, bad_rows):
        if len(record) != len(header.names):
            bad_rows.add(line, f"{len(record)} fields; the header has {len(header.names)}")
            continue
        if not _is_utf8(record):
            bad_rows.add(line, "not UTF-8 text")
            continue
        row, reasons = [], []
        for covariate, position in header.columns:
            try:
                row.append(_read(covariate, record[position], covariate.plausible_range))
            except ValueError as refusal:
                reasons.append(f"{covariate.csv_column}: {refusal}")
        if reasons:
            bad_rows.add(line, *reasons)
            continue
        records.append(record)
        values.append([value for value, _ in row])
        recorded.append([is_recorded for _, is_recorded in row])
        if len(records) == _BATCH:
            yield records, np.array(values), np.array(recorded)
            records, values, recorded = [], [], []
    if records:
        yield records, np.array(values), np.array(recorded)


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


def _is_utf8(record: Sequence[str]) -> bool:
    return all(
        cell.isascii() or not any("\udc80" <= character <= "\udcff" for character in cell)
        for cell in record
    )


def _read(
    covariate: Covariate, given: str | float | bool | None, allowed: Bounds | None
) -> tuple[float, bool]:
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
    low, high = allowed or (None, None)
    low, high = -math.inf if low is None else low, math.inf if high is None else high
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"outside {low:g} to {high:g} {covariate.unit}")
    return value, True


def _known(values: Floats) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values.tolist()]


def _recommendations(scores: Scores) -> list[str]:
    first_groups = [label.split(" > ")[0].strip("()") for label in scores.labels]
    table = np.array([*first_groups, NO_CLASS_LEFT], dtype=object)
    recommendations: list[str] = table[scores.label].tolist()
    return recommendations


def render_patient(patient: PatientScore, model: Model, console: Console) -> None:
    """Print one patient's scores: a bar per class, then what they mean and do not mean.

    It fits 80 columns, and without colour nothing is lost.
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
            Text(full * width, style="green" if each.is_recommended else "dim"),
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
        yield "recommendation", f"{NO_CLASS_LEFT}: every class is excluded"
    else:
        yield "subgroup", patient.subgroup
        rate = patient.recommended_response_probability
        yield "recommendation", f"{patient.recommendation}, response {rate:.0%}"
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
    yield "not given", f"so taken to be: {', '.join(imputed)}" if imputed else "nothing"
    yield (
        "trials",
        {
            True: "within the range of their participants",
            False: "outside the range of their participants: the score is an extrapolation",
            None: f"not known whether like their participants: {card.activity_covariate} not given",
        }[patient.within_trial_range],
    )
