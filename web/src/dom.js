// Elements, and dates as text.

/** The element with an id. */
export const $ = (id) => document.getElementById(id);

export function element(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** A day as 2018-03-04, from seconds since 1970. */
export function day(seconds) {
  return new Date(seconds * 1000).toISOString().slice(0, 10);
}

/** A day from days since 1970. */
export const dayOf = (days) => day(days * 86400);

export function hectares(squareMetres) {
  return `${(squareMetres / 1e4).toFixed(2)} ha`;
}
