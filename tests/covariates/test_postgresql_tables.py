"""Tables of PostgreSQL as some sites keep them: padded texts, two letter cases, ids as text."""

from pathlib import Path
from typing import Any

import pytest

from omop_scorer.config.connections import Cdm as Location
from omop_scorer.errors import CdmError, ConfigurationError
from omop_scorer.sources.sqlalchemy import SqlAlchemySource
from tests.conftest import outcome_of
from tests.support import postgresql
from tests.support.layout import write_postgresql
from tests.support.spec import AS_OF, Cdm, Run, read_cdm

DRUG = """
case | id | concept |      start |        end
ann  |  1 | 2000101 | 2024-01-01 | 2024-01-31
ben  |  2 | 2000101 | 2010-01-01 | 2010-01-31
"""
CRP = """
case | id | concept |       date | value | unit
ann  |  1 | crp     | 2024-01-10 |   7.6 | mg/L
ben  |  2 | crp     | 2024-01-10 |     8 | mg/L
"""
ANCESTOR = """
above  |   below
939259 | 2000101
"""
RELATIONSHIP = """
one     | relationship         |      two | invalid
2000101 | RxNorm has dose form | 19082573 |
"""


@pytest.fixture
def cdm() -> Cdm:
    return read_cdm(
        drug_exposure=DRUG,
        measurement=CRP,
        concept_ancestor=ANCESTOR,
        concept_relationship=RELATIONSHIP,
    )


def run_with(
    cdm: Cdm,
    folder: Path,
    *statements: str,
    types: Any = None,
    schema: str | None = None,
    **keys: Any,
) -> Run:
    """Write the CDM, change it by statements in which {cdm} is its schema, and run the job."""
    site = write_postgresql(cdm.tables, folder, types=types, schema=schema)
    home = f'"{site["cdm"]["schema"]}"'
    for statement in statements:
        postgresql.session().execute(statement.format(cdm=home))
    site["cdm"] |= keys
    return Run(cdm, outcome_of({"as_of_date": AS_OF, **site}))


def test_texts_of_several_fixed_widths_are_not_padded(cdm: Cdm, tmp_path: Path) -> None:
    done = run_with(
        cdm,
        tmp_path,
        "ALTER TABLE {cdm}.concept_relationship RENAME TO wide",
        "ALTER TABLE {cdm}.wide ALTER COLUMN relationship_id TYPE CHAR(40)",
        "CREATE TABLE {cdm}.narrow (LIKE {cdm}.wide)",
        "ALTER TABLE {cdm}.narrow ALTER COLUMN relationship_id TYPE CHAR(30)",
        "CREATE VIEW {cdm}.concept_relationship AS TABLE {cdm}.wide UNION ALL TABLE {cdm}.narrow",
    )
    assert done.covariate("steroid")["ann"][:2] == (1.0, "observed")


def test_a_table_is_read_by_its_exact_name(cdm: Cdm, tmp_path: Path) -> None:
    done = run_with(
        cdm,
        tmp_path,
        'CREATE TABLE {cdm}."DEATH" (LIKE {cdm}.death)',
        f"""INSERT INTO {{cdm}}."DEATH" (person_id, death_date)
        VALUES ({cdm.persons["ann"]}, '2024-01-01')""",
        tables={"death": "DEATH"},
    )
    assert {case for case, age in done.covariate("age").items() if age is None} == {"ann"}


def test_two_tables_that_differ_in_case_alone_are_refused(cdm: Cdm, tmp_path: Path) -> None:
    with pytest.raises(CdmError, match="table death is found as DEATH, Death; name one of them"):
        run_with(
            cdm,
            tmp_path,
            'ALTER TABLE {cdm}.death RENAME TO "DEATH"',
            'CREATE TABLE {cdm}."Death" (LIKE {cdm}."DEATH")',
        )


@pytest.mark.parametrize("schema", ["cdm", "50%s (%d)"])
def test_ids_as_text_of_a_disease_that_few_persons_have(
    cdm: Cdm, tmp_path: Path, schema: str
) -> None:
    done = run_with(
        cdm,
        tmp_path,
        "INSERT INTO {cdm}.person (person_id, gender_concept_id, year_of_birth) "
        "SELECT n, 8507, 1980 FROM generate_series(900001, 900100) AS n",
        types={"condition_occurrence.condition_concept_id": "VARCHAR"},
        schema=schema,
    )
    assert done.numbers("crp") == {"ann": (7.6, 1), "ben": (8.0, 2)}


def test_a_number_is_no_text_that_means_missing(cdm: Cdm, tmp_path: Path) -> None:
    types = {"measurement.value_as_number": "DECIMAL(18, 4)"}
    done = run_with(cdm, tmp_path, types=types, null_text=["", "7.6000", "8507"])
    assert done.numbers("crp") == {"ann": (7.6, 1), "ben": (8.0, 2)}


def test_a_driver_in_the_url_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"write postgresql://\.\.\., without"):
        SqlAlchemySource(Location(url="postgresql+psycopg://scorer@warehouse/omop"))
