"""Concept drift: concept sets that lost members, valid concepts or records since the run before.

A new vocabulary or a changed load takes evidence away without an error. The members of the concept
sets of the last COMPLETE run show it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlglot import exp

from omop_scorer import sql
from omop_scorer.staging.night import Night
from omop_scorer.stores.base import Parameters

_N_NAMED = 5

Fetch = Callable[[exp.Expr, Parameters], list[tuple[object, ...]]]
"""Function that returns the rows of a query on the results."""


@dataclass(frozen=True)
class Member:
    """A member of a concept set in one run; None for what is not known."""

    n_records: int
    is_mapped: bool
    is_invalid: bool | None


Members = Mapping[str, Mapping[int, Member]]
"""Members by concept set and concept id."""


def drift_warnings(night: Night, fetch: Fetch) -> list[str]:
    """Compare the staged concept sets with those of the run before.

    The run before is the last COMPLETE run whose as-of date is not later. Nothing is compared if it
    used other files of concept sets.
    """
    file = sql.find("history/run_before")
    (query,) = file.statements()
    rows = fetch(query, {"as_of_date": night.as_of})
    if not rows or rows[0][1] != night.definitions.concept_sets_sha256:
        return []
    run_id = int(str(rows[0][0]))
    columns = "concept_set, concept_id, n_records, is_mapped, is_invalid"
    before = _members(
        fetch(
            sql.parse(f"SELECT {columns} FROM results.concept_set_member WHERE run_id = :run_id"),  # noqa: S608
            {"run_id": run_id},
        )
    )
    now = _members(
        night.engine.fetch(sql.parse(f"SELECT {columns} FROM work.concept_set_member"), {})  # noqa: S608
    )
    return drift(before, now, run_id)


def _members(rows: list[tuple[object, ...]]) -> dict[str, dict[int, Member]]:
    found: dict[str, dict[int, Member]] = {}
    for name, concept_id, n_records, is_mapped, is_invalid in rows:
        member = Member(
            int(str(n_records or 0)),
            bool(is_mapped),
            None if is_invalid is None else bool(is_invalid),
        )
        found.setdefault(str(name), {})[int(str(concept_id))] = member
    return found


def drift(before: Members, now: Members, run_id: int) -> list[str]:
    """Return a warning for each concept set that drifted since a run.

    Parameters
    ----------
    before, now
        Members in the run before and now. Mapped concepts are no members that can be lost.
    run_id
        Id of the run before.
    """
    warnings = []
    for name, members in before.items():
        left = now.get(name, {})
        changes = (
            _lost(members, left),
            _became_invalid(members, left),
            _fewer_records(members, left),
        )
        if found := "; ".join(change for change in changes if change):
            warnings.append(f"concept drift: {name}, since run {run_id}: {found}")
    return warnings


def _lost(before: Mapping[int, Member], now: Mapping[int, Member]) -> str:
    members = {c for c, member in before.items() if not member.is_mapped}
    lost = members - {c for c, member in now.items() if not member.is_mapped}
    return f"{len(lost)} of {len(members)} members lost ({_named(lost)})" if lost else ""


def _became_invalid(before: Mapping[int, Member], now: Mapping[int, Member]) -> str:
    invalid = {
        concept_id
        for concept_id, member in now.items()
        if member.is_invalid and concept_id in before and before[concept_id].is_invalid is False
    }
    return f"no longer valid: {_named(invalid)}" if invalid else ""


def _fewer_records(before: Mapping[int, Member], now: Mapping[int, Member]) -> str:
    earlier, later = (sum(m.n_records for m in members.values()) for members in (before, now))
    return f"{later:,} records instead of {earlier:,} records" if 2 * later < earlier else ""


def _named(concept_ids: set[int]) -> str:
    names = [str(concept_id) for concept_id in sorted(concept_ids)]
    more = f" and {len(names) - _N_NAMED} more" if len(names) > _N_NAMED else ""
    return ", ".join(names[:_N_NAMED]) + more
