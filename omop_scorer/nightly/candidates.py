"""Records that could give a covariate of one person, each with the verdict of the rules in words.

The verdicts come from the SQL files of the rules, run for the person alone: as they are, without
their last filter (which records count), and with the filter of their window turned into its
opposite (which records the window leaves out). No rule is written a second time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial

from sqlglot import exp

from omop_scorer import sql
from omop_scorer.staging.covariates import RECORDS, windows
from omop_scorer.staging.night import PER_INDEX_DATE, Night

#: Prefixes of the work tables of the person: records in the window, and outside it.
_INSIDE, _OUTSIDE = "explained_", "outside_"

#: Drugs that a covariate is taken from.
_DRUG_SETS = {
    "prior_anti_tnf": "biologic_anti_tnf",
    "immunomodulator": "immunomodulator",
    "steroid": "systemic_corticosteroid",
}
#: Quantities that the body mass index is computed from.
_PARTS_OF_BMI = ("body_weight", "body_height")

_CHOSEN = "chosen"
_OLDER = "older than the chosen"
_SAME_DAY = "same day as the chosen, which is later by time or id"
_WORDS = {
    "rejected_value": "no number",
    "rejected_unit": "wrong unit",
    "rejected_limit": "out of range",
    "local": "taken locally, which never counts",
    "unclassified": "neither dose form nor route says how it was taken",
    "injected_one_day": "injected on a single day, as before an infusion",
}


@dataclass(frozen=True)
class Candidate:
    """One record of the CDM and the verdict of the rules, in words."""

    source_table: str
    source_id: int | None
    concept_id: int | None
    day: date | None
    value: str
    verdict: str

    @property
    def is_chosen(self) -> bool:
        """True if the record gives the value of the covariate."""
        return self.verdict.startswith(_CHOSEN)


Key = tuple[str, int | None, int | None, date | None]
Row = tuple[object, ...]


class Candidates:
    """The records of one person of the cohort.

    Parameters
    ----------
    night
        A night whose cohort and covariates are staged.
    person_id
        A person of the cohort, scored or not.
    """

    def __init__(self, night: Night, person_id: int) -> None:
        self._night = night
        self._inside = replace(night, prefix=_INSIDE)
        self._outside = replace(night, prefix=_OUTSIDE)
        for each in (self._inside, self._outside):
            self._stage_person(each, person_id)
        days = windows(night.config.covariates.steroid)
        for name in RECORDS:
            self._inside.stage(f"covariates/{name}", None, **days)
        for name, cte in (("measurement_record", None), ("drug_record", "exposure")):
            tree = opposite(self._tree(f"covariates/{name}", _OUTSIDE), cte)
            night.engine.stage(f"{_OUTSIDE}{name}", tree, self._bound(tree))
        for name in ("measurement_doubt", "measurement_value"):
            self._outside.stage(f"covariates/{name}")

    def of(self, covariate: str, status: str | None) -> list[Candidate]:
        """Return the candidates of a covariate, the newest first.

        Parameters
        ----------
        covariate
            Name of a covariate of the card.
        status
            Status of the covariate in the run; None for a person who is not scored.
        """
        found: list[Candidate] = []
        if covariate in self._night.config.covariates.quantities():
            found = self._measured(covariate, status)
        elif covariate in _DRUG_SETS:
            found = self._drugs(covariate)
        elif covariate == "ileal":
            found = self._locations()
        else:
            for row in self._rows_of(covariate):
                shown = f"{row[4]:g}" if isinstance(row[4], float) else ""
                found.append(_candidate(row, _CHOSEN, shown))
        return sorted(found, key=lambda each: (each.day or date.min, str(each.source_id)))[::-1]

    def _stage_person(self, night: Night, person_id: int) -> None:
        """Stage the person alone as cohort and as patients, even one who is not scored."""
        member = sql.parse("SELECT * FROM work.cohort_member WHERE person_id = :person_id")
        night.engine.stage(f"{night.prefix}cohort_member", member, {"person_id": person_id})
        patient = unfiltered(self._tree("cohort/patient", night.prefix))
        night.engine.stage(f"{night.prefix}patient", patient, {})

    def _tree(self, file: str, prefix: str) -> exp.Expr:
        (tree,) = sql.find(file).prefixed("work", PER_INDEX_DATE, prefix)
        return tree

    def _bound(self, tree: exp.Expr, covariate: str = "") -> dict[str, object]:
        rule = getattr(self._night.config.covariates, covariate, None)
        values = self._night.parameters() | windows(rule)
        return {
            name: values[name] for name in {each.name for each in tree.find_all(exp.Placeholder)}
        }

    def _fetch(self, query: str) -> list[Row]:
        return self._night.engine.fetch(sql.parse(query), {})

    def _rows_of(
        self, covariate: str, turn: Callable[[exp.Expr], exp.Expr] | None = None
    ) -> list[Row]:
        """Return the rows of the file of a covariate for the person, or of its turned tree."""
        tree = self._tree(f"covariates/{covariate}", _INSIDE)
        if turn is not None:
            tree = turn(tree)
        named = exp.select(*_EVIDENCE).from_(exp.Subquery(this=tree.copy(), alias="evidence"))
        return self._night.engine.fetch(named, self._bound(tree, covariate))

    def _measured(self, covariate: str, status: str | None) -> list[Candidate]:
        quantities = (covariate, *(_PARTS_OF_BMI if covariate == "bmi" else ()))
        latest = {
            str(row[0]): _key(row[1:])
            for row in self._fetch(
                "SELECT quantity, source_table, source_id, source_concept_id, source_date "
                "FROM work.explained_measurement_latest"
            )
        }
        found = []
        for quantity, verdict, factor, converted, is_bound, *row in self._fetch(
            "SELECT quantity, verdict, factor, covariate_value, is_censored, "
            "source_table, source_id, "
            "source_concept_id, source_date, source_value, source_unit "
            "FROM work.explained_measurement_value"
        ):
            if quantity not in quantities:
                continue
            words = _in_words(verdict)
            if verdict == "usable":
                words = _usable(_key(row), latest[str(quantity)])
            if words == _CHOSEN and quantity != covariate:
                words = _part(str(quantity), status)
            shown = self._number(str(quantity), row, factor, converted)
            found.append(_candidate(row, words, f"{shown}, a bound" if is_bound else shown))
        return found + self._measured_outside(quantities)

    def _measured_outside(self, quantities: Sequence[str]) -> list[Candidate]:
        rules = self._night.config.covariates.quantities()
        found = []
        for quantity, *row in self._fetch(
            "SELECT quantity, source_table, source_id, source_concept_id, source_date, "
            "source_value, source_unit FROM work.outside_measurement_value"
        ):
            if quantity in quantities:
                words = self._outside_window(_day(row[3]), rules[str(quantity)].lookback_days)
                shown = self._number(str(quantity), row, 1.0, None)
                found.append(_candidate(row, words, shown))
        return found

    def _number(self, quantity: str, row: Sequence[object], factor: object, value: object) -> str:
        """Return a recorded number with its unit, and what it is after conversion."""
        number, unit = row[4], row[5]
        recorded = "-" if number is None else f"{number:g}" if isinstance(number, float) else "-"
        text = f"{recorded} {unit or ''}".strip()
        if isinstance(factor, float) and factor != 1 and isinstance(value, float):
            text += f" = {value:g} {self._night.definitions.units.canonical_unit(quantity)}"
        return f"{quantity} {text}" if quantity in _PARTS_OF_BMI else text

    def _drugs(self, covariate: str) -> list[Candidate]:
        concept_set = _DRUG_SETS[covariate]
        chosen = {_key(row) for row in self._rows_of(covariate)}
        counted = {_key(row) for row in self._rows_of(covariate, unfiltered)}
        taken = {}
        if covariate == "steroid":
            taken = {
                _key(("drug_exposure", *row)): how
                for how, *row in self._fetch(
                    "SELECT taken, drug_exposure_id, drug_concept_id, start_date "
                    "FROM work.explained_steroid_record"
                )
            }
            counted = {key for key, how in taken.items() if how in ("oral", "injected")}
        found = []
        for name, n_days, *evidence in self._fetch(
            "SELECT concept_set, n_days_after_start, drug_exposure_id, drug_concept_id, start_date "
            "FROM work.explained_drug_record UNION ALL "
            "SELECT concept_set, n_days_after_start, drug_exposure_id, drug_concept_id, start_date "
            "FROM work.outside_drug_record"
        ):
            if name != concept_set:
                continue
            row = ("drug_exposure", *evidence)
            key = _key(row)
            if key in chosen:
                words = _CHOSEN
            elif key in counted:
                words = f"counts too, but {_OLDER}"
            elif key in taken:
                words = _in_words(taken[key])
            else:
                words = self._no_exposure(covariate, key[3])
            n = int(str(n_days)) + 1
            found.append(_candidate(row, words, f"{n:,} day{'s' if n > 1 else ''}"))
        return found

    def _no_exposure(self, covariate: str, start: date | None) -> str:
        """Return why an exposure does not count: its date, or its interval."""
        as_of = self._night.as_of
        rule = getattr(self._night.config.covariates, covariate)
        if start is None or start > as_of:
            return self._outside_window(start, 0)
        if covariate == "prior_anti_tnf" and start == as_of:
            return "starts on the as-of date, and only earlier treatment counts"
        if covariate == "prior_anti_tnf":
            return self._outside_window(start, rule.lookback_days)
        return f"outside the window: ended more than {rule.lookback_days} days before"

    def _locations(self) -> list[Candidate]:
        chosen = {_key(row): row for row in self._rows_of("ileal")}
        best = max((str(row[-1]) for row in chosen.values()), default="")
        found = []
        for row in self._rows_of("ileal", unfiltered):
            words = _CHOSEN if _key(row) in chosen else _OLDER
            if str(row[-1]) != best:
                words = "colonic, and an ileal location is recorded"
            found.append(_candidate(row, words, _location(row)))
        lookback_days = self._night.config.covariates.ileal.lookback_days
        # A record without a date is outside both: up to the as-of date, and the lookback.
        outside = {
            _key(row): row
            for filtered in ("location", "ranked")
            for row in self._rows_of("ileal", partial(opposite, cte=filtered))
        }
        for row in outside.values():
            words = self._outside_window(_day(row[3]), lookback_days)
            found.append(_candidate(row, words, _location(row)))
        return found

    def _outside_window(self, day: date | None, lookback_days: int | None) -> str:
        if day is None:
            return "no date"
        n_days = (self._night.as_of - day).days
        if n_days < 0:
            return "outside the window: after the as-of date"
        if lookback_days is not None and n_days > lookback_days:
            return f"outside the window: {n_days:,} days before"
        return "outside the window: before the minimum age"


_EVIDENCE = (
    *("source_table", "source_id", "source_concept_id", "source_date"),
    *("source_value", "source_unit", "covariate_value"),
)


def unfiltered(tree: exp.Expr) -> exp.Expr:
    """Return a query without its last filter: every record that counts, not the chosen alone."""
    turned = tree.copy()
    turned.set("where", None)
    return turned


def opposite(tree: exp.Expr, cte: str | None = None) -> exp.Expr:
    """Return a query for the records that a filter leaves out by their date.

    Parameters
    ----------
    tree
        The query.
    cte
        Name of the common table expression with the filter; None: the last SELECT. Other filters
        by date, and the whole last filter, are dropped.
    """
    turned = tree.copy()
    named = {each.alias: each.this for each in turned.find_all(exp.CTE)}
    filtered = named[cte] if cte else turned
    for select in turned.find_all(exp.Select):
        where = select.args.get("where")
        if where is None:
            continue
        conditions = where.this.flatten() if isinstance(where.this, exp.And) else [where.this]
        listed = [each.copy() for each in conditions]
        dated = [each for each in listed if _is_dated(each)]
        kept = [each for each in listed if not _is_dated(each)]
        if select is filtered:
            kept.append(exp.not_(exp.func("COALESCE", exp.paren(exp.and_(*dated)), exp.false())))
        elif select is turned:
            kept = []
        select.set("where", exp.Where(this=exp.and_(*kept)) if kept else None)
    return turned


def _is_dated(condition: exp.Expr) -> bool:
    """Return True for a condition on a date, or on a number that the run file gives."""
    return bool(condition.find(exp.Placeholder)) or any(
        column.name.endswith("_date") for column in condition.find_all(exp.Column)
    )


def _key(row: Sequence[object]) -> Key:
    table, source_id, concept_id, day = row[:4]
    return str(table), _whole(source_id), _whole(concept_id), _day(day)


def _whole(value: object) -> int | None:
    return None if value is None else int(str(value))


def _day(value: object) -> date | None:
    return value if isinstance(value, date) else None


def _candidate(row: Sequence[object], verdict: str, value: str = "") -> Candidate:
    printable = "".join(each if each.isprintable() else "?" for each in value)
    return Candidate(*_key(row), value=printable, verdict=verdict)


def _in_words(verdict: object) -> str:
    return _WORDS.get(str(verdict), str(verdict).replace("_", " "))


def _usable(key: Key, latest: Key) -> str:
    if key == latest:
        return _CHOSEN
    return _SAME_DAY if key[3] == latest[3] else _OLDER


def _part(quantity: str, status: str | None) -> str:
    """Return the verdict on the latest weight or height, which a recorded BMI makes needless."""
    if status == "computed":
        return f"{_CHOSEN}, for the computed body mass index"
    if status == "observed":
        return "not needed: a body mass index is recorded"
    return f"usable {quantity.removeprefix('body_')}, but no body mass index is computed"


def _location(row: Sequence[object]) -> str:
    return "ileal" if str(row[-1]) in ("1", "1.0") else "colonic"
