// Second factors, lost passwords and known devices, end to end.
//
//   NODE_PACKAGES=… REMPART_BIN=… CHROMIUM=… node tests/sign-in/factors.mjs      (tests/sign-in/run sets them)
//
// Closes with `N passed, N failed`; exit 1 when a check failed. SHOTS=DIR writes pictures of the pages.

import { check, linkIn, nextMail, PASSWORD, person, register, runAll, shot, signIn, totp } from "./common.mjs";

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

await runAll(tests);
