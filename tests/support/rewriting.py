"""A program that writes one set of files after another, until it is killed."""

from pathlib import Path

from omop_scorer.report.whole_folder import whole_folder

NAMES = frozenset(f"{n}.csv" for n in range(12))


def rewrite(folder: Path, text: str) -> None:
    """Write sets in which every file holds the same text."""
    for n in range(10_000):
        with whole_folder(folder, dict.fromkeys(sorted(NAMES), f"{text} {n}"), NAMES):
            pass
