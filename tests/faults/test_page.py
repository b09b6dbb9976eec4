"""docs/robustness.md names tests that exist."""

import re
from pathlib import Path

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[1] / "docs" / "robustness.md"
NAMED = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


def test_every_test_that_the_page_names_exists():
    named = NAMED.findall(PAGE.read_text())
    assert len(named) > 30
    for file, test in named:
        assert f"\ndef {test}(" in (FOLDER / file).read_text(), f"{file}::{test}"
