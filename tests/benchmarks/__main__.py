"""make bench: python -m tests.benchmarks --size quick.

Everything that is compared is measured in one run, taking turns, and nothing is ever asserted on
time. What is not here is left out, with the reason.
"""

import argparse
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tests.benchmarks import machine, table
from tests.benchmarks.engine import ENGINES, BenchmarkEngine, steps, why_not
from tests.benchmarks.floor import WAYS
from tests.benchmarks.measuring import Case, FailedError, Sample, child, measure
from tests.benchmarks.trial_files import trial_command
from tests.benchmarks.warehouse import Warehouse, made

RUN = "omop-scorer run"
SCAN, WRITE = "scan of the columns", "bare write of the results"
FLOOR = "scan, bare write and 1.5 s to start"
_START_SECONDS = 1.5
TO_THE_SCORES, ITS_SQL, ITS_WRITING = "run up to the scores", "SQL of the run", "score and write"
KERNEL = "kernel, bootstrap"
REFITS = "bootstrap refits"
_OPENING = ("connect", "results schema")
_WRITING = ("score", "write", "publish")


@dataclass(frozen=True)
class Size:
    """What is measured."""

    repetitions: int
    kernel: tuple[int, ...]
    row_by_row: int
    """Patients of the loop in Python."""
    in_r: tuple[int, int]
    """Patients and simulations; none: R is left out."""
    notebook: int
    """The largest cohort that is pulled into pandas."""
    warehouses: tuple[tuple[int, int, int], ...]
    """Persons, cohort, clinical rows per person."""
    participants: int
    """Participants of trials that models are fitted to."""
    refits: tuple[int, int, int]
    """Refits of a bootstrap: ours, by statsmodels, and by bootMer (none: R is left out)."""


SIZES = {
    "tiny": Size(1, (1_000,), 1_000, (0, 0), 1_000, ((400, 120, 0),), 300, (1_000, 1, 0)),
    "quick": Size(
        3,
        (1_000, 10_000, 100_000, 1_000_000),
        10_000,
        (1_000, 1_000),
        30_000,
        ((100_000, 1_000, 80), (100_000, 30_000, 80), (200_000, 112_000, 20)),
        5_700,
        (100_000, 10, 100),
    ),
    "full": Size(
        3,
        (1_000, 10_000, 100_000, 1_000_000, 10_000_000),
        100_000,
        (10_000, 1_000),
        30_000,
        (
            (100_000, 1_000, 80),
            (100_000, 30_000, 80),
            (200_000, 112_000, 20),
            (1_000_000, 1_000, 80),
            (1_000_000, 30_000, 80),
            (1_000_000, 1_000_000, 80),
            (10_000_000, 1_000, 80),
            (10_000_000, 30_000, 80),
            (10_000_000, 1_000_000, 80),
        ),
        5_700,
        (1_000_000, 100, 1_000),
    ),
}
#: Bytes of disk for each clinical row, with room for what a run leaves behind.
_DISK = dict.fromkeys(ENGINES, 60) | {"postgresql": 300, "sqlite": 150, "delta": 90}


class Bench:
    """Measures, keeps the samples, and says what it leaves out."""

    def __init__(self, size: Size, out: Path) -> None:
        self.size = size
        self.out = out
        self.measured: dict[Case, list[Sample]] = {}
        self.left_out: list[str] = []
        self.answers: list[str] = []
        """Which engines gave the same answer."""
        self.failed = False
        """Whether something was left out that should have worked."""

    def leave_out(self, what: str, reason: str) -> None:
        """Say why something is not measured."""
        self.left_out.append(f"{what}: {reason}")
        print(f"left out: {self.left_out[-1]}", file=sys.stderr)

    def take_turns(self, cases: dict[Case, Callable[[], Sample]]) -> None:
        """Measure cases that are compared, one after the other, again and again."""
        for case in cases:
            self.measured[case] = []
        for _ in range(self.size.repetitions):
            for case, act in cases.items():
                sample = act()
                self.measured[case].append(sample)
                where = f", {case.engine}, {case.persons:,} persons" if case.persons else ""
                what = f"{case.part}: {case.what}{where}, {case.patients:,} patients"
                print(f"{what}: {sample.seconds:.4g} s", file=sys.stderr)

    def scoring_alone(self) -> None:
        """Measure the kernel from few patients to many, and what else could be called instead."""
        sizes = sorted({*self.size.kernel, self.size.row_by_row, self.size.in_r[0]} - {0})
        cases: dict[Case, Callable[[], Sample]] = {}
        for n in sizes:
            for uncertainty in ("bootstrap", "analytic"):
                case = Case("kernel", f"kernel, {uncertainty}", patients=n)
                cases[case] = _ran(child("kernel_alone", n, uncertainty))
        loop = Case("alternative", "row by row", patients=self.size.row_by_row, baseline=KERNEL)
        cases[loop] = _ran(child("row_by_row", loop.patients))
        n, simulations = self.size.in_r
        if not n:
            self.leave_out("R", "not in this size")
        elif reason := _why_not_r(("lme4", "merTools")):
            self.leave_out("R", reason)
        else:
            what = "merTools::predictInterval"
            in_r = Case("alternative", what, patients=n, baseline=KERNEL)
            cases[in_r] = _ran(child("published_r", n, simulations))
        self.take_turns(cases)

    def trials(self) -> None:
        """Measure the bootstrap and what else could be called instead, `fit` and `validate`."""
        n, (ours, by_statsmodels, by_r) = self.size.participants, self.size.refits
        cases: dict[Case, Callable[[], Sample]] = {
            Case("trials", REFITS, patients=ours): _ran(child("trial_refits", "ours", ours, ours))
        }
        ways = {"statsmodels": ("MixedLM of statsmodels", by_statsmodels)}
        if reason := "not in this size" if not by_r else _why_not_r(("lme4",)):
            self.leave_out("bootMer of lme4", reason)
        else:
            ways["bootmer"] = ("bootMer of lme4", by_r)
        for way, (what, n_refits) in ways.items():
            case = Case("alternative", what, patients=ours, baseline=REFITS)
            cases[case] = _ran(child("trial_refits", way, n_refits, ours))
        for command in ("fit", "validate"):
            case = Case("trials", f"omop-scorer trials {command}", patients=n)
            cases[case] = _ran(trial_command(command, n, ours, self.out))
        self.take_turns(cases)

    def warehouses(self, names: list[str]) -> None:
        """Measure whole runs, their floors and the notebook, on each engine and warehouse."""
        engines = []
        for name in names:
            if reason := why_not(name):
                self.leave_out(name, reason)
            else:
                engines.append(ENGINES[name](self.out))
        try:
            for persons, cohort, events in self.size.warehouses:
                what = f"{persons:,} persons, {cohort:,} patients"
                reason = self._no_room("duckdb", persons * max(events, 15))
                if reason:
                    self.leave_out(what, reason)
                    continue
                warehouse = made(persons, cohort, events, self.out / "warehouses")
                kept: list[str] = []
                for engine in engines:
                    if reason := self._no_room(engine.name, warehouse.rows):
                        self.leave_out(f"{engine.name}, {what}", reason)
                        continue
                    try:
                        self._whole_runs(engine, warehouse)
                        self._compare_answers(engine, warehouse, kept)
                        engine.clear(warehouse)
                    except FailedError as error:
                        self.failed = True
                        self.leave_out(f"{engine.name}, {what}", str(error))
        finally:
            for engine in engines:
                engine.stop()

    def _no_room(self, engine: str, rows: int) -> str | None:
        needed, free = _DISK[engine] * rows, shutil.disk_usage(self.out).free
        if needed < free:
            return None
        return f"needs about {needed / 2**30:.0f} GiB of disk, {free / 2**30:.0f} are free"

    def _whole_runs(self, engine: BenchmarkEngine, warehouse: Warehouse) -> None:
        engine.prepare(warehouse)

        def case(part: str, what: str, baseline: str = "") -> Case:
            w = warehouse
            return Case(part, what, engine.name, w.persons, w.rows, w.cohort, baseline)

        def run() -> Sample:
            engine.clear(warehouse)
            sample = measure(
                engine.command(warehouse),
                server_pid=engine.server_pid,
                steps=steps,
                is_tree=engine.is_tree,
            )
            # From the run's own log; they are no processes with a peak of their own.
            of = sample.steps
            for part, seconds in (
                (case("steps", TO_THE_SCORES), _until(of, "score")),
                (case("steps", ITS_SQL, SCAN), _sum(of, set(of).difference(_OPENING, _WRITING))),
                (case("steps", ITS_WRITING, WRITE), _sum(of, set(_WRITING))),
            ):
                self.measured.setdefault(part, []).append(Sample(seconds))
            return sample

        def beside(module: str, *arguments: str) -> Callable[[], Sample]:
            command = child(module, *arguments, engine.kind, *engine.places(warehouse))
            return _ran(command, engine.server_pid, is_tree=engine.is_tree)

        cases = {case("run", RUN, FLOOR): run}
        if ("scan", engine.kind) in WAYS:
            cases[case("floor", SCAN)] = beside("floor", "scan")
        if ("write", engine.kind) in WAYS:
            cases[case("floor", WRITE)] = beside("floor", "write")
        if engine.name in ("duckdb", "postgresql") and warehouse.cohort <= self.size.notebook:
            notebook = case("alternative", "notebook, pandas", TO_THE_SCORES)
            cases[notebook] = beside("notebook")
        self.take_turns(cases)
        scan, write = case("floor", SCAN), case("floor", WRITE)
        if scan in cases and write in cases:
            pairs = zip(self.measured[scan], self.measured[write], strict=True)
            self.measured[case("floor", FLOOR)] = [
                Sample(s.seconds + w.seconds + _START_SECONDS) for s, w in pairs
            ]

    def _compare_answers(
        self, engine: BenchmarkEngine, warehouse: Warehouse, kept: list[str]
    ) -> None:
        """Hold the last answer of an engine to that of the first that answered."""
        folder = self.out / "answers"
        settings = engine.all_settings(warehouse)
        measure(child("answers", "keep", folder / engine.name, *settings))
        if kept:
            note = measure(child("answers", "compare", folder / kept[0], folder / engine.name)).note
            what = f"{warehouse.persons:,} persons, {warehouse.cohort:,} patients"
            self.answers.append(f"{engine.name} and {kept[0]}, {what}: {note}")
            print(self.answers[-1], file=sys.stderr)
        kept.append(engine.name)


def _ran(
    command: list[str], server_pid: int | None = None, *, is_tree: bool = False
) -> Callable[[], Sample]:
    return lambda: measure(command, server_pid=server_pid, is_tree=is_tree)


def _sum(of: dict[str, float], names: set[str]) -> float:
    return sum(seconds for name, seconds in of.items() if name in names)


def _until(of: dict[str, float], last: str) -> float:
    names = list(of)
    return _sum(of, set(names[: names.index(last) + 1]))


def _why_not_r(packages: tuple[str, ...]) -> str | None:
    if shutil.which("Rscript") is None:
        return "Rscript is not installed (Debian: r-base-core, r-cran-lme4, r-cran-mertools)"
    for package in packages:
        try:
            measure(["Rscript", "-e", f"stopifnot(requireNamespace('{package}', quietly = TRUE))"])
        except FailedError:
            return f"the package {package} is not installed"
    return None


def main(arguments: list[str] | None = None) -> None:
    """Measure, print the table, write the CSV files and the picture."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="quick")
    parser.add_argument("--engines", default=",".join(ENGINES), help="names, with commas between")
    parser.add_argument("--repetitions", type=int, help="instead of the size's own")
    parser.add_argument("--warehouses", help="persons:cohort:rows per person, with commas between")
    parser.add_argument("--only", choices=("kernel", "trials", "runs"), help="one part of it")
    parser.add_argument("--join", help="measure nothing: folders of earlier measurements, as one")
    parser.add_argument("--out", type=Path, default=Path("bench"))
    options = parser.parse_args(arguments)
    size = SIZES[options.size]
    if options.repetitions:
        size = replace(size, repetitions=options.repetitions)
    if options.warehouses:
        given = [tuple(map(int, text.split(":"))) for text in options.warehouses.split(",")]
        size = replace(size, warehouses=tuple(given))
    names = [name for name in options.engines.split(",") if name]
    if unknown := set(names).difference(ENGINES):
        parser.error(f"unknown engine {', '.join(sorted(unknown))}; known: {', '.join(ENGINES)}")
    options.out.mkdir(parents=True, exist_ok=True)

    facts = machine.describe()
    bench = Bench(size, options.out.resolve())
    if options.join:
        del facts["load before"]
        for folder in options.join.split(","):
            bench.measured |= table.read(Path(folder))
        _report(bench, facts, options.out)
        return
    if options.only in (None, "kernel"):
        bench.scoring_alone()
    if options.only in (None, "trials"):
        bench.trials()
    if options.only in (None, "runs"):
        bench.warehouses(names)
    _report(bench, facts, options.out)
    if bench.failed:
        sys.exit(1)


def _report(bench: Bench, facts: dict[str, str], out: Path) -> None:
    from tests.benchmarks import picture

    rows = table.rows(bench.measured)
    print(table.markdown(rows))
    for row in rows:
        if row.note:
            print(f"{row.case.what}, {row.case.engine or 'no engine'}: {row.note}")
    for of, k in table.growth(rows).items():
        print(f"seconds ~ patients^{k:.2f}: {of}")
    for text in bench.answers:
        print(text)
    for text in bench.left_out:
        print(f"left out: {text}")
    for name, value in facts.items():
        print(f"{name}: {value}")
    table.write_csv(rows, out / "benchmarks.csv")
    table.write_steps(bench.measured, out / "steps.csv")
    picture.draw(bench.measured, rows, facts, out / "benchmarks.svg")
    said = [f"{name}: {value}" for name, value in facts.items()] + bench.answers + bench.left_out
    (out / "machine.txt").write_text("\n".join([*said, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
