"""libyaml and PyYAML read the same documents, repeated keys and faults."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omop_scorer.documents import read_yaml
from omop_scorer.errors import ConfigurationError
from omop_scorer.resources import shipped
from omop_scorer.yaml_loader import ExponentLoader, UniqueKeyLoader
from tests.support.thoroughness import examples

SHIPPED = sorted(shipped("configs").rglob("*.yaml"))
#: What gives a text its structure in YAML, and values whose type depends on how they are written.
PARTS = (
    *":,-[]{}#&*!?|>'\"%@`\\/=+.$(ab0é\t\n\r",
    *(" ", "  ", "    ", ": ", "- ", "? ", "! ", " #", ", ", "\n  ", "\n- ", "\n---\n", "\n...\n"),
    *("a: ", "k: v\n", "a:\n", "# c\n", "- - ", "|\n", "|-\n", ">+\n  ", "|2\n", ">-#"),
    *("&a ", "*a", "<<: *a", "!!str ", "!!int ", "!x ", "%YAML 1.1#\n---\n", "%TAG ! x:\n", "''"),
    *("\\x41", "\\u00e9", "\\ud800", "\\N", "\\/", "\\\n", "\x00", "\x07", "\x7f", "\x85", "\xa0"),
    *("\u2028", "\ufeff", "\U0001f600", "x" * 1030, "[" * 20, "]" * 20),
    *("1e-05", "1.5e+3", "0x1F", "0b1", "017", "08", "1_000", "1:30", "-.inf", ".nan", "<<", "="),
    *("yes", "No", "on", "n", "true", "null", "~"),
    *("2026-01-31", "2026-02-30", "2026-01-31 10:00:00"),
)
TEXTS = st.lists(st.sampled_from(PARTS), max_size=12).map("".join)
#: Lines of a document as people write it.
LINES = (
    *("a: 1\n", "b: [1, 2, {c: d}]\n", "c: 'q''r'\n", "- a\n", "- b: c\n  d: >-\n    x\n    y\n"),
    *("x: &x {b: 1}\n", "y: *x\n", "z:\n  <<: *x\n  e: 2\n", "e: !!str 1\n", "f: 2026-01-31\n"),
    *("g: 1e-05\n", "h: yes # c\n", '"i": "j\n  k"\n', '"a\n\x41": |2\n    t\n   u\n'),
    *("# comment\n", "\n"),
)
DOCUMENTS = st.lists(st.sampled_from(LINES), max_size=5).map("".join)


def answer(text: str, loader_class: type[UniqueKeyLoader], path: Path) -> object:
    """Return the document with the types of its values, or the faults."""
    path.write_bytes(text.encode())
    try:
        return typed(read_yaml(path, loader_class))
    except ConfigurationError as error:
        return error.problems
    except (ValueError, LookupError, AttributeError, RecursionError) as error:
        return type(error), str(error)


def typed(value: object) -> object:
    """Return a value with the types of its parts; NaN equals NaN, and the order of keys counts."""
    if isinstance(value, dict):
        return [(typed(key), typed(each)) for key, each in value.items()]
    if isinstance(value, list):
        return [list, *map(typed, value)]
    return type(value), repr(value)


class PythonLoader(UniqueKeyLoader):
    """The loader without libyaml."""

    fast = UniqueKeyLoader


class PythonExponentLoader(ExponentLoader):
    """The loader of model cards without libyaml."""

    fast = ExponentLoader


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("documents") / "file.yaml"


def assert_read_alike(text: str, path: Path) -> None:
    assert answer(text, UniqueKeyLoader, path) == answer(text, PythonLoader, path)
    assert answer(text, ExponentLoader, path) == answer(text, PythonExponentLoader, path)


@pytest.mark.parametrize("shipped_file", SHIPPED, ids=lambda file: file.name)
def test_shipped_files_are_read_alike(shipped_file: Path, path: Path) -> None:
    assert_read_alike(shipped_file.read_text(encoding="utf-8"), path)


@settings(max_examples=examples(150), deadline=None, derandomize=True)
@given(
    file=st.sampled_from([file.read_text(encoding="utf-8").splitlines(True) for file in SHIPPED]),
    start=st.integers(0, 400),
    n_lines=st.integers(1, 8),
    position=st.integers(0, 200),
    part=st.sampled_from(PARTS),
)
def test_shipped_lines_with_a_fault_are_read_alike(
    path: Path, file: list[str], start: int, n_lines: int, position: int, part: str
) -> None:
    start %= len(file)
    text = "".join(file[start : start + n_lines])
    position %= len(text) + 1
    assert_read_alike(text[:position] + part + text[position:], path)


@settings(max_examples=examples(150), deadline=None, derandomize=True)
@given(
    document=DOCUMENTS,
    parts=st.lists(st.tuples(st.integers(0), st.sampled_from(PARTS)), max_size=3),
)
def test_documents_with_faults_are_read_alike(
    path: Path, document: str, parts: list[tuple[int, str]]
) -> None:
    for position, part in parts:
        place = position % (len(document) + 1)
        document = document[:place] + part + document[place:]
    assert_read_alike(document, path)


@settings(max_examples=examples(150), deadline=None, derandomize=True)
@given(text=TEXTS)
def test_texts_of_any_kind_are_read_alike(path: Path, text: str) -> None:
    assert_read_alike(text, path)
