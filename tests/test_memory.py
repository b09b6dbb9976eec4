import pytest

from groundshift import memory
from groundshift.errors import SettingsError
from groundshift.memory import Room, parse_size, shown
from groundshift.settings import parse

AREA = {"bounds": [4.0, 50.0, 4.1, 50.1]}
PERIOD = {"start": "2020-01-01", "end": "2021-01-01"}


@pytest.fixture
def taken(monkeypatch):
    """A process that holds 100 bytes, and leaves none to what nobody counts."""
    monkeypatch.setattr(memory, "resident", lambda: 100)
    monkeypatch.setattr(memory, "SPARE", 0)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4GB", 4 * 10**9),
        ("500 MB", 5 * 10**8),
        ("2Gi", 2 << 30),
        ("2GiB", 2 << 30),
        ("1.5g", 1_500_000_000),
        ("7kB", 7000),
        (12345, 12345),
    ],
)
def test_sizes_are_read_as_people_and_kubernetes_write_them(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "4 elephants", "-4GB", "4Zi", True, None])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="write for example 4GB"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [(12, "12 B"), (31_680, "31.7 kB"), (812 * 10**6, "812 MB"), (1_234_567_890, "1.23 GB")],
)
def test_sizes_are_shown_as_people_write_them(size, text):
    assert shown(size) == text


def test_the_setting_is_of_all_stages_and_affects_nothing():
    given = {"area": AREA, "period": PERIOD, "stack": {}}
    settings = [parse("stack", given | more) for more in ({}, {"memory": "4GB"})]
    assert [one.memory for one in settings] == [None, 4 * 10**9]
    assert settings[0].affecting() == settings[1].affecting()
    assert parse("stack", settings[1].model_dump_json()) == settings[1]


def test_a_wrong_size_is_named_with_its_place():
    with pytest.raises(SettingsError, match=r"memory: .*'much' is no size; write for example 4GB"):
        parse("stack", {"area": AREA, "period": PERIOD, "stack": {}, "memory": "much"})


def test_without_a_limit_everything_fits():
    room = Room(None, "stack")
    room.require(10**15, "a continent")
    assert room.left(7) == 7
    assert room.at_once(4, 10**15, "a continent") == 4


@pytest.mark.parametrize(("limit", "pieces"), [(131, 1), (159, 1), (160, 2), (1000, 4)])
def test_as_many_pieces_as_fit_are_worked_on_at_once(taken, limit, pieces):
    assert Room(limit, "stack").at_once(4, 30, "a tile") == pieces


def test_what_does_not_fit_is_refused_with_what_would(taken):
    room = Room(129, "stack")
    with pytest.raises(SettingsError) as refused:
        room.require(30, "a tile", "make area.cell smaller")
    assert str(refused.value) == (
        "memory: expected at least 130 B for stack (30 B for a tile, 100 B for the program "
        "itself), found 129 B. Set memory=130B, or make area.cell smaller"
    )
    Room(130, "stack").require(30, "a tile")


def test_what_is_taken_is_not_left(taken):
    room = Room(250, "stack")
    assert room.left(1000) == 150
    assert room.left(100) == 100
    assert Room(90, "stack").left(1000) == 0


def test_the_process_is_measured():
    before = memory.peak()
    held = bytearray(64 << 20)
    assert memory.peak() >= before
    assert memory.peak() >= memory.resident() >= len(held)
