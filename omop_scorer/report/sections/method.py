"""The section on method, limits, suppression and credit."""

from markupsafe import Markup

from omop_scorer.disclosure.protected_run import ReportData
from omop_scorer.report.blocks import Beside, Block, Heading, Listing, Prose, Section, Stack
from omop_scorer.report.context import Context
from omop_scorer.report.sections.run_facts import run_blocks

_METHOD = (
    "The outcome is the reduction of the Crohn’s Disease Activity Index (CDAI) at week 6. It was "
    "modelled on the pooled participants of randomised trials. A first model predicts the "
    "reduction under placebo. A further model for each drug class predicts the reduction that is "
    "left after subtracting this prediction. Every model is linear in nine covariates, with an "
    "intercept that varies by trial.",
    "For each patient, the models give the reduction attributable to each class and its standard "
    "error. Everything else about the patient stays the same, and the trial effects are set to "
    "zero: one counterfactual per class.",
    "The classes are ranked by this effect. Neighbours in the ranking are compared by a two-sided "
    "t-test at the 5% level. The results of these tests form the label.",
    "The probability of response always comes from the fitted models, whichever method is used for "
    "the uncertainty. The class with the highest probability is therefore not always the first one "
    "of the label.",
)

_LIMITS = (
    "The trials ran from 1999 to 2015, the drugs were approved by 2019, and the models were "
    "published in 2025. Newer drugs are not included.",
    "The models are valid for patients like the participants, with active disease (CDAI 220 to "
    "450). Warehouses rarely hold the CDAI. Where it is imputed, it is unknown whether the models "
    "apply.",
    "The models say nothing about combined treatments. Steroid and immunomodulator describe a "
    "patient; the models neither recommend them nor advise against them.",
    "The three class models share one prediction under placebo, and its error is not part of any "
    "standard error. Degrees of freedom count patients, although the variance between trials is "
    "based on three to nine trials. Neighbours are tested after ranking, without correction.",
    "The models have not been validated prospectively.",
    "A record of a disease is not a confirmed diagnosis, and a drug that another hospital gave may "
    "have left no record here.",
)

#: Measured by `python -m tests.benchmarks.two_nights`.
_TWO_NIGHTS = (
    "Two reports from different nights can still reveal a small change, such as one added patient, "
    "to a reader who lays them side by side. In a test with made-up patients, 155 of the 288 "
    "counts printed on both nights differed by 1 to 4, so they told that so few persons came or "
    "went. With counts rounded to the nearest 5, none of 284 did. The counts of the first night "
    "helped to work out none of the 64 small counts hidden on the second, rounded or not. Consider "
    "this before you pass on both reports."
)


def section(context: Context) -> Section:
    """Return the section on the method and its limits."""
    data = context.data
    is_published = data.published is not None
    left: list[Block] = [Heading("Limits")]
    if is_published:
        left.append(Listing(_LIMITS))
    else:
        limits = data.card.limits.text if data.card else "The limits given by the model’s authors."
        left.append(Prose(limits))
    left += [Heading("Method"), Listing(_METHOD if is_published else _METHOD[1:])]
    right: list[Block] = [Heading("The run"), *run_blocks(context)]
    lead = (
        "This report describes a population. It is not a medical device and must not be used to "
        "treat a patient."
    )
    small: list[Block] = [Heading("Small counts"), *map(Prose, _suppression(data))]
    blocks: list[Block] = [
        Beside([Stack(left), Stack(right)]),
        Beside([Stack(small), Stack(_credit(data))]),
    ]
    return Section("method", "Method, limits, provenance", lead, blocks, context.notes.new())


def _credit(data: ReportData) -> list[Block]:
    blocks: list[Block] = [Heading("Credit")]
    published = data.published
    if published:
        blocks.append(
            Prose(
                Markup(
                    "Models and published figures: {}, "
                    'doi <a href="https://doi.org/{}">{}</a>, {}. '
                    "Method: Rudrapatna et al., BMC Medical Research Methodology 2023;23:218. The "
                    "authors were not involved in this program or this report."
                ).format(published.citation, published.doi, published.doi, published.licence)
            )
        )
    elif data.card:
        blocks.append(Prose(data.card.credit))
    else:
        blocks.append(Prose(f"Model: {data.run['model_id']}, as given by this site."))
    return blocks


def _suppression(data: ReportData) -> list[str]:
    minimum = data.minimum_cell_count
    if minimum <= 1:
        return [
            "Suppression is off in this report: every count is printed, even the smallest. The "
            "report must not leave the site that holds the records."
        ]
    return [
        f"Counts from 1 to {minimum - 1} are not shown. Other counts, totals, shares and intervals "
        "are not shown either if such a count could be calculated from them within this report. "
        f"Means and quartiles of fewer than {data.minimum_of_means} recorded values are not shown. "
        "Zeros are shown, except among the numbers at risk of section 5. Instead of a hidden "
        "figure, its bounds are printed where a reader can "
        f"work them out anyway.{_merged(data)}{_rounded(data)}",
        _TWO_NIGHTS,
    ]


def _merged(data: ReportData) -> str:
    if not data.merged:
        return ""
    return " Small rows are merged first, such as ages in tens and rare races as one."


def _rounded(data: ReportData) -> str:
    if data.rounding <= 1:
        return ""
    return (
        f" Every count is rounded to the nearest {data.rounding}, and shares are of rounded counts."
    )
