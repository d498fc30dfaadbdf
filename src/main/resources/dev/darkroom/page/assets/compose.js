// The form.

import { html, nothing, render } from "./lit-html/lit-html.js";
import { post } from "./state.js";

const WHOLE = /^-?\d+$/;

export class Compose {
  #form = document.getElementById("compose");
  #said = document.getElementById("said");
  #chosen = document.getElementById("chosen");
  #more = document.getElementById("more");
  /** A picture that lies in the store already. */
  #picture = null;
  /** What the form has no field for, of settings that were taken from another request. */
  #rest = {};

  constructor() {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#form.elements.prompt.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        this.#form.requestSubmit();
      }
    });
    this.#form.elements.picture?.addEventListener("change", () => this.#choose(null));
  }

  /** Fills the form with a request's settings, under a new id. */
  fill({ requestId, prompt, negativePrompt, profile, seed, count, width, height, steps, image, ...rest }) {
    const fields = this.#form.elements;
    this.#form.reset();
    this.#choose(image ?? null);
    if (image && fields.strength) {
      fields.strength.value = image.strength ?? "";
    }
    fields.prompt.value = prompt ?? "";
    fields.negativePrompt.value = negativePrompt ?? "";
    fields.profile.value = profile ?? "final";
    fields.seed.value = seed?.rawJSON ?? seed ?? "";
    fields.count.value = count ?? 1;
    fields.size.value = width && height ? `${width}x${height}` : "";
    fields.steps.value = steps ?? "";
    this.#rest = rest;
    this.#more.open = true;
    this.#toForm();
    this.say("The settings are in the form.");
  }

  /** Starts the next request from an image of the store. */
  start(image, address) {
    this.#choose({ bucket: image.bucket, key: image.key, sha256: image.sha256, address });
    this.#more.open = true;
    this.#toForm();
  }

  /** Sizes that were seen. */
  offer(sizes) {
    render([...sizes].map((size) => html`<option value=${size}></option>`), document.getElementById("sizes"));
  }

  #toForm() {
    this.#form.scrollIntoView({ block: "nearest" });
    this.#form.elements.prompt.focus();
  }

  #choose(picture) {
    this.#picture = picture;
    this.#chosen.hidden = picture === null;
    render(picture === null ? nothing : html`${picture.address ? html`<img src=${picture.address} alt="">` : nothing}
      Starts from ${picture.address ? "this picture" : picture.key}.
      <button type="button" class="small" @click=${() => this.#choose(null)}>Do not</button>`, this.#chosen);
  }

  /** Says what came of something, below the form. */
  say(sentence, wrong = false) {
    this.#said.textContent = sentence;
    this.#said.dataset.state = wrong ? "wrong" : "";
  }

  async #send() {
    const fields = this.#form.elements;
    const send = this.#form.querySelector("button.primary");
    send.disabled = true;
    this.say("Sending …");
    try {
      const file = fields.picture?.files[0];
      if (file) {
        this.#picture = await post("/pictures", file);
      }
      const sent = await post(`/requests${fields.express.checked ? "?lane=express" : ""}`, this.#json());
      this.say(`Sent as ${sent.requestId}, ${sent.place}.`);
      fields.requestId.value = "";
      this.#rest = {};
    } catch (refusal) {
      this.say(refusal.message, true);
      const field = { width: "size", height: "size" }[refusal.field] ?? refusal.field?.split(".").pop();
      if (fields[field]?.focus && field !== "prompt") {
        this.#more.open = true;
      }
      fields[field]?.focus?.();
    } finally {
      send.disabled = false;
    }
  }

  /** The request's JSON, by hand where numbers are longer than a double is exact. */
  #json() {
    const fields = this.#form.elements;
    const request = { ...this.#rest, requestId: fields.requestId.value.trim() || newId(), prompt: fields.prompt.value.trim(),
      profile: fields.profile.value };
    if (fields.negativePrompt.value.trim() !== "") {
      request.negativePrompt = fields.negativePrompt.value.trim();
    }
    if (fields.size.value.trim() !== "") {
      [request.width, request.height] = fields.size.value.trim().split("x").map(Number);
    }
    if (fields.steps.value !== "") {
      request.steps = Number(fields.steps.value);
    }
    if (Number(fields.count.value) !== 1) {
      request.count = Number(fields.count.value);
    }
    if (this.#picture !== null) {
      const { bucket, key, sha256 } = this.#picture;
      request.image = { bucket, key, sha256 };
      if (fields.strength.value !== "") {
        request.image.strength = Number(fields.strength.value);
      }
    }
    const seed = fields.seed.value.trim();
    const json = JSON.stringify(request);
    return WHOLE.test(seed) ? `${json.slice(0, -1)},"seed":${seed}}` : json;
  }
}

/** As nobody else makes one up in the same second. */
function newId() {
  const time = new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, "").replace("T", "-");
  return `page-${time}-${crypto.randomUUID().slice(0, 4)}`;
}
