"""The rows of a file of trial data as recorded: named columns as numbers, nothing cleaned yet."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from omop_scorer.errors import ScoringError
from omop_scorer.model.arrays import Floats
from omop_scorer.texts.characters import one_line
from omop_scorer.trials.cells import covariate_numbers, numbers, texts
from omop_scorer.trials.layout import Layout, plain
from omop_scorer.trials.participants import Integers
from omop_scorer.trials.subject import YEAR, Subject
from omop_scorer.trials.table import Cell, Table

PARTICIPANT, TRIAL, ARM, FOLD, OUTCOME = "participant_id", "trial", "arm", "fold", "outcome"

N_FOLDS = 10

_LONGEST_TRIAL = 200

_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class Recorded:
    """The n rows of a file, as the file has them."""

    trial: list[str | None]
    arm: Integers
    """(n,): place in the subject's arms; -1 if the arm is unknown."""
    year: Floats
    """(n,): NaN if missing, or if the model has no term for it."""
    covariates: Mapping[str, Floats]
    """(n,) by column, not centred; NaN where missing."""
    outcome: Floats | None
    """(n,): the reduction itself; None if visits give it."""
    visits: Mapping[int, Floats]
    """(n,) by week, in the order of the weeks, up to the outcome week."""
    later_visits: tuple[int, ...]
    """Weeks of visits after the outcome week, which are never read."""
    fold: Floats | None
    """(n,): 0 to 9; NaN if missing."""


class _Columns:
    """The columns that a layout names, and every fault that is found in them."""

    def __init__(self, table: Table, layout: Layout, subject: Subject) -> None:
        self.table, self.faults = table, list[str]()
        self._read_as: dict[int, str] = {}
        self._names = {subject.column_of.get(k, k): v for k, v in layout.columns.items()}

    def name(self, column: str) -> str:
        """Return the file's name of a column."""
        return self._names.get(column, column)

    def is_there(self, column: str) -> bool:
        """Return True if the file has the column, or the layout says so."""
        return column in self._names or bool(self.table.places(column))

    def read(self, column: str, reader: Callable[[list[Cell]], _T]) -> _T | None:
        """Return a column as the reader gives it; None, and a fault, if that is not possible."""
        return self.read_named(self.name(column), column, reader)

    def read_named(self, name: str, column: str, reader: Callable[[list[Cell]], _T]) -> _T | None:
        """Return the column with a name of the file as the reader gives it, as `read` does."""
        places = self.table.places(name)
        ours = "" if plain(name) == plain(column) else f" ({column})"
        if len(places) != 1:
            fault = (
                "appears more than once in the header; keep one of them"
                if places
                else "is missing; name the file's column under `columns` of the layout"
            )
            self.faults.append(f"column {one_line(name)}{ours} {fault}")
            return None
        if (other := self._read_as.setdefault(places[0], column)) != column:
            self.faults.append(
                f"column {one_line(name)}{ours} is read as {other} already; name another column "
                "under `columns` of the layout"
            )
            return None
        try:
            return reader(list(self.table.columns[places[0]]))
        except ValueError as reason:
            self.faults.append(f"column {one_line(name)}{ours}: {reason}")
            return None


def read_rows(table: Table, layout: Layout, subject: Subject) -> Recorded:
    """Read the columns that a layout names.

    Raises
    ------
    ScoringError
        Every fault of the file: columns that are missing or twice, cells that cannot be read. The
        message counts cells; it holds none.
    """
    columns = _Columns(table, layout, subject)
    unread = np.full(table.n_rows, np.nan)
    if columns.is_there(PARTICIPANT):
        columns.read(PARTICIPANT, _refuse_duplicates)
    trial = columns.read(TRIAL, _trials)
    arm = columns.read(ARM, lambda cells: _arms(cells, layout, subject))
    year = columns.read(YEAR, numbers) if subject.has_year else unread
    covariates = {}
    for column, covariate in subject.covariates.items():
        values = columns.read(column, partial(covariate_numbers, covariate))
        covariates[column] = unread if values is None else values
    outcome, visits, later_visits = _outcomes(columns, layout, subject)
    fold = columns.read(FOLD, _folds) if columns.is_there(FOLD) else None
    if columns.faults or trial is None or arm is None or year is None:
        raise ScoringError(*(f"{table.path}: {fault}" for fault in columns.faults))
    added = {subject.column_of.get(k, k): value for k, value in layout.centred.items()}
    return Recorded(
        trial=trial,
        arm=arm,
        year=year + added.get(YEAR, 0.0),
        covariates={k: values + added.get(k, 0.0) for k, values in covariates.items()},
        outcome=outcome,
        visits=visits,
        later_visits=later_visits,
        fold=fold,
    )


def _refuse_duplicates(cells: Iterable[Cell]) -> None:
    given = [text for text in texts(list(cells)) if text is not None]
    if n := len(given) - len(set(given)):
        raise ValueError(f"{n} row(s) repeat the id of another row; give one row per participant")


def _trials(cells: list[Cell]) -> list[str | None]:
    trials = texts(cells)
    if n := sum(len(each or "") > _LONGEST_TRIAL for each in trials):
        raise ValueError(f"{n} cell(s): longer than {_LONGEST_TRIAL} characters")
    return [None if each is None else one_line(each) for each in trials]


def _arms(cells: list[Cell], layout: Layout, subject: Subject) -> Integers:
    words = layout.arms or {arm: arm for arm in subject.arms}
    place = {plain(word): subject.arms.index(arm) for word, arm in words.items()}
    return np.array([place.get(plain(each or ""), -1) for each in texts(cells)], dtype=np.int64)


def _folds(cells: list[Cell]) -> Floats:
    folds = numbers(cells)
    is_fold = np.isnan(folds) | np.isin(folds, np.arange(N_FOLDS))
    if n := int((~is_fold).sum()):
        raise ValueError(f"{n} cell(s): not a whole number from 0 to {N_FOLDS - 1}")
    return folds


def _outcomes(
    columns: _Columns, layout: Layout, subject: Subject
) -> tuple[Floats | None, dict[int, Floats], tuple[int, ...]]:
    """Return the outcome, or None and the visits that give it; and the weeks of later visits."""
    if layout.outcome is not None:
        return columns.read_named(layout.outcome, OUTCOME, numbers), {}, ()
    if columns.is_there(OUTCOME) or subject.baseline is None:
        return columns.read(OUTCOME, numbers), {}, ()
    given = _visits(columns, layout, subject.baseline)
    weeks = sorted(week for week in given if week <= layout.outcome_week)
    if not weeks:
        columns.faults.append(
            f"no column {OUTCOME}, and none of a visit up to week {layout.outcome_week} (such as "
            f"{subject.baseline}_week_{layout.outcome_week}); name them in the layout"
        )
    read = {
        week: columns.read_named(given[week], f"{subject.baseline}_week_{week}", numbers)
        for week in weeks
    }
    later = tuple(sorted(week for week in given if week > layout.outcome_week))
    return None, {week: values for week, values in read.items() if values is not None}, later


def _visits(columns: _Columns, layout: Layout, baseline: str) -> dict[int, str]:
    """Return the file's column of each visit, by week."""
    if layout.visits is not None:
        return layout.visits
    pattern = re.compile(rf"{re.escape(plain(baseline))}_week_([1-9][0-9]{{0,3}})", re.ASCII)
    found = ((pattern.fullmatch(plain(name)), name) for name in columns.table.names)
    return {int(match[1]): name for match, name in found if match}
