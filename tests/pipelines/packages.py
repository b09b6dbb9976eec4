"""Compiled pipelines for the tests: each compiled once."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from kfp.compiler import Compiler

from pipelines import profile
from pipelines.checks import Package
from pipelines.compile import PIPELINES
from pipelines.graph import assemble

ROOT = Path(__file__).parents[2]
PROFILES = ROOT / "pipelines" / "profiles"


@cache
def compiled(name: str, cluster: str = "cluster-cpu") -> str:
    """The package of a pipeline for one of our profiles, as text, unchecked."""
    settings = profile.load(PROFILES / f"{cluster}.yaml")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "package.yaml"
        Compiler().compile(assemble(name, settings, PIPELINES[name], {}), str(path))
        return path.read_text()


def package(name: str, cluster: str = "cluster-cpu") -> Package:
    """The package of a pipeline, a copy that may be changed."""
    spec, platform = yaml.safe_load_all(compiled(name, cluster))
    return Package(spec, platform)
