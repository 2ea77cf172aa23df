"""Names and numbers of models of trial data as a page prints them."""

import math
import re
from collections.abc import Iterator, Sequence

import numpy as np
from markupsafe import Markup

from omop_scorer import __version__
from omop_scorer.model.card import CardTemplate, ClassTemplate
from omop_scorer.model.contradictions import INTERCEPT
from omop_scorer.report.charts.bars import CLASS_COLOURS
from omop_scorer.report.charts.canvas import INK
from omop_scorer.report.frame import Card, Headline
from omop_scorer.report.words import NOBODY, covariate_name, decimal, sentence
from omop_scorer.texts.characters import one_line
from omop_scorer.trials.participants import PLACEBO, Participants
from omop_scorer.trials.srs import YEAR

#: A word that is longer than this may be broken.
_LONG = re.compile(r"\S{18,}")

#: Shapes of the marks of classes, because colour alone is not enough.
CLASS_SHAPES = ("o", "D", "s", "^", "v")

SMALLEST_P = 0.001


class TrialNames:
    """Names of the arms, classes and terms of a template."""

    def __init__(self, template: CardTemplate, classes: Sequence[ClassTemplate]) -> None:
        self.unit = template.outcome.unit
        self.outcome = template.outcome.title
        self.classes = {each.key: each.label for each in classes}
        self._titles = {each.key: each.title for each in classes}
        self._covariates = {each.name: each for each in template.covariates}

    def arm(self, key: str) -> str:
        """Return the short name of an arm."""
        return PLACEBO if key == PLACEBO else self.classes[key]

    def colour(self, key: str) -> str:
        """Return the colour of a class; that of text for placebo."""
        keys = list(self.classes)
        return CLASS_COLOURS[keys.index(key)] if key in keys else INK

    def term(self, name: str) -> str:
        """Return the name of a term of a model."""
        if name in (INTERCEPT, YEAR):
            return {INTERCEPT: "Intercept", YEAR: "Calendar year"}[name]
        return sentence(covariate_name(name, self._covariates.get(name)))

    def without(self, names: Sequence[str]) -> str:
        """Return the names of covariates that are left out together."""
        return " + ".join(covariate_name(each, self._covariates.get(each)) for each in names)

    def step(self, name: str, participants: Participants) -> float:
        """Return the difference of a term to which its coefficient is scaled in a picture.

        It is one standard deviation of the participants, rounded to two digits, or 1 for a yes/no
        covariate and for the intercept.
        """
        known = self._covariates.get(name)
        if name == YEAR:
            values = participants.year
        elif known is None or known.kind == "yes_no":
            return 1.0
        else:
            values = participants.values[:, participants.covariates.index(name)]
        deviation = float(f"{np.std(values, ddof=1):.2g}")
        return deviation if deviation > 0 else 1.0

    def scaled_term(self, name: str, step: float) -> str:
        """Return the name of a term with the difference that its coefficient is scaled to."""
        known = self._covariates.get(name)
        if name == YEAR:
            return f"{self.term(name)}, per {step:g} years"
        if known is None or known.kind == "yes_no":
            return self.term(name)
        return f"{self.term(name)}, per {step:g} {known.unit.replace('m2', 'm²')}"

    @property
    def key(self) -> str:
        """The meaning of the short names and signs of labels."""
        named = [
            f"{label} means {self._titles[key]}"
            for key, label in self.classes.items()
            if label != self._titles[key]
        ]
        return ", ".join([*named, "“>” a larger effect", "“=” no difference found"])


def trial_name(name: str) -> str:
    """Return the name of a trial, in visible characters."""
    return one_line(name)


def breakable(text: str) -> str:
    """Return a text whose long words a browser may break."""
    if not _LONG.search(text):
        return text
    return Markup("").join(_parts(text))


def _parts(text: str) -> Iterator[Markup]:
    for piece in re.findall(r"[^-_/.,\s]{1,12}[-_/.,]?\s*|[-_/.,\s]", text):
        yield Markup("{}<wbr>").format(piece)


def p_value(p: float) -> str:
    """Return a p-value with three decimals; a dash if there is none."""
    if math.isnan(p):
        return NOBODY
    return f"<{SMALLEST_P}" if p < SMALLEST_P else f"{p:.3f}"


def precise(value: float, error: float) -> str:
    """Return a value to two digits of its error."""
    digits = min(max(1 - math.floor(math.log10(error)), 0), 9) if error > 0 else 4
    return decimal(value, digits)


def first_screen(
    kind: str, title: str, summary: str, cards: Sequence[Card], names: TrialNames
) -> Headline:
    """Return the first screen of a page on trial data."""
    what = [
        ("What this is", "figures of models of trial data, for groups of participants."),
        ("What it is not", "a medical device, or a recommendation for a patient."),
    ]
    return Headline(kind, title, summary, cards, [what, [("Key", f"{names.key}.")]])


def footer(minimum: int, *more: str) -> list[str]:
    """Return the lines at the end of a page on trial data."""
    lines = [f"omop-scorer {__version__}.", *more, "Not a medical device."]
    if minimum > 1:
        lines.append(
            f"Counts per trial below {minimum}, and what would reveal them, are not shown."
        )
    return lines
