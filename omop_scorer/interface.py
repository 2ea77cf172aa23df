"""Functions for Python code: score patients, run the night, load a model card.

They do what the commands do, with the same answers and the texts of the same errors. They print
nothing, log nothing and set nothing in the process. `omop_scorer` offers them by name; a package
is imported when the first function that needs it is called.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omop_scorer.errors import ConfigurationError, ResultsError, as_the_program_says
from omop_scorer.terms import UNCERTAINTIES, Uncertainty

if TYPE_CHECKING:
    from pandas import DataFrame

    from omop_scorer.model.load import Model
    from omop_scorer.scoring.patient import Given, PatientScore


@dataclass(frozen=True)
class RunResult:
    """A finished run."""

    run_id: int
    as_of: date
    """No later record was read."""
    n_cohort: int
    """Persons with the disease."""
    n_scored: int
    """Persons of the cohort who were scored."""
    results_url: str
    """Location of the results, without password."""
    results_schema: str
    warnings: tuple[str, ...]
    """What the run warned of, and first of all if readers still see another run."""


@as_the_program_says
def load_model(name_or_path: "str | Path") -> "Model":
    """Load a model card, to score many times without reading its file again.

    Parameters
    ----------
    name_or_path
        Name of a shipped card, such as `crohns_srs_2025`, or the path of a card.

    Raises
    ------
    omop_scorer.errors.ConfigurationError
        The card does not exist or is not valid; every fault is listed.
    """
    from omop_scorer.model import load  # noqa: PLC0415

    return load.load_model(name_or_path)


@as_the_program_says
def score_patient(
    *,
    uncertainty: Uncertainty = "bootstrap",
    model: "str | Path | Model" = "crohns_srs_2025",
    exclude_classes: Collection[str] = (),
    **covariates: "Given",
) -> "PatientScore":
    """Score one patient, as `omop-scorer score --age 55 --sex female ...` does.

    Parameters
    ----------
    uncertainty
        `bootstrap`: subgroups of the paper; `analytic`: those of the web calculator.
    model
        Name of a shipped model card, path of a card, or a model of `load_model`.
    exclude_classes
        Keys of the drug classes to exclude from the ranking.
    covariates
        Value by column of the card. For the shipped card: `age` (completed years), `sex` (`male` or
        `female`), `bmi` (kg/m2), `crp` (mg/L), `cdai` (points); `prior_anti_tnf`, `steroid`,
        `immunomodulator` and `ileal` (True or False, or `yes` or `no`). A value that is not given,
        None, NaN or blank is missing.

    Returns
    -------
    PatientScore
        Effects and standard errors are in the unit of the outcome (points of the CDAI),
        probabilities from 0 to 1. `imputed` names the covariates that were missing.

    Raises
    ------
    omop_scorer.errors.ScoringError
        A covariate is unknown, unreadable, missing although it is never imputed, or outside the
        range of the published calculator, which is narrower than that of `score_frame`.
    omop_scorer.errors.ConfigurationError
        The card or another argument is not valid.
    """
    from omop_scorer.scoring import patient  # noqa: PLC0415

    card, excluded = _checked(model, uncertainty, exclude_classes)
    return patient.score_patient(covariates, card, uncertainty, excluded)


@as_the_program_says
def score_frame(
    frame: "DataFrame",
    *,
    uncertainty: Uncertainty = "bootstrap",
    model: "str | Path | Model" = "crohns_srs_2025",
    exclude_classes: Collection[str] = (),
    strict: bool = False,
) -> "DataFrame":
    """Score a pandas DataFrame of n patients, as `omop-scorer score INPUT OUTPUT` does a CSV file.

    Parameters
    ----------
    frame
        One row per patient. It has the columns of the card in any order and letter case; units and
        words are those of `score_patient`. None, NaN, NA and a blank text are missing. Other
        columns are kept. The frame is not changed.
    uncertainty, model, exclude_classes
        As for `score_patient`.
    strict
        Refuse a frame with a number out of range, as `--strict` does. Otherwise `out_of_range` of
        such a row names the columns, and it has no scores.

    Returns
    -------
    pandas.DataFrame
        n rows with the index and the columns of the frame, then the columns that the command adds:
        float64 for numbers, with NaN where there is none; Int64 for `n_imputed`; boolean and string
        for the others, with NA (`within_trial_range` is NA if disease activity is unknown).

    Raises
    ------
    omop_scorer.errors.ScoringError
        A column is missing, or rows are invalid. The message names rows by their number, from 0 on,
        and contains no value.
    omop_scorer.errors.ConfigurationError
        The card or another argument is not valid.
    """
    from omop_scorer.scoring import data_frame  # noqa: PLC0415

    card, excluded = _checked(model, uncertainty, exclude_classes)
    return data_frame.score_frame(frame, card, uncertainty, excluded, strict=strict)


def _checked(
    model: "str | Path | Model", uncertainty: str, exclude_classes: Collection[str]
) -> "tuple[Model, frozenset[str]]":
    """Return the model and the keys of the excluded classes.

    Raises
    ------
    ConfigurationError
        An argument is not valid.
    """
    from omop_scorer.documents import shown  # noqa: PLC0415
    from omop_scorer.model.load import Model, load_model  # noqa: PLC0415

    if uncertainty not in UNCERTAINTIES:
        raise ConfigurationError(
            f"uncertainty: found {shown(uncertainty)}; allowed: {', '.join(UNCERTAINTIES)}"
        )
    if not isinstance(model, (Model, str, Path)):
        raise ConfigurationError(
            f"model: found {shown(model)}; allowed: a name, a path, or a model of load_model"
        )
    card = model if isinstance(model, Model) else load_model(model)
    keys = [drug_class.key for drug_class in card.card.classes]
    given = [exclude_classes] if isinstance(exclude_classes, str) else exclude_classes
    try:
        excluded = frozenset(map(str, given))
    except TypeError:
        raise ConfigurationError(
            f"exclude_classes: found {shown(exclude_classes)}; it should be a list of "
            f"{', '.join(keys)}"
        ) from None
    if unknown := sorted(excluded - set(keys)):
        raise ConfigurationError(
            f"exclude_classes: no drug class {', '.join(unknown)} in this model; "
            f"allowed: {', '.join(keys)}"
        )
    return card, excluded


@as_the_program_says
def run(
    config: str | Path,
    as_of: date | str | None = None,
    *,
    allow_future: bool = False,
    **overrides: Any,
) -> RunResult:
    """Score every patient of a CDM and publish the results, as `omop-scorer run` does.

    Readers of the results see the whole run once it is COMPLETE, and nothing of it before. The
    exports of the run file follow.

    Parameters
    ----------
    config
        Path of the run file. Environment variables `OMOP_SCORER__...` override its keys.
    as_of
        Last day whose records are read, as a date or as text such as `2026-01-31`; `cdm` is the
        last day of the CDM. Default: `as_of_date` of the run file, or else today.
    allow_future
        True to allow an as-of date after today.
    overrides
        Values of keys of the run file; two underscores stand for the point of a dotted key, as in
        `results__schema="scores"`. A mapping replaces a whole section.

    Returns
    -------
    RunResult

    Raises
    ------
    omop_scorer.errors.OmopScorerError
        One class per cause, as the exit codes of the command. The run is then recorded as FAILED
        wherever that is possible. If only an export failed, the message says that the run is
        COMPLETE.
    """
    import os  # noqa: PLC0415

    from omop_scorer.config.definitions import load_definitions  # noqa: PLC0415
    from omop_scorer.config.run_file import load  # noqa: PLC0415
    from omop_scorer.export.night import write_exports_of_night  # noqa: PLC0415
    from omop_scorer.journal import SilentJournal  # noqa: PLC0415
    from omop_scorer.nightly.run import run_night  # noqa: PLC0415
    from omop_scorer.results.answer import other_answer  # noqa: PLC0415

    given = dict(overrides)
    if as_of is not None:
        given["as_of_date"] = as_of
    run_file = load(Path(config), _settings(given), os.environ)
    journal = SilentJournal()
    summary = run_night(load_definitions(run_file), journal, allow_future=allow_future)
    assert summary.run_id is not None
    if problems := write_exports_of_night(run_file, journal):
        raise ResultsError(*problems)
    other = [other_answer(summary.answer)] if summary.answer is not None else []
    return RunResult(
        run_id=summary.run_id,
        as_of=summary.as_of,
        n_cohort=summary.n_cohort,
        n_scored=summary.n_scored,
        results_url=run_file.results.url,
        results_schema=run_file.results.schema_,
        warnings=(*other, *summary.warnings),
    )


def _settings(overrides: Mapping[str, object]) -> list[str]:
    """Return overrides as texts `key=value`; JSON is the YAML of any value."""
    return [
        f"{key.replace('__', '.')}={json.dumps(value, ensure_ascii=False, default=str)}"
        for key, value in overrides.items()
    ]
