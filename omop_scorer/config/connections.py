"""Connection settings: the part of the run file that an engine needs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from os.path import isdir, isfile
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    field_validator,
)

from omop_scorer.cdm.tables import TABLES
from omop_scorer.config.location import Location
from omop_scorer.config.server_url import is_server
from omop_scorer.documents import Frozen, Moment, Place, shown
from omop_scorer.terms import EngineName
from omop_scorer.texts import secret_values

#: Value of `cdm.url` and `results.url` that means the catalog of the Spark session.
CATALOG = "spark"
#: Prefix of `cdm.url` that means: a folder in which every table is a Delta table.
DELTA = "delta:"

#: Names of catalogs in DuckDB connections of the program, which a schema of results cannot have.
RESERVED_SCHEMAS = ("memory", "system", "temp", "site_results", "results_to_read")

StoreName = Literal["duckdb", "folder", "postgresql", "spark"]

#: Codes of strptime that DuckDB reads; engine spark reads some of them.
_DATE_CODES = (
    *("a", "A", "w", "d", "-d", "b", "B", "m", "-m", "y", "-y", "Y", "H", "-H", "I", "-I"),
    *("M", "-M", "S", "-S", "p", "f", "j", "-j", "%", "U", "W", "V", "G", "g", "u"),
    *("Z", "z", "c", "x", "X", "T", "n"),
)
_LONGEST_FORMAT = 100

_Version = Annotated[StrictInt, Field(ge=0, le=2**63 - 1)]

#: Names that the time zone database of a machine may hold, and DuckDB and Java do not.
_NO_ZONES = frozenset(("Factory", "localtime", "posixrules"))

#: Bytes of a unit of a memory limit. A limit above a petabyte is a slip.
_SIZES = {"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_MOST_MEMORY = 10**15


def _is_a_size(limit: str) -> str:
    found = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,15})?) ?([KMGT])i?B", limit)
    if not found or not 1 <= float(found[1]) * _SIZES[found[2]] <= _MOST_MEMORY:
        raise ValueError(f"found {shown(limit)}; it should be a size such as 4GB or 512MB")
    return limit


MemoryLimit = Annotated[StrictStr, AfterValidator(_is_a_size)]
#: Values of a setting that are no secret, whatever its name.
_SWITCH = re.compile(r"true|false|[0-9]+[a-z]?", re.IGNORECASE)

_DUCKDB_FILE = (".duckdb", ".ddb", ".db")


class Cdm(Location):
    """Location and format of the CDM."""

    schema_: StrictStr | None = Field(default=None, alias="schema")
    vocabulary_url: Place | None = None
    vocabulary_schema: StrictStr | None = None
    allow_external_files: StrictBool = False
    tables: Mapping[StrictStr, StrictStr | None] = {}
    date_formats: tuple[StrictStr, ...] = ()
    time_zone: StrictStr = "UTC"
    null_text: tuple[StrictStr, ...] = ("",)
    delta_versions: Mapping[StrictStr, _Version] = {}
    delta_as_of: Moment | None = None
    maximum_age_days: StrictInt | None = Field(default=45, ge=0, le=36_500)

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
    def paths(self) -> list[Path]:
        """Files and folders of this machine that hold the CDM and its vocabulary."""
        urls = [url for url in (self.url, self.vocabulary_url) if url and not is_server(url)]
        return [Path(url.removeprefix(DELTA)) for url in urls if url != CATALOG]

    @property
    def table_names(self) -> Mapping[str, str]:
        """Names of tables at the site, where they differ from those of the CDM."""
        return {table: name for table, name in self.tables.items() if name is not None}

    @property
    def left_out(self) -> frozenset[str]:
        """Tables that are not read although they may exist."""
        return frozenset(table for table, name in self.tables.items() if name is None)

    @property
    def is_pulled(self) -> bool:
        """True if the rows of the cohort are copied before the work begins."""
        return self.is_server or self.url == CATALOG

    @field_validator("time_zone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        # Listing the zones reads their whole folder.
        if name != "UTC" and (name in _NO_ZONES or name not in available_timezones()):
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

    @field_validator("tables")
    @classmethod
    def _required_tables_are_read(
        cls, tables: Mapping[str, str | None]
    ) -> Mapping[str, str | None]:
        needed = [t.name for t in TABLES if t.is_required and tables.get(t.name, "") is None]
        if needed:
            raise ValueError(f"{', '.join(needed)}: a run needs it, so it cannot be left out")
        return tables

    @field_validator("date_formats")
    @classmethod
    def _formats_are_dates(cls, formats: tuple[str, ...]) -> tuple[str, ...]:
        for text in formats:
            unknown = [code for code in re.findall("%(-?.|$)", text) if code not in _DATE_CODES]
            if unknown or len(text) > _LONGEST_FORMAT:
                raise ValueError(
                    f"found {shown(text)}; it should use the codes "
                    f"{' '.join(f'%{code}' for code in _DATE_CODES)} only"
                )
            if "%d" not in text or not re.search("%[mbB]", text) or not re.search("%[yY]", text):
                raise ValueError("each format needs a day, a month and a year, such as %m/%d/%Y")
        return formats


class Results(Location):
    """Location of the results."""

    schema_: StrictStr = Field(default="omop_scorer", alias="schema", min_length=1, max_length=200)
    allow_owners: tuple[StrictStr, ...] = ()
    allow_triggers: tuple[StrictStr, ...] = ()
    lock_timeout_seconds: StrictInt = Field(default=600, ge=0, le=86_400)

    def store(self, engine: EngineName) -> StoreName:
        """Return the kind of place that the URL names.

        A path that does not exist is a folder if it ends with a slash, or if the engine is spark
        and the name is not that of a DuckDB file; else it is a DuckDB file.
        """
        path = self.url
        if self.is_server:
            return "postgresql"
        if self.url == CATALOG:
            return "spark"
        # Path.is_file fails on a name that is too long, and in a folder that may not be read.
        if isfile(path) or Path(path).suffix in _DUCKDB_FILE:  # noqa: PTH113
            return "duckdb"
        is_folder = isdir(path) or self.url.endswith("/") or engine == "spark"  # noqa: PTH112
        return "folder" if is_folder else "duckdb"

    def path(self, engine: EngineName) -> Path | None:
        """Return the file or folder of the results; None on a server or in a catalog."""
        return Path(self.url) if self.store(engine) in ("duckdb", "folder") else None


class PostgreSQL(Frozen):
    """Settings of a PostgreSQL connection: its name, timeouts and retries."""

    application_name: StrictStr = Field(default="omop-scorer", min_length=1, max_length=63)
    lock_timeout_seconds: StrictInt = Field(default=60, ge=1, le=2_000_000)
    statement_timeout_seconds: StrictInt | None = Field(default=21_600, ge=1, le=2_000_000)
    idle_timeout_seconds: StrictInt | None = Field(default=3_600, ge=1, le=2_000_000)
    retries: StrictInt = Field(default=3, ge=0, le=20)
    retry_wait_seconds: StrictFloat = Field(default=5, ge=0, le=600)


class Spark(Frozen):
    """Settings of a Spark session, and the folder for the work tables of a run."""

    scratch: Place | None = None
    settings: Mapping[StrictStr, StrictStr] = {}

    @field_validator("settings", mode="before")
    @classmethod
    def _settings_are_text(cls, settings: object) -> object:
        if not isinstance(settings, Mapping):
            return settings
        return {
            key: str(value).lower()
            if isinstance(value, bool)
            else str(value)
            # Anything else stays as it is, and is refused.
            if isinstance(value, int | float)
            else value
            for key, value in settings.items()
        }

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
