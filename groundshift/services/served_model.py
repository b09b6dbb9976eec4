"""The model as MLflow serves it. MLflow copies this file into a logged model and runs it there.

A request is a table with one text column, `sample`: each row holds the packed arrays of one
sample. The answer has one text column, `result`, with the packed arrays that the model gives.
"""

import importlib
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from groundshift.services.packed import pack, unpack


class ServedModel(PythonModel):  # type: ignore[misc]
    """A model artifact behind MLflow's interface."""

    def load_context(self, context: PythonModelContext) -> None:
        """Open the artifact by the function that the logged model names."""
        module, _, name = context.model_config["opener"].partition(":")
        opener = getattr(importlib.import_module(module), name)
        self._predict = opener(Path(context.artifacts["model"]))

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Answer each row's sample.

        Raises:
            ContractError: a row that holds no packed arrays, or not those of the signature.
        """
        results = [pack(self._predict(unpack(text))) for text in model_input["sample"]]
        return pd.DataFrame({"result": results})


set_model(ServedModel())
