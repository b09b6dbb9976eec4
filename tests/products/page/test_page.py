"""The map page in a browser: what is drawn, clicked, moved and restored."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from groundshift.products.page.chunks import DATA, read_chunk
from groundshift.products.page.serving import serving
from groundshift.products.page.site import copy_site
from tests.products import test_survey
from tests.products.conftest import CHANGE, CHANGED
from tests.products.page.looking import PHONE, apart, looking
from tests.products.test_survey import WINDOWS

INSIDE = (CHANGED[1].start + 7.5, CHANGED[0].start + 5.5)
"""A place in the event, x and y in pixels of the area."""
OUTSIDE = (5.5, 30.5)
PLAIN = "#layer=none&events=off"


def window_of(day: str) -> int:
    """Number of the first window that holds a day."""
    time = pd.Timestamp(day).timestamp()
    return next(i for i, w in enumerate(WINDOWS.values()) if w.start <= time < w.end)


def event_of(maps: Path) -> str:
    """Id of the only event."""
    (event,) = json.loads(read_chunk(maps / DATA, "events"))
    return str(event["id"])


def test_change_is_drawn_where_it_is_and_the_threshold_and_opacity_rule_it(
    maps: Path, chromium: Any
) -> None:
    with serving(maps) as address, looking(chromium, address) as look:
        bare = look.open(f"{PLAIN}&ground=after").colour(*INSIDE)
        look.open("#events=off&opacity=100&threshold=50")
        drawn = look.colour(*INSIDE)
        assert apart(drawn, bare) > 40
        veiled = look.set("threshold", 95).colour(*INSIDE)
        assert apart(veiled, drawn) > 40
        look.set("threshold", 0)
        assert apart(look.colour(*INSIDE), drawn) <= 3
        half = look.set("opacity", 40).colour(*INSIDE)
        assert apart(half, drawn) > 15
        assert look.bytes < 2_000_000


def test_time_moves_by_slider_and_by_play(maps: Path, chromium: Any) -> None:
    holds = window_of(CHANGE)
    with serving(maps) as address, looking(chromium, address) as look:
        look.open("#events=off&opacity=100&threshold=50&window=0")
        before = look.set("time", 0).colour(*INSIDE)
        assert look.state["layer"] == "window"
        during = look.set("time", holds).colour(*INSIDE)
        assert apart(before, during) > 40
        label = look.page.locator("#time-text").inner_text()
        assert label.startswith("2017-")
        look.set("time", len(WINDOWS) - 2)
        look.page.click("#play")
        look.page.wait_for_function(
            "last => document.getElementById('time').value == last", arg=str(len(WINDOWS) - 1)
        )
        look.page.wait_for_selector("#play[aria-pressed=false]")


def test_before_and_after_are_compared_by_swiping(maps: Path, chromium: Any) -> None:
    with serving(maps) as address, looking(chromium, address) as look:
        field = look.open(f"{PLAIN}&ground=before").colour(*INSIDE)
        roof = look.open(f"{PLAIN}&ground=after").colour(*INSIDE)
        assert apart(field, roof) > 60
        look.open(f"{PLAIN}&ground=compare&swipe=99")
        assert apart(look.colour(*INSIDE), field) <= 3
        assert apart(look.set("swipe", 1).colour(*INSIDE), roof) <= 3


def test_the_spread_of_an_ensemble_is_a_layer_where_there_is_one(
    write_page: Any, chromium: Any
) -> None:
    with serving(write_page(spread=0.02)) as address, looking(chromium, address) as look:
        look.open("#layer=greatest&events=off&opacity=100")
        inside, outside = look.colour(*INSIDE), look.colour(*OUTSIDE)
        look.page.check("input[name=layer][value=spread]")
        look.settle()
        assert look.state["layer"] == "spread"
        assert apart(look.colour(*INSIDE), inside) > 40
        assert apart(look.colour(*OUTSIDE), outside) <= 3  # below the threshold
        assert look.page.locator("#ramp-high").inner_text() == "\u00b1 0.5"
        look.page.locator("#list button").first.click()
        look.settle()
        assert "± 0.10" in look.page.locator("#card-facts").inner_text()


def test_without_an_ensemble_there_is_no_such_layer(maps: Path, chromium: Any) -> None:
    with serving(maps) as address, looking(chromium, address) as look:
        look.open("#layer=spread")
        assert look.state["layer"] == "greatest"
        assert not look.page.get_by_text("Spread", exact=True).is_visible()


def test_an_event_and_a_pixel_tell_their_story(maps: Path, chromium: Any) -> None:
    with serving(maps) as address, looking(chromium, address) as look:
        look.open()
        look.click(*INSIDE)
        card = look.page.locator("#card")
        assert look.state["event"] == event_of(maps)
        text = card.inner_text()
        assert "2017-0" in look.page.locator("#card-title").inner_text()
        assert "1.50 ha" in text
        assert card.locator("svg.chart").count() == 2  # score, backscatter
        look.page.keyboard.press("Escape")
        assert card.is_hidden()
        look.click(*OUTSIDE)
        assert look.state["pixel"] == "5,30"
        assert "50.8" in card.inner_text()
        card.locator("summary").click()
        rows = look.settle().page.locator("#card tbody tr").count()
        assert rows > len(WINDOWS)
        card.locator("svg.chart").first.focus()
        look.page.keyboard.press("ArrowRight")
        assert "2017-" in card.locator(".readout").first.inner_text()


def test_a_link_restores_the_view(maps: Path, chromium: Any) -> None:
    link = (
        f"#x=30&y=20&r=2.5&ground=compare&layer=window&opacity=60&threshold=30"
        f"&window={window_of(CHANGE)}&swipe=40&events=on&known=on&event={event_of(maps)}"
    )
    with serving(maps) as address, looking(chromium, address) as look:
        look.open(link)
        fields = dict(field.split("=") for field in link[1:].split("&"))
        assert look.state == fields
        assert look.page.locator("input[value=compare]").is_checked()
        assert look.page.locator("#opacity").input_value() == "60"
        assert look.page.locator("#card").is_visible()
        first = look.shot()
        look.page.locator("#whole").click()
        look.settle()
        assert apart(look.shot(), first) > 40
        look.open(link)
        assert apart(look.shot(), first) <= 3


def test_hands_on_the_keyboard_reach_every_event(maps: Path, chromium: Any) -> None:
    with serving(maps) as address, looking(chromium, address) as look:
        look.open()
        look.page.locator("#list button").first.focus()
        look.page.keyboard.press("Enter")
        look.settle()
        assert look.page.locator("#card").is_visible()
        assert look.page.locator("#list button[aria-current]").count() == 1
        nameless = look.page.evaluate(
            """() => [...document.querySelectorAll("button, input, select")].filter((control) =>
                 !control.labels?.length && !control.getAttribute("aria-label")
                 && !control.textContent.trim()).map((control) => control.outerHTML)"""
        )
        assert nameless == []


@pytest.mark.parametrize("size", [PHONE, (1200, 800)])
def test_it_works_from_disk_at_any_size(
    maps: Path, chromium: Any, tmp_path: Path, size: tuple[int, int]
) -> None:
    address = copy_site(maps, tmp_path / "shared").as_uri()
    with looking(chromium, address, size) as look:
        look.open()
        assert apart(look.colour(*INSIDE), look.colour(*OUTSIDE)) > 40
        look.click(*INSIDE)
        assert look.page.locator("#card svg.chart").count() == 2
        wide = look.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0
        assert not any("/cells/" in url for url in look.requests)


def test_a_large_area_is_shown_in_detail_from_nearby(large: Path, chromium: Any) -> None:
    with serving(large) as address, looking(chromium, address) as look:
        look.open(f"#x={INSIDE[0]}&y={INSIDE[1]}&r=1&events=off&opacity=100")
        assert any("/cells/west/greatest.js" in url for url in look.requests)
        edge = CHANGED[1].start
        inner, outer = (look.colour(edge + step, INSIDE[1]) for step in (0.5, -0.5))
        assert apart(inner, outer) > 40
        assert (large / DATA / "cells/east/after.webp").is_file()


def test_where_nothing_was_found_the_page_says_so(write_page: Any, chromium: Any) -> None:
    maps = write_page(threshold=0.95)
    with serving(maps) as address, looking(chromium, address) as look:
        look.open()
        assert "No change found" in look.page.locator("#nothing").inner_text()
        assert look.page.locator("#list li").count() == 0


def test_of_one_window_only_there_is_nothing_to_play(
    write_page: Any, chromium: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    only = dict([next(iter(WINDOWS.items()))])
    monkeypatch.setattr(test_survey, "WINDOWS", only)
    with serving(write_page()) as address, looking(chromium, address) as look:
        look.open()
        assert look.page.locator("#play").is_disabled()
        assert "(the only one)" in look.page.locator("#time-text").inner_text()
