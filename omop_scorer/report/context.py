"""What every section of the page starts from: the run, its words, and the footnotes so far."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from omop_scorer.disclosure.protected_run import ReportData
from omop_scorer.model.subgroups import first_group, label_set
from omop_scorer.report.blocks import Cell, Footnotes, Prose
from omop_scorer.report.charts.bars import CLASS_COLOURS, NO_DIFFERENCE
from omop_scorer.report.charts.canvas import Look
from omop_scorer.report.words import Names, count, number, share, whole

#: What a reader needs to know of a term, once.
DEFINITIONS = {
    "interval": (
        "95% interval: the Wilson interval of a share, which says how far chance alone could move "
        "it in a group of this size. It does not carry the uncertainty of the models or of what "
        "was imputed."
    ),
    "hidden": (
        "“Not shown” stands for a count from 1 to {highest_hidden}, and for every figure from "
        "which such a count could be recalculated. It never stands for zero; zeros are printed."
    ),
    "imputed": (
        "Imputed: no usable record was found in the covariate’s window, and a stated constant "
        "stands in its place. A yes/no covariate that no record supports counts as no and is "
        "called absent, because a drug that was not given leaves no record."
    ),
    "label": (
        "A label ranks the drug classes by the effect attributable to each. “>” joins neighbours "
        "that differ (two-sided p below 0.05), “=” those that do not. {labels}"
    ),
    "alone": ("Alone on top: the label puts this class first and no other beside it."),
    "women": (
        "Women of 50 and over: recorded as female, 50 completed years or more on the as-of date, "
        "of the whole population, persons of unknown age or sex included.{women_at_index}"
    ),
    "exposed": (
        "Ever given a biologic: any drug of the model’s classes up to the as-of date. The third "
        "population is the part of these whose first one came on or after {since}."
    ),
    "methods": (
        "Bootstrap: effects and errors from 10,000 refits with the trial effects held; it gives "
        "the paper’s subgroups. Analytic: effects and errors of the fitted models; it gives the "
        "published web calculator’s, carries the variation between trials and so is wider."
    ),
    "worst": (
        "The labels compare neighbours only. First against last can differ although neither pair "
        "of neighbours does; such a patient has no preference by the label, although the models "
        "tell the first class from the last."
    ),
    "index": (
        "Index treatment: the first drug of the model’s classes that a patient was ever given, "
        "on or after {since}. Next is the very next drug by first exposure, of the same class too. "
        "Continuing: no next drug, and the index drug was in use within {continuing} days of the "
        "as-of date; not in use: neither, and alive."
    ),
    "preferred": (
        "Scored as of the day of the index treatment: no later measurement, drug or condition went "
        "into the score. That a patient is of the cohort may be on record only later. Not "
        "scored: age or sex unknown, or age out of range."
    ),
    "range": (
        "Within the trials’ range: no recorded age, BMI, CRP or CDAI lies outside the 1st to 99th "
        "percentile of the trials’ participants. Where the CDAI was not recorded nobody knows "
        "whether the disease is active, and a patient is not known to be like them."
    ),
    "difference": (
        "Standardised mean difference: this site’s mean minus the trials’, over the root of the "
        "mean of the two variances. Beyond 0.1 to either side is commonly read as a difference "
        "that matters; the dotted rules stand there."
    ),
    "distance": (
        "Mahalanobis distance: how far a patient is from the mean of the trials’ participants, "
        "all {n_covariates} covariates together and their correlations allowed for. If patients "
        "were like participants it would follow about a chi distribution."
    ),
}

_AT_INDEX = (
    " The tables of next treatments use the age at the index treatment instead; the shares of "
    "women in each population and by label use the as-of date."
)


@dataclass
class Context:
    """The run, its words, and the footnotes so far."""

    data: ReportData
    names: Names = field(init=False)
    notes: Footnotes = field(init=False)

    def __post_init__(self) -> None:
        """Fill the definitions with what holds in this run."""
        self.names = Names(self.data)
        audit = (self.data.run.get("config") or {}).get("audit") or {}
        titles = "; ".join(
            f"{each['label']} is {each['title']} ({', '.join(each['drugs'])})"
            if each["drugs"]
            else f"{each['label']} is {each['title']}"
            for each in self.data.classes
        )
        given = {
            "highest_hidden": self.data.minimum_cell_count - 1,
            "labels": f"{titles}." if titles else "",
            "women_at_index": _AT_INDEX if audit.get("age_at") == "index" else "",
            "since": self.names.since,
            "continuing": audit.get("continuing_days", 180),
            "n_covariates": len(self.data.card.covariates) if self.data.card else "the",
        }
        self.notes = Footnotes({key: text.format(**given) for key, text in DEFINITIONS.items()})

    @cached_property
    def n_scored(self) -> int | None:
        """Patients scored; None when that is not shown."""
        return whole(self.data.run["n_scored"])

    @cached_property
    def is_empty(self) -> bool:
        """Whether nobody at all was scored."""
        return self.n_scored == 0

    @cached_property
    def keys(self) -> list[str]:
        """Keys of the drug classes, in the model card's order."""
        return [str(each["key"]) for each in self.data.classes]

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Every label, strict orders first and "all equal" last."""
        return label_set([str(each["label"]) for each in self.data.classes])

    def colour(self, key: str) -> str:
        """Return the colour of a class."""
        return CLASS_COLOURS[self.keys.index(key)] if key in self.keys else "#6b7480"

    def top(self, label: str) -> tuple[str, ...]:
        """Return the keys of the classes that a label puts first."""
        by_label = {str(each["label"]): str(each["key"]) for each in self.data.classes}
        return tuple(by_label.get(each, each) for each in first_group(label).split(" = "))

    def look(self, keys: tuple[str, ...]) -> Look:
        """Return how the classes on top are drawn: one colour, stripes, or grey for all of them."""
        if len(keys) >= len(self.keys):
            return NO_DIFFERENCE
        first, *others = (self.colour(key) for key in keys)
        return Look(first, tuple(others))

    def top_title(self, keys: tuple[str, ...]) -> str:
        """Return what the classes on top are called in a legend."""
        if len(keys) >= len(self.keys):
            return "no preference"
        return " = ".join(self.names.label(key) for key in keys)


def pick(frame: pd.DataFrame | None, **wanted: object) -> pd.DataFrame:
    """Return the rows with these values; none of a table that is not there."""
    for column, value in wanted.items():
        if frame is None or frame.empty:
            break
        frame = frame[frame[column] == value]
    return pd.DataFrame() if frame is None else frame


def only_row(frame: pd.DataFrame) -> dict[str, Any] | None:
    """Return the first row; None where there is none."""
    return None if frame.empty else {str(key): value for key, value in frame.iloc[0].items()}


def rows_of(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Return row after row."""
    for values in frame.itertuples(index=False, name=None):
        yield dict(zip(frame.columns, values, strict=True))


def added(values: list[int | None]) -> int | None:
    """Add counts; the sum is not shown where a part of it is not."""
    return None if any(value is None for value in values) else sum(n for n in values if n)


def portion(n: Any, of: Any) -> float | None:
    """Return a share of counts; None where one of them is not shown, or of nobody."""
    part, total = number(n), number(of)
    return None if part is None or not total else part / total


def with_share(row: Mapping[str, Any], n_population: Any) -> Cell:
    """Return a cell that says how many, and below it the share of a population."""
    n = count(row["n_persons"])
    is_alone = number(row["share"]) is None
    return Cell(n) if is_alone else Cell(n, share(row["share"], n_population))


def share_of(row: Mapping[str, Any], population: str) -> float | None:
    """Return the share of a row: None where it is not shown, NaN where it is of nobody."""
    return math.nan if whole(row[population]) == 0 else number(row["share"])


def missing(what: str) -> Prose:
    """Say that a run has no figures of a kind."""
    return Prose(f"This run holds no figures on {what}.", "note")
