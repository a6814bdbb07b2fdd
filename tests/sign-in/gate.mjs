// The gate, end to end: a challenge that the page's own worker solves, the line without script, an invitation, an unknown device that pays.
//
//   NODE_PACKAGES=… REMPART_BIN=… CHROMIUM=… node tests/sign-in/gate.mjs      (tests/sign-in/run sets them)
//
// Closes with `N passed, N failed`; exit 1 when a check failed. SHOTS=DIR writes pictures of the pages.

import { check, nextMail, PASSWORD, person, register, runAll, shot, signIn } from "./common.mjs";

const setGate = (platform, ...words) => {
  const set = platform.run("gate", ...words);
  check(set.status === 0, `gate ${words.join(" ")}: ${set.stderr}`);
};

/** Three guesses: from then on unknown devices pay for that account. */
async function guess(platform, name) {
  for (let n = 0; n < 3; n += 1) {
    const body = JSON.stringify({ name, password: `wrong guess ${n}` });
    const answer = await fetch(`${platform.url}/api/v1/sessions`, { method: "POST", headers: { "content-type": "application/json" }, body });
    check(answer.status === 401, `a guess: ${answer.status}`);
  }
}

const tests = {
  async "registration at challenge: the page's own worker solves it while the person types"({ browser, platform }) {
    setGate(platform, "set", "challenge");
    const { context, page } = await person(browser, platform.url);
    const problems = [];
    page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    await page.goto("/register");
    check(!(await page.locator("[data-otherwise]").isVisible()), "who can solve it is not told of a line");
    await page.fill("#name", "computes");
    await page.waitForFunction(() => document.querySelector("[name=challenge]").value !== "");
    check((await page.locator("[data-challenge]").innerText()).includes("Computation done"), "the page says so");
    await shot(page, "register-challenge");
    await page.fill("#password", PASSWORD);
    await page.click("form button.main");
    await page.waitForURL((url) => url.pathname === "/");
    check(problems.length === 0, `the console is quiet: ${problems}`);
    await context.close();
  },

  async "registration at challenge: a form that is sent at once waits for its solution, Enter included"({ browser, platform }) {
    setGate(platform, "set", "challenge");
    const { context, page } = await person(browser, platform.url);
    await page.goto("/register");
    await page.evaluate((password) => {
      document.querySelector("#name").value = "hasty";
      document.querySelector("#password").value = password;
    }, PASSWORD);
    await page.press("#password", "Enter");
    await page.waitForURL((url) => url.pathname === "/");
    await context.close();
  },

  async "registration at queue, without script: a place, a turn, an account"({ browser, platform, mail }) {
    setGate(platform, "set", "queue");
    const { context, page } = await person(browser, platform.url, { javaScriptEnabled: false });
    await page.goto("/register");
    check((await page.locator("#password").count()) === 0, "the password is chosen later");
    check(await page.locator("[data-otherwise]").isVisible(), "the page says what happens without script");
    await shot(page, "register-queue");
    await page.fill("#name", "waits");
    await page.click("form button.main");
    for (let n = 0; n < 100 && (await page.locator("#password").count()) === 0; n += 1) {
      if (n === 0) await shot(page, "wait-register");
      await page.waitForTimeout(200);
      await page.reload();
    }
    check((await page.locator("main").innerText()).includes("your turn"), "the page says that it is their turn");
    await shot(page, "register-turn");
    const before = mail.mails.length;
    await page.fill("#password", PASSWORD);
    await page.fill("#email", "waits@example.org");
    await page.click("form button.main");
    check((await page.locator("main").innerText()).includes("letter with a link"), "a letter comes last");
    const link = (await nextMail(mail, before + 1)).match(/http\S+\/register\?\S+/)[0];
    await page.goto(link);
    await shot(page, "register-confirmed");
    await page.fill("#password", PASSWORD);
    await page.click("form button.main");
    await page.waitForURL((url) => url.pathname === "/");
    await page.goto("/security");
    check((await page.inputValue("#email")) === "waits@example.org", "with the address that was confirmed");
    await context.close();
  },

  async "an invitation of a member, without script: made, used once at queue, told to the inviter"({ browser, platform }) {
    setGate(platform, "set", "open");
    const inviter = await person(browser, platform.url, { javaScriptEnabled: false });
    await register(inviter.page, "host");
    await inviter.page.goto("/account/invites");
    check((await inviter.page.locator("main form").count()) === 0, "a newcomer makes none");
    const made = platform.run("account", "set", "host", "--standing", "member");
    check(made.status === 0, `account set: ${made.stderr}`);
    await inviter.context.clearCookies();
    await signIn(inviter.page, "host");
    await inviter.page.waitForURL((url) => url.pathname === "/");
    await inviter.page.goto("/account");
    await inviter.page.click('a[href="/account/invites"]');
    await inviter.page.click("main form button.main");
    const address = await inviter.page.locator("code.secret").innerText();
    check(address.startsWith(platform.url), address);
    await shot(inviter.page, "invites");
    setGate(platform, "set", "queue");
    const guest = await person(browser, platform.url, { javaScriptEnabled: false });
    await guest.page.goto(address);
    await shot(guest.page, "register-invited");
    await guest.page.fill("#name", "guest");
    await guest.page.fill("#password", PASSWORD);
    await guest.page.click("form button.main");
    await guest.page.waitForURL((url) => url.pathname === "/");
    await guest.context.clearCookies();
    await guest.page.goto(address);
    await guest.page.fill("#name", "guest2");
    if (await guest.page.locator("#password").count()) await guest.page.fill("#password", PASSWORD);
    await guest.page.click("form button.main");
    check((await guest.page.locator("main").innerText()).includes("was used"), "it is good once");
    await inviter.page.goto("/account/invites");
    check((await inviter.page.locator("main").innerText()).includes("used by guest"), "the inviter sees who came");
    await inviter.context.close();
    await guest.context.close();
  },

  async "an operator's invitation opens a gate that is closed"({ browser, platform }) {
    setGate(platform, "set", "closed");
    const { context, page } = await person(browser, platform.url);
    await page.goto("/register");
    check((await page.locator("main form").count()) === 0, "closed");
    const made = platform.run("invite", "create");
    check(made.status === 0, `invite create: ${made.stderr}`);
    await page.goto(made.stdout.match(/http\S+/)[0]);
    await page.fill("#name", "called");
    await page.fill("#password", PASSWORD);
    await page.click("form button.main");
    await page.waitForURL((url) => url.pathname === "/");
    await context.close();
  },

  async "an unknown device computes before its password is looked at; a known one does not"({ browser, platform }) {
    setGate(platform, "set", "open");
    const known = await person(browser, platform.url);
    await register(known.page, "victim");
    await guess(platform, "victim");
    const { context, page } = await person(browser, platform.url);
    await signIn(page, "victim");
    await page.waitForSelector("#form-error");
    await page.waitForLoadState(); // the solver comes with a script of its own: a form sent before it is there comes back once more
    check((await page.inputValue("#name")) === "victim", "the name is still there");
    await page.fill("#password", PASSWORD);
    await shot(page, "sign-in-challenge");
    await page.press("#password", "Enter");
    await page.waitForURL((url) => url.pathname === "/");
    await known.page.goto("/account");
    await known.page.click('form:has([value="sign_out"]) button');
    await guess(platform, "victim");
    await signIn(known.page, "victim");
    await known.page.waitForURL((url) => url.pathname === "/");
    await context.close();
    await known.context.close();
  },

  async "without script an unknown device waits in the line"({ browser, platform }) {
    setGate(platform, "set", "open");
    const first = await person(browser, platform.url);
    await register(first.page, "patient");
    await first.context.close();
    await guess(platform, "patient");
    const { context, page } = await person(browser, platform.url, { javaScriptEnabled: false });
    await signIn(page, "patient");
    await page.waitForSelector("#form-error");
    await page.click("button[name=wait]");
    for (let n = 0; n < 100 && (await page.locator("#password").count()) === 0; n += 1) {
      if (n === 0) await shot(page, "wait-sign-in");
      await page.waitForTimeout(200);
      await page.reload();
    }
    await shot(page, "sign-in-turn");
    await page.fill("#password", PASSWORD);
    await page.click('form[action="/sign-in"] button.main');
    await page.waitForURL((url) => url.pathname === "/");
    await context.close();
  },

  async "the pages of the gate in three languages, wide and narrow"({ browser, platform }) {
    setGate(platform, "set", "queue");
    for (const locale of ["en-GB", "fr-FR", "zh-CN"]) {
      for (const width of [1000, 320]) {
        const { context, page } = await person(browser, platform.url, { locale, viewport: { width, height: 800 }, javaScriptEnabled: width > 320 });
        for (const path of ["/register", "/register?invite=x", "/sign-in?ticket=x", "/recover?ticket=x"]) {
          await page.goto(path);
          const overflow = width > 320 ? await page.evaluate(() => document.documentElement.scrollWidth - innerWidth) : 0;
          check(overflow <= 0, `${path} ${locale} at ${width}: ${overflow} px too wide`);
          await shot(page, `gate-${path.slice(1).split("?")[0]}-${locale}-${width}`);
        }
        await context.close();
      }
    }
  },
};

await runAll(tests);
