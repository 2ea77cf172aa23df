"""Charts of synthetic persons: measurements, conditions, visits.

Each method takes the true values and writes rows that express them, along with untidy rows that
must not change the results. It returns the id of the row that a run must find. Days are counted
back from the last day of a person, which is day 0.
"""

from datetime import date
from typing import Any

import numpy as np

from omop_scorer.cdm.ddl import NULL, Array
from omop_scorer.synthetic.rows import NOTHING, Rows
from omop_scorer.synthetic.vocabulary import Pool, World

EPOCH = date(1970, 1, 1).toordinal()

MICRO = 1_000_000

CAREER_DAYS = 5500


def days_since_1970(year: Array, month: Array, day: Array) -> Array:
    """Return dates as days since 1970-01-01; 29 February becomes 1 March in a common year."""
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    return months.astype("datetime64[D]").astype(np.int64) + day - 1


def latest(n: int, who: Array, day: Array, row_id: Array) -> Array:
    """Return the id of the last row, by day and then id, of each of n persons; NULL if none."""
    order = np.lexsort((row_id, day))
    last = np.full(n, NULL)
    last[who[order]] = row_id[order]
    return last


class Charts:
    """Charts of a batch of persons.

    Parameters
    ----------
    person_id, born, last
        For each person the id, the day of birth and the last day (the as-of date or the day of
        death). Days are counted from 1970-01-01.
    today
        As-of date, in days since 1970-01-01.
    """

    def __init__(
        self,
        world: World,
        generator: np.random.Generator,
        rows: Rows,
        person_id: Array,
        born: Array,
        *,
        last: Array,
        today: int,
    ) -> None:
        self.world, self.g, self.rows, self.person_id = world, generator, rows, person_id
        self.n, self.last, self.today = len(person_id), last, today
        self.age_days = last - born

    def some(self, mask: Array | bool, share: float) -> Array:
        """Return the indices of a random share of the persons, where the mask is true."""
        return np.flatnonzero((self.g.random(self.n) < share) & mask)

    def day(self, who: Array, days_back: Array) -> Array:
        """Return dates in days since 1970-01-01; a negative `days_back` is after the as-of date."""
        back = np.minimum(days_back, self.age_days[who])
        return np.where(days_back < 0, self.today - days_back, self.last[who] - back)

    def add(self, table: str, who: Array, **values: Any) -> Array:
        """Add one row for each of these persons and return the row ids."""
        return self.rows.add(table, len(who), person_id=self.person_id[who], **values)

    def measure(
        self, quantity: str, has: Array, value: Array, window: Array
    ) -> tuple[Array, tuple[Array, Array]]:
        """Write the records of a quantity, usable and unusable ones.

        Parameters
        ----------
        quantity
            Key of the quantity in records.yaml.
        has
            True for persons with a usable record in the window; a run must find the latest.
        value
            Value to record, in the canonical unit and within its limits.
        window
            Length of the window in days, per person; negative if no record can count.

        Returns
        -------
        tuple
            Per person the value as recorded, converted to the canonical unit; and the table and
            row id of the record. Meaningless where `has` is false.
        """
        g, n = self.g, self.n
        good, unusable = self.world.good[quantity], self.world.unusable[quantity]
        days = self._days_within(window)
        form, other_form = good.pick(g, n), good.pick(g, n)
        seconds = np.where(g.random(n) < 0.6, g.integers(28_800, 72_000, n), NULL)
        recorded = good.spell(form, value)
        other = value[g.permutation(n)]  # value of another person: usable, but wrong for this one
        any_time = g.integers(0, 86_400, n)

        def write(
            who: Array,
            back: Array,
            number: Array,
            time: Array = any_time,
            way: tuple[Pool, Array] = (good, other_form),
        ) -> Array:
            pool, form = way
            return self._record(pool, form[who], who, back[who], (number[who], time[who]))

        # At the same time, with a lower row id: a copy or another value.
        same_way = (good, form)
        tied = np.where(g.random(n) < 0.5, recorded, good.spell(form, other))
        write(self.some(has, 0.05), days, tied, seconds, same_way)
        ids = np.full(n, NULL)
        who = np.flatnonzero(has)
        ids[who] = write(who, days, recorded, seconds, same_way)
        # On the same day, with a higher row id: earlier, or without a time.
        earlier = np.where(g.random(n) < 0.5, NULL, seconds - 3600)
        who = self.some(has & (seconds != NULL), 0.06)
        write(who, days, good.spell(form, other), earlier, same_way)
        # Older.
        older = days + 1 + np.floor(g.exponential(np.maximum(window, 1) / 3)).astype(np.int64)
        usable = good.spell(other_form, other)
        write(self.some(has, 0.35), older, usable)
        # Later but unusable; some persons have no other record.
        way = unusable.pick(g, n)
        plausible = unusable["value"] == "plausible"
        fixed = np.array([v if isinstance(v, int | float) else np.nan for v in unusable["value"]])
        number = np.where(plausible[way], np.round(other, 1), fixed[way])
        for mask, until, share in ((has, days, 0.18), (~has, np.maximum(window, 0), 0.4)):
            later = np.floor(g.random(n) * (until + 1)).astype(np.int64)
            write(self.some(mask, share), later, number, way=(unusable, way))
        # Before the window: a height in childhood, or a result from years ago.
        before = window + np.where(g.random(n) < 0.15, 1, g.integers(1, 700, n))
        write(self.some(~has & (window >= 0) & (window < 6000), 0.5), before, usable)
        # After the as-of date.
        write(self.some(True, 0.03), -g.integers(1, 60, n), usable)
        return recorded * good["factor"][form], (good["table"][form], ids)

    def _days_within(self, window: Array) -> Array:
        """Draw days in the window, mostly recent ones, sometimes its first or last day."""
        span = np.maximum(window, 0)
        draw = self.g.random(self.n)
        days = np.minimum(np.floor(self.g.exponential(span / 3 + 1)), span).astype(np.int64)
        inside: Array = np.select([draw < 0.03, draw > 0.97], [0, span], days)
        return inside

    def _record(
        self, pool: Pool, form: Array, who: Array, days: Array, what: tuple[Array, Array]
    ) -> Array:
        """Write a number and a time (seconds of the day) for each of these persons."""
        number, seconds = what
        ids = np.full(len(who), NULL)
        operators = Pool("concept", self.world.records["operators"])
        operator = operators["concept"][operators.pick(self.g, len(who))]
        for table in ("measurement", "observation"):
            here = np.flatnonzero(pool["table"][form] == table)
            day, f, time = self.day(who[here], days[here]), form[here], seconds[here]
            ids[here] = self.add(
                table,
                who[here],
                **{
                    f"{table}_concept_id": pool["concept"][f],
                    f"{table}_date": day,
                    f"{table}_datetime": np.where(
                        time == NULL, NULL, (day * 86_400 + time) * MICRO
                    ),
                },
                value_as_number=number[here],
                unit_concept_id=pool["unit"][f],
                unit_source_value=pool["text"][f],
                value_source_value=np.where(np.isnan(number[here]), "not done", NOTHING),
                operator_concept_id=operator[here],
            )
        return ids

    def diagnose(self, has_crohns: Array, location: Array) -> Array:
        """Write conditions: Crohn's disease at its location, and other conditions.

        `location` is 'ileal', 'colon' or 'elsewhere' (another location, or none recorded). Returns
        the row id of each person's latest record of that location.
        """
        g, n, world = self.g, self.n, self.world
        crohns = world.vocabulary.descendants(world.records["crohns_disease"])
        support: list[tuple[Array, Array, Array]] = []

        def write(who: Array, where: str, days: Array, in_cohort: bool | None = None) -> None:
            concepts = np.array(world.concepts(where))
            if in_cohort is not None:
                concepts = concepts[np.isin(concepts, crohns) == in_cohort]
            # The first concept of a location is the usual one.
            which = np.where(g.random(len(who)) < 0.4, 0, g.integers(len(concepts), size=len(who)))
            day = self.day(who, days[who])
            ids = self.add(
                "condition_occurrence",
                who,
                condition_concept_id=concepts[which],
                condition_start_date=day,
                condition_end_date=np.where(g.random(len(who)) < 0.3, day, NULL),
                condition_source_value=g.choice(["K50.00", "K50.10", "K50.90"], len(who)),
            )
            counts = np.flatnonzero((location[who] == where) & (days[who] >= 0))
            support.append((who[counts], day[counts], ids[counts]))

        def ever() -> Array:
            days = np.floor(g.random(n) * np.minimum(self.age_days + 1, CAREER_DAYS))
            return np.where(g.random(n) < 0.03, 0, days).astype(np.int64)

        for where in ("ileal", "colon", "elsewhere"):
            here = has_crohns & (location == where)
            write(np.flatnonzero(here), where, ever(), in_cohort=True)
            write(self.some(here, 0.6), where, again := ever())
            write(self.some(here, 0.1), where, again)  # on the same day
        write(self.some(has_crohns & (location == "ileal"), 0.3), "colon", ever())
        write(self.some(has_crohns, 0.5), "elsewhere", ever())
        to_come = -g.integers(1, 60, n)
        write(self.some(has_crohns & (location != "ileal"), 0.05), "ileal", to_come)
        # Not in the cohort: diagnosed after the as-of date, or with a concept outside the set.
        write(self.some(~has_crohns, 0.01), "colon", to_come)
        write(self.some(~has_crohns, 0.01), "elsewhere", ever(), in_cohort=False)
        others = np.array(world.others())
        for share in (0.6, 0.3):
            who = self.some(True, share)
            day = self.day(who, ever()[who])
            concept = g.choice(others, len(who))
            self.add(
                "condition_occurrence", who, condition_concept_id=concept, condition_start_date=day
            )
        return latest(n, *(np.concatenate(part) for part in zip(*support, strict=True)))

    def visit(self, recorded_death: Array, no_period: float) -> Array:
        """Write visits, observation periods, deaths, and a measurement that no rule reads.

        Returns the length in days of each person's observation period, written or not.
        """
        g, n, records = self.g, self.n, self.world.records
        dead = np.flatnonzero(recorded_death != NULL)
        self.add("death", dead, death_date=recorded_death[dead])
        back: Array = np.minimum(self.age_days, g.integers(400, 6000, n))
        who = self.some(True, 1 - no_period)
        self.add(
            "observation_period",
            who,
            observation_period_start_date=self.day(who, back[who]),
            observation_period_end_date=self.last[who],
        )
        for share in (1.0, 0.7, 0.4):
            who = self.some(True, share)
            day = self.day(who, g.integers(0, 1500, len(who)))
            stay = np.where(g.random(len(who)) < 0.1, g.integers(1, 9, len(who)), 0)
            self.add(
                "visit_occurrence",
                who,
                visit_concept_id=np.where(stay > 0, 9201, 9202),
                visit_start_date=day,
                visit_end_date=day + stay,
            )
        who = self.some(True, 0.4)
        self.add(
            "measurement",
            who,
            measurement_concept_id=g.choice(records["other_measurement_concepts"], len(who)),
            measurement_date=self.day(who, g.integers(0, 1000, len(who))),
            value_as_number=np.round(g.normal(13.5, 1.5, len(who)), 1),
            unit_source_value="g/dL",
        )
        return back
