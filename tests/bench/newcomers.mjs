// Honest people who register while others flood: ALTCHA's own library at the pace of a slow phone, each from an address of their own, and
// the last IN_CHROMIUM of them with the page's own script (their address is what the platform's trusted proxy would say).
//
//   NODE_PACKAGES=… CHROMIUM=… node tests/bench/newcomers.mjs URL COUNT SECONDS_BETWEEN SECONDS_MAX IN_CHROMIUM   (tests/bench/gate.py flood runs it)
//
// They do what they are told: solve, come back after Retry-After with their place. A JSON line for each: how long it took, what wait they were
// told first and how long it really was.

import { request } from "node:http";
import { createRequire } from "node:module";

const library = createRequire(`${process.env.NODE_PACKAGES}/`);
const { solveChallenge } = library("altcha-lib");
const { deriveKey } = library("altcha-lib/algorithms/pbkdf2");

const [url, count, gap, most, inChromium = 0] = [process.argv[2], ...process.argv.slice(3).map(Number)];
const { hostname, port } = new URL(url);
if (hostname !== "127.0.0.1") throw new Error("loopback only");
const PHONE_MS = 4; // for a derivation of 1 000 rounds
const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));

function ask(number, method, path, value) {
  return new Promise((done) => {
    const body = value ? JSON.stringify(value) : "";
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const options = { host: hostname, port, method, path, headers, localAddress: `127.60.${number}.1`, agent: false, timeout: 30_000 };
    const sent = request(options, (answer) => {
      let text = "";
      answer.on("data", (part) => (text += part));
      answer.on("end", () => {
        let said = {};
        try {
          said = JSON.parse(text);
        } catch {}
        done({ status: answer.statusCode, after: Number(answer.headers["retry-after"] || 1), said });
      });
      answer.on("error", () => done({ status: 0, after: 1, said: {} }));
    });
    sent.on("timeout", () => sent.destroy());
    sent.on("error", () => done({ status: 0, after: 1, said: {} }));
    sent.end(body);
  });
}

/** As slow as a phone: whatever this machine needs less is slept. */
const slowly = async (parameters, salt, password) => {
  const began = performance.now();
  const derived = await deriveKey(parameters, salt, password);
  await sleep((PHONE_MS * parameters.cost) / 1000 - (performance.now() - began));
  return derived;
};

async function come(number) {
  const began = performance.now();
  const since = (at) => (performance.now() - at) / 1000;
  const asked = { name: `honest-${process.pid % 10000}-${number}`, password: `honest person ${number} of many` };
  const seen = { solved: 0, refused: {}, told: null };
  while (since(began) < most) {
    const { status, after, said } = await ask(number, "POST", "/api/v1/registrations", asked);
    if (status === 201) {
      const wait = seen.told && { told_s: seen.told.eta_s, position: seen.told.position, real_s: Math.round(since(seen.told.at) * 10) / 10 };
      return { in: true, seconds: Math.round(since(began) * 10) / 10, solved: seen.solved, solving_s: seen.solving_s, refused: seen.refused, wait };
    }
    if (status === 202) {
      seen.told ??= { ...said, at: performance.now() };
      asked.ticket = said.ticket;
      await sleep(after * 1000);
    } else if (status === 403 && said.error?.code === "challenge_required") {
      const challenge = (await ask(number, "GET", "/api/v1/challenge?for=registration")).said;
      if (!challenge.parameters) continue;
      const solving = performance.now();
      const solution = await solveChallenge({ challenge, deriveKey: slowly });
      seen.solved += 1;
      seen.solving_s = Math.round((seen.solving_s || 0) * 10 + since(solving) * 10) / 10;
      asked.challenge = Buffer.from(JSON.stringify({ challenge, solution })).toString("base64");
    } else {
      const word = said.error?.code || String(status);
      seen.refused[word] = (seen.refused[word] || 0) + 1;
      if (status !== 0 && status !== 429 && status !== 503) break;
      await sleep(Math.min(after, 60) * 1000);
    }
  }
  return { in: false, seconds: since(began), ...seen };
}

/** A browser: fills the form, and does what the pages do until it is in. */
async function browse(browser, number) {
  const began = performance.now();
  const since = () => Math.round((performance.now() - began) / 100) / 10;
  const extraHTTPHeaders = { "x-forwarded-for": `127.61.${number}.1` };
  const context = await browser.newContext({ baseURL: url, extraHTTPHeaders });
  const page = await context.newPage();
  try {
    await page.goto("/register", { timeout: 60_000 });
    const asked = { "#name": `browser-${process.pid % 10000}-${number}`, "#password": `honest person ${number} of many` };
    // In the line only a name is asked for; the password when it is one's turn.
    while (since() < most && new URL(page.url()).pathname !== "/") {
      try {
        let isAsked = false;
        for (const [field, text] of Object.entries(asked)) {
          const input = page.locator(field);
          if (!(await input.isVisible()) || (await input.inputValue({ timeout: 5_000 }))) continue;
          await input.fill(text, { timeout: 5_000 });
          isAsked = true;
        }
        if (isAsked) await page.click("form button.main", { timeout: 5_000 });
      } catch {
        // The page went on by itself meanwhile.
      }
      await sleep(300);
    }
    return { in: new URL(page.url()).pathname === "/", seconds: since(), chromium: true, at: page.url() };
  } catch (error) {
    return { in: false, seconds: since(), chromium: true, at: page.url(), error: error.message.split("\n")[0] };
  } finally {
    await context.close();
  }
}

const launch = () => library("playwright-core").chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
const browser = inChromium ? await launch() : null;
const all = Array.from({ length: count }, async (_, number) => {
  await sleep(number * gap * 1000);
  console.log(JSON.stringify(await (number >= count - inChromium ? browse(browser, number) : come(number))));
});
await Promise.all(all);
await browser?.close();
