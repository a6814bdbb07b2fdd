// The field one writes in: keys, files, send and stop.

import { call, reasonOf, request, say, word } from "./api.js";

export const form = document.getElementById("ask");
export const field = document.getElementById("text");
const list = document.getElementById("files");
const fault = document.getElementById("text-error");
const [send, stop] = [form.querySelector(".send"), form.querySelector(".stop")];

/** Files that are up and go with the next question: `{id, name}`. */
let files = [];

/** What the next question is asked with, besides its text. */
export const options = () => ({
  model: form.elements.model?.value || undefined,
  attachments: files.length ? files.map((file) => file.id) : undefined,
});

/** Hands over the files and forgets them. */
export function takeFiles() {
  const taken = files;
  files = [];
  drawFiles();
  return taken;
}

/** Shows a fault at the field; nothing takes it away. */
export function setFault(text = "") {
  fault.textContent = text;
  fault.hidden = text === "";
  field.toggleAttribute("aria-invalid", text !== "");
}

/** While an answer is written one can stop it; before and after one can send. */
export function setBusy(isBusy) {
  [send.hidden, stop.hidden] = [isBusy, !isBusy];
}

/** Whether Enter means "send" here: not while an input method composes, not with Shift. */
export const isSend = (event) =>
  event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229 && !event.altKey;

/** Wires the field: `onSend` and `onStop` are the buttons, `onEditLast` is arrow up in an empty field. */
export function wire(onSend, onStop, onEditLast) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!stop.hidden) return;
    if (field.value.trim() === "") return field.focus();
    onSend(field.value);
  });
  field.addEventListener("keydown", (event) => {
    if (isSend(event)) {
      event.preventDefault();
      form.requestSubmit(send);
    } else if (event.key === "ArrowUp" && field.value === "" && !event.isComposing) {
      event.preventDefault();
      onEditLast();
    }
  });
  stop.addEventListener("click", onStop);
  const picker = form.elements.file;
  picker?.addEventListener("change", () => {
    upload([...picker.files]);
    picker.value = "";
  });
  field.addEventListener("paste", (event) => takeDrop(event, event.clipboardData));
  form.addEventListener("drop", (event) => takeDrop(event, event.dataTransfer));
  form.addEventListener("dragover", (event) => event.preventDefault());
}

function takeDrop(event, data) {
  if (!data?.files.length || !form.elements.file) return;
  event.preventDefault();
  upload([...data.files]);
}

async function upload(chosen) {
  for (const file of chosen) {
    const chip = { name: file.name, id: null };
    files.push(chip);
    drawFiles();
    try {
      const type = /^text\/|^application\/pdf$/.test(file.type) ? file.type : "text/plain";
      const response = await request("POST", `/files?name=${encodeURIComponent(file.name)}`, new Blob([file], { type }));
      chip.id = (await response.json()).id;
      setFault();
      say(word("attached", { n: file.name }));
    } catch (error) {
      files = files.filter((other) => other !== chip);
      setFault(`${file.name}: ${reasonOf(error)}`);
    }
    drawFiles();
  }
}

function drawFiles() {
  list.hidden = files.length === 0;
  send.disabled = files.some((file) => file.id === null);
  list.replaceChildren(
    ...files.map((file) => {
      const chip = document.getElementById("file-chip").content.firstElementChild.cloneNode(true);
      chip.querySelector("span").textContent = file.name;
      chip.classList.toggle("is-busy", file.id === null);
      const button = chip.querySelector("button");
      button.setAttribute("aria-label", word("detach", { n: file.name }));
      button.addEventListener("click", () => {
        files = files.filter((other) => other !== file);
        drawFiles();
        field.focus();
      });
      return chip;
    }),
  );
}

/** Keeps a change of model with the conversation. */
export function keepModel(conversation) {
  form.elements.model?.addEventListener("change", () => {
    const id = conversation();
    if (id) call("PATCH", `/conversations/${id}`, { model: form.elements.model.value }).catch((e) => setFault(reasonOf(e)));
  });
}
