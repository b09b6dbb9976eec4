"""Settings of what is done with a sensor's clouds beyond the mask that comes with its images."""

from typing import Literal

from pydantic import Field

from groundshift.settings.base import Frozen


class CloudSettings(Frozen):
    """How the mask of one optical sensor is made and widened."""

    model: Literal["none", "s2cloudless"] = Field(
        "none",
        description="s2cloudless: find clouds in the ten bands of Sentinel-2 L1C that it needs, "
        "beside the mask that comes with the images",
    )
    threshold: float = Field(
        0.4, gt=0, lt=1, description="probability of cloud from which on a pixel is invalid"
    )
    dilate: float = Field(
        0, ge=0, description="metres by which clouds are widened: their edges are thin"
    )
    shadow: bool = Field(
        False, description="mask dark ground where the sun throws the shadows of clouds"
    )
    height: float = Field(
        3000, gt=0, description="metres up to which clouds are whose shadows are looked for"
    )
    dark: float = Field(
        0.15, gt=0, description="near-infrared reflectance below which ground may lie in shadow"
    )
