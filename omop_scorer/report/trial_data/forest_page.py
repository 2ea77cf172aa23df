"""The page of `omop-scorer trials forest`."""

from collections.abc import Iterator

from omop_scorer.report.blocks import Block, Heading, Image, Prose, Section, Table
from omop_scorer.report.charts.estimates import Dots, dots
from omop_scorer.report.charts.rows import Entry
from omop_scorer.report.frame import Card, Page, render_page
from omop_scorer.report.trial_data import cleaning
from omop_scorer.report.trial_data.names import TrialNames, breakable, first_screen, footer
from omop_scorer.report.trial_data.subgroups import (
    CONCORDANCE_CAUTION,
    agreement_table,
    heat_map,
    pair_tables,
)
from omop_scorer.report.words import NOBODY, decimal
from omop_scorer.terms import UNCERTAINTIES, Uncertainty
from omop_scorer.trials.forest import WARNING, ForestAnswer


def render_forest(answer: ForestAnswer, minimum: int) -> str:
    """Return forests beside mixed models as a page; `minimum` is named at its end."""
    data = answer.fitted.data
    names = TrialNames(data.template, data.template.classes)
    recipe = answer.recipe
    how = (
        "as the published code grows them: 1,000 trees, not tuned, errors by the infinitesimal "
        "jackknife"
        if recipe.is_published
        else f"of {recipe.n_trees:,} trees, tuned by five-fold error, with errors from "
        f"{recipe.n_resamples:,} resamples of the participants, as the paper’s text says"
    )
    headline = first_screen(
        "Random forests of trial data",
        data.template.title,
        f"A second opinion on the subgroups of the mixed models: forests {how}.",
        _cards(answer),
        names,
    )
    sections = list(_sections(answer, names, minimum))
    settings = f"Trial data: SHA-256 {data.sha256}. Seed {recipe.seed}."
    title = f"Random forests of trial data: {data.template.title}"
    return render_page(Page(title, headline, sections, footer(minimum, settings)))


def _sections(answer: ForestAnswer, names: TrialNames, minimum: int) -> Iterator[Section]:
    yield cleaning.section(answer.fitted.data, minimum)
    yield _agreement(answer)
    yield _errors(answer, names)


def _cards(answer: ForestAnswer) -> list[Card]:
    first, second = (answer.agreement[how] for how in ("bootstrap", "analytic"))
    return [
        Card(
            "Concordance",
            f"{first.concordance:.1%}",
            "of the participants: no contradiction with the mixed models (bootstrap)",
            [("analytic", f"{second.concordance:.1%}")],
        ),
        Card(
            "Same label",
            f"{first.same_label_share:.1%}",
            "as the mixed models (bootstrap)",
            [("analytic", f"{second.same_label_share:.1%}")],
        ),
        Card(
            "Without a preference",
            f"{first.no_preference_share[1]:.1%}",
            "of the participants, by forests",
            [
                ("mixed, bootstrap", f"{first.no_preference_share[0]:.1%}"),
                ("mixed, analytic", f"{second.no_preference_share[0]:.1%}"),
            ],
        ),
        Card("Participants", f"{first.n:,}", "assigned by both methods"),
    ]


def _agreement(answer: ForestAnswer) -> Section:
    lead = (
        "Labels of the mixed models and labels of the forests, of the same participants. The "
        "paper gives 92% concordance."
    )
    blocks: list[Block] = []
    if answer.recipe.is_published:
        blocks.append(Prose(f"Warning: {WARNING}.", "warning"))
    blocks += [
        Prose(
            f"{CONCORDANCE_CAUTION} The paper’s text says tuned forests with bootstrap errors; its "
            "code takes untuned forests with errors by the infinitesimal jackknife, which are far "
            "too small, so its 92% says more of the error estimate than of the models."
        ),
        agreement_table(
            answer.agreement, "mixed models", "forests", "Agreement, by uncertainty of the mixed"
        ),
    ]
    for how in UNCERTAINTIES:
        blocks += [
            Heading(f"Mixed models, {how}, against forests"),
            heat_map(
                pairs_of(answer, how),
                answer.fitted.label_set,
                f"Participants by label: mixed models ({how}) in the rows, forests in the columns",
                "Mixed models",
            ),
            *pair_tables(answer.agreement[how], f"mixed models, {how}", "forests"),
        ]
    return Section("agreement", "Mixed models and forests", lead, blocks)


def pairs_of(answer: ForestAnswer, how: Uncertainty) -> dict[tuple[str, str], int]:
    """Return the participants by label of the mixed models and of the forests."""
    return {(first, second): n for each, first, second, n in answer.counts_by_both() if each == how}


def _errors(answer: ForestAnswer, names: TrialNames) -> Section:
    lead = "Root mean squared error of each model in the same five folds."
    series = [
        Entry("forest", shape="o", filled=True),
        Entry("mixed model", shape="D"),
    ]
    drawn, rows = [], []
    for arm, each in answer.tuned.items():
        mixed = each.mixed_rmse
        above = NOBODY if mixed is None else f"{each.rmse / mixed - 1:+.1%}".replace("-", "−")
        values = [each.rmse] if mixed is None else [each.rmse, mixed]
        drawn.append(Dots(names.arm(arm), values, above))
        rows.append(
            (
                breakable(names.arm(arm)),
                f"{each.growth.min_samples_leaf}",
                f"{each.growth.max_features}",
                decimal(each.rmse, 1),
                NOBODY if mixed is None else decimal(mixed, 1),
                above,
            )
        )
    image = Image(
        dots(drawn, series),
        "RMSE of forests and mixed models: "
        + "; ".join(f"{row.label} forest {decimal(row.values[0], 1)}, {row.text}" for row in drawn)
        + " above the mixed model.",
        "RMSE of forests and mixed models",
        f"In {names.unit} of the outcome. The number on the right is how far the forest is above "
        "the mixed model. The error is that of one participant’s outcome. It says nothing of how "
        "well the differences between classes are known.",
    )
    columns = ("Model", "Least in a leaf", "Covariates a split", "Forest", "Mixed", "Forest above")
    table = Table("Settings and errors", columns, rows)
    return Section("errors", "Errors of the forests", lead, [image, table])
