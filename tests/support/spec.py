"""Rows of a CDM as text tables, one person a case, and what a run says of each case.

A table has one row a line and `|` between cells. The first column of a clinical table names the
case; left empty, the row belongs to the case of the line above. Every case is a person of its own:
unless the tables say otherwise, a woman born on 15 June 1980 with Crohn's disease since 2020. An
empty cell is NULL, `''` the empty text; a text with blanks at its ends or escapes is written as in
Python. Concept ids may bear a name of `columns.IDS`. As-of date: 2024-03-01, the day after a leap
day, so 30 days reach to 2024-01-31, 90 to 2023-12-02, 180 to 2023-09-03 and 730 to 2022-03-02.
"""

import ast
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from tests.conftest import Outcome, outcome_of
from tests.support.columns import IDS, SHORT
from tests.support.layout import (
    write_delta,
    write_duckdb,
    write_mariadb,
    write_postgresql,
    write_sqlite,
)
from tests.support.postgresql import PostgresOutcome

AS_OF = "2024-03-01"
#: Databases from which the rows of the cohort are copied, for tests of types and layouts.
PULLED = {"postgresql": write_postgresql, "sqlite": write_sqlite, "mariadb": write_mariadb}
#: For `@pytest.mark.parametrize("source", SOURCES)`: how a CDM is written for each source.
SOURCES = {"duckdb": write_duckdb, **PULLED}
#: A Delta table has the types and the casts of a DuckDB file, so few tests need it.
WRITERS = {**SOURCES, "delta": write_delta}

Answer = tuple[Any, ...]
NOTHING: Answer = (None,) * 6
ABSENT: Answer = (0.0, "absent", *NOTHING)


def imputed(value: float) -> Answer:
    """Answer of a covariate that was not found."""
    return (value, "imputed", *NOTHING)


@dataclass(frozen=True)
class Record:
    """Expected: this value, on the evidence of the record with this id."""

    value: float
    table: str
    id: int
    status: str = "observed"


@dataclass
class Cdm:
    """The tables of a CDM: every cell text or None, under its full column name."""

    tables: dict[str, list[dict[str, str | None]]]
    persons: dict[str, int] = field(default_factory=dict)

    def expect(self, answers: Mapping[str, Record | Answer | None]) -> dict[str, Answer | None]:
        """Write out the evidence of expected records as it stands in the tables."""
        return {c: self._evidence(a) if isinstance(a, Record) else a for c, a in answers.items()}

    def _evidence(self, expected: Record) -> Answer:
        names, table = SHORT[expected.table], expected.table
        (row,) = (row for row in self.tables[table] if row[names["id"]] == str(expected.id))
        concept, day = row[names["concept"]], row[names.get("date", names.get("start", ""))]
        value, unit = row.get("value_as_number"), row.get("unit_source_value")
        number = None if value is None else float(value)
        concept_id = None if concept is None else int(concept)
        evidence = (table, expected.id, concept_id, date.fromisoformat(day or ""))
        return (round(float(expected.value), 9), expected.status, *evidence, number, unit)


def read_cdm(*, known: bool = True, diagnosed: bool = True, **tables: str) -> Cdm:
    """Read the text tables; `known` and `diagnosed` give the cases a person row and a diagnosis."""
    cdm = Cdm({name: [] for name in SHORT})
    for name, text in tables.items():
        cdm.tables[name] = list(_rows(cdm, name, text))
    with_row = {row["person_id"] for row in cdm.tables["person"]}
    born = {"gender_concept_id": "8532", "year_of_birth": "1980"}
    born |= {"month_of_birth": "6", "day_of_birth": "15"}
    for number in map(str, cdm.persons.values()):
        if known and number not in with_row:
            cdm.tables["person"].append({"person_id": number, **born})
        if diagnosed:
            disease = {"condition_concept_id": "201606", "condition_start_date": "2020-01-01"}
            identity = {"condition_occurrence_id": f"900{number}", "person_id": number}
            cdm.tables["condition_occurrence"].append(identity | disease)
    return cdm


def _rows(cdm: Cdm, table: str, text: str) -> Any:
    header, *lines = [line.split("|") for line in text.strip().splitlines()]
    case: str | None = None
    for line in lines:
        row: dict[str, str | None] = {}
        for name, cell in zip((n.strip() for n in header), map(str.strip, line), strict=True):
            if name == "case":
                case = cell or case
                assert case is not None
                row["person_id"] = str(cdm.persons.setdefault(case, 1001 + len(cdm.persons)))
                continue
            column = SHORT[table][name]
            value = ast.literal_eval(cell) if cell[:1] in {"'", '"'} else (cell or None)
            is_id = "concept_id" in column and value is not None
            row[column] = str(IDS.get(value, value)) if is_id else value
        yield row


@dataclass(frozen=True)
class Run:
    """A finished run and the cases it was about."""

    cdm: Cdm
    outcome: Outcome | PostgresOutcome

    def covariate(self, name: str) -> dict[str, Answer | None]:
        """Value (to 9 decimals), status and evidence of a covariate, by case; None: not scored."""
        rows = self.by_case(
            "SELECT person_id, covariate_value, status, source_table, source_id, "
            "source_concept_id, source_date, source_value, source_unit, factor "
            f"FROM patient_covariate WHERE covariate = '{name}'"
        )
        assert all(len(found) <= 1 for found in rows.values())
        for *answer, factor in (each for found in rows.values() for each in found):
            assert_followed(*answer, factor)
        return {
            case: (_rounded(found[0][0]), *found[0][1:-1]) if found else None
            for case, found in rows.items()
        }

    def numbers(self, covariate: str) -> dict[str, tuple[float, int] | None]:
        """The recorded number and the id of its record, by case; None where it is imputed."""
        found = self.covariate(covariate)
        return {c: None if not a or a[1] == "imputed" else (a[6], a[3]) for c, a in found.items()}

    def uncastable(self) -> dict[str, int]:
        """How many values of each column could not be read; columns without one are left out."""
        query = "SELECT measure, n FROM covariate_quality WHERE covariate = 'input' AND n > 0"
        return {measure.removeprefix("n_uncastable:"): n for measure, n in self.rows(query)}

    def by_case(self, query: str) -> dict[str, list[Answer]]:
        """The rows of a query, by case; its first column is person_id and left out."""
        found: dict[int, list[Answer]] = {}
        for person_id, *rest in self.rows(query):
            found.setdefault(person_id, []).append(tuple(rest))
        assert found.keys() <= set(self.cdm.persons.values())
        return {case: found.get(number, []) for case, number in self.cdm.persons.items()}

    def rows(self, query: str) -> list[Answer]:
        """The rows of a query on the results schema."""
        return self.outcome.rows(query.replace("FROM ", "FROM omop_scorer."))


def assert_followed(value: float, status: str, table: str | None, *evidence: Any) -> None:
    """Hold a value to the number of its record times the factor, to the last digit."""
    *_, number, _, factor = evidence
    is_measured = table in ("measurement", "observation")
    assert (factor is not None) == (status == "observed" and is_measured)
    assert factor is None or value == number * factor


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 9)


def run(folder: Path, cdm: Cdm, settings: Mapping[str, Any] | None = None, **layout: Any) -> Run:
    """Write the CDM as a DuckDB file or as `layout` says, and run the job on it."""
    return run_from("duckdb", folder, cdm, settings, **layout)


def run_from(
    source: str, folder: Path, cdm: Cdm, settings: Mapping[str, Any] | None = None, **layout: Any
) -> Run:
    """Write the CDM into a source and run the job on it; `layout` says how the site keeps it."""
    place = Path(tempfile.mkdtemp(dir=folder))
    document = {"as_of_date": AS_OF, **(settings or {})}
    for section, site in WRITERS[source](cdm.tables, place, **layout).items():
        document[section] = site if section == "engine" else {**site, **document.get(section, {})}
    return Run(cdm, outcome_of(document))
