import pytest

from groundshift.errors import SourceError
from groundshift.observations.sources.secrets import secret


def test_a_secret_comes_from_the_environment_or_from_a_file(tmp_path, monkeypatch):
    assert secret("A_KEY") == ""
    monkeypatch.setenv("A_KEY", "from the environment")
    assert secret("A_KEY") == "from the environment"
    monkeypatch.delenv("A_KEY")
    (tmp_path / "key").write_text("from a file\n")
    monkeypatch.setenv("A_KEY_FILE", str(tmp_path / "key"))
    assert secret("A_KEY") == "from a file"


def test_both_at_once_are_refused_without_saying_them(tmp_path, monkeypatch):
    monkeypatch.setenv("A_KEY", "hush")
    monkeypatch.setenv("A_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(SourceError, match="expected one of A_KEY and A_KEY_FILE") as caught:
        secret("A_KEY")
    assert "hush" not in str(caught.value)
    assert caught.value.refused


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_is_none_is_named(tmp_path, monkeypatch, content):
    path = tmp_path / "key"
    if content:
        path.write_bytes(content)
    monkeypatch.setenv("A_KEY_FILE", str(path))
    with pytest.raises(SourceError, match=f"A_KEY_FILE: expected a readable file at {path}"):
        secret("A_KEY")
