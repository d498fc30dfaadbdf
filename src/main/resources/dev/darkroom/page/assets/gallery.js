// The images: of ten thousand, those are in the document that can be seen.

import { html, render } from "./lit-html/lit-html.js";
import { repeat } from "./lit-html/directives/repeat.js";
import { count, duration, imageAddress } from "./format.js";

const LEAST_TILE = 150;
const GAP = 12;
const CAPTION = 46;
const BORDERS = 2;
/** Rows above and below what is seen. */
const SPARE_ROWS = 2;

export class Gallery {
  #list = document.getElementById("gallery");
  #none = document.getElementById("none");
  #newer = document.getElementById("newer");
  #filter = document.getElementById("filter");
  #title = document.getElementById("images-title");
  #tiles = [];
  #shown = [];
  /** What stays while somebody reads further down: the tiles as they were. */
  #held = null;
  #focus = 0;
  #scheduled = false;
  #columns = 1;
  #rowHeight = 1;

  /** @param {(tile: object) => void} open */
  constructor(open) {
    this.open = open;
    this.#filter.addEventListener("input", () => this.#reset());
    this.#newer.addEventListener("click", () => {
      this.#focus = 0;
      this.#reset();
      window.scrollTo({ top: this.#top(), behavior: "instant" });
    });
    this.#list.addEventListener("keydown", (event) => this.#move(event));
    this.#list.addEventListener("focusin", (event) => {
      const at = Number(event.target.closest("li")?.dataset.at ?? -1);
      if (at >= 0) {
        this.#focus = at;
      }
    });
    this.#list.addEventListener("focusout", () => this.#schedule());
    addEventListener("scroll", () => this.#schedule(), { passive: true });
    new ResizeObserver(() => this.#schedule()).observe(this.#list);
  }

  /** @param {object[]} tiles the latest first; the gallery does not change them, and looks at them when it likes */
  update(tiles) {
    this.#tiles = tiles;
    this.#schedule();
  }

  /** The tile before or after another, for who looks at them one by one; undefined at the ends. */
  beside(tile, step) {
    const at = this.#shown.findIndex((each) => each.request.id === tile.request.id && each.index === tile.index);
    return at < 0 ? undefined : this.#shown[at + step];
  }

  #reset() {
    this.#held = null;
    this.#schedule();
  }

  #schedule() {
    if (!this.#scheduled) {
      this.#scheduled = true;
      requestAnimationFrame(() => {
        this.#scheduled = false;
        this.#render();
      });
    }
  }

  #top() {
    return Math.max(0, this.#list.getBoundingClientRect().top + scrollY - 64);
  }

  #matching(tiles) {
    const words = this.#filter.value.trim().toLowerCase();
    return words === "" ? tiles : tiles.filter(({ request }) =>
      request.prompt.toLowerCase().includes(words) || request.id.toLowerCase().includes(words));
  }

  #render() {
    const box = this.#list.getBoundingClientRect();
    this.#columns = Math.max(2, Math.floor((box.width + GAP) / (LEAST_TILE + GAP)));
    const tile = (box.width - (this.#columns - 1) * GAP) / this.#columns;
    this.#rowHeight = tile + CAPTION + GAP;
    // Whoever has gone down, or to a tile with the keyboard, is not to have it pushed away
    const away = box.top < -this.#rowHeight / 2 || this.#list.contains(document.activeElement);
    if (away) {
      this.#held ??= this.#tiles.slice();
    } else {
      this.#held = null;
    }
    const from = this.#held ?? this.#tiles;
    this.#shown = this.#matching(from);
    const rows = Math.ceil(this.#shown.length / this.#columns);
    const first = Math.max(0, Math.floor(-box.top / this.#rowHeight) - SPARE_ROWS);
    const last = Math.min(rows, Math.ceil((innerHeight - box.top) / this.#rowHeight) + SPARE_ROWS);
    const start = Math.min(first, last) * this.#columns;
    const seen = this.#shown.slice(start, last * this.#columns);
    this.#focus = Math.max(0, Math.min(this.#focus, this.#shown.length - 1));
    const stop = this.#focus >= start && this.#focus < start + seen.length ? this.#focus : start;

    this.#list.style.height = `${Math.max(0, rows * this.#rowHeight - GAP)}px`;
    this.#list.style.setProperty("--tile", `${tile}px`);
    render(repeat(seen, (each) => `${each.request.id} ${each.index}`, (each, i) => this.#tile(each, start + i, stop)), this.#list);
    let at = start;
    for (const item of this.#list.children) {
      const x = (at % this.#columns) * (tile + GAP);
      const y = Math.floor(at / this.#columns) * this.#rowHeight;
      item.style.transform = `translate(${x}px, ${y}px)`;
      at++;
    }
    this.#none.hidden = this.#shown.length > 0;
    if (this.#tiles.length > 0) {
      this.#none.textContent = "No image has that in its prompt or id.";
    }
    this.#title.textContent = this.#shown.length === 0 ? "Images" : `Images, ${count(this.#shown.length)}`;
    const newer = this.#held === null ? 0 : this.#newerThan(this.#held[0]);
    this.#newer.hidden = newer === 0;
    this.#newer.textContent = `${count(newer)} newer`;
    this.#newer.toggleAttribute("data-floating", box.top < 40);
  }

  #newerThan(tile) {
    const at = tile === undefined ? this.#tiles.length
      : this.#tiles.findIndex((each) => each.request.id === tile.request.id && each.index === tile.index);
    return at < 0 ? this.#tiles.length : at;
  }

  #tile(each, at, stop) {
    const { request, image, index } = each;
    return html`<li data-at=${at} aria-setsize=${this.#shown.length} aria-posinset=${at + 1}>
      <button class="tile" tabindex=${at === stop ? 0 : -1} @click=${() => this.open(each)}>
        <img src=${imageAddress(request, index)} width=${image.width} height=${image.height} alt="" decoding="async">
        <span class="caption"><span class="clip">${request.prompt}</span>
        <span class="clip soft">${request.profile}, ${duration(request.took)}</span></span>
      </button></li>`;
  }

  /** Arrow keys go from tile to tile, and scroll with it. */
  #move(event) {
    const step = {
      ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.#columns, ArrowDown: this.#columns,
      Home: -this.#shown.length, End: this.#shown.length,
    }[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    event.preventDefault();
    const to = Math.max(0, Math.min(this.#focus + step, this.#shown.length - 1));
    this.focus(to);
  }

  /** Shows a tile and gives it the keyboard. */
  focus(to) {
    this.#focus = to;
    const top = this.#list.getBoundingClientRect().top + Math.floor(to / this.#columns) * this.#rowHeight;
    if (top < 60 || top + this.#rowHeight > innerHeight) {
      window.scrollBy({ top: top < 60 ? top - 60 : top + this.#rowHeight - innerHeight + 12, behavior: "instant" });
    }
    this.#render();
    this.#list.querySelector(`li[data-at="${to}"] button`)?.focus({ preventScroll: true });
  }
}
