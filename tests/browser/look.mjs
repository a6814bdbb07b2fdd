// Each page in each language, light and dark, wide and narrow: no barrier that axe knows, nothing wider than the screen, pictures to look at.

import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { answered, ask, axeSource, check, choose, person, register } from "./people.mjs";

const SHOTS = process.env.SHOTS;
const SIZES = { wide: { width: 1440, height: 900 }, narrow: { width: 375, height: 812 }, tiny: { width: 320, height: 568 } };

const SAMPLE = {
  zh: "请用表格和公式说明：天空为什么是蓝色的？",
  en: "Explain with a table and a formula why the sky is blue.",
  fr: "Explique par un tableau et une formule pourquoi le ciel est bleu.",
};

/** Markdown that the echoing engine gives back: what an answer can hold. */
const RICH = `# Light\n\nAir scatters *short* waves **more**: $I \\propto \\lambda^{-4}$.\n\n| colour | nm |\n|---|---|\n| blue | 450 |\n| red | 650 |\n\n\`\`\`rust\nfn main() {\n    println!("sky");\n}\n\`\`\`\n\n1. one\n2. two\n\n> quoted\n\n[link](https://example.org)`;

/** One page: pictures and findings in all its shapes. */
async function inspect(page, name, language) {
  const faults = [];
  for (const scheme of ["light", "dark"]) {
    for (const [size, viewport] of Object.entries(SIZES)) {
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
      await page.setViewportSize(viewport);
      await page.waitForTimeout(60);
      if (SHOTS) {
        mkdirSync(SHOTS, { recursive: true });
        await page.screenshot({ path: join(SHOTS, `${name}-${language}-${scheme}-${size}.png`), fullPage: !name.startsWith("chat") });
      }
      const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (wider > 0) faults.push(`${name} ${language} ${size}: ${wider} px wider than the screen`);
      if (size === "tiny") {
        const small = await page.evaluate(tooSmall);
        if (small.length) faults.push(`${name} ${language}: targets under 44 px: ${small.slice(0, 5).join(", ")}`);
      }
      const found = await page.evaluate(async () => {
        const { violations } = await window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] });
        return violations.map((v) => `${v.id} (${v.nodes.slice(0, 3).map((n) => n.target.join(" ")).join("; ")})`);
      });
      for (const fault of found) faults.push(`${name} ${language} ${scheme} ${size}: ${fault}`);
    }
  }
  return faults;
}

/** Buttons, links of navigation and fields lower than a finger: words inside a sentence may be. */
function tooSmall() {
  const shown = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: false }) && element.getBoundingClientRect().width > 2;
  return [...document.querySelectorAll("button, input:not([type=hidden]), select, textarea, summary, nav a, a.button, a.sign, .history a")]
    .filter((element) => shown(element) && element.getBoundingClientRect().height < 43.5 && !element.closest("label") && !element.closest(".skip, .answer"))
    .map((element) => `${element.tagName} ${element.id || element.className || element.textContent.trim().slice(0, 20)} ${element.getBoundingClientRect().height}`);
}

async function look({ browser, platform }, language) {
  const faults = [];
  const context = await person(browser, platform.url, language, { bypassCSP: true });
  await context.addInitScript({ content: axeSource });
  const page = await context.newPage();
  const at = async (path, name, before) => {
    if (path) await page.goto(path);
    await before?.();
    faults.push(...(await inspect(page, name, language)));
  };
  await at("/", "front");
  await at("/register", "register");
  await at("/sign-in", "sign-in");
  await at("/status", "status");
  await at("/nowhere", "not-found");
  await at(null, "register-fault", async () => {
    await page.goto("/register");
    await page.fill("#name", "a b");
    await page.fill("#password", "password");
    await page.click("form button.main");
    await page.waitForSelector(".error");
  });
  await page.setViewportSize(SIZES.wide);
  await register(page);
  await at(null, "chat-new");
  await page.setViewportSize(SIZES.wide);
  await choose(page, "slow");
  await ask(page, SAMPLE[language]);
  await page.waitForSelector(".turn.model .answer > *");
  await page.click(".ask .stop");
  await page.waitForSelector(".go-on");
  await choose(page, "echo");
  await ask(page, RICH);
  await answered(page);
  await at(null, "chat-turns", () => page.evaluate(() => scrollTo(0, 0)));
  await at(null, "chat-panel", () => page.click("#settings > summary"));
  await page.setViewportSize(SIZES.narrow);
  await at(`${new URL(page.url()).pathname}#history`, "chat-history");
  await page.setViewportSize(SIZES.wide);
  await page.goto(new URL(page.url()).pathname);
  await page.click("#settings > summary");
  await page.click('[value="share"]');
  await at(null, "chat-shared", () => page.waitForSelector(".address"));
  const link = await page.locator(".address").innerText();
  await at(link, "shared");
  await at("/?temporary=1", "chat-temporary");
  await at("/account", "account");
  await page.setViewportSize(SIZES.wide);
  await page.fill("#key-name", "laptop");
  await page.click('form:has([value="create_key"]) button.main');
  await at(null, "account-key", () => page.waitForSelector(".secret"));
  check(faults.length === 0, `\n  ${[...new Set(faults)].slice(0, 60).join("\n  ")}`);
}

/** The operators' side: first run and front page. */
async function console_({ browser, platform }) {
  const faults = [];
  const context = await person(browser, platform.console, "en", { bypassCSP: true });
  await context.addInitScript({ content: axeSource });
  const page = await context.newPage();
  await page.goto(platform.operator);
  faults.push(...(await inspect(page, "console-first-run", "en")));
  await page.fill("#name", "operator");
  await page.fill("#password", "wall of quiet stones 18");
  await page.click("form button.main");
  // The front page asks for a second factor first: tests/sign-in goes on from here.
  await page.waitForURL(/\/security/);
  faults.push(...(await inspect(page, "console-security", "en")));
  check(faults.length === 0, `\n  ${faults.join("\n  ")}`);
}

export const checks = [
  ...["zh", "en", "fr"].map((language) => [`look at each page in ${language}`, (all) => look(all, language)]),
  ["look at the console", console_],
];
