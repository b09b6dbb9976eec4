"""What went wrong with S3, as one message and whether waiting helps; never with a key in it."""

from groundshift.errors import ContractError, SettingsError, SourceError

_KEYS = {
    "AccessDenied",
    "AccountProblem",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "401",
    "403",
}
_MISSING = {"NoSuchKey", "NotFound", "InvalidRange", "404"}
_PASSING = {
    "BandwidthLimitExceeded",
    "ConditionalRequestConflict",
    "InternalError",
    "OperationAborted",
    "RequestLimitExceeded",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
}
_DAMAGED = {"BadDigest", "XAmzContentSHA256Mismatch", "InvalidDigest"}

CREDENTIALS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or AWS_PROFILE)"


class NotThereError(Exception):
    """There is no such object; callers say what that means."""


class PreconditionError(Exception):
    """Another writer came first, where a write was to count only if none did."""


def fault_of(error: Exception, what: str) -> Exception:
    """An error of boto3 in our words.

    Its own message stays out: servers put keys and signed requests into theirs.

    Args:
        error: what boto3 raised.
        what: the request, e.g. `s3://bucket/store: read objects/cube/1.dvc`.

    Returns:
        `NotThereError`, `PreconditionError`, or an error for the user; anything unknown as it is.
    """
    from botocore.exceptions import ClientError

    if isinstance(error, ClientError):
        return _refusal(error, what)
    return _unreachable(error, what)


def _refusal(error: "Exception", what: str) -> Exception:
    """What a server that answered has said."""
    response = error.response  # type: ignore[attr-defined]
    code = str(response.get("Error", {}).get("Code", ""))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    fault: Exception
    if code in _MISSING:
        fault = NotThereError(what)
    elif code == "PreconditionFailed" or status == 412:
        fault = PreconditionError(what)
    elif code == "NoSuchBucket":
        fault = SettingsError(f"{what}: there is no such bucket. Create it, or check --store")
    elif code in _KEYS:
        fault = SourceError(
            f"{what}: refused ({code}): expected a key that may do this. Check {CREDENTIALS}, "
            "and the policy of this identity",
            refused=True,
        )
    elif code in _DAMAGED:
        fault = ContractError(
            f"{what}: the bytes that arrived are not those that were hashed ({code}): the file was "
            "damaged here or on its way. Rerun the stage that writes it"
        )
    elif code in _PASSING or status >= 500:
        fault = SourceError(
            f"{what}: S3 answered {code or status}. Try again later", transient=True
        )
    else:
        fault = SourceError(
            f"{what}: S3 answered {code or status}. Check the address and its server"
        )
    return fault


def _unreachable(error: Exception, what: str) -> Exception:
    """What happened where no whole answer came."""
    from botocore import exceptions as boto
    from urllib3.exceptions import HTTPError

    broken = (boto.ConnectionError, boto.HTTPClientError, boto.IncompleteReadError)
    keyless = (boto.NoCredentialsError, boto.PartialCredentialsError, boto.ProfileNotFound)
    fault: Exception = error
    if isinstance(error, keyless):
        fault = SourceError(f"{what}: no key was given. Set {CREDENTIALS}", refused=True)
    elif isinstance(error, boto.TokenRetrievalError | boto.CredentialRetrievalError):
        fault = SourceError(f"{what}: the key could not be had. Check {CREDENTIALS}", refused=True)
    elif isinstance(error, ValueError):  # as boto3 calls an endpoint that is no address
        fault = SettingsError(
            f"{what}: AWS_ENDPOINT_URL is no address. Give one like http://s3:8333"
        )
    elif isinstance(error, (*broken, HTTPError, ConnectionError)):
        fault = SourceError(
            f"{what}: S3 can't be reached ({type(error).__name__}). Check AWS_ENDPOINT_URL, or try "
            "again later",
            transient=True,
        )
    return fault


def passes(fault: Exception) -> bool:
    """Whether the same request may succeed in a moment."""
    return isinstance(fault, SourceError) and fault.transient
