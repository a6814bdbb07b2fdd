// The chat: asks, shows the answer as it is written, stops it, asks again, branches. The page works without; this makes it quick.

import { call, copy, fetchPage, quantity, reasonOf, request, say, span, word } from "./api.js";
import * as composer from "./composer.js";
import * as past from "./history.js";
import { follow, resume } from "./stream.js";
import * as turn from "./turns.js";

const content = document.getElementById("content");
const isTemporary = "temporary" in content.dataset;
const conversation = () => content.dataset.id;

/** The answer that is being written: its turn and, once it was accepted, its generation. */
let running = null;

/** Shows an answer while it comes. `begin` sends the request, `question` is the turn above it, if it is new. */
async function run(begin, answer, question = null, generation = null) {
  const me = (running = { answer, generation });
  let isOver = false;
  composer.setBusy(true);
  turn.setWait(answer, word("begins"));
  turn.keepEnd(true);
  const handlers = {
    accepted(data) {
      me.generation = data.generation;
      if (me.isStopped) stopIt(me);
      name(question, data.message);
      name(answer, data.answer);
      if (!data.kept && !isTemporary) turn.setState(answer, word("notKept"));
      if (data.omitted > 0) tellOmitted(question ?? answer, data.omitted);
    },
    queued(data) {
      const place = new Intl.NumberFormat(document.documentElement.lang).format(data.position);
      turn.setWait(answer, data.eta_s > 0 ? word("queued", { p: place, t: span(data.eta_s) }) : word("queuedOnly", { p: place }));
    },
    delta(data) {
      me.text = (me.text ?? "") + data.content;
      turn.grow(answer, data);
    },
    done(data) {
      isOver = true;
      turn.grow(answer, data);
      if (data.stopped) turn.setState(answer, word("stopped"));
      else if (data.finish_reason === "insufficient_system_resource") turn.setState(answer, word("cut"));
      else if (data.finish_reason === "length") turn.setState(answer, word("length"));
    },
    error(data) {
      isOver = true;
      const code = data.error?.code ?? "internal";
      const why = document.querySelector(`#reasons > [data-code="${CSS.escape(code)}"]`)?.textContent ?? word("lost");
      const hasText = answer.querySelector(".answer").childElementCount > 0;
      turn.setState(answer, hasText ? word("cut") : why, !hasText);
    },
    again: () => turn.renew(answer),
    gone: () => location.reload(),
  };
  try {
    await follow(begin, handlers, generation);
  } catch (error) {
    if (!me.generation) {
      answer.remove();
      throw error;
    }
    turn.setState(answer, reasonOf(error), true);
  } finally {
    running = null;
    composer.setBusy(false);
    turn.endAnswer(answer);
  }
  if (isTemporary) spoken.push({ role: "assistant", text: me.text ?? "" });
  else if (isOver) await turn.refresh(location.pathname).catch(() => {});
  turn.keepEnd();
}

function name(place, id) {
  if (place && id) [place.id, place.dataset.id] = [id, id];
}

function tellOmitted(before, count) {
  const note = document.createElement("p");
  note.className = "omitted soft";
  note.textContent = word("omitted", { n: new Intl.NumberFormat(document.documentElement.lang).format(count) });
  for (const old of document.querySelectorAll(".omitted")) old.remove();
  before.before(note);
}

/** Sends a question below `parent` (`undefined`: below the newest turn). */
async function send(text, parent) {
  composer.setFault();
  const { model, attachments } = composer.options();
  try {
    if (!conversation() && !isTemporary) await open(model);
  } catch (error) {
    return composer.setFault(reasonOf(error));
  }
  const files = composer.takeFiles();
  const question = turn.addQuestion(text, files);
  const answer = turn.beginAnswer();
  content.classList.remove("is-new");
  composer.field.value = "";
  const body = isTemporary ? { messages: [...spoken, { role: "user", text }], model, ...settings() } : { text, parent, model, attachments };
  const path = isTemporary ? "/temporary/messages" : `/conversations/${conversation()}/messages`;
  try {
    if (isTemporary) spoken.push({ role: "user", text });
    await run(() => request("POST", path, body), answer, question);
  } catch (error) {
    if (isTemporary) spoken.pop();
    question.remove();
    composer.field.value = text;
    composer.setFault(reasonOf(error));
  }
}

/** What was said in a temporary chat: kept here and nowhere else. */
const spoken = [];

/** Makes the conversation that the first question begins; the address becomes its own. */
async function open(model) {
  const made = await call("POST", "/conversations", { model, ...settings() });
  content.dataset.id = made.id;
  history.pushState(null, "", `/c/${made.id}`);
  composer.form.action = `/c/${made.id}`;
  for (const link of document.querySelectorAll("#history [aria-current]")) link.removeAttribute("aria-current");
}

/** System prompt and temperature, as the panel has them before there is a conversation. */
function settings() {
  const { system, temperature } = composer.form.elements;
  return { system: system?.value.trim() || undefined, temperature: temperature?.value ? Number(temperature.value) : undefined };
}

async function again(button, verb) {
  if (running) return;
  const old = button.closest(".turn");
  const path = `/conversations/${conversation()}/messages/${old.dataset.id}/${verb}`;
  if (verb === "regenerate") turn.cutFrom(old.nextElementSibling);
  const answer = verb === "regenerate" ? turn.beginAnswer(old) : old;
  if (answer === old) turn.renew(old);
  turn.setState(answer, "");
  try {
    await run(() => request("POST", path, {}), answer);
  } catch (error) {
    if (verb === "regenerate") turn.turns.append(old);
    turn.setState(old, reasonOf(error), true);
  }
}

/** Turns a question into a field; sending it begins another branch beside it. */
function edit(place) {
  if (running || !place || place.querySelector("form") || isTemporary) return;
  const [text, foot] = [place.querySelector(".text"), place.querySelector(".foot")];
  const form = document.getElementById("edit-form").content.firstElementChild.cloneNode(true);
  const field = form.querySelector("textarea");
  field.value = text.textContent;
  const leave = () => {
    form.remove();
    text.hidden = foot.hidden = false;
    foot.querySelector('[value="edit"]')?.focus();
  };
  const go = () => {
    if (field.value.trim() === "") return;
    const parent = place.dataset.parent || null;
    turn.cutFrom(place);
    send(field.value, parent);
    composer.field.focus();
  };
  form.addEventListener("submit", (event) => (event.preventDefault(), go()));
  form.querySelector("[type=button]").addEventListener("click", leave);
  field.addEventListener("keydown", (event) => {
    if (composer.isSend(event)) (event.preventDefault(), go());
    else if (event.key === "Escape") (event.stopPropagation(), leave());
  });
  text.hidden = foot.hidden = true;
  text.after(form);
  field.focus();
}

function stop() {
  if (!running) return;
  running.isStopped = true;
  if (running.generation) stopIt(running);
}

const stopIt = (what) => call("POST", `/generations/${what.generation}/stop`).catch(() => {});

/** The source of a turn, as its author or the model wrote it. */
async function source(place) {
  if (place.matches(".person")) return place.querySelector(".text").textContent;
  if (isTemporary || !place.dataset.id) return place.querySelector(".answer").innerText;
  const { data } = await call("GET", `/conversations/${conversation()}/messages?limit=200`);
  return data.find((message) => message.id === place.dataset.id)?.text ?? place.querySelector(".answer").innerText;
}

turn.turns.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  const place = button?.closest(".turn");
  if (!place) return;
  const [verb] = button.value.split(" ");
  if (verb === "code") copy(button.closest(".code").querySelector("code").textContent, button);
  else if (verb === "copy") copy(await source(place), button);
  else if (verb === "edit") edit(place);
  else if (verb === "regenerate" || verb === "continue") (event.preventDefault(), again(button, verb));
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && running && !document.querySelector("dialog[open]")) stop();
  const panel = document.getElementById("settings");
  if (event.key === "Escape" && panel?.open) {
    panel.open = false;
    panel.querySelector("summary").focus();
  }
});
document.addEventListener("click", (event) => {
  const panel = document.getElementById("settings");
  if (panel?.open && !panel.contains(event.target)) panel.open = false;
  const link = event.target.closest("[data-copy]");
  if (link) copy(link.dataset.copy, link);
});
addEventListener("popstate", () => location.reload());

composer.wire((text) => running || send(text), stop, () => edit([...turn.turns.querySelectorAll(".turn.person")].at(-1)));
composer.keepModel(conversation);
past.wire(conversation);
if (matchMedia("(hover: hover)").matches && !location.hash) composer.field.focus({ preventScroll: true });

turn.addCopies(turn.turns);

// The days of the history are the reader's: told once.
if ("zone" in content.dataset) {
  call("PATCH", "/account", { time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone }).catch(() => {});
}

// An answer that went on while the page was closed: read again from its beginning.
const parked = turn.turns.querySelector(".turn[data-generation]");
if (parked) {
  const { generation } = parked.dataset;
  run(() => resume(generation, null), turn.readAgain(parked), null, generation).catch(() => location.reload());
}
