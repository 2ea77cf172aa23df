"""Blocks of CSV records, read by columns.

Most files need no CSV parser: no cell holds a delimiter, a quote or a line end, so lines are
records and delimiters separate cells. The csv module reads each block that may have such a cell.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, TextIO, TypeAlias

from omop_scorer.scoring.patient import NOT_UTF8

Record: TypeAlias = list[str] | csv.Error

"""Cells of a record, or the reason why it cannot be parsed."""


@dataclass(frozen=True)
class Block:
    """Consecutive records of a CSV file, without empty lines."""

    records: Iterable[tuple[int, Record]]
    """Each record with the line on which it starts, for one pass."""
    columns: Sequence[Sequence[str]] | None
    """Cells by column; None = a record is not CSV, not UTF-8 or not of the length of the header."""
    texts: Sequence[str]
    """Each record as the csv module writes it, without line end, if there are columns."""


def read_blocks(
    lines: TextIO, line: int, n_fields: int, n_records: int, delimiter: str = ","
) -> Iterator[Block]:
    """Yield the records of a file in blocks of constant size.

    Parameters
    ----------
    lines
        Lines of the file after the header, read with `newline=""` and `errors="surrogateescape"`.
    line
        Number of the next line in the file.
    n_fields
        Number of cells that each record must have.
    n_records
        Number of records per block; only the last block has fewer.
    delimiter
        Character between two cells.
    """
    while batch := list(islice(lines, n_records)):
        block = _plain_block(batch, line, n_fields, delimiter)
        if block is None:
            # The last record may end on a line after the batch, and empty lines do not count.
            reader = csv.reader(chain(batch, lines), delimiter=delimiter, strict=True)
            records = list(islice(_records(reader, line), n_records))
            block = _parsed_block(records, n_fields, delimiter)
            line += reader.line_num
        else:
            line += len(batch)
        yield block


def written(records: Iterable[Sequence[str | None]], delimiter: str = ",") -> list[str]:
    """Return the text of each record as the csv module writes it, without line end."""
    lines = _Lines()
    # A record of one blank cell would be written as a pair of quotes, so a cell is added.
    writer = csv.writer(lines, delimiter=delimiter, lineterminator="\n")
    writer.writerows([*record, ""] for record in records)
    return [line[: -len(",\n")] for line in lines]


class _Lines(list[str]):
    """Output file of the csv module that keeps each record apart."""

    write = list.append


def _plain_block(batch: Sequence[str], line: int, n_fields: int, delimiter: str) -> Block | None:
    """Return the block of some lines, or None if only the csv module can tell what they hold."""
    lines = "".join(batch).replace("\r\n", "\n").removesuffix("\n")
    text = _without_quotes(lines, delimiter)
    if text is None or "\r" in text or _is_not_utf8(text):
        return None
    texts = text.split("\n")
    if "" in texts or max(map(len, texts)) > csv.field_size_limit():
        return None
    # Each line end is made a cell, so the lines have one length if the ends are evenly spaced.
    width = n_fields + 1
    cells = f"{delimiter}\n{delimiter}".join([*texts, ""]).split(delimiter)
    if len(cells) != len(texts) * width + 1 or cells[n_fields::width].count("\n") != len(texts):
        return None
    columns = [cells[i:-1:width] for i in range(n_fields)]
    return Block(enumerate((text.split(delimiter) for text in texts), line), columns, texts)


def _without_quotes(text: str, delimiter: str) -> str | None:
    """Return lines without the quotes around cells, None if a quote has another purpose."""
    if '"' not in text:
        return text
    n_cells, n_left = divmod(text.count('"'), 2)
    n_opened = text.startswith('"') + text.count(f'{delimiter}"') + text.count('\n"')
    n_closed = text.endswith('"') + text.count(f'"{delimiter}') + text.count('"\n')
    inside = "".join(text.split('"')[1::2])
    if n_left or not n_opened == n_closed == n_cells or delimiter in inside or "\n" in inside:
        return None
    return text.replace('"', "")


def _parsed_block(records: Sequence[tuple[int, Record]], n_fields: int, delimiter: str) -> Block:
    cells = [record for _, record in records if not isinstance(record, csv.Error)]
    is_even = len(cells) == len(records) and {n_fields}.issuperset(map(len, cells))
    if not is_even or _is_not_utf8("".join(map("".join, cells))):
        return Block(records, None, [])
    columns = list(zip(*cells, strict=True)) or [()] * n_fields
    return Block(records, columns, written(cells, delimiter))


def _records(reader: Any, first_line: int) -> Iterator[tuple[int, Record]]:
    """Yield each record with the line on which it starts; empty lines are skipped."""
    line = first_line
    while True:
        try:
            for record in reader:
                if record:
                    yield line, record
                line = first_line + reader.line_num
        except csv.Error as error:
            yield line, error
            line = first_line + reader.line_num
        else:
            return


def _is_not_utf8(text: str) -> bool:
    return not text.isascii() and NOT_UTF8.search(text) is not None
