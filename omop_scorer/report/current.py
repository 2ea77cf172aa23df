"""Preferred class now against the drug in use or last used, counted from shown cells only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omop_scorer import terms
from omop_scorer.model.intervals import wilson_interval
from omop_scorer.report.context import Context, shown_count
from omop_scorer.report.figures import added, pick, portion
from omop_scorer.report.groups import Group, groups_of
from omop_scorer.report.words import count, whole


@dataclass(frozen=True)
class Otherwise:
    """Patients with one class alone on top who are on another one; None is not shown."""

    n: int | None
    of: int | None
    share: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Now:
    """The table `current_treatment` of a population and a kind of treatment."""

    rows: Mapping[tuple[str, str], Mapping[str, Any]]
    """The rows by preference group and drug class."""
    drug_classes: Sequence[str]
    """The classes of the model, then another drug and none."""

    @property
    def has_groups(self) -> bool:
        """False if the preference groups are merged into one, because they are small."""
        return any(group != terms.ALL for group, _ in self.rows)

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


def otherwise_of(context: Context, now: Now) -> Otherwise:
    """Return the patients with one class alone on top who are on another one."""
    if not now.has_groups:
        return Otherwise(None, None)
    alone = [group for group in groups_of(context) if group.drug_class is not None]
    n = added([now.otherwise(group) for group in alone])
    of = added([now.population(group.key) for group in alone])
    # The results hold no cell for these sums, so they are suppressed here by the same rule.
    smallest = context.data.minimum_cell_count
    if any(each is not None and 0 < each < smallest for each in (n, of)):
        return Otherwise(None, None)
    if n is None or not of:
        return Otherwise(n, of)
    low, high = (float(end) for end in wilson_interval(n, of))
    return Otherwise(n, of, portion(n, of), low, high)
