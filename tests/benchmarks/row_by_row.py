"""The row-by-row way on drawn patients: python -m tests.benchmarks.row_by_row N.

What it gives is then compared with what the kernel gives; only the loop is timed.
"""

import sys

import numpy as np

from omop_scorer.model import kernel
from omop_scorer.model.load import load_model
from tests.benchmarks.measuring import clock, tell
from tests.benchmarks.patients import draw
from tests.benchmarks.published_formulas import Calculator


def main(n: int) -> None:
    model = load_model("crohns_srs_2025")
    values = draw(n, model.arrays.covariates)
    rows = [dict(zip(model.arrays.covariates, row, strict=True)) for row in values.tolist()]
    calculator = Calculator(model)
    start = clock()
    answers = [calculator.patient(row) for row in rows]
    seconds, cpu_seconds = (now - then for now, then in zip(clock(), start, strict=True))

    scores = kernel.score(values, model.arrays)
    n_other = sum(
        answer.label != label for answer, label in zip(answers, scores.subgroups(), strict=True)
    )
    furthest = 0.0
    for name in ("attributable_effect", "standard_error", "response_probability"):
        ours = getattr(scores, name)
        theirs = np.array([[getattr(e, name) for e in answer.effects] for answer in answers])
        furthest = max(furthest, float(np.max(np.abs(ours - theirs) / np.maximum(1, abs(theirs)))))
    if n_other or furthest > 1e-9:
        sys.exit(f"{n_other} of {n} labels differ from the kernel's, numbers by up to {furthest}")
    note = f"labels equal, numbers within {furthest:.0e} of the kernel's"
    tell(start, seconds=seconds, cpu_seconds=cpu_seconds, note=note)


if __name__ == "__main__":
    main(int(sys.argv[1]))
