"""The printed counts of each results table as cells, and what a model card says about them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import pandas as pd

from omop_scorer.config.run_file import RunConfig
from omop_scorer.data_model import data_model
from omop_scorer.disclosure.cells import Cell, Figures
from omop_scorer.model.card import ModelCard

#: Columns that say the same for every row with these keys, which are not the row's own.
_SHARED = {
    ("subgroup_summary", "n_stratum"): ("stratum", "stratum_value"),
    ("next_treatment", "n_population"): ("population", "index_rule", "index_class"),
    ("imputation_sensitivity", "n_imputed"): ("covariate",),
}

STATES = ("n_observed", "n_computed", "n_absent", "n_imputed", "n_left_out")

N_COHORT: Cell = ("run", "n_cohort")

N_SCORED: Cell = ("run", "n_scored")

FIFTY = 50


@cache
def key_columns(table: str) -> tuple[str, ...]:
    """Return the columns that name a row of a results table, without run_id."""
    return tuple(
        each.column_name
        for each in data_model()[table]
        if each.is_key and each.column_name != "run_id"
    )


@cache
def count_columns(table: str) -> tuple[str, ...]:
    """Return the columns of a results table that must not be printed while they are small."""
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
    """The tables of a run, their cells and where these are."""

    frames: Mapping[str, pd.DataFrame]
    figures: Figures
    config: RunConfig | None
    """None where this release does not understand the configuration of the run."""
    card: ModelCard | None

    def add_counts(self) -> None:
        """Add every count that the tables hold."""
        for table, rows in self.frames.items():
            for column in count_columns(table):
                if column in rows:
                    for cell, n in zip(cells_of(table, column, rows), rows[column], strict=True):
                        if not pd.isna(n):
                            self.figures.add(cell, int(n))

    def values(self, table: str, column: str, **keys: str) -> list[str]:
        """Return the values of a column, each once, in the order of the rows."""
        rows = self.frames.get(table)
        if rows is None:
            return []
        for key, value in keys.items():
            rows = rows[rows[key] == value]
        return [str(value) for value in dict.fromkeys(rows[column])]

    def stratum(self, stratum: str, subgroup: str | None) -> dict[str, Cell]:
        """Return, by value of a stratum, the cell of a label, or of everybody (None)."""
        values = self.values("subgroup_summary", "stratum_value", stratum=stratum)
        return {value: scored(stratum, value, subgroup) for value in values}

    @cached_property
    def labels(self) -> list[str]:
        """The preference labels."""
        return self.values("subgroup_summary", "subgroup")

    @cached_property
    def classes(self) -> dict[str, str]:
        """The drug classes of the card: labels and keys."""
        return {} if self.card is None else {each.label: each.key for each in self.card.classes}


def scored(stratum: str, value: str, subgroup: str | None) -> Cell:
    """Return the cell of the scored of a stratum with a label, or of all of them (None)."""
    if subgroup is None:
        return ("subgroup_summary", "n_stratum", stratum, value)
    return ("subgroup_summary", "n_persons", stratum, value, subgroup)


def lowest_age(group: str) -> int | None:
    """Return the lowest age of a group such as '50 to 54'; None when it has none."""
    first = group.split(" ", 1)[0]
    return int(first) if first.isdigit() else (0 if first == "Under" else None)


def from_fifty(groups: Sequence[str]) -> Iterator[str]:
    """Yield the age groups of 50 and over."""
    for group in groups:
        lowest = lowest_age(group)
        if lowest is not None and lowest >= FIFTY:
            yield group
