"""A fake Kubeflow Pipelines: its v2beta1 REST API on a loopback port, for the real `kfp.Client`."""

import json
import re
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.pipelines.kubeflow.fake_state import CODES, Item, RefusedError, State

_API = "/apis/v2beta1/"
_PATHS = {"recurringruns": "recurring_runs", "pipelines": "pipelines"}


@dataclass
class _Fault:
    """What goes wrong with the next `times` requests whose line contains `request`."""

    request: str
    times: int
    status: int = 0
    work_is_done: bool = False


class FakeKubeflow:
    """The server; `state` survives `stop` and `start`, and so does the port."""

    def __init__(
        self,
        namespaces: tuple[str, ...] = (),
        *,
        token: str = "",
        cookies: str = "",
        login_page: bool = False,
    ) -> None:
        self.state = State(namespaces)
        self.token = token
        self.cookies = cookies
        self.login_page = login_page
        self.trace: list[str] = []
        self.sockets: set[socket.socket] = set()
        self.lock = threading.RLock()
        self._faults: list[_Fault] = []
        self._server: _Listener | None = None
        self._port = 0
        self.start()

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        self._server = _Listener(("127.0.0.1", self._port), _Handler)
        self._server.fake = self
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._server = None
        for connection in list(self.sockets):
            # A connection that is kept alive would outlive the server.
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def answers(self, status: int, request: str = "", times: int = 1) -> None:
        """Answer with an error instead of doing the work."""
        self._faults.append(_Fault(request, times, status=status))

    def loses(self, request: str, times: int = 1) -> None:
        """Do the work, then drop the connection instead of answering."""
        self._faults.append(_Fault(request, times, work_is_done=True))

    def drops(self, request: str, times: int = 1) -> None:
        """Drop the connection before doing anything."""
        self._faults.append(_Fault(request, times))

    def recovers(self) -> None:
        """Forget all that was to go wrong."""
        self._faults.clear()

    def fault(self, line: str) -> _Fault | None:
        for fault in self._faults:
            if fault.times and fault.request in line:
                fault.times -= 1
                return fault
        return None


class _Listener(ThreadingHTTPServer):
    fake: FakeKubeflow
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False


class _Handler(BaseHTTPRequestHandler):
    server: _Listener
    protocol_version = "HTTP/1.1"
    # Header and body go out together: apart, the second would wait for the first's receipt.
    wbufsize = -1

    def setup(self) -> None:
        super().setup()
        self.server.fake.sockets.add(self.connection)

    def finish(self) -> None:
        self.server.fake.sockets.discard(self.connection)
        super().finish()

    def log_message(self, *args: Any) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def do_DELETE(self) -> None:
        self._handle("DELETE")

    def _handle(self, method: str) -> None:
        fake = self.server.fake
        url = urlsplit(self.path)
        line = f"{method} {url.path}"
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        with fake.lock:
            fake.trace.append(line)
            fault = fake.fault(line)
            if fault and not (fault.status or fault.work_is_done):
                return self._drop()
            try:
                if fault and fault.status:
                    raise RefusedError(fault.status, "the server is not ready")
                if self._asks_to_log_in(url.path):
                    return None
                answer = self._answer(method, url.path.removeprefix(_API), query, body)
            except RefusedError as refusal:
                return self._send(refusal.status, _error(url.path, refusal))
        if fault:
            return self._drop()
        return self._send(200, answer)

    def _asks_to_log_in(self, path: str) -> bool:
        """Refuse a stranger, the way Dex does or with a plain 401."""
        fake = self.server.fake
        known = (
            (fake.token and self.headers.get("Authorization") == f"Bearer {fake.token}")
            or (fake.cookies and self.headers.get("Cookie") == fake.cookies)
            or not (fake.token or fake.cookies)
        )
        if known:
            return False
        if not fake.login_page:
            # A careless server repeats what it was given.
            raise RefusedError(
                401, f"Unauthenticated: {self.headers.get('Authorization')} is no one"
            )
        if path.startswith("/dex"):
            self._send(200, b"<html>Log in</html>", "text/html; charset=utf-8")
        else:
            self.send_response(302)
            self.send_header("Location", "/dex/auth")
            self.send_header("Content-Length", "0")
            self.end_headers()
        return True

    def _answer(self, method: str, path: str, query: dict[str, str], body: bytes) -> Item:
        state = self.server.fake.state
        if path == "healthz":
            return {"multi_user": True} if state.namespaces else {}
        if path in ("pipelines/upload", "pipelines/upload_version"):
            return self._upload(path, query, body)
        if match := re.fullmatch(r"pipelines/([^/]+)/versions(?:/([^/]+))?", path):
            if match[2]:
                return state.get("pipeline_versions", match[2])
            return state.list("pipeline_versions", query, pipeline_id=match[1])
        kind, _, rest = path.partition("/")
        kind = _PATHS.get(kind, kind)
        if kind not in state.items:
            raise RefusedError(404, "Not Found")
        if not rest:
            if method == "POST":
                return state.create(kind, json.loads(body))
            return state.list(kind, query)
        item_id, _, verb = rest.partition(":")
        if verb in ("enable", "disable") and method == "POST":
            item = state.get(kind, item_id)
            item |= {"mode": verb.upper(), "status": f"{verb.upper()}D"}
            return {}
        if method == "DELETE" and kind == "recurring_runs":
            state.delete_recurring_run(item_id, query.get("propagation_policy", ""))
            return {}
        return state.get(kind, item_id)

    def _upload(self, path: str, query: dict[str, str], body: bytes) -> Item:
        kind = self.headers["Content-Type"].encode()
        parts = message_from_bytes(b"Content-Type: " + kind + b"\r\n\r\n" + body).get_payload()
        (file,) = (p for p in parts if 'name="uploadfile"' in p["Content-Disposition"])
        package = file.get_payload(decode=True).decode()
        state = self.server.fake.state
        if path == "pipelines/upload_version":
            return state.version(query["pipelineid"], query["name"], package)
        name = query["name"]
        namespace = {"namespace": query["namespace"]} if "namespace" in query else {}
        pipeline = state.create("pipelines", {"display_name": name, **namespace})
        state.version(pipeline["pipeline_id"], name, package)
        return pipeline

    def _send(self, status: int, body: Item | bytes, kind: str = "application/json") -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _drop(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


def _error(path: str, refusal: RefusedError) -> Item:
    message = str(refusal)
    if "/upload" in path:
        return {"error_message": message, "error_details": f"{message}: {message}"}
    code = CODES.get(refusal.status, 2)
    status = {"@type": "type.googleapis.com/google.rpc.Status", "code": code, "message": message}
    return {"error": message, "code": code, "message": message, "details": [status]}
