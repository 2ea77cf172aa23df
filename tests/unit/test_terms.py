"""Coded words: every text column has them or is free, and the audits' SQL uses no other."""

from sqlglot import exp

from omop_scorer import data_model, sql, terms
from omop_scorer.model.subgroups import label_set
from tests.conftest import shipped_definitions

#: Text of the audits' SQL that is part of a word, or a word of work tables only.
PARTS_OF_WORDS = {
    # The rest is a class key, which SQL reads from its work table of the model card's classes.
    terms.alone_on_top(""),
    # Care sites, and the values of race_sex_age.
    *(" (", ")", ", ", "50 and over", "under 50"),
}


def coded_words() -> dict[tuple[str, str], tuple[str, ...]]:
    arrays = shipped_definitions().model.arrays
    keys, labels = ([getattr(each, name) for each in arrays.classes] for name in ("key", "label"))
    return terms.coded_words(keys, label_set(labels), arrays.covariates)


def text_columns() -> set[tuple[str, str]]:
    return {
        (table, column.column_name)
        for table, columns in data_model.data_model().items()
        for column in columns
        if column.data_type == "varchar"
    }


def test_every_text_column_is_coded_or_free() -> None:
    free = {(table, column) for table, column in text_columns() if column in terms.FREE_TEXT}
    assert free | coded_words().keys() == text_columns()
    assert free & coded_words().keys() == set()
    assert {column for _, column in free} == terms.FREE_TEXT


def test_no_coded_column_lists_a_word_twice() -> None:
    repeated = {key for key, words in coded_words().items() if len(set(words)) != len(words)}
    assert repeated == set()


def test_the_audits_write_known_words_only() -> None:
    words = {word for each in coded_words().values() for word in each}
    known = words | shipped_definitions().concept_sets.keys() | PARTS_OF_WORDS
    found = {
        (name, literal.name)
        for name in sql.names()
        if name.startswith("audit/")
        for tree in sql.find(name).statements()
        for literal in tree.find_all(exp.Literal)
        if literal.is_string
    }
    assert {(name, text) for name, text in found if text not in known} == set()
    assert {text for _, text in found} >= PARTS_OF_WORDS
