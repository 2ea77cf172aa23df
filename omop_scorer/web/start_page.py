"""The start page: a search, and a work list of the latest run, a page at a time."""

from collections.abc import Mapping, Sequence
from datetime import date
from urllib.parse import urlencode

from omop_scorer import terms
from omop_scorer.model.load import Model
from omop_scorer.report.words import day
from omop_scorer.results.patient_record import PAGE_ROWS, Filters, WorkList
from omop_scorer.web.frame import render_page
from omop_scorer.web.patient_words import Words, within_words

#: Filters that are on or off, by their name in the address.
CHOICES = {
    "treated_otherwise": "drug in use of another class than the one on top",
    "changed": "label changed since the last run",
    "known": "nothing imputed",
    "within": "within the trials’ range",
}


def filters_of(query: Mapping[str, str], groups: Sequence[str]) -> Filters:
    """Return the filters of an address; what is not known is ignored."""
    group = query.get("group")
    return Filters(
        group if group in groups else None, **{name: query.get(name) == "1" for name in CHOICES}
    )


def groups_of(model: Model | None) -> tuple[str, ...]:
    """Return the preference groups of a model."""
    return terms.preference_groups([each.key for each in model.card.classes]) if model else ()


def render_start(found: WorkList, model: Model | None, page: int, today: date) -> str:
    """Return the start page as HTML. `page` counts from 1."""
    filters = found.filters
    chosen = {name: "1" for name in CHOICES if getattr(filters, name)}
    if filters.preference_group is not None:
        chosen["group"] = filters.preference_group

    def address(number: int) -> str:
        return f"/?{urlencode({**chosen, 'page': number})}"

    return render_page(
        "start.html.j2",
        is_served=True,
        found=found,
        run=found.run,
        words=Words(found.run, model.card if model else None),
        day=day,
        groups=groups_of(model),
        choices=CHOICES,
        filters=filters,
        page=page,
        n_pages=max(1, -(-found.n_found // PAGE_ROWS)),
        page_rows=PAGE_ROWS,
        address=address,
        within=within_words,
        age_of_data=(today - found.run.as_of_date).days,
    )


def render_message(title: str, text: str) -> str:
    """Return a page with a message, which holds nothing of a patient."""
    return render_page("message.html.j2", is_served=True, title=title, text=text)
