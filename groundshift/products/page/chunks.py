"""Numbers on their way to a browser: quantised to bytes, deflated, in small scripts.

A page that is opened from disk may not read files beside it, except as scripts and pictures, and
may not look at the pixels of those pictures. So data travel as scripts that call one function:

    groundshift("score/3", "<base64 of raw deflate>");

The same files work from any web server, and load when they are first needed.
"""

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PAGE, DATA = "page", "page/data"
"""Folders of the page and of its data below the artifact."""

NOTHING = 0
"""Byte that stands for no value; 1 to 255 are values."""

_STEPS = 254
_LEVEL = 9


def quantise(values: NDArray[np.floating[Any]], low: float, high: float) -> NDArray[np.uint8]:
    """Values as bytes: `low` (and below) 1, `high` (and above) 255, NaN `NOTHING`."""
    share = np.clip((values - low) / (high - low), 0, 1)
    known = np.isfinite(values)
    level = np.rint(np.where(known, share, 0) * _STEPS).astype(np.uint8) + np.uint8(1)
    return np.where(known, level, np.uint8(NOTHING))


def write_chunk(folder: Path, key: str, content: bytes) -> Path:
    """Write bytes as a script.

    Args:
        folder: of the page's data.
        key: name of the data; also the file's path below the folder, without its ending.
        content: what the browser gets back after inflating.

    Returns:
        The file.
    """
    deflater = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    deflated = deflater.compress(content) + deflater.flush()
    path = folder / f"{key}.js"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = base64.b64encode(deflated).decode()
    path.write_text(f"groundshift({json.dumps(key)},{json.dumps(text)});\n", encoding="ascii")
    return path


def write_json(folder: Path, key: str, document: Any) -> Path:
    """Write a JSON document as a script."""
    text = json.dumps(document, allow_nan=False, separators=(",", ":"))
    return write_chunk(folder, key, text.encode())


def read_chunk(folder: Path, key: str) -> bytes:
    """What `write_chunk` was given."""
    text = (folder / f"{key}.js").read_text(encoding="ascii")
    name, data = json.loads(f"[{text[len('groundshift(') :].rstrip().removesuffix(');')}]")
    if name != key:
        raise ValueError(f"{folder / key}.js: expected the key {key}, found {name}")
    return zlib.decompress(base64.b64decode(data), -zlib.MAX_WBITS)
