// Hostile content as prompts, answers, titles, file names and shared pages, in a real browser against the real program: nothing may run,
// nothing may leave, and the policy may have nothing to report. The cases come from the generator of `rempart-render`.

import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { answered, ask, check, choose, equal, person, register } from "./people.mjs";

const TOP = join(dirname(fileURLToPath(import.meta.url)), "../..");
const CASES = 240;
const PER_CONVERSATION = 24;

/** `CASES` cases, evenly over the generator's list. */
function someCases() {
  const made = spawnSync("cargo", ["run", "--quiet", "--package", "rempart-render", "--example", "hostile"], { cwd: TOP, encoding: "utf8", maxBuffer: 1 << 26 });
  if (made.status !== 0) throw new Error(`the generator failed: ${made.stderr.slice(-500)}`);
  const all = JSON.parse(made.stdout);
  return Array.from({ length: CASES }, (_, nth) => all[Math.floor((nth * all.length) / CASES)]);
}

/** What a page must never do, noted as it happens. */
async function watched(browser, base, violations) {
  const context = await person(browser, base, "en");
  await context.exposeFunction("tellViolation", (text) => violations.push(text));
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => window.tellViolation(`${event.violatedDirective} ${event.blockedURI} at ${location.pathname}`));
  });
  const own = new URL(base).host;
  await context.route("**", (route) => {
    const url = new URL(route.request().url());
    if (url.host === own) return route.continue();
    violations.push(`a request to ${url}`);
    return route.abort();
  });
  context.on("page", (page) => page.on("dialog", (dialog) => (violations.push(`a dialog: ${dialog.message()}`), dialog.dismiss())));
  return context;
}

/** Asserts that the page as it stands holds nothing that runs. */
async function inspect(page, where, violations) {
  const found = await page.evaluate(() => {
    const bad = [];
    if (window.hostile !== undefined) bad.push("something ran");
    for (const element of document.querySelectorAll("*")) {
      for (const { name, value } of element.attributes) {
        if (name.startsWith("on")) bad.push(`${element.tagName} has ${name}`);
        if (["href", "src", "action", "formaction", "data"].includes(name) && /^\s*(javascript|data|vbscript):/i.test(value)) bad.push(`${element.tagName} leads to ${value}`);
        if (name === "style") bad.push(`${element.tagName} has a style`);
      }
    }
    for (const element of document.querySelectorAll(".answer :is(script, style, img, svg, iframe, object, embed, form, input, button[formaction], link, meta, base, video, audio)")) {
      if (!element.closest(".code > button, button")) bad.push(`an answer holds ${element.tagName}`);
    }
    return bad;
  });
  equal([...found, ...violations], [], where);
}

/** Asks by the API, as the page does; gives when the answer is whole. */
const send = (page, conversation, text) =>
  page.evaluate(
    async ([id, text]) => {
      const answer = await fetch(`/api/v1/conversations/${id}/messages`, {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ text, model: "say" }),
      });
      await answer.text();
      return answer.status;
    },
    [conversation, text],
  );

const api = (page, method, path, body) =>
  page.evaluate(
    async ([method, path, body]) => {
      const headers = typeof body === "string" ? { "Content-Type": "text/plain" } : { "Content-Type": "application/json" };
      const answer = await fetch(`/api/v1${path}`, { method, headers, body: body && (typeof body === "string" ? body : JSON.stringify(body)) });
      const text = await answer.text();
      return { status: answer.status, data: text && JSON.parse(text) };
    },
    [method, path, body],
  );

async function everywhere({ browser, platform }) {
  const cases = someCases();
  const violations = [];
  const context = await watched(browser, platform.url, violations);
  const page = await context.newPage();
  await register(page);
  for (let from = 0; from < cases.length; from += PER_CONVERSATION) {
    const some = cases.slice(from, from + PER_CONVERSATION);
    const made = await api(page, "POST", "/conversations", { title: some[0].text.slice(0, 100).trim() || "x", model: "say" });
    check(made.status === 201, `a conversation was not made: ${JSON.stringify(made)}`);
    for (const { name, text } of some) equal(await send(page, made.data.id, text), 200, name);
    // Titles go round too: what the history shows is the last.
    for (const { text } of some.slice(1, 6)) await api(page, "PATCH", `/conversations/${made.data.id}`, { title: text.slice(0, 100) });
    await page.goto(`/c/${made.data.id}`);
    check((await page.locator(".answer").count()) >= 1, "the answers are on the page");
    await inspect(page, `the conversation that begins with ${some[0].name}`, violations);
    const shared = await api(page, "POST", `/conversations/${made.data.id}/share`);
    if (shared.status === 201) {
      await page.goto(new URL(shared.data.url).pathname);
      await inspect(page, `the shared page of it`, violations);
      await page.goto("/");
    }
    const file = await api(page, "POST", `/files?name=${encodeURIComponent(some[1].text.replaceAll("\0", "").slice(0, 150) || "x")}`, some[1].text);
    if (file.status === 201) await api(page, "POST", `/conversations/${made.data.id}/messages`, { text: "read it", model: "say", attachments: [file.data.id] }).catch(() => {});
    await page.goto(`/c/${made.data.id}`);
    await inspect(page, "with a file", violations);
  }
}

/** The same by the page itself, so that each moment of the stream is shown. */
async function live({ browser, platform }) {
  const cases = someCases().filter((_, nth) => nth % 8 === 0);
  const violations = [];
  const context = await watched(browser, platform.url, violations);
  const page = await context.newPage();
  await register(page);
  await choose(page, "say");
  for (const { name, text } of cases) {
    await ask(page, text.replaceAll("\0", ""));
    await answered(page);
    await inspect(page, name, violations);
  }
}

export const checks = [
  [`${CASES} hostile cases are text wherever they are shown`, everywhere],
  ["hostile cases are text at each moment of a stream", live],
];
