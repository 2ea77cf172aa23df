"""Tables with small counts in coarser rows: what is merged need not be hidden.

Ages are printed in tens, years together, rare races as one, strata by preference group instead of
label, treatments for everybody and for women of 50 and over, preferences for several classes
together, and years without who is of unknown age or sex. Words that stand in several tables are
merged in all of them, so that rows still add up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd

from omop_scorer import terms
from omop_scorer.disclosure import coded
from omop_scorer.disclosure.coarser_uses import fewer_uses, last_uses
from omop_scorer.disclosure.years import with_joined_years
from omop_scorer.model.intervals import wilson_interval

PYRAMID, LABELS, GROUPS = "age_sex_pyramid", "subgroup_summary", "preference_summary"

PREVALENCE, NOW, YEARS = "prevalence", "current_treatment", "prevalence_by_year"

OTHERWISE = "treated_otherwise"

#: Races that are printed as one if few have them.
_OTHER_RACES = (
    coded.RACE_AMERICAN_INDIAN_OR_ALASKA_NATIVE,
    coded.RACE_NATIVE_HAWAIIAN_OR_OTHER_PACIFIC_ISLANDER,
    coded.RACE_OTHER,
)

#: Strata that are printed by preference group, also where a count is hidden in them.
_BY_GROUP = {
    *(terms.ALL, coded.SEX, coded.AGE_GROUP, coded.WOMEN_50_AND_OVER, coded.PRIOR_ANTI_TNF),
    *(coded.IMPUTED, coded.WITHIN_TRIAL_RANGE, coded.RULED_OUT_CLASS),
}

#: The class that the index rule `first_anti_tnf` is about.
_ANTI_TNF = "anti_tnf"

TREATED, CONCORDANCE = "next_treatment", "preference_concordance"

_TREATED_TABLES = (TREATED, "next_treatment_time", CONCORDANCE)

_POPULATIONS = (terms.ALL, terms.WOMEN_50_AND_OVER)

_DECADES = {
    name: decade
    for decade, low, high in terms.AGE_DECADES
    for name, lowest, highest in terms.AGE_GROUPS
    if low <= lowest and highest <= high
}


@dataclass(frozen=True)
class Coarser:
    """Tables of which some are merged."""

    frames: Mapping[str, pd.DataFrame]
    merged: frozenset[str]
    """Names of the merged tables."""
    has_decades: bool
    """True if ages are printed in tens."""
    apart: Mapping[str, pd.DataFrame]
    """Rows that are left out, but of which printed rows tell sums."""


def coarser(frames: Mapping[str, pd.DataFrame], minimum: int, since: date | None = None) -> Coarser:
    """Return tables with rows merged where counts from 1 to `minimum` - 1 stand in them.

    Parameters
    ----------
    frames
        The tables of a run.
    minimum
        The smallest count above zero that is printed.
    since
        The date that divides the years of first biologics for `first_biologic_since`.
    """
    found, apart = dict(frames), {}
    has_decades = _has_small_ages(frames, minimum)
    if has_decades:
        found |= _in_decades(frames)
    if PYRAMID in found and _has_small_unknown(found[PYRAMID], minimum):
        found[PYRAMID] = _one_unknown(found[PYRAMID])
    if GROUPS in found:
        found |= _fewer_races(found, minimum)
        found[GROUPS] = _without_groups(found[GROUPS], minimum)
        joined = with_joined_years(found[GROUPS], minimum, since)
        found[GROUPS] = with_shares(joined, "n_stratum")
        if LABELS in found:
            found[LABELS] = _in_words_of(found[LABELS], found[GROUPS])
    if GROUPS in found and LABELS in found:
        found[LABELS] = _without_small_strata(found[LABELS], minimum)
    found |= _fewer_populations(found, minimum)
    if CONCORDANCE in found and _is_small(found[CONCORDANCE], minimum):
        found[CONCORDANCE] = _shared_preferences(found[CONCORDANCE])
    if CONCORDANCE in found and _is_small(_of_parts(found[CONCORDANCE]), minimum):
        rows = found[CONCORDANCE]
        found[CONCORDANCE] = rows[rows["population"] == terms.ALL].reset_index(drop=True)
    if NOW in found:
        found[NOW], apart[NOW] = fewer_uses(found[NOW], minimum)
    if YEARS in found:
        found[YEARS] = _without_unknown(found[YEARS], minimum)
    if OTHERWISE in found:
        found[OTHERWISE] = last_uses(found[OTHERWISE], minimum)
    merged = frozenset(name for name in found if len(found[name]) < len(frames[name]))
    return Coarser(found, merged, has_decades, apart)


def _is_small(rows: pd.DataFrame, minimum: int) -> bool:
    return bool(rows["n_persons"].between(1, minimum - 1).fillna(value=False).any())


def _has_small_ages(frames: Mapping[str, pd.DataFrame], minimum: int) -> bool:
    by_age = [frames[name] for name in (GROUPS, LABELS) if name in frames][:1]
    by_age = [rows[rows["stratum"] == coded.AGE_GROUP] for rows in by_age]
    if PYRAMID in frames:
        rows = frames[PYRAMID]
        by_age.append(rows[(rows["sex"] != terms.UNKNOWN) & (rows["age_group"] != terms.UNKNOWN)])
    return any(_is_small(rows, minimum) for rows in by_age)


def _in_decades(frames: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return pyramid and strata with ages in tens."""
    found = {}
    if PYRAMID in frames:
        rows = frames[PYRAMID]
        groups = rows["age_group"].replace(_DECADES)
        found[PYRAMID] = _added_up(rows.assign(age_group=groups), ["n_persons"])
    for name in (GROUPS, LABELS):
        if name in frames:
            rows = frames[name]
            is_age = rows["stratum"] == coded.AGE_GROUP
            values = rows["stratum_value"].where(~is_age, rows["stratum_value"].replace(_DECADES))
            rows = _added_up(rows.assign(stratum_value=values), ["n_persons", "n_stratum"])
            found[name] = with_shares(rows, "n_stratum")
    return found


def _has_small_unknown(rows: pd.DataFrame, minimum: int) -> bool:
    is_unknown = (rows["sex"] == terms.UNKNOWN) | (rows["age_group"] == terms.UNKNOWN)
    return _is_small(rows[is_unknown], minimum)


def _one_unknown(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a pyramid with one row of a population for unknown age, sex or both."""
    is_unknown = (rows["sex"] == terms.UNKNOWN) | (rows["age_group"] == terms.UNKNOWN)
    rows = rows.assign(
        sex=rows["sex"].mask(is_unknown, terms.UNKNOWN),
        age_group=rows["age_group"].mask(is_unknown, terms.UNKNOWN),
    )
    return _added_up(rows, ["n_persons"])


def _fewer_races(frames: Mapping[str, pd.DataFrame], minimum: int) -> dict[str, pd.DataFrame]:
    """Return strata and prevalence with the races of small rows as one: another race."""
    rows = frames[GROUPS]
    by_race = rows[rows["stratum"] == coded.RACE]
    is_few = by_race["n_persons"].between(1, minimum - 1).fillna(value=False).astype(bool)
    few = set(by_race["stratum_value"][is_few]) & set(_OTHER_RACES)
    if not few:
        return {}
    other = dict.fromkeys(_OTHER_RACES, coded.RACE_OTHER)
    is_race = rows["stratum"] == coded.RACE
    values = rows["stratum_value"].where(~is_race, rows["stratum_value"].replace(other))
    rows = _added_up(rows.assign(stratum_value=values), ["n_persons", "n_stratum"])
    found = {GROUPS: with_shares(rows, "n_stratum")}
    if PREVALENCE in frames:
        rows = frames[PREVALENCE]
        rows = rows.assign(measure=rows["measure"].replace(other))
        rows = _added_up(rows, ["n_persons"], ["n_population"])
        found[PREVALENCE] = with_shares(rows, "n_population")
    return found


def _without_groups(rows: pd.DataFrame, minimum: int) -> pd.DataFrame:
    """Return strata with small rows as totals of all groups, except those that readers need."""
    is_small = rows["n_persons"].between(1, minimum - 1).fillna(value=False).astype(bool)
    is_whole = rows["stratum"].isin(set(rows["stratum"][is_small]) - _BY_GROUP)
    groups = rows["preference_group"].mask(is_whole, terms.ALL)
    rows = _added_up(rows.assign(preference_group=groups), ["n_persons"], ["n_stratum"])
    return with_shares(rows, "n_stratum")


def _in_words_of(labels: pd.DataFrame, groups: pd.DataFrame) -> pd.DataFrame:
    """Return the labels without the strata of which the values are merged in the groups."""
    values = set(zip(groups["stratum"], groups["stratum_value"], strict=True))
    strata = set(groups["stratum"])
    is_same = [
        stratum not in strata or (stratum, value) in values
        for stratum, value in zip(labels["stratum"], labels["stratum_value"], strict=True)
    ]
    changed = set(labels["stratum"][~pd.Series(is_same, labels.index, dtype=bool)])
    return labels[~labels["stratum"].isin(changed)].reset_index(drop=True)


def _without_small_strata(rows: pd.DataFrame, minimum: int) -> pd.DataFrame:
    """Return the labels of all patients, and of each stratum without small counts."""
    is_small = rows["n_persons"].between(1, minimum - 1).fillna(value=False).astype(bool)
    small = set(rows["stratum"][is_small]) - {terms.ALL}
    return rows[~rows["stratum"].isin(small)].reset_index(drop=True)


def _fewer_populations(frames: Mapping[str, pd.DataFrame], minimum: int) -> dict[str, pd.DataFrame]:
    """Return the treatment tables for everybody and for women of 50 and over.

    Who had another biologic before the first anti-TNF follows by subtraction. If they are few among
    women of 50 and over, first anti-TNFs are printed for everybody only.
    """
    tables = {name: frames[name] for name in _TREATED_TABLES if name in frames}
    divided = {name: rows[~rows["population"].isin(_POPULATIONS)] for name, rows in tables.items()}
    is_small = any(_is_small(rows, minimum) for rows in divided.values())
    if not is_small and TREATED in tables:
        is_small = _leave_few(tables[TREATED], minimum)
    if is_small:
        tables = {
            name: rows[rows["population"].isin(_POPULATIONS)].reset_index(drop=True)
            for name, rows in tables.items()
        }
    if TREATED in tables and _few_had_another(tables[TREATED], minimum):
        tables |= _for_all_only(tables, "index_rule", terms.FIRST_BIOLOGIC)
    if TREATED in tables and _is_small(_of_parts(tables[TREATED]), minimum):
        tables |= _for_all_only(tables, "index_class", terms.ALL)
    return tables


def _for_all_only(
    tables: Mapping[str, pd.DataFrame], column: str, word: str
) -> dict[str, pd.DataFrame]:
    """Return next treatments in which parts of everybody have only the rows of one word."""
    found = {}
    for name in _TREATED_TABLES[:2]:
        if name in tables:
            rows = tables[name]
            is_left = (rows["population"] == terms.ALL) | (rows[column] == word)
            found[name] = rows[is_left].reset_index(drop=True)
    return found


def _few_had_another(rows: pd.DataFrame, minimum: int) -> bool:
    """Return True if few had another biologic before their first anti-TNF, of part of everybody."""
    rows = _of_parts(rows[rows["index_class"] == _ANTI_TNF])
    signed = rows["n_persons"].where(rows["index_rule"] == terms.FIRST_ANTI_TNF, -rows["n_persons"])
    rest = signed.groupby([rows["population"], rows["next_class"]]).sum()
    return bool(rest.between(1, minimum - 1).any())


def _without_unknown(rows: pd.DataFrame, minimum: int) -> pd.DataFrame:
    """Return the years without who is of unknown age or sex, if they are few in one of them."""
    is_unknown = rows["measure"] == terms.AGE_OR_SEX_UNKNOWN
    is_few = _is_small(rows[is_unknown], minimum)
    return rows[~is_unknown].reset_index(drop=True) if is_few else rows


def _of_parts(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the populations that are part of everybody."""
    return rows[rows["population"] != terms.ALL]


def _leave_few(rows: pd.DataFrame, minimum: int) -> bool:
    """Return True if the populations by age and sex leave a small rest of everybody."""
    keys = ["index_rule", "index_class", "next_class"]
    signed = rows["n_persons"].where(rows["population"] == terms.ALL, -rows["n_persons"])
    rest = signed.groupby([rows[key] for key in keys]).sum()
    return bool(rest.between(1, minimum - 1).any())


def _shared_preferences(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a table of preferences in which those for several classes are one."""
    is_shared = rows["preferred"].str.contains(terms.EQUALLY, regex=False)
    preferred = rows["preferred"].mask(is_shared, terms.SHARED_TOP)
    return _added_up(rows.assign(preferred=preferred), ["n_persons"])


def _added_up(rows: pd.DataFrame, counts: list[str], shared: Sequence[str] = ()) -> pd.DataFrame:
    """Return rows with the same words as one, in the order of their first.

    Counts in `shared` are the same in all of these rows.
    """
    left = ("share", "ci_low", "ci_high", *shared)
    keys = [str(name) for name in rows if name not in (*counts, *left)]
    how = {**dict.fromkeys(counts, "sum"), **dict.fromkeys(shared, "first")}
    return rows.groupby(keys, sort=False, as_index=False).agg(how)


def with_shares(rows: pd.DataFrame, total: str) -> pd.DataFrame:
    """Return rows with share and interval calculated from their counts; NA of zero persons."""
    n = rows[total].where(rows[total] != 0)
    low, high = wilson_interval(
        rows["n_persons"].to_numpy(float, na_value=float("nan")),
        n.to_numpy(float, na_value=float("nan")),
    )
    return rows.assign(
        share=(rows["n_persons"] / n).astype("Float64"),
        ci_low=pd.array(low, "Float64"),
        ci_high=pd.array(high, "Float64"),
    )
