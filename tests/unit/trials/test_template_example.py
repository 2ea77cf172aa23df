"""The shipped example of a template: it is valid, and models are fitted with it."""

from omop_scorer.resources import shipped
from omop_scorer.trials.load import load_trials
from omop_scorer.trials.srs import fit_models
from tests.support.trial_data import Made, Plan, make_up


def test_the_example_of_a_template_fits_data(tmp_path):
    example = shipped("configs") / "trials" / "template_example.yaml"
    covariates = {
        "pasi": Made(20, 5, 20),
        "age": Made(45, 10, 45),
        "weight": Made(85, 12, 85),
        "prior_biologic": Made(0.3),
    }
    plan = Plan(
        n=400,
        classes=("anti_il17", "anti_il23"),
        covariates=covariates,
        placebo={"intercept": 2.0, "pasi": 0.2},
        residual_deviation=3.0,
    )
    data = make_up(3, plan).write(tmp_path / "trials.csv")
    loaded = load_trials(data, template=example)
    models = fit_models(loaded.participants, loaded.centres)
    assert list(models.classes) == ["anti_il17", "anti_il23"]
    slope = models.placebo.terms.index("pasi")
    error = models.placebo.se[slope]
    assert abs(models.placebo.beta[slope] - 0.2) < 4 * error
