"""A Dockerfile as its stages' instructions."""

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass
class Stage:
    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def values(self, name: str) -> list[str]:
        return [value for instruction, value in self.instructions if instruction == name]


def stages(file: str) -> dict[str, Stage]:
    """The stages of a Dockerfile in docker/, by name."""
    text = (ROOT / "docker" / file).read_text()
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    found: dict[str, Stage] = {}
    stage = Stage("")
    for line in filter(None, map(str.strip, text.splitlines())):
        name, value = re.split(r"\s+", line, maxsplit=1)
        if name == "FROM":
            base, _, stage_name = value.partition(" AS ")
            stage = found[stage_name] = Stage(base)
        else:
            stage.instructions.append((name, value))
    return found


def line_of(found: dict[str, Stage], name: str) -> list[Stage]:
    """A stage and those it starts from, the last one first."""
    chain = []
    while name in found:
        chain.append(found[name])
        name = found[name].base
    return chain
