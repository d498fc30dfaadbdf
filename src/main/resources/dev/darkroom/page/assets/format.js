// How things are said.

const numbers = new Intl.NumberFormat("en");

export const count = (n) => (n === undefined ? "–" : numbers.format(n));

export function duration(ms) {
  if (ms < 1000) {
    return `${ms.toFixed(ms < 100 ? 1 : 0)} ms`;
  }
  if (ms < 60_000) {
    return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  }
  const minutes = Math.floor(ms / 60_000);
  return minutes < 60 ? `${minutes} min ${Math.floor((ms % 60_000) / 1000)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export const clock = (ms) => new Date(ms).toLocaleTimeString([], { hourCycle: "h23", hour: "2-digit", minute: "2-digit", second: "2-digit" });

export const gib = (bytes) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

export const imageAddress = (request, index) =>
  `/requests/${encodeURIComponent(request.id)}/images/${index}?${request.images[index].digest}`;

/**
 * JSON in which whole numbers that a double does not hold exactly, as seeds may be, stay as they are written, where the browser
 * can do so: they are written again as they were, and have their digits as `rawJSON`.
 */
export const exactly = (text) => JSON.parse(text, (key, value, context) =>
  Number.isInteger(value) && !Number.isSafeInteger(value) && JSON.rawJSON ? JSON.rawJSON(context.source) : value);

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** The ways to send a request again from a terminal: the same id gets the same outcome. */
export function commands(request, lane) {
  const json = JSON.stringify(request);
  const { brokers, requests, express, header } = document.body.dataset;
  const first = lane === "express";
  return {
    "darkroom send": `echo ${quoted(json)} | ./darkroom send --bootstrap-servers ${brokers} ${first ? "--express " : ""}--wait -`,
    Kafka: `printf '%s\\t%s\\n' ${quoted(request.requestId)} ${quoted(json)} | kafka-console-producer.sh --bootstrap-server ${brokers} --topic ${first ? express : requests} --property parse.key=true`,
    curl: `curl -H '${header}: curl' --data ${quoted(json)} ${location.origin}/requests${first ? "?lane=express" : ""}`,
  };
}
