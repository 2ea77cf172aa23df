"""The page as people meet it: at a desk, on a phone, on paper, by ear, and with little in it."""

import dataclasses
import re
from collections.abc import Callable, Iterator
from functools import partial
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page

from omop_scorer.disclosure.protected_run import ReportData
from omop_scorer.report.csv_files import csv_files
from omop_scorer.report.page import render
from tests.support import report_data

SECTIONS = [
    "glance",
    "otherwise",
    "subgroups",
    "women",
    "next",
    "certainty",
    "trials",
    "change",
    "method",
]
REPORTS: dict[str, Callable[[], ReportData]] = {
    "realistic": report_data.realistic,
    "two classes": partial(report_data.of_classes, 2),
    "five classes": partial(report_data.of_classes, 5),
    "all hidden": report_data.all_hidden,
    "nobody": report_data.nobody,
    "no tables": report_data.only,
}
#: Width of the viewport, and the medium. 688 px is an A4 page without its margins.
SIZES = {"desktop": (1440, "screen"), "phone": (390, "screen"), "paper": (688, "print")}

_CONTRAST = """() => {
  const numbers = text => {
    const found = text.match(/[\\d.]+/g).map(Number);
    return text.startsWith('color(') ? found.map((n, i) => i < 3 ? n * 255 : n) : found;
  };
  const luminance = ([r, g, b]) => [r, g, b].map(n => n / 255)
    .map(n => n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4)
    .reduce((sum, n, i) => sum + n * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = element => {
    for (; element; element = element.parentElement) {
      const colour = numbers(getComputedStyle(element).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const poor = [];
  let n = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    n += 1;
    const [a, b] = [numbers(getComputedStyle(element).color), ground(element)].map(luminance);
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) poor.push([contrast, walker.currentNode.data.trim().slice(0, 40)]);
  }
  return [n, poor];
}"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the file of each report."""
    folder = tmp_path_factory.mktemp("pages")
    files = {}
    for name, make in REPORTS.items():
        files[name] = folder / f"{name.replace(' ', '_')}.html"
        files[name].write_text(render(make()), encoding="utf-8")
    return files


@dataclasses.dataclass
class Opened:
    """A page, and what it asked for and complained of while it was opened."""

    page: Page
    requests: list[str]
    complaints: list[str]


@pytest.fixture
def open_page(browser: Browser, pages: dict[str, Path]) -> Iterator[Callable[[str, str], Opened]]:
    """Return a function that opens a report in a size."""
    opened: list[Page] = []

    def open_it(report: str, size: str) -> Opened:
        width, medium = SIZES[size]
        page = browser.new_page(viewport={"width": width, "height": 900})
        opened.append(page)
        result = Opened(page, [], [])
        page.on("request", lambda request: result.requests.append(request.url))
        page.on("console", lambda message: result.complaints.append(message.text))
        page.on("pageerror", lambda error: result.complaints.append(str(error)))
        page.emulate_media(media=medium)
        page.goto(pages[report].as_uri(), wait_until="load")
        return result

    yield open_it
    for page in opened:
        page.close()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("report", REPORTS)
def test_it_fits_and_asks_for_nothing(
    open_page: Callable[[str, str], Opened], report: str, size: str
) -> None:
    opened = open_page(report, size)
    page = opened.page
    inside, outside = page.evaluate(
        "[document.scrollingElement.scrollWidth, document.scrollingElement.clientWidth]"
    )
    assert inside <= outside
    # What is wider than a screen scrolls within its own frame; paper does not scroll.
    wide = page.evaluate(
        """width => [...document.querySelectorAll('main *, header *, footer *')]
        .filter(e => e.checkVisibility() && e.getBoundingClientRect().right > width + 1
          && (width == 688 || !e.closest('.table'))).map(e => e.outerHTML.slice(0, 80))""",
        SIZES[size][0],
    )
    assert wide == []
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith(("file:", "data:"))] == []
    n_texts, poor = page.evaluate(_CONTRAST)
    assert n_texts > 50
    assert poor == []
    # Text within a picture stays within it.
    cut = page.evaluate(_CUT)
    assert cut == []


_CUT = """() => [...document.querySelectorAll('svg text')].filter(e => e.checkVisibility())
  .filter(e => {
    const [a, b] = [e, e.ownerSVGElement].map(each => each.getBoundingClientRect());
    return a.left < b.left - 2 || a.right > b.right + 2 || a.bottom > b.bottom + 2;
  }).map(e => e.textContent)"""


def test_pictures_fill_a_phone(open_page: Callable[[str, str], Opened]) -> None:
    page = open_page("realistic", "phone").page
    page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    widths = page.evaluate(
        "[...document.querySelectorAll('svg')].filter(e => e.checkVisibility())"
        ".map(e => [e.getBoundingClientRect().width, e.getAttribute('class')])"
    )
    assert len(widths) > 15
    assert {(width > 345, name) for width, name in widths} == {(True, "phone")}
    assert (
        page.evaluate(
            "Math.min(...[...document.querySelectorAll('p, td, th, li, dd, dt')]"
            ".map(e => parseFloat(getComputedStyle(e).fontSize)))"
        )
        >= 12
    )


def test_the_keyboard_reaches_the_report(open_page: Callable[[str, str], Opened]) -> None:
    page = open_page("realistic", "desktop").page
    page.keyboard.press("Tab")
    skip = page.evaluate(
        "() => [document.activeElement.textContent,"
        " document.activeElement.getBoundingClientRect().left]"
    )
    assert skip == ["Skip to the report", 0]
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def test_the_first_screen_answers(open_page: Callable[[str, str], Opened]) -> None:
    page = open_page("realistic", "desktop").page
    assert page.evaluate("document.querySelector('.what').getBoundingClientRect().bottom") <= 900
    n_screens = page.evaluate("document.scrollingElement.scrollHeight") / 900
    assert n_screens <= 12


def test_text_of_pictures_can_be_selected(open_page: Callable[[str, str], Opened]) -> None:
    page = open_page("realistic", "desktop").page
    selected = page.evaluate("""() => {
      const text = document.querySelector('#glance svg.wide text');
      getSelection().selectAllChildren(text);
      return [getSelection().toString(), text.textContent];
    }""")
    assert selected[0] == selected[1] != ""


@pytest.mark.parametrize("report", REPORTS)
def test_axe_has_no_complaint(open_page: Callable[[str, str], Opened], report: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.base", reason="axe is not installed")
    page = open_page(report, "desktop").page
    page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    page.evaluate(axe.AXE_FILE_PATH.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []


def test_on_paper_it_is_whole(browser: Browser, pages: dict[str, Path], tmp_path: Path) -> None:
    page = browser.new_page()
    page.goto(pages["realistic"].as_uri())
    page.pdf(path=tmp_path / "A4.pdf", format="A4", prefer_css_page_size=True)
    n_pages = len(re.findall(rb"/Type\s*/Page\b", (tmp_path / "A4.pdf").read_bytes()))
    assert 4 <= n_pages <= 10
    page.close()


class Outline(HTMLParser):
    """What a machine that reads aloud finds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.texts: list[str] = []
        self._of: dict[str, list[str]] = {}
        self._in_style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._of.setdefault(tag, []).append("")
        self._in_style = tag == "style"

    def handle_data(self, data: str) -> None:
        if not self._in_style:
            self.texts.append(data)
        if self.tags:
            self._of[self.tags[-1][0]][-1] += data

    def of(self, tag: str) -> list[str]:
        """Return what is written in each element of a kind."""
        return [text.strip() for text in self._of.get(tag, [])]

    def named(self, *tags: str) -> list[dict[str, Any]]:
        return [attributes for tag, attributes in self.tags if tag in tags]

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module", params=REPORTS)
def outline(request: pytest.FixtureRequest, pages: dict[str, Path]) -> Outline:
    return Outline(pages[request.param].read_text(encoding="utf-8"))


def test_structure(outline: Outline) -> None:
    assert outline.named("html")[0]["lang"] == "en"
    for landmark in ("header", "nav", "main", "footer", "h1"):
        assert len(outline.named(landmark)) == 1
    assert [each["id"] for each in outline.named("section") if "id" in each] == SECTIONS
    levels = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in outline.tags:
        assert set(attributes.get("aria-labelledby", ids[0]).split()) <= set(ids)
    for link in outline.named("a"):
        assert link["href"].removeprefix("#") in ids or link["href"].startswith("https://doi.org/")


def test_pictures_and_tables_are_told(outline: Outline) -> None:
    pictures = outline.named("svg")
    assert all(each["role"] == "img" and each["aria-labelledby"] for each in pictures)
    assert len(outline.named("desc")) == len(pictures)
    assert all(len(text) > 30 for text in outline.of("desc"))
    # A title says the finding in few words.
    assert [text for text in outline.of("title")[1:] if not 2 <= len(text.split()) <= 12] == []
    tables = outline.named("table")
    assert len(outline.named("caption")) == len(tables)
    frames = [each for each in outline.named("div") if each.get("class") == "table"]
    assert len(frames) == len(tables)
    assert all(
        f["tabindex"] == "0" and f["role"] == "group" and f["aria-labelledby"] for f in frames
    )
    assert all(each["scope"] in ("row", "col") for each in outline.named("th"))


def test_nothing_from_outside(outline: Outline) -> None:
    assert outline.named("script", "iframe", "object") == []
    assert [each["href"] for each in outline.named("link")] == ["data:,"]
    assert "@import" not in outline.words
    assert "url(" not in outline.words


def test_no_word_of_the_machine(outline: Outline) -> None:
    # "None: died" is a column.
    for word in ("nan", "None(?!: )", "<NA>", "NaT", "Markup", "{", "}"):
        assert not re.search(rf"(?<![\w-]){word}(?![\w-])", outline.words), word


@pytest.fixture(scope="module")
def words(pages: dict[str, Path]) -> str:
    """Return the words of the realistic report."""
    return Outline(pages["realistic"].read_text(encoding="utf-8")).words


def test_the_same_data_gives_the_same_text(pages: dict[str, Path]) -> None:
    assert render(report_data.realistic()) == pages["realistic"].read_text(encoding="utf-8")


def test_like_for_like(words: str) -> None:
    assert (
        "Women aged 50 and over, of the cohort 22.2% (20.7–23.7) of 2,938 10.1% 24.0% "
        "Anti-TNF alone on top, of the patients scored 42.0% (40.1–43.8) of 2,696 36.2% not "
        "published Anti-IL-12/23 alone on top, of the patients scored 7.5% (6.6–8.5) of 2,696 2.4% "
        "not published"
    ) in words


def test_the_headline_names_each_denominator(words: str) -> None:
    # 163 women: 23 are given an anti-TNF, 23 an anti-IL-12/23, 18 an anti-integrin and 12 another
    # advanced therapy, 76 in all. 53 / 76, 41 / 64 and 140 / 163 were not given anti-IL-12/23.
    # 31 of the 163 began with it, and none of them was given it next: 132 - 23 = 109 of 132.
    assert "Patients given a next treatment 53 of 76 69.7% (58.7–78.9)" in words
    assert "Patients given one of the model’s classes next 41 of 64 64.1% (51.8–74.7)" in words
    assert (
        "All patients with an index treatment 140 of 163 85.9% (79.7–90.4) "
        "109 of 132 82.6% (75.2–88.1)"
    ) in words
    lines = csv_files(report_data.realistic())["next_treatment_headline.csv"].splitlines()
    of_women = "women_50_and_over,first_biologic"
    assert f"{of_women},all,next_treatment,53,76,{53 / 76}" in lines
    assert f"{of_women},all,next_of_model_classes,41,64,{41 / 64}" in lines
    assert f"{of_women},not_anti_il12_23,indexed,109,132,{109 / 132}" in lines


def test_what_is_hidden_is_never_zero(words: str) -> None:
    # IL > TNF > INT: 3 of 2,696 patients; IL > INT > TNF: 12; TNF > IL > INT: nobody.
    assert "IL > TNF > INT not shown not shown 0.0%" in words
    assert "IL > INT > TNF 12 0.4% (0.3–0.8) 0.0%" in words
    assert "TNF > IL > INT 0 0.0% (0.0–0.1) 0.0%" in words


def test_a_small_sum_is_held_back() -> None:
    # 12 women, 10 of them given anti-IL-12/23 next: the other 2 stand in no cell, only in the sum.
    made = report_data.tables()
    frame = made["next_treatment"]
    n = {"anti_tnf": 0, "anti_il12_23": 10, "other_advanced": 0}
    is_one = (frame["population"] == "women_50_and_over") & (frame["index_class"] == "all")
    for key, count in n.items():
        frame.loc[is_one & (frame["next_class"] == key), "n_persons"] = count
    frame.loc[is_one & (frame["next_class"] == "anti_integrin"), "n_persons"] = 2
    words = Outline(render(ReportData(report_data.RUN, report_data.CLASSES, 5, made))).words
    assert "Patients given a next treatment not shown" in words


def test_every_table_may_be_absent_or_empty_or_alone() -> None:
    made = report_data.tables()
    run, classes = report_data.RUN, report_data.CLASSES
    leaned_on = ("subgroup_summary", "covariate_summary", "covariate_quality", "next_treatment")
    for tables in (
        *({name: frame} for name, frame in made.items()),
        *({name: made[name] for name in made if name != absent} for absent in leaned_on),
        {name: frame.iloc[:0] for name, frame in made.items()},
    ):
        outline = Outline(render(ReportData(run, classes, 5, tables)))
        test_structure(outline)
        test_no_word_of_the_machine(outline)


def test_a_report_of_nobody_says_so_once(pages: dict[str, Path]) -> None:
    words = Outline(pages["nobody"].read_text(encoding="utf-8")).words
    assert "no patient with Crohn’s disease in Riverside Health CDM was scored" in words
    assert "No person of the CDM is in the cohort." in words
    assert "not shown, because" not in words


def test_another_model_without_published_figures() -> None:
    run = report_data.RUN | {"model_id": "another", "uncertainty": "analytic"}
    classes = [{"key": k, "label": k, "title": k, "drugs": []} for k in ("one", "two")]
    outline = Outline(render(ReportData(run, classes, 5, {})))
    test_structure(outline)
    assert "University of California" not in outline.words
    assert "Rudrapatna" not in outline.words
    tables = report_data.tables()
    every = Outline(render(ReportData(run, report_data.CLASSES, 5, tables))).words
    for claim in ("paper", "web calculator", "published calculator", "10,000", "two published"):
        assert claim not in every, claim


def test_names_of_a_site_are_text_not_markup() -> None:
    run = report_data.RUN | {
        "cdm_source_name": "<script>alert(1)</script> & Söhne",
        "message": "<b>bold</b>; second",
    }
    text = render(ReportData(run, report_data.CLASSES, 5, {}))
    assert Outline(text).named("script", "b") == []
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Söhne" in text


def test_what_changed(words: str) -> None:
    assert (
        "Patients compared with run 2025123102300017, as of 2025-12-31: new 12, no longer scored "
        "6, scored in both runs with a different label 21."
    ) in words
    assert "C-reactive protein 11 Age 6 Ileal involvement not shown" in words
    first = dataclasses.replace(report_data.only(), change=None)
    assert "There is no earlier run to compare with." in Outline(render(first)).words
    nothing = dict.fromkeys(("n_in", "n_out", "n_changed"))
    gone = report_data.change() | nothing | {"causes": pd.DataFrame(), "flows": pd.DataFrame()}
    lost = dataclasses.replace(report_data.only(), change=gone)
    assert "The changes are not known" in Outline(render(lost)).words


def test_it_states_its_threshold_and_its_limits() -> None:
    words = Outline(render(report_data.only())).words
    for said in (
        "Counts from 1 to 4 are not shown",
        "It is not a medical device",
        "CC BY 4.0",
        "10.1038/s41746-025-01627-w",
        "Two reports from different nights can still reveal a small change",
        "155 of the 288 counts printed on both nights differed by 1 to 4",
        "With counts rounded to the nearest 5, none of 284 did",
    ):
        assert said in words
    off = dataclasses.replace(report_data.only(), minimum_cell_count=1)
    assert "every count is printed, even the smallest" in Outline(render(off)).words


def _words(run: dict[str, Any] | None = None, **tables: pd.DataFrame) -> str:
    """Return the words of the realistic report with other configuration or tables."""
    made = report_data.tables() | tables
    return Outline(
        render(ReportData(report_data.RUN | (run or {}), report_data.CLASSES, 5, made))
    ).words


def _hidden(frame: pd.DataFrame, where: "pd.Series[bool]", *columns: str) -> pd.DataFrame:
    frame = frame.copy()
    for name in columns:
        frame.loc[where, name] = pd.NA
    return frame


def test_a_title_says_nothing_of_what_is_hidden(words: str) -> None:
    assert "Anti-TNF alone on top: 42%; no preference: 41%" in words
    frame = report_data.tables()["preference_summary"]
    large = frame["preference_group"].isin(["no_preference", "anti_tnf_alone"])
    where = large & (frame["stratum"] == "all")
    hidden = _hidden(frame, where, "n_persons", "share", "ci_low", "ci_high")
    said = _words(preference_summary=hidden)
    assert not re.search(r"Anti-TNF alone on top: \d", said)
    assert "no preference: 41%" not in said


def test_an_extreme_of_what_is_shown_is_called_so(words: str) -> None:
    frame = report_data.tables()["preference_summary"]
    where = (frame["stratum"] == "age_group") & (frame["preference_group"] == "no_preference")
    where &= frame["stratum_value"] == "40 to 44"
    summary = _hidden(frame, where, "n_persons", "share", "ci_low", "ci_high")
    frame = report_data.tables()["imputation_sensitivity"]
    sensitivity = _hidden(frame, frame["covariate"] == "bmi", "n_changed")
    frame = report_data.tables()["attrition"]
    attrition = _hidden(frame, frame["reason"] == "sex_unknown", "n_excluded", "n_persons")
    said = _words(
        preference_summary=summary, imputation_sensitivity=sensitivity, attrition=attrition
    )
    assert "Age: no preference from 41% to 58%, of those shown" in said
    assert "Age: no preference from 41% to 58% " in words
    assert "of those shown, at most" in said
    assert "some, not shown: sex not recorded as female or male" in said
    assert "remain, number not shown" in said


def test_recording_settles_most_only_if_nothing_hidden_could(words: str) -> None:
    assert " Recording the CDAI would settle most: it is imputed in 100%" in words
    frame = report_data.tables()["imputation_sensitivity"]
    hidden = _hidden(frame, frame["covariate"] == "crp", "n_changed")
    said = _words(imputation_sensitivity=hidden)
    assert "Of the figures shown, recording the CDAI would settle most" in said


def test_bounds_are_printed_instead_of_a_hidden_figure() -> None:
    made = report_data.tables()
    frame = made["preference_summary"]
    where = (frame["stratum"] == "all") & (frame["preference_group"] == "anti_tnf_alone")
    made["preference_summary"] = _hidden(frame, where, "n_persons", "share", "ci_low", "ci_high")
    bounds = pd.DataFrame(index=frame.index)
    for name, value in (("n_persons_low", 1102), ("n_persons_high", 1131)):
        bounds[name] = pd.array([value if each else pd.NA for each in where], "Int64")
    for name, value in (("share_low", 0.4087), ("share_high", 0.4195)):
        bounds[name] = pd.array([value if each else pd.NA for each in where], "Float64")
    data = ReportData(
        report_data.RUN, report_data.CLASSES, 5, made, bounds={"preference_summary": bounds}
    )
    said = Outline(render(data)).words
    assert "Anti-TNF alone on top 1,102 to 1,131 40–42% 36.2%" in said
    assert "Anti-TNF alone on top: 4" not in said


def test_the_outline_of_a_pyramid_follows_merged_ages() -> None:
    made = report_data.tables()
    frame = made["age_sex_pyramid"]
    names = {
        group: f"{low} to {low + 9}"
        for group, low in zip(
            report_data.AGE_GROUPS[2:16], sorted([*range(10, 80, 10)] * 2), strict=True
        )
    }
    names |= {"Under 5": "Under 10", "5 to 9": "Under 10", "80 to 84": "80 and over"}
    names["85 and over"] = "80 and over"
    ages = frame["age_group"].replace(names)
    keys = ["population", "age_group", "sex"]
    merged = frame.fillna({"n_persons": 0}).assign(age_group=ages)
    merged = merged.groupby(keys, sort=False)["n_persons"].sum().reset_index()
    said = _words(age_sex_pyramid=merged)
    assert said.count("The outline is the same population") == 3


def test_what_was_left_out_is_not_called_imputed(words: str) -> None:
    assert "Left out of the model" not in words
    quality = report_data.tables()["covariate_quality"]
    of_bmi = quality["covariate"] == "bmi"
    quality.loc[of_bmi & (quality["measure"] == "n_left_out"), "n"] = 446
    quality.loc[of_bmi & (quality["measure"] == "n_imputed"), "n"] = 0
    said = _words(covariate_quality=quality)
    first = said.split("What this is", maxsplit=1)[0]
    assert "Left out of the model, not imputed: body mass index for 16.5%." in first
    assert "ody mass" not in first.split("Left out of the model", maxsplit=1)[0]
    assert (
        "Left out of the model, as a share of the patients scored: body mass index for 16.5%."
        in said
    )
    assert "where it is striped, the covariate is left out of the model" in said
    assert said.count("Left out does not mean imputed") == 2


def test_another_cohort_is_not_called_crohns_disease(words: str) -> None:
    assert "Cohort concepts 201606; recorded on 1 or more distinct days" in words
    cohort = {
        "concept_ids": [81893],
        "extra_concept_ids": [201606],
        "exclude_concept_sets": ["pregnancy"],
        "minimum_distinct_days": 2,
        "age_rule": "year",
    }
    audit = {"since": "2016-01-01", "age_at": "index"}
    covariates = {"bmi": {"lookback_days": 730}, "prior_anti_tnf": {"lookback_days": 73_000}}
    config = {"cohort": cohort, "audit": audit, "covariates": covariates}
    said = _words({"config": config})
    # The paper, the index and the models keep the name of the disease.
    for gone in ("Crohn’s disease population", "with Crohn’s disease", "record of Crohn’s"):
        assert gone not in said
    assert "2,696 patients of the cohort in Riverside Health CDM were scored" in said
    assert (
        "concepts 81893; extra concepts 201606; without pregnancy; recorded on 2 or more distinct "
        "days; scored from 18 to 99 years, age by year of birth"
    ) in said
    assert (
        "audits since 2016-01-01; with the age at the index treatment; body mass index 730 days"
        in said
    )
    assert "use the age at the index treatment instead" in said
    assert "use the age at the index treatment instead" not in words


def test_the_first_screen_says_what_it_is(words: str, pages: dict[str, Path]) -> None:
    assert "What it is not: a medical device, or a recommendation for a patient" in words
    assert "TNF means anti-TNF, IL means anti-IL-12/23, INT means anti-integrin" in words
    assert "“>” a larger effect, “=” no difference found" in words
    assert "All scores rest on an imputed value; no patient is known to resemble" in words
    assert "Not known: disease activity not recorded 2,305 (85.5%)" in words
    assert "a class to avoid" not in words
    assert "Age or sex unknown, not drawn: 17." in words
    hidden = Outline(pages["all hidden"].read_text(encoding="utf-8")).words
    assert "with Crohn’s disease in Riverside Health CDM (number not shown) were scored" in hidden


def test_one_count_of_unknown_age_or_sex() -> None:
    pyramid = report_data.tables()["age_sex_pyramid"]
    hidden = _hidden(pyramid, pyramid["sex"] == "unknown", "n_persons")
    assert "Age or sex unknown, not drawn: 17." in _words(age_sex_pyramid=hidden)
