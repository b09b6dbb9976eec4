"""The columns of a request to a served model and of its answer: what MLflow's signature says."""

from typing import Any

COLUMNS = (
    *("sample", "signature"),
    *("cube", "cell", "start", "end", "date", "bbox", "crs"),
    "format",
)
"""Of a request; all are texts, and which of them are there says what is asked for."""
ANSWER = ("result", "about")


def model_signature() -> Any:
    """The signature that a model is logged with."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    text = DataType.string
    return ModelSignature(
        Schema([ColSpec(text, name, required=False) for name in COLUMNS]),
        Schema([ColSpec(text, name) for name in ANSWER]),
    )
