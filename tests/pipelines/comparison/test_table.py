import json

import pytest

from pipelines.comparison.chain import Cost, Run
from pipelines.comparison.table import Compared, Mean, render, rows
from pipelines.comparison.variants import Axis, variants


def run(folder, area, cpu=1.0, recall=0.5):
    """A run whose evaluation says so."""
    folder.mkdir(parents=True)
    network = {"pr_auc": area, "event_recall": recall, "prevalence": area / 10}
    network |= {"intervals": {"pr_auc": [0.1, 0.9]}}
    document = {"headline": {"level": "controlled_truth"}, "controlled_truth": {"network": network}}
    (folder / "metrics.json").write_text(json.dumps(document))
    costs = {"stack": Cost(cpu, 100, 1), "train": Cost(10, 300, 2)}
    return Run({"evaluation": folder}, costs, ("train",))


@pytest.fixture
def compared(tmp_path):
    two, six, never = variants([Axis.parse("stack.step=2d,6d,900d")])
    return [
        Compared(two, tuple(run(tmp_path / f"two_{a}", a) for a in (0.5, 0.7))),
        Compared(six, tuple(run(tmp_path / f"six_{a}", a) for a in (0.4, 0.5))),
        Compared(never, failure="window ended with exit code 2"),
    ]


def test_intervals_over_repetitions_are_students():
    mean = Mean.of([0.5, 0.7])
    # t(0.975, 1) = 12.706; the standard error of the mean is 0.1.
    assert (mean.low, mean.high) == pytest.approx((0.6 - 1.2706, 0.6 + 1.2706), abs=1e-3)
    assert Mean.of([0.5]).low is None
    assert Mean.of([0.5, None]).value is None


def test_a_row_has_settings_scores_and_the_cost_of_all_stages(compared):
    first, second, third = rows(compared)
    assert first["stack.step"] == "2d"
    assert first["PR-AUC"] == "0.600 (0.000 to 1.000)", "of two, Student's reaches beyond both"
    assert first["chance"].startswith("0.060 (")
    assert first["PR-AUC above the first"] == ""
    # 0.4 - 0.5 and 0.5 - 0.7, pair by pair.
    assert second["PR-AUC above the first"].startswith("-0.150 (")
    assert (first["CPU s"], first["peak MB"], first["MB written"]) == ("11", "300", "3")
    assert third == {"stack.step": "900d", "failed": "window ended with exit code 2"}


def test_one_repetition_has_the_interval_of_its_blocks(tmp_path):
    (variant,) = variants([])
    one = Compared(variant, (run(tmp_path / "one", 0.5),))
    assert one.quality("pr_auc").shown(1) == "0.5 (0.1 to 0.9)"
    assert one.quality("event_recall").shown(1) == "0.5"
    assert one.quality("f1").shown() == ""


def test_a_page_says_what_each_setting_changes(compared):
    page = render("demo", compared, "groundshift compare")
    assert page.startswith("# demo\n\n```\ngroundshift compare\n```\n")
    assert "2 repetitions" in page
    assert "controlled_truth" in page
    assert "| `stack.step` | 2d: 0.600, 6d: 0.450 | 0.150 |" in page


def test_a_page_without_a_result_has_no_level():
    page = render("empty", [Compared(variants([])[0], failure="no")], "")
    assert "level none" in page
