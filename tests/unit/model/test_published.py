"""The published figures, against the sums that the paper states."""

import pytest
import yaml
from pydantic import ValidationError

from omop_scorer.model.load import load_model, shipped_models
from omop_scorer.model.published import Published, load_published
from omop_scorer.model.subgroups import label_set
from omop_scorer.resources import shipped

FOLDER = shipped("configs") / "published"


@pytest.fixture(scope="module")
def published() -> Published:
    found = load_published("crohns_srs_2025")
    assert found is not None
    return found


def test_the_university_of_california(published: Published) -> None:
    pyramid = published.health_system.pyramids["crohns_disease"]
    assert pyramid.n_women_50_and_over == 5647
    assert pyramid.n_persons == 23527
    shares = published.health_system.shares_of_women_50_and_over
    assert shares["crohns_disease"] == pytest.approx(0.240, abs=5e-4)


def test_the_trials(published: Published) -> None:
    assert published.trials.share_of_women_50_and_over == pytest.approx(0.1012, abs=5e-5)
    # 138 IL > (TNF = INT) and 1 IL > TNF > INT, of 5703.
    assert published.trials.share_alone_on_top("IL") == pytest.approx(139 / 5703)
    assert published.trials.share_alone_on_top("INT") == 0


def test_they_belong_to_a_shipped_model() -> None:
    for path in FOLDER.glob("*.yaml"):
        assert path.stem in shipped_models()
        card = load_model(path.stem).card
        found = load_published(path.stem)
        assert found is not None
        assert set(found.trials.subgroups.n_persons) <= set(
            label_set([c.label for c in card.classes])
        )
        assert found.trials.n_persons == card.training_population.n
        women = card.training_population.counts["women_50_and_over"]
        assert found.trials.women_50_and_over.n_persons == women
        assert set(found.ablation.without) <= {each.name for each in card.covariates}
        assert found.health_system.next_treatment.not_given in {each.key for each in card.classes}


def test_a_model_without_published_figures() -> None:
    assert load_published("no_such_model") is None


@pytest.mark.parametrize("change", ["subgroup", "age group"])
def test_figures_that_contradict_themselves_are_refused(change: str) -> None:
    document = yaml.safe_load((FOLDER / "crohns_srs_2025.yaml").read_text(encoding="utf-8"))
    if change == "subgroup":
        document["trials"]["subgroups"]["n_persons"]["TNF > INT > IL"] += 1
        message = "the subgroups add up to 5704; allowed: n_persons, 5703"
    else:
        document["health_system"]["pyramids"]["crohns_disease"]["male"].pop()
        message = "pyramids.crohns_disease.male has 17 counts; allowed: one for each of the 18"
    with pytest.raises(ValidationError, match=message):
        Published.model_validate(document)
