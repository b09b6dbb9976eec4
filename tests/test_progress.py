import io
import logging
import sys

import pytest

from groundshift.progress import shown


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_without_a_terminal_the_end_is_a_plain_line(caplog):
    caplog.set_level(logging.INFO)
    assert list(shown(iter("abc"), "images", 3)) == ["a", "b", "c"]
    assert caplog.messages == ["images: 3 of 3"]


def test_on_a_terminal_a_bar_is_drawn(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert list(shown(iter("abc"), "images", 3)) == ["a", "b", "c"]
    assert "images" in terminal.getvalue()
    assert caplog.messages == []


def test_an_error_passes_through():
    def broken():
        yield 1
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(shown(broken(), "images", 2))
