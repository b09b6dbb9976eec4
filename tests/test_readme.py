"""What README says holds: its example parses, its links lead somewhere, its commands exist."""

import re
from pathlib import Path

import pytest
import yaml

from groundshift.settings import STAGES, load, merge

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "demo" / "README.md"]


@pytest.mark.parametrize("stage", STAGES)
def test_the_example_of_an_own_area_is_valid(tmp_path, stage):
    readme = (ROOT / "README.md").read_text()
    (example,) = re.findall(r"```yaml\n(areas:.*?)```", readme, re.DOTALL)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(merge(params, yaml.safe_load(example))))
    settings = load(stage, path, area="myarea")
    assert settings.name == "myarea"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_commands_are_targets_of_make():
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"^make (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert named
    assert set(named) <= set(targets)
