"""A folder of a bucket: small objects read and written whole, with patience for passing faults.

Keys and endpoint come from the environment as boto3 reads it (`AWS_ACCESS_KEY_ID`,
`AWS_SECRET_ACCESS_KEY`, `AWS_ENDPOINT_URL`, ...), never from an option.
"""

import base64
import logging
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar

from groundshift.errors import SettingsError
from groundshift.storage.faults import NotThereError, PreconditionError, fault_of, passes

log = logging.getLogger(__name__)

TIMEOUT = "GROUNDSHIFT_S3_TIMEOUT"
"""Environment variable: seconds without a byte after which a request is given up."""
PATIENCE = "GROUNDSHIFT_S3_PATIENCE"
"""Environment variable: seconds for which a request is tried again before the task ends."""

WORKERS = 8
"""Requests at a time."""

_SCHEME = "s3://"
_ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[A-Za-z0-9._=-]+)*)/?")
_MOST_DELETED = 1000  # that one request takes
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 15.0

T = TypeVar("T")


def is_s3(address: str) -> bool:
    """Whether an address is one of S3."""
    return address.startswith(_SCHEME)


@dataclass(frozen=True)
class Address:
    """A bucket, and the folder in it that is ours."""

    bucket: str
    prefix: str = ""
    """Ends in `/` unless it is empty."""

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read `s3://bucket/folder`.

        Raises:
            SettingsError: it is something else.
        """
        match = _ADDRESS.fullmatch(text)
        if match is None or ".." in text:
            raise SettingsError(
                f"expected an address like s3://bucket/folder (letters, digits, '.', '_', '-'), "
                f"found {text!r}"
            )
        return cls(match[1], f"{match[2].strip('/')}/" if match[2] else "")

    def __str__(self) -> str:
        return f"{_SCHEME}{self.bucket}/{self.prefix}".rstrip("/")


@dataclass(frozen=True)
class Item:
    """What is known of an object without reading it.

    Attributes:
        name: below the folder.
        size: in bytes.
        modified: seconds since 1970.
        version: tag that changes with the content.
    """

    name: str
    size: int
    modified: float
    version: str


class Bucket:
    """A folder of a bucket. Threads may share it.

    All methods raise SourceError where S3 refuses or can't be reached for longer than
    `GROUNDSHIFT_S3_PATIENCE`, and SettingsError where there is no such bucket.
    """

    def __init__(self, address: Address) -> None:
        """Nothing is sent before the first request.

        Raises:
            SettingsError: a variable of ours is no number.
        """
        self.address = address
        self._timeout = _seconds(TIMEOUT, 60.0)
        self._patience = _seconds(PATIENCE, 300.0)

    @classmethod
    def at(cls, address: str) -> "Bucket":
        """The folder at an address.

        Raises:
            SettingsError: no such kind of address.
        """
        return cls(Address.parse(address))

    @cached_property
    def client(self) -> Any:
        """boto3's client, ours in what it waits for and signs."""
        import boto3
        from botocore.config import Config

        own = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        config = Config(
            connect_timeout=min(10.0, self._timeout),
            read_timeout=self._timeout,
            retries={"mode": "standard", "total_max_attempts": 2},
            max_pool_connections=2 * WORKERS,
            # Bodies are checked by their MD5, which is signed: hashing them again pays nothing.
            s3={
                "payload_signing_enabled": False,
                "addressing_style": "path" if own else "auto",
            },
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        return self._try(
            "connect",
            lambda: boto3.session.Session().client(
                "s3", region_name=region or "us-east-1", config=config
            ),
        )

    def read(self, name: str) -> bytes | None:
        """An object's bytes; None if there is no such object."""
        return self._read(name)

    def read_range(self, name: str, offset: int, length: int) -> bytes | None:
        """A part of an object; None if there is no such object.

        Args:
            name: of the object.
            offset: of the first byte.
            length: in bytes, at least one.
        """
        return self._read(name, Range=f"bytes={offset}-{offset + length - 1}")

    def look(self, name: str) -> Item | None:
        """What is known of an object; None if there is none."""
        try:
            found = self.ask(f"look at {name}", "head_object", Key=name)
        except NotThereError:
            return None
        return Item(name, found["ContentLength"], found["LastModified"].timestamp(), found["ETag"])

    def write(self, name: str, body: Any, md5: str = "", **conditions: str) -> str:
        """Write an object whole.

        Args:
            name: of the object.
            body: bytes, or a file open for reading from its beginning.
            md5: of the bytes in hexadecimal; S3 then refuses others.
            conditions: under which it is written (`IfNoneMatch`, `IfMatch`).

        Returns:
            The version that was written.

        Raises:
            PreconditionError: a condition doesn't hold.
        """
        checked = {"ContentMD5": content_md5(md5)} if md5 else {}
        written = self.ask(
            f"write {name}", "put_object", Key=name, Body=body, **checked, **conditions
        )
        return str(written["ETag"])

    def create(self, name: str, body: bytes) -> str | None:
        """Write an object that must not be there yet; None if one is, and it is not this very one.

        An answer that got lost is asked for again, and then what is there is our own.
        """
        try:
            return self.write(name, body, IfNoneMatch="*")
        except PreconditionError:
            found = self.look(name) if self.read(name) == body else None
            return found.version if found else None

    def exchange(self, name: str, body: bytes, version: str) -> str | None:
        """Replace an object that must still be of a version; None if it is not."""
        try:
            return self.write(name, body, IfMatch=version)
        except (PreconditionError, NotThereError):
            return None

    def listed(self, prefix: str) -> Iterator[Item]:
        """All objects whose names begin so, ordered by name."""
        begin = self.address.prefix
        token: dict[str, str] = {}
        while True:
            page = self._page(begin + prefix, token)
            for entry in page.get("Contents", ()):
                modified: datetime = entry["LastModified"]
                name = entry["Key"].removeprefix(begin)
                yield Item(name, entry["Size"], modified.timestamp(), entry["ETag"])
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects; those that are not there are no fault."""
        left = [self.address.prefix + name for name in names]
        for first in range(0, len(left), _MOST_DELETED):
            keys = [{"Key": key} for key in left[first : first + _MOST_DELETED]]
            answer = self._try(
                f"remove {len(keys)} objects",
                lambda keys=keys: self.client.delete_objects(  # type: ignore[misc]
                    Bucket=self.address.bucket, Delete={"Objects": keys, "Quiet": True}
                ),
            )
            for error in answer.get("Errors", ()):
                from botocore.exceptions import ClientError

                raise fault_of(
                    ClientError({"Error": error}, "DeleteObjects"), f"{self.address}: remove"
                ) from None

    def ask(self, what: str, operation: str, **parameters: Any) -> Any:
        """Send a request about one object, again and again while its fault may pass.

        Args:
            what: in words, for messages.
            operation: of boto3's client.
            parameters: its own; `Key` below our folder.
        """
        key = self.address.prefix + parameters.pop("Key")

        def request() -> Any:
            if hasattr(body := parameters.get("Body", b""), "seek"):
                body.seek(0)
            send = getattr(self.client, operation)
            return send(Bucket=self.address.bucket, Key=key, **parameters)

        return self._try(what, request)

    def uploads(self, name: str) -> list[str]:
        """Ids of uploads in parts that were begun of an object and never ended."""
        return [upload for begun, upload, _ in self._begun(name) if begun == name]

    def give_up_uploads(self, prefix: str, before: float) -> int:
        """Remove what uploads in parts have left that were begun before a time; their number.

        Args:
            prefix: of the objects' names.
            before: seconds since 1970.
        """
        stale = [(name, upload) for name, upload, begun in self._begun(prefix) if begun < before]
        for name, upload in stale:
            self.ask(f"give up {name}", "abort_multipart_upload", Key=name, UploadId=upload)
        return len(stale)

    def _begun(self, prefix: str) -> list[tuple[str, str, float]]:
        """Name, id and time of uploads in parts that were never ended."""
        begin = self.address.prefix
        found = self._try(
            f"list uploads of {prefix}",
            lambda: self.client.list_multipart_uploads(
                Bucket=self.address.bucket, Prefix=begin + prefix
            ),
        )
        return [
            (each["Key"].removeprefix(begin), each["UploadId"], each["Initiated"].timestamp())
            for each in found.get("Uploads", ())
        ]

    def _read(self, name: str, **parameters: Any) -> bytes | None:
        key = self.address.prefix + name

        def request() -> bytes:
            answer = self.client.get_object(Bucket=self.address.bucket, Key=key, **parameters)
            with answer["Body"] as body:
                return bytes(body.read())

        try:
            return self._try(f"read {name}", request)
        except NotThereError:
            return None

    def _page(self, prefix: str, token: dict[str, str]) -> Any:
        return self._try(
            f"list {prefix}",
            lambda: self.client.list_objects_v2(Bucket=self.address.bucket, Prefix=prefix, **token),
        )

    def _try(self, what: str, request: Callable[[], T]) -> T:
        """Send a request until it succeeds, is refused, or patience ends."""
        began, wait = time.monotonic(), _FIRST_WAIT
        while True:
            try:
                return request()
            except OSError as error:
                if error.errno is not None and not isinstance(error, ConnectionError):
                    raise  # of a file of ours
                fault = fault_of(error, f"{self.address}: {what}")
            except Exception as error:
                fault = fault_of(error, f"{self.address}: {what}")
                if fault is error:
                    raise
            if not passes(fault) or time.monotonic() - began + wait > self._patience:
                raise fault from None  # its cause may hold a signed request
            log.warning("%s; waiting %.1f s", fault, wait)
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)


def content_md5(md5: str) -> str:
    """An MD5 as the header Content-MD5 has it."""
    return base64.b64encode(bytes.fromhex(md5)).decode()


def _seconds(variable: str, default: float) -> float:
    text = os.environ.get(variable, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise SettingsError(f"{variable}: expected seconds above 0, found {text!r}")
    return value
