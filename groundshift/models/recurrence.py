"""The recurrent part of the convolutional LSTM, and its gradient over all steps.

Two forms of one computation (method section 8.1). `recur` keeps outputs only: inference.
`recur_with_gradient` keeps every state and brings its own gradient, in which the recurrent
kernel's part is one convolution over all steps, where automatic differentiation makes one per
step. The element-wise part of a step is compiled into one loop over memory.

Samples of different lengths run side by side to the end of the longest. What a short one computes
after its own end is never read, which is cheaper than holding it back at every step.
"""

from dataclasses import dataclass

import tensorflow as tf

State = tuple[tf.Tensor, tf.Tensor]


@dataclass(frozen=True)
class Layout:
    """Where packed frames stand in a batch of sequences."""

    frame: tf.Tensor
    """Frame at every position of every sample, int32 `[position, b]`; any after the end."""
    place: tf.Tensor
    """Place of every frame in the flattened `frame`, int32 `[frame]`."""
    lengths: tf.Tensor
    """Number of positions of each sample, int32 `[b]`."""

    @classmethod
    def of(cls, steps: tf.Tensor) -> "Layout":
        """The layout of frames packed by sample, then time, where `steps` (bool `[b, t]`) holds.

        A position counts a sample's real steps only: steps left out in between change nothing,
        so a sample is its real steps in order.
        """
        real = tf.cast(steps, tf.int32)
        lengths = tf.reduce_sum(real, axis=1)
        longest = tf.reduce_max(tf.concat([lengths, [0]], axis=0))
        samples = tf.shape(steps)[0]
        position = tf.cumsum(real, axis=1) - 1
        sample = tf.broadcast_to(tf.range(samples)[:, tf.newaxis], tf.shape(steps))
        place = tf.boolean_mask(position * samples + sample, steps)
        count = tf.shape(place)[0]
        frame = tf.scatter_nd(place[:, tf.newaxis], tf.range(count), [longest * samples])
        return cls(tf.reshape(frame, (longest, samples)), place, lengths)


def recur(inputs: tf.Tensor, kernel: tf.Tensor, layout: Layout) -> tf.Tensor:
    """Fold frames in time.

    Args:
        inputs: what the packed frames add to the gates, `[frame, y, x, 4 filters]`.
        kernel: recurrent kernel `[3, 3, filters, 4 filters]`.
        layout: which frames make up which sample.

    Returns:
        The output after each sample's last frame, `[b, y, x, filters]`; zeros where there is none.
    """
    sequence = tf.gather(inputs, layout.frame)

    def step(
        position: tf.Tensor, output: tf.Tensor, memory: tf.Tensor, kept: tf.TensorArray
    ) -> tuple[object, ...]:
        output, memory = advance(sequence[position] + _convolve(output, kernel), memory)
        return position + 1, output, memory, kept.write(position + 1, output)

    positions = tf.shape(sequence)[0]
    start = _zero_state(sequence, kernel)
    outputs = tf.TensorArray(tf.float32, positions + 1).write(0, start)
    *_, outputs = tf.while_loop(
        lambda position, *_: position < positions, step, (0, start, start, outputs)
    )
    return _last(outputs.stack(), layout.lengths)


def recur_with_gradient(
    inputs: tf.Tensor, kernel: tf.Tensor, layout: Layout, masks: tf.Tensor | None
) -> tf.Tensor:
    """`recur` for training, with recurrent dropout.

    Args:
        inputs: as in `recur`.
        kernel: as in `recur`.
        layout: as in `recur`.
        masks: scaled dropout masks `[gate, b, y, x, filters]`, or None.
    """

    @tf.custom_gradient
    def fold(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, object]:
        outputs, memories, gates = _forward(inputs, kernel, layout, masks)

        def gradient(upstream: tf.Tensor) -> State:
            by_gate = _backward(upstream, kernel, layout, masks, memories, gates)
            by_frame = tf.gather(_merge(by_gate), layout.place)
            return by_frame, _kernel_gradient(outputs[:-1], by_gate, kernel, masks)

        return _last(outputs, layout.lengths), gradient

    return fold(inputs, kernel)


@tf.function(jit_compile=True, reduce_retracing=True)
def advance(gates: tf.Tensor, memory: tf.Tensor) -> State:
    """One step: the gates' sums `[..., 4 filters]` and the memory give output and memory."""
    entry, forget, candidate, exit_ = tf.split(gates, 4, axis=-1)
    memory = _hard_sigmoid(forget) * memory + _hard_sigmoid(entry) * tf.tanh(candidate)
    return _hard_sigmoid(exit_) * tf.tanh(memory), memory


@tf.function(jit_compile=True, reduce_retracing=True)
def _retreat(
    gates: tf.Tensor, memory: tf.Tensor, output_gradient: tf.Tensor, memory_gradient: tf.Tensor
) -> State:
    """Gradient of `advance`: with respect to the gates' sums and to the memory before."""
    entry_sum, forget_sum, candidate_sum, exit_sum = tf.split(gates, 4, axis=-1)
    entry, forget, exit_ = (_hard_sigmoid(s) for s in (entry_sum, forget_sum, exit_sum))
    candidate = tf.tanh(candidate_sum)
    squashed = tf.tanh(forget * memory + entry * candidate)
    through = memory_gradient + output_gradient * exit_ * (1 - squashed * squashed)
    by_gate = (
        through * candidate * _slope(entry_sum),
        through * memory * _slope(forget_sum),
        through * entry * (1 - candidate * candidate),
        output_gradient * squashed * _slope(exit_sum),
    )
    return tf.concat(by_gate, axis=-1), through * forget


def _forward(
    inputs: tf.Tensor, kernel: tf.Tensor, layout: Layout, masks: tf.Tensor | None
) -> tuple[tf.Tensor, ...]:
    """For every position the output and the memory before it, and the gates' sums at it.

    Outputs have one position more: the output after the last.
    """
    sequence = tf.gather(inputs, layout.frame)
    positions = tf.shape(sequence)[0]

    def step(
        position: tf.Tensor,
        output: tf.Tensor,
        memory: tf.Tensor,
        outputs: tf.TensorArray,
        memories: tf.TensorArray,
        sums: tf.TensorArray,
    ) -> tuple[object, ...]:
        gates = sequence[position] + _convolve_masked(output, kernel, masks)
        output, new_memory = advance(gates, memory)
        outputs = outputs.write(position + 1, output)
        memories = memories.write(position, memory)
        return position + 1, output, new_memory, outputs, memories, sums.write(position, gates)

    start = _zero_state(sequence, kernel)
    outputs = tf.TensorArray(tf.float32, positions + 1).write(0, start)
    memories, sums = (tf.TensorArray(tf.float32, positions) for _ in range(2))
    *_, outputs, memories, sums = tf.while_loop(
        lambda position, *_: position < positions,
        step,
        (0, start, start, outputs, memories, sums),
    )
    return outputs.stack(), memories.stack(), sums.stack()


def _backward(
    upstream: tf.Tensor,
    kernel: tf.Tensor,
    layout: Layout,
    masks: tf.Tensor | None,
    memories: tf.Tensor,
    gates: tf.Tensor,
) -> tf.Tensor:
    """Gradient with respect to the gates' sums at every position, `[position, b, y, x, 4 f]`.

    Zeros until a sample's last position is reached, where its `upstream` gradient enters.
    """
    positions = tf.shape(gates)[0]

    def step(
        position: tf.Tensor, output: tf.Tensor, memory: tf.Tensor, kept: tf.TensorArray
    ) -> tuple[object, ...]:
        enters = tf.reshape(tf.cast(layout.lengths - 1 == position, tf.float32), (-1, 1, 1, 1))
        by_gate, memory = _retreat(
            gates[position], memories[position], output + enters * upstream, memory
        )
        output = _convolve_back(by_gate, kernel, masks, tf.shape(output))
        return position - 1, output, memory, kept.write(position, by_gate)

    zeros = tf.zeros_like(upstream)
    *_, kept = tf.while_loop(
        lambda position, *_: position >= 0,
        step,
        (positions - 1, zeros, zeros, tf.TensorArray(tf.float32, positions)),
    )
    return kept.stack()


def _kernel_gradient(
    before: tf.Tensor, by_gate: tf.Tensor, kernel: tf.Tensor, masks: tf.Tensor | None
) -> tf.Tensor:
    """Gradient of the recurrent kernel: one convolution over all positions (per dropout mask)."""
    if masks is None:
        return _filter_gradient(before, by_gate, kernel.shape)
    shape = (*kernel.shape[:3], kernel.shape[3] // 4)
    parts = [
        _filter_gradient(before * mask, part, shape)
        for mask, part in zip(tf.unstack(masks), tf.split(by_gate, 4, axis=-1), strict=True)
    ]
    return tf.concat(parts, axis=-1)


def _filter_gradient(before: tf.Tensor, by_gate: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    """Correlate outputs and gradients, both `[position, b, y, x, channel]`, into a kernel."""
    return tf.raw_ops.Conv2DBackpropFilter(
        input=_merge(before),
        filter_sizes=list(shape),
        out_backprop=_merge(by_gate),
        strides=[1, 1, 1, 1],
        padding="SAME",
    )


def _convolve(images: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    return tf.nn.conv2d(images, kernel, strides=1, padding="SAME")


def _convolve_masked(images: tf.Tensor, kernel: tf.Tensor, masks: tf.Tensor | None) -> tf.Tensor:
    """The recurrent convolution; with dropout every gate sees the images under its own mask."""
    if masks is None:
        return _convolve(images, kernel)
    parts = [
        _convolve(images * mask, part)
        for mask, part in zip(tf.unstack(masks), tf.split(kernel, 4, axis=-1), strict=True)
    ]
    return tf.concat(parts, axis=-1)


def _convolve_back(
    by_gate: tf.Tensor, kernel: tf.Tensor, masks: tf.Tensor | None, shape: tf.Tensor
) -> tf.Tensor:
    """Gradient of the recurrent convolution with respect to the images."""
    if masks is None:
        return tf.nn.conv2d_transpose(by_gate, kernel, shape, strides=1, padding="SAME")
    parts = [
        tf.nn.conv2d_transpose(gradient, part, shape, strides=1, padding="SAME") * mask
        for mask, part, gradient in zip(
            tf.unstack(masks),
            tf.split(kernel, 4, axis=-1),
            tf.split(by_gate, 4, axis=-1),
            strict=True,
        )
    ]
    return tf.add_n(parts)


def _last(outputs: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """The output at each sample's own end, of `[position, b, ...]` that begins with zeros."""
    return tf.gather_nd(outputs, tf.stack([lengths, tf.range(tf.shape(lengths)[0])], axis=-1))


def _merge(values: tf.Tensor) -> tf.Tensor:
    """Positions and samples as one axis."""
    return tf.reshape(values, tf.concat([[-1], tf.shape(values)[2:]], axis=0))


def _zero_state(sequence: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """The output, or the memory, before the first step: zeros `[b, y, x, filters]`."""
    filters = kernel.shape[2]
    shape = tf.concat([tf.shape(sequence)[1:-1], [filters]], axis=0)
    return tf.ensure_shape(tf.zeros(shape), (*sequence.shape[1:-1], filters))


def _hard_sigmoid(value: tf.Tensor) -> tf.Tensor:
    """Keras 2's: `clip(0.2 z + 0.5, 0, 1)`. Keras 3's own has another slope."""
    return tf.clip_by_value(0.2 * value + 0.5, 0.0, 1.0)


def _slope(value: tf.Tensor) -> tf.Tensor:
    """Derivative of `_hard_sigmoid`."""
    return tf.where(tf.abs(value) < 2.5, 0.2, 0.0)
