import subprocess
import sys
from pathlib import Path

import pytest

from groundshift.errors import SettingsError, SourceError
from groundshift.reference import weights


@pytest.mark.parametrize("era", ["s12", "ers12ls5"])
def test_files_are_the_published_ones(era: str) -> None:
    assert weights.path(era) == weights.weights_folder() / weights.FILES[era].name


def test_licence_and_provenance_travel_with_them() -> None:
    folder = weights.weights_folder()
    assert "GNU GENERAL PUBLIC LICENSE" in (folder / "COPYING").read_text()
    text = (folder / "README.md").read_text()
    assert all(file.name in text and file.sha256 in text for file in weights.FILES.values())


def test_missing_folder_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(weights.VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(SourceError, match=f"nowhere, found none.*set {weights.VARIABLE}"):
        weights.path("s12")


def test_missing_or_damaged_file_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(weights.VARIABLE, str(tmp_path))
    with pytest.raises(SourceError, match="found no such file"):
        weights.path("s12")
    (tmp_path / weights.FILES["s12"].name).write_bytes(b"other")
    with pytest.raises(SourceError, match="expected SHA-256 7772"):
        weights.path("s12")


def test_unknown_era_is_refused() -> None:
    with pytest.raises(SettingsError, match="unknown era 's13'"):
        weights.path("s13")


def test_importing_the_package_leaves_tensorflow_out() -> None:
    code = (
        "import sys, groundshift.reference as r; assert 'tensorflow' not in sys.modules; "
        "assert 'load_network' in r.__all__"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
