"""The connection to a STAC API and to the images that it names: limits, retries, signed links."""

import contextlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import BoundedSemaphore
from typing import Any, TypeVar

from pystac_client.stac_api_io import StacApiIO
from requests import RequestException, Response, Session
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from groundshift.errors import SourceError
from groundshift.observations.costs import Used
from groundshift.observations.sources import retries
from groundshift.observations.sources.retries import BadAnswerError, Limit
from groundshift.observations.sources.stac.offers import Provider
from groundshift.observations.sources.stac.signing import (
    S3Keys,
    Token,
    Tokens,
    add_token,
    s3_address,
)

log = logging.getLogger(__name__)

_DEFAULT_WAIT = 5.0  # seconds, where a service that puts a request off doesn't say how long
_AGAIN = (408, 425, 500, 502, 503, 504)
_GONE = (404, 410)

Answer = TypeVar("Answer")


class Connection:
    """Sends requests to a provider, from several threads at once."""

    def __init__(self, provider: Provider, threads: int) -> None:
        """Nothing is sent yet.

        Args:
            provider: Where to.
            threads: That send requests; fewer are under way at once where the provider says so.
        """
        self.provider = provider
        # At level DEBUG the client's library logs links with the token in them.
        logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)
        self._session = Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=threads, max_retries=0))
        self._limit = Limit()
        self._slots = BoundedSemaphore(min(threads, provider.connections or threads))
        self._tokens = Tokens(provider.token_url, self.json) if provider.token_url else None
        self._keys: S3Keys | None = None

    def json(self, url: str, method: str = "GET", **request: Any) -> Any:
        """A JSON document.

        Raises:
            SourceError: there is none at this address (`lost`), the service refuses, or it fails
                again and again.
        """

        def ask(_: Token | None) -> Response:
            return self._session.request(method, url, timeout=retries.TIMEOUT, **request)

        def read(response: Response) -> Any:
            try:
                return response.json()
            except ValueError as error:
                raise BadAnswerError(f"no JSON ({error})") from error

        return self._send(ask, read, f"the catalogue's {url}")

    def part(
        self, collection: str, href: str, start: int, length: int, used: Used
    ) -> tuple[bytes, int]:
        """A part of an image, and how large the whole is.

        Args:
            collection: That it belongs to.
            href: Its address, as the catalogue has it.
            start: First byte.
            length: How many bytes; 0 for the whole image.
            used: Counts what it takes.

        Returns:
            The bytes, fewer only where the image ends, and the image's size in bytes.

        Raises:
            SourceError: there is no such image (`lost`), the service refuses, or it fails again
                and again.
        """
        headers = {"Accept-Encoding": "identity"}
        if length:
            headers["Range"] = f"bytes={start}-{start + length - 1}"
        options: dict[str, Any] = {"headers": headers, "timeout": retries.TIMEOUT, "stream": True}

        def ask(token: Token | None) -> Response:
            used.add(requests=1)
            if href.startswith("s3://"):
                address, options["auth"] = self._s3(href)
            else:
                address = add_token(href, token) if token else href
            return self._session.get(address, **options)

        def read(response: Response) -> tuple[bytes, int]:
            content = response.content
            size = _size(response, start, length, len(content))
            used.add(bytes=len(content))
            return content, size

        signed = collection if self._tokens and not href.startswith("s3://") else ""
        return self._send(ask, read, f"the image {href}", signed)

    def _s3(self, href: str) -> tuple[str, S3Keys]:
        bucket = self.provider.bucket
        if bucket is None:
            raise SourceError(
                f"{self.provider.name}: expected images by https, found {href}. Give "
                "fetch.stac.s3_url, the address of the service that holds it"
            )
        self._keys = self._keys or S3Keys(self.provider, bucket)
        return s3_address(bucket, href), self._keys

    def _send(
        self,
        ask: Callable[[Token | None], Response],
        read: Callable[[Response], Answer],
        what: str,
        signed: str = "",
    ) -> Answer:
        """Ask until there is an answer, a refusal, or no hope."""
        failed = put_off = 0
        renewed = False
        while True:
            token = None
            time.sleep(self._limit.remaining())
            try:
                token = self._tokens.of(signed) if self._tokens and signed else None
                with self._slots, ask(token) as response:
                    status = response.status_code
                    if status < 300:
                        answer = read(response)
                        self._limit.relax()
                        return answer
                    problem = f"{status} {self._clean(response.text)[:200]}"
                    asked = _asked(response.headers) if status in (429, 503) else None
                if status == 429 or asked is not None:
                    put_off += 1
                    self._limit.postpone(_DEFAULT_WAIT if asked is None else asked)
                    if put_off <= retries.LIMITED:
                        continue
                elif status in (401, 403) and token and not renewed and self._tokens:
                    renewed = True  # the token ended before its time
                    self._tokens.drop(token)
                    continue
                elif status not in _AGAIN:
                    raise self._final(status, what, problem)
            except (BadAnswerError, RequestException, HTTPError) as error:
                problem = self._clean(f"{type(error).__name__}: {error}")
            failed += 1
            log.info("%s: %s failed (%s), attempt %d", self.provider.name, what, problem, failed)
            if failed >= retries.ATTEMPTS or put_off > retries.LIMITED:
                raise self._lost(what, failed + put_off, problem)
            time.sleep(retries.wait(failed - 1))

    def _final(self, status: int, what: str, problem: str) -> SourceError:
        """Why asking again can't help."""
        if status in _GONE:
            message = f"{self.provider.name}: expected {what}, found none ({problem})"
            return SourceError(message, lost=True)
        if status in (401, 403):
            return SourceError(
                f"{self.provider.name} refuses {what} ({problem}). Correct the credentials, ask "
                "the provider for access, or choose another provider",
                refused=True,
            )
        return SourceError(
            f"{self.provider.name}: {what} was refused ({problem}). Correct fetch.stac: url, "
            "collections and assets must be those that the API offers"
        )

    def _lost(self, what: str, times: int, problem: str) -> SourceError:
        return SourceError(
            f"{self.provider.name}: expected {what}, found a failure {times} times, last: "
            f"{problem}. Run again later, or lower fetch.stac.concurrency; what has arrived is "
            "kept",
            transient=True,
        )

    def _clean(self, text: str) -> str:
        """A service's words in one line, without our secrets."""
        secrets = [*(self._tokens.secrets if self._tokens else ())]
        secrets += [self._keys.secret] if self._keys else []
        for secret in secrets:
            text = text.replace(secret, "***")
        return " ".join(text.split())


class CatalogueIO(StacApiIO):  # type: ignore[misc]
    """What pystac-client sends its requests by: our connection, with its limits and retries."""

    def __init__(self, connection: Connection) -> None:
        """Send by a connection."""
        super().__init__(max_retries=None)
        self._connection = connection

    def request(
        self,
        href: str,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> str:
        """The document at an address, as text."""
        method = (method or "GET").upper()
        body = {"json" if method == "POST" else "params": parameters or None}
        return json.dumps(self._connection.json(href, method, headers=headers, **body))


def _size(response: Response, start: int, length: int, found: int) -> int:
    """How large an image is of which a part came.

    Raises:
        BadAnswerError: the part is not the one that was asked for.
        SourceError: the service gives no parts.
    """
    if not length:
        size = expected = int(response.headers.get("Content-Length", found))
    elif response.status_code != 206:
        raise SourceError(
            f"{response.url.split('?')[0]}: expected a part of an image, found all of it: the "
            "service ignores ranges. Choose a provider whose images can be read in parts"
        )
    else:
        span, _, total = response.headers.get("Content-Range", "").partition("/")
        size = int(total) if total.isdigit() else 0
        expected = min(length, size - start)
        if span != f"bytes {start}-{start + expected - 1}":
            raise BadAnswerError(f"asked for {length} bytes from {start}, found {span or 'none'}")
    if found != expected:
        raise BadAnswerError(f"expected {expected} bytes, found {found}")
    return size


def _asked(headers: Mapping[str, str]) -> float | None:
    """Seconds that a service asks to wait for, as a number or a date; None if it doesn't."""
    text = headers.get("Retry-After")
    if text is None:
        return None
    with contextlib.suppress(ValueError):
        return max(float(text), 0.0)
    with contextlib.suppress(ValueError, TypeError):
        return max((parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds(), 0.0)
    return None
