"""A Sentinel Hub service on this machine: tokens, catalogue and Process API over TLS.

It speaks as the real one does as far as its clients notice: requests are read and checked in full,
pixels come by way of the evalscript, answers are TIFFs or a tar of them, and it limits, fails,
stalls and garbles on demand.
"""

import io
import json
import secrets
import ssl
import tarfile
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
from rasterio.io import MemoryFile
from rasterio.transform import from_bounds

from tests.hub.archive import Scene, crs_of, process, search
from tests.hub.scripts import RefusedError

CLIENT, SECRET = "a-client", "a-secret-that-nobody-may-see"
FAULTS = ("429", "503", "cut", "corrupt", "wrong size", "slow")


@dataclass
class Hub:
    """The service's state, and what it was asked."""

    scenes: list[Scene]
    page: int = 100
    """Most items on a page of the catalogue."""
    largest: int = 2500
    lifetime: int = 3600
    """Seconds for which a token is good."""
    faults: Callable[[], str] = lambda: ""
    """What becomes of the next image: nothing, one of `FAULTS`, "quota" or "quota 429"."""
    token_faults: Callable[[], str] = lambda: ""
    """What becomes of the next request for a token: nothing, "503" or "busy"."""
    latency: float = 0.0
    """Seconds before any answer."""
    stall: float = 2.0
    """Seconds that a slow answer takes."""
    url: str = ""
    tokens: set[str] = field(default_factory=set)
    issued: int = 0
    searches: int = 0
    images: list[dict[str, Any]] = field(default_factory=list)
    """Bodies of the requests for images, also of those that failed."""
    units: float = 0.0
    """Processing units spent."""
    most_at_once: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

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
        with self._lock:
            self.tokens.add(name)
            self.issued += 1
        return {"access_token": name, "expires_in": self.lifetime, "token_type": "Bearer"}

    @contextmanager
    def counted(self, body: dict[str, Any]):
        """Count a request for an image while it is worked on."""
        with self._lock:
            self.images.append(body)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            yield
        finally:
            with self._lock:
                self._now -= 1


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


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.hub.latency)
        try:
            if self.path == "/token":
                self._token(content)
                return
            if self.headers.get("Authorization", "").removeprefix("Bearer ") not in self.hub.tokens:
                raise RefusedError(
                    401, "You are not authorized! Please provide a valid access token."
                )
            body = json.loads(content)
            if self.path == "/api/v1/catalog/1.0.0/search":
                self.hub.searches += 1
                self._json(200, search(self.hub.scenes, body, self.hub.page))
            elif self.path == "/api/v1/process":
                self._process(body)
            else:
                raise RefusedError(404, "Not found")
        except RefusedError as refusal:
            self._json(refusal.status, refusal.body(), refusal.headers)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            self._json(400, RefusedError(400, f"Malformed request: {error!r}").body())
        except OSError:
            pass  # the client gave up

    def _token(self, content: bytes) -> None:
        try:
            self._json(200, self.hub.token(parse_qs(content.decode())))
        except RefusedError as refusal:
            self._json(refusal.status, {"error": str(refusal), "error_description": "refused"})

    def _process(self, body: dict[str, Any]) -> None:
        with self.hub.counted(body):
            fault = self.hub.faults()
            if fault == "429":
                raise RefusedError(429, "Rate limit exceeded", Retry_After="20")
            if fault == "quota 429":
                raise RefusedError(429, "Rate limit exceeded", Retry_After="86400000")
            if fault == "503":
                raise RefusedError(503, "Service unavailable")
            if fault == "quota":
                raise RefusedError(
                    403, "Insufficient processing units or requests in your account."
                )
            if fault == "slow":
                time.sleep(self.hub.stall)
            images, units = process(self.hub.scenes, body, self.hub.largest)
            if fault == "wrong size":
                images = {name: image[:-1] for name, image in images.items()}
        files = {name: _tiff(image, body["input"]["bounds"]) for name, image in images.items()}
        single = len(files) == 1
        answer = next(iter(files.values())) if single else _tar(files)
        if fault == "corrupt":
            answer = answer[: len(answer) // 2] + bytes(len(answer) - len(answer) // 2)
        self.hub.units += units
        self.send_response(200)
        self.send_header("Content-Type", "image/tiff" if single else "application/x-tar")
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("X-ProcessingUnits-Spent", f"{units:.6f}")
        self.end_headers()
        self.wfile.write(answer[: len(answer) // 2] if fault == "cut" else answer)
        self.close_connection = True

    def _json(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up is no error of the service."""


@contextmanager
def serving(hub: Hub, certificate: Path):
    """Run the service; `hub.url` says where."""
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = _Server(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    # Hands are shaken by the connection's own thread, at its first byte.
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    hub.url = f"https://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
