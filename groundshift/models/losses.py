"""The training loss of the published method."""

import tensorflow as tf

SMOOTHING = 1e-4
"""Keeps the quotient defined where truth and score are both zero."""


def tanimoto_with_complement(
    y_true: tf.Tensor, y_pred: tf.Tensor, *, per_sample: bool = False, border: int = 1
) -> tf.Tensor:
    """One minus the mean Tanimoto similarity of labels and scores, and of their complements.

    `T(y, p) = sum(y p) / (sum(y^2 + p^2) - sum(y p) + 0.0001)` and
    `loss = 1 - (T(y, p) + T(1 - y, 1 - p)) / 2` (method section 9).

    Args:
        y_true: labels `[b, y, x]` in 0..1; a pixel with NaN has no label and doesn't count.
        y_pred: scores `[b, y, x]` in 0..1.
        per_sample: one loss for each sample (transfer learning, section 11) instead of one for
            the batch.
        border: pixels left out along each edge, where convolutions saw padding.

    Returns:
        A scalar, or `[b]` if `per_sample`.
    """
    labels = _inside(tf.cast(tf.convert_to_tensor(y_true), tf.float32), border)
    scores = _inside(tf.cast(tf.convert_to_tensor(y_pred), tf.float32), border)
    known = tf.cast(~tf.math.is_nan(labels), tf.float32)
    labels = tf.where(known > 0, labels, 0.0)
    axes = (1, 2) if per_sample else (0, 1, 2)
    changed = _tanimoto(labels, scores * known, axes)
    stable = _tanimoto((1 - labels) * known, (1 - scores) * known, axes)
    return 1 - (changed + stable) / 2


def _inside(images: tf.Tensor, border: int) -> tf.Tensor:
    return images[:, border:-border, border:-border] if border else images


def _tanimoto(labels: tf.Tensor, scores: tf.Tensor, axes: tuple[int, ...]) -> tf.Tensor:
    common = tf.reduce_sum(labels * scores, axis=axes)
    total = tf.reduce_sum(labels**2 + scores**2, axis=axes)
    return common / (total - common + SMOOTHING)
