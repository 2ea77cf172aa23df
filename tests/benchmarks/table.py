"""Medians and ratios of what was measured: a table, its CSV, and how time grows."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import linear_regression, median

from tests.benchmarks.measuring import Case, Sample

Measured = Mapping[Case, Sequence[Sample]]

#: Growth is told from here on: below, what happens once per run outweighs the patients.
_LEAST = 10_000
HEADINGS = (
    *("part", "what", "engine", "persons", "rows", "patients", "repetitions", "seconds"),
    *("cpu_seconds", "server_cpu_seconds", "patients_per_cpu_second", "peak_mib"),
    *("server_peak_mib", "baseline", "ratio", "cpu_ratio", "note"),
)
_NUMBERS = ("seconds", "cpu_seconds", "server_cpu_seconds", "peak_mib", "server_peak_mib")


@dataclass(frozen=True)
class Row:
    """A case: medians of its samples, and the ratio to its baseline."""

    case: Case
    repetitions: int
    seconds: float
    cpu_seconds: float | None
    server_cpu_seconds: float | None
    peak_mib: float | None
    server_peak_mib: float | None
    ratio: float | None
    cpu_ratio: float | None
    note: str

    @property
    def patients_per_cpu_second(self) -> float | None:
        """Patients per second and core."""
        cpu = _total(self.cpu_seconds, self.server_cpu_seconds)
        return self.case.patients / cpu if self.case.patients and cpu else None

    def values(self) -> list[object]:
        """Return what stands under HEADINGS; None for what is not known."""
        known = {**vars(self.case), **vars(self)}
        return [known.get(name, self.patients_per_cpu_second) for name in HEADINGS]


def rows(measured: Measured) -> list[Row]:
    """Return a row per case, in the order in which they were measured."""
    plain = [_row(case, samples) for case, samples in measured.items() if samples]
    known = {(r.case.what, *_data(r.case)): r for r in plain}
    out = []
    for row in plain:
        base = known.get((row.case.baseline, *_data(row.case)))
        if base is None:
            out.append(row)
            continue
        cpu, base_cpu = (_total(r.cpu_seconds, r.server_cpu_seconds) for r in (row, base))
        ratios = {
            "ratio": row.seconds / base.seconds,
            "cpu_ratio": cpu / base_cpu if cpu and base_cpu else None,
        }
        out.append(Row(**{**vars(row), **ratios}))
    return out


def _row(case: Case, samples: Sequence[Sample]) -> Row:
    def middle(name: str) -> float | None:
        values = [v for sample in samples if (v := getattr(sample, name)) is not None]
        return median(values) if values else None

    return Row(
        case=case,
        repetitions=len(samples),
        seconds=median(sample.seconds for sample in samples),
        **{name: middle(name) for name in _NUMBERS[1:]},
        ratio=None,
        cpu_ratio=None,
        note=samples[-1].note,
    )


def _data(case: Case) -> tuple[object, ...]:
    return case.engine, case.persons, case.patients


def _total(*seconds: float | None) -> float:
    return sum(each for each in seconds if each is not None)


def growth(table: Sequence[Row]) -> dict[str, float]:
    """Return k of seconds ~ patients^k, per way and data, where 10,000 and more were measured."""
    points: dict[str, list[tuple[float, float]]] = {}
    for row in table:
        case = row.case
        if case.part in ("kernel", "run") and (case.patients or 0) >= _LEAST:
            where = f", {case.engine}, {case.persons:,} persons" if case.persons else ""
            point = math.log(case.patients or 1), math.log(row.seconds)
            points.setdefault(case.what + where, []).append(point)
    return {
        of: linear_regression(*zip(*given, strict=True)).slope
        for of, given in points.items()
        if len(given) > 1
    }


def write_csv(table: Sequence[Row], path: Path) -> None:
    """Write the table."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADINGS)
        for row in table:
            writer.writerow([f"{v:.6g}" if isinstance(v, float) else v for v in row.values()])


def read(folder: Path) -> dict[Case, list[Sample]]:
    """Return what an earlier measurement left in a folder: of each case its medians."""
    steps: dict[tuple[str, str, str], dict[str, float]] = {}
    with (folder / "steps.csv").open(encoding="utf-8") as file:
        for line in csv.DictReader(file):
            of = steps.setdefault((line["engine"], line["persons"], line["patients"]), {})
            of[line["step"]] = float(line["seconds"])
    measured = {}
    with (folder / "benchmarks.csv").open(encoding="utf-8") as file:
        for line in csv.DictReader(file):
            persons, rows, patients = (
                int(line[name]) if line[name] else None for name in ("persons", "rows", "patients")
            )
            known = {name: float(line[name]) for name in _NUMBERS if line[name]}
            is_run = line["part"] == "run"
            key = line["engine"], line["persons"], line["patients"]
            case = Case(
                *(line[name] for name in ("part", "what", "engine")),
                *(persons, rows, patients, line["baseline"]),
            )
            sample = Sample(**known, steps=steps[key] if is_run else {}, note=line["note"])
            measured[case] = [sample]
    return measured


def write_steps(measured: Measured, path: Path) -> None:
    """Write the median seconds of each step of each run."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("engine", "persons", "rows", "patients", "step", "seconds"))
        for case, samples in measured.items():
            for step in samples[0].steps if case.part == "run" and samples else ():
                seconds = median(sample.steps[step] for sample in samples)
                key = (case.engine, case.persons, case.rows, case.patients)
                writer.writerow((*key, step, f"{seconds:.4f}"))


_SHOWN = (
    ("part", "{}"),
    ("what", "{}"),
    ("engine", "{}"),
    ("persons", "{:,}"),
    ("rows", "{:,}"),
    ("patients", "{:,}"),
    ("seconds", "{:.4g}"),
    ("cpu_seconds", "{:.4g}"),
    ("server_cpu_seconds", "{:.4g}"),
    ("patients_per_cpu_second", "{:,.0f}"),
    ("peak_mib", "{:,.0f}"),
    ("server_peak_mib", "{:,.0f}"),
    ("ratio", "{:.3g}"),
    ("cpu_ratio", "{:.3g}"),
    ("baseline", "{}"),
)


def markdown(table: Sequence[Row]) -> str:
    """Return the table as people read it."""
    titles = [name.replace("_", " ") for name, _ in _SHOWN]
    lines = [titles, ["---"] * len(titles)]
    for row in table:
        known = dict(zip(HEADINGS, row.values(), strict=True))
        lines.append(
            ["" if known[name] in (None, "") else form.format(known[name]) for name, form in _SHOWN]
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(titles))]
    return "\n".join(
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )
