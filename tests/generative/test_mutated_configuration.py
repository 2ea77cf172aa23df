"""Mutated files of a site are read or refused with exit code 10, in bounded time, and never more.

A file starts as a shipped one. A mutation replaces a value, a line, or some characters by what YAML
may read as another type, or cannot read at all.
"""

import random
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omop_scorer.config.definitions import load_definitions
from omop_scorer.config.run_file import load
from omop_scorer.config.starting_files import write_starting_files
from omop_scorer.errors import ConfigurationError
from omop_scorer.resources import shipped
from tests.support.thoroughness import examples

#: Values that a hand, an editor or another program may leave behind.
VALUES = (
    *("yes", "No", "on", "~", "null", "''", "5", "-1", "0", "5.0", "1e3", "1e400", ".nan", "-.inf"),
    *("010", "0x1F", "1:30", "1_0", "9" * 20, "9" * 5000, "2026-02-30", "2026-01-31", "0001-01-01"),
    *("2026-01-01 25:00:00", "2026-01-01T00:00:00Z", "!!int abc", "!!bool maybe", "!!binary YQ=="),
    *(
        "!!set {a, b}",
        "!!omap [a: 1]",
        "!x y",
        "[]",
        "{}",
        "[1, a, yes]",
        "{a: {b: [c]}}",
        "[[[[]]]]",
    ),
    *(
        "&a [*a]",
        "*unknown",
        "<<",
        "=",
        "'a\x00b'",
        '"\\0"',
        '"\\ud800"',
        '"\\e[31m"',
        "'\U0001f600'",
    ),
    *("postgresql://u:p@h:x/d", "://", "spark", "delta:", "/", "..", "x" * 300, "%d%m%Y", "%Q"),
    *("*", "&", "!", "?", "|", ">", "@", "`", "%", "{", "[", "]", "}", ":", "-", "#", "\t", "\r"),
)
SCALAR = re.compile(r"(?<=: )[^\s#\[{][^#\n]*|(?<=- )[^\s#\[{:]+(?=\n)|[\w.]+(?=[,\]}])")
FILES = (
    *("nightly.yaml", "units.yaml", "treatment_lines.yaml"),
    *("concept_sets/drugs.yaml", "concept_sets/measurements.yaml", "card.yaml"),
    "card.variants.json",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a site with the files that `init` writes, and a model card."""
    folder = tmp_path_factory.mktemp("site")
    write_starting_files(folder, "nightly.yaml", overwrite=False)
    models = shipped("configs") / "models"
    for suffix in (".yaml", ".variants.json"):
        shutil.copy(models / f"crohns_srs_2025{suffix}", folder / f"card{suffix}")
    card = folder / "card.yaml"
    text = card.read_text(encoding="utf-8")
    card.write_text(text.replace("crohns_srs_2025.variants", "card.variants"), encoding="utf-8")
    run_file = folder / "nightly.yaml"
    named = f"model: {card}"
    text = run_file.read_text(encoding="utf-8")
    run_file.write_text(text.replace("model: crohns_srs_2025", named), encoding="utf-8")
    return folder


def mutated(text: str, chance: random.Random) -> str:
    """Return a text with one mutation: a value, a line or a few characters."""
    value = chance.choice(VALUES)
    kind = chance.randrange(5)
    if kind <= 1 and (places := list(SCALAR.finditer(text))):
        place = chance.choice(places)
        return text[: place.start()] + value + text[place.end() :]
    lines = text.splitlines(keepends=True)
    i = chance.randrange(len(lines))
    if kind == 2:
        lines[i : i + 1] = chance.choice(([], lines[i : i + 1] * 2, [f"{value}\n"]))
        return "".join(lines)
    if kind == 3:
        key = re.sub(r":.*\n", lambda _: f": {value}\n", lines[i])
        return "".join([*lines[:i], key, *lines[i + 1 :]])
    i = chance.randrange(len(text))
    return text[:i] + value + text[i + chance.randrange(4) :]


@settings(max_examples=examples(40), deadline=None, derandomize=True)
@given(name=st.sampled_from(FILES), seed=st.integers(0, 2**32), n_mutations=st.integers(1, 3))
def test_only_read_or_refused(site: Path, name: str, seed: int, n_mutations: int) -> None:
    path, chance = site / name, random.Random(seed)
    original = text = path.read_text(encoding="utf-8")
    for _ in range(n_mutations):
        text = mutated(text, chance) or " "
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    started = time.process_time()
    faults: Sequence[str] = ()
    try:
        load_definitions(load(site / "nightly.yaml"))
    except ConfigurationError as error:
        faults = error.problems or ("",)
    finally:
        path.write_text(original, encoding="utf-8")
    assert time.process_time() - started < 6  # the files of a site take half a second
    assert all(faults)
    assert not re.search("[\x00-\x09\x0b-\x1f]", "".join(faults))
