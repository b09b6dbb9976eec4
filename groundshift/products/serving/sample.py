"""A raw series as it comes in a request: arrays that are unpacked and checked, nothing believed.

    values_<role>     [b, t, y, x, band] float32, physical values of a stream
    age_days_<role>   [b, t, y, x] int16, days since the last look, -1 where there was none
    steps             [b, t] bool, real steps; those that are not come last

Of a model that sees neighbours also, as two steps, the mean looks of the windows before and after:

    values_<role>_beside     [b, 2, y, x, band]
    age_days_<role>_beside   [b, 2, y, x], 0, or -1 where there was no look

Packed they are an npz archive in base64, small ones may be nested lists of a JSON object. What an
archive says of its own sizes is looked at before a byte is unpacked, and no more is unpacked than
that, so that a small request can't become a large one.
"""

import base64
import binascii
import io
import json
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundshift.cube.fill import NEVER
from groundshift.errors import ContractError
from groundshift.models.inputs import Streams
from groundshift.models.store import Detector
from groundshift.observations.npy import read_header
from groundshift.products.serving.limits import Limits
from groundshift.samples.loader import beside

Arrays = dict[str, NDArray[Any]]

_STEPS, _VALUES, _AGES = "steps", "values_", "age_days_"
_SIDES = 2
"""Windows beside one: before and after."""
_MEMBERS = 16
"""Most arrays of a sample: two per stream and the steps, with room to name those too many."""
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_HOW = "Pack arrays with groundshift.services.packed.pack, or see docs/serving.md"


def read_arrays(text: str, limits: Limits) -> Arrays:
    """Unpack the arrays of a sample.

    Args:
        text: npz archive in base64, or a JSON object of nested lists.
        limits: what is taken at most.

    Raises:
        ContractError: neither, or more than is taken.
    """
    return _nested(text, limits) if text.lstrip()[:1] == "{" else _archive(text, limits)


def check_sample(arrays: Arrays, detector: Detector) -> tuple[Streams, NDArray[np.bool_]]:
    """The streams and steps of a sample, as the model takes them.

    Raises:
        ContractError: naming the array that is missing, unknown, of another shape or kind than
            the model's signature asks for, or that holds what is no number.
    """
    bands = {s.role: len(s.bands) for s in detector.signature.streams}
    bands |= {beside(role): number for role, number in bands.items()}
    roles, names = detector.inputs.roles, detector.inputs.arrays
    expected = {_STEPS, *(part + name for part in (_VALUES, _AGES) for name in names)}
    for what, odd in (("missing", expected - set(arrays)), ("unknown", set(arrays) - expected)):
        if odd:
            raise ContractError(
                f"expected the arrays {', '.join(sorted(expected))}; {what}: "
                f"{', '.join(sorted(name[:40] for name in odd))}"
            )
    steps = _steps(arrays[_STEPS], detector)
    pixels: tuple[int, ...] = ()
    streams = {}
    for name in names:
        values = _values(_VALUES + name, arrays[_VALUES + name], bands[name])
        pixels = pixels or values.shape[2:-1]
        shape = (*(steps.shape if name in roles else (len(steps), _SIDES)), *pixels)
        if values.shape[:-1] != shape or 0 in shape:
            raise ContractError(
                f"{_VALUES}{name}: expected {shape[:2]} images, as steps has them, of {pixels} "
                f"pixels, none of them 0; found {values.shape[:-1]}"
            )
        streams[name] = (values, _ages(_AGES + name, arrays[_AGES + name], shape))
    return streams, steps


def _steps(found: NDArray[Any], detector: Detector) -> NDArray[np.bool_]:
    if found.ndim != 2 or found.dtype != np.bool_:
        raise ContractError(f"steps: expected bool [b, t], found {found.dtype} {found.shape}")
    counts = found.sum(axis=1)
    least, most = (detector.windows.get(name) for name in ("min_steps", "max_steps"))
    low, high = least or 1, most or found.shape[1]
    if found.shape[1] > high or (counts < low).any():
        raise ContractError(
            f"steps: expected {low} to {high} real steps, as the model was trained with, found "
            f"{', '.join(map(str, counts[:5]))} in {found.shape[1]}"
        )
    if (np.diff(found.astype(np.int8), axis=1) > 0).any():
        raise ContractError("steps: expected those that are not real to come last, found others")
    return np.asarray(found, bool)


def _values(name: str, found: NDArray[Any], bands: int) -> NDArray[np.float32]:
    if found.dtype.kind not in "fiu" or found.ndim != 5 or found.shape[-1] != bands:
        raise ContractError(
            f"{name}: expected numbers [b, t, y, x, band] of {bands} bands, found {found.dtype} "
            f"{found.shape}"
        )
    with np.errstate(over="ignore"):
        values = found.astype(np.float32, copy=False)
    if not np.isfinite(values).all():
        raise ContractError(
            f"{name}: expected finite numbers, found {int((~np.isfinite(values)).sum())} others. "
            f"Where there was no look, give 0 and an age of {NEVER}"
        )
    return values


def _ages(name: str, found: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.int16]:
    if found.dtype.kind not in "iu" or found.shape != shape:
        raise ContractError(
            f"{name}: expected whole numbers {shape}, found {found.dtype} {found.shape}"
        )
    if found.size and (found.min() < NEVER or found.max() > np.iinfo(np.int16).max):
        raise ContractError(
            f"{name}: expected days from {NEVER} (never) to {np.iinfo(np.int16).max}, found "
            f"{found.min()} to {found.max()}"
        )
    return found.astype(np.int16, copy=False)


def _nested(text: str, limits: Limits) -> Arrays:
    if len(text) > limits.json:
        raise ContractError(
            f"sample: expected at most {limits.json} characters of JSON, found {len(text)}. {_HOW}"
        )
    try:
        document = json.loads(text)
        arrays = {str(name): np.asarray(values) for name, values in document.items()}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ContractError(f"sample: no JSON object of arrays ({error}). {_HOW}") from None
    for name, array in arrays.items():
        if array.dtype.kind not in "bfiu":
            raise ContractError(f"sample: {name[:40]} holds something else than numbers. {_HOW}")
    return arrays


def _archive(text: str, limits: Limits) -> Arrays:
    try:
        packed = base64.b64decode(text, validate=True)
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            members = archive.infolist()
            _require_room(members, limits)
            return {
                member.filename.removesuffix(".npy"): _array(archive, member, limits)
                for member in members
            }
    except ContractError:
        raise
    except (binascii.Error, ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise ContractError(
            f"sample: expected an npz archive in base64, found {text[:40]!r}... ({error}). {_HOW}"
        ) from None
    except (NotImplementedError, RuntimeError, KeyError, OverflowError) as error:
        # What zipfile says of archives that are encrypted, or packed in ways it doesn't know.
        raise ContractError(f"sample: an archive that can't be read ({error}). {_HOW}") from None


def _require_room(members: list[zipfile.ZipInfo], limits: Limits) -> None:
    size = sum(member.file_size for member in members)
    names = {member.filename for member in members}
    if len(members) > _MEMBERS or len(names) < len(members) or size > limits.unpacked:
        raise ContractError(
            f"sample: expected at most {_MEMBERS} arrays of different names and "
            f"{limits.unpacked} bytes unpacked, found {len(members)} of {size} bytes"
        )
    if any(member.compress_type not in _PACKED for member in members):
        raise ContractError(f"sample: expected an archive that is stored or deflated. {_HOW}")


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, limits: Limits) -> NDArray[Any]:
    """One array; a header that promises more than the member holds is believed in nothing."""
    with archive.open(member) as file:
        shape, fortran, dtype = read_header(file)
        count = 1
        for length in shape:
            count *= length
        size = count * dtype.itemsize
        if dtype.kind not in "bfiu" or size > min(member.file_size, limits.unpacked):
            raise ContractError(
                f"sample: {member.filename[:40]}: expected numbers that fill the file's "
                f"{member.file_size} bytes, found {dtype} {shape}"
            )
        content = file.read(size + 1)
    if len(content) != size:
        raise ContractError(
            f"sample: {member.filename[:40]}: expected {size} bytes of numbers, found "
            f"{'more' if len(content) > size else len(content)}"
        )
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
