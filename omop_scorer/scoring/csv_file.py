"""Scoring of a CSV file of patients into another CSV file, in constant memory."""

import csv
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TextIO, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from omop_scorer.cdm.csv_header import delimiter_note, delimiter_of
from omop_scorer.errors import ScoringError
from omop_scorer.model import kernel
from omop_scorer.model.arrays import Floats
from omop_scorer.model.card import Covariate
from omop_scorer.model.contradictions import ends
from omop_scorer.model.load import Model
from omop_scorer.scoring.csv_blocks import Block, read_blocks, written
from omop_scorer.scoring.float_text import float_text
from omop_scorer.scoring.patient import (
    BATCH_ROWS,
    MAXIMUM_LISTED,
    NOT_UTF8,
    Recorded,
    read_column,
    read_patient,
    recommendation_words,
)
from omop_scorer.terms import Uncertainty

_Answers: TypeAlias = Callable[[str, Floats, Recorded], dict[str, pa.Array]]

"""Function from the delimiter, the covariates of a block and their recorded flags to columns."""


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
        CSV file in UTF-8 with a header, whose delimiter is a comma, tab, semicolon or vertical
        bar. It has the columns of the card in any order and letter case; other columns are kept.
        A blank value is missing, and numbers have a decimal point.
    target
        Output file with the same delimiter, in UTF-8 with LF line ends. Only this user can read
        it; an existing file is replaced and keeps its mode.
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
        with (
            _opened(source) as lines,
            open(part, "x", encoding="utf-8", newline="", opener=_private) as output,
        ):
            answers = partial(_answers, model, uncertainty, excluded)
            n_scored = _score_rows(source, lines, output, model.card.covariates, answers)
        if target.exists():  # the site may have given others the right to read it
            part.chmod(stat.S_IMODE(target.stat().st_mode))
        part.replace(target)
    except OSError as error:
        raise ScoringError(f"{error.filename or target}: {error.strerror}") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return n_scored


def _private(name: str, flags: int) -> int:
    """Open a file that only this user can read."""
    return os.open(name, flags, 0o600)


def read_csv(source: Path, covariates: Sequence[Covariate]) -> tuple[Floats, Recorded]:
    """Return the values and recorded flags of every patient of a CSV file, each (n, k).

    Parameters
    ----------
    source
        CSV file as for `score_csv`.
    covariates
        The covariates of the card, in its order.

    Raises
    ------
    ScoringError
        As for `score_csv`.
    """
    no_values = np.empty((0, len(covariates)))
    blocks = [(no_values, no_values.astype(np.bool_))]
    try:
        with _opened(source) as lines:
            first_line = lines.readline()
            delimiter = delimiter_of(first_line)
            reader = csv.reader(chain([first_line], lines), delimiter=delimiter, strict=True)
            names, columns = _header(reader, source, covariates, [])
            given = read_blocks(lines, reader.line_num + 1, len(names), BATCH_ROWS, delimiter)
            blocks += [
                patients for _, patients in _valid(given, source, delimiter, len(names), columns)
            ]
    except OSError as error:
        raise ScoringError(f"{error.filename or source}: {error.strerror}") from None
    values, recorded = zip(*blocks, strict=True)
    return np.concatenate(values), np.concatenate(recorded)


def _opened(source: Path) -> TextIO:
    # Bytes that are not UTF-8 pass as surrogates, so that every row with one can be reported.
    return source.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


def _score_rows(
    source: Path, lines: TextIO, output: TextIO, covariates: Sequence[Covariate], answers: _Answers
) -> int:
    first_line = lines.readline()
    delimiter = delimiter_of(first_line)
    reader = csv.reader(chain([first_line], lines), delimiter=delimiter, strict=True)
    no_values = np.empty((0, len(covariates)))
    new_columns = list(answers(delimiter, no_values, no_values.astype(np.bool_)))
    names, columns = _header(reader, source, covariates, new_columns)
    output.write(f"{written([[*names, *new_columns]], delimiter)[0]}\n")
    blocks = read_blocks(lines, reader.line_num + 1, len(names), BATCH_ROWS, delimiter)
    n_scored = 0
    for block, patients in _valid(blocks, source, delimiter, len(names), columns):
        output.write(_scored_text(block, answers(delimiter, *patients), delimiter))
        n_scored += len(block.texts)
    return n_scored


def _valid(
    blocks: Iterable[Block],
    source: Path,
    delimiter: str,
    n_fields: int,
    columns: Sequence["_Column"],
) -> Iterator[tuple[Block, tuple[Floats, Recorded]]]:
    """Yield each block with its patients; raise ScoringError at the end if any row is invalid."""
    bad_rows = _BadRows()
    for block in blocks:
        patients = _read_patients(block, columns)
        if patients is None:
            _add_bad_rows(bad_rows, block, n_fields, columns)
        # After an invalid row nothing is yielded; the rest is read only to report every such row.
        elif not bad_rows.n:
            yield block, patients
    if bad_rows.n:
        more = bad_rows.n - len(bad_rows.listed)
        raise ScoringError(
            f"{source}: {bad_rows.n} invalid row(s); nothing was written"
            f"{delimiter_note(delimiter)}",
            *bad_rows.listed,
            *([f"and {more} more"] if more else []),
        )


def _scored_text(block: Block, answers: Mapping[str, pa.Array], delimiter: str) -> str:
    """Return the records, unchanged, each with its scores. A null is a blank."""
    scores = pc.binary_join_element_wise(
        *answers.values(), delimiter, null_handling="replace", null_replacement=""
    )
    records = zip(block.texts, scores.to_pylist(), strict=True)
    return "".join([f"{text}{delimiter}{score}\n" for text, score in records])


def _answers(
    model: Model,
    uncertainty: Uncertainty,
    excluded: Set[str],
    delimiter: str,
    values: Floats,
    recorded: Recorded,
) -> dict[str, pa.Array]:
    """Return the text of the new columns, as the csv module writes it."""
    scores = kernel.score(values, model.arrays, uncertainty, excluded)
    within = kernel.within_trial_range(values, recorded, model.arrays)
    columns = {"placebo_effect": float_text(scores.placebo_effect)}
    for i, drug_class in enumerate(model.card.classes):
        key, response = drug_class.key, scores.response_probability
        columns[f"{key}_effect"] = float_text(scores.attributable_effect[:, i])
        columns[f"{key}_standard_error"] = float_text(scores.standard_error[:, i])
        columns[f"{key}_response_probability"] = float_text(response[:, i])
    chosen = partial(_chosen, delimiter)
    columns["subgroup"] = chosen([*scores.labels, None], scores.label)
    keys = [*(c.key for c in model.card.classes), None]
    nobody = np.full(len(values), len(keys) - 1)
    for i, column in enumerate(("first_class", "second_class", "third_class")):
        has_class = i < scores.ranking.shape[1]
        columns[column] = chosen(keys, scores.ranking[:, i] if has_class else nobody)
    yes_no = ["false", "true", None]
    return columns | {
        "p_first_second": float_text(scores.p_first_second),
        "p_second_third": float_text(scores.p_second_third),
        "p_first_third": float_text(scores.p_first_third),
        "worst_class_ruled_out": chosen(yes_no, scores.worst_class_ruled_out),
        "n_imputed": pa.array((~recorded).sum(axis=1)).cast(pa.string()),
        "within_trial_range": chosen(yes_no, within),
        "recommendation": chosen(recommendation_words(scores), scores.label),
    }


def _chosen(delimiter: str, words: Sequence[str | None], index: NDArray[Any]) -> pa.Array:
    """Return the word at each index, as the csv module writes it; index -1 is the last word."""
    texts = pa.array(written(([word] for word in words), delimiter))
    return texts.take(pa.array(np.mod(index, len(words), dtype=np.int64)))


@dataclass(frozen=True)
class _Column:
    """A column of the input that holds a covariate, and the limits of its values."""

    covariate: Covariate
    position: int
    limits: tuple[float, float]


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
) -> tuple[list[str], list[_Column]]:
    """Return the names of the columns, and the columns of the covariates in the card's order."""
    try:
        names: list[str] = next(reader, [])
    except csv.Error as error:
        raise ScoringError(f"{source}: line 1: not CSV: {error}") from None
    if NOT_UTF8.search("".join(names)):
        is_utf16 = names[0].startswith(("\udcff\udcfe", "\udcfe\udcff"))
        encoding = "UTF-16" if is_utf16 else "perhaps Latin-1 or Windows-1252"
        raise ScoringError(f"{source}: line 1: not UTF-8 text ({encoding}); convert the file")
    found = [name.strip().lower() for name in names]
    required = [covariate.csv_column for covariate in covariates]
    missing = [column for column in required if column not in found]
    repeated = [column for column in required if found.count(column) > 1]
    clashing = [column for column in new_columns if column in found]
    problems = []
    if missing:
        listed = ", ".join(required)
        columns_are = "column {} is" if len(missing) == 1 else "columns {} are"
        lacking = columns_are.format(", ".join(missing))
        problems.append(f"{lacking} missing; the header needs {listed}")
    if repeated:
        problems.append(f"column {', '.join(repeated)} appears more than once; keep one of them")
    if clashing:
        listed = ", ".join(clashing)
        problems.append(f"column {listed} has the name of an output column; rename or remove it")
    if problems:
        raise ScoringError(*(f"{source}: {problem}" for problem in problems))
    return names, [
        _Column(each, found.index(each.csv_column), ends(each.plausible_range))
        for each in covariates
    ]


def _read_patients(block: Block, columns: Sequence[_Column]) -> tuple[Floats, Recorded] | None:
    """Return the values and recorded flags of a block, (n, k); None if a record is invalid."""
    if block.columns is None:
        return None
    try:
        read = [read_column(c.covariate, block.columns[c.position], c.limits) for c in columns]
    except ValueError:
        return None
    values, recorded = (np.array(arrays).T for arrays in zip(*read, strict=True))
    return values, recorded


def _add_bad_rows(
    bad_rows: _BadRows, block: Block, n_fields: int, columns: Sequence[_Column]
) -> None:
    for line, record in block.records:
        if isinstance(record, csv.Error):
            bad_rows.add(line, f"not CSV: {record}")
        elif len(record) != n_fields:
            bad_rows.add(line, f"{len(record)} fields, but the header has {n_fields}")
        elif NOT_UTF8.search("".join(record)):
            bad_rows.add(line, "not UTF-8 text")
        else:
            given = ((c.covariate, record[c.position], c.limits) for c in columns)
            _, _, refusals = read_patient(given)
            if refusals:
                bad_rows.add(line, *refusals)
