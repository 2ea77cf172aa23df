"""The run file as frozen models. All faults are reported at once, before a database is opened."""

import hashlib
import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from omop_scorer.config.connections import (
    DELTA,
    Cdm,
    Connections,
    PostgreSQL,
    Results,
    Spark,
    is_secret_setting,
)
from omop_scorer.config.server_url import is_server
from omop_scorer.documents import ConceptId, Frozen, faults_of, override, read_yaml
from omop_scorer.errors import ConfigurationError
from omop_scorer.resources import shipped
from omop_scorer.terms import EngineName, Uncertainty
from omop_scorer.texts.secret_values import MASK, hide

#: "Ever" as a number of days: 200 years, longer than any patient's history.
EVER_DAYS = 73_000

#: PostgreSQL silently truncates longer names.
_LONGEST_NAME_BYTES = 63

Days = Annotated[int, Field(ge=0, le=EVER_DAYS)]

Table = Literal["measurement", "observation"]


class Cohort(Frozen):
    """Rules for who is in the cohort and who of the cohort is scored."""

    concept_ids: tuple[ConceptId, ...] = Field(default=(201606,), min_length=1)
    extra_concept_ids: tuple[ConceptId, ...] = ()
    minimum_distinct_days: int = Field(default=1, ge=1)
    minimum_persons: int = Field(default=0, ge=0)
    maximum_rows: int = Field(default=50_000_000, ge=1)
    exclude_concept_sets: tuple[str, ...] = ()
    age_rule: Literal["date", "year"] = "date"
    age_minimum: int = Field(default=18, ge=0)
    age_maximum: int = Field(default=99, le=150)

    @model_validator(mode="after")
    def _ages_in_order(self) -> "Cohort":
        if self.age_minimum > self.age_maximum:
            raise ValueError("age_minimum is above age_maximum: no patient would be scored")
        return self


class Measured(Frozen):
    """Rules for a measured quantity: concepts, look-back, plausible limits, imputed value."""

    concept_ids: tuple[ConceptId, ...] = ()
    measurement_concept_sets: tuple[str, ...] = ()
    observation_concept_sets: tuple[str, ...] = ()
    lookback_days: Days
    minimum: float
    maximum: float
    minimum_age: int = Field(default=0, ge=0)
    imputed_value: float | None = None

    @model_validator(mode="after")
    def _limits_in_order(self) -> "Measured":
        if self.minimum > self.maximum:
            raise ValueError("minimum is above maximum: every value would be rejected")
        if self.imputed_value is not None and not (
            self.minimum <= self.imputed_value <= self.maximum
        ):
            raise ValueError("imputed_value lies outside minimum and maximum")
        return self


class Exposure(Frozen):
    """Rules for a yes/no covariate that is derived from drug exposures."""

    lookback_days: Days


class DiseaseLocation(Frozen):
    """Rules for the disease location, which is derived from the whole history."""

    imputed_value: float | None = Field(default=None, ge=0, le=1)


class Covariates(Frozen):
    """Covariate rules, one section per covariate or measured quantity."""

    crp: Measured = Measured(
        measurement_concept_sets=("crp", "crp_moles"),
        observation_concept_sets=("crp_observation_table",),
        lookback_days=180,
        minimum=0,
        maximum=500,
    )
    cdai: Measured = Measured(lookback_days=90, minimum=0, maximum=750)
    bmi: Measured = Measured(
        measurement_concept_sets=("bmi",), lookback_days=730, minimum=10, maximum=80
    )
    body_weight: Measured = Measured(
        measurement_concept_sets=("body_weight",), lookback_days=730, minimum=25, maximum=350
    )
    body_height: Measured = Measured(
        measurement_concept_sets=("body_height",),
        lookback_days=EVER_DAYS,
        minimum=120,
        maximum=230,
        minimum_age=18,
    )
    prior_anti_tnf: Exposure = Exposure(lookback_days=EVER_DAYS)
    steroid: Exposure = Exposure(lookback_days=30)
    immunomodulator: Exposure = Exposure(lookback_days=90)
    ileal: DiseaseLocation = DiseaseLocation()

    @model_validator(mode="before")
    @classmethod
    def _fill_in_defaults(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        # A section that gives some keys keeps the defaults of its own covariate for the others.
        merged = dict(given)
        for name, field in cls.model_fields.items():
            if isinstance(merged.get(name), dict):
                merged[name] = {**field.default.model_dump(), **merged[name]}
        return merged

    def quantities(self) -> dict[str, Measured]:
        """Return the measured quantities by name."""
        return {name: rule for name, rule in self if isinstance(rule, Measured)}


class Audit(Frozen):
    """Rules of the audits: first date counted, age, and when a treatment is still continuing."""

    since: date = date(2016, 1, 1)
    age_at: Literal["as_of", "index"] = "as_of"
    continuing_days: Days = 180


class RunConfig(Frozen):
    """The whole run file: everything that a run depends on besides the data."""

    engine: EngineName = "duckdb"
    cdm: Cdm
    results: Results
    as_of_date: date | None = None
    uncertainty: Uncertainty = "bootstrap"
    model: str = "crohns_srs_2025"
    concept_sets: str | None = None
    units: str | None = None
    treatment_lines: str | None = None
    missing: Literal["impute", "reduced_model"] = "impute"
    impute: Literal["calculator", "training_mean", "cohort_median"] = "calculator"
    batch_size: int = Field(default=100_000, ge=1, le=10_000_000)
    threads: int | None = Field(default=None, ge=1)
    memory_limit: str | None = Field(default=None, pattern=r"^[0-9]+(\.[0-9]+)? ?[KMGT]i?B$")
    minimum_cell_count: int = Field(default=5, ge=1)
    keep_person_level_runs: int | None = Field(default=None, ge=1)
    postgresql: PostgreSQL = PostgreSQL()
    spark: Spark = Spark()
    cohort: Cohort = Cohort()
    covariates: Covariates = Covariates()
    audit: Audit = Audit()

    @model_validator(mode="after")
    def _engine_fits(self) -> "RunConfig":
        for key, location in (("cdm", self.cdm), ("results", self.results)):
            if self.engine == "postgresql" and not location.is_postgresql:
                raise ValueError(
                    f"{key}.url is not a PostgreSQL server: engine postgresql needs "
                    "postgresql://...; engine duckdb takes any source and store"
                )
        if self.results.is_server and not self.results.is_postgresql:
            raise ValueError(
                "results.url: results are kept in a DuckDB file, a folder, a PostgreSQL database "
                "or a Spark catalog"
            )
        if self.cdm.is_delta and (self.engine != "duckdb" or self.cdm.is_pulled):
            raise ValueError(
                "cdm.url delta:..., cdm.delta_versions and cdm.delta_as_of are for a folder of "
                "Delta tables, which engine duckdb reads"
            )
        if self.cdm.is_pulled and self.cdm.vocabulary_url is not None:
            raise ValueError(
                "cdm.vocabulary_url: not allowed, because a server is read as one database; "
                "use cdm.vocabulary_schema"
            )
        if self.engine == "spark":
            self._fits_spark()
        return self

    def _fits_spark(self) -> None:
        if self.threads is not None or self.memory_limit is not None:
            raise ValueError(
                "threads and memory_limit are settings of engine duckdb; "
                "remove them for engine spark"
            )
        if self.cdm.is_server:
            raise ValueError("cdm.url is on a server: it needs engine: duckdb")
        urls = (self.cdm.url, self.cdm.vocabulary_url, self.spark.scratch)
        if any(url is not None and "://" in url for url in urls):
            raise ValueError(
                "engine spark needs folders that the driver and all executors mount, or the "
                "word spark for the catalog; the URL of an object store is not allowed"
            )

    @model_validator(mode="after")
    def _results_apart(self) -> "RunConfig":
        store, name = self.results.store(self.engine), self.results.schema_
        if store == "postgresql" and (
            len(name.encode()) > _LONGEST_NAME_BYTES or name.startswith("pg_")
        ):
            raise ValueError(
                f"results.schema: at most {_LONGEST_NAME_BYTES} bytes are allowed, and names that "
                "start with pg_ are reserved"
            )
        # The schema becomes the name of a folder, or the names of a catalog and a schema.
        if store in ("folder", "spark") and (
            "/" in name or not all(part.strip() for part in name.split("."))
        ):
            raise ValueError("results.schema: allowed: schema, or catalog.schema")
        results = Path(self.results.url)
        if store == "duckdb" and results.stem == name:
            raise ValueError(
                "results.url: the file must not have the name of results.schema, "
                "because DuckDB could not tell the two apart in a query"
            )
        if store in ("postgresql", "spark"):
            schemas = (self.cdm.schema_, self.cdm.vocabulary_schema)
            if self.cdm.url == self.results.url and name in schemas:
                raise ValueError(
                    "results.schema is the schema of the CDM, which a run never writes to; "
                    "name another"
                )
            return self
        for url in (self.cdm.url, self.cdm.vocabulary_url):
            if url is None or is_server(url):
                continue
            if _is_same(Path(url.removeprefix(DELTA)), results):
                raise ValueError(
                    "results.url is the CDM, which a run never writes to; name another location"
                )
        return self

    @property
    def connections(self) -> Connections:
        """The settings that an engine needs."""
        return Connections(
            engine=self.engine,
            cdm=self.cdm,
            results=self.results,
            postgresql=self.postgresql,
            spark=self.spark,
            batch_size=self.batch_size,
            threads=self.threads,
            memory_limit=self.memory_limit,
            maximum_rows=self.cohort.maximum_rows,
        )

    def to_json(self) -> str:
        """Return the configuration as canonical JSON without secrets, as every run stores it."""
        document = self.model_dump(mode="json", by_alias=True)
        settings = document["spark"]["settings"]
        settings |= {name: MASK for name in settings if is_secret_setting(name)}
        return json.dumps(_without_secrets(document), sort_keys=True)

    @property
    def sha256(self) -> str:
        """SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_secrets(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_secrets(each) for each in value]
    return hide(value) if isinstance(value, str) else value


def _is_same(one: Path, other: Path) -> bool:
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()


def load(path: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a run file and apply `key=value` overrides (dotted keys, YAML values).

    Raises
    ------
    ConfigurationError
        Every fault, with file, key, what was found and what is allowed.
    """
    document, problems = _read(path, overrides)
    return _validated(path, document, problems)


def load_for_readers(path: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a run file for its results only, ignoring its settings of engine and CDM.

    Raises
    ------
    ConfigurationError
        As for `load`.
    """
    document, problems = _read(path, overrides)
    if document.get("engine") == "spark":
        document |= dict.fromkeys(("threads", "memory_limit"))
    else:
        document["engine"] = "duckdb"
    document["cdm"] = {"url": "not opened"}
    return _validated(path, document, problems)


def to_server(option: str, url: str, null_text: Sequence[str]) -> Connections:
    """Return the settings that connect to a server, for a command without a run file.

    Raises
    ------
    ConfigurationError
        The URL is not that of a server. The message names the command-line option.
    """
    cdm = {"url": url, "null_text": tuple(null_text)}
    document = {"engine": "postgresql", "cdm": cdm, "results": {"url": url}}
    return _validated(Path(option), document, []).connections


def _read(path: Path, overrides: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    document = read_yaml(path)
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise ConfigurationError(f"{path}: expected keys and values, found something else")
    return document, [problem for text in overrides if (problem := override(document, text))]


def _validated(path: Path, document: dict[str, Any], problems: list[str]) -> RunConfig:
    try:
        config = RunConfig.model_validate(document)
    except ValidationError as error:
        raise ConfigurationError(*problems, *faults_of(path, error, RunConfig)) from None
    if problems:
        raise ConfigurationError(*problems)
    return config


def shipped_run_file() -> Path:
    """Return the path of the shipped run file, which shows every key with its default."""
    return shipped("configs") / "nightly.yaml"
