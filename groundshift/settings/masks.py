"""Settings of masks: which pixels of a sensor are valid."""

from typing import Literal

from pydantic import Field

from groundshift.settings.base import Frozen


class MaskSettings(Frozen):
    """Which pixels of a sensor are valid."""

    folder: str | None = Field(None, description="folder of mask files below the root")
    pattern: str = Field("*.tif", description="which files")
    band: str | None = Field(
        None, description="instead of folder: the band of the sensor's own files that is the mask"
    )
    rule: Literal["values", "bits", "nonzero", "zero"] = Field(
        "nonzero",
        description="values: valid where the mask is one of `valid`; bits: where none of the bits "
        "`reject` is set; nonzero, zero: where it is (not) zero",
    )
    valid: tuple[int, ...] = Field((), description="valid classes, e.g. SCL 4 5 6 7")
    reject: tuple[int, ...] = Field((), description="bit numbers, e.g. QA_PIXEL 0 1 2 3 4")
