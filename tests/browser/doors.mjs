// Without script: registration, sign-in, asking, keys, use, sessions, password. And hostile words with it.

import { PASSWORD, answered, ask, check, choose, equal, newName, person, register } from "./people.mjs";

async function plain({ browser, platform }, language) {
  const context = await person(browser, platform.url, language, { javaScriptEnabled: false });
  const page = await context.newPage();
  const name = await register(page, newName(`plain-${language}`));
  await page.selectOption("select[name=model]", "echo");
  await page.fill("#text", "without script");
  await page.click(".ask .send");
  await page.waitForURL(/\/c\/c_/);
  check((await page.locator(".turn.model .answer").innerText()).includes("without script"), "the answer is on the page");
  await page.goto("/?q=script");
  check((await page.locator("#found").innerText()).includes("script"), "a search without script");

  await page.goto("/account");
  await page.fill("#key-name", "laptop");
  await page.fill("#key-budget", "5000");
  await page.fill("#key-expires", "2099-12-31");
  await page.click('form:has([value="create_key"]) button.main');
  const key = await page.locator(".secret").innerText();
  check(key.startsWith("rmp_"), "the key is shown");
  const models = await page.request.get("/v1/models", { headers: { Authorization: `Bearer ${key}` } });
  equal(models.status(), 200, "the key works");
  await page.goto("/account");
  check(!(await page.content()).includes(key), "and is shown once");
  check(await page.locator("svg.chart rect").first().isVisible(), "use is drawn");
  await page.click("#usage ~ details > summary");
  check(await page.locator("#usage ~ details td").first().isVisible(), "and told in a table");
  await page.click('form:has([value="revoke_key"]) button');
  await page.waitForSelector(".notice");
  const gone = await page.request.get("/v1/models", { headers: { Authorization: `Bearer ${key}` } });
  equal(gone.status(), 401, "a revoked key");

  await page.selectOption("#locale", language === "fr" ? "zh" : "fr");
  await page.selectOption("#theme", "dark");
  await page.fill("#time-zone", "Asia/Shanghai");
  await page.click('form:has([value="save_preferences"]) button.main');
  await page.waitForSelector(".notice");
  equal(await page.getAttribute("html", "lang"), language === "fr" ? "zh-Hans" : "fr", "the language chosen");
  equal(await page.getAttribute("html", "data-theme"), "dark", "the colours chosen");
  await page.fill("#time-zone", "Nowhere/Else");
  await page.click('form:has([value="save_preferences"]) button.main');
  await page.waitForSelector("#time-zone-error");

  await page.goto("/account");
  await page.fill("#password", PASSWORD);
  await page.fill("#new-password", `${PASSWORD} changed`);
  await page.click('form:has([value="change_password"]) button.main');
  await page.waitForURL(/\/account/);
  await page.click('form:has([value="sign_out_everywhere"]) button');
  await page.goto("/sign-in");
  await page.fill("#name", name);
  await page.fill("#password", `${PASSWORD} changed`);
  await page.click("form button.main");
  await page.waitForSelector("#ask");
}

/** What people write stays text, wherever it is shown: nothing runs, and the policy has nothing to report. */
async function hostile({ browser, platform }) {
  const context = await person(browser, platform.url, "en");
  const page = await context.newPage();
  await context.addInitScript(() => {
    window.alert = window.hit = () => (window.wasHit = true);
    document.addEventListener("securitypolicyviolation", (event) => console.error(`Content Security Policy: ${event.violatedDirective} ${event.sourceFile}`));
  });
  await register(page);
  const cases = [
    "<img src=x onerror=hit()><svg onload=hit()>", "<script>hit()</script>", "[a](javascript:hit())", "![x](javascript:hit())",
    "</textarea><script>hit()</script>", "```html\n<script>hit()</script>\n```", "<a href='javascript:hit()'>click</a>", "$\\href{javascript:hit()}{x}$",
    "<iframe srcdoc='<script>parent.hit()</script>'></iframe>", "<style>*{display:none}</style>", "<form action=//evil.example><button>go</button></form>",
    "<details open ontoggle=hit()>x</details>", "<base href=//evil.example>", "<meta http-equiv=refresh content=0;url=//evil.example>",
  ];
  await choose(page, "echo");
  for (const text of [cases.join("\n\n"), ...cases.slice(0, 3)]) {
    await ask(page, text);
    await answered(page);
  }
  await page.reload();
  for (const link of await page.locator(".answer a").all()) {
    check(!/^(javascript|data|vbscript):/i.test((await link.getAttribute("href")) ?? ""), "a link that runs");
  }
  await page.fill("#search", "<img src=x");
  await page.waitForSelector("#found a");
  await page.goto("/account");
  await page.fill("#key-name", cases[0]);
  await page.click('form:has([value="create_key"]) button.main');
  await page.waitForSelector(".secret");
  equal(await page.evaluate(() => window.wasHit ?? false), false, "something ran");
}

export const checks = [
  ...["zh", "en", "fr"].map((language) => [`without script in ${language}`, (all) => plain(all, language)]),
  ["hostile words stay words", hostile],
];
