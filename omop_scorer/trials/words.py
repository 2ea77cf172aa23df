"""Words of yes/no covariates in a file: those of the template, and those that a layout adds."""

from collections.abc import Iterator

from omop_scorer.documents import shown
from omop_scorer.model.card import Covariate
from omop_scorer.texts.characters import one_line
from omop_scorer.trials.layout import Layout, plain
from omop_scorer.trials.subject import Subject

#: In a layout, every yes/no covariate that has no coding of its own, as sex has.
YES_NO = "yes_no"


def words_of(column: str, layout: Layout, subject: Subject) -> dict[str, float]:
    """Return the value, 0 or 1, of each word of a column; a word of the layout comes first."""
    covariate, words = subject.covariates[column], dict[str, float]()
    for name, given in layout.words.items():
        if column in _columns(name, subject):
            words |= {plain(word): _meaning(covariate, each) or 0.0 for word, each in given.items()}
    return words | {word: n for word, n in covariate.words.items() if word not in words}


def faults_of_words(layout: Layout, subject: Subject) -> Iterator[str]:
    """Yield the faults of the words of a layout, by key."""
    coded = [c for c, each in subject.covariates.items() if each.kind == "yes_no"]
    for name, given in layout.words.items():
        columns = _columns(name, subject)
        if not columns or not set(columns) <= set(coded):
            yield f"words: found {shown(name)}; allowed: {', '.join([YES_NO, *coded])}"
            continue
        covariate = subject.covariates[columns[0]]
        for word, each in given.items():
            if _meaning(covariate, each) is None:
                allowed = ", ".join(covariate.words)
                yield f"words.{name}.{one_line(word)}: found {shown(each)}; allowed: {allowed}"


def _columns(name: str, subject: Subject) -> list[str]:
    if name == YES_NO and YES_NO not in subject.column_of:
        return [
            column
            for column, each in subject.covariates.items()
            if each.kind == "yes_no" and each.coding is None
        ]
    return [subject.column_of[name]] if name in subject.column_of else []


def _meaning(covariate: Covariate, given: bool | int | str) -> float | None:
    """Return the value that a layout means; YAML reads True for an unquoted yes."""
    if isinstance(given, bool):
        return covariate.words.get("yes" if given else "no")
    if isinstance(given, int):
        return float(given) if given in (0, 1) else None
    return covariate.words.get(plain(given))
