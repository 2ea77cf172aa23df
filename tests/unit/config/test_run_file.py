"""The run file: defaults, overrides, and every fault reported at once."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import yaml

from omop_scorer.config.run_file import RunConfig, load, shipped_run_file
from omop_scorer.errors import ConfigurationError
from omop_scorer.texts import secret_values

SPARK = "engine: spark\ncdm: {url: a}\nresults: {url: b}\n"
MINIMAL = {"cdm": {"url": "cdm.duckdb"}, "results": {"url": "results.duckdb"}}


def written(folder: Path, text: str) -> Path:
    path = folder / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(path, overrides)
    assert caught.value.exit_code == 10
    return list(caught.value.problems)


def test_the_shipped_run_file_holds_every_default() -> None:
    document = yaml.safe_load(shipped_run_file().read_text(encoding="utf-8"))
    urls = {"cdm": {"url": document["cdm"]["url"]}, "results": {"url": document["results"]["url"]}}
    config = RunConfig.model_validate(urls)
    assert config == load(shipped_run_file())
    assert json.loads(config.to_json()) == json.loads(
        json.dumps(document, default=str).replace('"engine": null', '"engine": "duckdb"')
    )


def test_the_defaults_are_those_of_the_rules() -> None:
    config = RunConfig.model_validate(MINIMAL)
    windows = {name: rule.lookback_days for name, rule in config.covariates.quantities().items()}
    assert windows == {
        "crp": 180,
        "cdai": 90,
        "bmi": 730,
        "body_weight": 730,
        "body_height": None,
    }
    limits = {name: (r.minimum, r.maximum) for name, r in config.covariates.quantities().items()}
    assert limits == {
        "crp": (0, 500),
        "cdai": (0, 750),
        "bmi": (10, 80),
        "body_weight": (25, 350),
        "body_height": (120, 230),
    }
    assert config.covariates.steroid.lookback_days == 30
    assert config.covariates.immunomodulator.lookback_days == 90
    assert config.covariates.prior_anti_tnf.lookback_days is None
    assert config.covariates.ileal.lookback_days is None
    assert config.covariates.steroid.maximum_days is None
    assert config.cohort.concept_ids == (201606,)
    assert (config.cohort.age_minimum, config.cohort.age_maximum) == (18, 99)
    assert config.results.schema_ == "omop_scorer"
    assert config.minimum_cell_count == 5


def test_a_section_given_in_part_keeps_its_other_defaults(tmp_path: Path) -> None:
    text = yaml.safe_dump(MINIMAL | {"covariates": {"crp": {"lookback_days": 365}}})
    crp = load(written(tmp_path, text)).covariates.crp
    assert crp.lookback_days == 365
    assert crp.measurement_concept_sets == ("crp", "crp_moles")
    assert (crp.minimum, crp.maximum) == (0, 500)


def test_overrides_are_dotted_and_hold_yaml(tmp_path: Path) -> None:
    path = written(tmp_path, yaml.safe_dump(MINIMAL))
    config = load(
        path,
        [
            "as_of_date=2026-01-31",
            "covariates.cdai.concept_ids=[2000000001, 2000000002]",
            "results.schema=scores",
            "impute=training_mean",
        ],
    )
    assert config.as_of_date == date(2026, 1, 31)
    assert config.covariates.cdai.concept_ids == (2000000001, 2000000002)
    assert config.results.schema_ == "scores"
    assert config.impute == "training_mean"


def test_every_fault_is_reported_at_once(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        yaml.safe_dump(
            MINIMAL
            | {
                "uncertainty": "both",
                "colour": "blue",
                "cohort": {"age_minimum": 70, "age_maximum": 60},
                "covariates": {
                    "crp": {"lookback_days": -1},
                    "bmi": {"minimum": 80, "maximum": 10},
                    "cdai": {"window": 3},
                },
            }
        ),
    )
    found = problems(path, "nonsense")
    for part in (
        "--set nonsense: expected key=value",
        f"{path}: uncertainty: found 'both'; it should be 'bootstrap' or 'analytic'",
        f"{path}: colour: no such key; allowed: engine, cdm, results",
        f"{path}: cohort: age_minimum is above age_maximum",
        f"{path}: covariates.crp.lookback_days: found -1",
        f"{path}: covariates.bmi: minimum is above maximum",
        f"{path}: covariates.cdai.window: no such key; allowed: concept_ids",
    ):
        assert any(part in problem for problem in found), part
    assert len(found) == 7


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("cdm: [", "line 1"),
        ("- a\n- b\n", "keys and values"),
        ("", "cdm: missing"),
        ("cdm: {url: a}\ncdm: {url: b}\n", "written twice"),
        ("cdm: {url: a.duckdb}\nresults: {url: a.duckdb}\n", "never writes to"),
        (
            "cdm: {url: a.duckdb}\nresults: {url: omop_scorer.duckdb}\n",
            "must not have the name of results.schema",
        ),
        ("cdm: {url: a, date_formats: ['%Y']}\nresults: {url: b}\n", "a day, a month and a year"),
        ("cdm: {url: a}\nresults: {url: b}\nbatch_size: 0\n", "batch_size: found 0"),
        (
            f"{SPARK}threads: 2\n",
            "threads and memory_limit are settings of engine duckdb; remove them",
        ),
        (
            f"{SPARK}spark: {{settings: {{spark.hadoop.fs.s3a.secret.key: x}}}}\n",
            "must not hold a secret",
        ),
        (f"{SPARK}spark: {{settings: {{spark.remote: 'sc://h/;token=x'}}}}\n", "SPARK_REMOTE"),
        (
            f"{SPARK}spark: {{scratch: 's3://bucket/x'}}\n",
            "the URL of an object store is not allowed",
        ),
        (f"{SPARK}spark: {{settings: {{master: local}}}}\n", "not a Spark setting"),
        (
            "engine: spark\ncdm: {url: spark, schema: a}\nresults: {url: spark, schema: a}\n",
            "never writes to",
        ),
        ("engine: spark\ncdm: {url: a}\nresults: {url: b, schema: ../a}\n", "catalog.schema"),
        ("cdm: {url: a}\nresults: {url: b}\ncohort: {concept_ids: []}\n", "cohort.concept_ids"),
        (
            "cdm: {url: a}\nresults: {url: b}\ncovariates: {crp: {imputed_value: 501}}\n",
            "imputed_value lies outside",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, text: str, part: str) -> None:
    assert any(part in problem for problem in problems(written(tmp_path, text)))


def test_settings_that_may_be_secret_are_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secret_values, "_secrets", set())
    given = {
        "spark.hadoop.account.pwd": "hunter2",
        "spark.datasource.url": "jdbc:x://u:hunter4@h;password=hunter5",
        "spark.executor.extraJavaOptions": "-Da=hunter2",
        "spark.passthrough": True,
        "spark.b": True,
    }
    document = SPARK + yaml.safe_dump({"spark": {"settings": given}})
    config = load(written(tmp_path, document))
    assert config.spark.settings["spark.hadoop.account.pwd"] == "hunter2"
    assert json.loads(config.to_json())["spark"]["settings"] == {
        "spark.hadoop.account.pwd": "***",
        "spark.datasource.url": "jdbc:x://u:***@h;password=***",
        "spark.executor.extraJavaOptions": "-Da=***",
        "spark.passthrough": "***",
        "spark.b": "true",
    }


def test_settings_of_spark_are_text(tmp_path: Path) -> None:
    given = "spark: {settings: {spark.a: 1, spark.b: true, spark.c: 'local[2]'}}\n"
    settings = load(written(tmp_path, SPARK + given)).spark.settings
    assert settings == {"spark.a": "1", "spark.b": "true", "spark.c": "local[2]"}


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "absent.yaml" in problems(tmp_path / "absent.yaml")[0]


def test_the_hash_follows_what_is_set(tmp_path: Path) -> None:
    path = written(tmp_path, yaml.safe_dump(MINIMAL))
    assert load(path).sha256 == load(path).sha256
    assert load(path).sha256 != load(path, ["impute=cohort_median"]).sha256


def test_old_states_of_delta_tables_are_named_by_version_or_moment(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "cdm: {url: 'delta:/data/cdm', delta_versions: {person: 0, measurement: 12}, "
        "delta_as_of: 2026-01-31T06:00:00+01:00}\nresults: {url: b}\n",
    )
    cdm = load(path).cdm
    assert cdm.delta_versions == {"person": 0, "measurement": 12}
    assert cdm.delta_as_of == datetime(2026, 1, 31, 5, tzinfo=UTC)
    assert json.loads(load(path).to_json())["cdm"]["delta_as_of"] == "2026-01-31T06:00:00+01:00"


@pytest.mark.parametrize(
    ("cdm", "part"),
    [
        ("url: a, delta_versions: {persons: 1}", "persons: not read by a run"),
        ("url: a, delta_versions: {person: -1}", "cdm.delta_versions.person: found -1"),
        ("url: a, delta_as_of: 2026-01-31", "a moment with its zone, such as 2026"),
        ("url: a, delta_as_of: 2026-01-31 06:00:00", "a moment with its zone"),
        ("url: a, delta_as_of: yesterday", "a moment with its zone"),
        ("url: 'delta:'", "a folder of this machine must follow delta:"),
        ("url: 'delta:s3://bucket/cdm'", "the URL of an object store is not allowed"),
        ("url: a, vocabulary_url: 'delta:s3://bucket/cdm'", "of an object store"),
        ("url: 'sqlite:///a', delta_versions: {person: 1}", "which engine duckdb reads"),
    ],
)
def test_faults_of_the_keys_of_delta(tmp_path: Path, cdm: str, part: str) -> None:
    (said,) = problems(written(tmp_path, f"cdm: {{{cdm}}}\nresults: {{url: b}}\n"))
    assert part in said


@pytest.mark.parametrize("key", ["cdm.url=delta:a", "cdm.vocabulary_url=delta:a"])
def test_engine_spark_reads_no_folder_of_delta(tmp_path: Path, key: str) -> None:
    (said,) = problems(written(tmp_path, SPARK), key)
    assert "which engine duckdb reads" in said
