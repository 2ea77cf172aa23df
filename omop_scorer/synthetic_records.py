"""How the charts of made-up persons are written: good records, and the dirt around them.

Every method is told the truth, writes rows that express it with dirt that must not change it, and
returns which row is the evidence. Days are counted back from a person's last day: 0 is that day.
"""

from datetime import date
from typing import Any

import numpy as np

from omop_scorer.synthetic_tables import NOTHING, NULL, Array, Rows
from omop_scorer.synthetic_vocabulary import Pool, World

EPOCH = date(1970, 1, 1).toordinal()
_MICRO = 1_000_000
_CAREER_DAYS = 5500


def latest(n: int, who: Array, day: Array, row_id: Array) -> Array:
    """Return for each of n persons the row id of the last of the given rows (day, then id)."""
    order = np.lexsort((row_id, day))
    last = np.full(n, NULL)
    last[who[order]] = row_id[order]
    return last


class Charts:
    """The charts of a batch of persons.

    Parameters
    ----------
    person_id, born, last
        Per person: the id, and as days since 1970-01-01 the day of birth and the last day
        on which anything true is recorded (the as-of date or the day of death).
    today
        The as-of date, in days since 1970-01-01.
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
        """Return the positions of a random share of the persons where the mask holds."""
        return np.flatnonzero((self.g.random(self.n) < share) & mask)

    def day(self, who: Array, days_back: Array) -> Array:
        """Return dates. A negative number is dirt from the future: after today, dead or alive."""
        back = np.minimum(days_back, self.age_days[who])
        return np.where(days_back < 0, self.today - days_back, self.last[who] - back)

    def add(self, table: str, who: Array, **values: Any) -> Array:
        """Add one row for each of these persons and return the row ids."""
        return self.rows.add(table, len(who), person_id=self.person_id[who], **values)

    # ---- measurements -------------------------------------------------------------------------

    def measure(
        self, quantity: str, has: Array, value: Array, window: Array
    ) -> tuple[Array, tuple[Array, Array]]:
        """Write what there is of a quantity, usable or not.

        Parameters
        ----------
        quantity
            Its key in records.yaml.
        has
            Who has a usable record in the window; the latest is the one to find.
        value
            The value to record, in the canonical unit and within its limits.
        window
            Days back that still count, per person; negative where nothing can.

        Returns
        -------
        tuple
            Value as recorded and converted, and (table, row id) of the evidence, per person;
            meaningless where `has` is false.
        """
        g, n = self.g, self.n
        good, unusable = self.world.good[quantity], self.world.unusable[quantity]
        days = self._days_within(window)
        form, other_form = good.pick(g, n), good.pick(g, n)
        seconds = np.where(g.random(n) < 0.6, g.integers(28_800, 72_000, n), NULL)
        recorded = good.spell(form, value)
        other = value[g.permutation(n)]  # of somebody else: usable, and wrong for this person
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

        # At the same moment, with a lower row id: a copy, or another value.
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
        # Later, but of no use; the only record of some.
        way = unusable.pick(g, n)
        plausible = unusable["value"] == "plausible"
        fixed = np.array([v if isinstance(v, int | float) else np.nan for v in unusable["value"]])
        number = np.where(plausible[way], np.round(other, 1), fixed[way])
        for mask, until, share in ((has, days, 0.18), (~has, np.maximum(window, 0), 0.4)):
            later = np.floor(g.random(n) * (until + 1)).astype(np.int64)
            write(self.some(mask, share), later, number, way=(unusable, way))
        # Before the window: a height of childhood, a result of years ago.
        before = window + np.where(g.random(n) < 0.15, 1, g.integers(1, 700, n))
        write(self.some(~has & (window >= 0) & (window < 6000), 0.35), before, usable)
        # From the future.
        write(self.some(True, 0.03), -g.integers(1, 60, n), usable)
        return recorded * good["factor"][form], (good["table"][form], ids)

    def _days_within(self, window: Array) -> Array:
        """Draw days back in the window, mostly recent, now and then its first or last day."""
        span = np.maximum(window, 0)
        draw = self.g.random(self.n)
        days = np.minimum(np.floor(self.g.exponential(span / 3 + 1)), span).astype(np.int64)
        inside: Array = np.select([draw < 0.03, draw > 0.97], [0, span], days)
        return inside

    def _record(
        self, pool: Pool, form: Array, who: Array, days: Array, what: tuple[Array, Array]
    ) -> Array:
        """Write a value (number, seconds of the day) for each of these persons."""
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
                        time == NULL, NULL, (day * 86_400 + time) * _MICRO
                    ),
                },
                value_as_number=number[here],
                unit_concept_id=pool["unit"][f],
                unit_source_value=pool["text"][f],
                value_source_value=np.where(np.isnan(number[here]), "not done", NOTHING),
                operator_concept_id=operator[here],
            )
        return ids

    # ---- drugs --------------------------------------------------------------------------------

    def expose(
        self, who: Array, days: Array, length: Array, concept: Array, route: Array, **more: Any
    ) -> Array:
        """Write exposures that last `length` days, in the ways in which sites write an end."""
        g, n = self.g, len(who)
        start = self.day(who, days)
        end = start + length - 1
        way = g.integers(6, size=n)
        stated_end = np.select([way == 2, way == 3], [start, start - g.integers(1, 30, n)], end)
        supply = np.select(
            [way == 0, way == 4, way == 5],
            [NULL, g.choice([0, -1], n), np.maximum(length // 2, 1)],
            length,
        )
        return self.add(
            "drug_exposure",
            who,
            drug_concept_id=concept,
            drug_exposure_start_date=start,
            drug_exposure_start_datetime=np.where(g.random(n) < 0.5, start * 86_400 * _MICRO, NULL),
            drug_exposure_end_date=stated_end,
            days_supply=supply,
            route_concept_id=route,
            **more,
        )

    def take(self, drugs: str, positive: Array, window: int) -> Array:
        """Write courses of drugs: those of `positive` reach the window, all others do not count.

        Returns the row id of the latest course that counts, NULL where none does.
        """
        g, n = self.g, self.n
        pool = self.world.courses[drugs]
        injected, counts = pool["how"] == "injected", np.isin(pool["how"], ["oral", "injected"])

        def write(who: Array, among: Array, ended: Array, length: Array, *, brief: bool) -> Any:
            form = pool.pick(g, len(who), among)
            # A course that counts outlasts a day if injected; one that must not count is a day's.
            is_injected = injected[form]
            length = np.where(is_injected, 1 if brief else np.maximum(length, 2), length)
            days = np.maximum(ended[who] + length - 1, 0)
            length = np.where(is_injected & brief, 1, days - ended[who] + 1)
            return days, self.expose(who, days, length, pool["concept"][form], pool["route"][form])

        support: list[tuple[Array, Array, Array]] = []
        for share in (1.0, 0.4):
            who = self.some(positive, share)
            ended = np.where(g.random(n) < 0.1, window, g.integers(-20, window + 1, n))
            length = np.where(g.random(n) < 0.15, 1, g.integers(2, 90, n))[who]
            days, ids = write(who, counts, ended, length, brief=False)
            support.append((who, -days, ids))
        who = self.some(True, 0.15)  # over before the window
        ended = window + 1 + np.where(g.random(n) < 0.15, 0, g.integers(0, 900, n))
        write(who, np.full(len(counts), True), ended, g.integers(1, 90, len(who)), brief=False)
        who = self.some(True, 0.15)  # in time, but local, unclassified, not listed or a single day
        ended = g.integers(-20, window + 1, n)
        write(who, ~counts | injected, ended, g.integers(1, 60, len(who)), brief=True)
        who = self.some(True, 0.03)  # not yet begun
        form = pool.pick(g, len(who), counts)
        to_come, length = -g.integers(1, 60, len(who)), g.integers(1, 60, len(who))
        self.expose(who, to_come, length, pool["concept"][form], pool["route"][form])
        return latest(n, *(np.concatenate(part) for part in zip(*support, strict=True)))

    def treat(self, prior_anti_tnf: Array, has_others: Array) -> tuple[Array, Array, Array, Array]:
        """Draw treatment histories and write their exposures.

        Who has `prior_anti_tnf` began one before the last day; nobody else did, but may have begun
        something else, or an anti-TNF on that very day.

        Returns
        -------
        tuple
            Of each line the person's position, the drug's position in the list and the start date;
            and per person the row id of the latest anti-TNF exposure before the last day.
        """
        g, n, drugs = self.g, self.n, self.world.biologics
        is_tnf = drugs["drug_class"] == "anti_tnf"
        approved = np.array([day.toordinal() - EPOCH for day in drugs["approved"]])
        on_market = self.last[:, None] - approved
        infliximab = on_market[:, drugs["name"].tolist().index("infliximab")]
        most = np.maximum(np.minimum(np.minimum(self.age_days, _CAREER_DAYS), infliximab), 1)
        first = 1 + np.floor(g.random(n) * most).astype(np.int64)
        first = np.where(~prior_anti_tnf & (g.random(n) < 0.05), 0, np.minimum(first, most))
        used = np.zeros(on_market.shape, dtype=bool)
        lines: list[tuple[Array, Array, Array]] = []

        def begin(who: Array, days: Array, allowed: Array) -> None:
            score = np.log(drugs.weight) + g.gumbel(size=used.shape)
            possible = allowed & ~used & (on_market >= days[:, None])
            drug = np.where(possible, score, -np.inf).argmax(axis=1)
            started = np.flatnonzero(who & possible.any(axis=1) & (days <= self.age_days))
            used[started, drug[started]] = True
            lines.append((started, drug[started], days[started]))

        # Anti-TNFs are open to whom the truth says so, and to anybody on the last day.
        def open_to(days: Array) -> Array:
            is_open: Array = ~is_tnf | (prior_anti_tnf | (days == 0))[:, None]
            return is_open

        begin(
            prior_anti_tnf & (g.random(n) < 0.1),
            first + g.integers(30, 400, n),
            np.broadcast_to(~is_tnf, used.shape),
        )
        begin(prior_anti_tnf, first, np.broadcast_to(is_tnf, used.shape))
        begin(has_others & ~prior_anti_tnf, first, open_to(first))
        goes_on, days = prior_anti_tnf | has_others, first
        for _ in range(3):
            goes_on = goes_on & (g.random(n) < 0.5)
            draw = g.random(n)
            gap = 30 + np.floor(g.exponential(500, n)).astype(np.int64)
            days = days - np.select([draw < 0.05, draw > 0.95], [0, days], gap)
            goes_on &= days >= 0
            begin(goes_on, days, open_to(days))
        who, drug, days = (np.concatenate(part) for part in zip(*lines, strict=True))
        return who, drug, self.day(who, days), self._treat_on(who, drug, days, is_tnf)

    def _treat_on(self, who: Array, drug: Array, days: Array, is_tnf: Array) -> Array:
        """Write the first and some later exposures of lines; return the latest of an anti-TNF."""
        g, drugs = self.g, self.world.biologics
        products = [np.array(ids) for ids in drugs["products"]]
        start = np.cumsum([0, *map(len, products[:-1])])
        size = np.array([len(ids) for ids in products])

        def write(who: Array, drug: Array, days: Array) -> Array:
            which = start[drug] + np.floor(g.random(len(who)) * size[drug]).astype(np.int64)
            concept = np.concatenate(products)[which]
            # A code of the HCPCS is recorded as the source of a RxNorm product.
            is_j1745 = concept == 937369
            return self.expose(
                who,
                days,
                g.choice([1, 28, 56], len(who)),
                concept,
                g.choice([NULL, 0, 4171047, 4142048], len(who)),
                drug_source_concept_id=np.where(is_j1745, 2718445, 0),
                drug_source_value=np.where(is_j1745, "J1745", None),  # type: ignore[call-overload]
            )

        support = [(who, -days, write(who, drug, days), drug, days)]
        for _ in range(4):
            days = days - g.integers(14, 70, len(days))
            kept = g.random(len(days)) < np.where(days >= 0, 0.75, 0.1)
            who, drug, days = who[kept], drug[kept], days[kept]
            support.append((who, -days, write(who, drug, days), drug, days))
        planned = self.some(True, 0.02)  # an anti-TNF that lies in the future
        any_tnf = g.choice(np.flatnonzero(is_tnf), len(planned))
        write(planned, any_tnf, -g.integers(1, 60, len(planned)))
        who, order, ids, drug, days = (np.concatenate(part) for part in zip(*support, strict=True))
        counts = is_tnf[drug] & (days > 0)
        return latest(self.n, who[counts], order[counts], ids[counts])

    # ---- conditions ---------------------------------------------------------------------------

    def diagnose(self, has_crohns: Array, location: Array) -> Array:
        """Write conditions: Crohn's disease where it is, and what else people have.

        `location` is 'ileal', 'colon' or 'elsewhere' (which also stands for not said). Returns the
        row id of the latest record that says ileum, or else colon.
        """
        g, n, world = self.g, self.n, self.world
        crohns = world.vocabulary.descendants(world.records["crohns_disease"])
        support: list[tuple[Array, Array, Array]] = []

        def write(who: Array, where: str, days: Array, in_cohort: bool | None = None) -> None:
            concepts = np.array(world.concepts(where))
            if in_cohort is not None:
                concepts = concepts[np.isin(concepts, crohns) == in_cohort]
            # The plain concept of a location is the usual one.
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
            told = np.flatnonzero((location[who] == where) & (days[who] >= 0))
            support.append((who[told], day[told], ids[told]))

        def ever() -> Array:
            days = np.floor(g.random(n) * np.minimum(self.age_days + 1, _CAREER_DAYS))
            return np.where(g.random(n) < 0.03, 0, days).astype(np.int64)

        for where in ("ileal", "colon", "elsewhere"):
            here = has_crohns & (location == where)
            write(np.flatnonzero(here), where, ever(), in_cohort=True)
            write(self.some(here, 0.6), where, again := ever())
            write(self.some(here, 0.1), where, again)  # on one day
        write(self.some(has_crohns & (location == "ileal"), 0.3), "colon", ever())
        write(self.some(has_crohns, 0.5), "elsewhere", ever())
        to_come = -g.integers(1, 60, n)
        write(self.some(has_crohns & (location != "ileal"), 0.05), "ileal", to_come)
        # Not in the cohort: diagnosed after today, or with what does not stand below the disease.
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

    # ---- everything else ----------------------------------------------------------------------

    def visit(self, recorded_death: Array, no_period: float) -> None:
        """Write visits, observation periods, deaths, and records that nobody asks for."""
        g, n, records = self.g, self.n, self.world.records
        dead = np.flatnonzero(recorded_death != NULL)
        self.add("death", dead, death_date=recorded_death[dead])
        back = np.minimum(self.age_days, g.integers(400, 6000, n))
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
        who = self.some(True, 0.3)
        concept = g.choice(records["other_drug_concepts"], len(who))
        length, days = g.integers(1, 90, len(who)), g.integers(0, 1000, len(who))
        unmapped = np.where(concept == 0, "INFLIXIMAB 100MG (local)", NOTHING)
        self.expose(who, days, length, concept, np.full(len(who), NULL), drug_source_value=unmapped)
