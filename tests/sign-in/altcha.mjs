// The gate's challenges and ALTCHA's own solvers, unmodified: its JavaScript library and its widget register an account; what is no solution does
// not, the known bypass (a key that is derived rightly but does not begin as asked) included.
//
//   NODE_PACKAGES=… REMPART_BIN=… CHROMIUM=… node tests/sign-in/altcha.mjs      (tests/sign-in/run sets them)
//
// Closes with `N passed, N failed`; exit 1 when a check failed.

import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { check, PASSWORD, person, runAll, startPlatform } from "./common.mjs";

const library = createRequire(`${process.env.NODE_PACKAGES}/`);
const { solveChallenge } = library("altcha-lib");
const { deriveKey } = library("altcha-lib/algorithms/pbkdf2");

const challengeOf = async ({ url }) => (await fetch(`${url}/api/v1/challenge?for=registration`)).json();
const payload = (challenge, solution) => Buffer.from(JSON.stringify({ challenge, solution })).toString("base64");
const solve = async (challenge) => payload(challenge, await solveChallenge({ challenge, deriveKey }));

async function apply({ url }, name, challenge) {
  const body = JSON.stringify({ name, password: PASSWORD, challenge });
  const answer = await fetch(`${url}/api/v1/registrations`, { method: "POST", headers: { "content-type": "application/json" }, body });
  return { status: answer.status, ...(await answer.json()) };
}

async function mustBeRefused(platform, name, challenge, words) {
  const answer = await apply(platform, name, challenge);
  check(answer.status === 403 && answer.error.code === "challenge_required", `${words}: ${JSON.stringify(answer)}`);
}

/** Both kinds: those made beforehand, of which a network has a few at a time, and the cheap ones that follow. */
const kept = { pooled: [], cheap: [] };
async function oneOfEach(platform) {
  for (let n = 0; n < 60 && !(kept.pooled.length && kept.cheap.length); n += 1) {
    const challenge = await challengeOf(platform);
    kept[challenge.parameters.keySignature ? "pooled" : "cheap"].push(challenge);
  }
  check(kept.pooled.length && kept.cheap.length, `both kinds came: ${kept.pooled.length} and ${kept.cheap.length}`);
  return Object.entries(kept).map(([kind, challenges]) => [kind, challenges.pop()]);
}

/** The true key of a counter. */
async function keyOf({ parameters }, counter) {
  const password = Buffer.concat([Buffer.from(parameters.nonce, "hex"), Buffer.alloc(4)]);
  password.writeUInt32BE(counter, password.length - 4);
  const { derivedKey } = await deriveKey(parameters, Buffer.from(parameters.salt, "hex"), password);
  return derivedKey.toString("hex");
}

/** A counter whose key does not begin as asked: the first will do, or its neighbour. */
async function missOf(challenge) {
  for (let counter = 0; ; counter += 1) {
    const derivedKey = await keyOf(challenge, counter);
    if (!derivedKey.startsWith(challenge.parameters.keyPrefix)) return { counter, derivedKey };
  }
}

const atChallenge = ({ run }) => check(run("gate", "set", "challenge").status === 0, "gate set challenge");

const tests = {
  async "ALTCHA's library solves a challenge of either kind and registers; neither is taken twice"({ platform }) {
    atChallenge(platform);
    for (const [kind, challenge] of await oneOfEach(platform)) {
      const solved = await solve(challenge);
      const answer = await apply(platform, `library-${kind}`, solved);
      check(answer.status === 201 && answer.account.name === `library-${kind}`, `${kind}: ${JSON.stringify(answer)}`);
      await mustBeRefused(platform, `replay-${kind}`, solved, `${kind} again`);
    }
  },

  async "ALTCHA's widget solves it in the browser and registers"({ browser, platform }) {
    atChallenge(platform);
    const { context, page } = await person(browser, platform.url);
    const script = readFileSync(join(process.env.NODE_PACKAGES, "altcha/dist/main/altcha.umd.cjs"), "utf8");
    const html = `<!doctype html><title>widget</title><script src="/widget.js"></script>
      <altcha-widget challenge="/api/v1/challenge?for=registration"></altcha-widget>`;
    await context.route("**/widget.js", (route) => route.fulfill({ contentType: "text/javascript", body: script }));
    await context.route("**/widget", (route) => route.fulfill({ contentType: "text/html", body: html }));
    await page.goto("/widget");
    const solved = await page.evaluate(
      () =>
        new Promise((done, fail) => {
          const widget = document.querySelector("altcha-widget");
          widget.addEventListener("statechange", ({ detail }) => {
            if (detail.state === "verified") done(detail.payload);
            if (detail.state === "error" || detail.state === "expired") fail(new Error(detail.state));
          });
          const start = () => widget.verify();
          if (widget.verify) start();
          else widget.addEventListener("load", start);
        }),
    );
    const answer = await apply(platform, "widget", solved);
    check(answer.status === 201, JSON.stringify(answer));
    await context.close();
  },

  async "a key that does not begin as asked is refused, rightly derived or made up, and burns its challenge"({ platform }) {
    atChallenge(platform);
    for (const [kind, challenge] of await oneOfEach(platform)) {
      await mustBeRefused(platform, `bypass-${kind}`, payload(challenge, await missOf(challenge)), `${kind}: a right key without the prefix`);
      await mustBeRefused(platform, `burnt-${kind}`, await solve(challenge), `${kind}: its true solution afterwards`);
    }
    for (const [kind, challenge] of await oneOfEach(platform)) {
      const rest = createHash("sha256").update("made up").digest("hex");
      const derivedKey = (challenge.parameters.keyPrefix + rest).slice(0, challenge.parameters.keyLength * 2);
      await mustBeRefused(platform, `made-up-${kind}`, payload(challenge, { counter: 1, derivedKey }), `${kind}: a made-up key with the prefix`);
    }
  },

  async "a challenge that was made easier, and one that was made by somebody else, are refused"({ platform }) {
    atChallenge(platform);
    for (const [kind, challenge] of await oneOfEach(platform)) {
      const parameters = { ...challenge.parameters, cost: 1, keyPrefix: "0" };
      await mustBeRefused(platform, `easier-${kind}`, await solve({ ...challenge, parameters }), `${kind}: easier`);
      await mustBeRefused(platform, `foreign-${kind}`, await solve({ ...challenge, signature: "0".repeat(64) }), `${kind}: another's seal`);
    }
  },

  async "a challenge whose time is over is refused, and says so"({ mail }) {
    const folder = mkdtempSync(join(tmpdir(), "rempart-altcha-"));
    const platform = await startPlatform(folder, mail.port, '[limits]\nchallenge_lasts_s = 2\n[registration]\nlevel = "challenge"\n');
    try {
      const challenge = await challengeOf(platform);
      const solved = await solve(challenge);
      await new Promise((wake) => setTimeout(wake, challenge.parameters.expiresAt * 1000 - Date.now() + 100));
      const answer = await apply(platform, "late", solved);
      check(answer.status === 403 && answer.error.message.includes("has expired"), JSON.stringify(answer));
    } finally {
      platform.child.removeAllListeners("exit");
      const ended = new Promise((done) => platform.child.once("exit", done));
      platform.child.kill("SIGTERM");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

await runAll(tests);
