"""Values of a configuration file mean what they say; anything else is refused by its key."""

import time
from pathlib import Path

import pytest

from omop_scorer.config.definitions import load_definitions
from omop_scorer.config.run_file import load
from omop_scorer.errors import ConfigurationError

BASE = "cdm: {url: x.duckdb}\nresults: {url: r.duckdb}\n"
NO_WHOLE_NUMBER = (
    "yes",
    "on",
    "true",
    "5.0",
    "1e3",
    "'5'",
    "1:30",
    "010",
    "0x1F",
    "2026-01-01",
    "[]",
)
NO_TEXT = ("yes", "5", "5.5", "2026-01-01", "[a]", "{a: b}", "!!binary YQ==")
NO_DATE = (
    *("2026-02-30", "2026-13-01", "20260101", "1767225600", "1.5", "yes", "[2026-01-01]"),
    *("2026-01-01 25:00:00", "2026-01-01 00:00:00", "'2026-1-1'", "'01/31/2026'", "'1767225600'"),
)


def problems(folder: Path, text: str) -> list[str]:
    path = folder / "run.yaml"
    path.write_text(text, encoding="utf-8")
    started = time.process_time()
    with pytest.raises(ConfigurationError) as caught:
        load_definitions(load(path))
    assert time.process_time() - started < 2
    assert caught.value.exit_code == 10
    assert all(len(problem) < 3000 for problem in caught.value.problems)
    return list(caught.value.problems)


def section_of(key: str, value: str) -> str:
    """Return a run file in which a dotted key has a value, over the two that it needs."""
    sections = {"cdm": "url: x.duckdb", "results": "url: r.duckdb"}
    section, _, name = key.partition(".")
    inner = f"{name}: {value}"
    for part in reversed(name.split(".")[:-1]):
        inner = f"{part}: {{{inner.rpartition(part + '.')[2]}}}"
    if not name:
        return f"{BASE}{key}: {value}\n"
    kept = sections.pop(section, "")
    given = f"{section}: {{{', '.join(filter(None, (kept, inner)))}}}\n"
    return given + "".join(f"{each}: {{{text}}}\n" for each, text in sections.items())


@pytest.mark.parametrize("value", NO_WHOLE_NUMBER)
@pytest.mark.parametrize(
    "key",
    [
        *("minimum_cell_count", "keep_person_level_runs", "batch_size", "threads"),
        *("postgresql.retries", "postgresql.lock_timeout_seconds", "cohort.age_minimum"),
        *("cohort.minimum_distinct_days", "cohort.minimum_persons", "cohort.maximum_rows"),
        *("covariates.crp.lookback_days", "covariates.steroid.lookback_days"),
        *("audit.continuing_days", "covariates.bmi.minimum_age"),
    ],
)
def test_a_whole_number_is_a_whole_number(tmp_path: Path, key: str, value: str) -> None:
    (problem,) = problems(tmp_path, section_of(key, value))
    assert f"{key}: found " in problem
    assert problem.endswith("it should be a whole number")


@pytest.mark.parametrize("value", NO_TEXT)
@pytest.mark.parametrize(
    "key",
    [
        *("model", "units", "concept_sets", "cdm.schema", "cdm.password_file", "spark.scratch"),
        *("report.title", "report.department", "report.contact"),
    ],
)
def test_a_text_is_a_text(tmp_path: Path, key: str, value: str) -> None:
    (problem,) = problems(tmp_path, section_of(key, value))
    assert f"{key}: " in problem


@pytest.mark.parametrize("value", NO_DATE)
@pytest.mark.parametrize("key", ["as_of_date", "audit.since"])
def test_a_date_is_a_date(tmp_path: Path, key: str, value: str) -> None:
    (problem,) = problems(tmp_path, section_of(key, value))
    assert f"{key}: found " in problem
    more = ", or the word cdm" if key == "as_of_date" else ""
    assert problem.endswith(f"t should be a date such as 2026-01-31{more}")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("threads", value) for value in ("0", "-1", "1025", "4294967296", "9" * 20, "9" * 5000)),
        *(("batch_size", value) for value in ("10000001", "!!int abc", "!!bool maybe", ".nan")),
        *(("memory_limit", value) for value in ("999999999TB", "0GB", "lots", "5", "1e5GB")),
        *(("cdm.time_zone", value) for value in ("localtime", "Factory", "Mars", "''", "'../x'")),
        *(("cdm.date_formats", value) for value in ("['%Q %d %m %Y']", "['%d%m%Y%']", "[1]")),
        *(("covariates.crp.minimum", value) for value in ("1e300", ".inf", "yes", "'5'")),
        *(("disclosure.rounding", value) for value in ("1", "10", "5.0", "false", "'5'", "null")),
        *(("report.language", value) for value in ("de", "EN", "null", "no")),
        *(("report.title", value) for value in ("''", f"'{'x' * 201}'", '"a\\0b"')),
        *(("audit.active_crp", value) for value in ("1e300", ".nan", "'10'")),
        ("cohort.concept_ids", "[99999999999999999999]"),
        ("cohort.age_minimum", "151"),
        ("cdm.delta_versions", "{person: yes}"),
        ("cdm.delta_as_of", "1767225600"),
        ("spark.settings", "{spark.a: [1]}"),
        ("results.schema", f"'{'x' * 300}'"),
        ("model", '"a\\0b"'),
        ("cdm.schema", '"\\e[31m"'),
        ("results.schema", '"\\ud800"'),
    ],
)
def test_odd_limits_are_refused(tmp_path: Path, key: str, value: str) -> None:
    (problem,) = problems(tmp_path, section_of(key, value))
    assert key in problem
    assert "\x1b" not in problem


@pytest.mark.parametrize("key", ["model", "units", "concept_sets", "treatment_lines"])
@pytest.mark.parametrize(
    "place", ["/dev/zero", "/", "x" * 5000, f"{'y' * 300}.yaml", "/proc/self/mem"]
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, key: str, place: str) -> None:
    assert problems(tmp_path, f"{BASE}{key}: {place}\n")


@pytest.mark.parametrize("key", ["cdm.url", "results.url", "cdm.vocabulary_url", "spark.scratch"])
def test_a_location_that_is_too_long_is_refused(tmp_path: Path, key: str) -> None:
    sections = {"cdm": "url: x", "results": "url: r", "spark": ""}
    section, _, name = key.partition(".")
    sections[section] = f"{name}: a/{'y' * 300}, " + ("url: x" if name == "vocabulary_url" else "")
    text = "".join(f"{each}: {{{given}}}\n" for each, given in sections.items())
    (problem,) = problems(tmp_path, text)
    assert f"{key}: found 'a/yyy" in problem


@pytest.mark.parametrize(
    "text",
    [
        "cdm: {url: &x hunter2}\nresults: *hunter2\n",
        "cdm: {url: !hunter2 x}\n",
        "cdm: {url: x, password_file: [hunter2]}\nresults: {url: r}\n",
        "cdm: {url: ['postgresql://u:hunter2@host/d']}\nresults: {url: r}\n",
        "cdm: {url: x, password: hunter2}\nresults: {url: r}\n",
    ],
)
def test_a_fault_never_prints_a_secret(tmp_path: Path, text: str) -> None:
    assert "hunter2" not in "\n".join(problems(tmp_path, text))


def test_a_chain_of_sets_that_include_each_other_takes_no_time(tmp_path: Path) -> None:
    folder = tmp_path / "sets"
    folder.mkdir()
    sets = "".join(
        f"  s{i}: {{title: t, source: s, include_sets: [s{i + 1}, s{i + 1}, s{i + 2}]}}\n"
        for i in range(400)
    )
    ends = "".join(f"  s{i}: {{title: t, source: s, include_sets: []}}\n" for i in (400, 401))
    (folder / "a.yaml").write_text(f"concept_sets:\n{sets}{ends}", encoding="utf-8")
    found = problems(tmp_path, f"{BASE}concept_sets: {folder}\n")
    assert any("no concept set 'crp'" in problem for problem in found)
    circle = (
        sets + "  s400: {title: t, source: s, include_sets: [s0]}\n  s401: {title: t, source: s}\n"
    )
    (folder / "a.yaml").write_text(f"concept_sets:\n{circle}", encoding="utf-8")
    assert "the set includes itself: s0 > s" in "\n".join(
        problems(tmp_path, f"{BASE}concept_sets: {folder}\n")
    )
