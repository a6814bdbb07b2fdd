// An answer on its way: server-sent events over fetch, taken up again where a lost connection left them.

import { Refused, request } from "./api.js";

/** Times that a lost connection is tried again before the page gives up. */
const TRIES_MAX = 8;

/**
 * Follows a generation to its end. `begin` sends the request; `handlers` are called by the events' names
 * (`accepted`, `queued`, `delta`, `done`, `error`), `again` when a lost stream goes on with the whole answer, and `gone` when the platform knows the generation no more.
 */
export async function follow(begin, handlers, generation = null) {
  let last = null;
  let tries = 0;
  let response = await begin();
  for (;;) {
    try {
      for await (const event of events(response)) {
        tries = 0;
        last = event.id ?? last;
        if (event.name === "accepted") generation = event.data.generation;
        handlers[event.name]?.(event.data);
        if (event.name === "done" || event.name === "error") return;
      }
    } catch (lost) {
      if (lost instanceof Refused) throw lost;
    }
    if (!generation || (tries += 1) > TRIES_MAX) throw new Error("the connection was lost");
    await new Promise((wake) => setTimeout(wake, Math.min(250 * 2 ** tries, 8000)));
    try {
      response = await resume(generation, last);
      handlers.again?.();
    } catch (refused) {
      if (refused instanceof Refused && refused.code === "not_found") return handlers.gone?.();
    }
  }
}

/** The events of a generation after `last`, or from its beginning. */
export const resume = (generation, last) =>
  request("GET", `/generations/${generation}/events`, undefined, last === null ? {} : { "Last-Event-ID": last });

/** Reads `text/event-stream`. */
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const event = parse(part);
      if (event) yield event;
    }
  }
}

function parse(part) {
  const event = { id: null, name: "message", data: null };
  for (const line of part.split("\n")) {
    const at = line.indexOf(": ");
    const value = line.slice(at + 2);
    if (line.startsWith("id: ")) event.id = value;
    else if (line.startsWith("event: ")) event.name = value;
    else if (line.startsWith("data: ")) event.data = JSON.parse(value);
  }
  return event.data === null ? null : event;
}
