// The list of events: the way to them without a pointer.

import { $, dayOf, element, hectares } from "./dom.js";

const PAGE = 50;

const ORDERS = {
  strength: () => 0, // as they come
  newest: (a, b) => b.day - a.day,
  oldest: (a, b) => a.day - b.day,
  largest: (a, b) => b.area_m2 - a.area_m2,
};

export class EventList {
  #shown = PAGE;

  constructor(events, chosen, choose) {
    this.events = events;
    this.chosen = chosen;
    this.choose = choose;
    $("order").addEventListener("change", () => this.draw());
    $("more").addEventListener("click", () => {
      this.#shown += PAGE;
      this.draw();
    });
    const area = events.reduce((sum, event) => sum + event.area_m2, 0);
    $("count").textContent = events.length
      ? `${events.length.toLocaleString("en")} on ${hectares(area)}`
      : "";
    $("nothing").hidden = events.length > 0;
    $("order-row").hidden = events.length < 2;
  }

  draw() {
    const sorted = [...this.events].sort(ORDERS[$("order").value]);
    const items = sorted.slice(0, this.#shown).map((event) => this.#item(event));
    $("list").replaceChildren(...items);
    $("more").hidden = sorted.length <= this.#shown;
    $("more").textContent = `Show more (${sorted.length - this.#shown} left)`;
  }

  /** Marks the chosen one. */
  mark() {
    for (const button of $("list").querySelectorAll("button")) {
      const chosen = button.dataset.event === this.chosen();
      if (chosen) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
  }

  #item(event) {
    const score = (event.score_peak ?? event.score ?? 0).toFixed(2);
    const label = `${dayOf(event.day)}, ${hectares(event.area_m2)}, score ${score}`;
    const extra = [event.state, event.review_verdict].filter(Boolean).join(", ");
    const button = element(
      "button",
      { type: "button", "data-event": event.id, "aria-label": label },
      element("b", {}, dayOf(event.day)),
      element("span", {}, hectares(event.area_m2)),
      element("span", { class: "soft" }, extra || `score ${score}`),
    );
    if (event.id === this.chosen()) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => this.choose(event.id));
    return element("li", {}, button);
  }
}
