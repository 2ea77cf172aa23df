"""The CDM tables and columns that the queries read, with their types.

Whatever schema, letter case and types a site uses, the queries see the logical schemas `cdm` and
`vocab` with lower-case names and the types declared here. These columns are the same in CDM 5.3 and
5.4.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlglot import exp

Kind = Literal["integer", "double", "date", "timestamp", "text"]

LogicalSchema = Literal["cdm", "vocab"]


@dataclass(frozen=True)
class Column:
    """A column of a CDM table, as the queries expect it."""

    name: str
    kind: Kind
    is_required: bool
    is_missed: bool = True
    """False for a column that many sites leave out, and that only explains other values."""


@dataclass(frozen=True)
class Counted:
    """The table, and its columns of concept and date, that a source summarises.

    Without a column of concept, only its newest date is asked for.
    """

    table: str
    concept_column: str | None
    date_column: str


@dataclass(frozen=True)
class Table:
    """A CDM table, as the queries expect it. A run fails without a required table."""

    name: str
    schema: LogicalSchema
    is_required: bool
    columns: tuple[Column, ...]
    without_it: str = ""
    """Effect of the missing table, for the warning."""
    counts: Counted | None = None
    """Set for a table of counts, which a source makes and no site has."""
    is_missed: bool = True
    """False for a table that many sites leave out, and that only explains other values."""


def _columns(text: str) -> tuple[Column, ...]:
    columns = []
    for word in text.split():
        name, kind = word.lstrip("?").split(":")
        required, missed = not word.startswith("?"), not word.startswith("??")
        columns.append(Column(name, kind, required, missed))  # type: ignore[arg-type]
    return tuple(columns)


#: Every table that the queries read. A leading ? marks an optional column, and ?? one without which
#: nothing is missed.
TABLES: tuple[Table, ...] = (
    Table(
        "person",
        "cdm",
        True,
        _columns(
            "person_id:integer gender_concept_id:integer year_of_birth:integer "
            "?month_of_birth:integer ?day_of_birth:integer ?race_concept_id:integer "
            "??care_site_id:integer"
        ),
    ),
    Table(
        "condition_occurrence",
        "cdm",
        True,
        _columns(
            "condition_occurrence_id:integer person_id:integer condition_concept_id:integer "
            "condition_start_date:date ?condition_source_concept_id:integer"
        ),
    ),
    Table(
        "drug_exposure",
        "cdm",
        True,
        _columns(
            "drug_exposure_id:integer person_id:integer drug_concept_id:integer "
            "drug_exposure_start_date:date ?drug_exposure_end_date:date ?days_supply:integer "
            "?route_concept_id:integer ?drug_source_concept_id:integer"
        ),
    ),
    Table(
        "measurement",
        "cdm",
        True,
        _columns(
            "measurement_id:integer person_id:integer measurement_concept_id:integer "
            "measurement_date:date ?measurement_datetime:timestamp ?operator_concept_id:integer "
            "value_as_number:double ?unit_concept_id:integer ?unit_source_value:text "
            "?measurement_source_concept_id:integer ??value_source_value:text"
        ),
    ),
    Table(
        "observation",
        "cdm",
        False,
        _columns(
            "observation_id:integer person_id:integer observation_concept_id:integer "
            "observation_date:date ?observation_datetime:timestamp "
            "?value_as_number:double ?unit_concept_id:integer ?unit_source_value:text "
            "?observation_source_concept_id:integer"
        ),
        "values stored as observations are not read",
    ),
    Table(
        "death",
        "cdm",
        False,
        _columns("person_id:integer death_date:date"),
        "no person counts as deceased",
    ),
    Table(
        "care_site",
        "cdm",
        False,
        _columns("care_site_id:integer ?care_site_name:text"),
        "care sites have no names",
        is_missed=False,
    ),
    Table(
        "cdm_source",
        "cdm",
        False,
        _columns(
            "?cdm_source_name:text ?cdm_version:text ?cdm_release_date:date "
            "??cdm_version_concept_id:integer ?vocabulary_version:text"
        ),
        "the run cannot record which release of the CDM it read",
    ),
    Table(
        "concept",
        "vocab",
        False,
        _columns(
            "concept_id:integer concept_name:text ?domain_id:text ?vocabulary_id:text "
            "?concept_class_id:text ?standard_concept:text ?concept_code:text ?invalid_reason:text"
        ),
        "concepts given by code or name are not found, and ids cannot be checked",
    ),
    Table(
        "concept_ancestor",
        "vocab",
        False,
        _columns("ancestor_concept_id:integer descendant_concept_id:integer"),
        "descendants of concepts are not found, so only the ids listed in the concept sets count",
    ),
    Table(
        "concept_relationship",
        "vocab",
        False,
        _columns(
            "concept_id_1:integer concept_id_2:integer relationship_id:text ?invalid_reason:text"
        ),
        "dose forms are unknown, so corticosteroids are classified by route alone, and mappings "
        "are unknown, so records of concepts that are not standard or no longer valid do not count",
    ),
    Table(
        "vocabulary",
        "vocab",
        False,
        _columns("vocabulary_id:text ?vocabulary_version:text"),
        "the vocabulary version is known only from cdm_source",
    ),
)


def _count_table(table: str, concept_column: str, date_column: str) -> Table:
    columns = _columns("concept_id:integer record_date:date n_records:integer")
    counts = Counted(table, concept_column, date_column)
    return Table(f"{table}_count", "cdm", False, columns, counts=counts)


#: Records of all persons by concept and date, for an engine that pulls only those of the cohort.
COUNT_TABLES: tuple[Table, ...] = (
    _count_table("condition_occurrence", "condition_concept_id", "condition_start_date"),
    _count_table("drug_exposure", "drug_concept_id", "drug_exposure_start_date"),
    _count_table("measurement", "measurement_concept_id", "measurement_date"),
    _count_table("observation", "observation_concept_id", "observation_date"),
)

#: Columns of the standard and of the source concept of a record, by clinical table.
CONCEPT_COLUMNS: Mapping[str, tuple[str, str]] = {
    counts.table: (column, column.replace("_concept_id", "_source_concept_id"))
    for counts in (table.counts for table in COUNT_TABLES)
    if counts is not None and (column := counts.concept_column) is not None
}


def _last_date_table(table: str, date_column: str) -> Table:
    counts = Counted(table, None, date_column)
    return Table(f"{table}_last", "cdm", False, _columns("record_date:date"), counts=counts)


#: Newest date of all persons, for an engine that pulls only the rows of the cohort.
LAST_DATE_TABLES: tuple[Table, ...] = (
    _last_date_table("condition_occurrence", "condition_start_date"),
    _last_date_table("drug_exposure", "drug_exposure_start_date"),
    _last_date_table("measurement", "measurement_date"),
)


@dataclass(frozen=True)
class SiteTable:
    """A table at a site: its location, and its columns with their types."""

    relation: str
    """The table in the SQL of the engine: a qualified name, or a call such as READ_CSV(...).

    It is empty for a table of several parts."""
    label: str
    """The table in messages."""
    columns: Mapping[str, str]
    """Type of each column at the site, by lower-case name."""
    names: Mapping[str, str]
    """Name of each column as the site writes it, by lower-case name."""
    table: exp.Table | None = None
    """The quoted name of a table whose rows are pulled; None where the engine reads in place."""
    numeric: frozenset[str] = frozenset()
    """Columns of a number type, by lower-case name, of a table whose rows are pulled."""
    dated: frozenset[str] = frozenset()
    """Columns of the type DATE, by lower-case name, of a table whose rows are pulled."""
    padded: frozenset[str] = frozenset()
    """Columns of fixed width, by lower-case name, whose texts arrive with blanks at the end."""
    is_filtered: bool = False
    """True if the server hides rows from this user (row-level security)."""
    parts: "tuple[SiteTable, ...]" = ()
    """Tables with types and columns of their own, whose rows together are this table."""
    files: tuple[Path, ...] = ()
    """Files of a table of Parquet files."""

    @property
    def pieces(self) -> "tuple[SiteTable, ...]":
        """The parts; the table itself where it has none."""
        return self.parts or (self,)
