"""Types of the names of `omop_scorer`, which are imported when they are used."""

from omop_scorer import errors
from omop_scorer.interface import RunResult, load_model, run, score_frame, score_patient
from omop_scorer.model.load import Model
from omop_scorer.results.tables import ResultsTables
from omop_scorer.results.tables import open_tables as results
from omop_scorer.scoring.patient import PatientScore

__all__ = [
    "Model",
    "PatientScore",
    "ResultsTables",
    "RunResult",
    "errors",
    "load_model",
    "results",
    "run",
    "score_frame",
    "score_patient",
]

__version__: str
