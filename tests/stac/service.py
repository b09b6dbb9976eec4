"""A STAC API on this machine: landing page, search with pages, signed links, files by ranges, S3.

It speaks as the real ones do as far as their clients notice, and limits, fails, stalls and garbles
on demand.
"""

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.loopback import server
from tests.loopback.server import Handler, RefusedError, Service, stalled
from tests.stac.archive import EXTENT, Product, search

KEY, SECRET = "an-access-key", "a-secret-key-that-nobody-may-see"
FAULTS = ("429", "503", "cut", "corrupt", "slow", "other range")
CONFORMS = ("core", "collections", "item-search", "item-search#query")
_PERIOD = ["2015-01-01T00:00:00Z", None]


@dataclass
class Api(Service):
    """The service's state, and which parts of files it was asked for.

    A part may be lost to one of `FAULTS`, or to "quota".
    """

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
    catalogue_faults: Callable[[], str] = lambda: ""
    """What becomes of the next page: nothing, "429" or "503"."""
    searches: list[dict[str, Any]] = field(default_factory=list)
    bytes: int = 0

    @property
    def collections(self) -> list[str]:
        return sorted({*self.empty, *(product.collection for product in self.products)})

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


class _Handler(Handler):
    """One connection."""

    service: Api

    def post(self, content: bytes) -> None:
        self._answer(lambda _: self.service.search(json.loads(content), "POST"))

    def get(self) -> None:
        self._answer(self._get)

    def _answer(self, make: Callable[[str], Any]) -> None:
        time.sleep(self.service.latency)
        try:
            path = urlsplit(self.path).path.strip("/")
            if path.startswith(("files/", "s3/")):
                self._file(path)
                return
            fault = self.service.catalogue_faults()
            if fault:
                raise RefusedError(int(fault), "not now", Retry_After="0.01")
            self.answer_json(200, make(path))
        except RefusedError as refusal:
            body = {"code": refusal.status, "description": str(refusal)}
            self.answer_json(refusal.status, body, refusal.headers)
        except (KeyError, TypeError, ValueError) as error:
            self.answer_json(400, {"code": 400, "description": f"Malformed request: {error!r}"})
        except OSError:
            pass  # the client gave up

    def _get(self, path: str) -> Any:
        api, parts = self.service, path.split("/")
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
        with self.service.counted((name, span)):
            self._check_right(kind)
            fault = self.service.faults()
            if fault in _REFUSALS:
                raise _REFUSALS[fault]()
            stalled(self.service, fault)
            content = self.service.file(name)
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
        with self.service.lock:
            self.service.bytes += len(part)
            self.service.answered[name, span] += not fault or fault == "slow"
        headers = {"Content-Type": "image/tiff", "Accept-Ranges": "bytes"}
        if span:
            headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        self.answer(206 if span else 200, part, headers, cut=fault == "cut")

    def _check_right(self, kind: str) -> None:
        if kind == "files":
            if self.service.signed and urlsplit(self.path).query not in self.service.tokens:
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
        expected = AWSRequest("GET", f"{self.service.url}{self.path}", headers=names)
        expected.context["timestamp"] = self.headers.get("X-Amz-Date", "")
        signer = S3SigV4Auth(Credentials(KEY, SECRET), "s3", "default")
        wanted = signer.signature(
            signer.string_to_sign(expected, signer.canonical_request(expected)), expected
        )
        if not self.headers.get("Authorization", "").endswith(f"Signature={wanted}"):
            raise RefusedError(403, "SignatureDoesNotMatch")


_REFUSALS = {
    "429": partial(RefusedError, 429, "Too many requests", Retry_After="0.01"),
    "quota": partial(RefusedError, 429, "Too many requests", Retry_After="86400"),
    "503": partial(RefusedError, 503, "Server busy"),
}


def _listed(value: Any) -> str:
    return ",".join(str(each) for each in value) if isinstance(value, list) else str(value)


def serving(api: Api):
    """Run the service; `api.url` says where."""
    return server.serving(_Handler, api)
