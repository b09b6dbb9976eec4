import keras
import pytest

from benchmarks.network import Work, keras_training, our_training
from benchmarks.stages import apart

WORK = Work(steps=4, stride=1, windows=2, block=32, batch=2)


@pytest.fixture
def restored_precision():
    """Keras' precision as it was before."""
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


@pytest.mark.usefixtures("restored_precision")
def test_a_training_step_of_the_published_network_is_keras_in_float64():
    ours = our_training(WORK, "apart")()
    exact = keras_training(WORK, "apart", double=True)()
    assert apart(ours, exact) < 1e-5
