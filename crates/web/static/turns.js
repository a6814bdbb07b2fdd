// Questions and answers on the page: made from the page's templates, filled by the platform's patches.

import { clone, fetchPage, word } from "./api.js";

export const turns = document.getElementById("turns");

/** Whether the page follows the answer down: until its reader scrolls up, again when they come back to the end. */
let follows = true;
let isScheduled = false;
const room = () => document.documentElement.scrollHeight - innerHeight - scrollY;
addEventListener("scroll", () => (follows = room() < 120), { passive: true });

/** Keeps the end in sight, once a frame. */
export function keepEnd(force = false) {
  follows ||= force;
  if (!follows || isScheduled) return;
  isScheduled = true;
  requestAnimationFrame(() => {
    isScheduled = false;
    scrollTo(0, document.documentElement.scrollHeight);
  });
}

/** Adds a question at the end. */
export function addQuestion(text, files) {
  const turn = clone("turn-person");
  turn.querySelector(".text").textContent = text;
  showFiles(turn.querySelector(".files"), files);
  turns.append(turn);
  return turn;
}

/** Lists files by name. */
export function showFiles(list, files) {
  list.hidden = files.length === 0;
  list.replaceChildren(
    ...files.map((file) => {
      const item = document.createElement("li");
      item.className = "file";
      item.textContent = file.name;
      return item;
    }),
  );
}

/** Adds an empty answer at the end, or empties one that is there. */
export function beginAnswer(old) {
  const turn = clone("turn-model");
  if (old) old.replaceWith(turn);
  else turns.append(turn);
  return turn;
}

/** The next patches are the whole answer: what stands there gives way to them when they come. */
export function renew(turn) {
  turn.querySelector(".answer").dataset.isOld = "1";
}

/** An answer of the page that is read again from its beginning: its blocks do not vanish before they are filled anew. */
export function readAgain(turn) {
  renew(turn);
  turn.querySelector(".reasoning .text").textContent = "";
  turn.querySelector(".foot").replaceChildren();
  turn.querySelector(".answer").setAttribute("aria-live", "polite");
  turn.querySelector(".answer").setAttribute("aria-busy", "true");
  return turn;
}

/** Removes a turn and all that follow: another branch begins here. */
export function cutFrom(turn) {
  while (turn) {
    const next = turn.nextElementSibling;
    turn.remove();
    turn = next;
  }
}

/** Takes a `delta` into an answer. */
export function grow(turn, delta) {
  if (delta.reasoning) {
    const reasoning = turn.querySelector(".reasoning");
    reasoning.hidden = false;
    reasoning.querySelector(".text").append(delta.reasoning);
  }
  const answer = turn.querySelector(".answer");
  if (delta.patches?.length) {
    setWait(turn, "");
    if (answer.dataset.isOld) answer.replaceChildren();
    delete answer.dataset.isOld;
  }
  for (const [verb, number, html] of delta.patches ?? []) patch(answer, verb, number, html);
  keepEnd();
}

/** One change of one block. The platform renders and sanitises; nothing else of an answer becomes markup. */
function patch(answer, verb, number, html) {
  let block = answer.querySelector(`[data-block="${Number(number)}"]`);
  if (!block) {
    block = document.createElement("div");
    block.className = "block";
    block.dataset.block = Number(number);
    answer.append(block);
  }
  if (verb === "set") block.innerHTML = html;
  else (block.querySelector("[data-tail]") ?? block).insertAdjacentHTML("beforeend", html);
}

/** Says what an answer waits for; nothing when it waits no more. */
export function setWait(turn, text) {
  const place = turn.querySelector(".waits");
  if (place.textContent !== text) place.textContent = text;
  place.hidden = text === "";
}

/** Says below an answer how it ended. */
export function setState(turn, text, isBad = false) {
  const place = turn.querySelector(".ended");
  place.className = `ended state ${isBad ? "is-danger" : "is-warning"}`;
  place.textContent = text;
  place.hidden = text === "";
}

/** Puts a button to copy it on each block of code. */
export function addCopies(place) {
  for (const code of place.querySelectorAll(".code:not(:has(> button))")) code.append(clone("copy-code"));
}

/** Tells who listens that an answer is whole. */
export function endAnswer(turn) {
  addCopies(turn);
  setWait(turn, "");
  turn.querySelector(".answer").setAttribute("aria-busy", "false");
  const summary = turn.querySelector(".reasoning summary span");
  if (summary) summary.textContent = word("reasoned");
}

/** Takes from the platform's own page what came with the answer's end: which branches there are, title, history. */
export async function refresh(path) {
  const page = await fetchPage(path);
  for (const fresh of page.querySelectorAll("#turns > .turn[data-id]")) {
    const here = document.getElementById(fresh.id);
    here?.querySelector(".foot")?.replaceWith(fresh.querySelector(".foot"));
  }
  takeFrom(page, "list");
  takeFrom(page, "topic");
  takeFrom(page, "settings");
  document.title = page.title;
}

function takeFrom(page, id) {
  const [here, fresh] = [document.getElementById(id), page.getElementById(id)];
  if (here && fresh && !here.contains(document.activeElement)) here.replaceWith(fresh);
}
