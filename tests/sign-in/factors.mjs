// Second factors, lost passwords and known devices, end to end: the real binary, a mail server of this script's own, headless Chromium.
//
//   NODE_PACKAGES=… REMPART_BIN=… CHROMIUM=… node tests/sign-in/factors.mjs      (tests/sign-in/run sets them)
//
// Closes with `N passed, N failed`; exit 1 when a check failed. SHOTS=DIR writes pictures of the pages.

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
const PASSWORD = "a long password nobody has";
const check = (is, words) => {
  if (!is) throw new Error(`not so: ${words}`);
};

/** A mail server: takes what comes, keeps it, says 250. */
function startMail() {
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

async function nextMail(mail, count) {
  for (let turn = 0; turn < 300; turn += 1) {
    if (mail.mails.length >= count) return mail.mails[count - 1];
    await new Promise((wake) => setTimeout(wake, 50));
  }
  throw new Error(`mail ${count} did not come`);
}

const linkIn = (text) => text.match(/http\S+link=\S+/)[0];

/** RFC 6238, written again here: the test does not trust what it tests. */
function totp(secret, at = Date.now()) {
  const bits = [...secret.replace(/[\s=]/g, "")].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)));
  const mac = createHmac("sha1", key).update(counter).digest();
  const offset = mac[19] & 15;
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

function startPlatform(folder, mailPort) {
  writeFileSync(
    join(folder, "rempart.toml"),
    `[server]\nconsole = "127.0.0.1:0"\n[models]\nfetch = false\n[engine.s]\nkind = "scripted"\n[mail]\nkind = "smtp"\nhost = "127.0.0.1"\nport = ${mailPort}\ntls = "none"\n`,
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

async function shot(page, name) {
  if (!SHOTS) return;
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
}

async function person(browser, url, options = {}) {
  const context = await browser.newContext({ baseURL: url, locale: "en-GB", ...options });
  return { context, page: await context.newPage() };
}

async function register(page, name, email) {
  await page.goto("/register");
  await page.fill("#name", name);
  await page.fill("#password", PASSWORD);
  if (email) await page.fill("#email", email);
  await page.click("form button.main");
  await page.waitForURL((url) => url.pathname === "/");
}

async function signIn(page, name, password = PASSWORD) {
  await page.goto("/sign-in");
  await page.fill("#name", name);
  await page.fill("#password", password);
  await page.click('form[action="/sign-in"] button.main');
}

async function setTotp(page) {
  await page.goto("/security");
  await page.fill("#start-password", PASSWORD);
  await page.click('form:has([value="start_totp"]) button.main');
  const secret = await page.locator("code.secret").innerText();
  check(await page.locator("svg.qr").isVisible(), "a picture to scan");
  await shot(page, "totp");
  await page.fill("#code", totp(secret, Date.now() - 30_000));
  await page.click('form:has([value="finish_totp"]) button.main');
  const codes = await page.locator(".codes code").allInnerTexts();
  check(codes.length === 10, "ten recovery codes");
  await shot(page, "codes");
  return { secret, codes };
}

const tests = {
  async "an authenticator, without script: set, asked for, a recovery code, once each"({ browser, platform }) {
    const { context, page } = await person(browser, platform.url, { javaScriptEnabled: false });
    await register(page, "totp-ada");
    const { secret, codes } = await setTotp(page);
    await context.clearCookies();
    await signIn(page, "totp-ada");
    await page.waitForSelector('input[name="half"]', { state: "attached" });
    await shot(page, "second-step");
    await page.fill("#code", "000000");
    await page.click("button.main");
    await page.waitForSelector("#code-error");
    const code = totp(secret);
    await page.fill("#code", code);
    await page.click("button.main");
    await page.waitForURL((url) => url.pathname === "/");
    await context.clearCookies();
    await signIn(page, "totp-ada");
    await page.fill("#code", code);
    await page.click("button.main");
    await page.waitForSelector("#code-error");
    await page.fill("#code", codes[0]);
    await page.click("button.main");
    await page.waitForURL((url) => url.pathname === "/");
    await context.close();
  },

  async "a passkey: added, then in without name or password, and as the second factor"({ browser, platform }) {
    const { context, page } = await person(browser, platform.url);
    const devtools = await context.newCDPSession(page);
    await devtools.send("WebAuthn.enable");
    const options = { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true };
    const { authenticatorId } = await devtools.send("WebAuthn.addVirtualAuthenticator", { options });
    page.on("response", async (answer) => {
      if (answer.url().includes("/passkey") && answer.status() >= 400 && !answer.url().includes(".js")) console.log(`        ${answer.status()} ${answer.url()} ${await answer.text()}`);
    });
    await register(page, "passkey-bo");
    await page.goto("/security");
    await page.fill("#start-password", PASSWORD);
    await page.click('form[data-passkey="add"] button[type="button"]');
    await page.waitForSelector(".codes code");
    const { credentials } = await devtools.send("WebAuthn.getCredentials", { authenticatorId });
    check(credentials.length === 1 && credentials[0].isResidentCredential, "the authenticator holds a discoverable key");
    await page.goto("/security");
    await shot(page, "security-passkey");
    await context.clearCookies();
    await page.goto("/sign-in");
    await shot(page, "sign-in-passkey");
    await page.click('form[data-passkey="sign-in"] button');
    await page.waitForURL((url) => url.pathname === "/");
    await page.waitForSelector("#text");
    await context.clearCookies();
    await signIn(page, "passkey-bo");
    await page.click('form[data-passkey="second"] button[type="button"]');
    await page.waitForURL((url) => url.pathname === "/");
    check((await (await page.request.get("/api/v1/account")).json()).account.name === "passkey-bo", "it is that account");
    await devtools.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: false });
    await context.clearCookies();
    await page.goto("/sign-in");
    await page.click('form[data-passkey="sign-in"] button');
    await page.waitForSelector('form[data-passkey="sign-in"] .error:not([hidden])');
    await context.close();
  },

  async "a lost password, by mail, without script"({ browser, platform, mail }) {
    const { context, page } = await person(browser, platform.url, { javaScriptEnabled: false });
    await register(page, "lost-cy", "cy@example.org");
    await context.clearCookies();
    const before = mail.mails.length;
    await page.goto("/recover");
    await shot(page, "recover");
    await page.fill("#who", "cy@example.org");
    await page.click('button[value="reset"]');
    check((await page.locator("main").innerText()).includes("on its way"), "the page says what happens now");
    const link = linkIn(await nextMail(mail, before + 1));
    check(link.startsWith(platform.url), "the link leads here");
    await page.goto(link);
    await shot(page, "reset");
    await page.fill("#new-password", "another password nobody has");
    await page.click("form button.main");
    await page.waitForURL((url) => url.pathname === "/");
    await page.goto(link);
    await page.fill("#new-password", "a third password nobody has");
    await page.click("form button.main");
    check((await page.locator("main").innerText()).includes("used, expired"), "the link works once");
    await context.clearCookies();
    await signIn(page, "lost-cy");
    await page.waitForSelector("#form-error");
    await signIn(page, "lost-cy", "another password nobody has");
    await page.waitForURL((url) => url.pathname === "/");
    await page.goto("/security");
    check((await page.locator("main").innerText()).includes("confirmed"), "the mailbox is confirmed by it");
    await context.close();
  },

  async "a changed mail address, and a device that is forgotten, without script"({ browser, platform, mail }) {
    const { context, page } = await person(browser, platform.url, { javaScriptEnabled: false });
    await register(page, "moved-di", "di@example.org");
    const before = mail.mails.length;
    await page.goto("/security");
    await page.fill("#email", "di@example.net");
    await page.fill("#email-password", PASSWORD);
    await page.click('form:has([value="change_email"]) button.main');
    await page.waitForSelector(".notice");
    const text = await nextMail(mail, before + 1);
    check(/^To: di@example.net/m.test(text), "to the new address");
    await page.goto(linkIn(text));
    await page.click("form button.main");
    await page.goto("/security");
    check((await page.inputValue("#email")) === "di@example.net", "it counts now");
    await shot(page, "security");
    await page.click('form:has([value="end_device"]) button');
    await page.waitForSelector(".notice");
    check((await page.locator('form:has([value="end_device"])').count()) === 0, "the device is gone");
    await context.close();
  },

  async "the operator's first start asks for a second factor, and the console for its code"({ browser, platform }) {
    const { context, page } = await person(browser, platform.console, { javaScriptEnabled: false });
    await page.goto(platform.operator);
    await page.fill("#name", "helm");
    await page.fill("#password", PASSWORD);
    await page.click("form button.main");
    await page.waitForURL((url) => url.pathname === "/security");
    await shot(page, "console-security");
    await page.click('form:has([value="start_totp"]) button.main');
    const secret = await page.locator("code.secret").innerText();
    await page.fill("#code", totp(secret, Date.now() - 30_000));
    await page.click('form:has([value="finish_totp"]) button.main');
    await page.waitForSelector(".codes code");
    await page.goto("/");
    check((await page.locator("h1").first().isVisible()) && new URL(page.url()).pathname === "/", "the console opens");
    await context.clearCookies();
    await page.goto("/");
    await page.waitForURL((url) => url.pathname === "/sign-in");
    await page.fill("#name", "helm");
    await page.fill("#password", PASSWORD);
    await page.click('form[action="/sign-in"] button.main');
    await page.fill("#code", totp(secret));
    await page.click("button.main");
    await page.waitForURL((url) => url.pathname === "/");
    await context.clearCookies();
    const linked = platform.run("account", "link", "helm");
    check(linked.status === 0, `account link: ${linked.stderr}`);
    await page.goto(`${platform.console}/sign-in?${new URL(linked.stdout.match(/http\S+/)[0]).searchParams}`);
    await page.click('form[action="/sign-in"] button.main');
    await page.waitForURL((url) => url.pathname === "/");
    await context.close();
  },

  async "the pages in three languages, light and dark, wide and narrow"({ browser, platform }) {
    for (const locale of ["en-GB", "fr-FR", "zh-CN"]) {
      for (const [scheme, width] of [["light", 1000], ["dark", 360]]) {
        const { context, page } = await person(browser, platform.url, { locale, colorScheme: scheme, viewport: { width, height: 800 } });
        await register(page, `look-${locale}-${scheme}`.toLowerCase());
        for (const path of ["/security", "/recover", "/reset?link=x", "/confirm?link=x", "/account"]) {
          await page.goto(path);
          const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          check(overflow <= 0, `${path} ${locale} at ${width}: ${overflow} px too wide`);
          await shot(page, `${path.slice(1).split("?")[0]}-${locale}-${scheme}`);
        }
        await context.close();
      }
    }
  },
};

const folder = mkdtempSync(join(tmpdir(), "rempart-sign-in-"));
const mail = await startMail();
const platform = await startPlatform(folder, mail.port);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
let failed = 0;
const words = process.argv.slice(2);
for (const [name, test] of Object.entries(tests).filter(([name]) => words.length === 0 || words.some((word) => name.includes(word)))) {
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
console.log(`${words.length ? "some" : Object.keys(tests).length} checks, ${failed} failed`);
process.exit(failed ? 1 : 0);
