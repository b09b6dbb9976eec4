"""Images that lie beside their place, found by phase correlation.

Each image is correlated with a reference of its own orbit: the median of some of its images.
Radar looks sideways, so that terrain and buildings lean in a direction that belongs to the orbit,
and images of other orbits would seem shifted.

Phase correlation (Kuglin and Hines 1975): the inverse transform of the cross-power spectrum, each
frequency with weight one, has its peak where one image lies in the other. Here frequencies above a
fifth of the sampling rate count less, where speckle and single pixels rule, and a parabola through
the peak's logarithm gives its place to a fraction of a pixel.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from groundshift.observations.checks.series import Floats, Measure, Series, median
from groundshift.settings import ChecksSettings

_WINDOW = 512  # pixels a side, in the middle of the cell
_REFERENCES = 16  # images that the reference is made of
_FARTHEST = 16  # pixels to which a shift is searched
_LOWPASS = 0.2  # cycles per pixel
_FEWEST_VALID = 0.3  # of the window
_DISTINCT = 1.6  # times the second highest peak, from where on the highest is no accident
_AGREE, _BETTER = 0.3, 0.05  # correlation that moving back must reach, and gain
_PEAK = 3  # pixels around the peak that belong to it
_SMOOTH = {"radar": 1.5, "optical": 0.7}  # pixels

Complex = NDArray[np.complex64]


def check(series: Series, limits: ChecksSettings) -> Iterator[Measure]:
    """Measure by how many metres every image is shifted against those of its orbit."""
    if limits.shift is None:
        return
    for numbers in series.by_orbit():
        if len(numbers) >= limits.minimum:
            yield from _orbit(series, numbers, limits.shift)


def _orbit(series: Series, numbers: Sequence[int], limit: float) -> Iterator[Measure]:
    fullest = _spread([n for n in numbers if series.records[n].valid_share >= 2 * _FEWEST_VALID])
    if len(fullest) < 3:
        return
    reference = median(np.stack([pattern(series, number) for number in fullest]), axis=0)
    with ThreadPoolExecutor(series.workers) as pool:
        shifts = pool.map(lambda number: displacement(pattern(series, number), reference), numbers)
        for number, found in zip(numbers, shifts, strict=True):
            if found is None:
                continue
            down, right = (pixels * series.resolution for pixels in found)
            length = float(np.hypot(down, right))
            problem = ""
            if length > limit:
                problem = (
                    f"{length:.0f} m beside the other images of its orbit: {abs(right):.1f} m "
                    f"{'east' if right > 0 else 'west'} and {abs(down):.1f} m "
                    f"{'south' if down > 0 else 'north'}"
                )
            yield Measure(series.records[number].time, "shift", length, limit, problem)


def pattern(series: Series, number: int) -> Floats:
    """What stays at its place in an image: edges of the ground, [y, x], NaN where invalid.

    Optical images are turned into the strength of their edges, which is the same when snow, bare
    soil or leaves turn bright into dark.
    """
    values, valid = series.read(series.records[number])
    rows, columns = (slice(max(0, (n - _WINDOW) // 2), (n + _WINDOW) // 2) for n in valid.shape)
    values, valid = values[rows, columns], np.asarray(valid[rows, columns])
    radar = series.sensor.units == "linear power"
    if radar:
        with np.errstate(divide="ignore", invalid="ignore"):
            image = np.log(np.where(values > 0, values, np.nan)).mean(axis=2)
        valid = valid & np.isfinite(image)
    else:
        chosen = series.band("red")
        image = np.array(values[..., 0 if chosen is None else chosen], np.float32)
    if not valid.any():
        return np.full(valid.shape, np.nan, np.float32)
    image = np.where(valid, image, np.median(image[valid])).astype(np.float32)
    sigma = _SMOOTH[series.sensor.kind]
    if radar:
        edges = ndimage.gaussian_filter(image, sigma) - ndimage.gaussian_filter(image, 8 * sigma)
    else:
        image = np.log(np.maximum(image, 1e-3))
        edges = ndimage.gaussian_gradient_magnitude(image, sigma)
    # Where the image ends, or a mask begins, there are edges that are not the ground's.
    inner = ndimage.binary_erosion(valid, iterations=round(2 * sigma) + 1, border_value=1)
    if not inner.any():
        return np.full(valid.shape, np.nan, np.float32)
    edges = (edges - np.median(edges[inner])) / (np.std(edges[inner]) + 1e-9)
    return np.where(inner, np.clip(edges, -4, 4), np.nan).astype(np.float32)


def displacement(image: Floats, reference: Floats) -> tuple[float, float] | None:
    """How far one image lies beside another, by phase correlation.

    Args:
        image: What stays at its place in one image, [y, x], NaN where invalid.
        reference: The same of the other one.

    Returns:
        Pixels down and to the right; None where it can't be told.
    """
    if min(np.isfinite(image).mean(), np.isfinite(reference).mean()) < _FEWEST_VALID:
        return None
    shape = image.shape
    cross = _spectrum(image) * np.conj(_spectrum(reference))
    strength = np.abs(cross)
    phases = np.where(strength > 0, cross / np.maximum(strength, 1e-12), 0)
    surface = fft.fftshift(fft.irfft2(phases * _lowpass(shape), shape))
    middle = shape[0] // 2, shape[1] // 2
    reach = [min(_FARTHEST, size // 8) for size in shape]
    near = surface[
        middle[0] - reach[0] : middle[0] + reach[0] + 1,
        middle[1] - reach[1] : middle[1] + reach[1] + 1,
    ]
    row, column = np.unravel_index(near.argmax(), near.shape)
    peak = near[row, column]
    if row in (0, 2 * reach[0]) or column in (0, 2 * reach[1]):
        return None
    elsewhere = surface.copy()
    top, left = middle[0] - reach[0] + row, middle[1] - reach[1] + column
    elsewhere[top - _PEAK : top + _PEAK + 1, left - _PEAK : left + _PEAK + 1] = 0
    if peak < _DISTINCT * elsewhere.max():
        return None
    down, right = int(row) - reach[0], int(column) - reach[1]
    if max(abs(down), abs(right)) > 1:
        gained = _agreement(image, reference, down, right)
        if gained < _AGREE or gained < _BETTER + _agreement(image, reference, 0, 0):
            return None
    around = near[row - 1 : row + 2, column - 1 : column + 2]
    return (
        down + _parabola(around[:, 1]),
        right + _parabola(around[1]),
    )


def _agreement(image: Floats, reference: Floats, down: int, right: int) -> float:
    """Correlation of two images once the first is moved back by some pixels."""
    moved = np.full(image.shape, np.nan, np.float32)
    rows, columns = image.shape
    moved[max(-down, 0) : rows - max(down, 0), max(-right, 0) : columns - max(right, 0)] = image[
        max(down, 0) : rows - max(-down, 0), max(right, 0) : columns - max(-right, 0)
    ]
    both = np.isfinite(moved) & np.isfinite(reference)
    if both.mean() < _FEWEST_VALID / 2:
        return 0.0
    return float(np.corrcoef(moved[both], reference[both])[0, 1])


def _spectrum(image: Floats) -> Complex:
    """Transform of an image that fades out at its edges, which else would meet."""
    rows, columns = (np.hanning(size + 2)[1:-1] for size in image.shape)
    faded = np.nan_to_num(image) * rows[:, None] * columns
    spectrum: Complex = fft.rfft2(faded.astype(np.float32))
    return spectrum


def _lowpass(shape: tuple[int, ...]) -> Floats:
    rows, columns = fft.fftfreq(shape[0])[:, None], fft.rfftfreq(shape[1])
    return np.asarray(np.exp(-(rows**2 + columns**2) / (2 * _LOWPASS**2)), np.float32)


def _parabola(three: Floats) -> float:
    """Where between three values, of which the middle one is largest, their top lies."""
    low, peak, high = np.log(np.maximum(three, 1e-6 * three[1]))
    return float(0.5 * (low - high) / (low - 2 * peak + high))


def _spread(numbers: Sequence[int]) -> list[int]:
    """Some images, evenly chosen over time."""
    places = np.linspace(0, len(numbers) - 1, min(len(numbers), _REFERENCES))
    return [numbers[i] for i in places.round().astype(int)]
