// The map: ground, change, known changes and events on the area's own grid of pixels.

import Feature from "ol/Feature.js";
import Map from "ol/Map.js";
import View from "ol/View.js";
import ScaleLine from "ol/control/ScaleLine.js";
import MultiPolygon from "ol/geom/MultiPolygon.js";
import Point from "ol/geom/Point.js";
import { fromExtent } from "ol/geom/Polygon.js";
import { defaults as interactions } from "ol/interaction/defaults.js";
import ImageLayer from "ol/layer/Image.js";
import VectorLayer from "ol/layer/Vector.js";
import Projection from "ol/proj/Projection.js";
import { getRenderPixel } from "ol/render.js";
import ImageCanvas from "ol/source/ImageCanvas.js";
import VectorSource from "ol/source/Vector.js";
import CircleStyle from "ol/style/Circle.js";
import Fill from "ol/style/Fill.js";
import Stroke from "ol/style/Stroke.js";
import Style from "ol/style/Style.js";

import { Rasters } from "./rasters.js";

const PARTS = 4; // outlines come in quarters of a pixel
const CARD = 410; // width of the card and its margins
const SMALLEST = 7; // pixels of the screen below which an outline becomes a dot

export class ChangeMap {
  /** `state` gives what to show, `on` hears of moves and clicks. */
  constructor(target, about, events, state, on) {
    this.about = about;
    this.state = state;
    const { width, height, pixel } = about.grid;
    const extent = [0, -height * pixel, width * pixel, 0];
    const projection = new Projection({
      code: "area",
      units: "m",
      extent,
      getPointResolution: (resolution) => resolution,
    });
    this.rasters = new Rasters(about, () => this.redraw());
    const ground = (name) =>
      this.#raster(projection, (frame) => this.rasters.ground(name, this.state(), frame));
    [this.before, this.after] = ["before", "after"].map(ground);
    this.change = this.#raster(projection, (frame) => this.rasters.change(this.state(), frame));
    this.#clip(this.after);
    this.known = vectors(about.known.map((known) => outline(known, pixel)), this.#knownStyle());
    this.events = vectors(events.map((event) => outline(event, pixel)), this.#eventStyle());
    this.marker = vectors([], markerStyle);
    const layers = [this.change, this.known, this.events, this.marker];
    if (about.unmapped) layers.push(vectors([new Feature(fromExtent(extent))], dashed("#ffffff", [8, 6])));
    this.map = new Map({
      target,
      layers: about.ground ? [this.before, this.after, ...layers] : layers,
      view: new View({
        projection,
        extent: padded(extent, 0.5),
        constrainOnlyCenter: true,
        minResolution: pixel / 40,
        maxResolution: (4 * Math.max(width, height) * pixel) / 256,
        enableRotation: false,
        center: [(width * pixel) / 2, (-height * pixel) / 2],
        resolution: pixel,
      }),
      controls: [new ScaleLine({ minWidth: 80 })],
      interactions: interactions({ altShiftDragRotate: false, pinchRotate: false }),
      moveTolerance: 3,
    });
    this.extent = extent;
    this.map.on("moveend", () => on.moved(this.place()));
    this.map.on("singleclick", (click) => this.#clicked(click, on));
    this.map.on("pointermove", (move) => {
      const here = !move.dragging && this.#eventAt(move.coordinate);
      this.map.getTargetElement().style.cursor = here ? "pointer" : "";
    });
  }

  /** Centre in pixels of the area, metres per pixel of the screen. */
  place() {
    const view = this.map.getView();
    const [x, y] = view.getCenter();
    const { pixel } = this.about.grid;
    return { x: x / pixel, y: -y / pixel, r: view.getResolution() };
  }

  /** Shows the whole area, or the place of a state. */
  go({ x, y, r } = {}) {
    const view = this.map.getView();
    const { pixel } = this.about.grid;
    if (r === undefined) return view.fit(this.extent, { padding: [24, 24, 24, 24] });
    view.setCenter([x * pixel, -y * pixel]);
    view.setResolution(r);
  }

  /** Brings an event into view, at a size at which it can be seen. */
  goTo(event) {
    const feature = this.events.getSource().getFeatureById(event.id);
    const view = this.map.getView();
    const room = padded(feature.getGeometry().getExtent(), 1.5);
    const target = this.map.getTargetElement();
    target.scrollIntoView({ block: "nearest" });
    // The card covers the map's right side, or its lower part on a phone.
    const padding = target.clientWidth > CARD * 2 ? [40, CARD, 40, 40] : [20, 20, 100, 20];
    const minResolution = Math.min(view.getResolution(), this.about.grid.pixel / 4);
    view.fit(room, { minResolution, padding });
  }

  zoom(step) {
    const view = this.map.getView();
    view.animate({ zoom: view.getZoom() + step, duration: 150 });
  }

  /** Draws everything anew after a change of state. */
  redraw() {
    const { ground, events, known, opacity, pixel } = this.state();
    this.before.setVisible(ground !== "after");
    this.after.setVisible(ground !== "before");
    this.change.setOpacity(opacity / 100);
    this.events.setVisible(events);
    this.known.setVisible(known);
    for (const layer of [this.before, this.after, this.change]) layer.getSource().changed();
    this.events.changed();
    const marker = this.marker.getSource();
    marker.clear();
    if (pixel) marker.addFeature(new Feature(new Point(this.#middle(pixel))));
    this.map.render();
  }

  #middle([x, y]) {
    const { pixel } = this.about.grid;
    return [(x + 0.5) * pixel, -(y + 0.5) * pixel];
  }

  #raster(projection, draw) {
    const source = new ImageCanvas({
      projection,
      ratio: 1,
      interpolate: false,
      canvasFunction: (extent, resolution, ratio, size) => {
        return draw({ extent, resolution: resolution / ratio, screen: resolution, size });
      },
    });
    return new ImageLayer({ source });
  }

  /** Where two images of the ground are compared, the later one stands right of the line. */
  #clip(layer) {
    layer.on("prerender", (event) => {
      const context = event.context;
      const [width, height] = this.map.getSize();
      const { ground, swipe } = this.state();
      const left = ground === "compare" ? (width * swipe) / 100 : 0;
      const corners = [[left, 0], [width, 0], [width, height], [left, height]];
      context.save();
      context.beginPath();
      corners.forEach((corner, i) => {
        const [x, y] = getRenderPixel(event, corner);
        if (i) context.lineTo(x, y);
        else context.moveTo(x, y);
      });
      context.clip();
    });
    layer.on("postrender", (event) => event.context.restore());
  }

  /** The event at a place, or the one whose dot is near it. */
  #eventAt([x, y]) {
    if (!this.state().events) return undefined;
    const resolution = this.map.getView().getResolution();
    const near = SMALLEST * resolution;
    const shown = this.events
      .getSource()
      .getFeaturesInExtent([x - near, y - near, x + near, y + near])
      .filter((feature) => this.events.getStyleFunction()(feature, resolution));
    const inside = shown.find((feature) => feature.getGeometry().intersectsCoordinate([x, y]));
    const found = inside ?? shown.find((feature) => isSmall(feature, resolution));
    return found?.get("fact");
  }

  #clicked({ coordinate }, on) {
    const event = this.#eventAt(coordinate);
    if (event) return on.event(event);
    const { grid } = this.about;
    const [x, y] = [coordinate[0], -coordinate[1]].map((at) => Math.floor(at / grid.pixel));
    if (x >= 0 && y >= 0 && x < grid.width && y < grid.height) on.pixel([x, y]);
  }

  #eventStyle() {
    const { event: colour } = this.about.colours;
    const styles = { plain: lines(colour, 2, 0.08), chosen: lines("#ffffff", 3.5, 0.05, colour) };
    return (feature, resolution) => {
      const { layer, window, event: chosen } = this.state();
      const fact = feature.get("fact");
      const end = this.about.windows[window]?.[1] / 86400;
      if (layer === "window" && fact.day > end) return undefined;
      const small = isSmall(feature, resolution);
      const style = styles[fact.id === chosen ? "chosen" : "plain"];
      return small ? style.dot(feature.get("inside")) : style.outline;
    };
  }

  #knownStyle() {
    const { truth, decoy } = this.about.colours;
    const [wanted, other] = [dashed(truth, [7, 4]), dashed(decoy, [2, 4])];
    return (feature) => (feature.get("fact").wanted ? wanted : other);
  }
}

function isSmall(feature, resolution) {
  const [left, bottom, right, top] = feature.getGeometry().getExtent();
  return Math.max(right - left, top - bottom) / resolution < SMALLEST;
}

function vectors(features, style) {
  return new VectorLayer({ source: new VectorSource({ features, wrapX: false }), style });
}

/** A feature from outlines in parts of a pixel: polygons of rings of x0, y0, dx1, dy1, ... */
function outline(fact, pixel) {
  const polygons = fact.rings.map((rings) =>
    rings.map((steps) => {
      const points = [];
      let [x, y] = [0, 0];
      for (let i = 0; i < steps.length; i += 2) {
        x += steps[i];
        y += steps[i + 1];
        points.push([(x / PARTS) * pixel, (-y / PARTS) * pixel]);
      }
      return [...points, points[0]];
    }),
  );
  const feature = new Feature({ geometry: new MultiPolygon(polygons), fact });
  feature.setId(fact.id);
  if (fact.at) feature.set("inside", new Point([fact.at[0] * pixel, -fact.at[1] * pixel]));
  return feature;
}

/** An outline with a dark casing, and a dot for where it would be too small to see. */
function lines(colour, width, filled, inner = colour) {
  const casing = new Stroke({ color: "rgba(0, 0, 0, 0.6)", width: width + 2 });
  const line = new Stroke({ color: colour, width });
  const fill = new Fill({ color: `${inner}${Math.round(filled * 255).toString(16).padStart(2, "0")}` });
  const ring = new Stroke({ color: colour === inner ? "rgba(0, 0, 0, 0.7)" : colour, width: 1.5 });
  const image = new CircleStyle({ radius: 2 + width, fill: new Fill({ color: inner }), stroke: ring });
  return {
    outline: [new Style({ stroke: casing }), new Style({ stroke: line, fill })],
    dot: (geometry) => new Style({ geometry, image }),
  };
}

function dashed(color, lineDash) {
  return [
    new Style({ stroke: new Stroke({ color: "rgba(0, 0, 0, 0.5)", width: 3.5, lineDash }) }),
    new Style({ stroke: new Stroke({ color, width: 2, lineDash }) }),
  ];
}

const markerStyle = [
  new Style({
    image: new CircleStyle({ radius: 8, stroke: new Stroke({ color: "#000", width: 4 }) }),
  }),
  new Style({
    image: new CircleStyle({ radius: 8, stroke: new Stroke({ color: "#fff", width: 2 }) }),
  }),
];

function padded([left, bottom, right, top], share) {
  const margin = Math.max(right - left, top - bottom) * share;
  return [left - margin, bottom - margin, right + margin, top + margin];
}
