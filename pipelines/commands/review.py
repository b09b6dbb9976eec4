"""`groundshift review export`, `import` and `sample`: the analyst's loop."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from groundshift.artifacts import ArtifactStore
from groundshift.errors import SettingsError
from pipelines.commands import options

if TYPE_CHECKING:
    # They take seconds to import, which `groundshift --help` shall not.
    from groundshift.products.published import Published

Maps = Annotated[
    str, typer.Argument(help="Folder of maps, or an area whose published maps are in the store.")
]
Store = Annotated[str, typer.Option(help="Folder of the artifacts, or s3://bucket/folder.")]
Package = Annotated[Path, typer.Option("--to", help="The GeoPackage; an older one is replaced.")]

_STORE = "data/store"

review = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(
        review, name="review", help="Give events to analysts, and take back what they say of them."
    )


@review.command()
def export(
    maps: Maps,
    to: Package,
    store: Store = _STORE,
    cube: Annotated[
        Path | None,
        typer.Option(
            help="What was mapped, for pictures; by default that in the store, or beside."
        ),
    ] = None,
) -> None:
    """Write the events of maps as a GeoPackage for QGIS, the most rewarding first."""
    with options.reported():
        from groundshift.products.review_package import write_events_package

        published = _published(maps, store)
        cubes = published.cubes(cube)
        to.parent.mkdir(parents=True, exist_ok=True)
        count = write_events_package(to, published.events, about=published.about, cubes=cubes)
        without = "" if cubes else "; without pictures, as no cube was found (--cube)"
        typer.echo(f"{to}: {count} events to review{without}")


@review.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A GeoPackage that was filled in.")],
    to: Annotated[
        Path | None,
        typer.Option(help="Table of reviews (GeoJSON); by default the area's in the store."),
    ] = None,
    store: Store = _STORE,
    by: Annotated[str, typer.Option(help="Who reviewed, for rows that don't say.")] = "",
) -> None:
    """Take back the verdicts on events, or the areas that a judged sample stands for."""
    with options.reported():
        from groundshift.products.review_package import layers, read_about
        from groundshift.products.sampling import SAMPLE

        area = read_about(file).get("area", "")
        if SAMPLE in layers(file):
            _import_sample(file, to, store, area)
        else:
            _import_events(file, to, store, area, by)


@review.command()
def sample(
    maps: Maps,
    to: Package,
    store: Store = _STORE,
    units: Annotated[int, typer.Option(min=10, help="Pixels to judge in all.")] = 400,
    least: Annotated[int, typer.Option(min=2, help="Pixels of each stratum at least.")] = 50,
    seed: Annotated[int, typer.Option(help="The same one draws the same pixels.")] = 0,
) -> None:
    """Draw a stratified sample of pixels to judge, for the true area of change per year."""
    with options.reported():
        from groundshift.products.sampling import strata_of, write_sample

        published = _published(maps, store)
        strata = strata_of(published.folder, published.cells, published.events)
        to.parent.mkdir(parents=True, exist_ok=True)
        counts = write_sample(
            to, strata, total=units, least=least, seed=seed, about=published.about
        )
        drawn = ", ".join(f"{count} of {name}" for name, count in counts.items())
        typer.echo(f"{to}: {sum(counts.values())} pixels to judge: {drawn}")


def _import_events(file: Path, to: Path | None, store: str, area: str, by: str) -> None:
    from groundshift.events.reviews import document_of, reviews_of, update
    from groundshift.products.review_package import read_events_package

    fresh = read_events_package(file, by=by)
    where = _named(to, area)

    def change(known: dict[str, Any] | None) -> dict[str, Any]:
        return (known or {}) | document_of(update(reviews_of(known, where), fresh))

    document = _change(to, store, area, change)
    counts = fresh["verdict"].value_counts()
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items()) or "no verdict"
    typer.echo(f"{where}: {told}; {len(document['features'])} reviews in all")


def _import_sample(file: Path, to: Path | None, store: str, area: str) -> None:
    from groundshift.events.reviews import document_of, empty_reviews
    from groundshift.products.sampling import AREAS, read_sample

    judged = read_sample(file)
    for year, found in judged.areas.items():
        typer.echo(
            f"{year}: {found.area / 1e4:.2f} ha of change "
            f"({found.low / 1e4:.2f} to {found.high / 1e4:.2f} with 95 % confidence)",
            err=True,
        )
    kept = judged.to_dict()
    _change(to, store, area, lambda known: (known or document_of(empty_reviews())) | {AREAS: kept})
    typer.echo(f"{_named(to, area)}: the next run's report tells these areas", err=True)
    typer.echo(json.dumps({"units": judged.units, "square_metres": kept["areas"]}))


def _named(to: Path | None, area: str) -> str:
    return f"reviews of {area}" if to is None else str(to)


def _change(
    to: Path | None,
    store: str,
    area: str,
    change: Callable[[dict[str, Any] | None], dict[str, Any]],
) -> dict[str, Any]:
    """Change the document of reviews, in the store or where it was said, and give it back."""
    from groundshift.events.reviews import read_reviews, write_reviews

    if to is None:
        return ArtifactStore.open(store).review(area, change)
    document = change(read_reviews(to))
    write_reviews(to, document)
    return document


def _published(maps: str, store: str) -> "Published":
    from groundshift.products.published import Published

    if Path(maps).is_dir():
        return Published.open(Path(maps))
    if "/" in maps:
        raise SettingsError(
            f"expected a folder of maps, or an area in the store {store}, found {maps!r}. "
            "Check the path, or give --store"
        )
    return Published.of(ArtifactStore.open(store), maps)
