// Pictures of the ground and of scores, drawn for the part of the area that is in view.

import { Cache, load } from "./data.js";

const NO_DAY = 65535;
const PICTURES = 48;
const NUMBERS = 160;
const MOST_CELLS = 12; // cells in detail at once
const VEIL = "rgba(30, 38, 46, 0.45)";

/** Colours of bytes: nothing is transparent, and so is what lies below the threshold. */
function palette(colours, threshold) {
  const table = new Uint32Array(256);
  const lowest = 1 + threshold * 254;
  for (let byte = 1; byte < 256; byte++) {
    const [red, green, blue] = colours(Math.round(((byte - 1) / 254) * 255));
    if (byte >= lowest) table[byte] = (255 << 24) | (blue << 16) | (green << 8) | red;
  }
  return table;
}

/** A colour as #rrggbb in the order of a picture's bytes. */
function opaque(colour) {
  const [red, green, blue] = colourMap(colour.slice(1))(0);
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/** A function from 0...255 to red, green and blue, of 256 hexadecimal colours. */
export function colourMap(text) {
  return (level) => [0, 2, 4].map((at) => parseInt(text.substr(6 * level + at, 2), 16));
}

export class Rasters {
  #pictures;
  #numbers;
  #painted = new Map();

  /** `changed` is called when something came that may now be drawn. */
  constructor(about, changed) {
    this.about = about;
    this.colours = Object.fromEntries(
      ["score", "date", "spread"].map((name) => [name, colourMap(about.colours[name])]),
    );
    this.#pictures = new Cache(fetchPicture, PICTURES, changed);
    this.#numbers = new Cache(load, NUMBERS, changed);
  }

  /** Draws the ground: `name` is before or after. Below a layer of change it steps back. */
  ground(name, state, frame) {
    const canvas = this.#draw(frame, (where) => this.#pictures.get(`${where}/${name}`));
    if (state.layer === "none" || state.opacity === 0) return canvas;
    const context = canvas.getContext("2d");
    context.globalCompositeOperation = "source-atop";
    context.fillStyle = VEIL;
    context.fillRect(0, 0, canvas.width, canvas.height);
    return canvas;
  }

  /** Draws a layer of change. */
  change(state, frame) {
    return this.#draw(frame, (where, width, height) => {
      if (state.layer === "none") return undefined;
      const greatest = () => this.#numbers.get(`${where}/greatest`);
      const key = `${where} ${state.layer} ${state.layer === "window" ? state.window : ""}`;
      const stamp = `${state.threshold} ${state.hidden}`;
      const known = this.#painted.get(key);
      if (known?.stamp === stamp) return known.canvas;
      let canvas;
      if (state.layer === "date") {
        const days = this.#numbers.get(`${where}/date`);
        if (days && greatest()) canvas = this.#paintDates(days, greatest(), state, width, height);
      } else if (this.about.classes) {
        const [classes, sure] = ["class", "probability"].map((name) => this.#numbers.get(`${where}/${name}`));
        if (classes && sure) canvas = this.#paintClasses(classes, sure, state, width, height);
      } else if (state.layer === "spread") {
        const spread = this.#numbers.get(`${where}/spread`);
        if (spread && greatest()) canvas = this.#paintSpread(spread, greatest(), state, width, height);
      } else {
        const scores =
          state.layer === "greatest"
            ? greatest()
            : this.#numbers.get(`${where}/score/${state.window}`);
        if (scores) canvas = this.#paintScores(scores, state, width, height);
      }
      if (!canvas) return known?.canvas;
      this.#keep(key, { stamp, canvas });
      return canvas;
    });
  }

  /** Fetches the scores of a window before they are needed. */
  prefetch(window) {
    if (window < this.about.windows.length) this.#numbers.get(`area/score/${window}`);
  }

  #keep(key, painted) {
    this.#painted.delete(key);
    this.#painted.set(key, painted);
    while (this.#painted.size > 2 * MOST_CELLS) {
      this.#painted.delete(this.#painted.keys().next().value);
    }
  }

  #paintScores(scores, state, width, height) {
    const table = palette(this.colours.score, state.threshold / 100);
    return painted(width, height, (pixels) => {
      for (let i = 0; i < scores.length; i++) pixels[i] = table[scores[i]];
    });
  }

  #paintDates(days, greatest, state, width, height) {
    const [first, last] = this.about.period.map((seconds) => seconds / 86400);
    const view = new DataView(days.buffer);
    const table = palette(this.colours.date, 0);
    const lowest = 1 + (state.threshold / 100) * 254;
    return painted(width, height, (pixels) => {
      for (let i = 0; i < greatest.length; i++) {
        const day = view.getUint16(2 * i, true);
        if (day === NO_DAY || greatest[i] < lowest) continue;
        pixels[i] = table[1 + Math.round((254 * day) / Math.max(last - first, 1))] ?? table[255];
      }
    });
  }

  #paintClasses(classes, sure, state, width, height) {
    const hidden = new Set(state.hidden.split(",").map(Number));
    const legend = this.about.classes.map(({ colour }, i) => (hidden.has(i + 1) ? 0 : opaque(colour)));
    const ramp = state.layer === "probability" && palette(this.colours.date, 0);
    const lowest = 1 + (state.threshold / 100) * 254;
    return painted(width, height, (pixels) => {
      for (let i = 0; i < classes.length; i++) {
        const colour = classes[i] && sure[i] >= lowest ? legend[classes[i] - 1] : 0;
        pixels[i] = colour && ramp ? ramp[sure[i]] : colour;
      }
    });
  }

  #paintSpread(spread, greatest, state, width, height) {
    const table = palette(this.colours.spread, 0);
    const lowest = 1 + (state.threshold / 100) * 254;
    return painted(width, height, (pixels) => {
      for (let i = 0; i < spread.length; i++) {
        if (greatest[i] >= lowest) pixels[i] = table[spread[i]];
      }
    });
  }

  /** A canvas for what is in view: the whole area coarsely, single cells in detail. */
  #draw({ extent, resolution, screen, size }, picture) {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = size.map(Math.round);
    const context = canvas.getContext("2d");
    const { grid, factor, cells } = this.about;
    const place = (x, y, width, height, image, instead = false) => {
      if (!image) return;
      const scale = grid.pixel / resolution;
      context.imageSmoothingEnabled = scale * (width / image.width) < 1;
      const left = (x * grid.pixel - extent[0]) / resolution;
      const top = (extent[3] + y * grid.pixel) / resolution;
      // Where detail has nothing to show, the coarse picture below must not show through.
      if (instead) context.clearRect(left, top, width * scale, height * scale);
      context.drawImage(image, left, top, width * scale, height * scale);
    };
    const [width, height] = [grid.width, grid.height].map((edge) => Math.ceil(edge / factor));
    place(0, 0, width * factor, height * factor, picture("area", width, height));
    if (factor > 1 && screen < 0.75 * factor * grid.pixel) {
      const seen = cells.filter((cell) => inView(cell, grid.pixel, extent));
      for (const cell of seen.length <= MOST_CELLS ? seen : []) {
        const own = picture(`cells/${cell.id}`, cell.width, cell.height);
        place(cell.x, cell.y, cell.width, cell.height, own, true);
      }
    }
    return canvas;
  }
}

function inView(cell, pixel, [left, bottom, right, top]) {
  return (
    cell.x * pixel < right &&
    (cell.x + cell.width) * pixel > left &&
    -cell.y * pixel > bottom &&
    -(cell.y + cell.height) * pixel < top
  );
}

function painted(width, height, fill) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  fill(new Uint32Array(image.data.buffer));
  context.putImageData(image, 0, 0);
  return canvas;
}

async function fetchPicture(key) {
  const image = new Image();
  image.src = `data/${key}.webp`;
  await image.decode();
  return image;
}
