"""The printed counts of each results table as cells, with what the model card says about them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property

import pandas as pd

from omop_scorer import terms
from omop_scorer.config.run_file import RunConfig
from omop_scorer.data_model import data_model
from omop_scorer.disclosure import coded
from omop_scorer.disclosure.cells import Cell, Figures
from omop_scorer.disclosure.declarations import needed_rows
from omop_scorer.model.card import ModelCard

#: A step of the attrition is known by its reason, whatever its number.
_KEYS = {"attrition": ("reason",)}

_RUN = "scoring_run_status"

N_COHORT: Cell = (_RUN, "n_cohort")

N_SCORED: Cell = (_RUN, "n_scored")

#: Lowest and highest age of each age group in completed years, both included.
_AGES = {
    name: (max(0, lowest), highest)
    for name, lowest, highest in (*terms.AGE_GROUPS, *terms.AGE_DECADES)
}


@cache
def key_columns(table: str) -> tuple[str, ...]:
    """Return the columns that name a row of a results table, without run_id."""
    if table == _RUN:
        return ()
    return _KEYS.get(table) or tuple(
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
    keys = [rows[key].astype(str) for key in key_columns(table)]
    return [(table, column, *key) for key in zip(*keys, strict=True)]


@dataclass(frozen=True, eq=False)
class Tables:
    """The tables of a run and their cells."""

    frames: Mapping[str, pd.DataFrame]
    figures: Figures
    config: RunConfig | None
    """None if this release cannot read the configuration of the run."""
    card: ModelCard | None
    apart: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Rows that are not printed, but that printed cells are sums of."""

    def add_counts(self, run: Mapping[str, int | None]) -> None:
        """Add every count of the run and of its tables as a cell."""
        for cell in (N_COHORT, N_SCORED):
            n = run[cell[1]]
            if n is not None:
                self.figures.add(cell, n)
        for frames in (self.frames, self.apart):
            for table, rows in frames.items():
                for column in rows.columns.intersection(list(count_columns(table))):
                    for cell, n in zip(cells_of(table, column, rows), rows[column], strict=True):
                        if not pd.isna(n):
                            self.figures.add(cell, int(n), is_printed=frames is self.frames)

    def counted_cells(self) -> Iterator[tuple[tuple[str, str], list[Cell]]]:
        """Yield table, column and cells of each count, those of the run included."""
        for cell in (N_COHORT, N_SCORED):
            if cell in self.figures:
                yield (cell[0], cell[1]), [cell]
        for table, rows in self.frames.items():
            more = self.apart.get(table)
            for column in rows.columns.intersection(list(count_columns(table))):
                cells = cells_of(table, column, rows)
                cells += [] if more is None else cells_of(table, column, more)
                yield (table, str(column)), [cell for cell in cells if cell in self.figures]

    def needed(self) -> list[Cell]:
        """Return the cells that readers need most, in the order of the data model."""
        found = []
        columns = {
            (table, each.column_name): each for table, all_ in data_model().items() for each in all_
        }
        for (table, column), cells in self.counted_cells():
            for where in needed_rows(columns[table, column]):
                for cell in cells:
                    keys = dict(zip(key_columns(table), cell[2:], strict=True))
                    if all(words.hold(keys[key]) for key, words in where.items()):
                        found.append(cell)
        return found

    def holds(self, condition: str) -> bool:
        """Return True if a condition of the declarations holds of this run."""
        return self._conditions[condition]

    @cached_property
    def _conditions(self) -> Mapping[str, bool]:
        config = self.config
        age_as_of = config is not None and config.audit.age_at == "as_of"
        ages = self.values("age_sex_pyramid", "age_group", sex=terms.UNKNOWN)
        populations = self.values("next_treatment", "population")
        return {
            "nothing_left_out": not self.has_left_out,
            "bootstrap": config is not None and config.uncertainty == coded.BOOTSTRAP,
            "analytic": config is not None and config.uncertainty == coded.ANALYTIC,
            "age_as_of": age_as_of,
            "age_as_of_all_populations": age_as_of
            and set(terms.TREATED_POPULATIONS) <= set(populations),
            "unknown_ages": len(ages) > 1,
        }

    @cached_property
    def has_left_out(self) -> bool:
        """True if a covariate was left out of the model, instead of imputed, for a patient."""
        return any(
            self.figures.count(("covariate_quality", "n", covariate, coded.N_LEFT_OUT))
            for covariate in self.values("covariate_quality", "covariate", measure=coded.N_LEFT_OUT)
        )

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
        values += self.values("preference_summary", "stratum_value", stratum=stratum)
        return {value: scored(stratum, value, subgroup) for value in dict.fromkeys(values)}

    @cached_property
    def labels(self) -> list[str]:
        """The preference labels."""
        return self.values("subgroup_summary", "subgroup")

    @cached_property
    def classes(self) -> dict[str, str]:
        """Class keys of the card, by class label."""
        return {} if self.card is None else {each.label: each.key for each in self.card.classes}


def scored(stratum: str, value: str, subgroup: str | None) -> Cell:
    """Return the cell of the scored patients of a stratum value with a label (None: any label)."""
    if subgroup is None:
        return ("~stratum", stratum, value)
    return ("subgroup_summary", "n_persons", stratum, value, subgroup)


def ages_of(group: str) -> tuple[int, int] | None:
    """Return the lowest and the highest age of an age group; None for unknown age."""
    return _AGES.get(group)
