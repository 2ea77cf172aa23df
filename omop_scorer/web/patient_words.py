"""The words of a page for the rows that the results hold of a patient."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from omop_scorer import terms
from omop_scorer.model.calculator import Calculator
from omop_scorer.model.card import Covariate, ModelCard
from omop_scorer.report.words import BETTER, NEXT, day, label_in_words, listed, plain
from omop_scorer.results.history import Run
from omop_scorer.results.patient_record import Change, LabelPeriod, PatientRecord, Row
from omop_scorer.web.questions import choices_of, limits_of, unit_of

#: State of a value, as in `patient_covariate.status`.
STATES = {
    "observed": "recorded",
    "computed": "computed from other records",
    "absent": "no record, which counts as No",
    "imputed": "not known: no usable record",
    "left_out": "not known: no usable record",
}

#: Tests of neighbours in the ranking that a run stores.
_STORED_TESTS = 2

#: Significance level of the shipped model, for runs whose card is not at hand.
_ALPHA = 0.05

_QUANTITIES = {"body_weight": "weight", "body_height": "height"}

_UNITS = {"body_weight": "kg", "body_height": "cm"}

_CONSTANTS = {
    "calculator": "the constant of the model card",
    "training_mean": "the mean of the trials’ participants",
    "cohort_median": "the median of this cohort",
}

#: Units of the whole time line of treatments, and of the shortest mark on it.
_LONG, _SHORT = 1000, 6

_WITHIN = {
    True: "yes, as far as values are recorded",
    False: "no, a recorded value is outside it",
    None: "not known: disease activity not recorded",
}


@dataclass(frozen=True)
class Evidence:
    """One covariate of a patient: its value, its state, and what it rests on, in words."""

    name: str
    label: str
    unit: str
    value: str
    state: str
    is_known: bool
    details: Sequence[str]
    choices: Sequence[tuple[str, int]]
    """The words of a yes/no covariate and their values; empty for a number."""
    allowed: str
    """The range that an override may have."""


@dataclass(frozen=True)
class Treatment:
    """A treatment line in words, and its place on a time line of `_LONG` units."""

    drug: str
    drug_class: str
    colour: str
    when: str
    label: str
    left: int
    width: int
    is_current: bool


@dataclass(frozen=True)
class LabelSpan:
    """Runs in a row that gave the same label."""

    when: str
    label: str
    notation: str
    cause: str


class Words:
    """Names of the drug classes and covariates of a run, by its card if it is at hand."""

    def __init__(self, run: Run, card: ModelCard | None) -> None:
        self.card = card
        self._texts = (card.calculator if card else None) or Calculator()
        self._covariates = {each.name: each for each in card.covariates} if card else {}
        self._titles = {each.key: each.title for each in card.classes} if card else {}
        self._labels = {each.label: each.title for each in card.classes} if card else {}
        found = json.loads(run.config_json)
        self._config: dict[str, Any] = found if isinstance(found, dict) else {}
        self._alpha = card.alpha if card else _ALPHA

    def drug_class(self, key: str) -> str:
        """Return the title of a drug class."""
        return self._titles.get(key) or NEXT.get(key, plain(key))

    def colour(self, key: str) -> str:
        """Return the style class with the colour of a drug class."""
        keys = list(self._titles)
        return f"c{keys.index(key)}" if key in keys else "placebo"

    def label(self, label: str) -> str:
        """Return a preference label in words."""
        return label_in_words(label, self._labels)

    def answer(self, score: Row) -> str:
        """Return the label of a row of scores in words: `better` only where that was tested.

        A label compares neighbours in the ranking. The first class may differ from the second, and
        not from the third, whose interval is wider.
        """
        label, p = str(score["subgroup"]), score["p_first_third"]
        if BETTER in label and label.count(BETTER) + label.count(terms.EQUALLY) > _STORED_TESTS:
            return f"{label}, each tested against the next alone"
        if BETTER not in label or p is None or p < self._alpha:
            return self.label(label)
        first, second, third = (
            self.drug_class(str(score[f"{place}_class"])) for place in ("first", "second", "third")
        )
        if score["p_first_second"] < self._alpha:
            return f"{first} better than {second}, but not told apart from {third}"
        if score["p_second_third"] < self._alpha:
            return f"{first} and {second} not told apart; {second} better than {third}"
        return self.label(label)

    def group(self, group: str) -> str:
        """Return a preference group in words."""
        for key in self._titles:
            if group == terms.alone(key):
                return f"{self.drug_class(key)} alone on top"
        return {terms.SHARED_TOP: "two or more classes on top"}.get(group, plain(group))

    def preferred(self, preferred: str) -> str:
        """Return the classes on top as of the start of a treatment, in words."""
        if preferred in (terms.NO_PREFERENCE, terms.NOT_SCORED):
            return plain(preferred)
        titles = [self.drug_class(key) for key in preferred.split(terms.EQUALLY)]
        return f"{listed(titles)} on top"

    def known(self, name: str) -> Covariate | None:
        """Return a covariate of the card."""
        return self._covariates.get(name)

    def covariate(self, name: str) -> str:
        """Return the label of a covariate."""
        own = self._texts.covariates.get(name)
        known = self._covariates.get(name)
        return (own.label if own else None) or (known.title if known else plain(name))

    def unit(self, name: str) -> str:
        """Return the unit of a covariate; empty for a yes/no covariate."""
        return unit_of(self._covariates.get(name))

    def value(self, name: str, value: float | None) -> str:
        """Return a value with its unit, or the word of a yes/no value."""
        if value is None:
            return "–"
        known = self._covariates.get(name)
        if known is not None and known.kind == "yes_no":
            by_value = {number: word for word, number in choices_of(known)}
            return by_value.get(int(value), _number(value))
        return f"{_number(round(value, 2))} {self.unit(name)}".strip()

    def window(self, name: str) -> str:
        """Return the window of a covariate: how old a record may be; empty without a window."""
        covariates = self._config.get("covariates")
        rule = covariates.get(name) if isinstance(covariates, dict) else None
        if not isinstance(rule, dict) or "lookback_days" not in rule:
            return ""
        days = rule["lookback_days"]
        return "any time before" if days is None else f"{days:,} days before"

    def constant(self) -> str:
        """Return which number replaces what is not known."""
        return _CONSTANTS.get(str(self._config.get("impute")), "the constant of the run file")


def evidence_of(record: PatientRecord, words: Words) -> list[Evidence]:
    """Return the covariates of a patient, in the order of the card."""
    names = [each.name for each in words.card.covariates] if words.card else []
    names += [name for name in record.covariates if name not in names]
    found = []
    for name in names:
        row = record.covariates.get(name)
        if row is None:
            continue
        known = words.known(name)
        status = str(row["status"])
        value = words.value(name, row["covariate_value"])
        found.append(
            Evidence(
                name=name,
                label=words.covariate(name),
                unit=words.unit(name),
                value=f"taken as {value}" if status == "imputed" else value,
                state=STATES.get(status, plain(status)),
                is_known=status not in ("imputed", "left_out"),
                details=list(_details(record, row, words)),
                choices=choices_of(known) if known else [],
                allowed=limits_of(known) if known else "",
            )
        )
    return found


def _details(record: PatientRecord, row: Row, words: Words) -> Iterator[str]:
    name, as_of = str(row["covariate"]), record.run.as_of_date
    window = words.window(name)
    if row["status"] in ("imputed", "left_out", "absent"):
        if row["status"] == "imputed":
            yield f"the score takes {words.constant()}"
        elif row["status"] == "left_out":
            yield "scored by the model without it"
        if window:
            yield f"window: {window}"
    elif inputs := record.inputs.get(name):
        for each in inputs:
            quantity = str(each["quantity"])
            unit, own = _UNITS.get(quantity, ""), words.window(quantity)
            name = _QUANTITIES.get(quantity, plain(quantity))
            parts = [*_from_record(each, as_of, unit), *([f"window: {own}"] if own else [])]
            yield f"{name} {_number(each['quantity_value'])} {unit}: {', '.join(parts)}"
    elif row["source_table"] is not None:
        yield from _from_record(row, as_of, words.unit(name))
        if window:
            yield f"window: {window}"


def _from_record(row: Row, as_of: date, unit: str) -> Iterator[str]:
    """Yield the value as recorded with its factor, its date and age, and the record."""
    source, factor = row["source_value"], row.get("factor")
    if source is not None and factor is not None:
        own = str(row["source_unit"] or "") or "without a unit"
        how = {"text": " (unit known by its text)", "missing": f" (taken as {unit})"}
        converted = "" if factor == 1 else f" × {_number(factor)}"
        yield f"{_number(source)} {own}{converted}{how.get(str(row.get('unit_source')), '')}"
    elif source is not None and row["source_table"] == "person":
        yield f"born {source:.0f}"
    if row.get("is_censored"):
        yield "recorded with < or >, so the number is a bound"
    if row["source_date"] is not None:
        started = "started " if row["source_table"] == "drug_exposure" else ""
        n_days = (as_of - row["source_date"]).days
        yield f"{started}{day(row['source_date'])}, {_days(n_days)} before"
    concept = row["source_concept_id"]
    yield (
        f"{plain(str(row['source_table']))} {'–' if row['source_id'] is None else row['source_id']}"
        + (f" (concept {concept})" if concept is not None else "")
    )


def _days(n: int) -> str:
    return "1 day" if n == 1 else f"{n:,} days"


def _number(value: float) -> str:
    return f"{value:.6g}".replace("-", "−") if abs(value) < 1e6 else f"{value:,.0f}"


def treatments_of(record: PatientRecord, words: Words) -> list[Treatment]:
    """Return the treatment lines of a patient, with the label at the start of each."""
    if not record.treatments:
        return []
    as_of = record.run.as_of_date
    first = min(row["start_date"] for row in record.treatments)
    span = max((as_of - first).days, 1)
    found = []
    for row in record.treatments:
        start = row["start_date"]
        last = row.get("last_exposure_date") or start
        left = min(round(_LONG * (start - first).days / span), _LONG - _SHORT)
        width = max(round(_LONG * (last - start).days / span), _SHORT)
        is_current = bool(row.get("is_current"))
        until = f"to {day(last)}" + (", in use" if is_current else "")
        found.append(
            Treatment(
                drug=str(row["drug"]),
                drug_class=words.drug_class(str(row["drug_class"])),
                colour=words.colour(str(row["drug_class"])),
                when=f"{day(start)} {until}",
                label=_label_at(record, row, words),
                left=left,
                width=min(width, _LONG - left),
                is_current=is_current,
            )
        )
    return found


def of_hundred(probability: float) -> str:
    """Return how many of 100 respond, in the words of the calculator."""
    if probability < 0.005:
        return "fewer than 1"
    return "more than 99" if probability > 0.995 else str(int(100 * probability + 0.5))


def _label_at(record: PatientRecord, row: Row, words: Words) -> str:
    """Return the label at the start of a treatment: scored as of it, or by an earlier run."""
    start = row["start_date"]
    for index in record.index_treatments:
        is_start = index["index_date"] == start and index["drug"] == row["drug"]
        if is_start and index["preferred"] is not None:
            return f"{words.preferred(str(index['preferred']))}, scored as of this start"
    before = [each for each in record.labels if each.first_as_of_date <= start]
    if before:
        label = words.answer(before[-1].score)
        return f"{label}, since the run as of {day(before[-1].first_as_of_date)}"
    return "not known: no run before this start"


def label_spans(record: PatientRecord, words: Words) -> list[LabelSpan]:
    """Return the labels of a patient over the runs, the newest first."""
    found = []
    for each in reversed(record.labels):
        first, last = each.first_as_of_date, each.last_as_of_date
        when = day(first) if first == last else f"{day(first)} to {day(last)}"
        n = f" ({each.n_runs} runs)" if each.n_runs and each.n_runs > 1 else ""
        found.append(
            LabelSpan(when + n, words.answer(each.score), each.subgroup, _cause(each, words))
        )
    return found


def _cause(period: LabelPeriod, words: Words) -> str:
    if period.is_first:
        return "first run in these results"
    parts = [_change(each, words) for each in period.changes]
    if period.has_other_model:
        parts.append("another model or uncertainty")
    return "; ".join(parts) or "no covariate, and neither the model nor the uncertainty"


def _change(change: Change, words: Words) -> str:
    def one(given: tuple[float | None, str] | None) -> str:
        if given is None:
            return "–"
        value, status = given
        state = {"absent": " (no record)", "imputed": " (not known)"}.get(status, "")
        return f"{words.value(change.covariate, value)}{state}"

    return f"{words.covariate(change.covariate)}: {one(change.before)} → {one(change.after)}"


def within_words(within: bool | None) -> str:
    """Return in words whether a patient resembles the trials' participants."""
    return _WITHIN[within]
