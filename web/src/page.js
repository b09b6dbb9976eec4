// The map page: reads what the maps hold, and ties controls, map, list and card together.

import { hide, showClass, showEvent, showPixel } from "./card.js";
import { ClassList } from "./classes.js";
import { loadJson } from "./data.js";
import { $, day, element } from "./dom.js";
import { EventList } from "./list.js";
import { ChangeMap } from "./map.js";
import { colourMap } from "./rasters.js";
import { Series } from "./series.js";
import { read, write } from "./state.js";
import { TimeBar } from "./timebar.js";

const FIRST = {
  ground: "after",
  layer: "greatest",
  opacity: 80,
  window: 0,
  swipe: 50,
  events: true,
  known: false,
  hidden: "",
};

async function start() {
  const about = await loadJson("about");
  if (about.classes) Object.assign(about, { known: [], windows: [], hectares: [], threshold: 0 });
  const events = about.classes ? [] : await loadJson("events");
  const normal = { ...FIRST, threshold: Math.round(about.threshold * 100) };
  if (about.classes) normal.layer = "class";
  if (about.unmapped) normal.layer = "none"; // there is nothing to load
  const series = new Series(about.cells);
  const byId = new Map(events.map((event) => [event.id, event]));
  let state = read(location.hash, normal);

  describe(about, events);
  const map = new ChangeMap("map", about, events, () => state, {
    moved: (place) => save(place),
    event: (event) => set({ event: event.id, pixel: undefined }),
    pixel: (pixel) => set({ pixel, event: undefined }),
  });
  const list = new EventList(events, () => state.event, (id) => {
    set({ event: id, pixel: undefined, events: true });
    map.goTo(byId.get(id));
  });
  const classes = about.classes && new ClassList(about, (hidden) => set({ hidden }));
  const bar = new TimeBar(about, (window) => set({ window, layer: "window" }), (window) =>
    map.rasters.prefetch(window),
  );

  function save(change) {
    state = { ...state, ...change };
    history.replaceState(null, "", write(state));
  }

  function set(change) {
    const before = state;
    save(change);
    show(before);
  }

  function show(before = {}) {
    if (!offered(state.layer, about)) state.layer = normal.layer;
    state.window = Math.min(Math.max(Math.round(state.window), 0), about.windows.length - 1);
    controls(state, about);
    bar.set(state.window, state.layer === "window");
    map.redraw();
    list.mark();
    classes?.set(state);
    const chosen = byId.get(state.event);
    if (chosen && before.event !== state.event) showEvent(chosen, about, series);
    if (state.pixel && String(before.pixel) !== String(state.pixel)) {
      if (classes) showClass(state.pixel, about);
      else showPixel(state.pixel, about, series);
    }
    if (!chosen && !state.pixel) hide();
  }

  wire(set, map);
  addEventListener("hashchange", () => {
    const before = state;
    state = read(location.hash, normal);
    map.go(state);
    show(before);
  });
  list.draw();
  map.go(state);
  show();
  document.documentElement.dataset.ready = "yes";
}

/** Whether these maps have a layer. */
function offered(layer, about) {
  if (layer === "none") return true;
  if (layer === "spread" && !about.mostSpread) return false;
  return Boolean(about.classes) === ["class", "probability"].includes(layer);
}

/** What the page says of the maps as a whole. */
function describe(about, events) {
  const [first, end] = about.period;
  document.title = `${about.area}: ${about.classes ? "land cover" : "ground change"}`;
  for (const part of document.querySelectorAll(".of-change")) part.hidden = Boolean(about.classes);
  for (const part of document.querySelectorAll(".of-classes")) part.hidden = !about.classes;
  $("area").textContent = about.area;
  $("period").textContent = `${day(first)} to ${day(end - 1)}`;
  $("licences").replaceChildren(...about.licences.map((line) => element("li", {}, line)));
  $("spread-choice").hidden = !about.mostSpread;
  $("known-row").hidden = !about.known.length;
  $("ground-set").hidden = !about.ground;
  $("no-ground").hidden = Boolean(about.ground || about.unmapped);
  $("change-set").hidden = $("timebar").hidden = Boolean(about.unmapped);
  if (about.unmapped) unmapped(about.unmapped);
  $("nothing").textContent = about.windows.length
    ? `No change found: nowhere do the windows around one date score ${about.threshold.toFixed(2)} in the mean.`
    : "No data: no window of time could be mapped, so that nothing can be said of this area.";
  $("map").setAttribute(
    "aria-label",
    about.classes
      ? `Map of the land cover of ${about.area}. The list of classes says how much there is of each.`
      : `Map of ${about.area} with ${events.length} change events. The list of events leads to each.`,
  );
}

/** Why nothing is shown. */
function unmapped({ verdict, found, remedy }) {
  $("unmapped").hidden = false;
  $("verdict").textContent = verdict;
  $("found").textContent = `What was found: ${found}.`;
  $("remedy").textContent = `What to do: ${remedy}.`;
}

/** Lets every control change the state. */
function wire(set, map) {
  for (const name of ["ground", "layer"]) {
    for (const input of document.querySelectorAll(`input[name=${name}]`)) {
      input.addEventListener("change", () => set({ [name]: input.value }));
    }
  }
  for (const name of ["opacity", "threshold", "swipe"]) {
    $(name).addEventListener("input", () => set({ [name]: Number($(name).value) }));
  }
  for (const name of ["events", "known"]) {
    $(name).addEventListener("change", () => set({ [name]: $(name).checked }));
  }
  const close = () => set({ event: undefined, pixel: undefined });
  $("close").addEventListener("click", close);
  addEventListener("keydown", (press) => press.key === "Escape" && close());
  $("in").addEventListener("click", () => map.zoom(1));
  $("out").addEventListener("click", () => map.zoom(-1));
  $("whole").addEventListener("click", () => map.go());
  $("theme").addEventListener("click", () => {
    const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
    document.documentElement.dataset.theme = dark ? "light" : "dark";
  });
}

/** Controls as the state has them. */
function controls(state, about) {
  for (const name of ["ground", "layer"]) {
    const chosen = `:not([hidden]) > label > input[name=${name}][value=${state[name]}]`;
    const input = document.querySelector(chosen);
    if (input) input.checked = true;
  }
  for (const name of ["opacity", "threshold", "swipe"]) $(name).value = state[name];
  $("events").checked = state.events;
  $("known").checked = state.known;
  $("opacity-text").textContent = `${state.opacity} %`;
  $("threshold-text").textContent = (state.threshold / 100).toFixed(2);
  const compare = Boolean(about.ground) && state.ground === "compare";
  $("swipe").hidden = $("divider").hidden = !compare;
  $("divider").style.left = `${state.swipe}%`;
  $("before-label").hidden = $("after-label").hidden = !compare;
  const captions = about.ground ?? ["", ""];
  const shown = { before: [captions[0]], after: [captions[1]], compare: captions }[state.ground];
  $("caption").textContent = shown.join("; ");
  legend(state, about);
}

function legend(state, about) {
  const date = ["date", "probability"].includes(state.layer);
  const byClass = state.layer === "class";
  $("legend").hidden = state.layer === "none";
  $("swatches").hidden = !byClass;
  for (const part of document.querySelectorAll("#legend > span")) part.hidden = byClass;
  const spread = state.layer === "spread";
  const colours = colourMap(about.colours[date ? "date" : spread ? "spread" : "score"]);
  const stops = Array.from({ length: 17 }, (_, i) => `rgb(${colours(Math.min(i * 16, 255))})`);
  $("ramp").style.background = `linear-gradient(to right, ${stops})`;
  const high = spread ? `\u00b1 ${about.mostSpread}` : "1";
  const ends = state.layer === "date" ? about.period.map((time, i) => day(time - i)) : ["0", high];
  [$("ramp-low").textContent, $("ramp-high").textContent] = ends;
  $("below").style.width = state.layer === "date" || spread ? "0" : `${state.threshold}%`;
}

start().catch((error) => {
  $("failed").hidden = false;
  $("failed").textContent = `The maps can't be shown: ${error.message}.`;
  console.error(error);
});
