"""Pictures of a report and a map page for the documentation, from a browser without a window.

    python -m benchmarks.screenshots MAPS NAME

Writes docs/images/NAME-*.webp: report and page at desktop and phone size, and where there are
events one of them, the ground compared, and their table. Needs Debian's chromium.
"""

import argparse
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from groundshift.products.page.serving import serving

TARGET = Path(__file__).parents[1] / "docs" / "images"
DESKTOP: dict[str, Any] = {"viewport": {"width": 1360, "height": 860}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2}
QUALITY = 80


def save(shot: bytes, name: str) -> None:
    """Keep a screenshot, small."""
    picture = Image.open(io.BytesIO(shot)).convert("RGB")
    TARGET.mkdir(parents=True, exist_ok=True)
    picture.save(TARGET / f"{name}.webp", "WEBP", quality=QUALITY, method=6)
    print(f"{name}.webp: {picture.size}, {(TARGET / f'{name}.webp').stat().st_size} bytes")


@contextmanager
def page_of(browser: Any, address: str, **options: Any) -> Iterator[Any]:
    """A page in a window of its own, once it is drawn."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.goto(address)
    settle(page)
    yield page
    context.close()


def settle(page: Any) -> None:
    """Wait until everything is drawn."""
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(800)


def show_events(browser: Any, address: str, report: str, name: str) -> None:
    """The ground before and after with known changes, and the report's table of events."""
    dark = "#ground=compare&layer=none&swipe=52&known=on"
    with page_of(browser, f"{address}{dark}", **DESKTOP, color_scheme="dark") as page:
        save(page.screenshot(), f"{name}-compare-desktop")
    with page_of(browser, report, **DESKTOP) as page:
        box = page.locator("h2", has_text="Events").bounding_box()
        page.evaluate("top => scrollTo(0, top - 12)", box["y"])
        settle(page)
        save(page.screenshot(), f"{name}-events-desktop")


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("maps", type=Path)
    parser.add_argument("name")
    given = parser.parse_args()
    with sync_playwright() as started, serving(given.maps) as address:
        browser = started.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        report = address.replace("page/", "report.html")
        for size, options in (("desktop", DESKTOP), ("phone", PHONE)):
            with page_of(browser, address, **options) as page:
                save(page.screenshot(), f"{given.name}-page-{size}")
                events = page.locator("#list button")
                if found := events.count():
                    events.first.click()
                    settle(page)
                    save(page.screenshot(), f"{given.name}-card-{size}")
            with page_of(browser, report, **options) as page:
                save(page.screenshot(), f"{given.name}-report-{size}")
        if found:
            show_events(browser, address, report, given.name)
        browser.close()


if __name__ == "__main__":
    main()
