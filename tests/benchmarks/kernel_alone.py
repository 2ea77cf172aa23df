"""The kernel without any database: python -m tests.benchmarks.kernel_alone N UNCERTAINTY.

Patients come in batches as in a run, each drawn once before the clock starts: only the scoring is
timed. Few patients are scored again and again until a tenth of a second has passed.
"""

import sys
from typing import cast

from omop_scorer.model import kernel
from omop_scorer.model.load import load_model
from tests.benchmarks.measuring import clock, tell
from tests.benchmarks.patients import draw

BATCH = 100_000
_LEAST_SECONDS = 0.1


def main(n: int, uncertainty: kernel.Uncertainty) -> None:
    model = load_model("crohns_srs_2025").arrays
    batch = draw(min(n, BATCH), model.covariates)
    kernel.score(batch[:1000], model, uncertainty)  # what is imported or allocated once
    start, n_scored = clock(), 0
    while n_scored < n or clock()[0] - start[0] < _LEAST_SECONDS:
        size = min(BATCH, n - n_scored % n)
        kernel.score(batch[:size], model, uncertainty)
        n_scored += size
    seconds, cpu_seconds = (now - then for now, then in zip(clock(), start, strict=True))
    share = n / n_scored
    tell(start, seconds=seconds * share, cpu_seconds=cpu_seconds * share)


if __name__ == "__main__":
    main(int(sys.argv[1]), cast("kernel.Uncertainty", sys.argv[2]))
