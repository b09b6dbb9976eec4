"""What a step of the time slider and of a drag costs a browser on a map page.

    python -m benchmarks.smooth MAPS

Opens the page of some maps in Debian's chromium without a graphics card, moves the slider through
all windows and drags the map, and prints milliseconds of CPU of the page per step (its tasks:
scripts, layout, painting), which hold on a busy machine too, and the bytes of the first view.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from groundshift.products.page.serving import serving

SIZE = {"width": 1360, "height": 860}
STEPS = 40


class Page:
    """A page in a browser, and what its process has spent."""

    def __init__(self, browser: Any, address: str) -> None:
        self._page = browser.new_page(viewport=SIZE)
        self.bytes = 0
        self._page.on("response", self._count)
        self._session = self._page.context.new_cdp_session(self._page)
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})
        self._page.goto(address)
        self._page.wait_for_selector("html[data-ready]", state="attached")
        self._page.wait_for_load_state("networkidle")

    def _count(self, response: Any) -> None:
        self.bytes += int(response.headers.get("content-length", 0))

    @property
    def spent(self) -> float:
        """Seconds of CPU of its tasks so far."""
        metrics = self._session.send("Performance.getMetrics")["metrics"]
        return float(next(m["value"] for m in metrics if m["name"] == "TaskDuration"))

    def slide(self) -> float:
        """Milliseconds per window of moving the slider through all of them."""
        last = int(self._page.locator("#time").get_attribute("max"))
        before = self.spent
        for window in range(last + 1):
            self._page.locator("#time").fill(str(window))
            self._page.wait_for_timeout(60)
        return 1000 * (self.spent - before) / (last + 1)

    def drag(self) -> float:
        """Milliseconds per step of dragging the map to and fro."""
        box = self._page.locator("#map").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        before = self.spent
        self._page.mouse.move(x, y)
        self._page.mouse.down()
        for step in range(STEPS):
            self._page.mouse.move(x + 6 * (step % 20), y + 3 * (step % 20))
            self._page.wait_for_timeout(30)
        self._page.mouse.up()
        return 1000 * (self.spent - before) / STEPS


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("maps", type=Path)
    given = parser.parse_args()
    with sync_playwright() as started, serving(given.maps) as address:
        browser = started.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        page = Page(browser, address)
        first = page.bytes
        dragged, slid = page.drag(), page.slide()
        browser.close()
    told = {"first_view_mb": first / 1e6, "ms_per_step_of_time": slid, "ms_per_drag_step": dragged}
    print(json.dumps({name: round(value, 2) for name, value in told.items()}))


if __name__ == "__main__":
    main()
