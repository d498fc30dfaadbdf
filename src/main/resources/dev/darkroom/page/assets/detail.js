// One request, in a dialog: its image, what it was made with, its events, and what can be done with it.

import { html, nothing, render } from "./lit-html/lit-html.js";
import { clock, commands, duration, exactly, imageAddress } from "./format.js";

const STAGES = {
  queueWait: "queue wait", adapterSwitch: "adapter switch", textEncoding: "text encoding", sourceEncoding: "source encoding",
  denoising: "denoising", decoding: "decoding", safetyCheck: "safety check", imageEncoding: "image encoding", upload: "upload",
};

export class Detail {
  #dialog = document.getElementById("detail");
  #tile = null;
  #documents = {};
  #copied = null;

  /** @param {{beside: Function, again: Function, start: Function, cancel: Function}} actions */
  constructor(actions) {
    this.actions = actions;
    this.#dialog.addEventListener("click", (event) => {
      // The backdrop is the dialog's own, and all else in it is the sheet's
      if (event.target === this.#dialog) {
        this.#dialog.close();
      }
    });
    this.#dialog.addEventListener("keydown", (event) => {
      if (event.target.closest("pre, input") || this.#tile.index === undefined) {
        return;
      }
      const next = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      const tile = next && actions.beside(this.#tile, next);
      if (tile) {
        event.preventDefault();
        this.show(tile);
      }
    });
  }

  /** @param {{request: object, index?: number}} tile without an index where there is no image */
  async show(tile) {
    this.#tile = tile;
    this.#documents = {};
    this.#copied = null;
    this.#render();
    if (!this.#dialog.open) {
      this.#dialog.showModal();
    }
    const response = await fetch(`/requests/${encodeURIComponent(tile.request.id)}`);
    const documents = exactly(await response.text());
    if (this.#tile === tile) {
      this.#documents = response.ok ? documents : { problem: documents.message };
      this.#render();
    }
  }

  async #copy(name, text) {
    try {
      await navigator.clipboard.writeText(text);
      this.#copied = { said: `Copied for ${name}.`, text };
    } catch {
      this.#copied = { said: "The browser does not let the page copy. Here it is:", text };
    }
    this.#render();
  }

  #render() {
    const { request, index } = this.#tile;
    const { request: sent, outcome, problem } = this.#documents;
    const open = request.state === "waiting" || request.state === "running";
    const data = outcome?.data;
    const again = sent ?? (data?.parameters && asRequest(request.id, data.parameters));
    const copies = again ? commands(again, request.lane) : {};
    render(html`<div class="sheet ${index === undefined ? "alone" : ""}">
      ${index === undefined ? nothing : html`<div class="picture">
        <img src=${imageAddress(request, index)} alt=${`Generated: ${request.prompt}`}></div>`}
      <div class="facts">
        <div class="head"><h2 id="detail-title">${data?.parameters?.prompt ?? sent?.prompt ?? (request.prompt || request.id)}</h2>
          <button class="small" @click=${() => this.#dialog.close()}>Close</button></div>
        ${request.reason ? html`<p><span class="badge bad">${request.reason}</span> ${request.message}</p>` : nothing}
        <div class="actions">
          ${open ? html`<button @click=${() => this.actions.cancel(request)}>Cancel request</button>` : nothing}
          ${again ? html`<button @click=${() => this.#leave(() => this.actions.again(again))}>Use these settings</button>` : nothing}
          ${data?.images && document.body.dataset.pictures === data.images[index].bucket
            ? html`<button @click=${() => this.#leave(() => this.actions.start(data.images[index], request, index))}>Start from this picture</button>`
            : nothing}
        </div>
        ${problem ? html`<p>${problem}</p>` : nothing}
        ${this.#facts(request, data, index)}
        ${data?.timings ? this.#timings(data.timings) : nothing}
        ${again ? html`<div><h3>Copy as a command</h3><div class="actions">
          ${Object.entries(copies).map(([name, text]) => html`<button class="small" @click=${() => this.#copy(name, text)}>${name}</button>`)}
          <span class="soft" role="status">${this.#copied?.said}</span></div>
          ${this.#copied ? html`<pre tabindex="0">${this.#copied.text}</pre>` : nothing}</div>` : nothing}
        ${outcome ? html`<details><summary>The ${request.state} event</summary><pre tabindex="0">${JSON.stringify(outcome, null, 2)}</pre></details>` : nothing}
        ${sent ? html`<details><summary>The request</summary><pre tabindex="0">${JSON.stringify(sent, null, 2)}</pre></details>` : nothing}
      </div></div>`, this.#dialog);
  }

  #leave(action) {
    this.#dialog.close();
    action();
  }

  #facts(request, data, index) {
    const p = data?.parameters;
    const image = index === undefined ? undefined : request.images[index];
    const facts = [
      ["Request", request.id],
      ["State", request.state],
      ["Asked for", request.requested ? clock(request.requested) : undefined],
      ["Ended", request.ended ? clock(request.ended) : undefined],
      ["Lane", request.lane],
      ["Profile", p?.profile ?? request.profile],
      ["Seed", image?.seed],
      ["Size", image && `${image.width}×${image.height} px`],
      ["Steps", p && `${p.steps}, ${p.scheduler}`],
      ["Guidance", p && `${p.guidance.scale}${p.guidance.cutoff < 1 ? `, dropped after ${Math.round(p.guidance.cutoff * 100)} %` : ""}`],
      ["Not in it", p?.negativePrompt],
      ["Worker", request.worker && `${request.worker}${data?.model ? `, ${data.model.bundle} on ${data.model.device}` : ""}`],
    ];
    return html`<dl>${facts.filter(([, value]) => value).map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
  }

  #timings(timings) {
    const rows = Object.entries(STAGES).filter(([key]) => timings[key] !== undefined);
    return html`<table><caption class="quiet">Where its time went</caption>
      ${rows.map(([key, name]) => html`<tr><th scope="row">${name}</th>
        <td class="share"><progress aria-label=${name} max=${timings.total} value=${timings[key]}></progress></td>
        <td>${duration(timings[key])}</td></tr>`)}
      <tr><th scope="row">total</th><td></td><td>${duration(timings.total)}</td></tr></table>`;
  }
}

/** Parameters of an event have the names and places that they have in a request. */
function asRequest(requestId, { promptTruncated, promptTokens, ...parameters }) {
  return { requestId, ...parameters };
}
