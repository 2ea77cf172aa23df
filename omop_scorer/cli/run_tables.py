"""Tables of runs, health and differences between runs, for a terminal of 80 columns."""

from collections.abc import Iterable
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from omop_scorer.results.difference import Difference, PatientDifference, RunDifference
from omop_scorer.results.health import Health, age
from omop_scorer.results.history import Run
from omop_scorer.terms import FAILED, WITHDRAWN
from omop_scorer.texts.characters import one_line
from omop_scorer.texts.secret_values import hide

RUN_COLUMNS = (
    *("run_id", "as_of_date", "started_at", "seconds", "status", "is_latest"),
    *("tool_version", "engine", "model_id", "uncertainty", "n_cohort", "n_scored"),
    *("previous_run_id", "n_cohort_change", "n_scored_change", "message"),
)

_N_HASH_CHARACTERS = 12


def runs_as_rows(runs: Iterable[Run]) -> list[dict[str, Any]]:
    """Return the runs as plain values for a program; dates and times are ISO 8601 in UTC."""
    return [{name: _plain(getattr(run, name)) for name in RUN_COLUMNS} for run in runs]


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return hide(value)
    return value.isoformat() if hasattr(value, "isoformat") else value


def render_runs(runs: list[Run], limit: int) -> Group:
    """Return the newest runs as a table with two lines per run, and the messages of some."""
    if not runs:
        return Group(Text("No run yet; start one with: omop-scorer run"))
    shown = runs[:limit]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in (
        "run\nstarted (UTC)",
        "as of\nresults",
        "status\nseconds",
        "engine\nuncertainty",
    ):
        table.add_column(heading, no_wrap=True)
    for heading in ("cohort\nchange", "scored\nchange"):
        table.add_column(heading, justify="right", no_wrap=True)
    for run in shown:
        table.add_row()
        table.add_row(
            _stacked(str(run.run_id), f"{run.started_at:%Y-%m-%d %H:%M}"),
            _stacked(str(run.as_of_date), "latest" if run.is_latest else ""),
            _stacked(run.status, "-" if run.seconds is None else f"{run.seconds:,.1f}"),
            _stacked(run.engine, run.uncertainty),
            _stacked(_count(run.n_cohort), _change(run.n_cohort_change)),
            _stacked(_count(run.n_scored), _change(run.n_scored_change)),
        )
    parts: list[RenderableType] = [table]
    if explained := [run for run in shown if run.status in (FAILED, WITHDRAWN)]:
        parts.append(Text())
    parts += [
        Text(_line(f"{run.run_id} {run.status}: {run.message or 'no message'}"))
        for run in explained
    ]
    if len(runs) > limit:
        parts += [Text(), Text(f"{limit} of {len(runs):,} runs; use --limit to list more")]
    return Group(*parts)


def health_as_row(health: Health) -> dict[str, Any]:
    """Return the health of the runs as plain values for a program; times are ISO 8601 in UTC."""
    last, answer = health.last, health.answer
    return {
        "is_healthy": health.is_healthy,
        "at": health.at.isoformat(timespec="seconds"),
        "is_run_under_way": health.is_under_way,
        "last_run_id": last and last.run_id,
        "last_status": last and last.status,
        "last_recorded_at": last and last.recorded_at.isoformat(timespec="seconds"),
        "answer_run_id": answer and answer.run_id,
        "answer_as_of_date": answer and answer.as_of_date.isoformat(),
        "answer_completed_at": answer and answer.recorded_at.isoformat(timespec="seconds"),
        "n_cohort": answer and answer.n_cohort,
        "n_scored": answer and answer.n_scored,
        "problems": list(health.problems),
    }


def render_health(health: Health) -> Table:
    """Return the last run, the run that the `latest_` views show, and the verdict, a row each."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    last, answer = health.last, health.answer
    if last is not None:
        is_last = health.is_under_way and last.status == "RUNNING"
        in_progress = ", in progress" if is_last else ""
        since = age(health.at - last.recorded_at)
        table.add_row("last run", str(last.run_id), f"{last.status}{in_progress}, {since} ago")
    if answer is not None:
        table.add_row(
            "results",
            str(answer.run_id),
            f"as of {answer.as_of_date}, completed {age(health.at - answer.recorded_at)} ago, "
            f"{_count(answer.n_scored)} of {_count(answer.n_cohort)} patients scored",
        )
    if health.is_under_way and (last is None or last.status != "RUNNING"):
        table.add_row("", "", "a run is in progress and not recorded yet")
    table.add_row("healthy", "yes" if health.is_healthy else "no")
    return table


def render_difference(difference: RunDifference) -> Group:
    """Return the differences between two runs: counts, provenance, settings and patients."""
    earlier, later = difference.earlier, difference.later
    parts: list[RenderableType] = [
        Text(
            f"From run {earlier.run_id} (as of {earlier.as_of_date}) "
            f"to run {later.run_id} (as of {later.as_of_date})",
            style="bold",
        ),
        _counts(earlier, later),
        _differences("Provenance", "column", difference.provenance),
        _differences("Settings", "key", difference.configuration),
    ]
    if difference.patients is None:
        ids = " and ".join(map(str, difference.without_persons))
        parts.append(
            Text(
                "Patients cannot be compared: the person-level rows have been removed from run "
                f"{ids} (keep_person_level_runs)",
                style="yellow",
            )
        )
    else:
        parts += _patients(difference.patients)
    spaced: list[RenderableType] = []
    for part in parts:
        spaced += [part, Text()]
    return Group(*spaced[:-1])


def _line(text: str) -> str:
    return one_line(hide(text))


def _stacked(upper: str, lower: str) -> Text:
    return Text.assemble(upper, "\n", (lower, "dim"))


def _count(n: int | None) -> str:
    return "-" if n is None else f"{n:,}"


def _change(n: int | None) -> str:
    return "" if n is None else f"{n:+,}" if n else "same"


def _titled(title: str, rows: Table) -> Group:
    # Rich would wrap a title of the table itself to the width of the table.
    return Group(Text(title, style="italic"), rows)


def _table(*left: str, right: tuple[str, ...] = ()) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in left:
        table.add_column(name, overflow="fold")
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _counts(earlier: Run, later: Run) -> Table:
    table = _table("persons", right=("earlier", "later", "change"))
    for name, before, after in (
        ("cohort", earlier.n_cohort, later.n_cohort),
        ("scored", earlier.n_scored, later.n_scored),
    ):
        change = None if before is None or after is None else after - before
        table.add_row(name, _count(before), _count(after), _change(change))
    return table


def _differences(title: str, first: str, differences: tuple[Difference, ...]) -> RenderableType:
    if not differences:
        return Text(f"{title}: the same in both runs")
    table = _table(first, "earlier", "later")
    for each in differences:
        shorten = each.what.endswith("_sha256")
        values = [
            "-" if value is None else value[:_N_HASH_CHARACTERS] if shorten else value
            for value in (each.earlier, each.later)
        ]
        table.add_row(*(Text(_line(text)) for text in (each.what, *values)))
    return _titled(title, table)


def _patients(patients: PatientDifference) -> list[RenderableType]:
    parts: list[RenderableType] = [
        Text(
            f"Patients scored: {patients.n_both:,} in both runs, {patients.n_changed:,} of them "
            f"with another subgroup; {patients.n_in:,} newly scored, "
            f"{patients.n_out:,} no longer scored"
        )
    ]
    moved = [flow for flow in patients.flows if flow.earlier != flow.later]
    if moved:
        table = _table("earlier", "later", right=("patients",))
        for flow in moved:
            labels = (flow.earlier or "not scored", flow.later or "not scored")
            table.add_row(*(Text(_line(each)) for each in labels), f"{flow.n_persons:,}")
        parts.append(_titled("Changes of subgroup", table))
    if patients.causes:
        table = _table("cause", right=("patients",))
        for cause in patients.causes:
            table.add_row(Text(_line(cause.cause)), f"{cause.n_persons:,}")
        parts.append(_titled("Causes of a changed subgroup", table))
    if patients.covariate_changes:
        table = _table("covariate", right=("patients",))
        for change in patients.covariate_changes:
            table.add_row(Text(_line(change.covariate)), f"{change.n_persons:,}")
        parts.append(_titled("Covariates that differ in patients with a changed subgroup", table))
    return parts
