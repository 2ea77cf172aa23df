"""The rows of a file of trial data as recorded: named columns as numbers, nothing cleaned yet."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from omop_scorer.errors import ScoringError
from omop_scorer.model.arrays import Floats
from omop_scorer.texts.characters import one_line
from omop_scorer.trials.attrition import FEWEST_SHOWN
from omop_scorer.trials.cells import coded_numbers, numbers, texts, without_missing
from omop_scorer.trials.layout import Layout, plain
from omop_scorer.trials.participants import Integers
from omop_scorer.trials.subject import NO_YEAR, YEAR, Subject
from omop_scorer.trials.table import Cell, Table
from omop_scorer.trials.words import words_of

PARTICIPANT, TRIAL, ARM, FOLD, OUTCOME = "participant_id", "trial", "arm", "fold", "outcome"

N_FOLDS = 10

_LONGEST_TRIAL = 200

#: Most words that name no arm that a message shows, and the most characters of each.
_MOST_WORDS, _LONGEST_WORD = 10, 60

_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class Recorded:
    """The n rows of a file, as the file has them."""

    trial: list[str | None]
    arm: Integers
    """(n,): place in the subject's arms; -1 if the arm is unknown."""
    unknown_arms: tuple[str, ...]
    """Words that name no arm in five rows or more, the most frequent first. Rarer ones may be of a
    person."""
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
        self._missing_words = {plain(word) for word in layout.missing_words}
        self._missing_columns = dict[str, str]()
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
        if not places:
            self._missing_columns[column] = f"{one_line(name)}{ours}"
            return None
        if len(places) > 1:
            self.faults.append(
                f"column {one_line(name)}{ours} appears more than once in the header; keep one of "
                "them"
            )
            return None
        if (other := self._read_as.setdefault(places[0], column)) != column:
            self.faults.append(
                f"column {one_line(name)}{ours} is read as {other} already; name another column "
                "under `columns` of the layout"
            )
            return None
        try:
            return reader(without_missing(self.table.columns[places[0]], self._missing_words))
        except ValueError as reason:
            self.faults.append(f"column {one_line(name)}{ours}: {reason}")
            return None

    def every_fault(self) -> list[str]:
        """Return the faults; columns that are missing are one of them."""
        if not (missing := self._missing_columns):
            return self.faults
        names, is_one = ", ".join(missing.values()), len(missing) == 1
        fault = (
            f"{f'column {names} is' if is_one else f'columns {names} are'} missing; name the "
            "file's columns under `columns` of a layout (--layout)"
        )
        without_year = f"; for models without a year, {NO_YEAR}" if YEAR in missing else ""
        return [fault + without_year, *self.faults]


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
        reader = numbers
        if covariate.kind == "yes_no":
            reader = partial(coded_numbers, words_of(column, layout, subject))
        values = columns.read(column, reader)
        covariates[column] = unread if values is None else values
    outcome, visits, later_visits = _outcomes(columns, layout, subject)
    fold = columns.read(FOLD, _folds) if columns.is_there(FOLD) else None
    faults = columns.every_fault()
    if faults or trial is None or arm is None or year is None:
        raise ScoringError(*(f"{table.path}: {fault}" for fault in faults))
    added = {subject.column_of.get(k, k): value for k, value in layout.centred.items()}
    return Recorded(
        trial=trial,
        arm=arm[0],
        unknown_arms=arm[1],
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


def _arms(cells: list[Cell], layout: Layout, subject: Subject) -> tuple[Integers, tuple[str, ...]]:
    """Return the place of the arm of each row, and the frequent words that name no arm."""
    words = layout.arms or {arm: arm for arm in subject.arms}
    place = {plain(word): subject.arms.index(arm) for word, arm in words.items()}
    found = [plain(each or "") for each in texts(cells)]
    unknown = Counter(word for word in found if word and word not in place)
    frequent = tuple(word for word, n in unknown.most_common() if n >= FEWEST_SHOWN)
    return np.array([place.get(word, -1) for word in found], dtype=np.int64), frequent


def unknown_arms_hint(recorded: Recorded) -> str:
    """Return what to do about rows whose word names no arm; empty if there is none."""
    n = int((recorded.arm < 0).sum())
    if not n:
        return ""
    shown = [f"'{one_line(word)[:_LONGEST_WORD]}'" for word in recorded.unknown_arms[:_MOST_WORDS]]
    words = f" (in {FEWEST_SHOWN} rows or more: {', '.join(shown)})" if shown else ""
    return (
        f"{n} row(s) have no word of an arm in the column {ARM}{words}; name the file's words "
        "under `arms` of the layout"
    )


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
