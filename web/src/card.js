// The card of an event or of a pixel: its facts, its series as charts and as a table.

import { charts } from "./charts.js";
import { load } from "./data.js";
import { $, day, dayOf, element, hectares } from "./dom.js";

const REVIEWS = { accepted: "accepted", rejected: "rejected", unsure: "unsure" };

/** Latitude and longitude of a place in pixels, between points of a grid. */
export function degrees(grid, x, y) {
  const last = Math.sqrt(grid.degrees.length) - 1;
  const [column, row] = [(x / grid.width) * last, (y / grid.height) * last];
  const [left, top] = [column, row].map((at) => Math.min(Math.max(Math.floor(at), 0), last - 1));
  const [right, down] = [column - left, row - top];
  const mix = (axis) => {
    const at = (i, j) => grid.degrees[(top + j) * (last + 1) + left + i][axis];
    const upper = at(0, 0) * (1 - right) + at(1, 0) * right;
    const lower = at(0, 1) * (1 - right) + at(1, 1) * right;
    return upper * (1 - down) + lower * down;
  };
  return `${mix(1).toFixed(5)}, ${mix(0).toFixed(5)}`;
}

function factsOf(event, grid) {
  const span = event.from === event.to ? "sudden" : `${dayOf(event.from)} to ${dayOf(event.to)}`;
  const review = REVIEWS[event.review_verdict];
  const by = [event.review_by && `by ${event.review_by}`, event.review_at].filter(Boolean);
  return [
    ["Change", event.from === undefined ? undefined : span],
    ["Score", (event.score_peak ?? event.score)?.toFixed(2)],
    ["Probability", event.probability?.toFixed(2)],
    ["Uncertainty", event.uncertainty === undefined ? undefined : `\u00b1 ${event.uncertainty.toFixed(2)}`],
    ["Area", hectares(event.area_m2)],
    ["Direction", event.direction?.replaceAll("_", " ")],
    ["State", event.state],
    ["First alarm", event.first_seen],
    ["Confirmed", event.confirmed],
    ["Ended", event.ended],
    ["Review", review && [review, event.review_class, ...by].filter(Boolean).join(", ")],
    ["Latitude, longitude", degrees(grid, ...event.at)],
    ["Id", event.id],
  ];
}

/** Shows the card of an event. */
export function showEvent(event, about, series) {
  const marks = [{ time: event.day * 86400, kind: "event", name: "date of the event" }];
  for (const name of ["from", "to"]) {
    if (event[name] !== undefined && event[name] !== event.day) {
      marks.push({ time: event[name] * 86400, kind: "span", name });
    }
  }
  show("Change event", dayOf(event.day), factsOf(event, about.grid), about, marks, () =>
    series.ofEvent(event),
  );
}

/** Shows the card of a pixel. */
export function showPixel([x, y], about, series) {
  const facts = [
    ["Latitude, longitude", degrees(about.grid, x + 0.5, y + 0.5)],
    ["Row, column", `${y}, ${x}`],
  ];
  show("Pixel", `Row ${y}, column ${x}`, facts, about, [], () => series.atPixel(x, y));
}

/** Shows the card of a pixel of a map of classes: its class, and how probable that is. */
export async function showClass([x, y], about) {
  const cell = about.cells.find(
    (one) => x >= one.x && y >= one.y && x < one.x + one.width && y < one.y + one.height,
  );
  const facts = [
    ["Latitude, longitude", degrees(about.grid, x + 0.5, y + 0.5)],
    ["Row, column", `${y}, ${x}`],
  ];
  if (!cell) return show("Pixel", "Nothing known", facts, about);
  const coarse = about.factor > 1;
  const where = coarse ? `cells/${cell.id}` : "area";
  const at = coarse ? (y - cell.y) * cell.width + x - cell.x : y * about.grid.width + x;
  const [number, sure] = await Promise.all(
    ["class", "probability"].map(async (name) => (await load(`${where}/${name}`))[at]),
  );
  const found = about.classes[number - 1];
  if (found) facts.unshift(["Probability", ((sure - 1) / 254).toFixed(2)]);
  show("Pixel", found?.name ?? "Nothing known", facts, about);
}

export function hide() {
  $("card").hidden = true;
}

let shown = 0; // what was asked for last: series that come later than the next click are dropped

async function show(kind, title, facts, about, marks, fetch) {
  const mine = ++shown;
  const card = $("card");
  $("card-kind").textContent = kind;
  $("card-title").textContent = title;
  const rows = facts.filter(([, value]) => value !== undefined && value !== null && value !== "");
  $("card-facts").replaceChildren(
    ...rows.map(([name, value]) =>
      element("div", {}, element("dt", {}, name), element("dd", {}, String(value))),
    ),
  );
  card.hidden = false;
  card.scrollTop = 0;
  if (!fetch) return $("card-series").replaceChildren();
  $("card-series").replaceChildren(element("p", { class: "soft" }, "Loading series\u2026"));
  let found;
  try {
    found = await fetch();
  } catch (error) {
    console.warn(error.message);
  }
  if (mine !== shown) return;
  $("card-series").replaceChildren(...(found ? drawn(found, about, marks) : [missing()]));
}

function missing() {
  return element("p", { class: "soft" }, "These maps hold no series for this place.");
}

function drawn({ lines, block, blocks }, about, marks) {
  const seen = lines.filter((line) => line.points.length);
  if (!seen.length) return [missing()];
  const edge = block * about.grid.pixel;
  const place = `${edge} \u00d7 ${edge} m`;
  const note = blocks > 1 ? `Mean of ${blocks} blocks of ${place}.` : `Mean of ${place}.`;
  const kinds = marks.length ? " Yellow: date of the event; dotted: its beginning and end." : "";
  return [
    ...charts(seen, about.period, about.threshold, marks),
    element("p", { class: "soft" }, note + kinds),
    table(seen),
    download(seen),
  ];
}

function rowsOf(lines) {
  const rows = lines.flatMap((line) =>
    line.points.map(([time, value]) => [day(time), line.name, value.toFixed(3), line.unit]),
  );
  return rows.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
}

const COLUMNS = ["date", "series", "value", "unit"];

/** All values as a table, made when it is first opened. */
function table(lines) {
  const details = element("details", {}, element("summary", {}, "Values as a table"));
  details.addEventListener(
    "toggle",
    () => {
      const cells = (name, texts) => texts.map((text) => element(name, {}, text));
      const head = element("thead", {}, element("tr", {}, ...cells("th", COLUMNS)));
      const body = rowsOf(lines).map((row) => element("tr", {}, ...cells("td", row)));
      const all = element("table", {}, head, element("tbody", {}, ...body));
      details.append(element("div", { class: "scroll", tabindex: 0 }, all));
    },
    { once: true },
  );
  return details;
}

function download(lines) {
  const text = [COLUMNS, ...rowsOf(lines)].map((row) => row.join(",")).join("\n");
  const href = URL.createObjectURL(new Blob([`${text}\n`], { type: "text/csv" }));
  return element("a", { href, download: "series.csv", class: "download" }, "Download as CSV");
}
