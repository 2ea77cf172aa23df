"""Scoring of a CSV file of patients into CSV or JSON, in constant memory."""

import csv
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TextIO

import numpy as np
import pyarrow as pa

from omop_scorer.cdm.csv_header import delimiter_note, delimiter_of
from omop_scorer.errors import ScoringError
from omop_scorer.model.arrays import Floats
from omop_scorer.model.card import Covariate
from omop_scorer.model.load import Model
from omop_scorer.scoring.csv_blocks import Block, read_blocks, written
from omop_scorer.scoring.patient import BATCH_ROWS, NOT_UTF8, Given, Recorded, cell_text, read_one
from omop_scorer.scoring.rows import CsvRows, JsonRows, RowFormat, RowText
from omop_scorer.scoring.score_columns import (
    BadRows,
    CovariateColumn,
    find_columns,
    no_patients,
    read_columns,
    refusals_of,
    score_columns,
)
from omop_scorer.terms import Uncertainty


@dataclass(frozen=True)
class Counts:
    """Number of patients of a file: scored, and marked because a value is outside its limits."""

    n_scored: int
    n_out_of_range: int


@dataclass(frozen=True)
class _Table:
    """A CSV file of patients whose header has been read."""

    source: Path
    delimiter: str
    names: Sequence[str]
    columns: Sequence[CovariateColumn]
    """The columns of the covariates, in the card's order."""
    blocks: Iterator[Block]


def score_csv(
    source: Path,
    target: Path | TextIO,
    model: Model,
    uncertainty: Uncertainty = "bootstrap",
    excluded: Set[str] = frozenset(),
    *,
    form: RowFormat = "csv",
    strict: bool = False,
) -> Counts:
    """Score a CSV file of patients into another file and count the patients.

    The output has the columns of the input, followed by the scores. A patient with a value that is
    clinically impossible has no scores, and `out_of_range` names the columns. The output is written
    completely or not at all.

    Parameters
    ----------
    source
        CSV file in UTF-8 with a header, whose delimiter is a comma, tab, semicolon or vertical
        bar. It has the columns of the card in any order and letter case; other columns are kept.
        A blank value is missing, and numbers have a decimal point.
    target
        Output file, in UTF-8 with LF line ends, or an open text stream. Only this user can read the
        file; an existing file is replaced and keeps its mode.
    model, uncertainty, excluded
        As for `score_patient`.
    form
        `csv`: the records of the input, unchanged, with its delimiter; `json`: an array of objects.
    strict
        A value outside its limits makes its row invalid.

    Raises
    ------
    ScoringError
        A file cannot be read or written, a column is missing, or rows are invalid. The message
        names each invalid row by its line and the reason, and never contains a value.
    """
    scored = partial(score_columns, model, uncertainty, excluded)
    work = partial(_score_rows, source, model.card.covariates, scored, form, strict)
    if not isinstance(target, Path):
        return _to_stream(source, target, work)
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
            counts = work(lines, output)
        if target.exists():  # the site may have given others the right to read it
            part.chmod(stat.S_IMODE(target.stat().st_mode))
        part.replace(target)
    except OSError as error:
        raise ScoringError(f"{error.filename or target}: {error.strerror}") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return counts


def _to_stream(source: Path, stream: TextIO, work: Callable[[TextIO, TextIO], Counts]) -> Counts:
    """Write to a stream what is complete: the rows wait in a file without a name."""
    try:
        with (
            _opened(source) as lines,
            tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as waiting,
        ):
            counts = work(lines, waiting)
            waiting.seek(0)
            shutil.copyfileobj(waiting, stream)
    except OSError as error:
        raise ScoringError(f"{error.filename or source}: {error.strerror}") from None
    return counts


def patient_row(
    given: Mapping[str, Given],
    model: Model,
    uncertainty: Uncertainty = "bootstrap",
    excluded: Set[str] = frozenset(),
    form: RowFormat = "json",
) -> str:
    """Return one patient as a JSON object, or as CSV with a header and one row.

    The columns are those of `score_csv`; parameters and errors are those of `score_patient` in
    `omop_scorer.scoring.patient`.
    """
    covariates = model.card.covariates
    values, recorded = read_one(given, covariates)
    names = [each.csv_column for each in covariates]
    cells = [cell_text(given.get(name)) for name in names]
    block = Block([], [[cell] for cell in cells], written([cells]))
    text: RowText = CsvRows(",") if form == "csv" else JsonRows(dict(enumerate(covariates)))
    scores = score_columns(model, uncertainty, excluded, values, recorded)
    begin, row = text.start(names, list(scores)), text.rows(block, scores)
    return begin + row if form == "csv" else row.lstrip() + "\n"


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
    blocks = [no_patients(covariates)]
    try:
        with _opened(source) as lines:
            table = _read_header(lines, source, covariates)
            blocks += [patients for _, patients in _valid(table, strict=True)]
    except OSError as error:
        raise ScoringError(f"{error.filename or source}: {error.strerror}") from None
    values, recorded = zip(*blocks, strict=True)
    return np.concatenate(values), np.concatenate(recorded)


def _opened(source: Path) -> TextIO:
    # Bytes that are not UTF-8 pass as surrogates, so that every row with one can be reported.
    return source.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


def _score_rows(
    source: Path,
    covariates: Sequence[Covariate],
    scored: Callable[[Floats, Recorded], dict[str, pa.Array]],
    form: RowFormat,
    strict: bool,
    lines: TextIO,
    output: TextIO,
) -> Counts:
    new_columns = list(scored(*no_patients(covariates)))
    # A JSON object has each name once; in a CSV file other columns may have one name.
    table = _read_header(lines, source, covariates, new_columns, unique=form == "json")
    positions = {column.position: column.covariate for column in table.columns}
    text: RowText = CsvRows(table.delimiter) if form == "csv" else JsonRows(positions)
    output.write(text.start(table.names, new_columns))
    n_scored = n_out_of_range = 0
    for block, (values, recorded) in _valid(table, strict=strict):
        output.write(text.rows(block, scored(values, recorded)))
        n_out = int(np.isinf(values).any(axis=1).sum())
        n_scored, n_out_of_range = n_scored + len(values) - n_out, n_out_of_range + n_out
    output.write(text.end())
    return Counts(n_scored, n_out_of_range)


def _valid(table: _Table, *, strict: bool) -> Iterator[tuple[Block, tuple[Floats, Recorded]]]:
    """Yield each block with its patients; raise ScoringError at the end if any row is invalid."""
    bad_rows = BadRows()
    for block in table.blocks:
        patients = _read_patients(block, table.columns, strict)
        if patients is None:
            _add_bad_rows(bad_rows, block, table, strict)
        # After an invalid row nothing is yielded; the rest is read only to report every such row.
        elif not bad_rows.n:
            yield block, patients
    bad_rows.refuse(table.source, f"nothing was written{delimiter_note(table.delimiter)}")


def _read_header(
    lines: TextIO,
    source: Path,
    covariates: Sequence[Covariate],
    new_columns: Sequence[str] = (),
    *,
    unique: bool = False,
) -> _Table:
    """Read the header of a file; parameters and errors are those of `find_columns`."""
    first_line = lines.readline()
    delimiter = delimiter_of(first_line)
    reader = csv.reader(chain([first_line], lines), delimiter=delimiter, strict=True)
    try:
        names = next(reader, [])
    except csv.Error as error:
        raise ScoringError(f"{source}: line 1: not CSV: {error}") from None
    if NOT_UTF8.search("".join(names)):
        is_utf16 = names[0].startswith(("\udcff\udcfe", "\udcfe\udcff"))
        encoding = "UTF-16" if is_utf16 else "perhaps Latin-1 or Windows-1252"
        raise ScoringError(f"{source}: line 1: not UTF-8 text ({encoding}); convert the file")
    columns = find_columns(source, names, covariates, new_columns, unique=unique)
    blocks = read_blocks(lines, reader.line_num + 1, len(names), BATCH_ROWS, delimiter)
    return _Table(source, delimiter, names, columns, blocks)


def _read_patients(
    block: Block, columns: Sequence[CovariateColumn], strict: bool
) -> tuple[Floats, Recorded] | None:
    """Return the values and recorded flags of a block, (n, k); None if a record is invalid."""
    if block.columns is None:
        return None
    cells = [block.columns[column.position] for column in columns]
    return read_columns(columns, cells, strict=strict)


def _add_bad_rows(bad_rows: BadRows, block: Block, table: _Table, strict: bool) -> None:
    n_fields = len(table.names)
    for line, record in block.records:
        if isinstance(record, csv.Error):
            bad_rows.add(f"line {line}", f"not CSV: {record}")
        elif len(record) != n_fields:
            bad_rows.add(f"line {line}", f"{len(record)} fields, but the header has {n_fields}")
        elif NOT_UTF8.search("".join(record)):
            bad_rows.add(f"line {line}", "not UTF-8 text")
        else:
            cells = [record[column.position] for column in table.columns]
            if refusals := refusals_of(table.columns, cells, strict=strict):
                bad_rows.add(f"line {line}", *refusals)
