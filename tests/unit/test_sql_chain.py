"""The chain of a query: the files that it rests on, each before the files that read it."""

import re

import pytest

from omop_scorer import sql
from omop_scorer.errors import ConfigurationError


def tables_read(file: sql.SqlFile) -> set[str]:
    return set(re.findall(r"\bwork\.(\w+)", file.header["Tables"]))


def test_the_chain_of_crp() -> None:
    assert [file.name for file in sql.chain("crp")] == [
        "cohort/concept_set_root",
        "cohort/concept_named",
        "cohort/concept_link",
        "cohort/concept_lookup",
        "cohort/condition_record",
        "cohort/disease",
        "cohort/concept_set",
        "cohort/race",
        "cohort/cohort",
        "cohort/left_out",
        "covariates/quantity_concept",
        "covariates/measurement_record",
        "covariates/measurement_doubt",
        "covariates/measurement_value",
        "covariates/measurement_latest",
        "covariates/crp",
    ]


@pytest.mark.parametrize("name", sql.names())
def test_a_file_comes_after_every_file_that_it_reads(name: str) -> None:
    files = sql.chain(name)
    assert files[-1].name == name
    assert len({file.name for file in files}) == len(files)
    made: set[str] = set()
    for file in files:
        last = file.name.rpartition("/")[2]
        by_a_file = {each.rpartition("/")[2] for each in sql.names() if "source/" not in each}
        assert tables_read(file) & by_a_file - {last} <= made, file.name
        made |= {last}


def test_an_unknown_file_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="SQL file 'crpp': found 0 files"):
        sql.chain("crpp")
