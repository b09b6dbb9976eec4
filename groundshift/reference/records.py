"""TFRecord files: length, checksum, bytes, checksum, one record after the other, GZIP around all.

Format: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
"""

import gzip
import struct
import zlib
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

import google_crc32c

from groundshift.errors import ContractError

_LENGTH = struct.Struct("<Q")
_CHECKSUM = struct.Struct("<I")
_MASK_DELTA = 0xA282EAD8


def read_records(path: Path) -> Iterator[bytes]:
    """The records of a GZIP TFRecord file, in order, checksums checked.

    Raises:
        ContractError: the file is missing, no GZIP, cut off or damaged.
    """
    try:
        with gzip.open(path, "rb") as file:
            for number in count():
                header = file.read(_LENGTH.size)
                if not header:
                    return
                _check(path, number, header, file.read(_CHECKSUM.size), _LENGTH.size)
                size = _LENGTH.unpack(header)[0]
                content = file.read(size)
                _check(path, number, content, file.read(_CHECKSUM.size), size)
                yield content
    except (OSError, EOFError, zlib.error) as error:
        raise ContractError(
            f"{path}: expected a GZIP TFRecord file, found {error}. Write or copy it again"
        ) from error


def write_records(path: Path, records: Iterable[bytes]) -> None:
    """Write records as a GZIP TFRecord file whose bytes depend on the records alone."""
    with path.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as file:
        for content in records:
            header = _LENGTH.pack(len(content))
            for part in (header, content):
                file.write(part)
                file.write(_CHECKSUM.pack(_masked_crc(part)))


def _check(path: Path, number: int, content: bytes, checksum: bytes, size: int) -> None:
    if len(content) != size or len(checksum) != _CHECKSUM.size:
        raise ContractError(
            f"{path}: record {number} is cut off: expected {size} bytes and a checksum, found "
            f"{len(content) + len(checksum)} bytes. Write or copy the file again"
        )
    expected, found = _CHECKSUM.unpack(checksum)[0], _masked_crc(content)
    if found != expected:
        raise ContractError(
            f"{path}: record {number} is damaged: expected checksum {expected:08x}, found "
            f"{found:08x}. Write or copy the file again"
        )


def _masked_crc(content: bytes) -> int:
    """CRC-32C, rotated and shifted by a constant so that it differs from the CRC of itself."""
    crc: int = google_crc32c.value(content)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF
