// Charts of series: small multiples on one axis of time, with one crosshair.

import { day, element, svg } from "./dom.js";

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [340, 118, 34, 8, 8, 18];
const TITLES = { score: "Score", index: "Vegetation index", backscatter: "Backscatter, dB" };

/** Charts by group of series; `marks` are dates in seconds with a class and a name. */
export function charts(lines, period, threshold, marks) {
  const groups = Map.groupBy ? Map.groupBy(lines, (line) => line.group) : grouped(lines);
  const drawn = [...groups].map(([group, own]) => chart(group, own, period, threshold, marks));
  const figures = drawn.map(({ figure }) => figure);
  const move = (time) => drawn.forEach(({ cross }) => cross(time));
  for (const figure of figures) {
    const picture = figure.querySelector("svg");
    const timeAt = (event) => {
      const box = picture.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * WIDTH;
      return period[0] + ((x - LEFT) / (WIDTH - LEFT - RIGHT)) * (period[1] - period[0]);
    };
    picture.addEventListener("pointermove", (event) => move(timeAt(event)));
    picture.addEventListener("pointerleave", () => move(undefined));
    let at = (period[0] + period[1]) / 2;
    picture.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      at = Math.min(period[1], Math.max(period[0], at + (step * (period[1] - period[0])) / 60));
      move(at);
    });
    picture.addEventListener("blur", () => move(undefined));
  }
  return figures;
}

function grouped(lines) {
  const groups = new Map();
  for (const line of lines) groups.set(line.group, [...(groups.get(line.group) ?? []), line]);
  return groups;
}

function chart(group, lines, period, threshold, marks) {
  const values = lines.flatMap((line) => line.points.map(([, value]) => value));
  const [low, high, step] = group === "score" ? [0, 1, 0.5] : nice(values);
  const across = (time) =>
    LEFT + ((time - period[0]) / (period[1] - period[0])) * (WIDTH - LEFT - RIGHT);
  const down = (value) =>
    HEIGHT - BOTTOM - ((value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const picture = svg("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    class: "chart",
    role: "img",
    tabindex: 0,
    "aria-label": `${TITLES[group]} through time; arrow keys move along it`,
  });
  for (let value = low; value < high + step / 2; value += step) {
    picture.append(
      svg("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: down(value), y2: down(value) }),
      svg("text", { x: LEFT - 5, y: down(value) + 3.5, "text-anchor": "end" }, number(value)),
    );
  }
  for (const [time, label] of ticks(period)) {
    picture.append(
      svg("line", { class: "tick", x1: across(time), x2: across(time), y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM + 4 }),
      svg("text", { x: across(time), y: HEIGHT - 3, "text-anchor": "middle" }, label),
    );
  }
  if (group === "score") {
    picture.append(
      svg("line", { class: "threshold", x1: LEFT, x2: WIDTH - RIGHT, y1: down(threshold), y2: down(threshold) }),
    );
  }
  for (const { time, kind, name } of marks) {
    if (time < period[0] || time > period[1]) continue;
    const line = svg("line", { class: `mark ${kind}`, x1: across(time), x2: across(time), y1: TOP, y2: HEIGHT - BOTTOM });
    line.append(svg("title", {}, `${name} ${day(time)}`));
    picture.append(line);
  }
  lines.forEach((line, i) => {
    const path = line.points.map(([t, v]) => `${across(t).toFixed(1)},${down(v).toFixed(1)}`);
    picture.append(svg("polyline", { class: `line line-${i % 6}`, points: path.join(" ") }));
    if (line.points.length > 160) return;
    for (const [t, v] of line.points) {
      picture.append(svg("circle", { class: `dot line-${i % 6}`, cx: across(t).toFixed(1), cy: down(v).toFixed(1), r: 1.6 }));
    }
  });
  const crosshair = svg("line", { class: "crosshair", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
  picture.append(crosshair);
  const key = element("span", { class: "key" });
  const readout = element("output", { class: "readout" });
  const names = () =>
    lines.map((line, i) => element("span", { class: `name line-${i % 6}` }, line.name));
  key.append(...names());
  const figure = element("figure", {}, element("figcaption", {}, element("b", {}, TITLES[group]), " ", group === "score" ? "" : key, readout), picture);
  const cross = (time) => {
    crosshair.setAttribute("visibility", time === undefined ? "hidden" : "visible");
    if (time === undefined) return void (readout.textContent = "");
    crosshair.setAttribute("x1", across(time));
    crosshair.setAttribute("x2", across(time));
    const near = lines.map((line) => nearest(line.points, time)).filter(Boolean);
    const texts = near.map(([, value]) => number(value));
    readout.textContent = near.length ? `${day(near[0][0])}: ${texts.join(", ")}` : "";
  };
  return { figure, cross };
}

function nearest(points, time) {
  let best;
  for (const point of points) {
    if (!best || Math.abs(point[0] - time) < Math.abs(best[0] - time)) best = point;
  }
  return best;
}

/** Round limits around values, and the step between labels: two to five of them. */
function nice(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const power = 10 ** Math.floor(Math.log10(Math.max(high - low, 0.1)));
  const step = power * [0.25, 0.5, 1, 2, 2.5, 5].find((part) => (high - low) / (part * power) <= 3.2);
  return [Math.floor(low / step) * step, Math.ceil((high + step / 1e6) / step) * step, step];
}

function number(value) {
  return Number(value.toFixed(Math.abs(value) >= 10 ? 1 : 2)).toString().replace("-", "\u2212");
}

/** First days of months or years to label an axis with. */
export function ticks([start, end], most = 6) {
  const months = (end - start) / 86400 / 30.4;
  const every = [1, 2, 3, 6, 12, 24, 60].find((step) => months / step <= most) ?? 120;
  const first = new Date(start * 1000);
  const found = [];
  for (let month = first.getUTCFullYear() * 12 + first.getUTCMonth(); ; month++) {
    const time = Date.UTC(Math.floor(month / 12), month % 12) / 1000;
    if (time >= end) return found;
    if (time < start || month % every) continue;
    const label = day(time).slice(0, every >= 12 ? 4 : 7);
    found.push([time, label]);
  }
}
