"""Shared context of the page's sections: the run, its names and the footnotes so far."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from omop_scorer import terms
from omop_scorer.disclosure.protected_run import ReportData
from omop_scorer.model.subgroups import first_group, label_set
from omop_scorer.report.blocks import Cell, Footnotes, Prose
from omop_scorer.report.charts.bars import CLASS_COLOURS, SHARED
from omop_scorer.report.figures import Rows, rows_of
from omop_scorer.report.words import Names, between, count, number, share, short, whole

#: Definitions of terms, each printed as a footnote where it is first used.
DEFINITIONS = {
    "interval": (
        "95% interval: the Wilson interval of a share. It shows how much chance alone could change "
        "the share in a group of this size. It does not include the uncertainty of the models or "
        "of imputed values."
    ),
    "hidden": (
        "“Not shown” replaces each count from 1 to {highest_hidden}, and each figure from which "
        "such a count could be calculated. It replaces no zero, except among the numbers at risk "
        "of section 5."
    ),
    "imputed": (
        "Imputed: no usable record was found in the time window of the covariate, so a fixed value "
        "is used instead; “Missing values” among the settings of the run names it. A yes/no "
        "covariate without a record counts as no and is called absent, because a drug that was not "
        "given leaves no record."
    ),
    "label": (
        "A label ranks the drug classes by the effect attributable to each class. “>” means that "
        "two neighbours in the ranking differ (two-sided p below 0.05); “=” means that no "
        "difference was found. {labels}"
    ),
    "alone": "Alone on top: the label ranks this class first and no other class beside it.",
    "women": (
        "Women aged 50 and over: recorded as female, and 50 or more completed years old on the "
        "as-of date. The share is of the whole population, including persons of unknown age or "
        "sex.{women_at_index}"
    ),
    "exposed": (
        "Ever given a biologic: at least one drug of the model’s classes on or before the as-of "
        "date. The third population is the part whose first such drug was given on or after "
        "{since}."
    ),
    "methods": (
        "Bootstrap: effects and errors come from {refits} of the models with the trial effects "
        "held fixed. {paper}Analytic: effects and errors come from the fitted models. This "
        "{calculator}includes the variation between trials, and so has larger errors."
    ),
    "worst": (
        "The labels compare neighbours in the ranking only. The first class can differ from the "
        "last although no neighbours differ. Such a patient has no preference by label, although "
        "the models do find a difference between the first class and the last."
    ),
    "index": (
        "Index treatment: the first drug of the model’s classes that a patient was ever given, if "
        "given on or after {since}. Next treatment: the next new drug, which may be of the same "
        "class. Continuing: no next drug, and the index drug was in use within {continuing} days "
        "of the as-of date. Not in use: no next drug, the index drug was not in use within that "
        "time, and the patient is alive."
    ),
    "persistence": (
        "Still on the drug: up to the last day recorded before a gap of more than {gap} days, or "
        "up to the first start of a drug of another class. Another drug of the same class does not "
        "prolong it. An exposure counts for at least {exposure}. Patients whose data do not reach "
        "{followed} days after the index treatment are left out. Ended means ended, or no longer "
        "recorded here, and drugs are recorded in different ways. Shares are rounded to steps of "
        "at least two patients, and the ends of their intervals outward."
    ),
    "preferred": (
        "Scored as of the day of the index treatment: measurements, drugs and conditions after "
        "that day were not used. The record that places the patient in the cohort may be from "
        "after that day. Not scored: age or sex unknown, or age out of range."
    ),
    "range": (
        "Within the trials’ range: every recorded age, BMI, CRP and CDAI lies between the 1st and "
        "the 99th percentile of the trials’ participants. Without a recorded CDAI the disease "
        "activity is unknown, and so is whether the patient is within the range."
    ),
    "difference": (
        "Standardised mean difference: this site’s mean minus the trials’ mean, divided by the "
        "square root of the mean of the two variances. A value beyond 0.1 in either direction is "
        "commonly read as a relevant difference; the dotted lines mark these values."
    ),
    "distance": (
        "Mahalanobis distance: how far a patient is from the mean of the trials’ participants, "
        "over all {n_covariates} covariates together and with their correlations taken into "
        "account. If patients were like the participants, it would follow approximately a chi "
        "distribution."
    ),
}

#: Words of the definitions that only the published models deserve, and what stands instead.
_PUBLISHED = {
    "refits": "10,000 refits",
    "paper": "This gives the paper’s subgroups. ",
    "calculator": "gives the subgroups of the published web calculator, ",
}
_UNPUBLISHED = {"refits": "refits", "paper": "", "calculator": ""}

_ALL_SHOWN = "No count of this report is hidden."

_AT_INDEX = (
    " Tables of next treatments use the age at the index treatment instead. The shares of women in "
    "each population and by label use the age on the as-of date."
)


@dataclass
class Context:
    """The run, its names and the footnotes so far."""

    data: ReportData
    names: Names = field(init=False)
    notes: Footnotes = field(init=False)
    kept: dict[tuple[str, str], Any] = field(init=False, default_factory=dict)
    """What several sections need and is slow to find, by the name of its maker and its key."""
    _tables: dict[str, Rows] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Fill the definitions with the settings of this run."""
        self.names = Names(self.data)
        audit = (self.data.run.get("config") or {}).get("audit") or {}
        titles = "; ".join(
            f"{each['label']} is {each['title']} ({', '.join(each['drugs'])})"
            if each["drugs"]
            else f"{each['label']} is {each['title']}"
            for each in self.data.classes
        )
        gap, exposure = audit.get("gap_days", 180), audit.get("exposure_days", 1)
        settings = {
            "gap": gap,
            "followed": gap + 1,
            "exposure": f"{exposure} day{'' if exposure == 1 else 's'}",
            "highest_hidden": self.data.minimum_cell_count - 1,
            "labels": f"{titles}." if titles else "",
            "women_at_index": _AT_INDEX if audit.get("age_at") == "index" else "",
            "since": self.names.since,
            "continuing": audit.get("continuing_days", 180),
            "n_covariates": len(self.data.card.covariates) if self.data.card else "the",
            **(_UNPUBLISHED if self.data.published is None else _PUBLISHED),
        }
        definitions = {key: text.format(**settings) for key, text in DEFINITIONS.items()}
        if self.data.minimum_cell_count <= 1:
            definitions["hidden"] = _ALL_SHOWN
        self.notes = Footnotes(definitions)

    def table(self, name: str) -> Rows:
        """Return the rows of a table with the bounds of its hidden figures; none if it has none."""
        if name not in self._tables:
            frame, bounds = self.data.table(name), self.data.bounds.get(name)
            if frame is not None and bounds is not None:
                frame = frame.join(bounds)
            self._tables[name] = rows_of(frame)
        return self._tables[name]

    @cached_property
    def report(self) -> Mapping[str, Any]:
        """The section `report` of the run file; empty if the run has none."""
        section = (self.data.run.get("config") or {}).get("report")
        return section if isinstance(section, dict) else {}

    @cached_property
    def n_scored(self) -> int | None:
        """Number of patients scored; None if it is not shown."""
        return whole(self.data.run["n_scored"])

    @cached_property
    def is_empty(self) -> bool:
        """True if no patient was scored."""
        return self.n_scored == 0

    @cached_property
    def keys(self) -> list[str]:
        """Keys of the drug classes, in the model card's order."""
        return [str(each["key"]) for each in self.data.classes]

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """All labels, strict orders first and "all equal" last."""
        return label_set([str(each["label"]) for each in self.data.classes])

    def colour(self, key: str) -> str:
        """Return the colour of a class."""
        return CLASS_COLOURS[self.keys.index(key)] if key in self.keys else SHARED.colour

    def top(self, label: str) -> tuple[str, ...]:
        """Return the keys of the classes that a label puts first."""
        by_label = {str(each["label"]): str(each["key"]) for each in self.data.classes}
        return tuple(by_label.get(each, each) for each in first_group(label).split(terms.EQUALLY))


def shown_count(row: Mapping[str, Any], column: str = "n_persons") -> str:
    """Return a count of a row as text: its bounds if it is hidden and they are known."""
    low, high = (whole(row.get(f"{column}_{end}")) for end in ("low", "high"))
    if whole(row[column]) is None and low is not None and high is not None:
        return f"{low:,} to {high:,}"
    return count(row[column])


def shown_share(row: Mapping[str, Any], population: str = "n_population") -> str:
    """Return the share of a row with its interval as text, or its bounds if they are known."""
    low, high = (number(row.get(f"share_{end}")) for end in ("low", "high"))
    if number(row["share"]) is None and low is not None and high is not None:
        return between(low, high)
    return short(row["share"], row["ci_low"], row["ci_high"], row[population])


def with_share(row: Mapping[str, Any], n_population: Any) -> Cell:
    """Return a cell with a count, and its share of a population below it."""
    n = shown_count(row)
    has_share = number(row["share"]) is not None
    return Cell(n, share(row["share"], n_population)) if has_share else Cell(n)


def share_of(row: Mapping[str, Any], population: str) -> float | None:
    """Return the share of a row; None if it is not shown, NaN for a share of zero persons."""
    return math.nan if whole(row[population]) == 0 else number(row["share"])


def missing(subject: str) -> Prose:
    """Return a note that the run has no figures on a subject."""
    return Prose(f"This run has no figures on {subject}.", "note")
