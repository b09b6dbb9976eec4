"""Evalscripts: read, checked, and applied to samples."""

import re

import numpy as np

from tests.loopback.server import RefusedError

TYPES = {"UINT8": np.uint8, "UINT16": np.uint16, "FLOAT32": np.float32}


class Script:
    """An evalscript that returns samples as they are, in any number of outputs."""

    def __init__(self, text: str) -> None:
        if "//VERSION=3" not in text:
            raise RefusedError(400, "Failed to parse the evalscript: no version")
        declared = re.search(r"bands:\s*\[([^\]]*)\]", text)
        units = re.search(r"units:\s*\[([^\]]*)\]", text)
        outputs = re.findall(
            r'\{\s*id:\s*"(\w+)",\s*bands:\s*(\d+),\s*sampleType:\s*"(\w+)"\s*\}', text
        )
        body = re.search(r"evaluatePixel\(sample\w*\)\s*\{(.*)\}", text, re.DOTALL)
        if not (declared and units and outputs and body):
            raise RefusedError(400, "Failed to parse the evalscript: no bands, outputs or function")
        self.inputs = re.findall(r'"(\w+)"', declared[1])
        self.units = re.findall(r'"(\w+)"', units[1])
        self.outputs = {name: (int(count), kind) for name, count, kind in outputs}
        self.types = {kind for _, kind in self.outputs.values()}
        returned = re.findall(r"(\w+):\s*\[([^\]]*)\]", body[1])
        self._returned = {name: re.findall(r"sample\.(\w+)", list_) for name, list_ in returned}
        for name, (count, _) in self.outputs.items():
            given = self._returned.get(name, [])
            if len(given) != count or not set(given) <= set(self.inputs):
                raise RefusedError(400, f"Output {name} requires {count} values, found {given}")

    def output(self, name: str, samples: dict[str, np.ndarray]) -> np.ndarray:
        kind = TYPES[self.outputs[name][1]]
        image = np.stack([samples[band] for band in self._returned[name]], axis=-1)
        if np.issubdtype(kind, np.integer):
            image = np.clip(np.rint(image), 0, np.iinfo(kind).max)
        return image.astype(kind)
