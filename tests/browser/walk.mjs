// The whole way of a person, in each language: register, ask, stop, edit and branch, reload, search, share, revoke, export, delete.

import { PASSWORD, answered, ask, check, choose, equal, newName, person, register } from "./people.mjs";

const QUESTIONS = {
  zh: { first: "为什么天空是蓝色的？", slow: "请慢慢说", edited: "请换一种说法", word: "天空", tag: "zh-Hans" },
  en: { first: "Why is the sky blue?", slow: "Take your time", edited: "Say it in another way", word: "sky", tag: "en" },
  fr: { first: "Pourquoi le ciel est-il bleu ?", slow: "Prends ton temps", edited: "Dis-le autrement", word: "ciel", tag: "fr" },
};

async function walk({ browser, platform }, language) {
  const texts = QUESTIONS[language];
  const context = await person(browser, platform.url, language);
  const page = await context.newPage();
  const name = await register(page, newName(`walk-${language}`));
  equal(await page.getAttribute("html", "lang"), texts.tag, "the page's language");

  if (platform.model) await choose(page, platform.model);
  await ask(page, texts.first);
  // A small model may talk for minutes: who has read enough stops it.
  await page.waitForSelector(".turn.model .answer > *", { timeout: 60_000 });
  await page.waitForSelector(".ask .send:not([hidden])", { timeout: 15_000 }).catch(() => page.keyboard.press("Escape"));
  const first = await answered(page);
  check(first.trim().length > 0, "the model answers");
  check(!(await page.locator(".hello").isVisible()), "the greeting makes room for what was said");
  check(/\/c\/c_/.test(page.url()), "the conversation has an address");

  await choose(page, "slow");
  await ask(page, texts.slow);
  await page.waitForSelector(".turn.model:last-of-type .answer > *");
  await page.keyboard.press("Escape");
  await page.waitForSelector(".ask .send:not([hidden])");
  check(await page.locator(".turn.model").last().locator(".ended").isVisible(), "a stopped answer says so");
  equal(await page.locator(".turn").count(), 4, "turns after two questions");

  await page.locator(".turn.person").last().locator('[value="edit"]').click();
  await page.fill(".edit textarea", texts.edited);
  await page.press(".edit textarea", "Enter");
  await page.waitForSelector(".ask .stop:not([hidden])");
  await page.click(".ask .stop");
  await page.waitForSelector(".ask .send:not([hidden])");
  await page.waitForSelector(".turn.person:nth-of-type(3) .branches");
  equal(await page.locator(".turn.person .branches span").last().innerText(), "2 / 2", "the branch shown");
  equal(await page.locator(".turn.person .text").last().innerText(), texts.edited, "the edited question");

  await page.reload();
  equal(await page.locator(".turn.person .text").last().innerText(), texts.edited, "the same branch after a reload");
  await page.locator(".turn.person .branches button").first().click();
  await page.waitForURL(/#m_/);
  equal(await page.locator(".turn.person .text").last().innerText(), texts.slow, "the other branch");

  await page.locator("#list a").first().focus();
  await page.keyboard.press("/");
  await page.keyboard.type(texts.word);
  await page.waitForSelector("#found a");
  check((await page.locator("#found").innerText()).includes(texts.word), "the search shows where the word stands");
  await page.locator('#found a[href*="at=m_"]').first().click();
  await page.waitForURL(/at=m_/);

  await page.click("#settings > summary");
  await page.click('[value="share"]');
  const link = await page.locator(".address").innerText();
  const stranger = await person(browser, platform.url, language);
  const reader = await stranger.newPage();
  await reader.goto(link);
  check((await reader.locator("main").innerText()).includes(texts.first), "a stranger reads what was shared");
  await page.goto(page.url());
  await page.click("#settings > summary");
  await page.click('[value="unshare"]');
  await page.waitForLoadState();
  equal((await reader.goto(link)).status(), 404, "a revoked link");
  await stranger.close();

  const taken = await page.request.get("/api/v1/export?format=json");
  check((await taken.text()).includes(texts.first), "the export has the question");
  const markdown = await page.request.get("/api/v1/export?format=markdown");
  check((await markdown.text()).includes(texts.first), "the export as Markdown has it too");

  await page.goto("/account");
  await page.click(".sure > summary");
  await page.fill("#delete-password", PASSWORD);
  await page.click(".sure button.danger");
  await page.waitForURL((url) => url.pathname === "/");
  await page.goto("/sign-in");
  await page.fill("#name", name);
  await page.fill("#password", PASSWORD);
  await page.click("form button.main");
  await page.waitForSelector("#form-error");
}

/** Rename, pin, delete: from the list's own menu. */
async function tidy({ browser, platform }) {
  const page = await (await person(browser, platform.url, "en")).newPage();
  await register(page);
  await choose(page, "echo");
  await ask(page, "first of two");
  await answered(page);
  await page.click('.history-acts a[href="/"]');
  await choose(page, "echo");
  await ask(page, "second of two");
  await answered(page);
  const row = () => page.locator("#list li", { hasText: "first of two" });
  const act = async (verb) => {
    await row().hover();
    await row().locator(".row-more").click();
    await page.click(`#row-menu [value="${verb}"]`);
  };
  await act("pin");
  await page.waitForSelector('#list [data-group="pinned"]');
  await act("rename");
  await page.fill("#rename-field", "first of two, renamed");
  await page.press("#rename-field", "Enter");
  await page.waitForSelector("text=first of two, renamed");
  await page.keyboard.press("Control+k");
  await page.keyboard.type("renamed");
  await page.waitForSelector("#switch-found a");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector("#topic").textContent.includes("renamed"));
  await act("delete");
  await page.click('#delete-dialog [value="yes"]');
  await page.waitForURL((url) => url.pathname === "/");
  equal(await page.locator("#list li").count(), 1, "conversations left");
}

/** Files go with a question; instructions and temperature stay with a conversation. */
async function attach({ browser, platform }) {
  const page = await (await person(browser, platform.url, "en")).newPage();
  await register(page);
  await choose(page, "echo");
  await page.setInputFiles('input[name="file"]', { name: "<b>notes<b>.txt", mimeType: "text/plain", buffer: Buffer.from("the wall has nine towers") });
  await page.waitForSelector("#files .file:not(.is-busy)");
  await page.click("#settings > summary");
  await page.fill("#system", "Answer like a mason.");
  await page.fill("#temperature", "0.3");
  await page.keyboard.press("Escape");
  await ask(page, "What do my notes say?");
  check((await answered(page)).includes("nine towers"), "the model gets the file's text");
  await page.reload();
  equal(await page.locator(".turn .file").innerText(), "<b>notes<b>.txt", "the file's name");
  equal(await page.inputValue("#system"), "Answer like a mason.", "the instructions");
  equal(await page.inputValue("#temperature"), "0.3", "the temperature");
}

export const checks = [
  ...Object.keys(QUESTIONS).map((language) => [`walk in ${language}`, (all) => walk(all, language)]),
  ["rename, pin, switch, delete", tidy],
  ["files, instructions, temperature", attach],
];
