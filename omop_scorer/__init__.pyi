"""Types of the names of `omop_scorer`, which are imported when they are used."""

from omop_scorer import errors as errors
from omop_scorer.interface import RunResult as RunResult
from omop_scorer.interface import load_model as load_model
from omop_scorer.interface import run as run
from omop_scorer.interface import score_frame as score_frame
from omop_scorer.interface import score_patient as score_patient
from omop_scorer.model.load import Model as Model
from omop_scorer.results.tables import ResultsTables as ResultsTables
from omop_scorer.results.tables import open_tables as results
from omop_scorer.scoring.patient import PatientScore as PatientScore

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
