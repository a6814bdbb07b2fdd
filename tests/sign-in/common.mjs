// What the checks of sign-in share: the real binary, a mail server of this script's own, headless Chromium, people.

import { spawn, spawnSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const { chromium } = createRequire(`${process.env.NODE_PACKAGES}/`)("playwright-core");
const BIN = process.env.REMPART_BIN;
const SHOTS = process.env.SHOTS;
export const PASSWORD = "a long password nobody has";
export const check = (is, words) => {
  if (!is) throw new Error(`not so: ${words}`);
};

/** A mail server: takes what comes, keeps it, says 250. */
export function startMail() {
  const mails = [];
  const server = createServer((socket) => {
    let data = null;
    const lines = createInterface({ input: socket });
    lines.on("error", () => {});
    const say = (line) => socket.write(`${line}\r\n`);
    socket.on("error", () => {});
    say("220 test");
    lines.on("line", (line) => {
      if (data !== null) {
        if (line === ".") {
          mails.push(decode(data.join("\n")));
          data = null;
          say("250 kept");
        } else data.push(line.startsWith("..") ? line.slice(1) : line);
      } else if (/^DATA/i.test(line)) {
        data = [];
        say("354 go on");
      } else if (/^QUIT/i.test(line)) {
        say("221 bye");
        socket.end();
      } else say("250 ok");
    });
  });
  return new Promise((done) => server.listen(0, "127.0.0.1", () => done({ mails, port: server.address().port, server })));
}

function decode(mail) {
  const [head, ...rest] = mail.split("\n\n");
  const body = rest.join("\n\n");
  if (/quoted-printable/i.test(head)) {
    const bytes = body.replace(/=\n/g, "").replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
    return `${head}\n\n${Buffer.from(bytes, "latin1").toString("utf8")}`;
  }
  return /base64/i.test(head) ? `${head}\n\n${Buffer.from(body, "base64").toString("utf8")}` : mail;
}

export async function nextMail(mail, count) {
  for (let turn = 0; turn < 300; turn += 1) {
    if (mail.mails.length >= count) return mail.mails[count - 1];
    await new Promise((wake) => setTimeout(wake, 50));
  }
  throw new Error(`mail ${count} did not come`);
}

export const linkIn = (text) => text.match(/http\S+link=\S+/)[0];

/** RFC 6238, written again here: the test does not trust what it tests. */
export function totp(secret, at = Date.now()) {
  const bits = [...secret.replace(/[\s=]/g, "")].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)));
  const mac = createHmac("sha1", key).update(counter).digest();
  const offset = mac[19] & 15;
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

/** `more` is configuration: sections of their own. */
export function startPlatform(folder, mailPort, more = "") {
  writeFileSync(
    join(folder, "rempart.toml"),
    `[server]\nconsole = "127.0.0.1:0"\n[models]\nfetch = false\n[engine.s]\nkind = "scripted"\n[mail]\nkind = "smtp"\nhost = "127.0.0.1"\nport = ${mailPort}\ntls = "none"\n${more}`,
  );
  const options = ["--config", join(folder, "rempart.toml"), "--data", join(folder, "data")];
  const child = spawn(BIN, ["serve", "--listen", "127.0.0.1:0", ...options], { stdio: ["ignore", "pipe", "inherit"] });
  const lines = [];
  return new Promise((done, fail) => {
    child.on("exit", (code) => fail(new Error(`the platform ended with ${code}`)));
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line);
      if (line !== "ready") return;
      const word = (name) => lines.find((l) => l.startsWith(name)).match(/http\S+/)[0];
      const run = (...args) => spawnSync(BIN, [...args, ...options], { encoding: "utf8" });
      done({ child, url: word("public"), console: word("console"), operator: word("operator"), run });
    });
  });
}

export async function shot(page, name) {
  if (!SHOTS) return;
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
}

export async function person(browser, url, options = {}) {
  const context = await browser.newContext({ baseURL: url, locale: "en-GB", ...options });
  return { context, page: await context.newPage() };
}

export async function register(page, name, email) {
  await page.goto("/register");
  await page.fill("#name", name);
  await page.fill("#password", PASSWORD);
  if (email) await page.fill("#email", email);
  await page.click("form button.main");
  await page.waitForURL((url) => url.pathname === "/");
}

export async function signIn(page, name, password = PASSWORD) {
  await page.goto("/sign-in");
  await page.fill("#name", name);
  await page.fill("#password", password);
  await page.click('form[action="/sign-in"] button.main');
}


/** Runs the tests whose names have one of the words; closes with `N passed, N failed`; exit 1 when a check failed. */
export async function runAll(tests, more = "") {
  const folder = mkdtempSync(join(tmpdir(), "rempart-sign-in-"));
  const mail = await startMail();
  const platform = await startPlatform(folder, mail.port, more);
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
  const words = process.argv.slice(2);
  const asked = Object.entries(tests).filter(([name]) => words.length === 0 || words.some((word) => name.includes(word)));
  let failed = 0;
  for (const [name, test] of asked) {
    try {
      await test({ browser, platform, mail });
      console.log(`passed  ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${name}\n        ${error.message.split("\n").slice(0, 4).join("\n        ")}`);
    }
  }
  await browser.close();
  platform.child.removeAllListeners("exit");
  const ended = new Promise((done) => platform.child.once("exit", done));
  platform.child.kill("SIGTERM");
  await ended;
  mail.server.close();
  rmSync(folder, { recursive: true, force: true });
  console.log(`${asked.length - failed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}
