"""A model card so small that every answer can be read off, for two to five classes.

Covariates x0, x1, ... (one a class, continuous), flag and male (yes/no). The effect of class i is
xi; of the last class it is 6 more with the flag. The fit gives the first class 1 more than the
bootstrap does. Standard errors are 1 by bootstrap and 2 by the fit (analytic): two classes differ
when their effects are more than 2.77 apart by bootstrap, 5.54 by analytic. The variants without x0
take its class's effect for 1, by both. Placebo effect 10; response at 10 points, with a deviation
of 10 around the expected.
"""

import json

import yaml

from omop_scorer.model.load import load_model

KEYS, LABELS = ("first", "second", "third", "fourth", "fifth"), "ABCDE"
ALMOST_ZERO = 1e-20
#: libyaml writes the same text, faster.
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def card(c=2):
    """Return the card of c classes as a document, without variants."""
    names = [*(f"x{i}" for i in range(c)), "flag", "male"]
    return {
        "id": "tiny",
        "title": "One covariate a class",
        "sources": [{"citation": "Nobody", "gives": "the models"}],
        "credit": "Models by nobody.",
        "outcome": {"title": "Reduction", "unit": "points"},
        "response_threshold": 10,
        "alpha": 0.05,
        "limits": {"line": "For tests.", "text": "For tests."},
        "covariates": [
            *(
                {"name": f"x{i}", "title": "X", "unit": "points", "kind": "continuous"}
                | {"centre": 0, "imputed_value": 3, "within_trial_range": [0, 20]}
                for i in range(c)
            ),
            *(
                {"name": name, "title": name, "unit": "yes/no", "kind": "yes_no"}
                | {"centre": 0, "imputed_value": value}
                for name, value in (("flag", 0), ("male", None))
            ),
        ],
        "activity_covariate": "x0",
        "placebo": {
            **fit(names, {"intercept": 10}, 1),
            "fixed_terms": {},
            "n_trials": 2,
        },
        "classes": [
            {"key": KEYS[i], "label": LABELS[i], "title": KEYS[i], "drugs": ["one"], "n_trials": 2}
            | class_fit(i, c, names)
            for i in range(c)
        ],
        "training_population": {
            "n": 100,
            "mean": dict.fromkeys(names, 5) | {"flag": 0.8, "male": 0.5},
            "covariance": [
                [(0.25 if names[i] in ("flag", "male") else 4) * (i == j) for j in range(c + 2)]
                for i in range(c + 2)
            ],
            "percentiles": {f"x{i}": {1: 0, 25: 2, 75: 8, 99: 20} for i in range(c)},
        },
    }


def variants(c=2, left_out=(("x0",), ("flag",), ("x0", "flag"))):
    """Return the document of the variants without these covariates."""
    every = [*(f"x{i}" for i in range(c)), "flag", "male"]
    found = []
    for lacking in left_out:
        names = [name for name in every if name not in lacking]
        placebo = fit(names, {"intercept": 10}, 1)
        classes = {KEYS[i]: class_fit(i, c, names) for i in range(c)}
        found.append({"left_out": list(lacking), "placebo": placebo, "classes": classes})
    return {"variants": found}


def class_fit(i, c, names):
    """Return the fit of class i."""
    effect = {f"x{i}": 1} | ({"flag": 6} if i == c - 1 else {})
    fitted = {"intercept": 1} if i == 0 else {}
    if f"x{i}" not in names:
        effect = {"intercept": 1}
    return {
        **fit(names, effect | fitted, 4),
        "degrees_of_freedom": 1000,
        "bootstrap_mean": [effect.get(name, 0) for name in ("intercept", *names)],
        "bootstrap_covariance": diagonal(names, 1),
    }


def fit(names, beta, variance):
    """Return a fit with these coefficients, all others 0."""
    return {
        "terms": ["intercept", *names],
        "beta": [beta.get(name, 0) for name in ("intercept", *names)],
        "covariance": diagonal(names, variance),
        # With the standard error 2 of a class: a deviation of 10.
        "trial_variance": 46,
        "residual_variance": 50,
        "n_observations": 2000,
    }


def diagonal(names, variance):
    """Return the covariance with a variance of the intercept and next to none of the rest."""
    k = len(names) + 1
    return [[(variance if i == 0 else ALMOST_ZERO) * (i == j) for j in range(k)] for i in range(k)]


def load(folder, c=2, left_out=(("x0",), ("flag",), ("x0", "flag")), **changes):
    """Write the card and its variants into a folder and load them."""
    document = card(c) | changes
    if left_out:
        document["variants"] = "tiny.variants.json"
        (folder / "tiny.variants.json").write_text(json.dumps(variants(c, left_out)))
    (folder / "tiny.yaml").write_text(yaml.dump(document, Dumper=_DUMPER))
    return load_model(folder / "tiny.yaml")
