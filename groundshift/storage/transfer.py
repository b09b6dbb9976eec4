"""Many files to a bucket and from it: side by side, resumed where they stopped, checked by MD5.

A file that is larger than a part travels in parts. Of an upload that was killed, S3 keeps the
parts that arrived; of a download, a file `<name>.part` and the list of its parts stay.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundshift.errors import ContractError, SourceError
from groundshift.storage.bucket import WORKERS, Bucket, content_md5
from groundshift.storage.faults import passes

PART = 16 << 20
"""Bytes of a part; at most 10,000 of them make an object, so that larger files have larger ones."""
_MOST_PARTS = 10_000
_FEW = 16
"""Objects that are asked for one by one at once."""
_LISTED = 100
"""Names that are listed in the time in which one object is asked for."""


@dataclass(frozen=True)
class Blob:
    """A file here and its object there.

    Attributes:
        path: of the file.
        name: of the object.
        md5: of its bytes.
        size: in bytes.
    """

    path: Path
    name: str
    md5: str
    size: int


@dataclass(frozen=True)
class Sent:
    """What went over the line, bodies only.

    Attributes:
        objects: number of them.
        bytes: of them.
    """

    objects: int = 0
    bytes: int = 0

    def __add__(self, other: "Sent") -> "Sent":
        return Sent(self.objects + other.objects, self.bytes + other.bytes)


def upload(bucket: Bucket, blobs: Sequence[Blob]) -> Sent:
    """Send files that are not there yet.

    S3 is asked first which it has, and of every file to check the MD5 of what it gets.

    Raises:
        SourceError: S3 refuses, or can't be reached; what arrived stays.
        ContractError: a file is not any more what was hashed.
    """
    with ThreadPoolExecutor(WORKERS) as pool:
        there = _there(bucket, blobs, pool)
        missing = [blob for blob in blobs if blob.name not in there]
        small = [blob for blob in missing if blob.size <= PART]
        sent = _all(pool, lambda blob: _upload(bucket, blob), small)
        sent += [_upload_large(bucket, b, pool) for b in missing if b.size > PART]
    return sum(sent, Sent())


def download(bucket: Bucket, blobs: Sequence[Blob]) -> Sent:
    """Bring objects to files, each whole under its name or not at all.

    Raises:
        SourceError: S3 refuses, or can't be reached; what arrived stays.
        ContractError: an object is missing or damaged.
    """
    with ThreadPoolExecutor(WORKERS) as pool:
        small = [blob for blob in blobs if blob.size <= PART]
        sizes = _all(pool, lambda blob: _download(bucket, blob), small)
        sizes += [_download_large(bucket, b, pool) for b in blobs if b.size > PART]
    return Sent(len(blobs), sum(sizes))


def _all(pool: ThreadPoolExecutor, work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """Results in order; after a fault nothing more is begun."""
    futures = [pool.submit(work, item) for item in items]
    try:
        return [future.result() for future in futures]
    except BaseException:
        for future in futures:
            future.cancel()
        raise


def _there(bucket: Bucket, blobs: Sequence[Blob], pool: ThreadPoolExecutor) -> set[str]:
    """Which objects are there: of a few each is asked for, of many all names are listed.

    A listing gives a thousand names at a time. How many there are is guessed from those that begin
    with two digits of an MD5, of which there are 256.
    """
    folders = {blob.name.rsplit("/", 2)[0] for blob in blobs}
    if len(blobs) > _FEW:
        guessed = sum(256 * sum(1 for _ in bucket.listed(f"{f}/00/")) for f in folders)
        if guessed <= _LISTED * len(blobs):
            return {item.name for folder in folders for item in bucket.listed(f"{folder}/")}
    found = _all(pool, lambda blob: bucket.look(blob.name), blobs)
    return {item.name for item in found if item is not None}


def _upload(bucket: Bucket, blob: Blob) -> Sent:
    with blob.path.open("rb") as file:
        _require_size(blob, os.fstat(file.fileno()).st_size)
        bucket.write(blob.name, file, blob.md5)
    return Sent(1, blob.size)


def _upload_large(bucket: Bucket, blob: Blob, pool: ThreadPoolExecutor) -> Sent:
    _require_size(blob, blob.path.stat().st_size)
    try:
        return Sent(1, _upload_parts(bucket, blob, pool))
    except SourceError as error:
        # Another task sent the same, or the answer to our last request got lost.
        found = None if passes(error) else bucket.look(blob.name)
        if found is None or found.size != blob.size:
            raise
        return Sent()


def _upload_parts(bucket: Bucket, blob: Blob, pool: ThreadPoolExecutor) -> int:
    """Send a file in parts, without those that an earlier attempt has sent; bytes sent."""
    part = max(PART, -(-blob.size // _MOST_PARTS))
    spans = _spans(blob.size, part)
    upload_id, there = _begun(bucket, blob.name)

    def send(number: int) -> tuple[str, int]:
        offset, length = spans[number - 1]
        with blob.path.open("rb") as file:
            file.seek(offset)
            body = file.read(length)
        md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
        if there.get(number) == f'"{md5}"':
            return f'"{md5}"', 0
        answer = bucket.ask(
            f"write part {number} of {blob.name}",
            "upload_part",
            Key=blob.name,
            UploadId=upload_id,
            PartNumber=number,
            Body=body,
            ContentMD5=content_md5(md5),
        )
        return str(answer["ETag"]), length

    sent = _all(pool, send, range(1, len(spans) + 1))
    bucket.ask(
        f"put {blob.name} together",
        "complete_multipart_upload",
        Key=blob.name,
        UploadId=upload_id,
        MultipartUpload={
            "Parts": [{"PartNumber": n, "ETag": tag} for n, (tag, _) in enumerate(sent, start=1)]
        },
    )
    return sum(length for _, length in sent)


def _begun(bucket: Bucket, name: str) -> tuple[str, dict[int, str]]:
    """An upload in parts that may be gone on with, and the tags of its parts by number."""
    for upload_id in bucket.uploads(name):
        listed = bucket.ask(f"list parts of {name}", "list_parts", Key=name, UploadId=upload_id)
        return upload_id, {part["PartNumber"]: part["ETag"] for part in listed.get("Parts", ())}
    made = bucket.ask(f"begin {name}", "create_multipart_upload", Key=name)
    return str(made["UploadId"]), {}


def _require_size(blob: Blob, found: int) -> None:
    if found != blob.size:
        raise ContractError(
            f"{blob.path}: expected {blob.size} bytes, found {found}: it was changed after it was "
            "written. Rerun the stage that writes it"
        )


def _download(bucket: Bucket, blob: Blob) -> int:
    """Bring a small object; bytes received."""
    data = bucket.read(blob.name)
    if data is None:
        raise _missing(bucket, blob)
    _require_md5(bucket, blob, hashlib.md5(data, usedforsecurity=False).hexdigest())
    blob.path.parent.mkdir(parents=True, exist_ok=True)
    partial = blob.path.with_name(f"{blob.path.name}.{os.getpid()}")
    try:
        partial.write_bytes(data)
        partial.replace(blob.path)
    finally:
        partial.unlink(missing_ok=True)
    return len(data)


def _download_large(bucket: Bucket, blob: Blob, pool: ThreadPoolExecutor) -> int:
    """Bring an object in parts, without those that an earlier attempt has brought; bytes received.

    Processes that bring the same object at once write the same bytes to the same places.
    """
    blob.path.parent.mkdir(parents=True, exist_ok=True)
    partial, noted = (blob.path.with_name(f"{blob.path.name}.{end}") for end in ("part", "done"))
    spans = _spans(blob.size, PART)
    if not partial.is_file() or partial.stat().st_size != blob.size:
        noted.unlink(missing_ok=True)
    done = set(noted.read_text().split()) if noted.is_file() else set()
    with partial.open("r+b" if partial.is_file() else "w+b") as file, noted.open("a") as notes:
        file.truncate(blob.size)

        def bring(span: tuple[int, int]) -> int:
            offset, length = span
            if str(offset) in done:
                return 0
            data = bucket.read_range(blob.name, offset, length)
            if data is None:
                raise _missing(bucket, blob)
            os.pwrite(file.fileno(), data, offset)
            notes.write(f"{offset}\n")
            notes.flush()
            return len(data)

        received = sum(_all(pool, bring, spans))
    try:
        _require_md5(bucket, blob, md5_of(partial))
    except ContractError:
        partial.unlink()  # a part that an earlier attempt left was damaged, or the object is
        raise
    finally:
        noted.unlink(missing_ok=True)
    partial.replace(blob.path)
    return int(received)


def md5_of(path: Path) -> str:
    """MD5 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, _md5).hexdigest()


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)


def _spans(size: int, part: int) -> list[tuple[int, int]]:
    """Offset and length of the parts of a file."""
    return [(offset, min(part, size - offset)) for offset in range(0, size, part)]


def _missing(bucket: Bucket, blob: Blob) -> ContractError:
    return ContractError(
        f"{bucket.address}: expected the object {blob.name} of {blob.path.name}, found none. "
        "Rerun the stage that writes it, with caching off"
    )


def _require_md5(bucket: Bucket, blob: Blob, found: str) -> None:
    if found != blob.md5.removesuffix(".dir"):
        raise ContractError(
            f"{bucket.address}: expected {blob.name} with that MD5, found {found}: it was damaged. "
            "Rerun the stage that writes it, with caching off"
        )
