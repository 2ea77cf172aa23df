"""The version of a CDM. CDM 6 is refused: it has no table death, so the dead would be scored."""

import re
from collections.abc import Iterable, Mapping

from omop_scorer import sql
from omop_scorer.cdm.tables import SiteTable
from omop_scorer.engines.base import Engine

#: A version 6 or later in any spelling, such as v6.0, 6.0.0 or OMOP CDM 6; but no date.
_TOO_NEW = re.compile(r"(?<![\d./])(?<!\d-)([6-9])([._]\d{1,2}){0,3}(?!\d|[./_-]\d)")

#: A version that is supported. Other numbers beside it are dates or releases.
_FIVE = re.compile(r"(?<![\d.])5[._]\w")

_CONCEPT_ID = re.compile(r"\s*(\d{4,})\s*")

_WAY_OUT = (
    "a run supports CDM 5.3 and 5.4, and CDM 6.0 keeps deaths elsewhere than in the table death; "
    "convert the CDM to 5.4"
)


def version_problems(engine: Engine, versions: Iterable[tuple[object, object]]) -> list[str]:
    """Return a problem if cdm_source names a version that is not supported.

    Parameters
    ----------
    engine
        Engine that can read the vocabulary.
    versions
        Per row of cdm_source, `cdm_version` and `cdm_version_concept_id`. The concept counts where
        the version is missing or is itself the id of a concept.
    """
    texts: set[str] = set()
    ids: set[int] = set()
    for version, concept_id in versions:
        text = "" if version is None else str(version)
        if given := _CONCEPT_ID.fullmatch(text):
            ids.add(int(given[1]))
        elif text.strip():
            texts.add(text)
        elif concept_id is not None:
            ids.add(int(str(concept_id)))
    named = sorted(text for text in {*texts, *_concepts(engine, ids)} if _is_too_new(text))
    if not named:
        return []
    return [
        f"{engine.site}: cdm_source names the CDM version {', '.join(named)}; {_WAY_OUT}, or "
        "correct cdm_source if it is wrong"
    ]


def _is_too_new(version: str) -> bool:
    return bool(_TOO_NEW.search(version)) and not _FIVE.search(version)


def shape_problems(engine: Engine, found: Mapping[str, SiteTable | None]) -> list[str]:
    """Return a problem if a CDM without a table death has a column for it in person, as CDM 6."""
    person = found["person"]
    is_without = found["death"] is None and "death" not in engine.left_out
    if person is None or not is_without or "death_datetime" not in person.columns:
        return []
    return [
        f"{engine.site}: there is no table death, but a column person.death_datetime, as in CDM "
        f"6.0; {_WAY_OUT}, or score without deaths with cdm.tables: {{death: null}}"
    ]


def _concepts(engine: Engine, ids: Iterable[int]) -> list[str]:
    """Return the names and the codes of concepts."""
    wanted = sorted(ids)
    if not wanted:
        return []
    if not engine.reads_in_place:
        engine.pull("concept", "concept", {"concept_ids": wanted})
    listed = ", ".join(map(str, wanted))
    query = (
        "SELECT concept_name, concept_code FROM vocab.concept "  # noqa: S608
        f"WHERE concept_id IN ({listed})"
    )
    return [str(text) for row in engine.fetch(sql.parse(query), {}) for text in row if text]
