"""The model card that gave the scores of a run, found again by its digest."""

import json
from collections.abc import Iterator

from omop_scorer.errors import ConfigurationError
from omop_scorer.model.load import Model, load_model, shipped_models
from omop_scorer.results.history import Run


def model_of_run(run: Run, configured: str | None = None) -> Model | None:
    """Return the model of a run; None if no card here has the digest that the run stored.

    `configured` is the model of the run file in use. It may be the card of the site in a place that
    the night did not know.
    """
    for reference in _references(run, configured):
        try:
            model = load_model(reference)
        except (ConfigurationError, OSError, ValueError):
            continue
        if model.sha256 == run.model_sha256:
            return model
    return None


def _references(run: Run, configured: str | None) -> Iterator[str]:
    if run.model_id in shipped_models():
        yield run.model_id
    if configured is not None:
        yield configured
    config = json.loads(run.config_json)
    if isinstance(config, dict) and isinstance(config.get("model"), str):
        yield config["model"]
