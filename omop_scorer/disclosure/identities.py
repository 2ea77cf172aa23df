"""The printed counts of each results table as cells, with what the model card says about them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import pandas as pd

from omop_scorer import terms
from omop_scorer.config.run_file import RunConfig
from omop_scorer.data_model import data_model
from omop_scorer.disclosure.cells import Cell, Figures
from omop_scorer.model.card import ModelCard

#: Counts that are the same in every row with these keys, and so do not belong to a single row.
_SHARED = {
    ("subgroup_summary", "n_stratum"): ("stratum", "stratum_value"),
    ("preference_summary", "n_stratum"): ("stratum", "stratum_value"),
    ("current_treatment", "n_population"): (
        *("population", "treatment", "preference_group", "preferred"),
    ),
    ("prevalence_by_year", "n_population"): ("event", "calendar_year"),
    ("next_treatment", "n_population"): ("population", "index_rule", "index_class"),
    ("imputation_sensitivity", "n_imputed"): ("covariate",),
}

N_COHORT: Cell = ("run", "n_cohort")

N_SCORED: Cell = ("run", "n_scored")

#: The lowest age of the words such as `women_50_and_over`.
_FIFTY = 50

#: Lowest and highest age of each age group in completed years, both included.
_AGES = {name: (max(0, lowest), highest) for name, lowest, highest in terms.AGE_GROUPS}


@cache
def key_columns(table: str) -> tuple[str, ...]:
    """Return the key columns of a results table, without run_id."""
    return tuple(
        each.column_name
        for each in data_model()[table]
        if each.is_key and each.column_name != "run_id"
    )


@cache
def count_columns(table: str) -> tuple[str, ...]:
    """Return the columns of a results table whose small values must not be printed."""
    return tuple(each.column_name for each in data_model()[table] if each.is_count)


def cells_of(table: str, column: str, rows: pd.DataFrame) -> list[Cell]:
    """Return the cell of a column's count in each row."""
    keys = _SHARED.get((table, column), key_columns(table))
    return [
        (table, column, *map(str, key))
        for key in rows[list(keys)].itertuples(index=False, name=None)
    ]


@dataclass(frozen=True, eq=False)
class Tables:
    """The tables of a run and their cells."""

    frames: Mapping[str, pd.DataFrame]
    figures: Figures
    config: RunConfig | None
    """None if this release cannot read the configuration of the run."""
    card: ModelCard | None

    def add_counts(self) -> None:
        """Add every count of the tables as a printed cell."""
        for table, rows in self.frames.items():
            for column in count_columns(table):
                if column in rows:
                    for cell, n in zip(cells_of(table, column, rows), rows[column], strict=True):
                        if not pd.isna(n):
                            self.figures.add(cell, int(n))

    def values(self, table: str, column: str, **keys: str) -> list[str]:
        """Return the distinct values of a column, in the order of the rows."""
        rows = self.frames.get(table)
        if rows is None:
            return []
        for key, value in keys.items():
            rows = rows[rows[key] == value]
        return [str(value) for value in dict.fromkeys(rows[column])]

    def stratum(self, stratum: str, subgroup: str | None) -> dict[str, Cell]:
        """Return the cell of a label (None: of all scored patients) for each stratum value."""
        values = self.values("subgroup_summary", "stratum_value", stratum=stratum)
        return {value: scored(stratum, value, subgroup) for value in values}

    @cached_property
    def labels(self) -> list[str]:
        """The preference labels."""
        return self.values("subgroup_summary", "subgroup")

    @cached_property
    def groups(self) -> list[str]:
        """The preference groups."""
        return self.values("preference_summary", "preference_group")

    @cached_property
    def classes(self) -> dict[str, str]:
        """Class keys of the card, by class label."""
        return {} if self.card is None else {each.label: each.key for each in self.card.classes}


def scored(stratum: str, value: str, subgroup: str | None) -> Cell:
    """Return the cell of the scored patients of a stratum value.

    `subgroup` is a label, or a preference group, which has no blank; None stands for any label.
    """
    if subgroup is None:
        return ("subgroup_summary", "n_stratum", stratum, value)
    if " " not in subgroup:
        return ("preference_summary", "n_persons", stratum, value, subgroup)
    return ("subgroup_summary", "n_persons", stratum, value, subgroup)


def ages_of(group: str) -> tuple[int, int] | None:
    """Return the lowest and the highest age of an age group; None for unknown age."""
    return _AGES.get(group)


def from_fifty(groups: Sequence[str]) -> Iterator[str]:
    """Yield the age groups of 50 and over."""
    for group in groups:
        ages = ages_of(group)
        if ages is not None and ages[0] >= _FIFTY:
            yield group
