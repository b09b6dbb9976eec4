"""What makes links to images good: tokens that end, and keys for S3."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from requests import PreparedRequest
from requests.auth import AuthBase

from groundshift.errors import SourceError
from groundshift.observations.sources.retries import BadAnswerError
from groundshift.observations.sources.secrets import secret
from groundshift.observations.sources.stac.offers import Bucket, Provider

_ID, _SECRET, _SESSION = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"
_EARLY = timedelta(minutes=2)
"""Time before its end from which on a token is renewed: a request may be under way for a while."""


@dataclass(frozen=True)
class Token:
    """What has to be added to links of a collection, until it ends."""

    text: str
    ends: datetime

    @property
    def lasts(self) -> bool:
        """Whether it is good for another request."""
        return datetime.now(UTC) + _EARLY < self.ends


class Tokens:
    """Tokens by collection, renewed before they end, for several threads."""

    def __init__(self, url: str, ask: Callable[[str], dict[str, Any]]) -> None:
        """Nothing is asked for yet.

        Args:
            url: Address that gives tokens.
            ask: Gives the JSON document at an address.
        """
        self._url, self._ask, self._lock = url, ask, Lock()
        self._tokens: dict[str, Token] = {}

    def of(self, collection: str) -> Token:
        """A token that is good for a while."""
        with self._lock:
            known = self._tokens.get(collection)
            if known is None or not known.lasts:
                self._tokens[collection] = known = self._renew(collection)
            return known

    def drop(self, token: Token) -> None:
        """Have the next request get another one than this, which was refused."""
        with self._lock:
            self._tokens = {key: kept for key, kept in self._tokens.items() if kept is not token}

    @property
    def secrets(self) -> list[str]:
        """What must not be shown."""
        return [token.text for token in self._tokens.values()]

    def _renew(self, collection: str) -> Token:
        answer = self._ask(f"{self._url}/{collection}")
        try:
            return Token(answer["token"], datetime.fromisoformat(answer["msft:expiry"]))
        except (KeyError, TypeError, ValueError) as error:
            raise BadAnswerError(f"no token ({error!r})") from error


def add_token(href: str, token: Token) -> str:
    """A signed link."""
    return f"{href}{'&' if '?' in href else '?'}{token.text}"


class S3Keys(AuthBase):  # type: ignore[misc]
    """Signs requests to an S3 service (AWS signature version 4)."""

    def __init__(self, provider: Provider, bucket: Bucket) -> None:
        """Take keys from the environment.

        Raises:
            SourceError: there are none.
        """
        given = {name: secret(name) for name in (_ID, _SECRET, _SESSION)}
        missing = [name for name in (_ID, _SECRET) if not given[name]]
        if missing:
            raise SourceError(
                f"fetch.stac: {provider.name} gives these images by S3, which needs keys in the "
                f"environment, found no {' and no '.join(missing)}. Make keys in the provider's "
                "dashboard and export both variables; settings never hold them",
                refused=True,
            )
        self._bucket = bucket
        self.secret = given[_SECRET]
        keys = Credentials(given[_ID], self.secret, given[_SESSION] or None)
        self._signer = S3SigV4Auth(keys, "s3", bucket.region)

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the signature to a request's headers."""
        headers = {"Range": request.headers["Range"]} if "Range" in request.headers else {}
        if self._bucket.requester_pays:
            headers["x-amz-request-payer"] = "requester"
        signed = AWSRequest(method=request.method, url=request.url, headers=headers)
        self._signer.add_auth(signed)
        request.headers.update(dict(signed.headers.items()))
        return request


def s3_address(bucket: Bucket, href: str) -> str:
    """Where an object lies whose name is `s3://bucket/key`."""
    return f"{bucket.url}/{href.removeprefix('s3://')}"
