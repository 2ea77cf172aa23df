"""YAML files: documents, messages, and which parser reads them."""

import subprocess
import sys
from pathlib import Path

import pytest

from omop_scorer.documents import read_yaml
from omop_scorer.errors import ConfigurationError
from omop_scorer.resources import shipped
from omop_scorer.yaml_loader import UniqueKeyLoader


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.yaml"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [b?c]", "line 1: not valid YAML: expected ',' or ']', but got '?'"),
        ("a: b\tc", "line 1: not valid YAML: found character '\\t' that cannot start any token"),
        ("a: |#", "line 1: not valid YAML: expected chomping or indentation indicators"),
        ("%YAML 1.1#\n---\na: 1", "line 1: not valid YAML: expected a digit or ' ', but found '#'"),
        ("|-\n\ufeff", "line 2: not valid YAML: expected '<document start>'"),
        ("a: 1\nb: [1, 2\nc: 3\n", "line 3: not valid YAML: expected ',' or ']', but got ':'"),
        (
            "a: 1\n\nb: {c: 1,\n  c: 2}\na: 3",
            "line 4: not valid YAML: the key 'c' is written twice",
        ),
    ],
)
def test_messages_are_those_of_pyyaml(path: Path, text: str, expected: str) -> None:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_yaml(path)
    assert caught.value.problems[0].startswith(f"{path}: {expected}")


def test_a_tag_without_a_name_and_a_value_is_null(path: Path) -> None:
    path.write_text("a: !\nb: 1\n", encoding="utf-8")
    assert read_yaml(path) == {"a": None, "b": 1}


class FastAlone(UniqueKeyLoader):
    """The loader with libyaml alone."""

    def __init__(self, stream: str) -> None:
        raise AssertionError("PyYAML reads what libyaml should read")


def test_the_shipped_concept_sets_are_read_by_libyaml() -> None:
    for file in (shipped("configs") / "concept_sets").glob("*.yaml"):
        assert read_yaml(file, FastAlone)


def test_pyyaml_without_libyaml_reads_the_same(path: Path) -> None:
    path.write_text("a: 1e-05\nb: [x, 2026-01-31]\n", encoding="utf-8")
    program = """
import sys
sys.modules["yaml._yaml"] = None
import yaml
from pathlib import Path
from omop_scorer.documents import read_yaml
from omop_scorer.yaml_loader import ExponentLoader
from omop_scorer.resources import shipped_yaml
assert not yaml.__with_libyaml__
assert len(shipped_yaml("treatment_lines.yaml")["treatment_lines"]) > 6
print(read_yaml(Path(sys.argv[1]), ExponentLoader))
"""
    command = [sys.executable, "-c", program, str(path)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed == "{'a': 1e-05, 'b': ['x', datetime.date(2026, 1, 31)]}\n"
