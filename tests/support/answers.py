"""Answers of the audits on hand-worked cases: of a run, and of the plain rows.

The text tables are those of `tests.support.spec`, so a case is a woman born on 15 June 1980 with
Crohn's disease since 2020 unless they say otherwise, and the as-of date is 2024-03-01: 180 days
before it is 2023-09-03.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from tests.support.audit_peer import COLUMNS, audit
from tests.support.extractor import Settings, extract
from tests.support.shipped_label import say
from tests.support.spec import AS_OF, Cdm, run
from tests.support.write_cdm import COLUMNS as CDM_COLUMNS
from tests.support.write_cdm import DAY, MOMENT, NUMBER, TEXT

A_RUN = "a run"

PLAIN_ROWS = "plain rows"
#: For `@pytest.mark.parametrize("answerer", ANSWERERS)`.
ANSWERERS = (A_RUN, PLAIN_ROWS)

_READ = {DAY: date.fromisoformat, MOMENT: datetime.fromisoformat, NUMBER: float, TEXT: str}


@dataclass(frozen=True)
class Answer:
    """The rows of the audits' tables, without run_id."""

    tables: Mapping[str, list[tuple[Any, ...]]]

    def counts(self, table: str, *key: str) -> dict[Any, int]:
        """How many persons by the rest of the key, where there are any; key: the first columns."""
        width = COLUMNS[table].split(", ").index("n_persons")
        found = {
            row[len(key) : width]: row[width]
            for row in self.tables[table]
            if row[: len(key)] == key and row[width]
        }
        return {rest[0] if len(rest) == 1 else rest: n for rest, n in found.items()}

    def row(self, table: str, *key: str) -> tuple[Any, ...]:
        """What stands after the key, in the one row that has it."""
        (row,) = (row for row in self.tables[table] if row[: len(key)] == key)
        return row[len(key) :]


def answer(
    answerer: str,
    folder: Path,
    cdm: Cdm,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    cdai_concept_ids: tuple[int, ...] = (),
) -> Answer:
    """Ask for the audits of a CDM; of the settings, the sections `audit` and `cohort`."""
    if answerer != PLAIN_ROWS:
        covariates = {"cdai": {"concept_ids": cdai_concept_ids}}
        done = run(folder, cdm, {**(settings or {}), "covariates": covariates})
        return Answer(
            {table: done.rows(f"SELECT {COLUMNS[table]} FROM {table}") for table in COLUMNS}
        )
    given = {key: value for section in (settings or {}).values() for key, value in section.items()}
    if "since" in given:
        given["since"] = date.fromisoformat(given["since"])
    given["cdai_concept_ids"] = cdai_concept_ids
    rules = Settings(as_of_date=date.fromisoformat(AS_OF), **given)
    rows = _typed(cdm)
    return Answer(audit(rows, rules, extract(rows, rules), say))


def _typed(cdm: Cdm) -> dict[str, list[dict[str, Any]]]:
    return {
        table: [
            {
                name: None if (text := row.get(name)) is None else _READ.get(kind, int)(text)
                for name, kind in columns.items()
            }
            for row in cdm.tables.get(table, ())
        ]
        for table, columns in CDM_COLUMNS.items()
    }
