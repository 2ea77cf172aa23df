"""The figures of a validation as tables of a CSV file each. No row is a person."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from omop_scorer.trials.calibration import FEWEST
from omop_scorer.trials.validation import Validation

FOLD_COLUMNS = (
    *("way", "uncertainty", "fold", "n_held_out", "n_no_preference", "n_women_50_and_over"),
    *("n_il_best", "n_il_best_women_50_and_over", "failed"),
)
CALIBRATION_COLUMNS = (
    *("way", "arm", "fifth", "n", "predicted", "observed", "observed_standard_error"),
    *("arm_n", "arm_rmse", "arm_bias"),
)
TRIAL_COLUMNS = ("arm", "trial", "n", "observed", "predicted", "standard_error", "failed")


def csv_texts(found: Validation, path: Path) -> dict[Path, str]:
    """Return the texts of the CSV files: folds, calibration, and trials left out.

    Parameters
    ----------
    found
        The validation.
    path
        A folder, or a file `NAME.csv` for the folds; the others are then `NAME_calibration.csv`
        and `NAME_leave_one_trial_out.csv`.
    """
    folds, calibration, trials = csv_paths(path)
    return {
        folds: _text(FOLD_COLUMNS, _folds(found)),
        calibration: _text(CALIBRATION_COLUMNS, _calibration(found)),
        trials: _text(TRIAL_COLUMNS, _trials(found)),
    }


def csv_paths(path: Path) -> tuple[Path, Path, Path]:
    """Return the paths of the files that `csv_texts` gives."""
    names = ("folds", "calibration", "leave_one_trial_out")
    if path.suffix.lower() != ".csv":
        first, second, third = (path / f"{name}.csv" for name in names)
        return first, second, third
    second, third = (path.with_name(f"{path.stem}_{name}.csv") for name in names[1:])
    return path, second, third


def _folds(found: Validation) -> Iterable[Sequence[object]]:
    no_preference = found.names.labels[-1]
    for way, validated in found.ways.items():
        for how in validated.labels:
            for each in found.folds_of(way, how):
                is_known = each.failure is None
                yield (
                    *(way, how, each.fold, each.n_held_out),
                    each.subgroup_counts.get(no_preference, 0) if is_known else None,
                    *(each.n_women_50_and_over, each.n_il_best, each.n_il_best_women_50_and_over),
                    each.failure,
                )


def _calibration(found: Validation) -> Iterable[Sequence[object]]:
    for way in found.ways:
        for arm, each in found.calibrations(way).items():
            whole = (each.n, each.rmse, each.bias)
            for place, group in enumerate(each.groups, start=1):
                figures = (group.predicted, group.observed, group.observed_standard_error)
                yield (way, arm, place, group.n, *figures, *whole)


def _trials(found: Validation) -> Iterable[Sequence[object]]:
    for arm, trials in found.trials.items():
        for each in trials:
            n = each.n if each.n >= FEWEST else None
            figures = (each.observed, each.predicted, each.standard_error)
            yield (arm, each.trial, n, *figures, each.failure)


def _text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()
