import numpy as np
import pytest

from groundshift.observations.synthetic import chance

ROWS, COLUMNS = np.arange(-300, 300)[:, None], np.arange(-250, 250)[None, :]


def test_a_name_is_the_same_number_on_every_machine():
    assert chance.key("a", 1) == 13924241962069754241
    assert chance.key("a", 1) != chance.key("a1", "")


@pytest.mark.parametrize(
    ("draw", "mean", "deviation"),
    [
        (chance.uniform, 0.5, 12**-0.5),
        (chance.normal, 0.0, 1.0),
        (lambda *place: chance.speckle(4.0, *place), 1.0, 0.5),
    ],
)
def test_numbers_are_distributed_as_promised_and_independent(draw, mean, deviation):
    drawn = draw(chance.key("x"), ROWS, COLUMNS)
    assert drawn.mean() == pytest.approx(mean, abs=0.01)
    assert drawn.std() == pytest.approx(deviation, rel=0.01)
    for other in (
        draw(chance.key("x"), ROWS, COLUMNS + 1),
        draw(chance.key("x"), ROWS + 1, COLUMNS),
        draw(chance.key("x") + 1, ROWS, COLUMNS),
    ):
        assert abs(np.corrcoef(drawn.ravel(), other.ravel())[0, 1]) < 0.01


def test_a_place_has_its_number_whatever_is_asked_beside_it():
    part = slice(17, 90), slice(200, 333)
    whole = chance.normal(7, ROWS, COLUMNS)
    np.testing.assert_array_equal(chance.normal(7, ROWS[part[0]], COLUMNS[:, part[1]]), whole[part])


def test_fields_are_smooth_of_unit_deviation_and_the_same_in_any_window():
    y, x = -np.arange(800) * 10.0 - 5, np.arange(900) * 10.0 + 5
    fields = [chance.smooth(chance.key("field", i), y, x, 400) for i in range(4)]
    assert np.std(fields) == pytest.approx(1, abs=0.05)
    steps = np.diff(fields[0], axis=0)
    assert steps.std() < 0.15
    part = chance.smooth(chance.key("field", 2), y[100:177], x[31:40], 400)
    np.testing.assert_array_equal(part, fields[2][100:177, 31:40])
