from xml.etree import ElementTree

from pipelines.checks import Package
from pipelines.picture import draw
from tests.pipelines.packages import ROOT, package

TEXT = "{http://www.w3.org/2000/svg}text"
RECTANGLE = "{http://www.w3.org/2000/svg}rect"


def test_the_picture_in_docs_is_that_of_the_training_pipeline():
    golden = ROOT / "tests" / "golden" / "pipelines" / "training.cluster-cpu.yaml"
    kept = (ROOT / "docs" / "pipeline.svg").read_text()
    assert draw(Package.read(golden)) == kept, (
        f"run: python -m pipelines.picture {golden.relative_to(ROOT)} docs/pipeline.svg"
    )


def test_every_task_is_drawn_inside_the_picture():
    for name in ("training", "monitoring", "retraining"):
        compiled = package(name)
        picture = ElementTree.fromstring(draw(compiled))
        width, height = int(picture.get("width")), int(picture.get("height"))
        drawn = [element.text for element in picture.iter(TEXT)]
        for task in compiled.tasks():
            if task.executor:
                assert task.spec["taskInfo"]["name"] in drawn
        for box in picture.iter(RECTANGLE):
            assert 0 <= int(box.get("x")) <= width - int(box.get("width"))
            assert 0 <= int(box.get("y")) <= height - int(box.get("height"))
