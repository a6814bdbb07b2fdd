// What the unmodified official `openai` Node package sees of a platform. The environment and the lines printed are those of
// checks.py. `openai` is found through NODE_PACKAGES, the node_modules that tests/sdk/run installed.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.env.NODE_PACKAGES}/`);
const { default: OpenAI } = await import(pathToFileURL(require.resolve("openai")).href);

const BASE_URL = process.env.BASE_URL.replace(/\/+$/, "");
const { API_KEY, MODEL, REASONING_MODEL, SHORT_MODEL, SLOW_MODEL, SLOW_STATS } = process.env;
const REAL_MODEL = process.env.REAL_MODEL ?? "";
const DEADLINE_MS = 10_000;
const CHINESE = "城门常开，灯火不灭；龙🐉守𠮷门。";

const client = (path, apiKey = API_KEY, more = {}) =>
  new OpenAI({ baseURL: BASE_URL + path, apiKey, maxRetries: 0, timeout: 120_000, ...more });
const v1 = client("/v1");
const root = client("");

class Skip extends Error {}
const checks = [];
const check = (name, run) => checks.push([name, run]);
const user = (text) => [{ role: "user", content: text }];

function equal(found, wanted, what = "value") {
  if (JSON.stringify(found) !== JSON.stringify(wanted)) {
    throw new Error(`${what} is ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`);
  }
}

function claim(is_true, said) {
  if (!is_true) throw new Error(said);
}

/** `call` must fail as `kind` with this status and code; the error is returned. */
async function raises(kind, status, code, call) {
  try {
    await call();
  } catch (error) {
    claim(error instanceof kind, `${error.constructor.name}: ${error.message}`);
    equal([error.status, error.code], [status, code], "status and code");
    claim(error.requestID ?? error.headers?.get("x-request-id"), "no x-request-id");
    return error;
  }
  throw new Error(`no ${kind.name}`);
}

async function raw(method, path, body, key = API_KEY) {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const answer = await fetch(BASE_URL + path, { method, body, headers });
  return [answer.status, await answer.json()];
}

const slowStats = async () => (await fetch(SLOW_STATS)).json();

/** Asks the slow engine until it says so; each ask is a round trip. */
async function waitForSlow(isReached, what) {
  const deadline = performance.now() + DEADLINE_MS;
  for (;;) {
    const stats = await slowStats();
    if (isReached(stats)) return stats;
    claim(performance.now() < deadline, `${what}: ${JSON.stringify(stats)}`);
  }
}

/** A stream's text, its reasoning, the reason of its end, and its usages. */
async function textOf(stream) {
  let [text, reasoning, reason, usages] = ["", "", null, []];
  for await (const chunk of stream) {
    if (chunk.usage) usages.push(chunk.usage);
    for (const choice of chunk.choices) {
      text += (choice.delta ? choice.delta.content : choice.text) ?? "";
      reasoning += choice.delta?.reasoning_content ?? "";
      reason = choice.finish_reason ?? reason;
    }
  }
  return { text, reasoning, reason, usages };
}

check("models are listed and found", async () => {
  const ids = [];
  for await (const model of v1.models.list()) ids.push(model.id);
  claim(ids.includes(MODEL), ids.join(" "));
  equal((await v1.models.retrieve(MODEL)).object, "model");
  await raises(OpenAI.NotFoundError, 404, "model_not_found", () => v1.models.retrieve("no-such-model"));
});

check("a chat is answered", async () => {
  const answer = await v1.chat.completions.create({ model: MODEL, messages: user("open the gate please"), max_tokens: 4 });
  const [choice] = answer.choices;
  equal([answer.object, answer.model, choice.message.role], ["chat.completion", MODEL, "assistant"]);
  equal([choice.message.content, choice.finish_reason], ["open the gate please", "length"]);
  const { prompt_tokens, completion_tokens, total_tokens } = answer.usage;
  equal([prompt_tokens, completion_tokens, total_tokens], [5, 4, 9], "usage");
});

check("an answer carries its request id and what is left", async () => {
  const ask = { model: MODEL, messages: user("hello"), max_tokens: 1 };
  const { data, response, request_id } = await v1.chat.completions.create(ask).withResponse();
  equal(data.choices[0].message.content, "hello");
  claim(request_id, "no x-request-id");
  for (const name of ["limit-requests", "remaining-requests", "reset-requests"]) {
    claim(response.headers.get(`x-ratelimit-${name}`), `no x-ratelimit-${name}`);
  }
});

check("a stream says the same as a plain answer", async () => {
  const ask = { model: MODEL, messages: user("one two three four five six seven"), max_tokens: 12 };
  const plain = (await v1.chat.completions.create(ask)).choices[0].message.content;
  const { text, reason, usages } = await textOf(await v1.chat.completions.create({ ...ask, stream: true }));
  equal([text, reason, usages.length], [plain, "length", 0]);
});

check("the stream helper gathers the final answer and the usage", async () => {
  const runner = v1.chat.completions.stream({
    model: MODEL, messages: user("count me"), max_tokens: 5, stream_options: { include_usage: true },
  });
  equal(await runner.finalContent(), "count me count me count");
  const usage = await runner.totalUsage();
  equal([usage.prompt_tokens, usage.completion_tokens, usage.total_tokens], [2, 5, 7], "usage");
});

check("limits and stop texts end the answer", async () => {
  for (const name of ["max_tokens", "max_completion_tokens"]) {
    const answer = await v1.chat.completions.create({ model: MODEL, messages: user("a b c d e f"), [name]: 3 });
    equal([answer.choices[0].message.content, answer.choices[0].finish_reason], ["a b c", "length"], name);
  }
  for (const stop of [" gate", ["nowhere", " gate"]]) {
    const answer = await v1.chat.completions.create({ model: MODEL, messages: user("keep the gate shut"), stop });
    equal([answer.choices[0].message.content, answer.choices[0].finish_reason], ["keep the", "stop"]);
  }
});

check("seeds and what is unknown are taken", async () => {
  const answer = await v1.chat.completions.create({
    model: MODEL, messages: user("x"), max_tokens: 1, seed: 7, temperature: 0, nobody_knows_this: [1, 2],
    tools: [{ type: "function", function: { name: "f", parameters: { type: "object", properties: {} } } }],
  });
  equal(answer.choices[0].message.content, "x");
});

check("a json object is one", async () => {
  const answer = await v1.chat.completions.create({
    model: MODEL, messages: user("json please"), response_format: { type: "json_object" },
  });
  equal(typeof JSON.parse(answer.choices[0].message.content), "object");
});

check("chinese comes back character for character", async () => {
  const ask = { model: MODEL, messages: user(CHINESE), max_tokens: [...CHINESE].length };
  equal((await v1.chat.completions.create(ask)).choices[0].message.content, CHINESE);
  equal((await textOf(await v1.chat.completions.create({ ...ask, stream: true }))).text, CHINESE);
});

check("completions are answered", async () => {
  const ask = { model: MODEL, prompt: "round and round", max_tokens: 3 };
  equal((await v1.completions.create(ask)).choices[0].text, "round and round");
  equal((await textOf(await v1.completions.create({ ...ask, stream: true }))).text, "round and round");
});

check("a wrong key is refused", async () => {
  const guessed = API_KEY.slice(0, -1) + (API_KEY.endsWith("0") ? "1" : "0");
  for (const key of ["sk-nothing", guessed]) {
    const stranger = client("/v1", key);
    const error = await raises(OpenAI.AuthenticationError, 401, "invalid_api_key", () => stranger.models.list());
    equal(error.type, "authentication_error");
    const ask = () => stranger.chat.completions.create({ model: MODEL, messages: user("x") });
    await raises(OpenAI.AuthenticationError, 401, "invalid_api_key", ask);
  }
});

check("bad json is refused", async () => {
  const [status, answer] = await raw("POST", "/v1/chat/completions", "{");
  equal([status, answer.error.code, answer.error.type], [400, "bad_json", "invalid_request_error"]);
});

check("bad parameters are named", async () => {
  const ask = () => v1.chat.completions.create({ model: MODEL, messages: user("x"), temperature: "hot" });
  equal((await raises(OpenAI.BadRequestError, 400, "bad_parameter", ask)).param, "temperature");
});

check("an unknown model is refused", async () => {
  const ask = () => v1.chat.completions.create({ model: "no-such-model", messages: user("x") });
  await raises(OpenAI.NotFoundError, 404, "model_not_found", ask);
});

check("too long a prompt is refused", async () => {
  const messages = user("long ".repeat(400));
  for (const stream of [false, true]) {
    const ask = () => v1.chat.completions.create({ model: SHORT_MODEL, messages, stream });
    await raises(OpenAI.BadRequestError, 400, "context_length_exceeded", ask);
  }
});

check("leaving a stream frees the engine", async () => {
  const before = await slowStats();
  const stream = await v1.chat.completions.create({ model: SLOW_MODEL, messages: user("stay"), stream: true });
  let count = 0;
  for await (const _ of stream) {
    count += 1;
    if (count === 3) equal((await slowStats()).running, 1, "running");
    if (count === 4) stream.controller.abort();
  }
  claim(count >= 4, `${count} chunks`);
  const after = await waitForSlow((stats) => stats.running === 0, "still running");
  equal(after.cancelled, before.cancelled + 1, "cancelled");
});

check("leaving before a plain answer frees the engine", async () => {
  const before = await slowStats();
  const impatient = client("/v1", API_KEY, { timeout: 400 });
  try {
    await impatient.chat.completions.create({ model: SLOW_MODEL, messages: user("stay") });
    throw new Error("an answer");
  } catch (error) {
    claim(error instanceof OpenAI.APIConnectionTimeoutError, `${error.constructor.name}: ${error.message}`);
  }
  const after = await waitForSlow((stats) => stats.running === 0 && stats.waiting === 0, "still running");
  equal(after.cancelled, before.cancelled + 1, "cancelled");
});

check("deepseek root paths answer and reason", async () => {
  const answer = await root.chat.completions.create({ model: MODEL, messages: user("at the root"), max_tokens: 3 });
  equal(answer.choices[0].message.content, "at the root");
  const ask = { model: REASONING_MODEL, messages: user("why"), max_tokens: 64 };
  const { message } = (await root.chat.completions.create(ask)).choices[0];
  equal(message.reasoning_content, "Let me think about it");
  const told = await textOf(await root.chat.completions.create({ ...ask, stream: true }));
  equal([told.text, told.reasoning], [message.content, message.reasoning_content]);
});

check("deepseek usage tells what the cache held", async () => {
  const ask = { model: MODEL, messages: user("what did the cache hold") };
  const plain = (await root.chat.completions.create(ask)).usage;
  const { usages } = await textOf(await root.chat.completions.create({ ...ask, stream: true }));
  equal(usages.length, 1, "number of usages");
  for (const usage of [plain, ...usages]) {
    equal(usage.prompt_cache_hit_tokens + usage.prompt_cache_miss_tokens, usage.prompt_tokens);
  }
});

check("deepseek balance is told and parameter errors are 422", async () => {
  const [status, balance] = await raw("GET", "/user/balance");
  const money = { currency: "USD", total_balance: "0.00", granted_balance: "0.00", topped_up_balance: "0.00" };
  equal([status, balance.is_available], [200, true]);
  for (const [name, value] of Object.entries(money)) equal(balance.balance_infos[0][name], value, name);
  const ask = () => root.chat.completions.create({ model: MODEL, messages: user("x"), temperature: "hot" });
  await raises(OpenAI.UnprocessableEntityError, 422, "bad_parameter", ask);
});

check("a real model knows the capital of france", async () => {
  if (!REAL_MODEL) throw new Skip("no real model on this machine");
  const ask = { model: REAL_MODEL, messages: user("What is the capital of France?"), temperature: 0, max_tokens: 40 };
  const answer = (await v1.chat.completions.create(ask)).choices[0].message.content;
  claim(answer.includes("Paris"), answer);
  const { text } = await textOf(await v1.chat.completions.create({ ...ask, stream: true }));
  claim(text.includes("Paris"), text);
});

check("a real model keeps chinese whole", async () => {
  if (!REAL_MODEL) throw new Skip("no real model on this machine");
  // The default model speaks little Chinese; a text that it goes on repeating shows that every character comes whole.
  const line = "春天的花园里有一只猫😀。";
  const ask = { model: REAL_MODEL, prompt: `${line}\n`.repeat(4), temperature: 0, max_tokens: 48, stop: "\n", stream: true };
  let text = "";
  for await (const part of await v1.completions.create(ask)) text += part.choices[0]?.text ?? "";
  claim(text.startsWith([...line].slice(0, 11).join("")) && !text.includes("\ufffd"), text);
});

const only = process.argv.slice(2);
for (const [name, run] of checks) {
  if (only.length > 0 && !only.some((word) => name.includes(word))) continue;
  try {
    await run();
    console.log(`passed: ${name}`);
  } catch (error) {
    if (error instanceof Skip) {
      console.log(`skipped: ${name}: ${error.message}`);
    } else {
      process.exitCode = 1;
      console.log(`failed: ${name}: ${error.constructor.name}: ${String(error.message).slice(0, 400)}`);
    }
  }
}
