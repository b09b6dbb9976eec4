"""How wide a halo tiled inference needs: the error of tiles against the whole image.

    python -m benchmarks.halo [--edge 96] [--tile 32]

An image of patchy ground under noise is scored by both published networks at once and in tiles
with halos of several widths; at the image's edge a halo ends where the image ends. The reference
publishes tiles with a dead zone of 4 pixels.
"""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from groundshift.domain.eras import ERAS
from groundshift.models.influence import TOLERANCE, cut_errors, measure_radius
from groundshift.models.inputs import Streams
from groundshift.models.store import Detector
from groundshift.reference import published_detector

HALOS = (0, 2, 4, 6, 8, 10, 12)
FIELD = 8  # edge of a patch of ground in pixels


def ground(detector: Detector, steps: int, edge: int, seed: int = 0) -> Streams:
    """Patches of ground that change every few steps, under noise, in 0..1."""
    generator = np.random.default_rng(seed)
    streams = {}
    for stream in detector.signature.streams:
        fields = edge // FIELD + 1
        coarse = generator.random((steps // 4 + 1, fields, fields, len(stream.bands)))
        patches = coarse.repeat(4, axis=0).repeat(FIELD, axis=1).repeat(FIELD, axis=2)
        patches = patches[:steps, :edge, :edge]
        values = np.clip(0.8 * patches + 0.2 * generator.random(patches.shape), 0, 1)
        ages = np.zeros((1, steps, edge, edge), np.int16)
        streams[stream.role] = (values[np.newaxis].astype(np.float32), ages)
    return streams


def tiled(detector: Detector, scene: Streams, tile: int, halo: int) -> NDArray[np.float32]:
    """Scores [y, x] put together from tiles."""
    edge = next(iter(scene.values()))[1].shape[-1]
    scores = np.empty((edge, edge), np.float32)
    for rows, read_rows, kept_rows in _spans(edge, tile, halo):
        for columns, read_columns, kept_columns in _spans(edge, tile, halo):
            part = {
                role: (values[:, :, read_rows, read_columns], ages[:, :, read_rows, read_columns])
                for role, (values, ages) in scene.items()
            }
            found = _score(detector, part)
            scores[rows, columns] = found[kept_rows, kept_columns]
    return scores


def _spans(edge: int, tile: int, halo: int) -> Iterator[tuple[slice, slice, slice]]:
    for begin in range(0, edge, tile):
        end = min(begin + tile, edge)
        first, last = max(begin - halo, 0), min(end + halo, edge)
        yield slice(begin, end), slice(first, last), slice(begin - first, end - first)


def _score(detector: Detector, scene: Streams) -> NDArray[np.float32]:
    ages = next(iter(scene.values()))[1]
    score: NDArray[np.float32] = detector.score_streams(scene, np.ones(ages.shape[:2], bool))[0, 0]
    return score


def main(
    edge: Annotated[int, typer.Option(help="Edge of the image in pixels.")] = 96,
    tile: Annotated[int, typer.Option(help="Edge of a tile without its halo.")] = 32,
) -> None:
    """Print the largest error at every halo."""
    for name, era in ERAS.items():
        detector = published_detector(name)
        scene = ground(detector, era.max_steps, edge)
        whole = _score(detector, scene)
        radius = measure_radius(detector.score_streams, iter([scene]))
        typer.echo(f"{name}: {era.max_steps} steps, image {edge} x {edge}, tiles of {tile}")
        typer.echo(f"  measured influence radius ({TOLERANCE:g}): {radius} px")
        for halo in (*HALOS, detector.radius):
            error = np.abs(tiled(detector, scene, tile, halo) - whole).max()
            typer.echo(f"  halo {halo:3d} px: largest error {error:.1e}")
        beyond = cut_errors(detector.score_streams, scene)[detector.radius :].max()
        typer.echo(
            f"  beyond {detector.radius} px of a cut no score changes by more than {beyond:.1e}"
        )


if __name__ == "__main__":
    typer.run(main)
