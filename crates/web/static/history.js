// The history: search, the switcher, older conversations, and what one can do with each.

import { call, clone, fetchPage, reasonOf, word } from "./api.js";

const drawer = document.getElementById("history");
const searchField = document.getElementById("search");
const switcher = document.getElementById("switcher");
const menu = document.getElementById("row-menu");
const list = () => document.getElementById("list");

/** Milliseconds without a key before a search is sent. */
const SEARCH_PAUSE = 200;

/** Wires everything. `current` gives the id of the conversation that is open. */
export function wire(current) {
  searchIn(searchField, document.getElementById("found"), () => list());
  searchIn(document.getElementById("switch"), document.getElementById("switch-found"));
  drawer.addEventListener("click", (event) => {
    const [more, row] = [event.target.closest("#older"), event.target.closest(".row-more")];
    if (more) loadOlder(event, more);
    if (row) openMenu(row);
  });
  document.addEventListener("keydown", onKey);
  // A click beside the drawer closes it.
  document.getElementById("content").addEventListener("click", (event) => {
    if (location.hash !== "#history" || event.target.closest('[href="#history"]')) return;
    event.preventDefault();
    closeDrawer();
  });
  menu.addEventListener("click", (event) => {
    const action = event.target.closest("button")?.value;
    if (action) act(action, menu.row, current());
  });
}

const closeDrawer = () => {
  location.hash = "";
  history.replaceState(null, "", location.pathname + location.search);
};

function onKey(event) {
  const isTyping = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    openSwitcher();
  } else if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.isComposing) {
    event.preventDefault();
    if (getComputedStyle(drawer).visibility === "hidden") location.hash = "history";
    searchField.focus();
  } else if (event.key === "Escape" && location.hash === "#history") {
    closeDrawer();
    document.querySelector('[href="#history"]').focus();
  }
}

function openSwitcher() {
  const field = switcher.querySelector("input");
  field.value = "";
  field.dispatchEvent(new Event("input"));
  if (!switcher.open) switcher.showModal();
}

/** Shows what is found for the field's words in `place`; `instead` is hidden meanwhile, or else the newest titles are shown. */
function searchIn(field, place, instead) {
  let timer = 0;
  let turn = 0;
  const show = (rows) => {
    place.hidden = rows.length === 0;
    place.replaceChildren(...rows);
  };
  const titles = (words) =>
    [...list().querySelectorAll("li > a")]
      .filter((link) => link.textContent.toLowerCase().includes(words))
      .slice(0, 8)
      .map((link) => foundRow(link.getAttribute("href"), link.textContent.trim(), ""));
  field.addEventListener("input", () => {
    clearTimeout(timer);
    const [words, mine] = [field.value.trim(), (turn += 1)];
    if (instead) instead().hidden = words !== "";
    if (words === "") return show(instead ? [] : titles(""));
    if (!instead) show(titles(words.toLowerCase()));
    timer = setTimeout(async () => {
      try {
        const { data } = await call("GET", `/search?q=${encodeURIComponent(words)}`);
        if (mine !== turn) return;
        const rows = data.map((hit) =>
          foundRow(
            `/c/${hit.conversation.id}${hit.message ? `?at=${hit.message}#${hit.message}` : ""}`,
            hit.conversation.title || word("untitled"),
            hit.snippet ?? "",
          ),
        );
        show(rows.length ? rows : [note(word("nothing"))]);
      } catch (error) {
        if (mine === turn) show([note(reasonOf(error))]);
      }
    }, SEARCH_PAUSE);
  });
  field.addEventListener("keydown", (event) => {
    const links = [...place.querySelectorAll("a")];
    if (event.key === "ArrowDown" && links.length) {
      event.preventDefault();
      links[0].focus();
    } else if (event.key === "Enter" && !event.isComposing && links.length && !instead) {
      event.preventDefault();
      links[0].click();
    } else if (event.key === "Escape" && field.value && instead) {
      event.stopPropagation();
      field.value = "";
      field.dispatchEvent(new Event("input"));
    }
  });
  place.addEventListener("keydown", (event) => {
    const links = [...place.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    if (event.key === "ArrowDown") links[Math.min(at + 1, links.length - 1)]?.focus();
    else if (event.key === "ArrowUp") (links[at - 1] ?? field).focus();
    else return;
    event.preventDefault();
  });
}

function foundRow(path, title, snippet) {
  const row = clone("found-row");
  row.querySelector("a").href = path;
  row.querySelector(".name").textContent = title;
  row.querySelector(".snippet").textContent = snippet;
  return row;
}

function note(text) {
  const row = document.createElement("li");
  row.className = "soft";
  row.textContent = text;
  return row;
}

async function loadOlder(event, link) {
  event.preventDefault();
  const page = await fetchPage(link.getAttribute("href"));
  const older = [...page.querySelectorAll("#list > *")].filter((part) => !part.matches(".is-pinned"));
  // A group that goes on keeps one heading.
  const last = [...list().querySelectorAll(":scope > section")].at(-1);
  if (older[0]?.dataset.group === last?.dataset.group) {
    last?.querySelector("ul").append(...(older.shift()?.querySelectorAll("li") ?? []));
  }
  link.replaceWith(...older);
}

function openMenu(button) {
  menu.row = button.closest("li");
  menu.querySelector('[value="pin"]').hidden = "pinned" in menu.row.dataset;
  menu.querySelector('[value="unpin"]').hidden = !("pinned" in menu.row.dataset);
  const box = button.getBoundingClientRect();
  menu.style.top = `${Math.min(box.bottom, innerHeight - 190)}px`;
  menu.style.left = `${Math.max(8, Math.min(box.right - 192, innerWidth - 200))}px`;
  menu.showPopover();
  menu.querySelector("button:not([hidden])").focus();
}

async function act(action, row, current) {
  menu.hidePopover();
  const [id, title] = [row.dataset.id, row.querySelector("a").textContent.trim()];
  try {
    if (action === "rename") {
      const wanted = await ask("rename", title);
      if (wanted === null) return;
      await call("PATCH", `/conversations/${id}`, { title: wanted });
    } else if (action === "delete") {
      if ((await ask("delete", title)) === null) return;
      await call("DELETE", `/conversations/${id}`);
      if (id === current) return location.assign("/");
    } else {
      await call("PATCH", `/conversations/${id}`, { pinned: action === "pin" });
    }
    const page = await fetchPage(location.pathname);
    for (const part of ["list", "topic", "settings"]) {
      const fresh = page.getElementById(part);
      if (fresh) document.getElementById(part)?.replaceWith(fresh);
    }
  } catch (error) {
    list().prepend(note(reasonOf(error)));
  }
}

/** A small dialog of the page: gives what was typed (or ""), or `null` if it was left. */
function ask(name, value) {
  const dialog = document.getElementById(`${name}-dialog`);
  const field = dialog.querySelector("input");
  dialog.querySelector(".about")?.replaceChildren(value);
  if (field) field.value = value;
  dialog.returnValue = "";
  dialog.querySelector("[type=button]").onclick = () => dialog.close();
  dialog.showModal();
  field?.select();
  return new Promise((done) => {
    dialog.addEventListener("close", () => done(dialog.returnValue === "yes" ? (field?.value.trim() ?? "") : null), { once: true });
  });
}
