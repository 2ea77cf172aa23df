"""The run file as frozen models. All faults are reported at once, before a database is opened."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import (
    Field,
    StrictFloat,
    StrictInt,
    StrictStr,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from omop_scorer.config.connections import (
    RESERVED_SCHEMAS,
    Cdm,
    Connections,
    MemoryLimit,
    PostgreSQL,
    Results,
    Spark,
    is_secret_setting,
)
from omop_scorer.config.export import Export, refuse_misplaced
from omop_scorer.config.nesting import is_nested, is_same
from omop_scorer.config.overrides import GivenRunFile
from omop_scorer.config.report import Disclosure, Report
from omop_scorer.documents import ConceptId, Day, Frozen, Place
from omop_scorer.resources import shipped
from omop_scorer.terms import EngineName, Uncertainty
from omop_scorer.texts.secret_values import MASK, hide_within

#: The longest window that can be given as a number: 200 years. Without a number it is ever.
EVER_DAYS = 73_000

#: Value of `as_of_date` that means the last day of the CDM.
LAST_DAY_OF_CDM = "cdm"

_DATE: TypeAdapter[date] = TypeAdapter(Day)

#: PostgreSQL silently truncates longer names.
_LONGEST_NAME_BYTES = 63

Days = Annotated[StrictInt, Field(ge=0, le=EVER_DAYS)]

#: Largest whole number and largest limit of a value that a run file may give.
_MOST = 1_000_000_000

Limit = Annotated[StrictFloat, Field(ge=-_MOST, le=_MOST)]

#: Days before the index date; None for ever.
Lookback = Days | None

Table = Literal["measurement", "observation"]


class Cohort(Frozen):
    """Rules for who is in the cohort and who of the cohort is scored."""

    concept_ids: tuple[ConceptId, ...] = Field(default=(201606,), min_length=1)
    extra_concept_ids: tuple[ConceptId, ...] = ()
    minimum_distinct_days: StrictInt = Field(default=1, ge=1, le=EVER_DAYS)
    minimum_persons: StrictInt = Field(default=0, ge=0, le=_MOST)
    maximum_rows: StrictInt = Field(default=50_000_000, ge=1, le=2**63 - 1)
    exclude_concept_sets: tuple[StrictStr, ...] = ()
    age_rule: Literal["date", "year"] = "date"
    age_minimum: StrictInt = Field(default=18, ge=0, le=150)
    age_maximum: StrictInt = Field(default=99, ge=0, le=150)

    @model_validator(mode="after")
    def _ages_in_order(self) -> "Cohort":
        if self.age_minimum > self.age_maximum:
            raise ValueError("age_minimum is above age_maximum: no patient would be scored")
        return self


class Measured(Frozen):
    """Rules for a measured quantity: concepts, look-back, plausible limits, imputed value."""

    concept_ids: tuple[ConceptId, ...] = ()
    measurement_concept_sets: tuple[StrictStr, ...] = ()
    observation_concept_sets: tuple[StrictStr, ...] = ()
    lookback_days: Lookback
    minimum: Limit
    maximum: Limit
    minimum_age: StrictInt = Field(default=0, ge=0, le=150)
    imputed_value: Limit | None = None

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

    lookback_days: Lookback


class CurrentExposure(Exposure):
    """Rules for a yes/no covariate that is derived from the intervals of drug exposures."""

    maximum_days: int | None = Field(default=None, ge=1, le=EVER_DAYS)


class DiseaseLocation(Frozen):
    """Rules for the disease location, which is derived from the whole history."""

    lookback_days: Lookback = None
    imputed_value: StrictFloat | None = Field(default=None, ge=0, le=1)


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
        lookback_days=None,
        minimum=120,
        maximum=230,
        minimum_age=18,
    )
    prior_anti_tnf: Exposure = Exposure(lookback_days=None)
    steroid: CurrentExposure = CurrentExposure(lookback_days=30)
    immunomodulator: CurrentExposure = CurrentExposure(lookback_days=90)
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
    """Rules of the audits: first date counted, age, continuing treatment and active disease."""

    since: Day = date(2016, 1, 1)
    age_at: Literal["as_of", "index"] = "as_of"
    continuing_days: Days = 180
    gap_days: Days = 180
    exposure_days: Days = 1
    active_cdai: Limit = 150
    active_crp: Limit = 10


class RunConfig(Frozen):
    """The whole run file: everything that a run depends on besides the data."""

    engine: EngineName = "duckdb"
    cdm: Cdm
    results: Results
    as_of_date: Day | Literal["cdm"] | None = None
    uncertainty: Uncertainty = "bootstrap"
    model: Place = Field(default="crohns_srs_2025", min_length=1)
    concept_sets: Place | None = None
    units: Place | None = None
    treatment_lines: Place | None = None
    concept_mapping: Literal["follow", "exact"] = "follow"
    missing: Literal["impute", "reduced_model"] = "impute"
    impute: Literal["calculator", "training_mean", "cohort_median"] = "calculator"
    batch_size: StrictInt = Field(default=100_000, ge=1, le=10_000_000)
    threads: StrictInt | None = Field(default=None, ge=1, le=1024)
    memory_limit: MemoryLimit | None = None
    minimum_cell_count: StrictInt = Field(default=5, ge=1, le=_MOST)
    keep_person_level_runs: StrictInt | None = Field(default=None, ge=1, le=_MOST)
    export: tuple[Export, ...] = ()
    postgresql: PostgreSQL = PostgreSQL()
    spark: Spark = Spark()
    cohort: Cohort = Cohort()
    covariates: Covariates = Covariates()
    audit: Audit = Audit()
    report: Report = Report()
    disclosure: Disclosure = Disclosure()

    @field_validator("as_of_date", mode="before")
    @classmethod
    def _is_date_or_cdm(cls, given: object) -> object:
        if given is None or given == LAST_DAY_OF_CDM:
            return given
        try:
            return _DATE.validate_python(given)
        except ValidationError:
            raise PydanticCustomError(
                "as_of_date", "It should be a date such as 2026-01-31, or the word cdm"
            ) from None

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
    def _places_apart(self) -> "RunConfig":
        refuse_misplaced(self.export, self.cdm.paths, self.results.path(self.engine))
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
        if store == "duckdb" and name.lower() in RESERVED_SCHEMAS:
            raise ValueError(f"results.schema: DuckDB keeps the name {name} for itself")
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
        for cdm in self.cdm.paths:
            if is_same(cdm, results):
                raise ValueError(
                    "results.url is the CDM, which a run never writes to; name another location"
                )
            if is_nested(cdm, results, name if store == "folder" else None):
                raise ValueError(
                    "results.url lies in the folder of the CDM, or the CDM in the folder of the "
                    "results; a run never writes to the CDM: name a location beside it"
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
        return json.dumps(hide_within(document), sort_keys=True)

    @property
    def sha256(self) -> str:
        """SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def load(
    path: Path, overrides: Sequence[str] = (), environment: Mapping[str, str] = MappingProxyType({})
) -> RunConfig:
    """Read a run file and apply the overrides: variables first, then `key=value` texts.

    Parameters
    ----------
    path
        The run file.
    overrides
        Texts `key=value` of the command line, with dotted keys and YAML values.
    environment
        Environment variables; those that start with OMOP_SCORER__ set a key.

    Raises
    ------
    ConfigurationError
        Every fault, with file, key, what was found and what is allowed.
    """
    given = GivenRunFile.read(path, overrides, environment)
    return given.validated(RunConfig)


def load_for_readers(
    path: Path, overrides: Sequence[str] = (), environment: Mapping[str, str] = MappingProxyType({})
) -> RunConfig:
    """Read a run file for its results only, ignoring its settings of engine and CDM.

    Raises
    ------
    ConfigurationError
        As for `load`.
    """
    given = GivenRunFile.read(path, overrides, environment)
    document = given.document
    if document.get("engine") == "spark":
        document |= dict.fromkeys(("threads", "memory_limit"))
    else:
        document["engine"] = "duckdb"
    document["cdm"] = {"url": "not opened"}
    return given.validated(RunConfig)


def to_server(option: str, url: str, null_text: Sequence[str]) -> Connections:
    """Return the settings that connect to a server, for a command without a run file.

    Raises
    ------
    ConfigurationError
        The URL is not that of a server. The message names the command-line option.
    """
    cdm = {"url": url, "null_text": list(null_text)}
    document = {"engine": "postgresql", "cdm": cdm, "results": {"url": url}}
    return GivenRunFile(Path(option), document).validated(RunConfig).connections


def shipped_run_file() -> Path:
    """Return the path of the shipped run file, which shows every key with its default."""
    return shipped("configs") / "nightly.yaml"
