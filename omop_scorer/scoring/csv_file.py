"""Scoring of a CSV file of patients into another CSV file, in constant memory."""

import csv
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TextIO, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from omop_scorer.cdm.csv_header import delimiter_note, delimiter_of
from omop_scorer.errors import ScoringError
from omop_scorer.model.arrays import Floats
from omop_scorer.model.card import Covariate
from omop_scorer.model.load import Model
from omop_scorer.scoring.csv_blocks import Block, read_blocks, written
from omop_scorer.scoring.float_text import float_text
from omop_scorer.scoring.patient import (
    BATCH_ROWS,
    NOT_UTF8,
    Recorded,
)
from omop_scorer.scoring.score_columns import (
    BadRows,
    CovariateColumn,
    find_columns,
    read_columns,
    refusals_of,
    score_columns,
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
            answers = partial(_answer_texts, model, uncertainty, excluded)
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
    columns: Sequence[CovariateColumn],
) -> Iterator[tuple[Block, tuple[Floats, Recorded]]]:
    """Yield each block with its patients; raise ScoringError at the end if any row is invalid."""
    bad_rows = BadRows()
    for block in blocks:
        patients = _read_patients(block, columns)
        if patients is None:
            _add_bad_rows(bad_rows, block, n_fields, columns)
        # After an invalid row nothing is yielded; the rest is read only to report every such row.
        elif not bad_rows.n:
            yield block, patients
    bad_rows.refuse(source, f"nothing was written{delimiter_note(delimiter)}")


def _scored_text(block: Block, answers: Mapping[str, pa.Array], delimiter: str) -> str:
    """Return the records, unchanged, each with its scores. A null is a blank."""
    scores = pc.binary_join_element_wise(
        *answers.values(), delimiter, null_handling="replace", null_replacement=""
    )
    records = zip(block.texts, scores.to_pylist(), strict=True)
    return "".join([f"{text}{delimiter}{score}\n" for text, score in records])


def _answer_texts(
    model: Model,
    uncertainty: Uncertainty,
    excluded: Set[str],
    delimiter: str,
    values: Floats,
    recorded: Recorded,
) -> dict[str, pa.Array]:
    """Return the text of the new columns, as the csv module writes it."""
    columns = score_columns(model, uncertainty, excluded, values, recorded)
    return {name: _text(column, delimiter) for name, column in columns.items()}


def _text(column: pa.Array, delimiter: str) -> pa.Array:
    """Return the text of each value, as the csv module writes it; a null stays a null."""
    if pa.types.is_floating(column.type):
        return float_text(column.to_numpy(zero_copy_only=False))
    if pa.types.is_dictionary(column.type):
        words = column.dictionary.cast(pa.string()).to_pylist()
        texts = pa.array(written(([word] for word in words), delimiter))
        return texts.take(column.indices)
    return column.cast(pa.string())


def _header(
    reader: Any, source: Path, covariates: Sequence[Covariate], new_columns: Sequence[str]
) -> tuple[list[str], list[CovariateColumn]]:
    """Return the names of the columns, and the columns of the covariates in the card's order."""
    try:
        names: list[str] = next(reader, [])
    except csv.Error as error:
        raise ScoringError(f"{source}: line 1: not CSV: {error}") from None
    if NOT_UTF8.search("".join(names)):
        is_utf16 = names[0].startswith(("\udcff\udcfe", "\udcfe\udcff"))
        encoding = "UTF-16" if is_utf16 else "perhaps Latin-1 or Windows-1252"
        raise ScoringError(f"{source}: line 1: not UTF-8 text ({encoding}); convert the file")
    return names, find_columns(source, names, covariates, new_columns)


def _read_patients(
    block: Block, columns: Sequence[CovariateColumn]
) -> tuple[Floats, Recorded] | None:
    """Return the values and recorded flags of a block, (n, k); None if a record is invalid."""
    if block.columns is None:
        return None
    return read_columns(columns, [block.columns[column.position] for column in columns])


def _add_bad_rows(
    bad_rows: BadRows, block: Block, n_fields: int, columns: Sequence[CovariateColumn]
) -> None:
    for line, record in block.records:
        if isinstance(record, csv.Error):
            bad_rows.add(f"line {line}", f"not CSV: {record}")
        elif len(record) != n_fields:
            bad_rows.add(f"line {line}", f"{len(record)} fields, but the header has {n_fields}")
        elif NOT_UTF8.search("".join(record)):
            bad_rows.add(f"line {line}", "not UTF-8 text")
        else:
            refusals = refusals_of(columns, [record[column.position] for column in columns])
            if refusals:
                bad_rows.add(f"line {line}", *refusals)
