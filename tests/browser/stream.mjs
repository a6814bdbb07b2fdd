// Answers on their way: parked, resumed, queued, temporary; and the keys one types with.

import { answered, ask, check, choose, equal, person, register } from "./people.mjs";

/** The text of the newest answer as the platform keeps it. */
async function kept(page) {
  const id = new URL(page.url()).pathname.split("/").pop();
  const { data } = await (await page.request.get(`/api/v1/conversations/${id}/messages`)).json();
  return data.at(-1).text;
}

const words = (text) => text.split(/\s+/).filter(Boolean).join(" ");

/** The page is closed while it streams, and opened again: the answer went on and is read to its end, every word once. */
async function parked({ browser, platform }) {
  const context = await person(browser, platform.url, "en");
  const page = await context.newPage();
  await register(page);
  await choose(page, "slow");
  await ask(page, "go on without me");
  await page.waitForSelector(".turn.model .answer > *");
  const [url, before] = [page.url(), (await page.locator(".turn.model .answer").innerText()).length];
  await page.close();
  const again = await context.newPage();
  await again.goto(url);
  await again.waitForFunction((n) => document.querySelector(".turn.model .answer").innerText.length > n + 40, before);
  check(await again.locator(".ask .stop").isVisible(), "an answer that goes on can be stopped");
  const shown = await answered(again);
  equal(words(shown), words(await kept(again)), "what is shown is what is kept");
}

/** The network is lost in the middle of an answer: the page reads on where it was. */
async function resumed({ browser, platform }) {
  const context = await person(browser, platform.url, "en");
  const page = await context.newPage();
  await register(page);
  await choose(page, "slow");
  // The first stream breaks after a while; the page asks for the rest by the number of the last event.
  const asked = [];
  page.on("request", (request) => {
    if (request.url().includes("/events")) asked.push(request.headers()["last-event-id"]);
  });
  await page.addInitScript(() => {
    const original = window.fetch;
    let isFirst = true;
    window.fetch = async (...args) => {
      const response = await original(...args);
      if (!String(args[0]).endsWith("/messages") || !isFirst) return response;
      isFirst = false;
      let events = 0;
      const cut = new TransformStream({
        transform(chunk, controller) {
          if ((events += 1) > 25) controller.error(new TypeError("network error"));
          else controller.enqueue(chunk);
        },
      });
      return new Response(response.body.pipeThrough(cut), response);
    };
  });
  await page.reload();
  await choose(page, "slow");
  await ask(page, "lose the line");
  const shown = await answered(page);
  check(asked.length > 0 && Number(asked[0]) > 0, `the stream is taken up by its event id: ${asked}`);
  equal(words(shown), words(await kept(page)), "every word once");
}

/** Two at an engine that takes one: the second is told its place and time, then gets its answer. */
async function queued({ browser, platform }) {
  const pages = [];
  for (const language of ["en", "fr"]) {
    const page = await (await person(browser, platform.url, language)).newPage();
    await register(page);
    await choose(page, "single");
    pages.push(page);
  }
  const [first, second] = pages;
  await ask(first, "first in line");
  await first.waitForSelector(".turn.model .answer > *");
  await ask(second, "deuxième");
  await second.waitForFunction(() => /n°\s1/.test(document.querySelector(".waits")?.innerText ?? ""));
  await first.keyboard.press("Escape");
  check((await answered(second)).length > 0, "the second is answered");
  check(await second.locator(".turn.model .waits").isHidden(), "and waits no more");
}

/** Reasoning is folded away; a stopped answer goes on in its place; another answer stands beside the first. */
async function reasoned({ browser, platform }) {
  const page = await (await person(browser, platform.url, "en")).newPage();
  await register(page);
  await choose(page, "slow");
  await ask(page, "think first");
  await page.waitForSelector(".turn.model .answer > *");
  check(await page.locator(".reasoning summary").isVisible(), "reasoning is offered");
  check(await page.locator(".reasoning .text").isHidden(), "and folded away");
  await page.click(".ask .stop");
  await page.waitForSelector(".go-on");
  const before = await page.locator(".turn.model .answer").innerText();
  await page.click(".go-on");
  await page.waitForFunction((n) => document.querySelector(".turn.model .answer").innerText.length > n + 20, before.length);
  await page.click(".ask .stop");
  await page.waitForSelector(".go-on");
  check(words(await page.locator(".turn.model .answer").innerText()).startsWith(words(before)), "it goes on where it was");
  await page.click('.turn.model [value^="regenerate"]');
  await page.waitForSelector(".ask .stop:not([hidden])");
  await page.click(".ask .stop");
  await page.waitForSelector(".turn.model .branches");
  equal(await page.locator(".turn.model .branches span").innerText(), "2 / 2", "answers to one question");
}

/** A temporary chat is answered, remembers what was said in it, and leaves nothing. */
async function temporary({ browser, platform }) {
  const page = await (await person(browser, platform.url, "en")).newPage();
  await register(page);
  await page.goto("/?temporary=1");
  await choose(page, "echo");
  await ask(page, "a passing thought");
  check((await answered(page)).includes("a passing thought"), "it is answered");
  equal(new URL(page.url()).pathname, "/", "it has no address");
  const { data } = await (await page.request.get("/api/v1/conversations")).json();
  equal(data.length, 0, "conversations kept");
  await page.reload();
  equal(await page.locator(".turn").count(), 0, "turns after a reload");
}

/** Enter, Shift+Enter, an input method, arrow up, Escape, the drawer's key. */
async function keys({ browser, platform }) {
  const page = await (await person(browser, platform.url, "zh")).newPage();
  await register(page);
  await choose(page, "echo");
  await page.focus("#text");
  await page.keyboard.type("one");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("two");
  equal(await page.inputValue("#text"), "one\ntwo", "Shift and Enter");
  // As an input method sends it: Enter takes the candidate over and must not send the question.
  const session = await page.context().newCDPSession(page);
  await session.send("Input.imeSetComposition", { text: "ni", selectionStart: 2, selectionEnd: 2 });
  await session.send("Input.dispatchKeyEvent", { type: "rawKeyDown", windowsVirtualKeyCode: 229, key: "Enter", code: "Enter" });
  equal(await page.locator(".turn").count(), 0, "questions sent while composing");
  await session.send("Input.insertText", { text: "你" });
  await page.press("#text", "Enter");
  await answered(page);
  equal(await page.locator(".turn.person .text").innerText(), "one\ntwo你", "the question");
  await page.focus("#text");
  await page.keyboard.press("ArrowUp");
  equal(await page.inputValue(".edit textarea"), "one\ntwo你", "arrow up edits the last question");
  await page.keyboard.press("Escape");
  check(await page.locator(".edit").isHidden(), "Escape leaves it");
  await page.keyboard.press("Control+k");
  check(await page.locator("#switcher").isVisible(), "the switcher opens");
  await page.keyboard.press("Escape");
  check(await page.locator("#switcher").isHidden(), "and closes");
  // Every control can be reached by Tab, and shows that it was.
  await page.evaluate(() => document.activeElement.blur());
  const reached = new Set();
  for (let turn = 0; turn < 40; turn += 1) {
    await page.keyboard.press("Tab");
    reached.add(await page.evaluate(() => document.activeElement.id || document.activeElement.className || document.activeElement.tagName));
  }
  for (const wanted of ["search", "text"]) check(reached.has(wanted), `Tab reaches ${wanted}: ${[...reached]}`);
}

export const checks = [
  ["an answer is parked when the page closes", parked],
  ["a lost connection is taken up by event id", resumed],
  ["a place in line is told", queued],
  ["reasoning, go on, answer again", reasoned],
  ["a temporary chat leaves nothing", temporary],
  ["the keyboard", keys],
];
