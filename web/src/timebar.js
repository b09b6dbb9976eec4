// The time slider: a bar per window with the area over the threshold, and play.

import { ticks } from "./charts.js";
import { $, day, svg } from "./dom.js";

const STEP = 350; // milliseconds per window
const HEIGHT = 34;

export class TimeBar {
  #timer;

  /** `show` is called with the number of a window, `ready` before the next one is shown. */
  constructor(about, show, ready) {
    Object.assign(this, { about, show, ready });
    const last = about.windows.length - 1;
    const slider = $("time");
    slider.max = Math.max(last, 0);
    slider.disabled = $("play").disabled = last < 1;
    slider.addEventListener("input", () => {
      this.stop();
      show(Number(slider.value));
    });
    $("play").addEventListener("click", () => (this.#timer ? this.stop() : this.play()));
    this.#bars();
  }

  /** Shows which window is chosen, and whether the map shows it. */
  set(window, active) {
    const slider = $("time");
    slider.value = window;
    const span = this.about.windows[window];
    const text = span ? `${day(span[0])} to ${day(span[1] - 1)}` : "no window";
    slider.setAttribute("aria-valuetext", text);
    $("time-text").textContent = this.about.windows.length === 1 ? `${text} (the only one)` : text;
    $("timebar").classList.toggle("active", active);
    for (const bar of $("bars").querySelectorAll(".bar")) {
      bar.classList.toggle("now", Number(bar.dataset.window) === window);
    }
  }

  play() {
    const last = this.about.windows.length - 1;
    let next = Number($("time").value);
    if (next >= last) next = -1;
    this.#state(true);
    const step = () => {
      next += 1;
      this.show(next);
      if (next >= last) return this.stop();
      this.ready(next + 1);
      this.#timer = setTimeout(step, STEP);
    };
    step();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#state(false);
  }

  #state(playing) {
    this.#timer = playing ? this.#timer || -1 : undefined;
    $("play").setAttribute("aria-pressed", playing);
    $("play").setAttribute("aria-label", playing ? "Stop" : "Play through time");
    $("play").classList.toggle("playing", playing);
  }

  #bars() {
    const { windows, hectares, period } = this.about;
    const picture = $("bars");
    const most = Math.max(...hectares, 1e-9);
    const share = (index) => (windows.length < 2 ? 50 : (100 * index) / (windows.length - 1));
    const width = Math.min(3, (0.75 * 100) / Math.max(windows.length, 1));
    picture.replaceChildren(
      ...hectares.map((area, index) => {
        const height = Math.max((area / most) * HEIGHT, 1);
        const place = { x: `${share(index) - width / 2}%`, y: HEIGHT - height, width: `${width}%`, height };
        const bar = svg("rect", { class: "bar", "data-window": index, ...place });
        bar.append(svg("title", {}, `${day(windows[index][0])}: ${area.toFixed(2)} ha`));
        return bar;
      }),
    );
    const middles = windows.map(([start, end]) => (start + end) / 2);
    const [first, last] = [middles[0], middles.at(-1)];
    const labels = windows.length < 2 ? [] : ticks(period, 8);
    $("ticks").replaceChildren(
      ...labels
        .filter(([time]) => time >= first && time <= last)
        .map(([time, label]) => {
          const next = middles.findIndex((middle) => middle >= time);
          const gap = middles[next] - (middles[next - 1] ?? middles[next]);
          const index = gap ? next - (middles[next] - time) / gap : next;
          return svg("text", { x: `${share(index)}%`, y: 11, "text-anchor": "middle" }, label);
        }),
    );
  }
}
