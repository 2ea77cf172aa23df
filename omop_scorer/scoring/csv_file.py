"""Scoring of a CSV file of patients into another CSV file, in constant memory."""

import csv
import secrets
from collections.abc import Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from omop_scorer.errors import ScoringError
from omop_scorer.model import kernel
from omop_scorer.model.arrays import Floats
from omop_scorer.model.card import Covariate
from omop_scorer.model.contradictions import ends
from omop_scorer.model.load import Model
from omop_scorer.scoring.patient import (
    BATCH_ROWS,
    MAXIMUM_LISTED,
    NOT_UTF8,
    Answers,
    Recorded,
    none_where_nan,
    read_patient,
    recommendations,
)
from omop_scorer.terms import Uncertainty


def score_csv(
    source: Path,
    target: Path,
    model: Model,
    uncertainty: Uncertainty = "bootstrap",
    excluded: Set[str] = frozenset(),
) -> int:
    """Score a CSV file of patients into another one and return the number of patients scored.

    The output has the columns of the input, unchanged, followed by the scores. The target file is
    written completely or not at all.

    Parameters
    ----------
    source
        CSV file in UTF-8 with a header. It has the columns of the card in any order and letter
        case; other columns are kept. A blank value is missing.
    target
        Output file, in UTF-8 with LF line ends; an existing file is replaced.
    model
        The model card.
    uncertainty
        `bootstrap` or `analytic`.
    excluded
        Keys of the drug classes to exclude from the ranking.

    Raises
    ------
    ScoringError
        A file cannot be read or written, a column is missing, or rows are invalid. The message
        names each invalid row by its line and the reason, and never contains a value.
    """
    target = target.resolve()
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        if target.exists() and (not target.is_file() or target.samefile(source)):
            raise ScoringError(
                f"{target}: is the input file or not a regular file; choose another output"
            )
        # Bytes that are not UTF-8 pass as surrogates, so that every row with one can be reported.
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
    names, positions = _header(reader, source, covariates, new_columns)
    writer.writerow([*names, *new_columns])
    bad_rows, n_scored = _BadRows(), 0
    good_rows = _good_rows(reader, len(names), positions, bad_rows)
    while batch := list(islice(good_rows, BATCH_ROWS)):
        # After an invalid row nothing is scored; the rest is read only to report every such row.
        if not bad_rows.n:
            records, values, recorded = zip(*batch, strict=True)
            new_cells = zip(*answers(np.array(values), np.array(recorded)).values(), strict=True)
            writer.writerows([*r, *new] for r, new in zip(records, new_cells, strict=True))
            n_scored += len(batch)
    if bad_rows.n:
        more = bad_rows.n - len(bad_rows.listed)
        raise ScoringError(
            f"{source}: {bad_rows.n} invalid row(s); nothing was written",
            *bad_rows.listed,
            *([f"and {more} more"] if more else []),
        )
    return n_scored


def _answers(
    model: Model, uncertainty: Uncertainty, excluded: Set[str], values: Floats, recorded: Recorded
) -> dict[str, list[Any]]:
    """Return the new columns. The csv module writes all digits of a float, and None as a blank."""
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
    for i, column in enumerate(("first_class", "second_class", "third_class")):
        has_class = i < scores.ranking.shape[1]
        columns[column] = keys[scores.ranking[:, i]].tolist() if has_class else [None] * len(values)
    yes_no = np.array(["false", "true", None], dtype=object)
    return columns | {
        "p_first_second": none_where_nan(scores.p_first_second),
        "p_second_third": none_where_nan(scores.p_second_third),
        "p_first_third": none_where_nan(scores.p_first_third),
        "worst_class_ruled_out": yes_no[scores.worst_class_ruled_out.astype(np.intp)].tolist(),
        "n_imputed": (~recorded).sum(axis=1).tolist(),
        "within_trial_range": yes_no[within].tolist(),
        "recommendation": recommendations(scores),
    }


@dataclass
class _BadRows:
    n: int = 0
    listed: list[str] = field(default_factory=list)

    def add(self, line: int, *reasons: str) -> None:
        self.n += 1
        if len(self.listed) < MAXIMUM_LISTED:
            self.listed.append(f"line {line}: {'; '.join(reasons)}")


def _header(
    reader: Any, source: Path, covariates: Sequence[Covariate], new_columns: Sequence[str]
) -> tuple[list[str], list[tuple[Covariate, int]]]:
    """Return the names of the columns, and the position of each covariate of the card."""
    try:
        names: list[str] = next(reader, [])
    except csv.Error as error:
        raise ScoringError(f"{source}: line 1: not CSV: {error}") from None
    if NOT_UTF8.search("".join(names)):
        raise ScoringError(f"{source}: line 1: not UTF-8 text")
    found = [name.strip().lower() for name in names]
    required = [covariate.csv_column for covariate in covariates]
    missing = [column for column in required if column not in found]
    repeated = [column for column in required if found.count(column) > 1]
    clashing = [column for column in new_columns if column in found]
    problems = []
    if missing:
        listed = ", ".join(required)
        problems.append(f"column {', '.join(missing)} is missing; the header needs {listed}")
    if repeated:
        problems.append(f"column {', '.join(repeated)} appears more than once; keep one of them")
    if clashing:
        listed = ", ".join(clashing)
        problems.append(f"column {listed} has the name of an output column; rename or remove it")
    if problems:
        raise ScoringError(*(f"{source}: {problem}" for problem in problems))
    return names, [(c, found.index(c.csv_column)) for c in covariates]


def _good_rows(
    reader: Any, n_fields: int, positions: Sequence[tuple[Covariate, int]], bad_rows: _BadRows
) -> Iterator[tuple[list[str], list[float], list[bool]]]:
    """Yield each valid record with its values and their recorded flags; collect invalid rows."""
    columns = [(each, position, ends(each.plausible_range)) for each, position in positions]
    for line, record in _records(reader, bad_rows):
        if len(record) != n_fields:
            bad_rows.add(line, f"{len(record)} fields, but the header has {n_fields}")
        elif NOT_UTF8.search("".join(record)):
            bad_rows.add(line, "not UTF-8 text")
        else:
            values, recorded, refusals = read_patient(
                (covariate, record[position], limits) for covariate, position, limits in columns
            )
            if refusals:
                bad_rows.add(line, *refusals)
            else:
                yield record, values, recorded


def _records(reader: Any, bad_rows: _BadRows) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the line on which it starts; empty lines are skipped."""
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
