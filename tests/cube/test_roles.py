import pytest

from groundshift.cube.roles import assign_roles
from groundshift.domain.signature import Sensor
from groundshift.errors import SettingsError
from groundshift.settings import StackSettings


def sensors(**kinds):
    return {name: Sensor(name, kind, "made up", ("B",)) for name, kind in kinds.items()}


def test_radar_sensors_come_in_the_order_of_their_names_by_default():
    found = assign_roles(sensors(s2="optical", s1_b="radar", s1_a="radar"), StackSettings())
    assert list(found.items()) == [("radar_a", "s1_a"), ("radar_b", "s1_b"), ("optical", "s2")]


@pytest.mark.parametrize(
    ("there", "roles"),
    [({"s1": "radar"}, {"radar_a": "s1"}), ({"s2": "optical"}, {"optical": "s2"})],
)
def test_any_role_may_be_absent(there, roles):
    assert assign_roles(sensors(**there), StackSettings()) == roles


def test_named_sensors_keep_the_named_order_and_others_are_left_out():
    there = sensors(a="radar", b="radar", c="radar", l8="optical", s2="optical")
    found = assign_roles(there, StackSettings(radar=("c", "a"), optical="s2"))
    assert found == {"radar_a": "c", "radar_b": "a", "optical": "s2"}


@pytest.mark.parametrize(
    ("there", "settings", "message"),
    [
        ({"a": "radar", "b": "radar", "c": "radar"}, {}, "at most 2 radar sensors, found a, b, c"),
        ({"l8": "optical", "s2": "optical"}, {}, "one optical sensor, found l8, s2"),
        ({"s1_asc": "radar"}, {"radar": ("s1_as",)}, "did you mean 's1_asc'"),
        ({"s2": "optical"}, {"radar": ("s2",)}, r"stack.radar: expected one of \(there is none\)"),
        ({"s1": "radar"}, {"optical": "s1"}, "stack.optical"),
        ({"s1": "radar"}, {"radar": ("s1", "s1")}, "found s1 twice"),
        ({}, {}, "at least one sensor"),
    ],
)
def test_a_choice_left_open_or_wrong_is_named(there, settings, message):
    with pytest.raises(SettingsError, match=message):
        assign_roles(sensors(**there), StackSettings(**settings))
