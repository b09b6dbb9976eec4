"""The model as MLflow serves it. MLflow copies this file into a logged model and runs it there.

A request is a table of text columns, each row a request of its own; the answer has a row for each.
"""

import importlib
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, TEMPORARILY_UNAVAILABLE
from mlflow.pyfunc import PythonModel, PythonModelContext

from groundshift.errors import GroundshiftError, SourceError

MOST_ROWS = 64
"""Requests in one table."""


class ServedModel(PythonModel):  # type: ignore[misc]
    """A model artifact behind MLflow's interface."""

    def load_context(self, context: PythonModelContext) -> None:
        """Open the artifact by the function that the logged model names."""
        self.open(context.model_config["opener"], Path(context.artifacts["model"]))

    def open(self, opener: str, folder: Path) -> None:
        """Open an artifact by a function, `module:name`."""
        module, _, name = opener.partition(":")
        self._answer = getattr(importlib.import_module(module), name)(folder)

    def predict(
        self,
        context: PythonModelContext | None,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Answer each row.

        Raises:
            MlflowException: a row that is refused, with the reason (over HTTP a 400), or a store
                that can't be reached just now (503).
        """
        rows = model_input.to_dict(orient="records")
        if not 0 < len(rows) <= MOST_ROWS:
            raise _refused(f"expected 1 to {MOST_ROWS} requests, found {len(rows)}")
        answers = []
        for number, row in enumerate(rows):
            given = {name: value for name, value in row.items() if isinstance(value, str)}
            try:
                answers.append(self._answer(given))
            except GroundshiftError as error:
                if isinstance(error, SourceError) and error.transient:
                    raise MlflowException(str(error), TEMPORARILY_UNAVAILABLE) from None
                raise _refused(f"request {number}: {error}") from None
        return pd.DataFrame(answers)


def _refused(reason: str) -> MlflowException:
    return MlflowException(reason, error_code=INVALID_PARAMETER_VALUE)


set_model(ServedModel())
