"""Made-up trial data with planted effects: any number of trials, drug classes and covariates.

The outcome of a participant is the placebo model's linear predictor, the effect of the
participant's class, an effect of the trial and noise. Everything depends on the seed alone.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from omop_scorer.trials.participants import PLACEBO, Participants


@dataclass(frozen=True)
class Made:
    """A covariate: continuous with a mean, deviation and centre, or yes/no with a share of yes."""

    mean: float
    deviation: float | None = None
    centre: float = 0.0
    column: str | None = None


#: The covariates of Crohn's disease, with the centres of the shipped card.
CROHNS: dict[str, Made] = {
    "cdai": Made(306, 60, 300),
    "age": Made(38, 12, 35),
    "bmi": Made(24, 5, 20),
    "crp": Made(19, 15, 10),
    "prior_anti_tnf": Made(0.44),
    "male": Made(0.46, column="sex"),
    "steroid": Made(0.44),
    "immunomodulator": Made(0.34),
    "ileal": Made(0.74),
}

CLASSES = ("anti_tnf", "anti_il12_23", "anti_integrin")


@dataclass(frozen=True)
class Plan:
    """What is planted. Coefficients are of centred covariates; those not named are 0."""

    n: int = 600
    n_trials: int = 6
    classes: tuple[str, ...] = CLASSES
    covariates: Mapping[str, Made] = field(default_factory=lambda: CROHNS)
    placebo: Mapping[str, float] = field(default_factory=lambda: {"intercept": 70.0, "cdai": 0.3})
    effects: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By class and term."""
    year: float | None = -2.0
    """Coefficient of the calendar year, centred at 2000; None: the data have no year."""
    trial_deviation: float = 6.0
    residual_deviation: float = 90.0


@dataclass(frozen=True, eq=False)
class MadeUp:
    """Made-up participants, and the truth behind them."""

    plan: Plan
    trial: list[str]
    arm: list[str]
    year: np.ndarray
    values: np.ndarray
    """(n, k): not centred."""
    outcome: np.ndarray

    def participants(self) -> Participants:
        """Return the participants as the analyses take them."""
        trials = sorted(set(self.trial))
        arms = (PLACEBO, *self.plan.classes)
        return Participants(
            row=np.arange(len(self.arm)),
            trials=tuple(trials),
            trial=np.array([trials.index(each) for each in self.trial]),
            arms=arms,
            arm=np.array([arms.index(each) for each in self.arm]),
            year=self.year if self.plan.year is not None else np.full(len(self.arm), np.nan),
            covariates=tuple(self.plan.covariates),
            values=self.values,
            outcome=self.outcome,
        )

    @property
    def centres(self) -> dict[str, float]:
        """What the models take away from each covariate, and from the year if there is one."""
        years = {} if self.plan.year is None else {"year": 2000.0}
        return years | {name: made.centre for name, made in self.plan.covariates.items()}

    def rows(self) -> list[dict[str, str]]:
        """Return the rows of a file of the plain layout, with the outcome itself."""
        found = []
        for i, (trial, arm) in enumerate(zip(self.trial, self.arm, strict=True)):
            row = {"participant_id": f"P{i:06d}", "trial": trial, "arm": arm}
            if self.plan.year is not None:
                row["year"] = f"{self.year[i]:.0f}"
            for (name, made), value in zip(
                self.plan.covariates.items(), self.values[i], strict=True
            ):
                column = made.column or name
                row[column] = _written(value, made, column)
            found.append(row | {"outcome": repr(float(self.outcome[i]))})
        return found

    def write(self, path: Path) -> Path:
        """Write the rows as a CSV file of the plain layout."""
        return write_csv(path, self.rows())


def _written(value: float, made: Made, column: str) -> str:
    if made.deviation is not None:
        return repr(float(value))
    words = ("female", "male") if column == "sex" else ("no", "yes")
    return words[int(value)]


def write_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows with the columns of the first one."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def make_up(seed: int = 1, plan: Plan | None = None) -> MadeUp:
    """Make up participants; every trial has every arm where there are enough participants."""
    plan = plan or Plan()
    random = np.random.default_rng(seed)
    arms = (PLACEBO, *plan.classes)
    trial = np.arange(plan.n) % plan.n_trials
    arm = np.arange(plan.n) // plan.n_trials % len(arms)
    trial_year = 1999 + random.integers(0, 17, plan.n_trials)
    trial_effect = random.normal(0, plan.trial_deviation, plan.n_trials)
    columns, centred = [], {"intercept": np.ones(plan.n)}
    for name, made in plan.covariates.items():
        if made.deviation is None:
            column = (random.random(plan.n) < made.mean).astype(float)
        else:
            column = np.abs(random.normal(made.mean, made.deviation, plan.n)).round(1)
        columns.append(column)
        centred[name] = column - made.centre
    year = trial_year[trial].astype(float)
    outcome = sum(coefficient * centred[term] for term, coefficient in plan.placebo.items())
    outcome = outcome + (plan.year or 0.0) * (year - 2000) + trial_effect[trial]
    for place, key in enumerate(arms):
        effect = sum(c * centred[term] for term, c in plan.effects.get(key, {}).items())
        outcome = outcome + np.where(arm == place, effect, 0.0)
    outcome = outcome + random.normal(0, plan.residual_deviation, plan.n)
    return MadeUp(
        plan,
        [f"TRIAL{chr(ord('A') + each)}" for each in trial],
        [arms[each] for each in arm],
        year,
        np.column_stack(columns),
        outcome,
    )


def template(plan: Plan, name: str = "made_up", activity: str | None = None) -> dict[str, Any]:
    """Return the document of a template for a plan: a card whose numbers are left out."""
    covariates = []
    for each, made in plan.covariates.items():
        is_yes_no = made.deviation is None
        document = {
            "name": each,
            "title": each.title(),
            "unit": "yes/no" if is_yes_no else "points",
            "kind": "yes_no" if is_yes_no else "continuous",
            "centre": made.centre,
            "imputed_value": 0 if is_yes_no else made.centre,
        }
        if made.column == "sex":
            document |= {"column": "sex", "coding": {"male": 1, "m": 1, "female": 0, "f": 0}}
        covariates.append(document)
    years = {} if plan.year is None else {"year": {"value": 2006, "centre": 2000}}
    return {
        "id": name,
        "title": "Models of a made-up disease",
        "sources": [{"citation": "Nobody, 2026", "gives": "made-up trial data"}],
        "credit": "Made up by nobody.",
        "outcome": {"title": "Reduction", "unit": "points"},
        "response_threshold": 100,
        "alpha": 0.05,
        "limits": {"line": "Made up.", "text": "Made-up data of a made-up disease."},
        "covariates": covariates,
        **({} if activity is None else {"activity_covariate": activity}),
        "placebo": {"fixed_terms": years},
        "classes": [
            {"key": key, "label": key.upper(), "title": key.title(), "drugs": [f"drug of {key}"]}
            for key in plan.classes
        ],
    }


def write_template(path: Path, plan: Plan, activity: str | None = None) -> Path:
    """Write the template of a plan."""
    document = template(plan, path.stem, activity)
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path
