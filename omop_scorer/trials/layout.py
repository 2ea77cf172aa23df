"""The layout of a file of trial data: columns, words of the arms, visits, rules for missing values.

An empty file is the plain layout, in which the columns have our names.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
)

from omop_scorer.documents import Frozen, faults_of, named_or_path, read_yaml, shown
from omop_scorer.errors import ConfigurationError
from omop_scorer.resources import shipped
from omop_scorer.trials.participants import PLACEBO

PLAIN = "plain"


def _no_is_a_word(value: object) -> object:
    """Return `no` for the value that YAML reads for it."""
    return "no" if value is False else value


def _number_as_text(value: object) -> object:
    """Return a number as a file of trial data writes it, because YAML reads `-99` as a number."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:.15g}" if is_number else value


def _are_one_column_each(columns: dict[str, str]) -> dict[str, str]:
    if repeated := _repeated(columns.values()):
        raise ValueError(f"found the column {shown(repeated)} under two names; allowed: one")
    return columns


def _tell_arms_apart(arms: dict[str, str] | None) -> dict[str, str] | None:
    if repeated := _repeated(arms or ()):
        raise ValueError(
            f"found the word {shown(repeated)} twice (letter case does not matter); allowed: once"
        )
    if arms is not None and PLACEBO not in arms.values():
        raise ValueError(f"no word means {PLACEBO}; allowed: at least one that does")
    return arms


def _repeated(words: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for word in words:
        if plain(word) in seen:
            return word
        seen.add(plain(word))
    return None


def plain(word: str) -> str:
    """Return a word as it is compared: without blanks around it, in any letter case."""
    return word.strip().casefold()


Word = Annotated[StrictStr, Field(pattern=r"\S", max_length=200)]

#: A word of the file, which may be a number.
FileWord = Annotated[Word, BeforeValidator(_number_as_text)]

Week = Annotated[StrictInt, Field(ge=1, le=10_000)]


class NeverCollected(Frozen):
    """Trials that never collected a covariate, and the value to assume where it is missing."""

    assume: StrictBool | StrictFloat | Word
    trials: tuple[Word, ...]


class Layout(Frozen):
    """The columns, words and visits of a file of trial data, and rules for missing values."""

    columns: Annotated[dict[Word, Word], AfterValidator(_are_one_column_each)] = Field(
        default_factory=dict
    )
    arms: Annotated[dict[Word, Word] | None, AfterValidator(_tell_arms_apart)] = None
    centred: dict[Word, StrictFloat] = Field(default_factory=dict)
    visits: dict[Week, Word] | None = None
    outcome: Word | None = None
    outcome_week: Week = 6
    never_collected: dict[Word, NeverCollected] = Field(default_factory=dict)
    missing_yes_no: Annotated[Literal["leave_out", "no"], BeforeValidator(_no_is_a_word)] = (
        "leave_out"
    )
    missing_numbers: Literal["trial", "pooled"] = "trial"
    words: dict[Word, dict[FileWord, StrictBool | StrictInt | Word]] = Field(default_factory=dict)
    missing_words: tuple[FileWord, ...] = ()


def load_layout(reference: str | Path = PLAIN) -> tuple[Layout, Path]:
    """Load a layout, and return its path beside it.

    Parameters
    ----------
    reference
        A path, or the name of a shipped layout, such as `crohnsrx_sample`.

    Raises
    ------
    ConfigurationError
        Every fault of the file, with key, what was found and what is allowed.
    """
    path = named_or_path(reference, shipped("configs") / "trials", "--layout")
    document = read_yaml(path)
    try:
        return Layout.model_validate({} if document is None else document), path
    except ValidationError as error:
        raise ConfigurationError(*faults_of(path, error, Layout)) from None
