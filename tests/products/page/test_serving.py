"""The server of the map page: loopback only, in ranges, and nothing but the maps."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from groundshift.errors import ContractError, SettingsError
from groundshift.products.page.serving import serving


@pytest.fixture
def maps(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("secret")
    folder = tmp_path / "maps"
    (folder / "page").mkdir(parents=True)
    (folder / "page" / "index.html").write_text("<title>map</title>")
    (folder / "map.tif").write_bytes(bytes(range(100)))
    return folder


def get(url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


@pytest.mark.parametrize(
    ("asked", "first", "stop"),
    [
        ("bytes=10-19", 10, 20),
        ("bytes=90-", 90, 100),
        ("bytes=-5", 95, 100),
        ("bytes=95-200", 95, 100),
    ],
)
def test_files_come_in_ranges(maps: Path, asked: str, first: int, stop: int) -> None:
    with serving(maps) as address:
        status, headers, body = get(address.replace("page/", "map.tif"), Range=asked)
    assert (status, body) == (206, bytes(range(first, stop)))
    assert headers["Content-Range"] == f"bytes {first}-{stop - 1}/100"


def test_whole_files_pages_and_impossible_ranges(maps: Path) -> None:
    with serving(maps) as address:
        root = address.removesuffix("page/")
        assert get(f"{root}map.tif")[2] == bytes(range(100))
        assert get(f"{root}map.tif", Range="bytes=100-")[0] == 416
        status, headers, body = get(root)
        assert (status, body) == (200, b"<title>map</title>")
        assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_nothing_but_the_maps_is_shown_and_to_nobody_else(maps: Path) -> None:
    with serving(maps) as address:
        root = address.removesuffix("page/")
        assert address.startswith("http://127.0.0.1:")
        assert get(f"{root}../secret.txt")[0] == 404
        assert get(f"{root}%2e%2e/secret.txt")[0] == 404
        assert get(f"{root}map.tif", Host="evil.example:80")[0] == 403


def test_maps_without_a_page_and_a_taken_port_are_refused(maps: Path, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"found no page/index\.html"), serving(tmp_path):
        pass
    with serving(maps) as address:
        port = int(address.split(":")[2].split("/")[0])
        with pytest.raises(SettingsError, match=f"--port {port}"), serving(maps, port):
            pass
