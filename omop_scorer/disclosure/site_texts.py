"""Texts that may leave: words, numbers, dates and versions, and nothing that could be a place.

A site names its data source, and warnings name what they are about. Such a text may hold a path, a
URL, a host, a file or a user. No list could forbid them all, so a word leaves only if it has a form
that is allowed; `[...]` replaces every other one.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel

from omop_scorer.cdm.tables import TABLES
from omop_scorer.config.concept_sets import load_concept_sets
from omop_scorer.config.connections import PostgreSQL
from omop_scorer.config.run_file import RunConfig
from omop_scorer.resources import shipped
from omop_scorer.terms import AMBIGUOUS_FEET, COHORT
from omop_scorer.texts.characters import one_line
from omop_scorer.texts.secret_values import MASK, hide

#: Stands in place of words that do not leave.
LEFT_OUT = "[...]"
_APPLICATION = PostgreSQL().application_name
#: Longest text of a CDM, as OMOP defines its columns, and longest list of warnings.
_LONGEST = 255
_LONGEST_MESSAGE = 20_000
#: Marks around a word.
_OPENING, _CLOSING = "([{\"'\u201c\u2018\u00ab\u201e", ")]}\"'\u201d\u2019\u00bb,;:.!?"
#: Characters of a word besides letters, their accents and digits.
_IN_WORDS = frozenset("-_'\u2019\u2010\u2011\u2013&\u00ae\u2122\u00a9%#")
_SYMBOLS = frozenset(
    ("=", "<", ">", "<=", ">=", "+", "-", "\u2013", "\u2014", "&", "|", "/", "\u00b7")
)
_FORMS = re.compile(
    r"v?\d+([.,:/-]\d+)*%?"  # 5.4, v5.0, 1,234, 2026-01-31, 02:30
    r"|\w+\(e?s\)"  # person(s)
    r"|--[a-z]+(-[a-z]+)*"  # an option of the command line
    r"|[a-z]+/[md]L|kg/m2|and/or|n/a"
)
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+.*")
_MEASURE = re.compile(r"n_[a-z_]+:([a-z_.]+)")
_VERSION = re.compile(r"([a-z_]+)=\d+")


class SiteTexts:
    """The texts of one run, in which `site_set_1` and so on replace the site's names of sets.

    Parameters
    ----------
    concept_sets
        Names of the concept sets of the run. A set of the site may be named after its file.
    config
        The stored configuration of the run, whose hosts and users are no words of a text.
    """

    def __init__(self, concept_sets: Iterable[str], config: object = None) -> None:
        self._places = frozenset(_places(config))
        own = sorted({name for name in concept_sets if name not in _our_sets()})
        self._set_names: Mapping[str, str] = {
            name: f"site_set_{number}" for number, name in enumerate(own, 1)
        }

    def set_name(self, name: str) -> str:
        """Return the name under which a concept set leaves."""
        if name in _our_sets():
            return name
        return self._set_names.get(name, "site_set")

    def name(self, text: str) -> str:
        """Return a text that the site wrote, of at most 255 characters."""
        return self.text(text[:_LONGEST])

    def text(self, text: str) -> str:
        """Return a text with the words that may leave."""
        words = [self._word(word) for word in hide(text[:_LONGEST_MESSAGE]).split(" ")]
        left = [
            word for i, word in enumerate(words) if word != LEFT_OUT or words[i - 1 : i] != [word]
        ]
        return " ".join(left)

    def _word(self, word: str) -> str:
        core = word.lstrip(_OPENING).rstrip(_CLOSING)
        if core.endswith(("(s", "(es")):
            core = f"{core})"
        start = word.find(core)
        if (name := self._set_names.get(core)) is not None:
            return f"{word[:start]}{name}{word[start + len(core) :]}"
        is_seen = one_line(word) == word and core not in self._places
        is_allowed = is_seen and (not core or _may_leave(core))
        return word if is_allowed else LEFT_OUT


def _places(config: object) -> Iterator[str]:
    """Yield the hosts and users of the URLs in a stored configuration, and its session's name."""
    if isinstance(config, Mapping):
        for key, value in config.items():
            if key == "application_name" and value != _APPLICATION:
                yield str(value)
            yield from _places(value)
    elif isinstance(config, str) and "://" in config:
        with suppress(ValueError):
            parts = urlsplit(config)
            host = parts.hostname or ""
            yield from {parts.username or "", unquote(parts.username or "")} - {""}
            yield from {host, host.partition(".")[0]} - {""}


def _may_leave(word: str) -> bool:
    if word in _SYMBOLS or word in (MASK, AMBIGUOUS_FEET) or word in _known_names():
        return True
    if _FORMS.fullmatch(word):
        return not _ADDRESS.fullmatch(word)
    for form, names in ((_MEASURE, _known_names() | _cdm_tables()), (_VERSION, _cdm_tables())):
        if found := form.fullmatch(word):
            return found[1] in names
    return all(_is_of_word(character) for character in word)


def _is_of_word(character: str) -> bool:
    return character in _IN_WORDS or unicodedata.category(character)[0] in "LMN"


@cache
def _our_sets() -> frozenset[str]:
    """Return the names of the shipped concept sets, and of those that the run file makes."""
    quantities = RunConfig.model_fields["covariates"].default.quantities()
    return frozenset(
        (
            *load_concept_sets(shipped("configs") / "concept_sets"),
            *(COHORT, *(f"site_{quantity}" for quantity in quantities)),
        )
    )


@cache
def _cdm_tables() -> frozenset[str]:
    return frozenset(table.name for table in TABLES)


@cache
def _known_names() -> frozenset[str]:
    """Return the names with dots that are ours: columns of the CDM and keys of the run file."""
    columns = (f"{table.name}.{column.name}" for table in TABLES for column in table.columns)
    return frozenset((*columns, *keys_of(RunConfig)))


def keys_of(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Return the dotted keys of a configuration, sections included."""
    keys = []
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        keys.append(key)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys += keys_of(field.annotation, f"{key}.")
    return keys
