"""A Sentinel Hub service on this machine: tokens, catalogue and Process API over TLS.

It speaks as the real one does as far as its clients notice: requests are read and checked in full,
pixels come by way of the evalscript, answers are TIFFs or a tar of them, and it limits, fails,
stalls and garbles on demand.
"""

import io
import json
import secrets
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
from rasterio.io import MemoryFile
from rasterio.transform import from_bounds

from tests.hub.archive import Scene, crs_of, process, search
from tests.loopback import server
from tests.loopback.server import Handler, RefusedError, Service, stalled

CLIENT, SECRET = "a-client", "a-secret-that-nobody-may-see"
FAULTS = ("429", "503", "cut", "corrupt", "wrong size", "slow")


@dataclass
class Hub(Service):
    """The service's state, and what it was asked.

    An image may be lost to one of `FAULTS`, to "quota" or to "quota 429".
    """

    scenes: list[Scene]
    page: int = 100
    """Most items on a page of the catalogue."""
    largest: int = 2500
    lifetime: int = 3600
    """Seconds for which a token is good."""
    token_faults: Callable[[], str] = lambda: ""
    """What becomes of the next request for a token: nothing, "503" or "busy"."""
    stall: float = field(default=2.0, kw_only=True)
    searches: int = 0
    units: float = 0.0
    """Processing units spent."""

    def token(self, form: dict[str, list[str]]) -> dict[str, Any]:
        """Give a token for credentials."""
        fault = self.token_faults()
        if fault == "503":
            raise RefusedError(503, "unavailable")
        if fault == "busy":
            raise RefusedError(400, "temporarily_unavailable")
        if form.get("grant_type") != ["client_credentials"]:
            raise RefusedError(400, "unsupported_grant_type")
        if form.get("client_id") != [CLIENT] or form.get("client_secret") != [SECRET]:
            raise RefusedError(401, "invalid_client")
        name = f"e30.e30.{secrets.token_hex(8)}"
        with self.lock:
            self.tokens.add(name)
            self.issued += 1
        return {"access_token": name, "expires_in": self.lifetime, "token_type": "Bearer"}


def look(body: dict[str, Any]) -> tuple[str, str, tuple[float, ...]]:
    """Which image a request is for: collection, time and place."""
    (data,) = body["input"]["data"]
    bounds = tuple(body["input"]["bounds"]["bbox"])
    return data["type"], data["dataFilter"]["timeRange"]["from"], bounds


def _tiff(image: np.ndarray, bounds: dict[str, Any]) -> bytes:
    height, width, count = image.shape
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            width=width,
            height=height,
            count=count,
            dtype=image.dtype,
            crs=crs_of(bounds),
            transform=from_bounds(*bounds["bbox"], width, height),
            compress="deflate",
            interleave="pixel",
        ) as file:
            file.write(np.moveaxis(image, -1, 0))
        return bytes(memory.read())


def _tar(images: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for name, image in images.items():
            entry = tarfile.TarInfo(f"{name}.tif")
            entry.size = len(image)
            tar.addfile(entry, io.BytesIO(image))
    return content.getvalue()


class _Handler(Handler):
    """One connection."""

    service: Hub

    def post(self, content: bytes) -> None:
        time.sleep(self.service.latency)
        try:
            if self.path == "/token":
                self._token(content)
                return
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if token not in self.service.tokens:
                raise RefusedError(
                    401, "You are not authorized! Please provide a valid access token."
                )
            body = json.loads(content)
            if self.path == "/api/v1/catalog/1.0.0/search":
                self.service.searches += 1
                self.answer_json(200, search(self.service.scenes, body, self.service.page))
            elif self.path == "/api/v1/process":
                self._process(body)
            else:
                raise RefusedError(404, "Not found")
        except RefusedError as refusal:
            self.answer_json(refusal.status, _error(refusal), refusal.headers)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            self.answer_json(400, _error(RefusedError(400, f"Malformed request: {error!r}")))
        except OSError:
            pass  # the client gave up

    def _token(self, content: bytes) -> None:
        try:
            self.answer_json(200, self.service.token(parse_qs(content.decode())))
        except RefusedError as refusal:
            said = {"error": str(refusal), "error_description": "refused"}
            self.answer_json(refusal.status, said)

    def _process(self, body: dict[str, Any]) -> None:
        hub = self.service
        with hub.counted(body):
            fault = hub.faults()
            if fault in _REFUSALS:
                raise _REFUSALS[fault]()
            stalled(hub, fault)
            images, units = process(hub.scenes, body, hub.largest)
            if fault == "wrong size":
                images = {name: image[:-1] for name, image in images.items()}
        files = {name: _tiff(image, body["input"]["bounds"]) for name, image in images.items()}
        single = len(files) == 1
        answer = next(iter(files.values())) if single else _tar(files)
        if fault == "corrupt":
            answer = answer[: len(answer) // 2] + bytes(len(answer) - len(answer) // 2)
        with hub.lock:
            hub.units += units
            hub.answered[look(body)] += fault in ("", "slow")
        self.close_connection = True
        headers = {
            "Content-Type": "image/tiff" if single else "application/x-tar",
            "X-ProcessingUnits-Spent": f"{units:.6f}",
        }
        self.answer(200, answer, headers, cut=fault == "cut")


_REFUSALS = {
    "429": partial(RefusedError, 429, "Rate limit exceeded", Retry_After="20"),
    "quota 429": partial(RefusedError, 429, "Rate limit exceeded", Retry_After="86400000"),
    "503": partial(RefusedError, 503, "Service unavailable"),
    "quota": partial(RefusedError, 403, "Insufficient processing units in your account."),
}


def _error(refusal: RefusedError) -> dict[str, Any]:
    """An error in the service's form."""
    return {"error": {"status": refusal.status, "reason": "Bad", "message": str(refusal)}}


def serving(hub: Hub, certificate: Path):
    """Run the service; `hub.url` says where."""
    return server.serving(_Handler, hub, certificate)
