"""The compiled pipelines stay as they are until somebody means to change them.

Renew the files after a change that is meant, and look at the difference before committing it:

    python -m tests.pipelines.test_golden
"""

import pytest

from pipelines import profile
from pipelines.compile import compile_pipeline
from tests.pipelines.packages import PROFILES, ROOT

GOLDEN = ROOT / "tests" / "golden" / "pipelines"
CASES = [
    ("training", "cluster-cpu"),
    ("training", "cluster-gpu"),
    ("monitoring", "cluster-cpu"),
    ("retraining", "cluster-cpu"),
]


def write(folder, name, cluster):
    path = folder / f"{name}.{cluster}.yaml"
    compile_pipeline(name, profile.load(PROFILES / f"{cluster}.yaml"), path)
    return path


@pytest.mark.parametrize(("name", "cluster"), CASES)
def test_a_pipeline_compiles_to_its_golden_package(name, cluster, tmp_path):
    made = write(tmp_path, name, cluster).read_text()
    kept = (GOLDEN / f"{name}.{cluster}.yaml").read_text()
    assert made == kept, "meant? then: python -m tests.pipelines.test_golden"


if __name__ == "__main__":
    for case in CASES:
        print(write(GOLDEN, *case))
