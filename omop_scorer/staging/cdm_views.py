"""Views of the site's CDM under the names and types that the queries expect."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from sqlglot import exp

from omop_scorer import sql
from omop_scorer.cdm.ddl import column_names
from omop_scorer.cdm.tables import COUNT_TABLES, TABLES, SiteTable, Table
from omop_scorer.engines.base import Engine
from omop_scorer.errors import CdmError
from omop_scorer.staging.cdm_version import shape_problems, version_problems


@dataclass(frozen=True)
class UnreadableValues:
    """Values of the mapped tables that the safe casts cannot read."""

    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    counts: Mapping[str, int]
    """Number of values, by column."""


@dataclass(frozen=True)
class MappedCdm:
    """Problems that prevent a run, warnings about limits of a run, and unreadable values."""

    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    release: Mapping[str, object]
    """Name, version and release date of the CDM, and its vocabulary version; None if unknown."""
    unreadable: UnreadableValues | None
    """None where the rows are not pulled yet: see `count_unreadable`."""


def map_cdm(engine: Engine) -> MappedCdm:
    """Find every table at the site and map it to the name and types that the queries expect.

    Raises
    ------
    CdmError
        A required table or column is missing; all are named at once.
    """
    problems, warnings, found = inspect_tables(engine)
    if problems:
        raise CdmError(*problems)
    for table in TABLES:
        engine.map_table(table, found[table.name])
    values = None
    if engine.reads_in_place:
        values = count_unreadable(engine)
        problems, warnings = [*values.problems], [*warnings, *values.warnings]
    else:
        for table in COUNT_TABLES:
            engine.map_table(table, engine.find_table(table))
        for name in ("cdm_source", "vocabulary"):
            engine.pull(name, name, {})
    release, release_problems, release_warnings = _release(engine)
    problems += release_problems or shape_problems(engine, found)
    return MappedCdm(tuple(problems), (*warnings, *release_warnings), release, values)


def count_unreadable(engine: Engine) -> UnreadableValues:
    """Count the values that the safe casts cannot read, in the rows that the run works on."""
    problems: list[str] = []
    warnings: list[str] = []
    counts: dict[str, int] = {}
    for table in TABLES:
        for column, n in engine.count_unreadable(table).items():
            counts[f"{table.name}.{column}"] = n
            if n and table.is_required and _is_unreadable(engine, table, column):
                problems.append(
                    f"{engine.site}: {table.name}.{column}: none of {n} value(s) can be read as "
                    f"{_kind(table, column)}; a run needs this column"
                )
            elif n:
                warnings.append(
                    f"{table.name}.{column}: {n} value(s) could not be read as "
                    f"{_kind(table, column)} and count as missing"
                )
    return UnreadableValues(tuple(problems), tuple(warnings), counts)


def _is_unreadable(engine: Engine, table: Table, column: str) -> bool:
    """Return True if a required column has values and none of them can be read."""
    if not next(c.is_required for c in table.columns if c.name == column):
        return False
    counting = exp.select(exp.Count(this=exp.column(column))).from_(
        exp.table_(table.name, db=table.schema)
    )
    (row,) = engine.fetch(counting, {})
    return row[0] == 0


def inspect_tables(engine: Engine) -> tuple[list[str], list[str], dict[str, SiteTable | None]]:
    """Return problems that prevent a run, warnings about limits of it, and the tables found."""
    found = {
        table.name: None if table.name in engine.left_out else engine.find_table(table)
        for table in TABLES
    }
    problems: list[str] = []
    warnings: list[str] = []
    for table in TABLES:
        site = found[table.name]
        if table.name in engine.left_out:
            warnings.append(f"table {table.name} is left out by cdm.tables: {table.without_it}")
            continue
        if site is not None and (unusable := _unusable(engine, table, site)):
            found[table.name] = None
            warnings.append(
                f"table {table.name} {unusable} and counts as missing: {table.without_it}"
            )
            continue
        if site is None:
            if table.is_required:
                problems.append(
                    f"{engine.site}: table {table.name} is missing{_mapped_name(engine, table)}; a "
                    "run needs it. If your site uses another name for it, set it under cdm.tables"
                )
            elif table.is_missed:
                warnings.append(f"table {table.name} is missing: {table.without_it}")
            continue
        if site.is_filtered:
            warnings.append(
                f"table {table.name}: the server hides some rows from this user (row-level "
                "security), so the persons in them may be missing from the cohort"
            )
        for column in table.columns:
            if column.name not in site.columns:
                text = f"column {table.name}.{column.name} is missing"
                if column.is_required:
                    problems.append(f"{engine.site}: {text}; a run needs it{_way_out(table)}")
                elif column.is_missed:
                    warnings.append(f"{text}: its values count as missing")
    return problems, warnings, found


def _unusable(engine: Engine, table: Table, site: SiteTable) -> str | None:
    """Return, in words, why an optional table without a needed column counts as missing.

    A row of column names is what remains of an empty CSV file that was loaded without its header.
    """
    lacking = [c.name for c in table.columns if c.name not in site.columns]
    needed = [c.name for c in table.columns if c.is_required and c.name in lacking]
    if table.is_required or not (needed or len(lacking) == len(table.columns)):
        return None
    names = {column.name for column in table.columns} | column_names(table.name)
    if engine.has_values(site, names):
        return None
    return f"has no values and no column {', '.join(needed or lacking)}"


def _way_out(table: Table) -> str:
    if table.is_required:
        return ""
    return (
        f". If its values are not needed, leave the table out with cdm.tables: "
        f"{{{table.name}: null}}; then {table.without_it}"
    )


def _mapped_name(engine: Engine, table: Table) -> str:
    name = engine.table_names.get(table.name)
    return f" (cdm.tables maps it to {name})" if name else ""


def _kind(table: Table, column: str) -> str:
    kind = next(c.kind for c in table.columns if c.name == column)
    return {"integer": "a whole number", "double": "a number"}.get(kind, f"a {kind}")


def _release(engine: Engine) -> tuple[dict[str, object], list[str], list[str]]:
    """Return the release of the CDM, problems of its version, and warnings.

    A warning is due if cdm_source does not hold exactly one row.
    """
    rows = engine.fetch(
        sql.parse(
            "SELECT DISTINCT cdm_source_name, cdm_version, cdm_release_date, vocabulary_version, "
            "cdm_version_concept_id FROM cdm.cdm_source"
        ),
        {},
    )
    warnings = []
    n_rows = len({row[:4] for row in rows})
    if n_rows != 1:
        warnings.append(
            f"cdm_source holds {n_rows} different rows instead of 1: "
            + ("the run cannot record its CDM release" if not rows else "the run records each")
        )

    def joined(column: int) -> str | None:
        return "; ".join(sorted({str(row[column]) for row in rows if row[column]})) or None

    vocabulary = joined(3)
    if vocabulary is None:
        versions = engine.fetch(
            sql.parse(
                "SELECT vocabulary_version FROM vocab.vocabulary WHERE vocabulary_id = 'None'"
            ),
            {},
        )
        vocabulary = str(versions[0][0]) if versions and versions[0][0] else None
    # DuckDB gives the ends of the calendar for infinity, and a text for a day outside it.
    dates = [d for row in rows if isinstance(d := row[2], date) and date.min < d < date.max]
    if n_lost := sum(row[2] is not None for row in rows) - len(dates):
        warnings.append(
            f"cdm_source.cdm_release_date: {n_lost} value(s) are not a day of a calendar "
            "(infinity, BC, or after 9999) and count as missing"
        )
    return (
        {
            "cdm_source_name": joined(0),
            "cdm_version": joined(1),
            "cdm_release_date": max(dates, default=None),
            "vocabulary_version": vocabulary,
        },
        version_problems(engine, [(row[1], row[4]) for row in rows]),
        warnings,
    )
