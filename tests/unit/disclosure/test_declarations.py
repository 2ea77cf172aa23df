"""The language of sums and parts in the data model, and that it speaks of every count and word."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from omop_scorer import terms
from omop_scorer.data_model import data_model
from omop_scorer.disclosure import declarations as declared
from omop_scorer.disclosure.cells import Figures
from omop_scorer.disclosure.declared import link_declared
from omop_scorer.disclosure.identities import Tables, key_columns
from omop_scorer.disclosure.rules import RULES
from tests.support.made_up_run import CARD, CONFIG, LABELS, frame

#: Words that no report prints in a row of its own: a table or an input that cannot be read.
_TABLES = {
    name
    for name, columns in data_model().items()
    if name != "scoring_run_status" and any(each.is_count for each in columns)
}


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A data model of two tables, which tests write; the declarations are read from it."""
    path = tmp_path / "results" / "results_data_model.csv"
    path.parent.mkdir()
    monkeypatch.setattr("omop_scorer.data_model.shipped", lambda _: tmp_path)
    caches = (data_model, declared.declarations, declared.rules, key_columns)
    for each in caches:
        each.cache_clear()
    yield path
    for each in caches:
        each.cache_clear()


def write(path: Path, sums_over: str = "", part_of: str = "") -> None:
    """Write a data model with the counts `n` by drug and age, `whole` by age and a `total`."""
    names = ("table_name", "column_name", "data_type", "is_required", "primary_key")
    names += ("min_cell_count", "sums_over", "part_of", "protect_last", "description")
    rows = [
        ("given", "drug", "varchar", "Yes", "Yes", "No", "", "", "", ""),
        ("given", "age", "varchar", "Yes", "Yes", "No", "", "", "", ""),
        ("given", "n", "bigint", "Yes", "No", "Yes", sums_over, part_of, "", ""),
        ("by_age", "age", "varchar", "Yes", "Yes", "No", "", "", "", ""),
        ("by_age", "whole", "bigint", "Yes", "No", "Yes", "", "", "", ""),
    ]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([names, *rows])


def linked() -> Figures:
    """Return cells of 12 + 20 under 50 and 7 from 50, and the totals by age."""
    rows = [("a", "under 50", 12), ("b", "under 50", 20), ("a", "from 50", 7)]
    given = frame([{"drug": drug, "age": age, "n": n} for drug, age, n in rows])
    wholes = frame([{"age": "under 50", "whole": 32}, {"age": "from 50", "whole": 9}])
    frames = {"given": given, "by_age": wholes.astype({"whole": "Int64"})}
    tables = Tables(frames, Figures(), CONFIG, CARD)
    tables.add_counts({"n_cohort": None, "n_scored": None})
    link_declared(tables)
    return tables.figures


def test_rows_that_differ_in_a_key_add_up(model: Path) -> None:
    write(model, sums_over="drug where age=under* -> by_age.whole")
    found = linked()
    assert found.broken == []
    # With 12 hidden, 20 would tell it, and the whole is needed.
    write(model, sums_over="drug -> by_age.whole")
    for each in (data_model, declared.declarations):
        each.cache_clear()
    assert linked().broken == [("by_age", "whole", "from 50")]


def test_a_part_leaves_a_rest_that_others_can_refer_to(model: Path) -> None:
    write(
        model,
        sums_over="age of ~untreated -> ~all_untreated",
        part_of="drug -> by_age.whole leaving ~untreated[age]; where drug=b -> [drug=a]",
    )
    found = linked()
    assert found.count(("~untreated", "from 50")) == 2
    assert found.count(("~all_untreated",)) == 2
    # 20 are no part of 12.
    assert [cell[:2] for cell in found.broken] == [("rest", "given.n")]


def test_a_declaration_waits_for_everything_that_makes_its_cells(model: Path) -> None:
    # One rest is made from drug a alone; the third declaration is about those of both drugs.
    write(
        model,
        part_of="where drug=a, age=from* -> by_age.whole leaving ~rest[age]; "
        "of ~rest -> by_age.whole leaving ~taken[age]; "
        "where drug=b -> by_age.whole leaving ~rest[age]",
    )
    found = linked()
    # 9 - (9 - 7) and 32 - (32 - 20).
    assert found.count(("~taken", "from 50")) == 7
    assert found.count(("~taken", "under 50")) == 20


def test_a_virtual_cell_is_another_name_of_a_row_of_its_own(model: Path) -> None:
    write(model, sums_over="where drug=a, age=!under* -> ~old; of ~old -> ~same[age=any]")
    found = linked()
    assert found.name(("given", "n", "a", "from 50")) == found.name(("~same", "any"))


@pytest.mark.parametrize("text", ["drug by_age.whole", "-> whole of it", "drug => n", "(Rule 1)"])
def test_what_cannot_be_read_is_an_error(model: Path, text: str) -> None:
    write(model, sums_over=text)
    with pytest.raises(ValueError, match=r"given\.n: cannot be read"):
        declared.declarations()


def test_a_count_without_a_declaration_is_found(model: Path) -> None:
    write(model, sums_over="nothing")
    assert list(declared.undeclared()) == ["by_age.whole"]


def test_every_count_is_declared() -> None:
    assert list(declared.undeclared()) == []


def test_every_rule_is_called_for_and_exists() -> None:
    assert set(declared.rules()) == set(RULES)


def unnamed(table: str, key: str, words: tuple[str, ...]) -> list[str]:
    """Return the words of a key column that no declaration names."""
    named = declared.words_named(table, key)
    if named is None:
        return []
    return [word for word in words if not any(each.hold(word) for each in named)]


def coded() -> list[tuple[str, str, tuple[str, ...]]]:
    """Return the coded keys of every table of counts, with their words."""
    keys = [each.key for each in CARD.classes]
    found = terms.coded_words(keys, LABELS, [each.name for each in CARD.covariates])
    return [
        (table, column, words)
        for (table, column), words in found.items()
        if table in _TABLES and column in key_columns(table)
    ]


@pytest.mark.parametrize(("table", "key", "words"), coded())
def test_every_coded_word_is_declared(table: str, key: str, words: tuple[str, ...]) -> None:
    assert unnamed(table, key, words) == []


def test_a_new_word_is_missed() -> None:
    for table, key in (
        ("subgroup_summary", "stratum"),
        ("covariate_quality", "measure"),
        ("prevalence", "measure"),
        ("next_treatment", "population"),
        ("current_treatment", "population"),
        ("histogram", "measure"),
    ):
        assert unnamed(table, key, ("new_word",)) == ["new_word"], (table, key)


def test_every_cell_of_a_declaration_has_all_its_keys() -> None:
    keys = {
        target.name: tuple(target.keys)
        for each in declared.declarations()
        for target in (each.target, each.rest)
        if target is not None and target.is_virtual
    }
    for each in declared.declarations():
        table = each.source.partition(".")[0]
        own = set(keys[each.source] if each.source.startswith("~") else key_columns(table))
        assert {*each.summed, *each.where} <= own, each
        for target in (each.target, each.rest):
            if target is None:
                continue
            if target.is_virtual:
                assert tuple(target.keys) == keys[target.name], each
                needed = set()
            else:
                needed = set(key_columns(target.name.partition(".")[0])) - set(target.keys)
            needed |= {word[1:] for word in target.keys.values() if word.startswith("$")}
            assert needed <= own - set(each.summed), each
