"""The connection to a Sentinel Hub deployment: credentials, tokens, limits and retries.

Requests and answers are sentinelhub-py's. Retries are ours: its own wait without jitter, and give
up by an error that doesn't say whether a later run may succeed.
"""

import contextlib
import json
import logging
import time
from collections.abc import Callable
from itertools import islice
from threading import Lock
from typing import Any, TypeVar

from oauthlib.oauth2 import OAuth2Error
from requests import RequestException
from sentinelhub import (
    DataCollection,
    SentinelHubCatalog,
    SentinelHubDownloadClient,
    SentinelHubSession,
    SHConfig,
)
from sentinelhub.decoding import decode_sentinelhub_err_msg
from sentinelhub.download.rate_limit import SentinelHubRateLimit
from sentinelhub.exceptions import (
    DownloadFailedException,
    MissingDataInRequestException,
    OutOfRequestsException,
)

from groundshift.errors import SourceError
from groundshift.observations.costs import Used
from groundshift.observations.sources.retries import (
    ATTEMPTS,
    LESS,
    LIMITED,
    TIMEOUT,
    BadAnswerError,
    Limit,
    wait,
)
from groundshift.observations.sources.secrets import secret
from groundshift.settings import SentinelHubSettings

log = logging.getLogger(__name__)

_ADDRESSES = {
    "sentinelhub": (
        "https://services.sentinel-hub.com",
        "https://services.sentinel-hub.com/auth/realms/main/protocol/openid-connect/token",
    ),
    "cdse": (
        "https://sh.dataspace.copernicus.eu",
        "https://identity.dataspace.copernicus.eu/auth/realms/CDSE/protocol/openid-connect/token",
    ),
}
_SPENT = "X-ProcessingUnits-Spent"
_ID, _SECRET = "SH_CLIENT_ID", "SH_CLIENT_SECRET"

Answer = TypeVar("Answer")


class Connection:
    """Sends requests to a deployment, from several threads at once."""

    def __init__(self, settings: SentinelHubSettings) -> None:
        """Take credentials from the environment; nothing is sent yet.

        Raises:
            SourceError: there are none.
        """
        base, token = _ADDRESSES[settings.deployment]
        credentials = {name: secret(name) for name in (_ID, _SECRET)}
        missing = [name for name, value in credentials.items() if not value]
        if missing:
            raise SourceError(
                f"fetch.sentinelhub: expected credentials in the environment, found no "
                f"{' and no '.join(missing)}. Make an OAuth client in the provider's dashboard and "
                "export both variables, or name files with them in the same names with _FILE; "
                "settings never hold them",
                refused=True,
            )
        self.config = SHConfig(
            use_defaults=True,  # no configuration file is read, or written
            sh_client_id=credentials[_ID],
            sh_client_secret=credentials[_SECRET],
            sh_base_url=(settings.base_url or base).rstrip("/"),
            sh_token_url=settings.token_url or token,
            max_download_attempts=1,  # retries are ours
            max_retries=LIMITED,
            download_timeout_seconds=TIMEOUT,
        )
        # At level DEBUG the OAuth library logs the request with the secret in it.
        logging.getLogger("requests_oauthlib").setLevel(logging.INFO)
        self._lock = Lock()
        self._session: SentinelHubSession | None = None
        self._limit = _Limit()

    @property
    def name(self) -> str:
        """The deployment's address, for messages."""
        return str(self.config.sh_base_url)

    def search(
        self, collection: DataCollection, most: int | None = None, **query: Any
    ) -> list[dict[str, Any]]:
        """The items of a collection that fit a query, newest first, page by page.

        Args:
            collection: Of the deployment.
            most: How many at most; None: all.
            query: Place, time and filter, as sentinelhub-py has them.

        Raises:
            SourceError: the service refuses, or fails again and again.
        """

        def ask(client: SentinelHubDownloadClient) -> list[dict[str, Any]]:
            catalogue = SentinelHubCatalog(self.config)
            catalogue.client = client
            try:
                return list(islice(catalogue.search(collection, **query), most))
            except (ValueError, KeyError, MissingDataInRequestException) as error:
                raise BadAnswerError(f"no page of a catalogue ({error})") from error

        return self._send(ask, f"the catalogue of {collection.catalog_id}")

    def download(
        self, request: Any, decode: Callable[[Any], Answer], what: str, used: Used
    ) -> Answer:
        """The answer to a request of the Process API.

        Args:
            request: a `SentinelHubRequest`.
            decode: makes of the decoded answer what is wanted; a `BadAnswerError` is asked again.
            what: is asked for, for messages.
            used: counts what it takes.

        Raises:
            SourceError: the service refuses, or fails again and again.
        """

        def ask(client: SentinelHubDownloadClient) -> Answer:
            used.add(requests=1)
            (response,) = client.download(request.download_list, max_threads=1, decode_data=False)
            spent = response.headers.get(_SPENT, 0.0)
            used.add(units=float(spent), bytes=len(response.content))
            try:
                content = response.decode()
            except Exception as error:  # of whichever library that found it damaged
                raise BadAnswerError(f"can't be decoded ({error})") from error
            return decode(content)

        return self._send(ask, what)

    def _send(self, ask: Callable[[SentinelHubDownloadClient], Answer], what: str) -> Answer:
        """Ask until there is an answer, a refusal, or no hope."""
        renewed = False
        for attempt in range(ATTEMPTS):
            session = None
            try:
                session = self._open()
                client = SentinelHubDownloadClient(config=self.config, session=session)
                client.rate_limit = self._limit
                answer = ask(client)
                self._limit.relax()
                return answer
            except OAuth2Error as error:
                if error.error in _WRONG:
                    raise self._refused(f"the credentials ({error})", _CREDENTIALS) from None
                problem = self._clean(str(error))  # of the token's service itself
            except OutOfRequestsException:
                raise SourceError(
                    f"{self.name}: {what} was put off {LIMITED} times (429). Run again later, or "
                    "lower fetch.sentinelhub.concurrency",
                    transient=True,
                ) from None
            except (BadAnswerError, DownloadFailedException, RequestException) as error:
                status = _status(error)
                if status == 401 and session is not None and not renewed:
                    renewed = True  # the token ended before its time
                    self._close(session)
                    continue
                self._stop_if_final(error, status, what)
                problem = self._clean(_words(error))
            log.info("%s: %s failed (%s), attempt %d", self.name, what, problem, attempt + 1)
            if attempt + 1 < ATTEMPTS:
                time.sleep(wait(attempt))
        raise SourceError(
            f"{self.name}: expected {what}, found a failure {ATTEMPTS} times, last: {problem}. "
            "Run again later; what has arrived is kept",
            transient=True,
        )

    def _open(self) -> SentinelHubSession:
        """The session with a token that lasts, one for all threads."""
        with self._lock:
            if self._session is None:
                self._session = SentinelHubSession(self.config)
            _ = self._session.token  # renews it where it is about to end
            return self._session

    def _close(self, session: SentinelHubSession) -> None:
        """Have the next request get another token, unless another thread saw to it."""
        with self._lock:
            if self._session is session:
                self._session = None

    def _stop_if_final(self, error: Exception, status: int | None, what: str) -> None:
        """End the run where asking again can't help.

        Raises:
            SourceError: with the service's own words.
        """
        if status is None or status >= 500 or status in (408, 429):
            return
        words = self._clean(_words(error))
        if status == 401:
            raise self._refused(f"the credentials ({words})", _CREDENTIALS)
        if status == 403:
            quota = any(word in words.lower() for word in ("insufficient", "quota", "units"))
            if quota:
                raise self._refused(f"more requests: the quota is used up ({words})", LESS)
            raise self._refused(f"{what} ({words})", "Ask the provider for access to it")
        raise SourceError(
            f"{self.name}: {what} was refused ({status}: {words}). Correct fetch.sentinelhub: "
            "collection, bands and mask must be those the deployment offers"
        )

    def _refused(self, what: str, remedy: str) -> SourceError:
        return SourceError(
            f"{self.name} refuses {self._clean(what)}. {remedy}",
            refused=True,
        )

    def _clean(self, text: str) -> str:
        """A service's words in one line, without our secrets."""
        for hidden in (self.config.sh_client_secret, self.config.sh_client_id):
            text = text.replace(hidden, "***")
        return " ".join(text.split())


_WRONG = ("invalid_client", "unauthorized_client", "invalid_grant", "access_denied")
"""What the token's service says where asking again can't help."""
_CREDENTIALS = (
    f"Correct {_ID} and {_SECRET}; an OAuth client belongs to one deployment, and "
    "fetch.sentinelhub.deployment must be the same"
)


class _Limit(SentinelHubRateLimit):  # type: ignore[misc]
    """The limit of a connection as sentinelhub-py asks for it, in milliseconds."""

    def __init__(self) -> None:
        super().__init__()
        self._shared = Limit()

    def register_next(self) -> float:
        """Seconds to wait."""
        return self._shared.remaining()

    def update(self, headers: Any, *, default: float) -> None:
        """Heed a refusal: what it says, in milliseconds."""
        self._shared.postpone(_milliseconds(headers.get(self.RETRY_HEADER), default) / 1000)

    def relax(self) -> None:
        """Forget earlier refusals: a request came through."""
        self._shared.relax()


def _milliseconds(text: str | None, default: float) -> float:
    """The header's number; a date, which HTTP allows too, counts like none."""
    try:
        return float(text) if text is not None else default
    except ValueError:
        return default


def _response(error: Exception) -> Any:
    """The service's answer that an error tells of, if there was one."""
    cause = getattr(error, "request_exception", None) or error
    return getattr(cause, "response", None)


def _status(error: Exception) -> int | None:
    response = _response(error)
    return None if response is None else int(response.status_code)


def _words(error: Exception) -> str:
    """What the service said, or what became of its answer."""
    response = _response(error)
    said = "" if response is None else decode_sentinelhub_err_msg(response)
    with contextlib.suppress(ValueError, KeyError, TypeError):
        said = str(json.loads(said)["message"])
    return said or str(getattr(error, "request_exception", None) or error)
