"""Synthetic persons: age and sex, true covariates, and the correct results for them."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.special import ndtr

from omop_scorer.cdm.ddl import NULL, Array, Column, arrow_schema
from omop_scorer.synthetic.drugs import add_courses, add_other_drugs, add_treatments
from omop_scorer.synthetic.records import EPOCH, Charts, days_since_1970
from omop_scorer.synthetic.rows import NOTHING, Rows
from omop_scorer.synthetic.vocabulary import World

COVARIATES = (
    *("cdai", "age", "bmi", "crp"),
    *("prior_anti_tnf", "male", "steroid", "immunomodulator", "ileal"),
)

_CDAI, _AGE, _BMI, _CRP, _PRIOR, _MALE, _STEROID, _IMMUNO, _ILEAL = range(9)

_ADULT_YEARS = 18


def care_sites(population: Mapping[str, Any], columns: Sequence[Column]) -> Any:
    """Return the table care_site as an Arrow table."""
    sites = population["care_site"]
    pairs = zip(sites["id"], sites["name"], strict=True)
    rows = [{"care_site_id": number, "care_site_name": name} for number, name in pairs]
    names = [column.name for column in columns]
    return pa.Table.from_pylist(
        [{name: row.get(name) for name in names} for row in rows], arrow_schema(list(columns))
    )


def _care_site_of(person_id: Array, sites: Mapping[str, Any]) -> Array:
    """Return the care site of each person, NULL for some.

    It follows from the id, by multiples of the golden ratio, so that it takes no random number.
    """
    level = person_id * 2_654_435_761 % 2**32 / 2**32
    found: Array = np.searchsorted(np.cumsum(sites["share"]), level, "right")
    return np.array([*sites["id"], NULL])[found]


class Batch:
    """Batch of synthetic persons, with their true values and their rows."""

    def __init__(
        self,
        world: World,
        generator: np.random.Generator,
        person_id: Array,
        rows: Rows,
        *,
        crohns_share: float,
        as_of: date,
    ) -> None:
        self.world, self.g, self.rows, self.person_id = world, generator, rows, person_id
        self.n, self.as_of = len(person_id), as_of
        self._truth: dict[str, tuple[Array, Array, Array, Array]] = {}
        self.has_crohns = self.g.permutation(self.n) < round(crohns_share * self.n)
        self._draw_persons()
        self._draw_deaths()
        value, yes = self._draw_covariates()
        self._record_bmi(value["bmi"])
        recorded, charts = world.population["recorded"], self.charts
        for covariate, days in (("crp", 180), ("cdai", 90)):
            known = self.g.random(self.n) < recorded[covariate]
            window = np.full(self.n, days)
            recorded_value, source = charts.measure(covariate, known, value[covariate], window)
            self._set_truth(covariate, known, recorded_value, source)
        treated = np.where(self.has_crohns, 0.25, 0.02) > self.g.random(self.n)
        *self.lines, evidence = add_treatments(charts, yes["prior_anti_tnf"], treated)
        self._set_drug_truth("prior_anti_tnf", yes["prior_anti_tnf"], evidence)
        for covariate, days in (("steroid", 30), ("immunomodulator", 90)):
            evidence = add_courses(charts, covariate, yes[covariate], days)
            self._set_drug_truth(covariate, yes[covariate], evidence)
        add_other_drugs(charts)
        known = self.g.random(self.n) < recorded["ileal"]
        location = np.select([~known, yes["ileal"]], ["elsewhere", "ileal"], "colon")
        evidence = charts.diagnose(self.has_crohns, location)
        ileal = yes["ileal"].astype(float)
        self._set_truth("ileal", known, ileal, ("condition_occurrence", evidence))
        no_period = world.population["flaws"]["no_observation_period"]
        self.history_days = charts.visit(self.death, no_period)

    def _draw_persons(self) -> None:
        """Draw age, sex and date of birth; write person rows, some of them incomplete."""
        g, n, flaws = self.g, self.n, self.world.population["flaws"]
        table = self.world.population["age_sex"]
        count = np.array(table["female"] + table["male"])
        cell = g.choice(len(count), size=n, p=count / count.sum())
        group = cell % len(table["female"])
        self.male = cell >= len(table["female"])
        self.age = age = g.integers(
            np.array(table["first_age"])[group], np.array(table["last_age"])[group] + 1
        )
        longest = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
        month = g.integers(1, 13, n)
        day = g.integers(1, longest[month - 1] + 1)
        for shift in (0, 1):
            birthday = date.fromordinal(self.as_of.toordinal() + shift)
            chosen = g.random(n) < flaws["birthday_on_as_of"]
            month[chosen], day[chosen] = birthday.month, birthday.day
        no_month = g.random(n) < flaws["birth_month_missing"]
        no_day = g.random(n) < flaws["birth_day_missing"]
        # Date of birth that a run assumes for the recorded parts; it gives the age that was drawn.
        assumed_month = np.where(no_month, 6, month)
        assumed_day = np.where(no_month, 15, np.where(no_day, 1, day))
        born, today = assumed_month * 100 + assumed_day, self.as_of.month * 100 + self.as_of.day
        year = self.as_of.year - age - (born > today)
        self.born = days_since_1970(year, assumed_month, assumed_day)
        self.adult_since = days_since_1970(year + _ADULT_YEARS, assumed_month, assumed_day)

        no_person = g.random(n) < flaws["no_person_row"]
        no_year = g.random(n) < flaws["birth_year_missing"]
        no_sex = g.random(n) < flaws["sex_unknown"]
        self.is_dead = g.random(n) < flaws["dead"]
        self.outcome = np.select(
            [no_person | no_year, no_sex, self.is_dead, (age < _ADULT_YEARS) | (age > 99)],
            ["year_of_birth_unknown", "sex_unknown", "deceased", "age_out_of_range"],
            "scored",
        )
        here = np.flatnonzero(~no_person)
        is_complete = ~(no_year | no_month | no_day)
        members = self.world.vocabulary.members
        race = self.world.population["race"]
        columns = {
            "person_id": self.person_id,
            "gender_concept_id": np.where(
                no_sex, g.choice([0, 8551], n), np.where(self.male, 8507, 8532)
            ),
            "year_of_birth": np.where(no_year, NULL, year),
            "month_of_birth": np.where(no_month, g.choice([NULL, NULL, NULL, 0, 13], n), month),
            "day_of_birth": np.where(no_day, g.choice([NULL, NULL, NULL, 0, 99], n), day),
            "birth_datetime": np.where(is_complete, self.born * 86_400_000_000, NULL),
            "race_concept_id": g.choice(race["concept_id"], n, p=race["share"]),
            "ethnicity_concept_id": g.choice(members("ethnicity"), n),
            "care_site_id": _care_site_of(self.person_id, self.world.population["care_site"]),
        }
        self.rows.add("person", len(here), **{name: of[here] for name, of in columns.items()})
        everyone = np.full(n, True)
        self._set_truth("age", everyone, age.astype(float), ("person", self.person_id))
        self._set_truth("male", everyone, self.male.astype(float), ("person", self.person_id))

    def _draw_deaths(self) -> None:
        """Draw deaths and create the charts; the chart of a dead person ends with the death."""
        g, n = self.g, self.n
        today = self.as_of.toordinal() - EPOCH
        ago = np.where(g.random(n) < 0.05, 0, np.floor(g.exponential(500, n)).astype(np.int64))
        last = np.where(self.is_dead, np.maximum(today - ago, self.born), today)
        # A death after the as-of date does not exclude the person.
        dies_later = ~self.is_dead & (g.random(n) < self.world.population["flaws"]["dies_later"])
        self.death = np.select(
            [self.is_dead, dies_later], [last, today + g.integers(1, 90, n)], NULL
        )
        self.charts = Charts(
            self.world, g, self.rows, self.person_id, self.born, last=last, today=today
        )

    def _draw_covariates(self) -> tuple[dict[str, Array], dict[str, Array]]:
        """Draw quantities and yes/no covariates, correlated given age and sex.

        A Gaussian copula has the correlation of the trials, and the quantities have the trials'
        percentiles as margins. Sums are written out, because the result of a matrix product may
        depend on the number of threads.

        Returns
        -------
        tuple
            Values of cdai, bmi and crp; and the yes/no covariates as booleans; both by name.
        """
        g, population = self.g, self.world.population
        correlation = np.array(population["correlation"])
        known, rest = [_AGE, _MALE], [_CDAI, _BMI, _CRP, _PRIOR, _STEROID, _IMMUNO, _ILEAL]
        slope = np.linalg.solve(correlation[np.ix_(known, known)], correlation[np.ix_(known, rest)])
        left = correlation[np.ix_(rest, rest)] - correlation[np.ix_(rest, known)] @ slope
        root = np.linalg.cholesky(left)
        given = [(x - x.mean()) / max(x.std(), 1e-9) for x in (self.age, self.male)]
        noise = [g.standard_normal(self.n) for _ in rest]
        level = {}
        for j, covariate in enumerate(rest):
            z = sum(given[i] * slope[i, j] for i in range(2))
            z = z + sum(noise[i] * root[j, i] for i in range(len(rest)))
            level[COVARIATES[covariate]] = ndtr(z)
        margins = population["percentiles"]
        value = {
            q: np.interp(level[q], margins["level"], margins[q]) for q in ("cdai", "bmi", "crp")
        }
        value["crp"][g.random(self.n) < 0.01] = 0
        yes = {
            q: level[q]
            > 1 - np.where(self.has_crohns, share, population["shares_without_crohns"][q])
            for q, share in population["shares"].items()
        }
        return value, yes

    def _record_bmi(self, bmi: Array) -> None:
        """Write a BMI for some persons, and for others a weight and height to compute it from."""
        g, n, charts = self.g, self.n, self.charts
        share = self.world.population["recorded"]
        draw = g.random(n)
        recorded = draw < share["bmi"]
        computed = ~recorded & (draw < share["bmi"] + share["bmi_from_weight_and_height"])
        # The other persons lack the weight (0), the height (1) or both (2); or weight and height
        # are each plausible, but give a BMI of about 200 (3) or 6 (4), which is not.
        lack = np.where(recorded | computed, -1, g.integers(5, size=n))
        as_well = recorded & (g.random(n) < 0.6)
        height = np.clip(np.where(self.male, 176, 163) + 7 * g.standard_normal(n), 147, 203)
        weight = np.clip(bmi * (height / 100) ** 2, 27, 340)
        height = np.select([lack == 3, lack == 4], [125, 215], height)
        weight = np.select([lack == 3, lack == 4], [320, 27], weight)
        days_adult = charts.last - self.adult_since
        has_height = (computed | as_well | np.isin(lack, [0, 3, 4])) & (days_adult >= 0)
        has_weight = computed | as_well | np.isin(lack, [1, 3, 4])
        two_years = np.full(n, 730)
        kg, (_, weight_id) = charts.measure("body_weight", has_weight, weight, two_years)
        cm, _ = charts.measure("body_height", has_height, height, days_adult)
        value, (_, bmi_id) = charts.measure("bmi", recorded, bmi, two_years)
        self._set_truth(
            "bmi",
            recorded | computed,
            np.where(recorded, value, kg / (cm / 100) ** 2),
            ("measurement", np.where(recorded, bmi_id, weight_id)),
            status=np.where(recorded, "observed", "computed"),
        )

    def _set_truth(
        self,
        covariate: str,
        known: Array,
        value: Array,
        evidence: tuple[Array | str, Array],
        *,
        status: Array | str = "observed",
        otherwise: str = "imputed",
    ) -> None:
        """Keep the correct result of a covariate.

        Persons outside `known` get the constant for imputation and the status `otherwise`.
        """
        constant = self.world.population["imputed"].get(covariate, 0)
        self._truth[covariate] = (
            np.where(known, value, constant),
            np.where(known, status, otherwise),
            np.where(known, evidence[0], NOTHING),
            np.where(known, evidence[1], NULL),
        )

    def _set_drug_truth(self, covariate: str, yes: Array, row_id: Array) -> None:
        one = np.ones(self.n)
        self._set_truth(covariate, yes, one, ("drug_exposure", row_id), otherwise="absent")

    def truth(self) -> Any:
        """Return the correct results, one row per person of the cohort, as an Arrow table."""
        cohort = np.flatnonzero(self.has_crohns)
        unscored = self.outcome[cohort] != "scored"
        columns = {
            "person_id": pa.array(self.person_id[cohort]),
            "outcome": pa.array(self.outcome[cohort], type=pa.string()),
        }
        suffixes = {"": pa.float64(), "_status": pa.string(), "_source_table": pa.string(),
                    "_source_id": pa.int64()}  # fmt: skip
        for covariate in COVARIATES:
            for of, (suffix, kind) in zip(self._truth[covariate], suffixes.items(), strict=True):
                values = of[cohort]
                missing = unscored | (values == NULL) if kind == pa.int64() else unscored
                columns[covariate + suffix] = pa.array(values, type=kind, mask=missing)
        return pa.table(columns)

    def truth_lines(self) -> Any:
        """Return the treatment lines of the cohort, as an Arrow table."""
        who, drug, start = self.lines
        drugs = self.world.biologics
        kept = np.flatnonzero(self.has_crohns[who])
        order = kept[np.lexsort((drug[kept], start[kept], who[kept]))]
        who, drug, start = who[order], drug[order], start[order]
        position = np.arange(len(who))
        is_first = np.diff(who, prepend=-1) != 0
        first = np.maximum.accumulate(np.where(is_first, position, 0))
        return pa.table(
            {
                "person_id": pa.array(self.person_id[who]),
                "line_number": pa.array(position - first + 1),
                "drug": pa.array(drugs["name"][drug], type=pa.string()),
                "drug_class": pa.array(drugs["drug_class"][drug], type=pa.string()),
                "start_date": pa.array(start.astype(np.int32)).view(pa.date32()),
            }
        )
