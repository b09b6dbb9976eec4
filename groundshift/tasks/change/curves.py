"""What Kubeflow draws of an evaluation, as the metadata of its ClassificationMetrics."""

from typing import Any

import numpy as np

from groundshift.assessment.judging import Judged

_POINTS = 100
"""Most points of a curve: metadata is kept in a database."""


def curves(network: Judged) -> dict[str, dict[str, Any]]:
    """The ROC curve, and the confusion matrix at the chosen threshold where there is one."""
    drawn = {"roc": _roc(network)}
    found = network.confusion
    if found is not None:
        drawn["confusion"] = {
            "confusionMatrix": {
                "annotationSpecs": [{"displayName": "change"}, {"displayName": "no change"}],
                "rows": [
                    {"row": [found.true_positive, found.false_negative]},
                    {"row": [found.false_positive, found.true_negative]},
                ],
            }
        }
    return drawn


def _roc(network: Judged) -> dict[str, Any]:
    curve = network.roc_curve
    last = max(len(curve) - 1, 0)
    rows = np.unique(np.linspace(0, last, min(_POINTS, len(curve))).round().astype(int))
    return {
        "confidenceMetrics": [
            {
                "confidenceThreshold": float(row.threshold),
                "recall": float(row.true_positive_rate),
                "falsePositiveRate": float(row.false_positive_rate),
            }
            for row in curve.iloc[rows].itertuples()
        ]
    }
