"""What `make demo AREA=city` took and what came out: the tables of docs/city.md.

    python -m benchmarks.city_demo data/city

They are read from the artifacts of a run that was made: CPU seconds from the records of their
manifests, scores from the evaluation, events from the maps. A sample as of `groundshift review
sample` is drawn from the maps and judged by the truth.
"""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize

from benchmarks.city_area import LEAST, UNITS
from benchmarks.city_page import line, replaced
from groundshift.artifacts import Manifest, read_manifest
from groundshift.artifacts.manifest import WRITERS
from groundshift.assessment.files import METRICS
from groundshift.assessment.results import NETWORK
from groundshift.domain.cells import Cell, pixel_area
from groundshift.products.events_io import GEOPARQUET
from groundshift.products.published import Published
from groundshift.products.report.evidence import detector_name
from groundshift.products.review_package import read_about, write_about, write_layer
from groundshift.products.sampling import (
    COLUMNS,
    NO_CHANGE,
    SAMPLE,
    read_sample,
    strata_of,
    write_sample,
)

PAGE = Path(__file__).parents[1] / "docs" / "city.md"
MARKS = ("<!-- demo:begin -->", "<!-- demo:end -->")
ARTIFACTS = ("observations", "cube", "samples", "model", "evaluation", "maps")
_HECTARE = 1e4  # square metres
_LARGE = 1.0  # hectares


def main() -> None:
    """Write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of the artifacts")
    folder = parser.parse_args().folder
    parts = (costs(folder), scores(folder), events(folder), areas(folder))
    replaced(PAGE, MARKS, [text for part in parts for text in (*part, "")][:-1])


def costs(folder: Path) -> list[str]:
    """CPU seconds of every stage, and what it made."""
    manifests = {name: read_manifest(folder / name, name) for name in ARTIFACTS}
    made = _made(manifests, _metrics(folder))
    seconds = {name: float(manifest.record["cpu_seconds"]) for name, manifest in manifests.items()}
    rows = [(WRITERS[name], f"{spent:.0f}", made[name]) for name, spent in seconds.items()]
    whole = ("all", f"{sum(seconds.values()):.0f}", "")
    header = ("stage", "CPU seconds", "what it makes")
    return [*map(line, (header, ["---"] * 3, *rows, whole))]


def _made(manifests: dict[str, Manifest], metrics: dict[str, Any]) -> dict[str, str]:
    """What every stage made, in a few words."""
    told = {name: manifest.summary for name, manifest in manifests.items()}
    cells = told["cube"]["cells"]
    frames: dict[str, int] = cells[0]["frames"]
    patches = ", ".join(f"{count} {split}" for split, count in told["samples"]["patches"].items())
    level = metrics[metrics["headline"]["level"]]
    epochs = len(manifests["model"].record["epoch_seconds"])
    return {
        "observations": f"{sum(frames.values())} acquisitions with something to see: "
        + ", ".join(f"{count} of {name}" for name, count in frames.items()),
        "cube": f"{cells[0]['steps']} steps, {_bytes(manifests['cube']) / 1e9:.1f} GB",
        "samples": f"{told['samples']['complete_windows']} complete of "
        f"{told['samples']['windows']} windows; patches: {patches}",
        "model": f"{epochs} epochs of a network with {told['model']['parameters']:,} parameters",
        "evaluation": f"scores of 10 detectors on {level['blocks']} blocks in "
        f"{level['windows']} windows",
        "maps": f"maps of {told['maps']['windows']} windows, events, report and page, "
        f"{_bytes(manifests['maps']) / 1e6:.0f} MB",
    }


def scores(folder: Path) -> list[str]:
    """PR-AUC of the network and of everybody else on test blocks, the best first."""
    metrics = _metrics(folder)
    level = metrics["controlled_truth"]
    found = {"**network**": level[NETWORK]["pr_auc"]}
    found |= {detector_name(name): one["pr_auc"] for name, one in level["baselines"].items()}
    chance = level[NETWORK]["prevalence"]
    ranked = sorted(found.items(), key=lambda one: -one[1])
    agreement = metrics["synthetic_agreement"][NETWORK]
    about = (
        "Against the synthetic labels it has learnt from, the network has "
        f"{agreement['pr_auc']:.2f} (chance {agreement['prevalence']:.2f})."
    )
    rows = [(name, f"{area:.2f}") for name, area in (*ranked, ("chance", chance))]
    header = ("PR-AUC against the truth, test blocks", "")
    return [*map(line, (header, ["---"] * 2, *rows)), "", about]


def events(folder: Path) -> list[str]:
    """How many events there are, on what ground, and how many of the known changes are found."""
    network = _metrics(folder)["controlled_truth"][NETWORK]
    table = gpd.read_parquet(folder / "maps" / GEOPARQUET)
    truth = gpd.read_parquet(folder / "samples" / "truth.parquet")
    begin, end = table["start"].min(), table["end"].max()
    became = (truth["kind"] == "urban") & (truth["end"] > begin) & (truth["start"] < end)
    known = shapely.union_all(truth.geometry[became])
    hectares = table["area_m2"] / _HECTARE
    large = hectares[hectares > _LARGE]
    on_known = table.geometry.intersection(known).area.sum() / table.geometry.area.sum()
    about = (
        f"{len(table)} events on {hectares.sum():.0f} ha, {on_known:.0%} of it ground that did "
        f"become built-up, or was cleared, in that time; {len(large)} are larger than "
        f"{_LARGE:g} ha, {large.sum():.0f} ha in all. On test blocks "
        f"{network['event_precision']:.0%} of the events are known changes, and "
        f"{network['event_recall']:.0%} of the known changes are found, half of them dated to "
        f"within {network['date_error_median']:.0f} d."
    )
    return [about]


def areas(folder: Path) -> list[str]:
    """Area of change by year: true, of events, and from a sample that the truth judges."""
    published = Published.open(folder / "maps")
    (cell,) = published.cells
    true = _years(folder, cell)
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "sample.gpkg"
        strata = strata_of(published.folder, published.cells, published.events)
        write_sample(path, strata, total=UNITS, least=LEAST, seed=0, about=published.about)
        _judge(path, true, cell)
        sample = read_sample(path)
    hectare = pixel_area(cell.core) / _HECTARE
    mapped = published.events.groupby(published.events["date"].dt.year)["area_m2"].sum()
    rows = [
        (
            year,
            f"{(true == int(year)).sum() * hectare:.0f}",
            f"{mapped.get(int(year), 0) / _HECTARE:.0f}",
            f"{own.area / _HECTARE:.0f}",
            f"{own.low / _HECTARE:.0f} to {own.high / _HECTARE:.0f}",
        )
        for year, own in sample.areas.items()
    ]
    header = ("change in", "true, ha", "events, ha", f"from {UNITS} judged pixels, ha", "95 %")
    return [*map(line, (header, ["---"] * len(header), *rows))]


def _years(folder: Path, cell: Cell) -> NDArray[np.int32]:
    """The year in which each pixel became built-up or was cleared, [y, x]; 0 if it did not.

    Of a change that takes time it is the year of its middle, as of an event's date.
    """
    truth = gpd.read_parquet(folder / "samples" / "truth.parquet")
    urban = truth[truth["kind"] == "urban"]
    middles = urban["start"] + (urban["end"] - urban["start"]) / 2
    observed = read_manifest(folder / "cube", "cube").settings["period"]
    inside = (middles >= _moment(observed["start"])) & (middles < _moment(observed["end"]))
    shapes = zip(urban.geometry[inside], middles[inside].dt.year, strict=True)
    years: NDArray[np.int32] = rasterize(
        shapes, out_shape=cell.core.shape, transform=cell.core.transform, dtype=np.int32
    )
    return years


def _moment(text: str) -> pd.Timestamp:
    return pd.Timestamp(text).tz_localize(None)


def _judge(path: Path, years: NDArray[np.int32], cell: Cell) -> None:
    """Fill in a sample as somebody would who knows the truth."""
    table, about = gpd.read_file(path, layer=SAMPLE), read_about(path)
    centres = table.geometry.centroid
    columns, rows = ~cell.core.transform @ (centres.x.to_numpy(), centres.y.to_numpy())
    found = years[rows.astype(int), columns.astype(int)]
    table["year"] = [str(year) if year else NO_CHANGE for year in found]
    judged = table.to_dict("records")
    write_layer(path, SAMPLE, judged, COLUMNS, str(table.crs), geometry="Polygon")
    write_about(path, about)


def _metrics(folder: Path) -> dict[str, Any]:
    metrics: dict[str, Any] = json.loads((folder / "evaluation" / METRICS).read_text())
    return metrics


def _bytes(manifest: Manifest) -> int:
    return sum(entry.size for entry in manifest.files)


if __name__ == "__main__":
    main()
