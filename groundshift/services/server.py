"""A served model as a container runs it: MLflow's app with limits, readiness and metrics around it.

    python -m groundshift.services.server --model models:/groundshift-demo@champion

MLflow's app answers `/invocations`, `/ping` and `/version`. Around it: a body may have so many
bytes and take so many seconds to arrive, so many requests are at work at once and so many wait,
others are told to come again (429). `/ready` says whether requests are taken, `/metrics` what
happened to them.

Unlike `mlflow models serve` it runs no code from the model's folder: what a logged model brings is
looked through (`served_files`), and the artifact in it is opened by the installed package.
"""

import argparse
import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from groundshift.errors import GroundshiftError, SettingsError
from groundshift.services.served_files import open_logged_model

log = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

INVOCATIONS = "/invocations"
_JSON = "application/json"
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


@dataclass(frozen=True)
class ServerLimits:
    """What the server takes at most.

    Attributes:
        body: bytes of a request.
        seconds: until a request has arrived, and until it is answered.
        at_once: requests at work.
        waiting: requests that wait for one of these to end.
    """

    body: int = 64 << 20
    seconds: float = 120.0
    at_once: int = 2
    waiting: int = 16


class Metrics:
    """What Prometheus reads."""

    def __init__(self, model: str) -> None:
        """Make the metrics of one server that serves `model`."""
        self.registry = CollectorRegistry()
        names: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter(
            "groundshift_requests_total", "Requests by HTTP status", ["status"], **names
        )
        self.seconds = Histogram(
            "groundshift_request_seconds",
            "Time from first byte to answer",
            buckets=_SECONDS,
            **names,
        )
        self.bytes = Counter("groundshift_request_bytes_total", "Bytes of bodies", **names)
        self.at_work = Gauge("groundshift_requests_at_work", "Requests at work", **names)
        self.waiting = Gauge("groundshift_requests_waiting", "Requests that wait", **names)
        shown = Gauge("groundshift_model", "The model that is served", ["model"], **names)
        shown.labels(model).set(1)


class _Refusal(Exception):  # noqa: N818 (never leaves this module)
    """An answer other than the model's."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class Guard:
    """The app around MLflow's."""

    def __init__(self, inner: App, limits: ServerLimits, metrics: Metrics) -> None:
        """Put limits and metrics around an app."""
        self._inner, self._limits, self._metrics = inner, limits, metrics
        self._slots = asyncio.Semaphore(limits.at_once)
        self._waiting = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        path, method = scope.get("path"), scope.get("method")
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
        elif path == "/metrics":
            text = generate_latest(self._metrics.registry)
            await _answer(send, 200, text, "text/plain; version=0.0.4")
        elif path == "/ready":
            full = self._waiting >= self._limits.waiting
            await _answer(
                send, 503 if full else 200, b"busy\n" if full else b"ready\n", "text/plain"
            )
        elif path == INVOCATIONS and method == "POST":
            await self._invoke(scope, receive, send)
        else:
            await self._inner(scope, receive, send)

    async def _invoke(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        began = time.monotonic()
        try:
            body = await self._body(scope, receive)
            self._metrics.bytes.inc(len(body))
            await asyncio.to_thread(_require_object, body)
            status, content, kind = await self._predict(scope, body)
        except _Refusal as refusal:
            status, kind = refusal.status, _JSON
            content = json.dumps({"error_code": refusal.code, "message": str(refusal)}).encode()
        self._metrics.seconds.observe(time.monotonic() - began)
        self._metrics.requests.labels(str(status)).inc()
        await _answer(send, status, content, kind)

    async def _body(self, scope: MutableMapping[str, Any], receive: Receive) -> bytes:
        """The whole body, refused before it is read where its headers say that it is too long."""
        headers = {name.lower(): value for name, value in scope["headers"]}
        kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        if kind != _JSON.encode():
            shown = kind.decode("latin-1")[:60] or "none"
            raise _Refusal(415, "UNSUPPORTED", f"Content-Type: expected {_JSON}, found {shown}")
        limit = self._limits.body
        too_long = _Refusal(413, "TOO_LARGE", f"expected a body of at most {limit} bytes")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > limit:
            raise too_long
        try:
            async with asyncio.timeout(self._limits.seconds):
                parts, size, more = [], 0, True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Refusal(400, "BAD_REQUEST", "the body ended before its time")
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    more = message.get("more_body", False)
                    if size > limit:
                        raise too_long
        except TimeoutError:
            raise _Refusal(408, "TIMEOUT", "the body took too long to arrive") from None
        return b"".join(parts)

    async def _predict(
        self, scope: MutableMapping[str, Any], body: bytes
    ) -> tuple[int, bytes, str]:
        """Let MLflow's app answer, when it is this request's turn."""
        if self._slots.locked() and self._waiting >= self._limits.waiting:
            raise _Refusal(429, "BUSY", "all places are taken: come again in some seconds")
        self._waiting += 1
        self._metrics.waiting.set(self._waiting)
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
            self._metrics.waiting.set(self._waiting)
        self._metrics.at_work.inc()
        task = asyncio.create_task(_replayed(self._inner, scope, body))
        # A thread can't be stopped: the place stays taken until the work is really over.
        task.add_done_callback(self._leave)
        try:
            return await asyncio.wait_for(asyncio.shield(task), self._limits.seconds)
        except TimeoutError:
            raise _Refusal(
                504, "TIMEOUT", f"not done within {self._limits.seconds:g} s: ask for less at once"
            ) from None

    def _leave(self, task: "asyncio.Task[Any]") -> None:
        self._slots.release()
        self._metrics.at_work.dec()
        if not task.cancelled() and task.exception() is not None:
            log.error("a request failed", exc_info=task.exception())


def _require_object(body: bytes) -> None:
    """Refuse what is no JSON object; MLflow ends in an error of its own at some of it."""
    try:
        if isinstance(json.loads(body), dict):
            return
        reason = "found other JSON"
    except (ValueError, RecursionError) as error:
        reason = f"found none ({type(error).__name__})"
    raise _Refusal(400, "BAD_REQUEST", f"expected a JSON object: {reason}")


async def _replayed(
    inner: App, scope: MutableMapping[str, Any], body: bytes
) -> tuple[int, bytes, str]:
    """The answer of an app to a body that is here; how it got into trouble stays here too."""
    found: dict[str, Any] = {"status": 500, "headers": [], "body": b""}

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            found.update(status=message["status"], headers=message["headers"])
        else:
            found["body"] += message.get("body", b"")

    await inner(scope, receive, send)
    content, status = found["body"], int(found["status"])
    if status != 200:
        content = _without_trace(content)
    kind = dict(found["headers"]).get(b"content-type", _JSON.encode()).decode()
    return status, content, kind


def _without_trace(content: bytes) -> bytes:
    """An error's code and message; the stack trace is for the log."""
    try:
        document = json.loads(content)
        kept = {name: document[name] for name in ("error_code", "message") if name in document}
    except (ValueError, TypeError):
        return content
    if "stack_trace" in document:
        log.warning("%s", document["stack_trace"])
    return json.dumps(kept).encode()


async def _answer(send: Send, status: int, content: bytes, kind: str) -> None:
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(content)).encode())]
    if status == 429:
        headers.append((b"retry-after", b"5"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def make_app(model: str, limits: ServerLimits) -> Guard:
    """The whole app for a model.

    Args:
        model: URI of MLflow (`models:/NAME@champion`, `runs:/...`) or folder of a logged model.
        limits: what is taken.

    Raises:
        ContractError: a logged model that holds what it should not, or is not whole.
        SourceError: MLflow can't be reached.
    """
    os.environ.setdefault("MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT", str(int(limits.seconds) + 60))
    from mlflow.pyfunc import scoring_server

    served, content_hash = open_logged_model(model)
    return Guard(scoring_server.init(served), limits, Metrics(content_hash))


def main(arguments: list[str] | None = None) -> int:
    """Serve a model until told to end; the exit code is 2 where it can't be served."""
    defaults = ServerLimits()
    parser = argparse.ArgumentParser(prog="python -m groundshift.services.server")
    parser.add_argument("--model", required=True, help="models:/NAME@champion, or a folder")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--body-mb", type=int, default=defaults.body >> 20)
    parser.add_argument("--seconds", type=float, default=defaults.seconds)
    parser.add_argument("--at-once", type=int, default=defaults.at_once)
    parser.add_argument("--waiting", type=int, default=defaults.waiting)
    given = parser.parse_args(arguments)
    limits = ServerLimits(given.body_mb << 20, given.seconds, given.at_once, given.waiting)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(levelname).1s %(name)s: %(message)s"
    )
    try:
        if min(given.body_mb, given.seconds, given.at_once, given.waiting + 1) <= 0:
            raise SettingsError("expected limits above 0; --waiting may be 0")
        app = make_app(given.model, limits)
    except GroundshiftError as error:
        log.error("%s", error)
        return 4 if getattr(error, "transient", False) else 2
    import uvicorn

    uvicorn.run(app, host=given.host, port=given.port, log_level="warning", access_log=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
