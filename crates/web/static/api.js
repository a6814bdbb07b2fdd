// Requests to /api/v1, and how their refusals are told in the page's language.

const words = document.getElementById("words")?.dataset ?? {};

/** A text of the page, `%x` replaced by `values.x`. */
export function word(name, values = {}) {
  return Object.entries(values).reduce((text, [key, value]) => text.replaceAll(`%${key}`, value), words[name] ?? "");
}

/** What the platform answered instead of what was asked: a reason code, and how long to wait. */
export class Refused extends Error {
  constructor(code, retryAfter) {
    super(code);
    this.code = code;
    this.retryAfter = retryAfter;
  }

  /** The reason in the reader's language, with the wait if there is one. */
  get text() {
    const known = document.querySelector(`#reasons > [data-code="${CSS.escape(this.code)}"]`)?.textContent;
    const wait = this.retryAfter > 0 ? ` ${word("wait", { t: span(this.retryAfter) })}` : "";
    return (known ?? word("lost")) + wait;
  }
}

/** What to say of anything that was thrown. */
export const reasonOf = (error) => (error instanceof Refused ? error.text : word("lost"));

/** Asks the platform; gives its JSON, `null` for an empty answer, or throws `Refused`. */
export async function call(method, path, body) {
  const response = await request(method, path, body);
  return response.status === 204 ? null : response.json();
}

/** The same, but gives the response: for streams. */
export async function request(method, path, body, more = {}) {
  const headers = { ...more };
  let content = body;
  if (body !== undefined && !(body instanceof Blob)) {
    headers["Content-Type"] = "application/json";
    content = JSON.stringify(body);
  }
  const response = await fetch(`/api/v1${path}`, { method, headers, body: content });
  if (response.ok) return response;
  const said = await response.json().catch(() => null);
  if (response.status === 401) location.assign(`/sign-in?next=${encodeURIComponent(location.pathname)}`);
  throw new Refused(said?.error?.code ?? "internal", Number(response.headers.get("Retry-After")));
}

/** Seconds as people say them, rounded up: nobody is told a wait that is too short. */
export function span(seconds) {
  const [unit, amount] =
    seconds <= 90 ? ["second", seconds] : seconds <= 5400 ? ["minute", seconds / 60] : ["hour", seconds / 3600];
  return quantity(Math.max(1, Math.ceil(amount)), unit);
}

/** A quantity with its unit; Chinese has a space between figure and word here, as in all our texts. */
export function quantity(amount, unit) {
  const format = new Intl.NumberFormat(document.documentElement.lang, { style: "unit", unit, unitDisplay: "long" });
  return format.format(amount).replace(/(\d)(?=\p{Script=Han})/u, "$1 ");
}

/** Says something to those who hear the page. */
export function say(text) {
  const place = document.getElementById("said");
  place.textContent = "";
  requestAnimationFrame(() => (place.textContent = text));
}

/** Copies, says so, and marks the button for a moment. */
export async function copy(text, button) {
  await navigator.clipboard.writeText(text);
  say(word("copied"));
  button.classList.add("is-done");
  setTimeout(() => button.classList.remove("is-done"), 1500);
}

/** Clones a template of the page. */
export const clone = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);

/** Fetches a page of ours as a document: what has changed is taken from it. */
export async function fetchPage(path) {
  const response = await fetch(path, { headers: { Accept: "text/html" } });
  if (!response.ok || response.redirected) throw new Refused("internal");
  return new DOMParser().parseFromString(await response.text(), "text/html");
}
