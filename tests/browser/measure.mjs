// Weight, first paint and reaction of the chat's page, on loopback. The weight is checked each time; the times are figures for a note,
// for they belong to the machine.

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { answered, ask, check, choose, person, register } from "./people.mjs";

const WEIGHT_MAX = 60 * 1024;
const SCRIPT_LINES_MAX = 1000;
const STATIC = fileURLToPath(new URL("../../crates/web/static/", import.meta.url));

/** Bytes over the wire of everything a page asks for, heads included, by kind. */
async function weigh(context, path) {
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await session.send("Network.enable");
  await session.send("Network.setCacheDisabled", { cacheDisabled: true });
  const kinds = new Map();
  const sizes = {};
  session.on("Network.responseReceived", (event) => kinds.set(event.requestId, event.type));
  session.on("Network.loadingFinished", (event) => {
    const kind = kinds.get(event.requestId) ?? "other";
    sizes[kind] = (sizes[kind] ?? 0) + event.encodedDataLength;
  });
  await page.goto(path, { waitUntil: "networkidle" });
  await page.close();
  return { total: Object.values(sizes).reduce((sum, size) => sum + size, 0), ...sizes };
}

async function withConversations({ browser, platform }, count) {
  const context = await person(browser, platform.url, "en");
  const page = await context.newPage();
  await register(page);
  await choose(page, "single");
  await ask(page, "How heavy is this page?");
  await answered(page);
  const path = new URL(page.url()).pathname;
  for (let turn = 0; turn < count; turn += 1) {
    await page.request.post("/api/v1/conversations", { data: { title: `A conversation about something, number ${turn}` } });
  }
  return { context, page, path };
}

async function weight(all) {
  const { context, path } = await withConversations(all, 60);
  for (const place of ["/", path]) {
    const sizes = await weigh(context, place);
    check(sizes.total <= WEIGHT_MAX, `${place} weighs ${JSON.stringify(sizes)}`);
  }
}

function scripts() {
  const lines = readdirSync(STATIC)
    .filter((name) => name.endsWith(".js"))
    .map((name) => readFileSync(join(STATIC, name), "utf8").split("\n").filter((line) => line.trim()).length)
    .reduce((sum, count) => sum + count, 0);
  check(lines <= SCRIPT_LINES_MAX, `our scripts have ${lines} lines`);
}

/** When the page first showed something, ms from the navigation; it may be after the load event. */
const firstPaint = () =>
  new Promise((done) => {
    const see = (list) => {
      const paint = list.getEntriesByName("first-contentful-paint")[0];
      if (paint) done(paint.startTime);
    };
    new PerformanceObserver(see).observe({ type: "paint", buffered: true });
    setTimeout(done, 5000, Infinity);
  });

/** First paint of a fresh page, `runs` times; and what the slowest of some keys and clicks took to be seen. */
async function times(all, runs) {
  const { context, page, path } = await withConversations(all, 60);
  const paints = [];
  for (let turn = 0; turn < runs; turn += 1) {
    await page.goto(path, { waitUntil: "load" });
    paints.push(await page.evaluate(firstPaint));
  }
  await page.evaluate(() => {
    window.durations = [];
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (entry.interactionId) window.durations.push({ name: entry.name, ms: entry.duration });
    }).observe({ type: "event", durationThreshold: 16, buffered: true });
  });
  await page.focus("#text");
  await page.keyboard.type("a question that is typed key by key", { delay: 15 });
  await page.click("#settings > summary");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+k");
  await page.keyboard.type("number", { delay: 15 });
  await page.keyboard.press("Escape");
  check(!(await page.isVisible("#switcher")), "one Escape closes the switcher");
  await choose(page, "slow");
  await page.press("#text", "Enter");
  await page.waitForSelector(".turn.model:last-of-type .answer > *");
  // Typing while an answer streams.
  await page.focus("#text");
  await page.keyboard.type("typed while it streams", { delay: 15 });
  await page.click(".ask .stop");
  await answered(page);
  const durations = await page.evaluate(() => window.durations);
  const layoutShift = await shifts(context, path);
  paints.sort((a, b) => a - b);
  return { paints, slowest: Math.max(0, ...durations.map((d) => d.ms)), over16: durations.length, layoutShift };
}

/** What moved on the page by itself, from its beginning to the end of an answer. */
async function shifts(context, path) {
  const page = await context.newPage();
  await page.addInitScript(() => {
    window.shift = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
  });
  await page.goto(path, { waitUntil: "load" });
  await page.waitForTimeout(300);
  const shift = await page.evaluate(() => window.shift);
  await page.close();
  return shift;
}

async function still(all) {
  const { context, path } = await withConversations(all, 3);
  const shift = await shifts(context, path);
  check(shift < 0.01, `the page moves by itself: ${shift}`);
}

async function print(all) {
  const { context, path } = await withConversations(all, 60);
  console.log(`weight of /       ${JSON.stringify(await weigh(context, "/"))}`);
  console.log(`weight of /c/ID   ${JSON.stringify(await weigh(context, path))}`);
  const { paints, slowest, over16, layoutShift } = await times(all, 9);
  const middle = paints[Math.floor(paints.length / 2)];
  console.log(`first contentful paint, ms: median ${middle.toFixed(0)}, slowest ${paints.at(-1).toFixed(0)} of ${paints.length}`);
  console.log(`interaction to next paint, ms: slowest ${slowest}; ${over16} of all took 16 or more`);
  console.log(`layout shift of the page: ${layoutShift}`);
  check(middle < 500, "first contentful paint under 0.5 s");
  check(slowest < 100, "interaction to next paint under 100 ms");
}

export const checks = [
  ["the chat's page is light", weight],
  ["our scripts are short", scripts],
  ["the page does not move by itself", still],
];
export const figures = [["figures", print]];
