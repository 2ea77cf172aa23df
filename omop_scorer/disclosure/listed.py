"""Reduction of a run to what the list of `leaving` allows: columns, keys, and words of texts."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any

import pandas as pd

from omop_scorer.disclosure.leaving import COLUMNS, KEYS, STAYING_STRATA
from omop_scorer.disclosure.site_texts import SiteTexts
from omop_scorer.texts.characters import one_line

RUN = "run"

_REPORT = "report"

_MESSAGE, _SET = "message", "concept_set"


def listed_run(run: Mapping[str, Any], texts: SiteTexts) -> dict[str, Any]:
    """Return the row of a run with the columns that may leave, and `config` with its keys."""
    found = {name: _left(name, run.get(name), texts) for name in COLUMNS[RUN]}
    return {**found, "config": listed_config(run.get("config"), texts)}


def listed_strata(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a results table without the strata that stay."""
    if "stratum" not in rows:
        return rows
    return rows[~rows["stratum"].isin(STAYING_STRATA)].reset_index(drop=True)


def listed_rows(table: str, rows: pd.DataFrame, texts: SiteTexts) -> pd.DataFrame:
    """Return the rows of a results table with the columns that may leave."""
    return with_texts(rows[[name for name in COLUMNS[table] if name in rows]], texts)


def with_texts(rows: pd.DataFrame, texts: SiteTexts) -> pd.DataFrame:
    """Return rows whose texts hold nothing but words that may leave."""
    changed = {}
    for name in rows.columns:
        words = {each for each in rows[name] if isinstance(each, str)}
        leaving = {word: _left(str(name), word, texts) for word in words}
        if any(word != left for word, left in leaving.items()):
            changed[name] = rows[name].map(leaving)
    return rows.assign(**changed) if changed else rows


def listed_config(config: object, texts: SiteTexts) -> dict[str, Any]:
    """Return a stored configuration with the keys that may leave; without any, no key."""
    found: dict[str, Any] = {}
    for key, value in _dotted(config):
        if key in KEYS:
            *sections, last = key.split(".")
            target = found
            for section in sections:
                target = target.setdefault(section, {})
            leave = texts.set_name if last.endswith("concept_sets") else texts.name
            # A site writes these texts to have them printed.
            target[last] = _plain(value, one_line if sections == [_REPORT] else leave)
    return found


def _dotted(document: object, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(document, Mapping):
        for name, value in document.items():
            if isinstance(value, Mapping):
                yield from _dotted(value, f"{prefix}{name}.")
            else:
                yield f"{prefix}{name}", value


def _plain(value: object, leave: Callable[[str], str]) -> object:
    if isinstance(value, list | tuple):
        return [_plain(each, leave) for each in value]
    return leave(value) if isinstance(value, str) else value


def _left(column: str, value: object, texts: SiteTexts) -> Any:
    if isinstance(value, str):
        if column == _SET:
            return texts.set_name(value)
        return texts.text(value) if column == _MESSAGE else texts.name(value)
    return value if value is None or isinstance(value, int | float | date) else None
