"""The Kubeflow Pipelines API over `kfp.Client`: how we ask, create, and say what went wrong."""

import json
import logging
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import kfp
import kfp_server_api
import urllib3
from kfp.client import ServiceAccountTokenVolumeCredentials

from groundshift.errors import GroundshiftError, SettingsError

log = logging.getLogger(__name__)

_Item = TypeVar("_Item")

_TIMEOUT = (10, 60)
"""Seconds to connect and to read; the client itself would wait forever."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0
_PAGE = 100
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
_REMEDIES = {
    401: "Give KFP_TOKEN, KFP_TOKEN_FILE or KFP_COOKIES, or renew what has expired",
    403: "Ask for the right to use pipelines in this namespace, or name another one",
    404: "Check the name or id",
    409: "Somebody else made it at the same time: run the command again",
}


class ClusterError(GroundshiftError):
    """Kubeflow Pipelines can't be reached or refuses.

    Raise it for what a server answers, don't for a command line that can't be right
    (`SettingsError`). `status` is the HTTP status, None where no answer came; `transient` is true
    where the same call may succeed later.
    """

    def __init__(self, message: str, *, status: int | None = None, transient: bool = False) -> None:
        """Keep the message, the status and whether a retry may help."""
        super().__init__(message)
        self.status = status
        self.transient = transient


@dataclass(frozen=True)
class Connection:
    """Where Kubeflow Pipelines is, and as whom to ask.

    Token and cookies are secrets: they are in no message, no log and no `repr`.
    """

    host: str
    namespace: str = ""
    token: str = field(default="", repr=False)
    token_file: str = ""
    cookies: str = field(default="", repr=False)
    ca_file: str = ""

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str], *, host: str = "", namespace: str = ""
    ) -> "Connection":
        """What options leave open comes from `KFP_…` variables.

        Raises:
            SettingsError: no host, or one that is no plain address.
        """
        host = host or environment.get("KFP_HOST", "")
        try:
            address = urlsplit(host)
            plain = address.scheme in ("http", "https") and address.hostname and not address.query
        except ValueError:
            plain = False
        if not plain or "@" in address.netloc:
            # A wrong host may hold a password, so it is not repeated.
            raise SettingsError(
                "no usable address of Kubeflow Pipelines: expected https://HOST[:PORT][/PATH] "
                "without user name in --host or KFP_HOST. Credentials go to KFP_TOKEN, "
                "KFP_TOKEN_FILE or KFP_COOKIES"
            )
        return cls(
            host=host.rstrip("/"),
            namespace=namespace or environment.get("KFP_NAMESPACE", ""),
            token=environment.get("KFP_TOKEN", "").strip(),
            token_file=environment.get("KFP_TOKEN_FILE", ""),
            cookies=environment.get("KFP_COOKIES", "").strip(),
            ca_file=environment.get("KFP_CA_FILE", ""),
        )


class _Client(kfp.Client):  # type: ignore[misc]  # kfp ships no types
    """kfp's client without its questions and its memory at construction.

    The original asks for the server's health up to five times with a traceback each, and keeps
    the namespace in a file of the home folder.
    """

    def get_kfp_healthz(self, sleep_duration: int = 5) -> kfp_server_api.V2beta1GetHealthzResponse:
        """Answer that nothing is known yet; `Server` asks itself."""
        return kfp_server_api.V2beta1GetHealthzResponse()


class Server:
    """Kubeflow Pipelines as the rest of this package asks it.

    `api` holds the generated calls (`api.runs.run_service_get_run`). Attributes `pause` and
    `clock` are how it waits, in seconds.
    """

    pause = staticmethod(time.sleep)
    clock = staticmethod(time.monotonic)

    def __init__(self, connection: Connection, *, patience: float = 30.0) -> None:
        """Connect.

        Args:
            connection: where and as whom.
            patience: seconds for which a call is repeated while the server doesn't answer.

        Raises:
            ClusterError: no answer, refused, or something else answers at this address.
            SettingsError: a namespace is needed, or the token's file can't be read.
        """
        self.patience = patience
        self._connection = connection
        self.api = _client(connection)
        self._answers = self.api.runs.run_service_get_run.__self__.api_client
        multi_user = self.ask(self.api.healthzs.healthz_service_get_healthz).multi_user
        if multi_user and not connection.namespace:
            raise SettingsError(
                f"{connection.host} has several users: name yours with --namespace or KFP_NAMESPACE"
            )
        # A server for one user refuses calls that name a namespace.
        self.namespace = connection.namespace if multi_user else ""

    def ask(self, call: Callable[..., Any], *args: Any, **query: Any) -> Any:
        """Make a call that may be repeated: to read, delete, enable.

        Raises:
            ClusterError: refused, or no answer for `patience` seconds.
        """
        return self.until(self.clock() + self.patience, call, *args, **query)

    def until(self, deadline: float, call: Callable[..., Any], *args: Any, **query: Any) -> Any:
        """Make a repeatable call, again and again till `deadline` of `clock`."""
        for delay in _delays():
            try:
                return self._call(call, *args, **query)
            except ClusterError as error:
                if not error.transient or self.clock() + delay > deadline:
                    raise
                log.warning("%s. Asking again in %.1f s", error, delay)
            self.pause(delay)
        raise AssertionError("delays don't end")

    def once(
        self,
        create: Callable[..., _Item],
        find: Callable[[], Mapping[str, _Item]],
        known: Collection[str] = (),
    ) -> _Item:
        """Create something exactly once, also where the answer gets lost.

        Args:
            create: the call that creates.
            find: everything that has the name, by id. Names needn't be unique on the server.
            known: ids that were there before.

        Raises:
            ClusterError: refused, or no answer for `patience` seconds.
        """
        deadline = self.clock() + self.patience
        for delay in _delays():
            try:
                return cast(_Item, self._call(create))
            except ClusterError as error:
                if not (error.transient or error.status == 409):
                    raise
                failure = error
            self.pause(delay)
            # The server may have done the work before the answer got lost: what is new is ours.
            for found, item in find().items():
                if found not in known:
                    return item
            if not failure.transient or self.clock() > deadline:
                raise failure
        raise AssertionError("delays don't end")

    def pages(self, call: Callable[..., Any], items: str, **query: Any) -> Iterator[Any]:
        """Everything a list call has, page by page."""
        token = ""
        while True:
            answer = self.ask(call, page_token=token, page_size=_PAGE, **query)
            yield from getattr(answer, items) or ()
            token = answer.next_page_token or ""
            if not token:
                return

    def page(self, run_id: str) -> str:
        """Where a browser shows a run."""
        return f"{self._connection.host}/#/runs/details/{run_id}"

    def scope(self) -> dict[str, str]:
        """The namespace as an argument of list calls, where the server has several."""
        return {"namespace": self.namespace} if self.namespace else {}

    def _call(self, call: Callable[..., Any], *args: Any, **query: Any) -> Any:
        host = self._connection.host
        try:
            answer = call(*args, _request_timeout=_TIMEOUT, **query)
        except kfp_server_api.ApiException as error:
            # Not chained: the original holds the answer's headers, cookies among them.
            raise self._refused(error) from None
        except urllib3.exceptions.HTTPError as error:
            raise ClusterError(
                f"{host}: no answer from Kubeflow Pipelines ({self._hidden(_reason(error))}). "
                "Check the address, the port-forward and the network",
                transient=True,
            ) from None
        except OSError as error:
            raise SettingsError(
                f"{error.filename}: can't be read ({error.strerror}). "
                "Check KFP_TOKEN_FILE and KFP_CA_FILE"
            ) from None
        kind = self._answers.last_response.urllib3_response.headers.get("Content-Type", "")
        if "json" not in kind:
            raise ClusterError(
                f"{host}: expected the API of Kubeflow Pipelines, found {kind or 'no content'}, "
                f"probably a login page. {_REMEDIES[401]}, or use the address of the API itself",
                status=401,
            )
        return answer

    def _refused(self, error: kfp_server_api.ApiException) -> ClusterError:
        status = error.status or None
        message = self._hidden(_message(error))
        remedy = _REMEDIES.get(status or 0, "")
        transient = status in _TRANSIENT
        if transient:
            remedy = "The server may be starting again: try later"
        return ClusterError(
            f"{self._connection.host} answers {status or 'nothing'}: {message.rstrip('. ')}"
            + (f". {remedy}" if remedy else ""),
            status=status,
            transient=transient,
        )

    def _hidden(self, text: str) -> str:
        """The text without our secrets: a server may repeat what it was given."""
        for secret in (*self._answers.configuration.api_key.values(), self._answers.cookie):
            text = text.replace(secret, "***") if secret else text
        return text


def where(key: str, value: str, *, part: bool = False) -> str:
    """A list call's filter: the items whose `key` is `value`, or has it as a part."""
    operation = "IS_SUBSTRING" if part else "EQUALS"
    predicate = {"operation": operation, "key": key, "stringValue": value}
    return json.dumps({"predicates": [predicate]})


def _client(connection: Connection) -> _Client:
    credentials = None
    if connection.token_file and not connection.token:
        # Read again before every call: a cluster renews such tokens.
        credentials = ServiceAccountTokenVolumeCredentials(connection.token_file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # "only works with v2"
        return _Client(
            host=connection.host,
            existing_token=connection.token or None,
            cookies=connection.cookies or None,
            credentials=credentials,
            ssl_ca_cert=connection.ca_file or None,
        )


def _delays() -> Iterator[float]:
    delay = _FIRST_PAUSE
    while True:
        yield delay
        delay = min(2 * delay, _LONGEST_PAUSE)


def _message(error: kfp_server_api.ApiException) -> str:
    """What the server says: its API, its upload handler and proxies have a form each."""
    try:
        body = json.loads(error.body or "")
        return str(body.get("message") or body.get("error_message") or body["error"])
    except (ValueError, KeyError, AttributeError):
        return str(error.reason)


def _reason(error: urllib3.exceptions.HTTPError) -> str:
    """The short reason inside urllib3's long message."""
    cause = getattr(error, "reason", None) or error
    return str(cause).rpartition(": ")[2] or type(cause).__name__
