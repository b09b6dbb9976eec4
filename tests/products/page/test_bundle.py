"""The committed bundle is what the sources build."""

import shutil
import subprocess
from pathlib import Path

import pytest

from groundshift.products.page import site

ROOT = Path(__file__).parents[3]
STATIC = Path(site.__file__).parent / "static"


def test_the_bundle_is_small_and_names_the_licences_of_what_is_in_it() -> None:
    sizes = {name: (STATIC / name).stat().st_size for name in site.STATIC}
    assert sum(sizes.values()) < 450_000
    licences = (STATIC / "licences.txt").read_text()
    assert "OpenLayers Contributors" in licences
    assert "http" not in (STATIC / "index.html").read_text()


def test_the_bundle_is_what_the_sources_build(tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs node and npm")
    web = shutil.copytree(
        ROOT / "web", tmp_path / "web", ignore=shutil.ignore_patterns("node_mod*")
    )
    installed = subprocess.run(
        [npm, "ci", "--no-audit", "--no-fund"], cwd=web, capture_output=True, text=True
    )
    if installed.returncode:
        pytest.skip(f"needs the packages of web/package-lock.json: {installed.stderr[-200:]}")
    subprocess.run([npm, "run", "build", "--", str(tmp_path / "built")], cwd=web, check=True)
    for name in site.STATIC:
        assert (tmp_path / "built" / name).read_bytes() == (STATIC / name).read_bytes(), name
    assert {path.name for path in (tmp_path / "built").iterdir()} == set(site.STATIC)
