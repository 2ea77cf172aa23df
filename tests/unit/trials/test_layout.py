"""The layout of trial data: every key with its default, and every fault by its key."""

from pathlib import Path

import pytest

from omop_scorer.errors import ConfigurationError
from omop_scorer.model.load import load_template
from omop_scorer.trials.consistency import refuse_contradictions
from omop_scorer.trials.layout import Layout, load_layout
from omop_scorer.trials.subject import Subject


def load(folder: Path, text: str) -> Layout:
    """Load a layout, and hold it against the shipped template."""
    path = folder / "layout.yaml"
    path.write_text(text, encoding="utf-8")
    layout, _ = load_layout(path)
    template, _ = load_template("crohns_srs_2025")
    refuse_contradictions(layout, path, Subject(template))
    return layout


def test_an_empty_file_is_the_plain_layout(tmp_path: Path) -> None:
    assert load(tmp_path, "") == load(tmp_path, "# nothing\n") == load_layout()[0] == Layout()


def test_the_plain_file_names_every_key_with_its_default() -> None:
    text = load_layout("plain")[1].read_text(encoding="utf-8")
    named = [line.partition(":")[0] for line in text.splitlines() if line[:1].isalpha()]
    assert named == list(Layout.model_fields)


@pytest.mark.parametrize("name", ["plain", "crohnsrx_sample"])
def test_a_shipped_layout_fits_the_shipped_template(name: str) -> None:
    layout, path = load_layout(name)
    refuse_contradictions(layout, path, Subject(load_template("crohns_srs_2025")[0]))


@pytest.mark.parametrize("word", ["no", "No", "false", '"no"'])
def test_no_is_a_word_although_yaml_reads_false(tmp_path: Path, word: str) -> None:
    text = f"missing_yes_no: {word}\nnever_collected: {{ileal: {{assume: {word}, trials: [A]}}}}"
    assert load(tmp_path, text).missing_yes_no == "no"


@pytest.mark.parametrize(
    ("text", "key", "allowed"),
    [
        ("visit: {}", "visit", "allowed: columns, arms, centred, visits"),
        ("- plain", "the file as a whole", "keys and values"),
        ("columns: Trial", "columns", "keys and values"),
        ("columns: {trial: 3}", "columns.trial", "text"),
        ("columns: {weight: W}", "columns", "allowed: participant_id, trial, year, arm, fold"),
        ("columns: {age: X, bmi: ' x '}", "columns", "allowed: one"),
        ("columns: {sex: S, male: M}", "columns", "'sex' under two names"),
        ("arms: {A: anti_tnf}", "arms", "no word means placebo"),
        ("arms: {P: placebo, p: anti_tnf}", "arms", "letter case does not matter"),
        ("arms: {P: placebo, A: anti_il23}", "arms", "allowed: placebo, anti_tnf"),
        ("words: {bmi: {x: yes}}", "words", "allowed: yes_no, prior_anti_tnf, sex, steroid"),
        ("words: {sex: {1: yes}}", "words.sex.1", "allowed: male, m, female, f"),
        ("words: {yes_no: {J: ja}}", "words.yes_no.J", "allowed: yes, true, 1, no"),
        ("words: {yes_no: {on: 1}}", "words.yes_no", "text"),
        ("missing_words: [null]", "missing_words", "text"),
        ("missing_words: NA", "missing_words", "list"),
        ("centred: {cdai: '300'}", "centred.cdai", "a number"),
        ("centred: {age: .inf}", "centred.age", "finite"),
        ("centred: {sex: 1}", "centred", "allowed: year, cdai, age, bmi, crp"),
        ("visits: {0: baseline}", "visits.0", "greater than or equal to 1"),
        ("visits: {six: cdai}", "visits.six", "a whole number"),
        ("outcome: 6", "outcome", "text"),
        ("outcome: A\ncolumns: {outcome: B}", "outcome", "one of them"),
        ("outcome_week: 0", "outcome_week", "greater than or equal to 1"),
        ("outcome_week: 6.0", "outcome_week", "a whole number"),
        ("missing_yes_no: yes", "missing_yes_no", "'leave_out' or 'no'"),
        ("missing_numbers: mean", "missing_numbers", "'trial' or 'pooled'"),
        ("never_collected: {ileal: no}", "never_collected.ileal", "keys and values"),
        ("never_collected: {ileal: {assume: no}}", "never_collected.ileal.trials", "missing"),
        (
            "never_collected: {ileal: {assume: perhaps, trials: [A]}}",
            "never_collected.ileal.assume",
            "allowed: yes, true, 1, no",
        ),
        (
            "never_collected: {bmi: {assume: no, trials: [A]}}",
            "never_collected.bmi.assume",
            "allowed: a number",
        ),
        ("never_collected: {x: {assume: no, trials: [A]}}", "never_collected", "allowed: cdai"),
    ],
)
def test_a_fault_names_its_key(tmp_path: Path, text: str, key: str, allowed: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, text)
    message = "\n".join(caught.value.problems)
    assert f"layout.yaml: {key}" in message
    assert allowed in message
    assert caught.value.exit_code == 10


def test_an_unknown_name_lists_the_shipped_layouts() -> None:
    with pytest.raises(ConfigurationError, match="crohnsrx_sample, plain"):
        load_layout("crohnsrx")
