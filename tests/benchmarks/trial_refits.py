"""Bootstrap refits of one model: python -m tests.benchmarks.trial_refits WAY N SCALED_TO.

The model has the size of the published placebo model. `ours` draws sufficient statistics, in one
thread; `statsmodels` and `bootmer` simulate outcomes and refit them one by one, as offered. Seconds
are scaled to a number of refits, because the others are too slow to do as many.
"""

import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from omop_scorer.trials.bootstrap import bootstrap
from omop_scorer.trials.mixed_model import MixedFit
from omop_scorer.trials.srs import Design, design_of, fit_models
from tests.benchmarks.measuring import clock, tell
from tests.support.trial_data import Plan, make_up

_SCRIPT = Path(__file__).with_name("boot_mer.R")
_PARTICIPANTS, _TRIALS = 4 * 1818, 9


def main(way: str, n: int, scaled_to: int) -> None:
    participants = (data := make_up(1, Plan(n=_PARTICIPANTS, n_trials=_TRIALS))).participants()
    rows = participants.arm == 0
    whole = design_of(participants, data.centres)
    design = Design(whole.terms, whole.values[rows])
    trial, fit = participants.trial[rows], fit_models(participants, data.centres).placebo
    if way == "bootmer":
        _bootmer(design, participants.outcome[rows], trial, n, scaled_to)
        return
    start = clock()
    if way == "ours":
        bootstrap(fit, refits=n)
    else:
        _statsmodels(fit, design, trial, n)
    seconds, cpu_seconds = (now - then for now, then in zip(clock(), start, strict=True))
    scale = scaled_to / n
    note = f"{n:,} refits, {n / cpu_seconds:,.0f} per second of CPU"
    tell(start, seconds=seconds * scale, cpu_seconds=cpu_seconds * scale, note=note)


def _statsmodels(fit: MixedFit, design: Design, trial: np.ndarray, n: int) -> None:
    from statsmodels.regression.mixed_linear_model import MixedLM

    random = np.random.default_rng(1)
    mean = design.predict(fit) + np.array(list(fit.trial_effects.values()))[trial]
    for _ in range(n):
        noise = random.normal(0.0, np.sqrt(fit.residual_variance), len(mean))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            MixedLM(mean + noise, design.values, trial).fit(reml=True)


def _bootmer(
    design: Design, outcome: np.ndarray, trial: np.ndarray, n: int, scaled_to: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "trials.csv")
        rows = pd.DataFrame(design.values[:, 1:], columns=list(design.terms[1:]))
        rows.assign(trial=trial, y=outcome).to_csv(file, index=False)
        done = subprocess.run(
            ["Rscript", str(_SCRIPT), str(file), str(n), str(scaled_to)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    print(done.stdout)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
