"""Connection settings: the part of the run file that an engine needs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from zoneinfo import available_timezones

from pydantic import AwareDatetime, Field, NonNegativeInt, field_validator

from omop_scorer.cdm.tables import TABLES
from omop_scorer.config.location import Location
from omop_scorer.config.server_url import is_server
from omop_scorer.documents import Frozen
from omop_scorer.terms import EngineName
from omop_scorer.texts import secret_values

#: Value of `cdm.url` and `results.url` that means the catalog of the Spark session.
CATALOG = "spark"
#: Prefix of `cdm.url` that means: a folder in which every table is a Delta table.
DELTA = "delta:"

StoreName = Literal["duckdb", "folder", "postgresql", "spark"]

#: Values of a setting that are no secret, whatever its name.
_SWITCH = re.compile(r"true|false|[0-9]+[a-z]?", re.IGNORECASE)

_DUCKDB_FILE = (".duckdb", ".ddb", ".db")


class Cdm(Location):
    """Location and format of the CDM."""

    schema_: str | None = Field(default=None, alias="schema")
    vocabulary_url: str | None = None
    vocabulary_schema: str | None = None
    tables: Mapping[str, str] = {}
    date_formats: tuple[str, ...] = ()
    time_zone: str = "UTC"
    null_text: tuple[str, ...] = ("",)
    delta_versions: Mapping[str, NonNegativeInt] = {}
    delta_as_of: AwareDatetime | None = None

    @property
    def is_delta(self) -> bool:
        """True if a key asks for Delta tables."""
        named = any(url.startswith(DELTA) for url in (self.url, self.vocabulary_url or ""))
        return bool(named or self.delta_versions or self.delta_as_of)

    @field_validator("url", "vocabulary_url")
    @classmethod
    def _delta_is_a_folder(cls, url: str | None) -> str | None:
        if url is not None and (url == DELTA or (url.startswith(DELTA) and is_server(url))):
            raise ValueError(
                f"a folder of this machine must follow {DELTA}; the URL of an object store is not "
                "allowed: mount it"
            )
        return url

    @property
    def is_pulled(self) -> bool:
        """True if the rows of the cohort are copied before the work begins."""
        return self.is_server or self.url == CATALOG

    @field_validator("time_zone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        # Listing the zones reads their whole folder.
        if name != "UTC" and name not in available_timezones():
            raise ValueError("unknown time zone; allowed: UTC, or a name such as Europe/Berlin")
        return name

    @field_validator("vocabulary_url")
    @classmethod
    def _is_a_path(cls, url: str | None) -> str | None:
        # The message does not repeat the URL, which may contain a password.
        if url is not None and is_server(url):
            raise ValueError(
                "must be a file or folder; a vocabulary on a server is read from the database of "
                "the CDM: remove this key and name the schema in cdm.vocabulary_schema"
            )
        return url

    @field_validator("tables", "delta_versions")
    @classmethod
    def _tables_are_read(cls, tables: Mapping[str, object]) -> Mapping[str, object]:
        known = [table.name for table in TABLES]
        if unknown := sorted(set(tables) - set(known)):
            raise ValueError(
                f"{', '.join(unknown)}: not read by a run; tables read: {', '.join(known)}"
            )
        return tables

    @field_validator("date_formats")
    @classmethod
    def _formats_are_dates(cls, formats: tuple[str, ...]) -> tuple[str, ...]:
        for text in formats:
            if "%d" not in text or not re.search("%[mbB]", text) or not re.search("%[yY]", text):
                raise ValueError("each format needs a day, a month and a year, such as %m/%d/%Y")
        return formats


class Results(Location):
    """Location of the results."""

    schema_: str = Field(default="omop_scorer", alias="schema", min_length=1)

    def store(self, engine: EngineName) -> StoreName:
        """Return the kind of place that the URL names.

        A path that does not exist is a folder if it ends with a slash, or if the engine is spark
        and the name is not that of a DuckDB file; else it is a DuckDB file.
        """
        path = Path(self.url)
        if self.is_server:
            return "postgresql"
        if self.url == CATALOG:
            return "spark"
        if path.is_file() or path.suffix in _DUCKDB_FILE:
            return "duckdb"
        is_folder = path.is_dir() or self.url.endswith("/") or engine == "spark"
        return "folder" if is_folder else "duckdb"


class PostgreSQL(Frozen):
    """Settings of a PostgreSQL connection: its name, timeouts and retries."""

    application_name: str = Field(default="omop-scorer", min_length=1, max_length=63)
    lock_timeout_seconds: int = Field(default=60, ge=1, le=2_000_000)
    statement_timeout_seconds: int | None = Field(default=None, ge=1, le=2_000_000)
    retries: int = Field(default=3, ge=0, le=20)
    retry_wait_seconds: float = Field(default=5, ge=0, le=600)


class Spark(Frozen):
    """Settings of a Spark session, and the folder for the work tables of a run."""

    scratch: str | None = None
    settings: Mapping[str, str] = {}

    @field_validator("settings", mode="before")
    @classmethod
    def _settings_are_text(cls, settings: object) -> object:
        if not isinstance(settings, Mapping):
            return settings
        return {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in settings.items()}

    @field_validator("settings")
    @classmethod
    def _settings_are_no_secrets(cls, settings: Mapping[str, str]) -> Mapping[str, str]:
        for name in settings:
            if not name.startswith("spark."):
                raise ValueError(f"{name}: not a Spark setting; names start with spark.")
            # The address of a Spark Connect server contains its token.
            is_remote = name == "spark.remote"
            if is_remote or re.search("secret|password|token|credential|[.]key", name, re.I):
                raise ValueError(
                    f"{name}: settings are stored with every run and must not hold a secret; use "
                    f"{'the variable SPARK_REMOTE' if is_remote else 'spark-defaults.conf'}"
                )
            if is_secret_setting(name) and not _SWITCH.fullmatch(settings[name]):
                secret_values.keep(settings[name])
            secret_values.keep_within(settings[name])
        return settings


def is_secret_setting(name: str) -> bool:
    """Return True if the value of a Spark setting may be a secret, by its name."""
    parts = r"pass|pwd|secret|token|credential|key$|user\.info|\.auth$"
    return bool(re.search(parts, name, re.IGNORECASE))


@dataclass(frozen=True)
class Connections:
    """Settings with which an engine or a reader of results opens its databases."""

    engine: EngineName
    cdm: Cdm
    results: Results
    postgresql: PostgreSQL
    spark: Spark
    batch_size: int
    threads: int | None
    memory_limit: str | None
    maximum_rows: int

    @property
    def store(self) -> StoreName:
        """The kind of place that keeps the results."""
        return self.results.store(self.engine)
