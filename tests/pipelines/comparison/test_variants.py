import pytest

from groundshift.errors import SettingsError
from pipelines.comparison.variants import Axis, replicates, variants


def test_an_axis_reads_values_as_yaml_and_gives_them_back_as_overrides():
    axis = Axis.parse("stack.step=2d,6d")
    assert (axis.key, axis.values) == ("stack.step", ("2d", "6d"))
    assert [axis.override(value) for value in axis.values] == [
        'stack.step="2d"',
        'stack.step="6d"',
    ]
    lists = Axis.parse("stack.radar=[s1_088],[s1_088, s1_110]")
    assert lists.override(lists.values[1]) == 'stack.radar=["s1_088", "s1_110"]'
    assert Axis.parse("train.augment=true,false").values == (True, False)


@pytest.mark.parametrize("text", ["stack.step", "stack.step=", "=2d", "stack.step=2d,2d", "a=[1"])
def test_an_axis_that_makes_no_sense_is_refused(text):
    with pytest.raises(SettingsError, match="--vary"):
        Axis.parse(text)


def test_variants_are_all_combinations():
    found = variants([Axis.parse("a.b=1,2"), Axis.parse("c.d=x,y")])
    assert [one.title for one in found] == [
        "a.b=1, c.d=x",
        "a.b=1, c.d=y",
        "a.b=2, c.d=x",
        "a.b=2, c.d=y",
    ]
    assert variants([])[0].title == "as set"
    with pytest.raises(SettingsError, match="varied twice"):
        variants([Axis.parse("a.b=1"), Axis.parse("a.b=2")])


def test_repetitions_step_side_by_side():
    found = replicates([Axis.parse("a.seed=1,2"), Axis.parse("b.seed=10,20")])
    assert [one.overrides for one in found] == [
        ("a.seed=1", "b.seed=10"),
        ("a.seed=2", "b.seed=20"),
    ]
    assert replicates([])[0].overrides == ()
    with pytest.raises(SettingsError, match=r"a.seed has 2, b.seed has 1"):
        replicates([Axis.parse("a.seed=1,2"), Axis.parse("b.seed=1")])
