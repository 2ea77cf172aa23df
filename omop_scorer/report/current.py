"""Preferred class now against the drug in use or last used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omop_scorer import terms
from omop_scorer.report.context import Context, shown_count, shown_share
from omop_scorer.report.figures import added, pick
from omop_scorer.report.groups import Group
from omop_scorer.report.words import HIDDEN, count, number, whole


@dataclass(frozen=True)
class Otherwise:
    """Patients with one class alone on top who are on another one; None is not shown."""

    n: int | None
    of: int | None
    share: float | None = None
    low: float | None = None
    high: float | None = None
    share_text: str = HIDDEN
    """The share with its interval as text: its bounds if it is hidden and they are known."""


@dataclass(frozen=True)
class Now:
    """The table `current_treatment` of a population and a kind of treatment."""

    rows: Mapping[tuple[str, str], Mapping[str, Any]]
    """The rows by preference group and drug class."""
    drug_classes: Sequence[str]
    """The classes of the model, then another drug and none."""

    def persons(self, group: str, drug_class: str) -> int | None:
        """Return the patients of a group whose drug is of a class."""
        row = self.rows.get((group, drug_class))
        return 0 if row is None else whole(row["n_persons"])

    def shown(self, group: str, drug_class: str) -> str:
        """Return the same as text: its bounds if it is hidden and they are known."""
        row = self.rows.get((group, drug_class))
        return count(0) if row is None else shown_count(row)

    def population(self, group: str) -> int | None:
        """Return the patients of a group."""
        row = self.rows.get((group, self.drug_classes[0]))
        return 0 if row is None else whole(row["n_population"])

    def otherwise(self, group: Group) -> int | None:
        """Return the patients whose drug is of another class than the one alone on top."""
        others = [e for e in self.drug_classes if e not in (group.drug_class, terms.NONE)]
        known = added([self.persons(group.key, each) for each in others])
        own = [self.persons(group.key, str(group.drug_class)), self.persons(group.key, terms.NONE)]
        rest, of = added(own), self.population(group.key)
        if known is None and rest is not None and of is not None:
            return of - rest
        return known


def now_of(context: Context, population: str, treatment: str) -> Now | None:
    """Return the drugs of a population; None if the run has no figures on them."""
    frame = pick(context.table("current_treatment"), population=population, treatment=treatment)
    rows = {
        (str(row["preference_group"]), str(row["drug_class"])): row
        for row in frame
        if row["preferred"] == terms.ALL
    }
    found = {drug_class for _, drug_class in rows}
    known = [each for each in terms.drug_classes(context.keys) if each in found]
    return Now(rows, known) if known else None


def otherwise_of(context: Context, population: str = terms.ALL) -> Otherwise:
    """Return the patients with one class alone on top who were last on another one."""
    rows = pick(
        context.table("treated_otherwise"),
        population=population,
        treatment=terms.LAST,
        class_used=terms.ANOTHER,
    )
    if not rows:
        return Otherwise(None, None)
    (row,) = rows
    return Otherwise(
        whole(row["n_persons"]),
        whole(row["n_population"]),
        number(row["share"]),
        number(row["ci_low"]),
        number(row["ci_high"]),
        shown_share(row),
    )
