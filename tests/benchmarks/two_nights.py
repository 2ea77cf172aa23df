"""What a reader learns who lays the reports of two nights side by side.

Run with `python -m tests.benchmarks.two_nights`. Between the nights a few of the made-up persons
come, go, or get another label. The reader has the CSV files of both nights and may

- subtract: a count printed in both nights says how many came or went, if it is from 1 to 4;
- guess: put the counts of the first night into the holes of the second, and solve by addition.
"""

import csv
import io
import random
from collections.abc import Mapping

from omop_scorer.disclosure.protect import protect_run
from omop_scorer.report.csv_files import csv_files
from tests.support.attacker import Attack, Name, Rows, true_counts
from tests.support.made_up_run import LABELS, Person, people, run_of, tables_of

MINIMUM = 5
_PERSONS, _SEEDS = 600, range(2)


def next_night(persons: list[Person], seed: int) -> list[Person]:
    """Return the persons of the next night: 1 in 200 gone, 1 in 100 with another label, 4 new."""
    draw = random.Random(seed)
    stayed = [dict(each) for each in persons if draw.random() > 0.005]
    for each in stayed:
        if draw.random() < 0.01:
            each["label"] = draw.choice(LABELS)
    return [*stayed, *people(4, seed + 1)]


def report(persons: list[Person], rounding: int) -> tuple[Mapping[str, Rows], dict[Name, int]]:
    """Return the files of a report, and the true counts of what they print or hide."""
    tables = tables_of(persons)
    texts = csv_files(protect_run(run_of(tables), MINIMUM, rounding))
    files = {
        name.removesuffix(".csv"): list(csv.DictReader(io.StringIO(text)))
        for name, text in texts.items()
        if name.endswith(".csv")
    }
    n_scored = sum(each["reason"] is None for each in persons)
    return files, true_counts(tables, len(persons), n_scored, files)


def solved(attack: Attack, known: Mapping[Name, int]) -> dict[Name, int]:
    """Return what follows by addition from known counts, one unknown at a time."""
    found = dict(known)
    has_found = True
    while has_found:
        has_found = False
        for total, members in attack.equations:
            unknown = [name for name in (total, *members) if name not in found]
            if len(unknown) == 1:
                rest = sum(found[name] for name in members if name in found)
                found[unknown[0]] = rest if unknown[0] == total else found[total] - rest
                has_found = True
    return found


def learned(rounding: int, seed: int) -> tuple[int, int, int, int]:
    """Return counts printed twice, changes of 1 to 4 told, small counts, and those guessed."""
    persons = people(_PERSONS, seed)
    nights = [report(each, rounding) for each in (persons, next_night(persons, seed))]
    (earlier, _), (later, truth) = ((Attack(files), counts) for files, counts in nights)
    both = [name for name in later.printed if name in earlier.printed]
    changes = [abs(later.printed[name] - earlier.printed[name]) for name in both]
    n_told = sum(0 < change < MINIMUM for change in changes)
    filled = {name: earlier.printed[name] for name in later.hidden if name in earlier.printed}
    guessed = solved(later, {**later.printed, **filled})
    small = [name for name in later.hidden if 0 < truth[name] < MINIMUM]
    n_right = sum(guessed.get(name) == truth[name] for name in small)
    return len(both), n_told, len(small), n_right


def main() -> None:
    """Print what is learned with exact and with rounded counts."""
    for rounding in (1, 5):
        sums = [sum(each) for each in zip(*(learned(rounding, s) for s in _SEEDS), strict=True)]
        both, told, small, right = sums
        print(
            f"rounding {rounding}: {told} of {both} counts printed in both nights tell that 1 to "
            f"{MINIMUM - 1} came or went; {right} of {small} small counts are guessed"
        )


if __name__ == "__main__":
    main()
