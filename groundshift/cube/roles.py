"""Which sensors a cube holds, and which input of a network each of them feeds."""

import difflib
from collections.abc import Iterable, Mapping

from groundshift.cube.timeline import Bins
from groundshift.domain.signature import Kind, Sensor, Signature, Stream
from groundshift.errors import SettingsError
from groundshift.settings import StackSettings

RADAR_ROLES = ("radar_a", "radar_b")
OPTICAL_ROLE = "optical"


def assign_roles(sensors: Mapping[str, Sensor], settings: StackSettings) -> dict[str, str]:
    """Give every input of the network its sensor; sensors without a role stay out of the cube.

    Args:
        sensors: the observations' sensors by name.
        settings: may name the radar and optical sensors; by default the radar ones in the order
            of their names, and the only optical one.

    Returns:
        Sensor by role, in the order of the network's inputs; any role may be absent.

    Raises:
        SettingsError: an unknown or unfit sensor is named, or the choice is left open.
    """
    radar = settings.radar or tuple(sorted(_of_kind(sensors, "radar")))
    if len(radar) > len(RADAR_ROLES):
        raise SettingsError(
            f"stack.radar: expected at most {len(RADAR_ROLES)} radar sensors, found "
            f"{', '.join(radar)}. Name the ones to use"
        )
    if len(set(radar)) < len(radar):
        raise SettingsError(f"stack.radar: expected two different sensors, found {radar[0]} twice")
    optical = [settings.optical] if settings.optical else _of_kind(sensors, "optical")
    if len(optical) > 1:
        raise SettingsError(
            f"stack.optical: expected one optical sensor, found {', '.join(sorted(optical))}. "
            "Name the one to use"
        )
    _check(radar, sensors, "radar")
    _check(optical, sensors, "optical")
    if not radar and not optical:
        raise SettingsError("expected at least one sensor in the observations, found none")
    return dict([*zip(RADAR_ROLES, radar, strict=False), *((OPTICAL_ROLE, n) for n in optical)])


def signature_of(
    sensors: Mapping[str, Sensor],
    roles: Mapping[str, str],
    bins: Bins,
    resolution: float,
    max_age_days: int | None,
) -> Signature:
    """What the numbers of a cube are, in the order of its roles."""
    streams = []
    for role, name in roles.items():
        sensor = sensors[name]
        streams.append(
            Stream(
                role, sensor.mission, sensor.bands, sensor.level, sensor.units, sensor.coefficient
            )
        )
    return Signature(tuple(streams), resolution, bins.step, max_age_days)


def _of_kind(sensors: Mapping[str, Sensor], kind: Kind) -> list[str]:
    return [name for name, sensor in sensors.items() if sensor.kind == kind]


def _check(names: Iterable[str], sensors: Mapping[str, Sensor], kind: Kind) -> None:
    fitting = _of_kind(sensors, kind)
    for name in names:
        if name not in fitting:
            near = difflib.get_close_matches(name, fitting, 1)
            advice = f"did you mean {near[0]!r}?" if near else "choose one of them"
            known = ", ".join(fitting) or "(there is none)"
            raise SettingsError(f"stack.{kind}: expected one of {known}, found {name!r}: {advice}")
