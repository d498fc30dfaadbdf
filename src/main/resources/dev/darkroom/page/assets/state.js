// What the stream of changes tells, kept as long as the server keeps it.

/** @typedef {{id: string, state: string, requested: number, heard: number, lane?: string, prompt: string, profile: string,
 *   step?: number, total?: number, worker?: string, took?: number, ended?: number, reason?: string, message?: string,
 *   images?: {width: number, height: number, seed: string, digest: string}[]}} Request */

/** Requests by their ids, and the lists that follow from them. */
export class Requests {
  /** @param {number} limit as many as the server keeps */
  constructor(limit) {
    this.limit = limit;
    this.clear();
  }

  clear() {
    /** @type {Map<string, Request>} */
    this.byId = new Map();
    /** One for each image, the latest first. */
    this.tiles = [];
    /** The latest first. */
    this.failures = [];
    /** Sizes that images had, for the form to offer. */
    this.sizes = new Set();
  }

  /** @param {Request} request as it is now */
  take(request) {
    const before = this.byId.get(request.id);
    this.byId.delete(request.id);
    if (request.state === "gone") {
      return;
    }
    this.byId.set(request.id, request);
    if (before?.state === request.state) {
      this.#replace(before, request);
    } else if (request.state === "completed") {
      insert(this.tiles, ...request.images.map((image, index) => ({ request, image, index, ended: request.ended })));
      request.images.forEach((image) => this.sizes.add(`${image.width}x${image.height}`));
    } else if (request.state === "failed") {
      insert(this.failures, request);
    }
    if (this.byId.size > this.limit) {
      const [id, oldest] = this.byId.entries().next().value;
      this.byId.delete(id);
      this.#forget(oldest);
    }
  }

  #replace(before, request) {
    if (request.state === "completed") {
      this.tiles.forEach((tile) => {
        if (tile.request === before) {
          tile.request = request;
        }
      });
    } else if (request.state === "failed") {
      this.failures[this.failures.indexOf(before)] = request;
    }
  }

  /** It is the last of its list, or near: lists and map are in nearly the same order. */
  #forget(request) {
    if (request.state === "completed") {
      for (let i = this.tiles.length - 1, left = request.images.length; i >= 0 && left > 0; i--) {
        if (this.tiles[i].request === request) {
          this.tiles.splice(i, 1);
          left--;
        }
      }
    } else if (request.state === "failed") {
      const at = this.failures.lastIndexOf(request);
      if (at >= 0) {
        this.failures.splice(at, 1);
      }
    }
  }

  /** Those without an outcome: first what is being generated, then what waits, the oldest first. */
  open() {
    const open = [...this.byId.values()].filter((request) => request.state === "running" || request.state === "waiting");
    return open.sort((a, b) =>
      a.state === b.state ? a.requested - b.requested : a.state === "running" ? -1 : 1);
  }
}

/** Puts items before the first of the list that ended no later. */
function insert(list, ...items) {
  let at = 0;
  while (at < list.length && list[at].ended > items[0].ended) {
    at++;
  }
  list.splice(at, 0, ...items);
}

/**
 * Follows the server's stream, but while nobody looks: a browser has six connections to a server, and each tab would hold one.
 *
 * @param {{changes: (all: boolean, requests: Request[]) => void, state: (state: object) => void,
 *   connection: (state: "connecting" | "live" | "lost") => void}} listener
 */
export function follow(listener) {
  let stream = null;
  const open = () => {
    stream = new EventSource("/changes");
    stream.onopen = () => listener.connection("live");
    stream.onerror = () => listener.connection("lost");
    stream.addEventListener("changes", (event) => {
      const { all, requests } = JSON.parse(event.data);
      listener.changes(all, requests);
    });
    stream.addEventListener("state", (event) => listener.state(JSON.parse(event.data)));
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      stream?.close();
      stream = null;
    } else if (stream === null) {
      open();
    }
  });
  open();
}

/** Sends something to the server. Of a refusal it throws an Error with the server's sentence, and with the `field`. */
export async function post(path, body) {
  let response;
  try {
    response = await fetch(path, { method: "POST", headers: { [document.body.dataset.header]: "page" }, body });
  } catch {
    throw new Error("The page's server does not answer. Is it still running?");
  }
  const answer = await response.json();
  if (!response.ok) {
    throw Object.assign(new Error(answer.message), { field: answer.field });
  }
  return answer;
}
