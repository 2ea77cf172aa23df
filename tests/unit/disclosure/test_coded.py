"""Coded words in disclosure and report: named once, and written out nowhere else."""

import ast
from pathlib import Path

import pytest

import omop_scorer
from omop_scorer import terms
from omop_scorer.data_model import data_model
from omop_scorer.disclosure import coded
from omop_scorer.model.load import load_model

PACKAGE = Path(omop_scorer.__file__).parent
#: Domains whose every word the suppression or the report handles by name.
NAMED = (
    *terms.EXCLUSIONS,
    *terms.POPULATIONS,
    *terms.TREATED_POPULATIONS,
    *terms.RACE_SETS,
    *terms.SEXES,
    *terms.YES_NO,
    *terms.UNCERTAINTIES,
    *terms.COVARIATE_STATUSES,
    *terms.STRATUM_VALUES,
    *terms.NONE_NEXT,
    *terms.MEASUREMENT_MEASURES,
    *terms.STATUS_MEASURES,
    *terms.STEROID_MEASURES,
    *terms.COHORT_MEASURES,
    *terms.MAPPING_MEASURES,
    *terms.LABEL_CHECKS,
)


def written_out() -> set[str]:
    """Return the coded words that no table, column or covariate is called by."""
    card = load_model("crohns_srs_2025").card
    keys = [each.key for each in card.classes]
    names = [each.name for each in card.covariates]
    domains = terms.coded_words(keys, [], names)
    words = {word for domain in domains.values() for word in domain if "_" in word}
    columns = {column.column_name for table in data_model().values() for column in table}
    return words - columns - set(data_model()) - {*keys, *names}


def test_a_constant_has_the_name_of_its_word() -> None:
    named = {name: value for name, value in vars(coded).items() if name.isupper()}
    assert named == {word.upper(): word for word in named.values()}
    assert set(NAMED) <= set(named.values())


@pytest.mark.parametrize("folder", ["disclosure", "report"])
def test_no_coded_word_is_written_out(folder: str) -> None:
    words = written_out()
    assert {"women_50_and_over", "none_died", "n_observed", "order_not_significant"} <= words
    found = [
        (path.name, node.lineno, node.value)
        for path in sorted((PACKAGE / folder).rglob("*.py"))
        # Its mappings are compared with `terms` in tests/unit/report/test_words.py.
        if path.relative_to(PACKAGE).as_posix() != "report/words.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in words
    ]
    assert found == []
