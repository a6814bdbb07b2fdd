// The platform under test: the real binary with the real model, and scripted engines where an answer must be slow, queued or hostile.

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const BIN = process.env.REMPART_BIN;
export const DEFAULT_MODEL = "smollm2-135m-instruct";
const READY_MS = 60_000;

const started = [];

/** Starts a program and gives what `found` finds in its lines. */
function start(name, args, found, folder) {
  const child = spawn(BIN, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  started.push(child);
  let said = "";
  child.stderr.on("data", (text) => (said = (said + text).slice(-4000)));
  return new Promise((done, fail) => {
    const timer = setTimeout(() => fail(new Error(`${name} was not ready in time\n${said}`)), READY_MS);
    const lines = [];
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line);
      if (line !== "ready") return;
      clearTimeout(timer);
      done(found(lines));
    });
    child.on("exit", (code) => fail(new Error(`${name} ended with ${code}\n${said}`)));
  });
}

const engine = (folder, name, ...args) =>
  start(name, ["engine", "scripted", "--listen", "127.0.0.1:0", "--model", name, ...args], (lines) => lines[0].split(" ").at(-1), folder);

/** Whether the default model's file is here and the program has its engine. */
function hasRealModel() {
  if (spawnSync(BIN, ["engine", "worker", "--help"]).status !== 0) return false;
  const listed = spawnSync(BIN, ["--json", "model", "list"], { encoding: "utf8" });
  return listed.status === 0 && JSON.parse(listed.stdout).data.some((row) => row.id === DEFAULT_MODEL && row.bytes);
}

/** Starts everything; `model` is the real one, or null where it is not on this machine. */
export async function startPlatform() {
  const folder = mkdtempSync(join(tmpdir(), "rempart-browser-"));
  const model = !process.env.NO_MODEL && hasRealModel() ? DEFAULT_MODEL : null;
  const plenty = ["--sequences", "16", "--prefill-tps", "1000000", "--kv-tokens", "1000000"];
  const engines = {
    echo: await engine(folder, "echo", ...plenty, "--decode-tps", "2000", "--tokens", "4000"),
    say: await engine(folder, "say", ...plenty, "--decode-tps", "20000", "--tokens", "400"),
    slow: await engine(folder, "slow", ...plenty, "--decode-tps", "25", "--tokens", "400", "--answer", "words", "--reasoning", "12"),
    single: await engine(folder, "single", "--sequences", "1", "--prefill-tps", "1000000", "--kv-tokens", "1000000", "--decode-tps", "25", "--tokens", "150", "--answer", "words"),
  };
  const sections = Object.entries(engines).map(
    ([name, url]) => `[engine.${name}]\nkind = "upstream"\nurl = "${url}/v1"\nmodels = ["${name}"]\nsequences = ${name === "single" ? 1 : 16}\nkv_tokens = 1000000\n`,
  );
  if (model) sections.push('[engine.local]\nkind = "embedded"\n');
  const site = '[site]\nname = "Rempart"\ncontact = "help@example.org"\nterms_url = "https://terms.example.org"\nprivacy_url = "https://privacy.example.org"\n';
  const first = `[models]\nfetch = false\ndefault = "${model ?? "slow"}"\n`;
  writeFileSync(join(folder, "rempart.toml"), `[server]\nconsole = "127.0.0.1:0"\n[limits]\nrequests_per_minute_newcomer = 6000\ntokens_per_minute_newcomer = 4000000\ntokens_per_day_newcomer = 100000000\nshare_reads_per_minute = 6000\n${first}${site}${sections.join("")}`);
  const options = ["--config", join(folder, "rempart.toml"), "--data", join(folder, "data")];
  const found = (lines) => ({
    url: lines.find((line) => line.startsWith("public")).split(" ").at(-1),
    console: lines.find((line) => line.startsWith("console")).split(" ").at(-1),
    operator: lines.find((line) => line.startsWith("operator"))?.match(/http\S+/)[0],
  });
  const platform = await start("rempart", ["serve", "--listen", "127.0.0.1:0", ...options], found, folder);
  if (model) await untilLoaded(platform.url);
  return { ...platform, model, folder, run: (...args) => spawnSync(BIN, [...args, ...options], { encoding: "utf8" }) };
}

async function untilLoaded(url) {
  for (let turn = 0; turn < 600; turn += 1) {
    const ready = await (await fetch(`${url}/readyz`)).json();
    if (ready.engines.local === "ready") return;
    await new Promise((wake) => setTimeout(wake, 200));
  }
  throw new Error("the embedded engine did not load its model");
}

/** Ends what was started, newest first. */
export async function stopPlatform({ folder }) {
  for (const child of started.reverse()) {
    const ended = new Promise((done) => child.once("exit", done));
    if (child.exitCode === null && child.kill("SIGTERM")) await ended;
  }
  rmSync(folder, { recursive: true, force: true });
}
