"""The benchmarks work end to end: every comparison is made, checked and told, at a tiny size."""

import csv
import subprocess
import sys

import pytest

from tests.benchmarks.engine import steps
from tests.benchmarks.measuring import Case, FailedError, Sample, child, measure
from tests.benchmarks.table import growth, rows


def test_a_tiny_benchmark_measures_what_it_says(tmp_path):
    command = [sys.executable, "-m", "tests.benchmarks", "--size", "tiny", "--out", str(tmp_path)]
    done = subprocess.run(
        [*command, "--engines", "duckdb"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

    with (tmp_path / "benchmarks.csv").open(encoding="utf-8") as file:
        known = {(row["what"], row["patients"]): row for row in csv.DictReader(file)}
    assert {what for what, _ in known} == {
        *("kernel, bootstrap", "kernel, analytic", "row by row"),
        *("omop-scorer run", "run up to the scores", "SQL of the run", "score and write"),
        *("scan of the columns", "bare write of the results", "notebook, pandas"),
        "scan, bare write and 1.5 s to start",
        *("bootstrap refits", "MixedLM of statsmodels"),
        *("omop-scorer trials fit", "omop-scorer trials validate"),
    }
    assert all(float(row["seconds"]) > 0 for row in known.values())
    assert float(known["row by row", "1000"]["cpu_ratio"]) > 1
    assert known["row by row", "1000"]["note"].startswith("labels equal")
    assert float(known["MixedLM of statsmodels", "1000"]["cpu_ratio"]) > 10
    run = known["omop-scorer run", "120"]
    assert 50 < float(run["peak_mib"]) < 5000
    with (tmp_path / "steps.csv").open(encoding="utf-8") as file:
        logged = sum(float(row["seconds"]) for row in csv.DictReader(file))
    assert 0 < logged < float(run["seconds"])
    assert "<svg" in (tmp_path / "benchmarks.svg").read_text(encoding="utf-8")
    again = [*command[:-1], str(tmp_path / "again"), "--join", str(tmp_path)]
    joined = subprocess.run(again, capture_output=True, text=True, check=False)
    assert joined.returncode == 0, joined.stderr
    assert (tmp_path / "again" / "steps.csv").read_text() == (tmp_path / "steps.csv").read_text()
    with (tmp_path / "again" / "benchmarks.csv").open(encoding="utf-8") as file:
        # Ratios are of what was rounded.
        of_others = dict.fromkeys(("patients_per_cpu_second", "ratio", "cpu_ratio"))
        assert [row | of_others for row in csv.DictReader(file)] == [
            row | of_others for row in known.values()
        ]
    told = done.stdout + (tmp_path / "machine.txt").read_text(encoding="utf-8")
    assert "cores: " in told
    assert str(tmp_path) not in told


def test_medians_and_ratios():
    base, other = (
        Case("kernel", "a", patients=9),
        Case("alternative", "b", patients=9, baseline="a"),
    )
    elsewhere = Case("alternative", "b", patients=8, baseline="a")
    table = rows(
        {
            base: [Sample(1.0, 2.0, 10.0), Sample(9.0, 9.0, 90.0), Sample(2.0, 3.0, 20.0)],
            other: [Sample(8.0, 5.0, 1.0, server_cpu_seconds=1.0)],
            elsewhere: [Sample(5.0)],
        }
    )
    assert (table[0].seconds, table[0].cpu_seconds, table[0].peak_mib) == (2.0, 3.0, 20.0)
    assert table[0].patients_per_cpu_second == 3.0
    assert (table[1].ratio, table[1].cpu_ratio) == (4.0, 2.0)
    assert table[2].ratio is None


def test_growth_is_told_from_ten_thousand_patients_on():
    table = rows({Case("kernel", "a", patients=n): [Sample(n**1.5)] for n in (10**4, 10**5, 10**6)})
    small = rows({Case("kernel", "a", patients=10): [Sample(1e9)]})
    assert growth([*small, *table]) == {"a": pytest.approx(1.5)}


def test_a_process_that_fails_is_no_measurement():
    with pytest.raises(FailedError, match=r"ended with 3\nno such thing"):
        measure(
            [sys.executable, "-c", "import sys; print('no such thing', file=sys.stderr); exit(3)"]
        )


def test_memory_and_time_of_a_process_of_its_own():
    # Linux counts what the process that starts another has in memory, and this one has a lot.
    script = (
        "import sys; from tests.benchmarks.measuring import measure; "
        "s = measure([sys.executable, '-c', 'x = bytearray(200 << 20)']); "
        "print(s.peak_mib, s.cpu_seconds, s.seconds)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    peak_mib, cpu_seconds, seconds = map(float, done.stdout.split())
    assert 200 < peak_mib < 300
    assert 0 < cpu_seconds < seconds * 8
    assert child("floor")[1:] == ["-m", "tests.benchmarks.floor"]


def test_steps_are_read_from_the_log():
    log = '{"event": "message"}\n{"event": "step", "step": "cohort", "seconds": 1.5}\nnot JSON'
    assert steps(log) == {"cohort": 1.5}
