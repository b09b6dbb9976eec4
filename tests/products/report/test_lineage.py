"""Where maps come from, in tables."""

from groundshift.artifacts import Manifest
from groundshift.products.report.lineage import lineage_table, settings_tables


def _manifest(contract: str, inputs: dict[str, str], **settings: object) -> Manifest:
    return Manifest(contract, 1, settings, inputs, (), "", {}, ())


CUBE = _manifest("cube", {"observations": "o" * 64}, stack={"step": "4d", "radar": ["a", "b"]})
SAMPLES = _manifest(
    "samples", {"cube": CUBE.content_hash, "observations": "o" * 64, "truth": "t" * 64}
)
MODEL = _manifest(
    "model",
    {"cube": CUBE.content_hash, "samples": SAMPLES.content_hash},
    train={"epochs": 3, "schedule": {"kind": "cosine", "warmup": None}},
    area={"resolution": 10},
)


def test_every_artifact_and_every_source_has_a_row() -> None:
    rows = [row.cells for row in lineage_table([MODEL, SAMPLES, CUBE]).rows]
    assert [(row[0], row[1]) for row in rows] == [
        ("model", "train"),
        ("samples", "window"),
        ("cube", "stack"),
        ("observations", "fetch"),
        ("truth", "outside"),
    ]
    assert rows[0][2] == MODEL.content_hash[:16]
    assert CUBE.content_hash[:16] in rows[0][3]
    assert rows[3][2] == "o" * 16


def test_settings_are_told_stage_by_stage_from_the_first() -> None:
    tables = settings_tables([MODEL, SAMPLES, CUBE], {"infer": {"stride": 5}, "area": {}})
    assert [table.title for table in tables] == ["stack", "train", "infer"]
    assert [row.cells for row in tables[0].rows] == [("step", "4d"), ("radar", "a, b")]
    assert [row.cells for row in tables[1].rows] == [("epochs", "3"), ("schedule.kind", "cosine")]
