"""Texts of a site in lines, cells and terminals: what a reader cannot see is written out."""

import csv
import io

import pytest
from rich.console import Console
from rich.text import Text

from omop_scorer.texts import characters

HOSTILE = {
    "an escape of terminals": ("a\x1b[2Jb", r"a\x1b[2Jb"),
    "a short escape": ("a\x9b31mb", r"a\x9b31mb"),
    "line ends": ("a\nb\r\nc\x0bd\x0ce\x85f", r"a\nb\r\nc\x0bd\x0ce\x85f"),
    "line separators": ("a\u2028b\u2029c", r"a\u2028b\u2029c"),
    "NUL": ("a\0b", r"a\x00b"),
    "a bidirectional override": ("a\u202eb\u2066c", r"a\u202eb\u2066c"),
    "a mark of byte order": ("\ufeffa", r"\ufeffa"),
    "half a character": ("a\ud800b", r"a\ud800b"),
    "a byte that is not UTF-8": ("a\udce9b", r"a\xe9b"),
    "letters of all kinds": ("Charité – 東京 naïve 😀", "Charité – 東京 naïve 😀"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_text_is_one_visible_line(kind: str) -> None:
    text, expected = HOSTILE[kind]
    assert characters.one_line(text) == expected
    assert len(characters.one_line(text).splitlines()) == 1
    out = io.StringIO()
    Console(file=out, force_terminal=True, width=200).print(Text(characters.one_line(text)))
    assert out.getvalue() == f"{expected}\n"


def test_lines_stay_lines() -> None:
    assert characters.lines("a\x1b\nb\0") == "a\\x1b\nb\\x00"


@pytest.mark.parametrize(
    "start", ["=", "+", "-", "@", " =", "\uff1d", "\uff0b", "\uff0d", "\uff20"]
)
def test_a_formula_is_a_text(start: str) -> None:
    assert characters.cell(f"{start}SUM(1)") == f"'{start}SUM(1)"


@pytest.mark.parametrize("text", ["\t=1", "\r=1", "\n=1", "\0=1"])
def test_no_cell_begins_with_a_tab_or_a_line_end(text: str) -> None:
    out = io.StringIO()
    csv.writer(out).writerow([characters.cell(text)])
    assert out.getvalue()[0] == "\\"


def test_other_texts_stay_as_they_are() -> None:
    for text in ("", "a=b", "TNF > (IL = INT)", "5.4", "(TNF = IL = INT)", "1-2"):
        assert characters.cell(text) == text
