"""Charts as SVG: well formed, to scale."""

import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime

import pytest

from groundshift.domain.time import DAY
from groundshift.products.report.charts import area_chart, sparkline

START = int(datetime(2017, 8, 1, tzinfo=UTC).timestamp())
PERIOD = (START, START + 480 * DAY)


def test_bars_are_as_high_as_their_area() -> None:
    times = [START + number * 30 * DAY for number in range(1, 4)]
    svg = ET.fromstring(area_chart(times, [1.0, 4.0, 2.0], PERIOD))
    heights = [float(bar.attrib["height"]) for bar in svg.iter("rect")]
    assert heights[1] == pytest.approx(4 * heights[0], abs=0.2)
    assert heights[1] == pytest.approx(2 * heights[2], abs=0.2)
    widths = [float(bar.attrib["x"]) for bar in svg.iter("rect")]
    assert widths[1] - widths[0] == pytest.approx(widths[2] - widths[1], abs=0.2)


@pytest.mark.parametrize(
    ("hectares", "ticks"), [(0.032, ["0.016", "0.032"]), (8, ["4", "8"]), (1757.4, ["879", "1757"])]
)
def test_the_axis_has_no_powers_of_ten(hectares: float, ticks: list[str]) -> None:
    text = area_chart([START], [hectares], PERIOD)
    assert re.findall(r">([^<>]*) ha</text>", text) == ticks


def test_the_axis_names_months_of_the_period() -> None:
    text = area_chart([START], [0.0], PERIOD)
    labels = re.findall(r"<text[^>]*middle[^>]*>([^<]*)</text>", text)
    assert labels[0] == "Sep 2017"
    assert labels[-1] == "Nov 2018"
    assert len(labels) <= 12


def test_known_dates_are_marked() -> None:
    svg = ET.fromstring(area_chart([START], [1.0], PERIOD, [START + DAY, START + 2 * DAY]))
    assert [title.text for title in svg.iter("title")].count("known change") == 2


def test_long_periods_are_labelled_by_years() -> None:
    text = area_chart([START], [1.0], (START, START + 4000 * DAY))
    assert re.findall(r">(\d{4})</text>", text)[:2] == ["2018", "2019"]


def test_a_course_rises_upwards_and_marks_its_dates() -> None:
    times = [START, START + 240 * DAY, START + 480 * DAY]
    svg = ET.fromstring(sparkline(times, [0.0, 1.0, 0.5], PERIOD, 0.4, START, times[2]))
    line = svg.find("polyline")
    assert line is not None
    points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    assert points[1][1] < points[2][1] < points[0][1]
    assert points[0][0] == 0
    assert [title.text for title in svg.iter("title")] == ["found", "known"]


def test_without_a_known_date_only_the_found_one_is_marked() -> None:
    svg = ET.fromstring(sparkline([START], [0.3], PERIOD, 0.4, START))
    assert [title.text for title in svg.iter("title")] == ["found"]
