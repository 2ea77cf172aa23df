"""What the attacker knows of the curves of persistence: days, families, and rounded shares.

Persons at risk become fewer by those who stopped and those who were censored. A Kaplan-Meier share
S of n persons bounds them: of n, at most n (1 - S) stopped and at most n S are left, and at least
(1 - S) of those who were not censored stopped.
"""

from collections.abc import Mapping
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.attacker import Attack, Name

CURVES, MEANS = "persistence", "persistence_mean"
COLUMNS = ("n_at_risk", "n_stopped")
#: Steps of rounded shares, in percent.
STEPS = (10, 5, 2, 1)

Curve = tuple[str, str]
Ends = tuple[float, float]


def learn(attack: "Attack") -> None:
    """Learn everything of this module."""
    curves: dict[Curve, dict[int, Mapping[str, str]]] = {}
    for row in attack.files.get(CURVES, []):
        curve = (row["drug_class"], row["preference"])
        curves.setdefault(curve, {})[int(row["days"])] = row
        for column in COLUMNS:
            _see(attack, _of(column, curve, int(row["days"])), row[column])
    for row in attack.files.get(MEANS, []):
        curve = (row["drug_class"], row["preference"])
        _see(attack, (MEANS, "n_persons", *curve), row["n_persons"])
        attack.is_sum(_of("n_at_risk", curve, 0), [(MEANS, "n_persons", *curve)])
    for curve, rows in curves.items():
        for before, day in pairwise(sorted(rows)):
            _follow(attack, curve, before, day)
        _learn_shares(attack, curve, rows)
    _families(attack, curves)


def _see(attack: "Attack", name: "Name", text: str) -> None:
    if text:
        attack.printed[name] = int(text)
    else:
        attack.imagined.append(name)


def _of(column: str, curve: Curve, day: int) -> "Name":
    return (CURVES, column, *curve, str(day))


def _follow(attack: "Attack", curve: Curve, before: int, day: int) -> None:
    """Between two days, some stop and some are censored."""
    stopped, censored = (("?", what, *curve, str(day)) for what in ("stopped", "censored"))
    attack.derived += [stopped, censored]
    attack.is_sum(_of("n_stopped", curve, day), [_of("n_stopped", curve, before), stopped])
    left = _of("n_at_risk", curve, day)
    attack.is_sum(_of("n_at_risk", curve, before), [left, stopped, censored])


def _families(attack: "Attack", curves: Mapping[Curve, Mapping[int, Any]]) -> None:
    """Classes are everybody; those without a preference are the rest."""
    classes = [each for each in curves if each[1] == "all" and each[0] != "all"]
    preferences = [each for each in curves if each[1] != "all"]
    for column in COLUMNS:
        for day in curves.get(("all", "all"), {}):
            total = _of(column, ("all", "all"), day)
            for name, family in (("class", classes), ("preference", preferences)):
                parts = [_of(column, each, day) for each in family if day in curves[each]]
                if parts:
                    rest = ("?", f"no {name}", column, str(day))
                    attack.derived.append(rest)
                    attack.is_sum(total, [*parts, rest])
    for curve in curves:
        if curve[1] == "all":
            indexed = ("next_treatment", "n_population", "all", "first_biologic", curve[0])
            attack.derive(("?", "too recent", *curve), indexed, _of("n_at_risk", curve, 0))
    known = [
        ("preference_concordance", "n_persons", "all", row["preferred"], row["next_class"])
        for row in attack.files.get("preference_concordance", [])
        if row["population"] == "all" and row["preferred"] not in ("no_preference", "not_scored")
    ]
    if preferences and all(attack.knows(each) for each in known):
        total, rest = ("=", "with a preference"), ("?", "too recent", "preference")
        attack.add_up(total, known)
        attack.derived.append(rest)
        attack.is_sum(total, [*(_of("n_at_risk", each, 0) for each in preferences), rest])
        attack.derive(("?", "too recent", "no preference"), ("?", "too recent", "all", "all"), rest)
        _compare_labels(attack, curves, known)


def _compare_labels(
    attack: "Attack", curves: Mapping[Curve, Mapping[int, Any]], known: list["Name"]
) -> None:
    """Compare labels with the classes given, where both say who was given a preferred class."""
    by_class = {
        each: ("next_treatment", "n_population", "all", "first_biologic", each)
        for each in attack.values("next_treatment", "index_class")
        if each != "all"
    }
    given = {each for each, name in by_class.items() if attack.printed.get(name) != 0}
    found = [name for name in known if attack.printed.get(name) != 0]
    labels = {name[3]: set(name[3].split(" = ")) for name in found}
    if not labels or not all(label <= by_class.keys() for label in labels.values()):
        return
    # A label that has all classes given, or none of them.
    alike = {
        "preferred": [name for name in found if given <= labels[name[3]]],
        "others_preferred": [name for name in found if not given & labels[name[3]]],
    }
    if sum(map(len, alike.values())) == len(found):
        for preference, names in alike.items():
            curve, total = ("all", preference), ("=", "indexed", preference)
            if names and curve in curves:
                recent = ("?", "too recent", preference)
                attack.add_up(total, names)
                attack.derived.append(recent)
                attack.is_sum(total, [_of("n_at_risk", curve, 0), recent])
    # A class that is in all labels, or in none of them.
    divided = {
        "preferred": [each for each in given if all(each in label for label in labels.values())],
        "others_preferred": [each for each in given if not any(each in x for x in labels.values())],
    }
    if sum(map(len, divided.values())) == len(given):
        for preference, classes in divided.items():
            own = [curves.get((each, "all"), {}) for each in sorted(classes)]
            curve = ("all", preference)
            for column, day in product(COLUMNS, curves.get(curve, {})):
                if own and all(day in each for each in own):
                    total, rest = (
                        (kind, f"classes that are {preference}", column, str(day)) for kind in "=?"
                    )
                    attack.add_up(total, [_of(column, (each, "all"), day) for each in classes])
                    attack.derived.append(rest)
                    attack.is_sum(total, [_of(column, curve, day), rest])


def _learn_shares(attack: "Attack", curve: Curve, rows: Mapping[int, Mapping[str, str]]) -> None:
    shares = {day: float(rows[day]["share"]) for day in sorted(rows) if rows[day]["share"]}
    texts = [row[name] for row in rows.values() for name in ("share", "ci_low", "ci_high")]
    percents = [100 * float(text) for text in texts if text]
    steps = [s for s in STEPS if all(abs(p / s - round(p / s)) < 1e-6 for p in percents)]
    if not steps:
        return
    error = steps[0] / 200 + 1e-9
    ends = {day: (max(0.0, s - error), min(1.0, s + error)) for day, s in shares.items()}
    ends[0] = (1.0, 1.0)
    days = sorted(ends)
    for before, day in {*pairwise(days), *((0, day) for day in days[1:])}:
        low, high = ends[before]
        if low > 0:
            ratio = (ends[day][0] / high, min(1.0, ends[day][1] / low))
            _bound(attack, curve, before, day, ratio)


def _bound(attack: "Attack", curve: Curve, before: int, day: int, share: Ends) -> None:
    """Learn of those at risk on a day before how many stopped and are left."""
    low, high = share
    at_risk, left = _of("n_at_risk", curve, before), _of("n_at_risk", curve, day)
    stopped, earlier = _of("n_stopped", curve, day), _of("n_stopped", curve, before)
    attack.at_most_zero += [
        {stopped: 1.0, earlier: -1.0, at_risk: low - 1.0},
        {left: 1.0, at_risk: -high},
        {left: 1.0 - high, stopped: -high, earlier: high},
    ]


def true_counts(tables: Mapping[str, list[dict[str, Any]]]) -> dict["Name", int]:
    """Return the true count of everybody's curves after the first biologic."""
    found: dict[Name, int] = {}
    for row in tables.get(CURVES, []):
        if (row["population"], row["index_rule"]) == ("all", "first_biologic"):
            curve = (row["drug_class"], row["preference"])
            found |= {_of(column, curve, row["days"]): row[column] for column in COLUMNS}
            if row["days"] == 0:
                found[MEANS, "n_persons", *curve] = row["n_at_risk"]
    return found
