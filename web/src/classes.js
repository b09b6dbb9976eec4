// The classes of a map of land cover: their list, which of them are shown, the legend, the images.

import { $, dayOf, element } from "./dom.js";

export class ClassList {
  /** `choose` is called with the classes that are not shown, as the state keeps them. */
  constructor(about, choose) {
    const total = about.classes.reduce((sum, { hectares }) => sum + hectares, 0);
    this.boxes = about.classes.map((_, i) => element("input", { type: "checkbox", value: i + 1 }));
    const rows = about.classes.map((one, i) => {
      const share = total ? ` (${((100 * one.hectares) / total).toFixed(1)} %)` : "";
      const area = element("span", { class: "soft small" }, `${one.hectares.toFixed(2)} ha${share}`);
      const label = element("label", { class: "check" }, this.boxes[i], swatch(one), one.name, area);
      return element("li", {}, label);
    });
    $("classes").replaceChildren(...rows);
    $("classes").addEventListener("change", () => {
      const hidden = this.boxes.filter((box) => !box.checked).map((box) => box.value);
      choose(hidden.join(","));
    });
    $("mapped").textContent = `on ${total.toFixed(2)} ha`;
    $("unknown").hidden = !about.unknown;
    $("unknown").textContent = `Of ${about.unknown.toFixed(2)} ha nothing is known.`;
    $("swatches").replaceChildren(
      ...about.classes.map((one) => element("li", {}, swatch(one), one.name)),
    );
    $("looks").replaceChildren(...Object.entries(about.looks).map(looks));
  }

  /** Ticks what is shown. */
  set({ hidden }) {
    const numbers = hidden.split(",");
    for (const box of this.boxes) box.checked = !numbers.includes(box.value);
  }
}

function swatch({ colour }) {
  const made = element("i", { class: "swatch" });
  made.style.background = colour;
  return made;
}

function looks([sensor, days]) {
  const summary = element("summary", {}, `${sensor}: ${days.length} date${days.length === 1 ? "" : "s"}`);
  return element("details", {}, summary, element("ol", {}, ...days.map((at) => element("li", {}, dayOf(at)))));
}
