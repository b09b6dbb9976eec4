"""A reader of the map page: what the browser draws, asks for and complains of."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

DESKTOP, PHONE = (1200, 800), (390, 844)
PIXEL = 10.0


class Look:
    """One page in a browser."""

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.address = page, address
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.bytes = 0
        page.on("console", lambda said: self._said(said.type, said.text))
        page.on("pageerror", lambda error: self._said("error", str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("response", self._count)

    def open(self, view: str = "") -> "Look":
        """Go to the page, at a view that its address names."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.address}{view}")
        self.page.wait_for_selector("html[data-ready]", state="attached")
        return self.settle()

    def settle(self) -> "Look":
        """Wait until everything that was asked for is drawn."""
        self.page.wait_for_load_state("networkidle")
        self.page.evaluate("() => new Promise((done) => setTimeout(done, 250))")
        return self

    def set(self, control: str, value: float) -> "Look":
        """Move a slider."""
        self.page.locator(f"#{control}").fill(str(value))
        return self.settle()

    @property
    def state(self) -> dict[str, str]:
        """What the address says."""
        fragment = urlsplit(self.page.url).fragment
        return dict(field.split("=", 1) for field in fragment.split("&"))

    def where(self, x: float, y: float) -> tuple[float, float]:
        """Place on the screen of a place of the area, in pixels."""
        box = self.page.locator("#map").bounding_box()
        scale = PIXEL / float(self.state["r"])
        return (
            box["x"] + box["width"] / 2 + (x - float(self.state["x"])) * scale,
            box["y"] + box["height"] / 2 + (y - float(self.state["y"])) * scale,
        )

    def colour(self, x: float, y: float) -> np.ndarray:
        """What the map shows at a place of the area: red, green, blue."""
        column, row = map(round, self.where(x, y))
        return self.shot()[row, column]

    def shot(self) -> np.ndarray:
        """The screen, [y, x, band]."""
        picture = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        return np.asarray(picture, int)

    def click(self, x: float, y: float) -> "Look":
        """Click the map; a single click counts once no second one came."""
        self.page.mouse.click(*self.where(x, y))
        self.page.wait_for_timeout(400)
        return self.settle()

    def _said(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def _count(self, response: Any) -> None:
        if response.request.url.startswith("http"):
            self.bytes += int(response.headers.get("content-length", 0))


@contextmanager
def looking(
    browser: Any, address: str, size: tuple[int, int] = DESKTOP, **options: Any
) -> Iterator[Look]:
    """Open the page, and hold it to its word: no complaint, and no request to anywhere else."""
    width, height = size
    context = browser.new_context(viewport={"width": width, "height": height}, **options)
    context.set_default_timeout(30_000)
    look = Look(context.new_page(), address)
    try:
        yield look
        assert look.complaints == [], look.complaints
        home = urlsplit(address)
        strangers = [
            url
            for url in map(urlsplit, look.requests)
            if url.scheme not in ("data", "blob", "about") and url[:2] != home[:2]
        ]
        assert strangers == [], strangers
    finally:
        context.close()


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """How far two colours are from each other, 0 to 255."""
    return float(np.abs(one - other).max())
