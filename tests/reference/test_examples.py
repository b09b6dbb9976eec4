import numpy as np
import pytest

from groundshift.errors import ContractError
from groundshift.reference.examples import (
    decode_example,
    decode_tensor,
    encode_example,
    encode_tensor,
)


@pytest.mark.parametrize(
    "array",
    [
        np.float64(1.5),
        np.arange(12, dtype=np.float32).reshape(2, 3, 2),
        np.zeros((0, 3), np.int64),
        np.array([1, 2], ">i4"),
        np.array([0, 255], np.uint8),
    ],
)
def test_arrays_survive(array: np.ndarray) -> None:
    found = decode_tensor(encode_tensor(np.asarray(array)))
    np.testing.assert_array_equal(found, array)
    assert found.shape == np.shape(array)
    assert found.dtype == np.asarray(array).dtype.newbyteorder("<")


def test_records_are_those_of_tensorflow() -> None:
    import tensorflow

    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    tensor = encode_tensor(array)
    assert tensor == tensorflow.io.serialize_tensor(array).numpy()
    feature = tensorflow.train.Feature(bytes_list=tensorflow.train.BytesList(value=[tensor]))
    features = tensorflow.train.Features(feature={"OPT": feature})
    record = tensorflow.train.Example(features=features).SerializeToString()
    assert encode_example({"OPT": array}) == record
    np.testing.assert_array_equal(decode_example(record)["OPT"], array)


def test_what_is_no_record_is_refused() -> None:
    with pytest.raises(ContractError, match="expected a message Example, found 4 bytes"):
        decode_example(b"\xff\xff\xff\xff")
    with pytest.raises(ContractError, match="found 0 bytes"):
        decode_tensor(b"\x08\x01\x12\x04\x12\x02\x08\x03")  # three float32 without content
    with pytest.raises(ContractError, match="array of type complex128"):
        encode_tensor(np.array([1j]))
