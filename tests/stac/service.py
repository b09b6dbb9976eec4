"""A STAC API on this machine: landing page, search with pages, signed links, files by ranges, S3.

It speaks as the real ones do as far as their clients notice, and limits, fails, stalls and garbles
on demand.
"""

import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.stac.archive import EXTENT, Product, search

KEY, SECRET = "an-access-key", "a-secret-key-that-nobody-may-see"
FAULTS = ("429", "503", "cut", "corrupt", "slow", "other range")
CONFORMS = ("core", "collections", "item-search", "item-search#query")
_PERIOD = ["2015-01-01T00:00:00Z", None]


class RefusedError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.headers = status, {k.replace("_", "-"): v for k, v in headers.items()}


@dataclass
class Api:
    """The service's state, and what it was asked."""

    products: list[Product]
    folder: Path
    """Where files are written."""
    extents: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """Bounds of collections; default: nearly everything."""
    empty: tuple[str, ...] = ()
    """Collections without items."""
    page: int = 100
    methods: tuple[str, ...] = ("GET", "POST")
    conforms: tuple[str, ...] = CONFORMS
    signed: bool = False
    """Whether files need a token."""
    lifetime: float = 3600
    """Seconds for which a token is said to be good."""
    faults: Callable[[], str] = lambda: ""
    """What becomes of the next part of a file: nothing, one of `FAULTS`, or "quota"."""
    catalogue_faults: Callable[[], str] = lambda: ""
    """What becomes of the next page: nothing, "429" or "503"."""
    latency: float = 0.0
    stall: float = 0.1
    url: str = ""
    tokens: set[str] = field(default_factory=set)
    issued: int = 0
    searches: list[dict[str, Any]] = field(default_factory=list)
    parts: list[tuple[str, str]] = field(default_factory=list)
    """Files and ranges that were asked for, also those that failed."""
    answered: Counter[tuple[str, str]] = field(default_factory=Counter)
    bytes: int = 0
    most_at_once: int = 0
    _now: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def collections(self) -> list[str]:
        return sorted({*self.empty, *(product.collection for product in self.products)})

    @contextmanager
    def counted(self, path: str, span: str):
        with self.lock:
            self.parts.append((path, span))
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            yield
        finally:
            with self.lock:
                self._now -= 1

    def collection(self, name: str) -> dict[str, Any]:
        if name not in self.collections:
            raise RefusedError(404, f"No collection {name}")
        bounds = list(self.extents.get(name, EXTENT))
        return {
            "type": "Collection",
            "stac_version": "1.0.0",
            "id": name,
            "description": name,
            "license": "proprietary",
            "extent": {"spatial": {"bbox": [bounds]}, "temporal": {"interval": [_PERIOD]}},
            "links": [{"rel": "self", "href": f"{self.url}/collections/{name}"}],
        }

    def landing(self) -> dict[str, Any]:
        links = [
            {"rel": "self", "href": f"{self.url}/", "type": "application/json"},
            {"rel": "root", "href": f"{self.url}/", "type": "application/json"},
            {"rel": "data", "href": f"{self.url}/collections", "type": "application/json"},
            {"rel": "conformance", "href": f"{self.url}/conformance"},
        ]
        links += [
            {
                "rel": "search",
                "href": f"{self.url}/search",
                "type": "application/geo+json",
                "method": method,
            }
            for method in self.methods
        ]
        return {
            "type": "Catalog",
            "stac_version": "1.0.0",
            "id": "loopback",
            "description": "for tests",
            "conformsTo": self.conformance(),
            "links": links,
        }

    def conformance(self) -> list[str]:
        return [f"https://api.stacspec.org/v1.0.0/{name}" for name in self.conforms]

    def search(self, asked: dict[str, Any], method: str) -> dict[str, Any]:
        """A page, with a link to the next one."""
        self.searches.append(asked)
        if method not in self.methods:
            raise RefusedError(405, "Method not allowed")
        found = search(self.products, asked)
        first, limit = int(asked.get("token", 0)), min(int(asked.get("limit", 10)), self.page)
        with self.lock:
            shown = found[first : first + limit]
            items = [product.item(self.url, self.folder) for product in shown]
        links = []
        if first + limit < len(found):
            link = {"rel": "next", "href": f"{self.url}/search", "method": method}
            if method == "POST":
                link |= {"body": asked | {"token": str(first + limit)}, "merge": False}
            else:
                query = {key: _listed(value) for key, value in asked.items()}
                link["href"] += f"?{urlencode(query | {'token': first + limit})}"
            links.append(link)
        return {"type": "FeatureCollection", "features": items, "links": links}

    def token(self, collection: str) -> dict[str, Any]:
        self.collection(collection)
        text = f"st=2020&sig={secrets.token_hex(8)}"
        with self.lock:
            self.tokens.add(text)
            self.issued += 1
        ends = datetime.now(UTC) + timedelta(seconds=self.lifetime)
        return {"msft:expiry": f"{ends:%Y-%m-%dT%H:%M:%SZ}", "token": text}

    def file(self, path: str) -> bytes:
        collection, name, asset = path.split("/")
        for product in self.products:
            key = asset.rsplit(".", 1)[0]
            if (product.collection, product.id) == (collection, name) and key in product.files:
                with self.lock:
                    return product.file(key, self.folder).read_bytes()
        raise RefusedError(404, "The specified blob does not exist.")


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    api: Api

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(lambda _: self.api.search(json.loads(content), "POST"))

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self._answer(self._get)

    def _answer(self, make: Callable[[str], Any]) -> None:
        time.sleep(self.api.latency)
        try:
            path = urlsplit(self.path).path.strip("/")
            if path.startswith(("files/", "s3/")):
                self._file(path)
                return
            fault = self.api.catalogue_faults()
            if fault:
                raise RefusedError(int(fault), "not now", Retry_After="0.01")
            self._json(200, make(path))
        except RefusedError as refusal:
            body = {"code": refusal.status, "description": str(refusal)}
            self._json(refusal.status, body, refusal.headers)
        except (KeyError, TypeError, ValueError) as error:
            self._json(400, {"code": 400, "description": f"Malformed request: {error!r}"})
        except OSError:
            pass  # the client gave up

    def _get(self, path: str) -> Any:
        api, parts = self.api, path.split("/")
        if path == "":
            return api.landing()
        if path == "conformance":
            return {"conformsTo": api.conformance()}
        if path == "collections":
            found = [api.collection(name) for name in api.collections]
            return {"collections": found, "links": []}
        if path == "search":
            query = {key: value[0] for key, value in parse_qs(urlsplit(self.path).query).items()}
            query["collections"] = query["collections"].split(",")
            query["bbox"] = [float(number) for number in query["bbox"].split(",")]
            return api.search(query, "GET")
        if len(parts) == 2 and parts[0] == "collections":
            return api.collection(parts[1])
        if len(parts) == 2 and parts[0] == "token":
            return api.token(parts[1])
        raise RefusedError(404, "Not found")

    def _file(self, path: str) -> None:
        kind, name = path.split("/", 1)
        span = self.headers.get("Range", "")
        with self.api.counted(name, span):
            self._check_right(kind)
            fault = self.api.faults()
            if fault == "429":
                raise RefusedError(429, "Too many requests", Retry_After="0.01")
            if fault == "quota":
                raise RefusedError(429, "Too many requests", Retry_After="86400")
            if fault == "503":
                raise RefusedError(503, "Server busy")
            if fault == "slow":
                time.sleep(self.api.stall)
            content = self.api.file(name)
        first, last = 0, len(content) - 1
        if span:
            begin, _, end = span.removeprefix("bytes=").partition("-")
            first, last = int(begin), min(int(end or last), last)
            if first > last:
                raise RefusedError(416, "Range not satisfiable")
        part = content[first : last + 1]
        if fault == "corrupt":
            part = bytes(len(part))
        if fault == "other range":
            first, last = first + 1, last + 1
        with self.api.lock:
            self.api.bytes += len(part)
            self.api.answered[name, span] += not fault or fault == "slow"
        self.send_response(206 if span else 200)
        self.send_header("Content-Type", "image/tiff")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(part)))
        if span:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(part[: len(part) // 2] if fault == "cut" else part)
        self.close_connection = fault == "cut"

    def _check_right(self, kind: str) -> None:
        if kind == "files":
            if self.api.signed and urlsplit(self.path).query not in self.api.tokens:
                raise RefusedError(403, "AuthenticationFailed: Signature not valid.")
            return
        names = {
            name: self.headers[name]
            for name in self.headers.get("Authorization", "")
            .partition("SignedHeaders=")[2]
            .partition(",")[0]
            .split(";")
            if name and name != "host"
        }
        expected = AWSRequest("GET", f"{self.api.url}{self.path}", headers=names)
        expected.context["timestamp"] = self.headers.get("X-Amz-Date", "")
        signer = S3SigV4Auth(Credentials(KEY, SECRET), "s3", "default")
        wanted = signer.signature(
            signer.string_to_sign(expected, signer.canonical_request(expected)), expected
        )
        if not self.headers.get("Authorization", "").endswith(f"Signature={wanted}"):
            raise RefusedError(403, "SignatureDoesNotMatch")

    def _json(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up is no error of the service."""


def _listed(value: Any) -> str:
    return ",".join(str(each) for each in value) if isinstance(value, list) else str(value)


@contextmanager
def serving(api: Api):
    """Run the service; `api.url` says where."""
    handler = type("Handler", (_Handler,), {"api": api})
    server = _Server(("127.0.0.1", 0), handler)
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
