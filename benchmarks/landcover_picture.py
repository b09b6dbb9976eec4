"""The picture of docs/landcover.md: ground, reference, map and probability of the demo.

python -m benchmarks.landcover_picture data/landcover docs/images/landcover.png
"""

import sys
from pathlib import Path

import numpy as np
import rasterio
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from groundshift.cube.store import Cube
from groundshift.models.pixel_trees import PixelTrees
from groundshift.products.canvas import Canvas, backdrops
from groundshift.products.class_maps import class_path, probability_path, rgb
from groundshift.products.maps import read_map
from groundshift.samples.reference import read_reference
from groundshift.settings import LandcoverWindowStage, load


def draw(folder: Path, picture: Path) -> None:
    """Draw the maps of an area of one cell.

    Args:
        folder: of its six artifacts.
        picture: the file.
    """
    cube, trees = Cube.open(folder / "cube"), PixelTrees.open(folder / "model")
    ((_, cell_cube),) = cube.cells.items()
    cell = cell_cube.cell
    settings = load("window", Path("params.yaml"), area=folder.name)
    assert isinstance(settings, LandcoverWindowStage)
    assert settings.window.reference is not None
    reference = read_reference(settings.window.reference, cell.core, settings.window.classes, 0)
    palette = np.array([(230, 230, 230), *(rgb(one.colour) for one in trees.classes)], np.uint8)
    grounds = backdrops(cube.cells, Canvas.over([cell], 1000))
    assert grounds is not None
    figure = Figure(figsize=(13, 4.2), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    panels: list[tuple[str, NDArray[np.generic]]] = [
        ("Sentinel-2, 2015", grounds[1].image),
        ("reference (land use)", palette[reference]),
        ("map", palette[read_map(class_path(folder / "maps", cell))]),
    ]
    axes = figure.subplots(1, 4)
    for panel, (title, image) in zip(axes, panels, strict=False):
        panel.imshow(image, interpolation="nearest")
        panel.set_title(title, fontsize=11)
    with rasterio.open(probability_path(folder / "maps", cell)) as raster:
        shown = axes[3].imshow(raster.read(1), interpolation="nearest", vmin=0, vmax=1)
    axes[3].set_title("probability of the class", fontsize=11)
    figure.colorbar(shown, ax=axes[3], shrink=0.75)
    for panel in axes:
        panel.set_xticks([])
        panel.set_yticks([])
    legend = [Patch(color=one.colour, label=one.name) for one in trees.classes]
    legend.append(Patch(color="#e6e6e6", label="none of these"))
    figure.legend(handles=legend, loc="outside lower center", ncols=len(legend), frameon=False)
    figure.savefig(picture, metadata={"Software": None})


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
