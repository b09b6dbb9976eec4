"""A page of 5,000 events and 100 windows: small at first sight, and moved without complaint."""

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from odc.geo.geobox import GeoBox
from PIL import Image
from shapely import box

from groundshift.products.page.chunks import DATA, quantise, read_chunk, write_chunk, write_json
from groundshift.products.page.features import event_features
from groundshift.products.page.rasters import save_ground
from groundshift.products.page.serving import serving
from tests.products.page.looking import looking

EVENTS, WINDOWS, PIXELS = 5_000, 100, 1_000
FIRST_VIEW = 2_000_000
"""Bytes that the first view may load."""


@pytest.fixture
def crowded(maps: Path) -> Path:
    """Maps whose page shows a square kilometre and more, noise throughout, full of events."""
    generator = np.random.default_rng(1)
    data = maps / DATA
    about = json.loads(read_chunk(data, "about"))
    grid = GeoBox.from_bbox((0, 0, 10 * PIXELS, 10 * PIXELS), crs="EPSG:32631", resolution=10)
    corners = generator.integers(0, 10 * PIXELS - 120, (EVENTS, 2))
    dates = pd.Timestamp("2017-03-01") + pd.to_timedelta(generator.integers(0, 200, EVENTS), "D")
    table = gpd.GeoDataFrame(
        {"id": [f"ev-{n:010d}" for n in range(EVENTS)], "date": dates, "score": 0.8,
         "score_peak": generator.random(EVENTS), "area_m2": 900.0, "direction": "builtup_gain",
         "state": "confirmed", "pixels": 9},
        geometry=[box(x, y, x + 40, y + 30) for x, y in corners.tolist()], crs="EPSG:32631",
    )  # fmt: skip
    write_json(data, "events", event_features(table, grid))
    first, end = about["period"]
    starts = np.linspace(first, end - 80 * 86_400, WINDOWS).astype(int).tolist()
    about |= {
        "windows": [[start, start + 80 * 86_400] for start in starts],
        "hectares": generator.random(WINDOWS).round(4).tolist(),
        "cells": [{"id": "west", "x": 0, "y": 0, "width": PIXELS, "height": PIXELS,
                   "series": False}],
        "grid": about["grid"] | {"width": PIXELS, "height": PIXELS},
        "known": [],
    }  # fmt: skip
    write_json(data, "about", about)
    for key in ("greatest", "score/0", "score/1", "score/2"):
        scores = generator.random((PIXELS, PIXELS)) ** 4 * 0.3
        write_chunk(data, f"area/{key}", quantise(scores, 0, 1).tobytes())
    ground = generator.normal(0.4, 0.05, (PIXELS, PIXELS, 3)).clip(0, 1).astype(np.float32)
    for name in ("before", "after"):
        save_ground(data / "area" / f"{name}.webp", ground)
    return maps


def test_the_first_view_is_small_and_time_moves(crowded: Path, chromium: Any) -> None:
    with serving(crowded) as address, looking(chromium, address) as look:
        look.open()
        assert 1_000_000 < look.bytes < FIRST_VIEW
        assert "5,000 on 450.00 ha" in look.page.locator("#count").inner_text()
        for window in (1, 0):
            look.set("time", window)
            assert look.state["window"] == str(window) or window == 0
        assert Image.open(crowded / DATA / "area/after.webp").size == (PIXELS, PIXELS)
