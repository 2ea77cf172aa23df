"""R functions on drawn patients: python -m tests.benchmarks.published_r N SIMULATIONS.

`predict` of lme4 and `predictInterval` of merTools, as installed packages offer them. The trials'
own data are not public, so the model is fitted to trials of the same size that are made up.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

from omop_scorer.model.load import load_model
from tests.benchmarks.patients import draw

_SCRIPT = Path(__file__).with_name("predict_interval.R")


def main(n: int, simulations: int) -> None:
    names = load_model("crohns_srs_2025").arrays.covariates
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "patients.csv")
        pd.DataFrame(draw(n, names), columns=list(names)).to_csv(file, index=False)
        done = subprocess.run(
            ["Rscript", str(_SCRIPT), str(file), str(simulations)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    print(done.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
