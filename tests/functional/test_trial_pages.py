"""`--report` of the commands on trial data: pages in a browser, files that stay, small groups."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from omop_scorer.errors import ResultsError
from tests.support.command_line import assert_refused, omop_scorer
from tests.support.trial_data import Plan, make_up, write_csv

EFFECTS = {"anti_tnf": {"intercept": 60.0}, "anti_il12_23": {"intercept": 40.0, "age": 3.0}}
QUICK = ("--refits", 200)
FOREST = (*QUICK, "--resamples", 3, "--trees", 3)
LONG = "A_VERY_LONG_NAME_OF_A_TRIAL_WITHOUT_ANY_BLANK_IN_IT_2009"
COMMANDS = ("fit", "validate", "forest", "power")


def patients(folder: Path) -> Path:
    """Write made-up patients."""
    rows = [
        {key: row[key] for key in row if key not in {"participant_id", "trial", "outcome", "arm"}}
        for row in make_up(9, Plan(n=400)).rows()
    ]
    kept = [r for r in rows if 18 <= float(r["age"]) <= 99 and 10 <= float(r["bmi"]) <= 80]
    return write_csv(folder / "patients.csv", kept)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the page of each command."""
    folder = tmp_path_factory.mktemp("trial_pages")
    rows = make_up(2, Plan(n=320, effects=EFFECTS, residual_deviation=30.0)).rows()
    for i, row in enumerate(rows):
        row["participant_id"] = f"SENTINEL{i}"
        row["trial"] = LONG if row["trial"] == "TRIALA" else row["trial"]
    data, people = write_csv(folder / "trials.csv", rows), patients(folder)
    commands: dict[str, tuple[Any, ...]] = {
        "fit": (data, *QUICK),
        "validate": (data, *QUICK),
        "forest": (data, *FOREST),
        "power": (people, "--simulations", 100),
    }
    found = {}
    for name, arguments in commands.items():
        found[name] = folder / f"{name}.html"
        done = omop_scorer("trials", name, *arguments, "--report", found[name])
        assert done.returncode == 0, done.stderr
        assert f"written: {found[name]}" in done.stdout
    return found


def test_pages_in_a_browser(pages: dict[str, Path]) -> None:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("chromium is not installed: nobody has looked at the pages")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            timeout=180_000,
        )
        for name, path in pages.items():
            for width, medium in ((1440, "screen"), (390, "screen"), (673, "print")):
                page = browser.new_page(viewport={"width": width, "height": 900})
                page.set_default_timeout(180_000)
                asked: list[str] = []
                page.on("request", lambda request, asked=asked: asked.append(request.url))
                page.emulate_media(media=medium)
                page.goto(path.as_uri(), wait_until="load")
                inside = page.evaluate("document.scrollingElement.scrollWidth")
                assert inside <= width, (name, width)
                images = page.evaluate(
                    "[...document.querySelectorAll('svg')].filter(e => e.checkVisibility())"
                    ".map(e => [e.getBoundingClientRect().width,"
                    " e.querySelector('desc').textContent])"
                )
                assert images
                assert all(wide > 0 and len(alt) > 30 for wide, alt in images)
                assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
                page.close()
        browser.close()


def test_pages_are_whole_and_name_nobody(pages: dict[str, Path]) -> None:
    for name in COMMANDS:
        text = pages[name].read_text(encoding="utf-8")
        assert text.startswith("<!doctype html>")
        assert "SENTINEL" not in text
        for word in ("None<", ">nan", "Markup", "{{"):
            assert word not in text, (name, word)
        assert text.count("<caption") == text.count("<table")
        assert "<script" not in text


@pytest.mark.parametrize("command", COMMANDS)
def test_a_report_replaces_a_page_and_nothing_else(
    pages: dict[str, Path], tmp_path: Path, command: str
) -> None:
    folder = pages[command].parent
    data = folder / ("patients.csv" if command == "power" else "trials.csv")
    taken = tmp_path / "taken.html"
    taken.write_text("precious", encoding="utf-8")
    done = omop_scorer("trials", command, data, "--report", taken)
    assert_refused(done, ResultsError.exit_code, "exists and is no HTML page")
    assert taken.read_text(encoding="utf-8") == "precious"
    done = omop_scorer("trials", command, data, "--report", data)
    assert_refused(done, 10, "is the file of the data")


def test_small_groups_of_patients_are_not_shown(tmp_path: Path) -> None:
    rows = patients(tmp_path).read_text(encoding="utf-8").splitlines()
    header = rows[0].split(",")
    place = header.index("age")
    old = [row for row in rows[1:] if float(row.split(",")[place]) >= 50]
    young = [row for row in rows[1:] if float(row.split(",")[place]) < 50]
    data = tmp_path / "few.csv"
    data.write_text("\n".join([rows[0], *old[:3], *young[:100]]) + "\n", encoding="utf-8")
    page = tmp_path / "power.html"
    options = ("--simulations", 100, "--sex", "any", "--report", page)
    done = omop_scorer("trials", "power", data, *options)
    assert done.returncode == 0, done.stderr
    text = page.read_text(encoding="utf-8")
    assert "Age 50 and over: not shown, too few patients" in text
    assert "3 patients, whose" not in text
    assert "<svg" not in text
