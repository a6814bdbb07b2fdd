// A person at a browser: a context with a language, what they see, and what went wrong on the pages meanwhile.

import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_PACKAGES}/`);
const { chromium } = require("playwright-core");
export const axeSource = require("axe-core").source;

export const PASSWORD = "wall of quiet stones 17";
const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
const TAGS = { zh: "zh-CN", en: "en-GB", fr: "fr-FR" };
let count = 0;

/** The system's own browser, in a profile of its own. */
export const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM, args: FLAGS });

/** Everything that a page reported of itself and should not have. */
export const reports = [];

/** A fresh browser context that asks for `language`. */
export async function person(browser, base, language = "en", more = {}) {
  const context = await browser.newContext({
    baseURL: base, locale: TAGS[language], timezoneId: "Europe/Paris", viewport: { width: 1440, height: 900 }, ...more,
  });
  context.setDefaultTimeout(20_000);
  context.on("page", (page) => {
    page.on("pageerror", (error) => reports.push(`${page.url()}: ${error.message}`));
    page.on("console", (message) => {
      if (/Content Security Policy|Refused to|SyntaxError|TypeError/.test(message.text())) reports.push(`${page.url()}: ${message.text()}`);
    });
  });
  return context;
}

/** A name that nobody has yet. */
export const newName = (word = "ada") => `${word}-${process.pid.toString(36)}${(count += 1)}`;

/** Registers by the form; the page is then the chat. */
export async function register(page, name = newName()) {
  await page.goto("/register");
  await page.fill("#name", name);
  await page.fill("#password", PASSWORD);
  await page.click("form button.main");
  await page.waitForSelector("#ask");
  return name;
}

/** Chooses the model of the next question, where there is a choice. */
export const choose = (page, model) => page.selectOption("select[name=model]", model);

/** Types a question and presses Enter. */
export async function ask(page, text) {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}

/** Waits for the newest answer's end and gives its text. */
export async function answered(page) {
  await page.waitForSelector(".turn.model .answer > *");
  await page.waitForSelector(".ask .send:not([hidden])");
  return page.locator(".turn.model").last().locator(".answer").innerText();
}

export function check(is, what) {
  if (!is) throw new Error(what);
}

export const equal = (found, wanted, what) =>
  check(JSON.stringify(found) === JSON.stringify(wanted), `${what}: ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`);
