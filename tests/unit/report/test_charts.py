"""Pictures: the same drawing every time, legible, and nothing hidden drawn as a bar."""

import math
from collections.abc import Sequence

import pytest

from omop_scorer.report.charts.bars import (
    CLASS_COLOURS,
    NO_DIFFERENCE,
    SHARED,
    SITE,
    Bar,
    BarGroup,
    Whole,
    bars,
    stacked,
)
from omop_scorer.report.charts.canvas import (
    ACCENT,
    FULL,
    HALF,
    PAPER,
    PHONE,
    Canvas,
    Look,
    Picture,
    contrast,
    luminance,
)
from omop_scorer.report.charts.curves import Curve, curves, over_time
from omop_scorer.report.charts.distributions import Bin, Panel, histograms, pyramid
from omop_scorer.report.charts.estimates import (
    Dots,
    Estimate,
    EstimateGroup,
    Range,
    dots,
    intervals,
    ranges,
)
from omop_scorer.report.charts.lettering import text_width, wrap
from omop_scorer.report.charts.rows import Entry, percent_step, round_step
from omop_scorer.report.sections.certainty import IMPUTED

BLUE, GREY = Look("#0072b2"), Look("#878f9b")
WIDTHS = (FULL, HALF, PHONE)


def n_hidden(picture: Picture) -> int:
    """Crossed squares: one for each value that is not shown."""
    marks = [attributes for _, attributes, _ in picture.draw(HALF).elements]
    return sum(each.get("class") == "h" for each in marks)


def filled(picture: Picture, colour: str) -> list[tuple[float, float]]:
    """Width and height of the rectangles of a colour."""
    return [
        (float(each["width"]), float(each["height"]))
        for tag, each, _ in picture.draw(HALF).elements
        if tag == "rect" and each["fill"] == colour
    ]


def bar(share: float | None, low: float | None = None, high: float | None = None) -> Picture:
    return bars([BarGroup("a label", [Bar(share, low, high, BLUE, "text")])])


def everything() -> Sequence[Picture]:
    """Return a picture of each kind, with long and hidden things in it."""
    label = "a rather long label of a row that needs more than one line"
    return [
        bars([BarGroup(label, [Bar(0.4, 0.3, 0.5, BLUE, "40.0% (30.0–50.0)"), Bar(None)])]),
        stacked([Whole(label, [0.5, None], "1,000")], [Entry("one", BLUE), Entry(label, GREY)]),
        pyramid(["Under 5", "85 and over"], [10, None], [5, 0], ([8, 2], [4, 1]), "others"),
        histograms([Panel(label[:30], [Bin(0, 10, 0.5), Bin(10, 30, None)])], is_one_scale=True),
        dots([Dots(label, [0.2, None])], [Entry("one", shape="o"), Entry("two", shape="s")]),
        ranges([Range(label, (1, 2, 3), "2"), Range("b", None, "not shown")], "days"),
        intervals([EstimateGroup(label, [Estimate("", 0.3, 0.2, 0.4)] * 2)], is_share=True),
        curves([Curve("one", [(10, 0.2), (1000, 0.9)], ACCENT, "s")], "patients", [(50, "80%")]),
        over_time([Curve("one", [(0, 1.0), (90, None), (180, 0.4)], ACCENT)], "days", [(0, "0")]),
    ]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_picture_is_laid_out_within_any_width(width: float) -> None:
    for picture in everything():
        canvas = picture.draw(width)
        assert canvas == picture.draw(width)
        assert 0 < canvas.height < 500
        for tag, each, text in canvas.elements:
            if tag == "text":
                size, is_bold = float(each.get("font-size", 12)), each.get("class") == "b"
                wide = text_width(text, size, bold=is_bold)
                left = float(each["x"])
                left -= {"middle": wide / 2, "end": wide}.get(each.get("text-anchor", ""), 0)
                assert left >= -1, text
                assert left + wide <= width + 1, text
                assert 0 < float(each["y"]) <= canvas.height + 1, text
            elif tag == "rect":
                assert float(each["x"]) + float(each["width"]) <= width + 1


def test_a_hidden_bar_is_marked_beside_the_axis_and_a_zero_is_not() -> None:
    assert (n_hidden(bar(None)), filled(bar(None), BLUE.colour)) == (1, [])
    assert (n_hidden(bar(0.0)), filled(bar(0.0), BLUE.colour)) == (0, [(0.0, 16.0)])
    assert (n_hidden(bar(math.nan)), filled(bar(math.nan), BLUE.colour)) == (0, [])
    assert [bar(share).shows for share in (None, 0.0, math.nan, 0.5)] == [False, True, False, True]
    (mark,) = [e for _, e, _ in bar(None).draw(HALF).elements if e.get("class") == "h"]
    rules = [e["d"] for _, e, _ in bar(None).draw(HALF).elements if e.get("class") == "r"]
    last_rule = float(rules[0].rpartition("L")[2].split()[0])
    assert float(mark["d"][1:].split()[0]) > last_rule


def test_bars_are_as_long_as_their_shares() -> None:
    picture = bars([BarGroup("a", [Bar(0.4, look=BLUE)]), BarGroup("b", [Bar(0.1, look=BLUE)])])
    (long, _), (short, _) = filled(picture, BLUE.colour)
    assert long == pytest.approx(4 * short, rel=0.01)


def test_labels_are_above_the_rows_of_a_phone_only() -> None:
    picture = bars([BarGroup("a label that is rather long", [Bar(0.4, text="40%")])])
    above, beside = (
        next(e for _, e, text in picture.draw(width).elements if text.startswith("a label"))
        for width in (PHONE, HALF)
    )
    assert (above["x"], "text-anchor" in above) == ("0", False)
    assert beside["text-anchor"] == "end"


def test_parts_of_a_whole() -> None:
    legend = [Entry("one", BLUE), Entry("other", GREY)]
    for parts, hides, expected in (
        ([0.25, 0.75], False, 0),
        ([0.25, None], False, 1),
        ([0.25, 0.2], True, 1),
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


def test_a_pyramid_marks_what_is_hidden_at_its_edge() -> None:
    picture = pyramid(["young", "old"], [10, None], [5, 0], ([8.0, 2.0], [4.0, 1.0]), "others")
    assert n_hidden(picture) == 1
    (mark,) = [e["d"] for _, e, _ in picture.draw(HALF).elements if e.get("class") == "h"]
    assert float(mark[1:].split()[0]) < 20
    assert not pyramid(["young", "old"], [None, None], [None, None]).shows


def test_histograms_of_unequal_bins_show_density() -> None:
    # Half of all between 0 and 10, half between 10 and 30: half as high.
    panel = Panel("a", [Bin(0, 10, 0.5), Bin(10, 30, 0.5), Bin(30, 40, None)], BLUE)
    picture = histograms([panel], is_one_scale=True)
    (narrow, high), (wide, low) = filled(picture, BLUE.colour)
    assert wide == pytest.approx(2 * narrow, abs=0.3)
    assert high == pytest.approx(2 * low, abs=0.3)
    assert n_hidden(picture) == 1


def test_histograms_are_side_by_side_where_there_is_room() -> None:
    picture = histograms([Panel("a", [Bin(0, 1, 0.5)])] * 3, is_one_scale=True)
    heights = [picture.draw(width).height for width in WIDTHS]
    assert heights[2] == pytest.approx(3 * heights[0], rel=0.05)


def test_dots_and_ranges() -> None:
    series = [Entry("one", shape="o", filled=True), Entry("two", shape="s")]
    rows = [Dots("a", [0.2, -0.4]), Dots("b", [None, math.nan])]
    assert n_hidden(dots(rows, series, bands=(-0.1, 0.1))) == 1
    assert not dots([Dots("b", [None, math.nan])], series).shows
    ranged = ranges([Range("a", (1, 2, 3), "2"), Range("b", None, "not shown")], "days")
    assert n_hidden(ranged) == 1
    assert ranged.shows


def test_a_curve_is_broken_where_a_share_is_hidden() -> None:
    line = Curve("one", [(0, 1.0), (90, 0.8), (180, None), (270, 0.5), (360, 0.4)], ACCENT)
    picture = over_time([line], "days", [(0, "0"), (360, "360")])
    strokes = [e for _, e, _ in picture.draw(HALF).elements if e.get("stroke") == ACCENT]
    assert len(strokes) == 3  # that of the legend, and two pieces
    assert n_hidden(picture) == 1


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
    fills = (*CLASS_COLOURS, ACCENT, SITE.colour, NO_DIFFERENCE.colour, SHARED.colour, IMPUTED)
    for colour in fills:
        assert contrast(colour, PAPER) >= 3, colour
        assert contrast(colour, Look(colour).ink) >= 4.5, colour
    assert len(set(fills)) == len(fills)
    assert Look(ACCENT).ink == PAPER
    assert Look(NO_DIFFERENCE.colour).ink != PAPER


def test_text_is_measured_and_wrapped() -> None:
    assert text_width("") == 0
    # DejaVu Sans: "m" is 0.974 em wide.
    assert text_width("mmmmmmmmmm", 10) == pytest.approx(97)
    assert text_width("mm", 20) == pytest.approx(2 * text_width("mm", 10))
    assert wrap("one two three", 500) == ["one two three"]
    assert wrap("one two three", 1) == ["one", "two", "three"]
    pieces = wrap("A_VERY_LONG_NAME_OF_A_TRIAL", 100)
    assert "".join(pieces) == "A_VERY_LONG_NAME_OF_A_TRIAL"
    assert all(text_width(piece) <= 100 for piece in pieces)
    assert all(piece.endswith("_") for piece in pieces[:-1])


def test_coordinates_are_short() -> None:
    canvas = Canvas(100)
    canvas.box(-0.01, 1, 2.04, 3.06, BLUE)
    ((_, attributes, _),) = canvas.elements
    assert attributes == {"x": "0", "y": "1", "width": "2", "height": "3.1", "fill": BLUE.colour}
