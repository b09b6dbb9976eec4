"""Settings of the checks of each observation against its own series."""

from fnmatch import fnmatchcase
from typing import Literal, get_args

from pydantic import Field, field_validator

from groundshift.settings.base import Frozen

CheckName = Literal["offset", "shift", "platform", "cloud", "border", "duplicate"]
CHECKS: tuple[CheckName, ...] = get_args(CheckName)


class ChecksSettings(Frozen):
    """How far an observation may lie from its series; what lies farther goes to quarantine.

    A limit of None switches its check off.
    """

    offset: float | None = Field(
        0.03,
        gt=0,
        lt=0.1,
        description="Sentinel-2's offset of 0.1 is seen where every band is within so much of it",
    )
    shift: float | None = Field(
        12, gt=0, description="most metres by which an image may lie off those of its orbit"
    )
    platform: float | None = Field(
        1.0,
        gt=0,
        description="most dB by which a Sentinel-1 platform may differ from the others of its "
        "orbit",
    )
    cloud: float | None = Field(
        0.5,
        gt=0,
        le=1,
        description="most of an image's pixels that may be valid and look like cloud",
    )
    border: float | None = Field(
        0.01,
        gt=0,
        le=1,
        description="most of a radar image's valid pixels that may hold no signal",
    )
    duplicate: float | None = Field(
        0.95,
        gt=0,
        le=1,
        description="share of an image that another one of the same pass shows too, from which on "
        "it is a duplicate",
    )
    minimum: int = Field(
        8, ge=3, description="fewest images to judge one of them by (of the same orbit, for radar)"
    )
    release: tuple[str, ...] = Field(
        (),
        description="findings that don't count, as sensor/time/check with * for any: "
        "s2/20200301T103021/shift, s1_*/*/platform",
    )

    @field_validator("release")
    @classmethod
    def _three_parts(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            parts = pattern.split("/")
            if len(parts) != 3 or not any(fnmatchcase(name, parts[2]) for name in CHECKS):
                raise ValueError(
                    f"{pattern!r}: expected sensor/time/check, with a check of {', '.join(CHECKS)} "
                    "or *, for example s2/20200301T103021/shift"
                )
        return patterns

    def releases(self, sensor: str, stamp: str, check: str) -> bool:
        """Whether a finding doesn't count."""
        return any(fnmatchcase(f"{sensor}/{stamp}/{check}", pattern) for pattern in self.release)
