// What the page shows, kept in its address so that a link restores it.

export const LAYERS = ["greatest", "date", "spread", "window", "class", "probability", "none"];
export const GROUNDS = ["before", "after", "compare"];

const FIELDS = {
  x: Number, // centre of the view, pixels of the area
  y: Number,
  r: Number, // metres per pixel of the screen
  ground: oneOf(GROUNDS),
  layer: oneOf(LAYERS),
  opacity: within(0, 100),
  threshold: within(0, 100),
  window: Number,
  swipe: within(0, 100),
  events: (text) => text !== "off",
  known: (text) => text === "on",
  hidden: String, // numbers of the classes that are not shown, with commas
  event: String,
  pixel: (text) => {
    const place = text.split(",").map(Number);
    return place.length === 2 && place.every(Number.isInteger) ? place : undefined;
  },
};

function oneOf(words) {
  return (text) => (words.includes(text) ? text : undefined);
}

function within(low, high) {
  return (text) => Math.min(high, Math.max(low, Number(text)));
}

/** State from an address; what is missing or makes no sense stays as it was. */
export function read(hash, state) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const next = { ...state, event: undefined, pixel: undefined };
  for (const [name, parse] of Object.entries(FIELDS)) {
    const value = given.has(name) ? parse(given.get(name)) : undefined;
    if (value !== undefined && !Number.isNaN(value)) next[name] = value;
  }
  return next;
}

/** The address of a state. */
export function write(state) {
  const words = { events: state.events ? "on" : "off", known: state.known ? "on" : "off" };
  const fields = new URLSearchParams();
  for (const name of Object.keys(FIELDS)) {
    const value = words[name] ?? state[name];
    if (value === undefined || value === "") continue;
    fields.set(name, typeof value === "number" ? String(Math.round(value * 100) / 100) : value);
  }
  return `#${fields}`.replaceAll("%2C", ",");
}
