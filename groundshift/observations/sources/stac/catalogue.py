"""What a STAC API holds over an area: items as overpasses, in their newest processing."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pystac
import shapely
from odc.geo.geobox import GeoBox
from pystac_client import Client
from pystac_client.conformance import ConformanceClasses
from pystac_client.exceptions import APIError
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from groundshift.errors import NoDataError, SourceError
from groundshift.observations.sources.overpasses import looks, outline_of
from groundshift.observations.sources.stac.connection import CatalogueIO, Connection
from groundshift.observations.sources.stac.items import Granule, read_item
from groundshift.observations.sources.stac.offers import Offer
from groundshift.settings import PeriodSettings, StacSensorSettings

_PAGE = 100
_SAME_GROUND = 0.5  # of the smaller outline: more of it twice is one granule in two processings
_SAME_TIME = 5  # seconds, within which processings of one slice agree; slices are 25 s long


@dataclass(frozen=True, eq=False)
class Overpass:
    """What one satellite saw of an area in one pass.

    Attributes:
        granules: Its products, sorted by time and name.
        older: Earlier processings of some of them, each with the newer one's name.
    """

    granules: tuple[Granule, ...]
    older: tuple[tuple[Granule, str], ...]

    @property
    def time(self) -> int:
        """When it began, seconds since 1970."""
        known = [*self.granules, *(granule for granule, _ in self.older)]
        return int(min(granule.time for granule in known))


class Catalogue:
    """A STAC API, asked through pystac-client."""

    def __init__(self, connection: Connection) -> None:
        """Read the API's landing page.

        Raises:
            SourceError: there is no STAC API with item search.
        """
        self._connection = connection
        self._client = self._ask(lambda: Client.open(self._url, stac_io=CatalogueIO(connection)))
        if not self._conforms(ConformanceClasses.ITEM_SEARCH):
            raise SourceError(
                f"{self._url}: expected a STAC API with item search, found "
                f"{self._client.title or self._client.id} without it. A static catalogue can't be "
                "searched: give fetch.stac.url of an API"
            )

    def find(
        self,
        name: str,
        sensor: StacSensorSettings,
        offer: Offer,
        grids: Sequence[GeoBox],
        period: PeriodSettings,
    ) -> list[Overpass]:
        """The overpasses of a sensor over an area in a period, in order of time.

        Raises:
            SourceError: no such collection, nothing there, or the service refuses or fails.
        """
        collection = self._collection(name, offer)
        ground = shapely.union_all([outline_of(grid) for grid in grids])
        wanted = _conditions(sensor, offer)
        query = self._query(wanted)
        span = [_text(period.start_seconds), _text(period.end_seconds - 1)]
        found = self._ask(
            lambda: list(
                self._client.search(
                    method=self._method(),
                    collections=[offer.collection],
                    bbox=ground.bounds,
                    datetime="/".join(span),
                    limit=_PAGE,
                    **query,
                ).items_as_dicts()
            )
        )
        names = (*sensor.bands, *((sensor.mask.band,) if sensor.mask and sensor.mask.band else ()))
        # By id: what is added while pages are read can push an item onto two of them.
        items = {item["id"]: item for item in found if _fits(item, wanted)}
        granules = [read_item(item, offer, names) for item in items.values()]
        reaching = [
            granule
            for granule in granules
            if granule.outline.intersects(ground)
            and period.start_seconds <= granule.time < period.end_seconds
        ]
        if not reaching:
            raise self._nothing(name, collection, ground, period)
        together = looks(reaching, lambda item: (item.platform, item.time, item.id))
        return [_newest(group) for group in together]

    @property
    def _url(self) -> str:
        return self._connection.provider.url

    def _collection(self, name: str, offer: Offer) -> pystac.Collection:
        try:
            return self._ask(lambda: self._client.get_collection(offer.collection))
        except SourceError as error:
            if not error.lost:
                raise
            known = self._ask(lambda: sorted(each.id for each in self._client.get_collections()))
            shown = ", ".join(known[:8]) + (f" and {len(known) - 8} more" if len(known) > 8 else "")
            raise SourceError(
                f"fetch.stac.sensors.{name}: expected a collection {offer.collection} at "
                f"{self._url}, found {shown or 'none'}. Correct provider, level or collection"
            ) from error

    def _query(self, wanted: Mapping[str, tuple[str, Any]]) -> dict[str, Any]:
        """Conditions in the language that the API speaks; none where it speaks none.

        They only spare pages: what comes is held against the conditions again.
        """
        if not wanted:
            return {}
        if self._conforms(ConformanceClasses.QUERY):
            return {"query": {key: {how: value} for key, (how, value) in wanted.items()}}
        if self._conforms(ConformanceClasses.FILTER):
            terms = [
                {"op": _CQL[how], "args": [{"property": key}, value]}
                for key, (how, value) in wanted.items()
            ]
            return {"filter": {"op": "and", "args": terms}, "filter_lang": "cql2-json"}
        return {}

    def _conforms(self, what: ConformanceClasses) -> bool:
        return bool(self._client.conforms_to(what))

    def _method(self) -> str:
        """POST where the API has it, which knows no longest address."""
        links = self._client.get_links("search")
        methods = {link.extra_fields.get("method") or "GET" for link in links}
        return "POST" if "POST" in methods or not methods else "GET"

    def _ask(self, question: Callable[[], Any]) -> Any:
        """What the client answers, its own errors and warnings as ours."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return question()
        except (APIError, pystac.STACError, KeyError, TypeError, ValueError) as error:
            raise SourceError(
                f"{self._url}: expected a STAC API, found what isn't one ({error!r}). Correct "
                "fetch.stac.url"
            ) from error

    def _nothing(
        self,
        name: str,
        collection: pystac.Collection,
        ground: BaseGeometry,
        period: PeriodSettings,
    ) -> NoDataError:
        """Why a sensor has no item: where and when its collection has some."""
        where = f"fetch.stac.sensors.{name}"
        boxes = [box(*_flat(bounds)) for bounds in collection.extent.spatial.bboxes]
        if not any(each.intersects(ground) for each in boxes):
            covered = "; ".join(", ".join(f"{v:g}" for v in each.bounds) for each in boxes)
            area = ", ".join(f"{value:.4f}" for value in ground.bounds)
            return NoDataError(
                f"{where}: expected images of the area ({area} in degrees), found that "
                f"{collection.id} at {self._url} covers {covered} only",
                "Correct the area, or choose another provider",
            )
        spans = [
            " to ".join(f"{at:%Y-%m-%d}" if at else "now" for at in span)
            for span in collection.extent.temporal.intervals
        ]
        return NoDataError(
            f"{where}: expected images of the area between {period.start:%Y-%m-%d} and "
            f"{period.end:%Y-%m-%d}, found none of {collection.id} at {self._url} (which holds "
            f"{', '.join(spans)})",
            "Move the period or the area, loosen max_cloud, orbit and platforms, or leave the "
            "sensor out",
        )


_CQL = {"eq": "=", "lte": "<=", "in": "in"}


def _conditions(sensor: StacSensorSettings, offer: Offer) -> dict[str, tuple[str, Any]]:
    """What items must be beside collection, place and time: property -> comparison, value."""
    wanted: dict[str, tuple[str, Any]] = {}
    if sensor.orbit:
        wanted["sat:orbit_state"] = ("eq", sensor.orbit)
    if sensor.relative_orbit is not None:
        wanted["sat:relative_orbit"] = ("eq", sensor.relative_orbit)
    if sensor.max_cloud < 100:
        wanted["eo:cloud_cover"] = ("lte", sensor.max_cloud)
    if offer.platforms:
        wanted["platform"] = ("in", list(offer.platforms))
    return wanted


def _fits(item: Mapping[str, Any], wanted: Mapping[str, tuple[str, Any]]) -> bool:
    """Whether an item is what was asked for; one that doesn't say isn't."""
    for key, (how, value) in wanted.items():
        found = item["properties"].get(key)
        if found is None:
            return False
        fits = found == value if how == "eq" else found in value if how == "in" else found <= value
        if not fits:
            return False
    return True


def _newest(group: Sequence[Granule]) -> Overpass:
    """An overpass with the newest processing of each of its granules."""
    chosen: list[Granule] = []
    older: list[tuple[Granule, str]] = []
    best_first = sorted(
        group, key=lambda g: (not g.problem, g.baseline, g.made, g.id), reverse=True
    )
    for granule in best_first:
        newer = next((each for each in chosen if _same(each, granule)), None)
        if newer is None:
            chosen.append(granule)
        else:
            older.append((granule, newer.product))
    return Overpass(
        tuple(sorted(chosen, key=lambda g: (g.time, g.id))),
        tuple(sorted(older, key=lambda pair: pair[0].id)),
    )


def _same(one: Granule, other: Granule) -> bool:
    """Whether two items are processings of one granule.

    A tile at the end of a data strip comes in two parts, which are none; nor are neighbouring
    slices of radar, which have no tile, however much of a short one lies in the next.
    """
    if one.tile != other.tile:
        return False
    if not one.tile and abs(one.time - other.time) > _SAME_TIME:
        return False
    smaller = min(one.outline.area, other.outline.area)
    return bool(one.outline.intersection(other.outline).area > _SAME_GROUND * smaller)


def _flat(bounds: Sequence[float]) -> tuple[float, float, float, float]:
    """Left, bottom, right, top of bounds that may have heights between them."""
    half = len(bounds) // 2
    return bounds[0], bounds[1], bounds[half], bounds[half + 1]


def _text(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
