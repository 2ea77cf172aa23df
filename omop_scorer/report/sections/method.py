"""Method and limits, and whom to thank."""

from markupsafe import Markup

from omop_scorer.report.blocks import Block, Heading, Listing, Prose, Section
from omop_scorer.report.context import Context

_METHOD = (
    "The outcome is the reduction of the Crohn’s Disease Activity Index (CDAI) at week 6. It was "
    "modelled on the pooled participants of randomised trials: first under placebo, then, for each "
    "class of drugs, what is left of the reduction once the placebo model’s prediction is taken "
    "away. Every model is linear in nine covariates with an intercept that varies by trial.",
    "For a patient the models give the reduction attributable to each class and its standard "
    "error, all else of the patient held as it is: as many counterfactuals of one person as there "
    "are classes, with the trial effects at zero.",
    "Classes are ranked by that effect. Neighbours in the ranking are compared by a two-sided "
    "t-test at the 5% level, and the outcome of the tests is the label.",
    "The probability of response comes from the fitted models whichever way to the uncertainty is "
    "chosen, so now and then the class with the highest probability is not the first of the label.",
)

_LIMITS = (
    "The trials ran from 1999 to 2015, the drugs were approved by 2019, and the models were "
    "published in 2025. Newer drugs are not in them.",
    "They hold for patients like the participants, with active disease (CDAI 220 to 450). "
    "Warehouses seldom hold the CDAI; where it is imputed nobody knows whether they do.",
    "They say nothing of treatments combined. Steroid and immunomodulator describe a patient and "
    "are never recommended or advised against.",
    "The three class models share one prediction under placebo, and its error is in no standard "
    "error. Degrees of freedom count patients, although the variance between trials rests on three "
    "to nine trials. Neighbours are tested after they were ranked, without correction.",
    "Nobody has validated them prospectively.",
    "A record of a disease is not a confirmed diagnosis, and a drug that another hospital "
    "gave may have left no record here.",
)


def section(context: Context) -> Section:
    """Return the section on how the figures came about and what they cannot say."""
    data = context.data
    is_papers = data.published is not None
    blocks: list[Block] = [Heading("Method"), Listing(_METHOD if is_papers else _METHOD[1:])]
    blocks.append(Heading("Limits"))
    if is_papers:
        blocks.append(Listing(_LIMITS))
    else:
        blocks.append(Prose(data.card.limits.text if data.card else "As the model’s authors say."))
    blocks += [Heading("Small counts"), Prose(_suppression(data.minimum_cell_count))]
    blocks.append(Heading("Credit"))
    published = data.published
    if published:
        blocks.append(
            Prose(
                Markup(
                    "Models and published figures: {}, "
                    'doi <a href="https://doi.org/{}">{}</a>, {}. '
                    "Method: Rudrapatna et al., BMC Medical Research Methodology 2023;23:218. The "
                    "authors had no part in this program or this report."
                ).format(published.citation, published.doi, published.doi, published.licence)
            )
        )
    elif data.card:
        blocks.append(Prose(data.card.credit))
    else:
        blocks.append(Prose(f"Model: {data.run['model_id']}, as given by this site."))
    lead = (
        "This report describes a population. It is not a medical device, and not a basis for "
        "treating anybody."
    )
    return Section("method", "Method and limits", lead, blocks, context.notes.new())


def _suppression(minimum: int) -> str:
    if minimum <= 1:
        return (
            "The threshold of this report is off: every count is printed, the smallest too. It "
            "must not leave the place where the records are."
        )
    return (
        f"Counts from 1 to {minimum - 1} are not shown, nor is any count, total, share or interval "
        "from which one could be recalculated within this report. Zeros are shown. Reports of two "
        "nights laid side by side can still tell a small change, such as one patient more: whoever "
        "passes them on passes that on too."
    )
