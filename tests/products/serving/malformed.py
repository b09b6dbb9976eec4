"""Bodies that no client of ours sends, made from the signature of a served model."""

import base64
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from groundshift.services.packed import pack
from groundshift.services.signature import COLUMNS

Arrays = dict[str, np.ndarray]

_TEXTS = (
    *(
        "x",
        "../../etc/passwd",
        "/etc",
        "file:///etc/passwd",
        "s3://other/cube",
        "http://127.0.0.1:1/",
    ),
    *("\x00", "a" * 5000, "{}", "[]", "null", "-1", "nan", "1e999", "🛰", "' OR 1=1 --"),
)
_OTHERS: tuple[Any, ...] = (None, 1, 1.5, True, [], {}, [["x"]], {"a": {"b": []}})


def table(*rows: dict[str, Any]) -> bytes:
    """A body as MLflow takes it."""
    return json.dumps({"dataframe_records": list(rows)}).encode()


def bodies(arrays: Arrays, place: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    """Malformed bodies with a name each.

    Args:
        arrays: a sample that is well formed.
        place: a request by reference that is well formed.
    """
    for text in ("", "{", "[]", "null", '"x"', "[1, 2]", '{"a": 1}', "\xff", "[" * 100_000):
        yield f"body {text[:9]!r}", text.encode("latin-1")
    for key in ("dataframe_records", "dataframe_split", "inputs", "instances"):
        for value in (None, 1, "x", [], {}, [[]], [None], {"columns": ["sample"]}):
            yield f"{key} {value!r}", json.dumps({key: value}).encode()
    for name in COLUMNS:
        for text in _TEXTS:
            # A text may be a sample's as it may be; a place stays whole beside another column.
            base = {} if name in ("sample", "cube") else place
            if name in ("end", "date") or (name, text) == ("signature", "{}"):
                base = {key: value for key, value in place.items() if key != "cube"}
            if name == "crs":
                base = place | {"bbox": "4,50,5,51"}
            if name == "signature":
                base = {"sample": pack(arrays)}
            yield f"{name} {text[:20]!r}", table(base | {name: text})
    for value in _OTHERS:
        yield f"sample {value!r}", table({"sample": value})
    for name, packed in _samples(arrays):
        yield f"sample {name}", table({"sample": packed})
    yield "too many rows", table(*[{"sample": "x"}] * 65)
    yield "one bad row among good ones", table({"sample": pack(arrays)}, {"sample": "x"})


def _samples(arrays: Arrays) -> Iterator[tuple[str, str]]:
    for name, array in arrays.items():
        others = {
            "missing": None,
            "of no pixels": array[..., :0],
            "of one axis less": array[0],
            "of one axis more": array[None],
            "transposed": array.T,
            "longer": np.concatenate([array, array], axis=0),
            "as texts": array.astype("U8"),
            "as complex numbers": array.astype(complex),
            "as bytes": array.astype("S8"),
        }
        if array.dtype.kind == "f":
            others |= {
                "with NaN": np.where(
                    np.arange(array.size).reshape(array.shape) == 3, np.nan, array
                ),
                "with infinity": np.full_like(array, np.inf),
                "too large for float32": np.full(array.shape, 1e300),
            }
        if array.dtype.kind == "i":
            others |= {"below never": array - 9, "of centuries": array.astype(np.int64) + 99_999}
        if array.dtype.kind == "b":
            others |= {"all false": np.zeros_like(array), "as numbers": array.astype(np.int8)}
            others |= {"backwards": array[:, ::-1] & (np.arange(array.shape[1]) > 2)}
        for how, other in others.items():
            changed = {key: value for key, value in arrays.items() if key != name}
            yield f"{name} {how}", pack(changed if other is None else changed | {name: other})
    yield "with another array", pack(arrays | {"extra": np.zeros(1)})
    whole = pack(arrays)
    for share in (0.1, 0.5, 0.9, 0.99):
        yield f"cut at {share}", whole[: 4 * int(len(whole) * share / 4)]
    yield "cut in a quantum", whole[:-3]
    raw = bytearray(base64.b64decode(whole))
    for place in (0, 300, len(raw) // 2, len(raw) - 30):
        broken = bytearray(raw)
        broken[place : place + 8] = b"\x00\xff" * 4
        yield f"broken at {place}", base64.b64encode(bytes(broken)).decode()
    yield "with objects", _objects()
    yield "that unpacks to 400 MB", pack({"values_radar_a": np.zeros(10**8, np.float32)})
    yield "that promises 10^15 numbers", _promising((10**15,))
    yield "that promises a negative length", _promising((-4,))
    yield "of many members", _members(100)
    yield "of the same name twice", _members(2, "a.npy")


def _objects() -> str:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=True, steps=np.array([{"a": 1}], dtype=object))
    return base64.b64encode(buffer.getvalue()).decode()


def _promising(shape: tuple[int, ...]) -> str:
    header = io.BytesIO()
    described = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, described)  # type: ignore[arg-type]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("steps.npy", header.getvalue() + b"\0" * 16)
    return base64.b64encode(buffer.getvalue()).decode()


def _members(count: int, name: str = "") -> str:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(count):
            archive.writestr(name or f"{number}.npy", b"")
    return base64.b64encode(buffer.getvalue()).decode()
