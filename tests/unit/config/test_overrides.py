"""Keys that the environment and the command line set: order, faults and secrets."""

from pathlib import Path

import pytest

from omop_scorer.config.run_file import load, load_for_readers
from omop_scorer.errors import ConfigurationError

RUN_FILE = "cdm: {url: a.duckdb, schema: site}\nresults: {url: b.duckdb}\nthreads: 1\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    written = tmp_path / "run.yaml"
    written.write_text(RUN_FILE, encoding="utf-8")
    return written


def problems(path: Path, environment: dict[str, str], *options: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(path, options, environment)
    return list(caught.value.problems)


def test_a_variable_overrides_the_file_and_an_option_the_variable(path: Path) -> None:
    environment = {
        "OMOP_SCORER__CDM__URL": "c.duckdb",
        "OMOP_SCORER__COVARIATES__CRP__LOOKBACK_DAYS": "365",
        "OMOP_SCORER__COVARIATES__CDAI__CONCEPT_IDS": "[2000000001]",
        "OMOP_SCORER__THREADS": "2",
        "OMOP_SCORER_TEST": "no key",
    }
    config = load(path, ["threads=3"], environment)
    assert (config.cdm.url, config.cdm.schema_, config.threads) == ("c.duckdb", "site", 3)
    assert config.covariates.crp.lookback_days == 365
    assert config.covariates.crp.measurement_concept_sets == ("crp", "crp_moles")
    assert config.covariates.cdai.concept_ids == (2000000001,)
    assert load(path, (), {"OMOP_SCORER__THREADS": ""}).threads is None
    assert load(path).threads == 1
    assert load_for_readers(path, (), {"OMOP_SCORER__RESULTS__URL": "d/"}).results.url == "d/"


@pytest.mark.parametrize(
    ("name", "value", "key"),
    [
        ("OMOP_SCORER__CDM__URLL", "x", "cdm.urll"),
        ("OMOP_SCORER__NO__SUCH", "x", "no"),
        ("OMOP_SCORER__THREADS", "yes", "threads"),
        ("OMOP_SCORER__AS_OF_DATE", "2026-02-30", "as_of_date"),
        ("OMOP_SCORER__RESULTS__SCHEMA", "5", "results.schema"),
        ("OMOP_SCORER__THREADS__X", "5", "threads is a single value"),
        ("OMOP_SCORER__", "5", "names no key"),
        ("OMOP_SCORER__THREADS", "[", "not valid YAML"),
        ("OMOP_SCORER__MODEL", "{a: 1, a: 2}", "key twice"),
        (f"OMOP_SCORER__{'A__' * 200}B", "5", "too large"),
    ],
)
def test_a_fault_names_the_variable(path: Path, name: str, value: str, key: str) -> None:
    found = problems(path, {name: value})
    assert any(name[:40] in each or "too large" in each for each in found)
    assert any(key in each for each in found)


def test_a_fault_of_an_option_says_so(path: Path) -> None:
    (problem,) = problems(path, {"OMOP_SCORER__THREADS": "2"}, "threads=yes")
    assert problem == "--set: threads: found True; it should be a whole number"


def test_a_secret_of_a_variable_is_not_printed(path: Path) -> None:
    for url in (
        "postgresql://u:hunter2@h:port/d",
        "[postgresql://u:hunter2@h/d]",
        "jdbc:x://u:hunter2@h/d",
    ):
        assert "hunter2" not in "\n".join(problems(path, {"OMOP_SCORER__CDM__URL": url}))
    config = load(path, (), {"OMOP_SCORER__CDM__URL": "postgresql://u:hunter2@h/d"})
    assert "hunter2" not in config.to_json()
    assert config.cdm.password is not None


def test_an_alias_does_not_spread_an_override(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("cdm: &x {url: a.duckdb}\nresults: *x\n", encoding="utf-8")
    config = load(path, ["results.url=b.duckdb"])
    assert (config.cdm.url, config.results.url) == ("a.duckdb", "b.duckdb")
