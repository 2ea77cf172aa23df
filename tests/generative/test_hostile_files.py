"""YAML of any shape up to a megabyte costs little time and memory."""

import time
import tracemalloc
from pathlib import Path

import pytest

from omop_scorer.documents import read_json, read_yaml
from omop_scorer.errors import ConfigurationError

MEGABYTE = 1_000_000


def bomb(n_levels: int) -> str:
    """Return lists of nine aliases of the list before: 9 ** n_levels values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    for i in range(1, n_levels):
        lines.append(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]")
    return "\n".join(lines)


def merge_bomb() -> str:
    keys = ", ".join(f"k{i}: 1" for i in range(5000))
    return f"a: &a {{{keys}}}\n" + "".join(f"b{i}: {{<<: [*a, *a, *a]}}\n" for i in range(3000))


HOSTILE = {
    "a bomb of aliases": bomb(12),
    "a bomb of merge keys": merge_bomb(),
    "nested 3,000 deep": f"x: {'[' * 3000}",
    "nested and closed": "[" * (MEGABYTE // 2) + "]" * (MEGABYTE // 2),
    "nested by question marks": "? " * (MEGABYTE // 2),
    "nested by dashes": "- " * (MEGABYTE // 2),
    "nested 60 deep": "".join(f"{' ' * i}a:\n" for i in range(60)),
    "a list of itself": "x: &a [*a]",
    "a mapping of itself": "x: &a {b: *a}",
    "a merge of itself": "x: &a {<<: *a}",
    "many keys": "".join(f"k{i}: 1\n" for i in range(90_000)),
    "many items": f"x: [{'1,' * (MEGABYTE // 2)}]",
    "many tags": "- !a x\n" * (MEGABYTE // 7),
    "one key again and again": "a: 1\n" * (MEGABYTE // 5),
    "what PyYAML alone reads": "k: 'v!'\n" * (MEGABYTE // 8),
    "tabs": "a:\tb\n" * (MEGABYTE // 5),
    "an open quote": f'x: "{"a" * MEGABYTE}',
    "colons": "a: " * (MEGABYTE // 3),
    "a tag of Python": "x: !!python/object/apply:os.system [ls]",
    "a set": "x: !!set {a, b}",
    "a control character": 'x: "\\0"',
    "two documents": "---\na: 1\n---\nb: 2\n",
    "a list as a key": "? [a, b]\n: 1\n",
    "more than a file may have": "#" * 6 * MEGABYTE,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_refused_within_its_bounds(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(text, encoding="utf-8")
    tracemalloc.start()
    started = time.process_time()
    with pytest.raises(ConfigurationError, match=r"file\.yaml: "):
        read_yaml(path)
    seconds, (_, peak) = time.process_time() - started, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 8  # a quarter of it without tracemalloc
    assert peak < 250 * MEGABYTE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9" * 5000, "9" * 5000),
        (f"{'1:' + '59:' * 200_000}1", f"{'1:' + '59:' * 200_000}1"),
        (f"!!int {'9' * 5000}", "9" * 5000),
        ("9223372036854775807", 9223372036854775807),
        ("9223372036854775808", "9223372036854775808"),
        ("2026-02-30", "2026-02-30"),
        ("!!int abc", "abc"),
        ("!!bool maybe", "maybe"),
        ("!!timestamp x", "x"),
        ("!!float x", "x"),
        ("1:30.5", "1:30.5"),
        ("0o17", "0o17"),
        ("1_000", 1000),
        ("-5", -5),
    ],
)
def test_what_only_looks_like_a_value_is_text(tmp_path: Path, text: str, expected: object) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(f"x: {text}\n", encoding="utf-8")
    assert read_yaml(path) == {"x": expected}


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        f'{{"a": {"[" * 60}{"]" * 60}}}',
        f"[{','.join(['1'] * 200_000)}]",
        '{"a": "\\u0000"}',
        '{"a": "\\ud800"}',
        f"{{{', '.join(chr(34) + 'a' + chr(34) + ': 1' for _ in range(90_000))}}}",
        "{",
    ],
)
def test_hostile_json_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file.json"
    path.write_text(text, encoding="utf-8")
    started = time.process_time()
    with pytest.raises(ConfigurationError, match=r"file\.json: "):
        read_json(path)
    assert time.process_time() - started < 2
