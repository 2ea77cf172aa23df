"""Writing of fitted cards: names, whole files, full precision, and what cannot be scored with."""

from pathlib import Path
from typing import Any

import pytest

from omop_scorer.errors import ConfigurationError, ScoringError
from omop_scorer.model.load import load_model
from omop_scorer.trials.card_files import card_files, card_id_of, refuse_places, write_whole
from tests.support import tiny_card


@pytest.mark.parametrize(
    ("name", "expected"),
    [("my_card.yaml", "my_card"), ("My Card-2.yml", "my_card_2"), ("caf\u00e9_x.yaml", "caf_x")],
)
def test_the_name_of_the_file_becomes_the_id(name: str, expected: str) -> None:
    assert card_id_of(Path(name)) == expected


@pytest.mark.parametrize(
    "name", ["crohns_srs_2025.yaml", "Crohns SRS 2025.yaml", "card.txt", "card", "2_cards.yaml"]
)
def test_a_name_that_gives_no_id(name: str) -> None:
    with pytest.raises(ConfigurationError, match="choose another name"):
        card_id_of(Path(name))


def record(**changes: Any) -> dict[str, Any]:
    """Return the block `fit` of a card of the classes first and second."""
    return {
        "method": "reml",
        "tool_version": "1",
        "data_sha256": "0" * 64,
        "seed": 1,
        "refits": 100,
        "bootstrap_trials": "held",
        "share_at_zero": {"first": 0.5},
        "monte_carlo_error": {"first": 0.0},
        "likelihood_ratio": {"first": {"chi2": 1.5, "df": 2, "p": 0.5}},
        "attrition": {"rows": 3, "carried_forward": {"from_week_1": 1}},
        # Names of trials that YAML could take for numbers, dates or words.
        "medians": {
            "bmi": {
                "by_trial": {"1e5": 1.5, "2001": 0.1, "no": 1e-7, "1:30": None, "2026-01-31": 3.0},
                "pooled": 2.0,
            }
        },
    } | changes


def document(**changes: Any) -> dict[str, Any]:
    return tiny_card.card(2) | {"fit": record()} | changes


def test_numbers_and_names_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    odd = [0.1 + 0.2, 1e-05, 1e16, 5e-324, -0.0]
    card = document()
    card["classes"][0]["beta"] = odd
    card["classes"][0]["trial_variance"] = 0
    write_whole(card_files(path, card, tiny_card.variants(2)))
    read = load_model(path)
    assert list(read.card.classes[0].beta) == odd
    assert str(read.card.classes[0].beta[4]) == "-0.0"
    assert read.card.classes[0].trial_variance == 0
    assert read.card.fit is not None
    assert read.card.fit.model_dump(exclude_unset=True, mode="json") == card["fit"]
    assert read.card.variants == "tiny.variants.json"
    assert len(read.reduced) == 3


def test_the_same_document_gives_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    variants = tiny_card.variants(2)
    assert card_files(path, document(), variants) == card_files(path, document(), variants)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"trial_variance": -1e-9}, "classes.0.trial_variance"),
        ({"residual_variance": 0.0}, "classes.0.residual_variance"),
        ({"degrees_of_freedom": float("nan")}, "classes.0.degrees_of_freedom"),
        ({"terms": ["intercept"]}, "classes.0.terms"),
    ],
)
def test_models_that_cannot_be_scored_with_are_not_written(
    tmp_path: Path, change: dict[str, Any], key: str
) -> None:
    card = document()
    card["classes"][0] |= change
    with pytest.raises(ScoringError, match=key):
        card_files(tmp_path / "tiny.yaml", card, None)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"method": "ml"}, "fit.method"),
        ({"data_sha256": "abc"}, "fit.data_sha256"),
        ({"refits": 0}, "fit.refits"),
        ({"bootstrap_trials": "free"}, "fit.bootstrap_trials"),
        ({"share_at_zero": {"first": 1.5}}, "fit.share_at_zero"),
        ({"speed": 1}, "fit.speed"),
    ],
)
def test_a_fault_of_the_record_names_its_key(
    tmp_path: Path, change: dict[str, Any], key: str
) -> None:
    with pytest.raises(ScoringError, match=key):
        card_files(tmp_path / "tiny.yaml", document(fit=record(**change)), None)


def test_a_fitted_card_under_the_name_of_a_shipped_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "copy.yaml"
    write_whole(card_files(path, document(id="crohns_srs_2025"), None))
    with pytest.raises(ConfigurationError, match="id: found crohns_srs_2025, a shipped card"):
        load_model(path)
    write_whole(card_files(path, document(), None))
    assert load_model(path).card.id == "tiny"


def test_files_are_written_together_or_not_at_all(tmp_path: Path) -> None:
    old, folder = tmp_path / "a.txt", tmp_path / "folder"
    old.write_text("old", encoding="utf-8")
    folder.mkdir()
    for bad in (folder, tmp_path / "none" / "b.txt"):
        with pytest.raises(ScoringError):
            write_whole({old: "new", bad: "new"})
        assert old.read_text(encoding="utf-8") == "old"
        assert sorted(each.name for each in tmp_path.iterdir()) == ["a.txt", "folder"]
    write_whole({old: "new"})
    assert old.read_text(encoding="utf-8") == "new"


def test_places_are_refused_before_work_begins(tmp_path: Path) -> None:
    data, card = tmp_path / "trials.csv", tmp_path / "card.yaml"
    refuse_places(data, [card, tmp_path / "numbers.json"])
    (tmp_path / "link.json").symlink_to(data)
    for files, reason in (
        ([tmp_path / "link.json"], "the file of the data"),
        ([card, tmp_path / "." / "card.yaml"], "written twice"),
        ([tmp_path], "is a folder"),
        ([tmp_path / "none" / "card.yaml"], "does not exist"),
    ):
        with pytest.raises(ConfigurationError, match=reason):
            refuse_places(data, files)
