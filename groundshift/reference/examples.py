"""Records of named arrays: `tf.train.Example` messages whose features are serialised tensors.

The few messages are described here (after tensorflow/core/example/{example,feature}.proto and
tensorflow/core/framework/{tensor,tensor_shape}.proto) in a pool of their own, so that reading such
files neither needs nor disturbs TensorFlow.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from numpy.typing import NDArray

from groundshift.errors import ContractError

Array = NDArray[Any]

_PACKAGE = "groundshift.reference"
_DTYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype("<f4"),
    2: np.dtype("<f8"),
    3: np.dtype("<i4"),
    4: np.dtype("u1"),
    9: np.dtype("<i8"),
}
"""TensorFlow's number of each type that the published files hold or a label may have."""
_NUMBERS = {dtype: number for number, dtype in _DTYPES.items()}

_FIELDS: dict[str, list[tuple[str, int, str]]] = {
    "BytesList": [("value", 1, "bytes*")],
    "Feature": [("bytes_list", 1, "BytesList")],
    "Entry": [("key", 1, "string"), ("value", 2, "Feature")],
    "Features": [("feature", 1, "Entry*")],
    "Example": [("features", 1, "Features")],
    "Dimension": [("size", 1, "int64")],
    "Shape": [("dim", 2, "Dimension*")],
    "Tensor": [("dtype", 1, "int64"), ("tensor_shape", 2, "Shape"), ("tensor_content", 4, "bytes")],
}
"""Messages by name: name, number and type of each field; `*` marks a repeated one."""


def encode_example(arrays: Mapping[str, Array]) -> bytes:
    """One record of arrays by name.

    Raises:
        ContractError: an array of a type that the format has no number for here.
    """
    entries = [
        {"key": name, "value": {"bytes_list": {"value": [encode_tensor(array)]}}}
        for name, array in sorted(arrays.items())
    ]
    example = _message("Example")(features={"feature": entries})
    return example.SerializeToString()  # type: ignore[no-any-return]


def decode_example(record: bytes) -> dict[str, Array]:
    """The arrays of one record by name.

    Raises:
        ContractError: the bytes are no such record.
    """
    arrays = {}
    for entry in _parse("Example", record).features.feature:
        values = entry.value.bytes_list.value
        if len(values) != 1:
            raise ContractError(
                f"feature {entry.key!r}: expected one serialised tensor, found {len(values)}. "
                "The file was not written by the published system"
            )
        arrays[entry.key] = decode_tensor(values[0])
    return arrays


def encode_tensor(array: Array) -> bytes:
    """An array as `tf.io.serialize_tensor` writes it."""
    little = array.dtype.newbyteorder("<")
    if little not in _NUMBERS:
        raise ContractError(
            f"array of type {array.dtype}: expected one of {', '.join(map(str, _NUMBERS))}. "
            "Convert it first"
        )
    tensor = _message("Tensor")(
        dtype=_NUMBERS[little],
        tensor_shape={"dim": [{"size": size} for size in array.shape]},
        tensor_content=array.astype(little, copy=False).tobytes(),
    )
    return tensor.SerializeToString()  # type: ignore[no-any-return]


def decode_tensor(content: bytes) -> Array:
    """The array that `tf.io.serialize_tensor` wrote; read only.

    Raises:
        ContractError: the bytes are no tensor, or one of another type.
    """
    tensor = _parse("Tensor", content)
    shape = tuple(dimension.size for dimension in tensor.tensor_shape.dim)
    dtype = _DTYPES.get(tensor.dtype)
    if dtype is None or len(tensor.tensor_content) != dtype.itemsize * int(np.prod(shape)):
        raise ContractError(
            f"tensor of TensorFlow type {tensor.dtype} and shape {shape}: expected one of "
            f"{', '.join(map(str, _NUMBERS))} with all its bytes, found "
            f"{len(tensor.tensor_content)} bytes. Write it with tf.io.serialize_tensor"
        )
    return np.frombuffer(tensor.tensor_content, dtype).reshape(shape)


def _parse(name: str, content: bytes) -> Any:
    message = _message(name)()
    try:
        message.ParseFromString(content)
    except DecodeError as error:
        raise ContractError(
            f"expected a message {name}, found {len(content)} bytes that are none ({error}). "
            "The file was not written by the published system, or is damaged"
        ) from error
    return message


def _message(name: str) -> Any:
    return _messages()[name]


@cache
def _messages() -> dict[str, Any]:
    """Message classes by name, in a pool apart from TensorFlow's own."""
    file = FileDescriptorProto(
        name="groundshift/reference.proto",
        package=_PACKAGE,
        syntax="proto3",
        message_type=[
            DescriptorProto(name=name, field=[_field(*field) for field in fields])
            for name, fields in _FIELDS.items()
        ],
    )
    pool = DescriptorPool()
    pool.Add(file)
    return {
        name: GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _FIELDS
    }


def _field(name: str, number: int, kind: str) -> FieldDescriptorProto:
    kinds = FieldDescriptorProto
    scalars = {"bytes": kinds.TYPE_BYTES, "string": kinds.TYPE_STRING, "int64": kinds.TYPE_INT64}
    base = kind.rstrip("*")
    return FieldDescriptorProto(
        name=name,
        number=number,
        label=kinds.LABEL_REPEATED if kind.endswith("*") else kinds.LABEL_OPTIONAL,
        type=scalars.get(base, kinds.TYPE_MESSAGE),
        type_name=None if base in scalars else f".{_PACKAGE}.{base}",
    )
