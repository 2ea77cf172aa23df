"""A made-up OMOP CDM with known truth.

The truth is drawn first: who is in the cohort, who is scored, nine covariates with their status,
the history of treatments. Then rows are written that express it, and then dirt that by the rules
of a run must not change it. Nothing here reads the rows back, so a run that recovers the truth
has found it by itself.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.special import ndtr

from omop_scorer.errors import ConfigurationError
from omop_scorer.synthetic_records import EPOCH, Charts
from omop_scorer.synthetic_tables import (
    CDM_VERSIONS,
    NOTHING,
    NULL,
    Array,
    CdmWriter,
    DuckDBWriter,
    ParquetWriter,
    Rows,
    TruthFile,
    table_columns,
)
from omop_scorer.synthetic_vocabulary import World

COVARIATES = (
    *("cdai", "age", "bmi", "crp"),
    *("prior_anti_tnf", "male", "steroid", "immunomodulator", "ileal"),
)
_CDAI, _AGE, _BMI, _CRP, _PRIOR, _MALE, _STEROID, _IMMUNO, _ILEAL = range(9)
_BATCH = 50_000
_ADULT_YEARS = 18


@dataclass(frozen=True)
class Summary:
    """What was written: where, how many persons, and how many rows in each table."""

    cdm: Path
    truth: Path
    truth_lines: Path
    n_persons: int
    n_cohort: int
    n_scored: int
    n_rows: Mapping[str, int]


def write(
    path: Path,
    persons: int,
    seed: int,
    *,
    as_of: date = date(2026, 1, 1),
    crohns_share: float = 0.3,
    cdm_version: str = "5.4",
    progress: Callable[[int, int], None] | None = None,
    overwrite: bool = False,
) -> Summary:
    """Write a made-up CDM and, beside it, the truth that a run as of `as_of` must recover.

    Parameters
    ----------
    path
        A name that ends in `.duckdb` becomes a DuckDB file with the CDM in its schema `cdm`, any
        other name a folder of Parquet files. Beside it, named after it without `.duckdb`:
        `.truth.parquet`, one row per person of the cohort with the outcome ('scored' or the
        attrition's reason) and for each covariate its value, `_status`, `_source_table` and
        `_source_id`, empty for those not scored; and `.truth_lines.parquet`, the treatment lines.
    persons
        How many persons, 1 or more.
    seed
        Which of the many populations; equal seeds give equal tables.
    as_of
        The date whose truth is told, 2000-01-01 or later; some rows are dated after it.
    crohns_share
        Share of the persons that have Crohn's disease by the default cohort definition.
    cdm_version
        '5.3' or '5.4'.
    progress
        Called with the persons done and the persons in all.
    overwrite
        Replace what an earlier call wrote there.

    Raises
    ------
    ConfigurationError
        An argument is not possible, or something stands at a path and `overwrite` is not set.
    """
    base = path.with_suffix("") if path.suffix == ".duckdb" else path
    truth = base.with_name(f"{base.name}.truth.parquet")
    lines = base.with_name(f"{base.name}.truth_lines.parquet")
    problems = [
        text
        for is_wrong, text in (
            (persons < 1, f"persons is {persons}; it must be 1 or more"),
            (seed < 0, f"seed is {seed}; it must be 0 or more"),
            (not 0 <= crohns_share <= 1, f"crohns_share is {crohns_share}; it must be 0 to 1"),
            (as_of < date(2000, 1, 1), f"as_of is {as_of}; it must be 2000-01-01 or later"),
            (
                cdm_version not in CDM_VERSIONS,
                f"cdm_version is {cdm_version!r}; it must be one of {', '.join(CDM_VERSIONS)}",
            ),
            *((p.exists() and not overwrite, f"{p} exists; choose another path or say overwrite")
              for p in (path, truth, lines)),
        )
        if is_wrong
    ]  # fmt: skip
    if overwrite and path.exists() and path.is_dir() != (path.suffix != ".duckdb"):
        problems.append(f"{path} exists and is no made-up CDM; choose another path")
    if problems:
        raise ConfigurationError(*problems)

    columns = table_columns(cdm_version)
    world = World.read()
    n_rows: dict[str, int] = defaultdict(int)
    n_cohort = n_scored = 0
    next_id: dict[str, int] = defaultdict(lambda: 1)
    writer: CdmWriter = (
        DuckDBWriter(path, columns) if path.suffix == ".duckdb" else ParquetWriter(path, columns)
    )
    with ExitStack() as stack:
        stack.enter_context(writer)
        truth_file = stack.enter_context(TruthFile(truth))
        lines_file = stack.enter_context(TruthFile(lines))
        for table, rows in world.vocabulary.tables(columns, cdm_version, as_of).items():
            writer.append(table, rows)
            n_rows[table] += rows.num_rows
        for number, first in enumerate(range(0, persons, _BATCH)):
            person_id = first + 1 + np.arange(min(_BATCH, persons - first))
            generator = np.random.default_rng([seed, number])
            batch = _Batch(
                world, generator, person_id, Rows(next_id), crohns_share=crohns_share, as_of=as_of
            )
            flaws = world.population["flaws"]
            for table, rows in batch.rows.tables(columns, batch.g, flaws["exact_duplicate_row"]):
                writer.append(table, rows)
                n_rows[table] += rows.num_rows
            truth_file.append(batch.truth())
            lines_file.append(batch.truth_lines())
            n_cohort += int(batch.has_crohns.sum())
            n_scored += int((batch.has_crohns & (batch.outcome == "scored")).sum())
            if progress:
                progress(min(first + _BATCH, persons), persons)
    return Summary(path, truth, lines, persons, n_cohort, n_scored, dict(n_rows))


class _Batch:
    """Some made-up persons, their truth and their rows."""

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
        self._be_born()
        self._die()
        value, yes = self._draw()
        self._weigh(value["bmi"])
        recorded, charts = world.population["recorded"], self.charts
        for covariate, days in (("crp", 180), ("cdai", 90)):
            known = self.g.random(self.n) < recorded[covariate]
            window = np.full(self.n, days)
            told = charts.measure(covariate, known, value[covariate], window)
            self._tell(covariate, known, *told)
        treated = np.where(self.has_crohns, 0.25, 0.02) > self.g.random(self.n)
        *self.lines, evidence = charts.treat(yes["prior_anti_tnf"], treated)
        self._tell_yes("prior_anti_tnf", yes["prior_anti_tnf"], evidence)
        for covariate, days in (("steroid", 30), ("immunomodulator", 90)):
            evidence = charts.take(covariate, yes[covariate], days)
            self._tell_yes(covariate, yes[covariate], evidence)
        known = self.g.random(self.n) < recorded["ileal"]
        location = np.select([~known, yes["ileal"]], ["elsewhere", "ileal"], "colon")
        evidence = charts.diagnose(self.has_crohns, location)
        ileal = yes["ileal"].astype(float)
        self._tell("ileal", known, ileal, ("condition_occurrence", evidence))
        charts.visit(self.death, world.population["flaws"]["no_observation_period"])

    def _be_born(self) -> None:
        """Draw age, sex and birthday, and the person rows, some with parts missing."""
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
        # The date of birth that the recorded parts stand for: with it the age is as drawn.
        stands_month = np.where(no_month, 6, month)
        stands_day = np.where(no_month, 15, np.where(no_day, 1, day))
        is_to_come = stands_month * 100 + stands_day > self.as_of.month * 100 + self.as_of.day
        year = self.as_of.year - age - is_to_come
        self.born = _days(year, stands_month, stands_day)
        self.adult_since = _days(year + _ADULT_YEARS, stands_month, stands_day)

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
        columns = {
            "person_id": self.person_id,
            "gender_concept_id": np.where(
                no_sex, g.choice([0, 8551], n), np.where(self.male, 8507, 8532)
            ),
            "year_of_birth": np.where(no_year, NULL, year),
            "month_of_birth": np.where(no_month, g.choice([NULL, NULL, NULL, 0, 13], n), month),
            "day_of_birth": np.where(no_day, g.choice([NULL, NULL, NULL, 0, 99], n), day),
            "birth_datetime": np.where(is_complete, self.born * 86_400_000_000, NULL),
            "race_concept_id": g.choice(members("race", "race_unknown"), n),
            "ethnicity_concept_id": g.choice(members("ethnicity"), n),
        }
        self.rows.add("person", len(here), **{name: of[here] for name, of in columns.items()})
        everyone = np.full(n, True)
        self._tell("age", everyone, age.astype(float), ("person", self.person_id))
        self._tell("male", everyone, self.male.astype(float), ("person", self.person_id))

    def _die(self) -> None:
        """Draw deaths; the charts of the dead end on their last day, in time or long ago."""
        g, n = self.g, self.n
        today = self.as_of.toordinal() - EPOCH
        ago = np.where(g.random(n) < 0.05, 0, np.floor(g.exponential(500, n)).astype(np.int64))
        last = np.where(self.is_dead, np.maximum(today - ago, self.born), today)
        # A death after the as-of date leaves the patient in.
        dies_later = ~self.is_dead & (g.random(n) < self.world.population["flaws"]["dies_later"])
        self.death = np.select(
            [self.is_dead, dies_later], [last, today + g.integers(1, 90, n)], NULL
        )
        self.charts = Charts(
            self.world, g, self.rows, self.person_id, self.born, last=last, today=today
        )

    def _draw(self) -> tuple[dict[str, Array], dict[str, Array]]:
        """Draw the quantities and the yes/no covariates, correlated given age and sex.

        A Gaussian copula with the trials' correlation; the quantities' margins are the trials'
        percentiles. Sums are written out, because a matrix product may depend on the threads.
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

    def _weigh(self, bmi: Array) -> None:
        """Give some a recorded BMI, some a weight and a height to compute it from."""
        g, n, charts = self.g, self.n, self.charts
        share = self.world.population["recorded"]
        draw = g.random(n)
        recorded = draw < share["bmi"]
        computed = ~recorded & (draw < share["bmi"] + share["bmi_from_weight_and_height"])
        # Who has neither lacks the weight (0), the height (1), both (2) or sense in the two (3).
        lack = np.where(recorded | computed, -1, g.integers(4, size=n))
        as_well = recorded & (g.random(n) < 0.6)
        height = np.clip(np.where(self.male, 176, 163) + 7 * g.standard_normal(n), 147, 203)
        weight = np.clip(bmi * (height / 100) ** 2, 27, 340)
        height, weight = np.where(lack == 3, 125, height), np.where(lack == 3, 320, weight)
        days_adult = charts.last - self.adult_since
        has_height = (computed | as_well | np.isin(lack, [0, 3])) & (days_adult >= 0)
        has_weight = computed | as_well | np.isin(lack, [1, 3])
        two_years = np.full(n, 730)
        kg, (_, weight_id) = charts.measure("body_weight", has_weight, weight, two_years)
        cm, _ = charts.measure("body_height", has_height, height, days_adult)
        value, (_, bmi_id) = charts.measure("bmi", recorded, bmi, two_years)
        self._tell(
            "bmi",
            recorded | computed,
            np.where(recorded, value, kg / (cm / 100) ** 2),
            ("measurement", np.where(recorded, bmi_id, weight_id)),
            status=np.where(recorded, "observed", "computed"),
        )

    def _tell(
        self,
        covariate: str,
        known: Array,
        value: Array,
        evidence: tuple[Array | str, Array],
        *,
        status: Array | str = "observed",
        otherwise: str = "imputed",
    ) -> None:
        """Keep the truth of a covariate; who is not known is imputed, or has it not."""
        constant = self.world.population["imputed"].get(covariate, 0)
        self._truth[covariate] = (
            np.where(known, value, constant),
            np.where(known, status, otherwise),
            np.where(known, evidence[0], NOTHING),
            np.where(known, evidence[1], NULL),
        )

    def _tell_yes(self, covariate: str, yes: Array, row_id: Array) -> None:
        one = np.ones(self.n)
        self._tell(covariate, yes, one, ("drug_exposure", row_id), otherwise="absent")

    def truth(self) -> Any:
        """Return one row per person of the cohort, as an Arrow table."""
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
                told = of[cohort]
                missing = unscored | (told == NULL) if kind == pa.int64() else unscored
                columns[covariate + suffix] = pa.array(told, type=kind, mask=missing)
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


def _days(year: Array, month: Array, day: Array) -> Array:
    """Return dates as days since 1970-01-01; a 29 February of a common year is 1 March."""
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    return months.astype("datetime64[D]").astype(np.int64) + day - 1
