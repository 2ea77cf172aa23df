"""Made-up trial data of the size of the published ones, in a file, and the commands on it."""

import sys
from pathlib import Path


def trial_command(command: str, n: int, refits: int, out: Path) -> list[str]:
    """Return a command of `omop-scorer trials` on a file of n participants, made up if need be."""
    folder = out / "trials"
    data = folder / f"{n}.csv"
    if not data.exists():
        # The process that starts others imports nothing heavy.
        from tests.support.trial_data import Plan, make_up

        folder.mkdir(parents=True, exist_ok=True)
        make_up(1, Plan(n=n, n_trials=15)).write(data)
    written = {"fit": ["-o", str(folder / "card.yaml")], "validate": ["--csv", str(folder)]}
    options = ["--refits", str(refits), "--json", str(folder / f"{command}.json")]
    program = str(Path(sys.executable).with_name("omop-scorer"))
    return [program, "trials", command, str(data), *written[command], *options]
