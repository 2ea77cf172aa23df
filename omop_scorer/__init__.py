"""Nightly scoring of the patients of an OMOP CDM with published treatment-effect models.

Python code calls `load_model`, `score_patient`, `score_frame`, `run` and `results`, and catches the
errors of `omop_scorer.errors`. A name is imported when it is used first. `__init__.pyi` gives their
types.
"""

from importlib import import_module as _import_module

__version__ = "0.1.0"

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

#: Modules of the names that are not modules themselves, nor in `omop_scorer.interface`.
_HOMES = {
    "Model": "omop_scorer.model.load",
    "PatientScore": "omop_scorer.scoring.patient",
    "ResultsTables": "omop_scorer.results.tables",
}


def __getattr__(name: str) -> object:
    if name in ("errors", "results"):
        return _import_module(f"omop_scorer.{name}")
    if name not in __all__:
        raise AttributeError(f"module 'omop_scorer' has no attribute {name!r}")
    home = _HOMES.get(name, "omop_scorer.interface")
    found = globals()[name] = getattr(_import_module(home), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
