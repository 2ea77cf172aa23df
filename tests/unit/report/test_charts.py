"""Pictures: the same bytes every time, legible, and nothing hidden drawn as zero."""

import base64
import math
import re
import xml.etree.ElementTree as ET

import matplotlib as mpl
import pytest

from omop_scorer.report.charts.bars import (
    CLASS_COLOURS,
    Bar,
    BarGroup,
    Entry,
    Whole,
    bars,
    percent_step,
    stacked,
)
from omop_scorer.report.charts.canvas import (
    ACCENT,
    PAPER,
    Canvas,
    Look,
    Picture,
    luminance,
    plain_settings,
    text_width,
    wrap,
)
from omop_scorer.report.charts.distributions import (
    Bin,
    Dots,
    Panel,
    Range,
    dots,
    histograms,
    pyramid,
    ranges,
    round_step,
)
from omop_scorer.report.charts.flows import Node, Step, attrition, flow

BLUE, GREY = Look("#0072b2"), Look("#cfd4db")


def drawing(picture: Picture) -> str:
    head, _, data = picture.source.partition(",")
    assert head == "data:image/svg+xml;base64"
    return base64.b64decode(data).decode("utf-8")


def n_hidden(picture: Picture) -> int:
    """Hatched areas: each is filled with a pattern."""
    return len(re.findall(r"fill: url\(#", drawing(picture)))


def filled(picture: Picture, colour: str) -> list[tuple[float, float]]:
    """Width and height, in points, of the rectangles of a colour."""
    sizes = []
    for path in ET.fromstring(drawing(picture)).iter("{http://www.w3.org/2000/svg}path"):
        if f"fill: {colour}" in path.get("style", ""):
            numbers = [float(n) for n in re.findall(r"-?[\d.]+", path.get("d", ""))]
            xs, ys = numbers[0::2], numbers[1::2]
            sizes.append((round(max(xs) - min(xs), 1), round(max(ys) - min(ys), 1)))
    return sizes


def bar(share: float | None, low: float | None = None, high: float | None = None) -> Picture:
    return bars([BarGroup("a label", [Bar(share, low, high, BLUE, "text")])])


def test_a_drawing_is_the_same_bytes_and_names_no_machine() -> None:
    first, second = bar(0.3, 0.2, 0.4), bar(0.3, 0.2, 0.4)
    assert first == second
    text = drawing(first)
    for word in ("dc:date", "matplotlib.org", "/home", "/work", "<image", "<text", "font-family"):
        assert word not in text


def test_settings_of_a_user_have_no_say() -> None:
    with plain_settings():
        plain = bar(0.3, 0.2, 0.4)
    with mpl.rc_context({"lines.linewidth": 9, "text.color": "red", "path.sketch": (1, 2, 3)}):
        with plain_settings():
            assert bar(0.3, 0.2, 0.4) == plain
        assert mpl.rcParams["lines.linewidth"] == 9


def test_a_hidden_bar_is_hatched_and_a_zero_is_not() -> None:
    assert (n_hidden(bar(None)), filled(bar(None), BLUE.colour)) == (1, [])
    assert (n_hidden(bar(0.0)), filled(bar(0.0), BLUE.colour)) == (0, [(0.0, 10.8)])
    assert (n_hidden(bar(math.nan)), filled(bar(math.nan), BLUE.colour)) == (0, [])
    assert [bar(share).shows for share in (None, 0.0, math.nan, 0.5)] == [False, True, False, True]


def test_bars_are_as_long_as_their_shares() -> None:
    picture = bars([BarGroup("a", [Bar(0.4, look=BLUE)]), BarGroup("b", [Bar(0.1, look=BLUE)])])
    (long, _), (short, _) = filled(picture, BLUE.colour)
    assert long == pytest.approx(4 * short, abs=0.3)


def test_parts_of_a_whole_leave_what_is_hidden_hatched() -> None:
    legend = [Entry("one", BLUE), Entry("other", GREY)]
    for parts, hides, expected in (
        ([0.5, 0.5], False, 0),
        ([0.5, None], False, 1),
        ([0.5, 0.2], True, 1),
        ([None, None], False, 1),
    ):
        picture = stacked([Whole("a", parts, "10", hides)], legend)
        assert n_hidden(picture) == expected
        assert picture.shows is (parts != [None, None])
    # The first rectangle of a colour is that of the legend.
    _, (blue, _) = filled(stacked([Whole("a", [0.25, 0.75])], legend), BLUE.colour)
    _, (grey, _) = filled(stacked([Whole("a", [0.25, 0.75])], legend), GREY.colour)
    assert grey == pytest.approx(3 * blue, abs=0.3)


def test_a_shared_top_is_striped() -> None:
    both = Look(BLUE.colour, (GREY.colour,))
    picture = bars([BarGroup("a", [Bar(0.5, look=both)])])
    assert filled(picture, BLUE.colour) == filled(picture, GREY.colour) != []
    assert n_hidden(picture) == 0


def test_a_pyramid() -> None:
    picture = pyramid(["young", "old"], [10, None], [5, 0], ([8.0, 2.0], [4.0, 1.0]), "others")
    assert n_hidden(picture) == 1
    assert picture.shows
    assert not pyramid(["young", "old"], [None, None], [None, None]).shows


def test_histograms_of_unequal_bins_show_density() -> None:
    # Half of all between 0 and 10, half between 10 and 30: half as high.
    panel = Panel("a", [Bin(0, 10, 0.5), Bin(10, 30, 0.5), Bin(30, 40, None)], BLUE)
    picture = histograms([panel], is_one_scale=True)
    (narrow, high), (wide, low) = filled(picture, BLUE.colour)
    assert wide == pytest.approx(2 * narrow, abs=0.3)
    assert high == pytest.approx(2 * low, abs=0.3)
    assert n_hidden(picture) == 1


def test_dots_and_ranges() -> None:
    series = [Entry("one", shape="o", filled=True), Entry("two", shape="s")]
    rows = [Dots("a", [0.2, -0.4]), Dots("b", [None, math.nan])]
    assert n_hidden(dots(rows, series, bands=(-0.1, 0.1))) == 1
    assert not dots([Dots("b", [None, math.nan])], series).shows
    ranged = ranges([Range("a", (1, 2, 3), "2"), Range("b", None, "not shown")], "days")
    assert n_hidden(ranged) == 1
    assert ranged.shows


def test_attrition_hides_what_is_hidden() -> None:
    steps = [Step("in", 10, "", 0), Step("scored", None, "deceased", None)]
    assert attrition(steps).shows
    assert not attrition([Step("in", None, "", None)]).shows


def test_a_flow_keeps_its_height_when_sizes_are_hidden() -> None:
    sources = [Node("a", None, BLUE, "not shown"), Node("b", 5, GREY, "5")]
    targets = [Node("c", 1000, BLUE, "1,000"), Node("d", None, GREY, "not shown")]
    picture = flow(sources, targets, [[700, None], [5, 0]])
    assert picture.height < 5
    assert n_hidden(picture) == 2
    everything = flow([Node("a", 10, BLUE, "10")], [Node("c", 10, GREY, "10")], [[10]])
    (_, left), (_, right) = filled(everything, BLUE.colour)[-1], filled(everything, GREY.colour)[-1]
    assert left == right == 180  # 2.5 inches for everybody


@pytest.mark.parametrize(
    ("wanted", "step"), [(0.9, 1), (1, 1), (1.1, 2), (4, 5), (6, 10), (0.03, 0.05), (230, 500)]
)
def test_round_steps(wanted: float, step: float) -> None:
    assert round_step(wanted) == pytest.approx(step)


def test_percent_steps_make_two_to_six_parts() -> None:
    for highest in (0.011, 0.04, 0.09, 0.24, 0.26, 0.5, 0.77, 1.0):
        assert 1 < highest / percent_step(highest) <= 5


def test_luminance_and_contrast() -> None:
    assert luminance("#000000") == 0
    assert luminance("#ffffff") == pytest.approx(1)
    assert luminance("#808080") == pytest.approx(0.2159, abs=1e-4)
    for colour in (*CLASS_COLOURS, ACCENT, "#cfd4db", "#f0c95c"):
        darker, lighter = sorted((luminance(colour), luminance(Look(colour).ink)))
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5
    assert Look(ACCENT).ink == PAPER
    assert Look("#cfd4db").ink != PAPER


def test_text_is_measured_and_wrapped() -> None:
    assert text_width("") == 0
    # DejaVu Sans: "m" is 0.974 em wide; the ink of a run is within a little of its advance.
    assert text_width("mmmmmmmmmm", 10) == pytest.approx(9.74 * 10 / 72, rel=0.03)
    assert text_width("mm", 20) == pytest.approx(2 * text_width("mm", 10))
    assert wrap("one two three", 100) == ["one two three"]
    assert wrap("one two three", 0.01) == ["one", "two", "three"]
    pieces = wrap("A_VERY_LONG_NAME_OF_A_TRIAL", 1.0)
    assert "".join(pieces) == "A_VERY_LONG_NAME_OF_A_TRIAL"
    assert all(text_width(piece) <= 1.0 for piece in pieces)
    assert all(piece.endswith("_") for piece in pieces[:-1])


def test_letters_that_the_font_lacks_do_not_stop_it() -> None:
    canvas = Canvas(1)
    canvas.text(0, 0.5, "病院 $100")
    assert canvas.picture(shows=True).source.startswith("data:")
