"""An HTTP server on loopback that counts, limits, fails, stalls and garbles on demand."""

import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class RefusedError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.headers = status, {k.replace("_", "-"): v for k, v in headers.items()}


@dataclass(kw_only=True)
class Service:
    """A service's state, and what it was asked."""

    faults: Callable[[], str] = lambda: ""
    """What becomes of the next image, or part of one: nothing, or a fault of the service's."""
    latency: float = 0.0
    """Seconds before any answer."""
    stall: float = 0.1
    """Seconds that a slow answer takes."""
    url: str = ""
    tokens: set[str] = field(default_factory=set)
    issued: int = 0
    asked: list[Any] = field(default_factory=list)
    """Requests for images or parts of them, also those that failed."""
    answered: Counter[Any] = field(default_factory=Counter)
    """How often each came whole."""
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    _now: int = 0

    @contextmanager
    def counted(self, request: Any):
        """Count a request for an image while it is worked on."""
        with self.lock:
            self.asked.append(request)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            yield
        finally:
            with self.lock:
                self._now -= 1


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        self.post(self.rfile.read(int(self.headers["Content-Length"])))

    def do_HEAD(self) -> None:
        self.get()

    def do_GET(self) -> None:
        self.get()

    def post(self, content: bytes) -> None:
        """Answer a request with a body."""
        self.answer_json(405, {"code": 405, "description": "Method not allowed"})

    def get(self) -> None:
        """Answer a request without one; of an answer to HEAD only the head is sent."""
        self.answer_json(405, {"code": 405, "description": "Method not allowed"})

    def answer_json(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        known = {"Content-Type": "application/json"}
        self.answer(status, json.dumps(value).encode(), (headers or {}) | known)

    def answer(
        self, status: int, content: bytes, headers: dict[str, str], *, cut: bool = False
    ) -> None:
        """Send an answer; one that is cut breaks off in its middle."""
        self.send_response(status)
        for name, text in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if cut else content)
        self.close_connection |= cut


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up is no error of the service."""


@contextmanager
def serving(handler: type[Handler], service: Service, certificate: Path | None = None):
    """Run a service, over TLS with a certificate; `service.url` says where.

    Args:
        handler: Of connections; finds the service as its attribute `service`.
        service: Its state.
        certificate: Of localhost, with its key; None: plain HTTP.
    """
    server = _Server(("127.0.0.1", 0), type("Handler", (handler,), {"service": service}))
    if certificate is None:
        service.url = f"http://127.0.0.1:{server.server_port}"
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        # Hands are shaken by the connection's own thread, at its first byte.
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        service.url = f"https://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def stalled(service: Service, fault: str) -> None:
    """Wait where an answer is slow."""
    if fault == "slow":
        time.sleep(service.stall)
