// Series of a pixel or of an event from the files of the cells.

import { load, loadJson } from "./data.js";

const FILES = 6; // most files read for one event

/** Series at a pixel, or averaged over an event's pixels: lines with values at their times. */
export class Series {
  #about = new Map();
  #files = new Map();

  constructor(cells) {
    this.cells = cells.filter((cell) => cell.series);
  }

  async atPixel(x, y) {
    return this.#mean([[x, y]]);
  }

  /** Of the blocks whose middle lies inside the event; of the one at its middle if none does. */
  async ofEvent(event) {
    const cell = this.#cellAt(...event.at);
    if (!cell) return undefined;
    const { block } = await this.#aboutOf(cell);
    const inside = [];
    const [left, top, right, bottom] = bounds(event.rings);
    for (let y = start(top, cell.y, block); y < bottom; y += block) {
      for (let x = start(left, cell.x, block); x < right; x += block) {
        if (contains(event.rings, x, y)) inside.push([x, y]);
      }
    }
    return this.#mean(inside.length ? inside : [event.at]);
  }

  #cellAt(x, y) {
    return this.cells.find(
      (cell) => x >= cell.x && y >= cell.y && x < cell.x + cell.width && y < cell.y + cell.height,
    );
  }

  #aboutOf(cell) {
    return once(this.#about, cell.id, () => loadJson(`series/${cell.id}/about`));
  }

  /** Mean over places of the cell that the first of them lies in. */
  async #mean(places) {
    const cell = this.#cellAt(...places[0]);
    if (!cell) return undefined;
    const about = await this.#aboutOf(cell);
    const { block, edge, shape, series } = about;
    const length = series.reduce((sum, line) => sum + line.times.length, 0);
    const [sum, count] = [new Float64Array(length), new Uint32Array(length)];
    const byFile = new Map();
    for (const [x, y] of places.filter((place) => this.#cellAt(...place) === cell)) {
      const [column, row] = [x - cell.x, y - cell.y].map((at) => Math.floor(at / block));
      const file = `${Math.floor(row / edge)}_${Math.floor(column / edge)}`;
      if (!byFile.has(file)) byFile.set(file, []);
      byFile.get(file).push([row, column]);
    }
    for (const [file, blocks] of [...byFile].slice(0, FILES)) {
      const key = `series/${cell.id}/${file}`;
      const bytes = await once(this.#files, key, () => load(key));
      const [top, left] = file.split("_").map((at) => at * edge);
      const width = Math.min(edge, shape[1] - left);
      const layer = width * Math.min(edge, shape[0] - top);
      for (const [row, column] of blocks) {
        const at = (row - top) * width + (column - left);
        for (let i = 0; i < length; i++) {
          const byte = bytes[i * layer + at];
          if (byte) {
            sum[i] += byte;
            count[i]++;
          }
        }
      }
    }
    let offset = 0;
    const lines = series.map((line) => {
      const [low, high] = line.span;
      const points = [];
      line.times.forEach((time, i) => {
        const n = count[offset + i];
        const level = n ? (sum[offset + i] / n - 1) / 254 : NaN;
        if (n) points.push([time, low + level * (high - low)]);
      });
      offset += line.times.length;
      return { ...line, points };
    });
    return { lines, block, blocks: places.length };
  }
}

function once(store, key, make) {
  if (!store.has(key)) store.set(key, make());
  return store.get(key);
}

/** The first middle of a block at or after a place. */
function start(from, origin, block) {
  const middle = origin + block / 2;
  return middle + Math.ceil((from - middle) / block) * block;
}

function* points(ring) {
  let [x, y] = [0, 0];
  for (let i = 0; i < ring.length; i += 2) {
    x += ring[i];
    y += ring[i + 1];
    yield [x / 4, y / 4];
  }
}

function bounds(polygons) {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [ring] of polygons) {
    for (const [x, y] of points(ring)) {
      box[0] = Math.min(box[0], x);
      box[1] = Math.min(box[1], y);
      box[2] = Math.max(box[2], x);
      box[3] = Math.max(box[3], y);
    }
  }
  return box;
}

/** Whether a point lies inside polygons, holes taken out: by the parity of the rings crossed. */
function contains(polygons, x, y) {
  let inside = false;
  for (const ring of polygons.flat()) {
    const corners = [...points(ring)];
    corners.forEach(([x1, y1], i) => {
      const [x0, y0] = corners.at(i - 1);
      if (y0 > y !== y1 > y && x < x0 + ((y - y0) / (y1 - y0)) * (x1 - x0)) inside = !inside;
    });
  }
  return inside;
}
