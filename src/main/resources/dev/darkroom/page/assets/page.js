// The page: what the stream tells, shown a frame at a time.

import { html, nothing, render } from "./lit-html/lit-html.js";
import { repeat } from "./lit-html/directives/repeat.js";
import { Compose } from "./compose.js";
import { Detail } from "./detail.js";
import { clock, count, duration, gib, imageAddress } from "./format.js";
import { Gallery } from "./gallery.js";
import { Requests, follow, post } from "./state.js";

const OPEN_SHOWN = 40;
const FAILURES_SHOWN = 60;

const at = (id) => document.getElementById(id);
const requests = new Requests(Number(document.body.dataset.limit));
let state = null;

const compose = new Compose();
const gallery = new Gallery((tile) => detail.show(tile));
const detail = new Detail({
  beside: (tile, step) => gallery.beside(tile, step),
  again: (request) => compose.fill(request),
  start: (image, request, index) => compose.start(image, imageAddress(request, index)),
  cancel,
});

let scheduled = false;
function schedule() {
  if (!scheduled) {
    scheduled = true;
    requestAnimationFrame(() => {
      scheduled = false;
      show();
    });
  }
}

follow({
  changes(all, changed) {
    if (all) {
      requests.clear();
    }
    changed.forEach((request) => requests.take(request));
    schedule();
  },
  state(now) {
    state = now;
    schedule();
  },
  connection(is) {
    at("connection").dataset.state = is;
    at("connection").textContent = { live: "Live", lost: "Reconnecting" }[is];
  },
});

/** Requests whose cancellation is on its way. */
const cancelled = new Set();

async function cancel(request) {
  cancelled.add(request.id);
  schedule();
  try {
    await post("/cancellations", JSON.stringify({ requestId: request.id }));
  } catch (refusal) {
    cancelled.delete(request.id);
    compose.say(`${request.id} is not cancelled: ${refusal.message}`, true);
  }
  schedule();
}

function show() {
  const open = requests.open();
  gallery.update(requests.tiles);
  compose.offer(requests.sizes);
  render(flight(open), at("flight"));
  if (state === null) {
    return;
  }
  at("problem").textContent = state.problem;
  at("rate").textContent = state.imagesPerSecond.toFixed(1);
  at("lag").textContent = count(state.lag);
  at("express-lag").textContent = count(state.expressLag);
  at("running").textContent = count(open.filter((request) => request.state === "running").length);
  at("completed").textContent = count(state.counts.completed ?? 0);
  at("failed").textContent = count(state.counts.failed ?? 0);
  const most = Math.max(1, ...state.rate);
  at("spark").firstElementChild.setAttribute("points", state.rate.map((n, i) => `${i},${31 - (n / most) * 29}`).join(" "));
  render(stages(), at("stages"));
  render(workers(), at("workers"));
  render(failures(), at("failures"));
}

const flight = (open) => open.length === 0 ? html`<p class="none">Nothing waits and nothing is being generated.</p>` : html`<ul>
  ${repeat(open.slice(0, OPEN_SHOWN), (request) => request.id, (request) => html`<li>
    <div class="row"><div class="text">
      <button class="link clip" @click=${() => detail.show({ request })}>${request.prompt || request.id}</button>
      <div class="soft clip">${request.id}${request.lane === "express" ? ", express" : ""}</div></div>
      <button class="small" ?disabled=${cancelled.has(request.id)} aria-label=${`Cancel ${request.id}`}
        @click=${() => cancel(request)}>${cancelled.has(request.id) ? "Cancelling" : "Cancel"}</button></div>
    <div class="row"><div class="text"><progress aria-label="Steps of ${request.id}" max=${request.total ?? 1} value=${request.step ?? 0}></progress></div>
      <span class="soft">${request.state === "running" ? `${request.step}/${request.total}` : "waits"}</span></div>
    </li>`)}
  </ul>${open.length > OPEN_SHOWN ? html`<p class="soft">And ${count(open.length - OPEN_SHOWN)} more wait.</p>` : nothing}`;

function stages() {
  if (state.stages.length === 0) {
    return html`<p class="none">Known with the first image.</p>`;
  }
  const most = Math.max(...state.stages.map((stage) => stage.median));
  return html`<table><thead class="quiet"><tr><th>Stage</th><th>Share</th><th>Median</th><th>95th percentile</th></tr></thead><tbody>
    ${state.stages.map((stage) => html`<tr><th scope="row">${stage.name}</th>
      <td class="share"><progress aria-label="${stage.name}, median" max=${most} value=${stage.median}></progress></td>
      <td title="Median">${duration(stage.median)}</td><td class="soft" title="95th percentile">${duration(stage.p95)}</td></tr>`)}
    </tbody></table><p class="soft">Median and 95th percentile, ${count(state.outcomes)} requests.</p>`;
}

const workers = () => state.workers.length === 0 ? html`<p class="none">Known with the first image.</p>` : html`<ul>
  ${state.workers.map(({ source, device, bundle, compiled, images, heard, vram }) => html`<li>
    <div class="row"><span class="text clip">${source}</span><span class="soft">${device}${compiled ? ", compiled" : ""}</span></div>
    ${vram ? html`<progress aria-label="Memory of ${source}" max=${vram.deviceTotal} value=${vram.deviceUsed}></progress>
      <div class="soft">VRAM ${gib(vram.deviceUsed)} of ${gib(vram.deviceTotal)}, tensors at most ${gib(vram.peakAllocated)}</div>` : nothing}
    <div class="soft clip">${bundle}, ${count(images)} ${images === 1 ? "image" : "images"}, last at ${clock(heard)}</div></li>`)}
  </ul>`;

function failures() {
  const all = [
    ...requests.failures.slice(0, FAILURES_SHOWN).map((request) => ({ time: request.ended, request })),
    ...state.deadLetters.map((letter) => ({ time: letter.time, letter })),
  ].sort((a, b) => b.time - a.time).slice(0, FAILURES_SHOWN);
  return all.length === 0 ? html`<p class="none">None.</p>` : html`<ul>
    ${repeat(all, ({ request, letter }) => request?.id ?? letter.place, ({ time, request, letter }) => html`<li>
      <div class="row"><span class="text"><span class="badge ${letter ? "" : "bad"}">${letter ? "DEAD LETTER" : request.reason}</span>
        ${letter ? letter.key || letter.from : html`<button class="link" @click=${() => detail.show({ request })}>${request.id}</button>`}</span>
        <span class="soft">${clock(time)}</span></div>
      <div class="soft">${letter ? `${letter.reason} ${letter.from === "" ? "" : `(${letter.from})`}` : request.message}</div></li>`)}
    </ul>`;
}
