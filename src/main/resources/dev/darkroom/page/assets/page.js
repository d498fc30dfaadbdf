import {html, render} from "./lit-html/lit-html.js";
const images = [];
const stream = new EventSource("/changes");
stream.addEventListener("changes", event => {
  for (const r of JSON.parse(event.data).requests) if (r.images) images.unshift(`/requests/${r.id}/images/0?${r.images[0].digest}`);
  render(images.map(src => html`<li><img src=${src}>`), document.querySelector("ul"));
});
