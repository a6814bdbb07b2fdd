// Runs the checks one after another against one platform and says what held.

import { startPlatform, stopPlatform } from "./platform.mjs";
import { launch, reports } from "./people.mjs";
import * as doors from "./doors.mjs";
import * as hostile from "./hostile.mjs";
import * as look from "./look.mjs";
import * as measure from "./measure.mjs";
import * as stream from "./stream.mjs";
import * as walk from "./walk.mjs";

const words = process.argv.slice(2);
const all = words.includes("measure") ? measure.figures : [...walk.checks, ...stream.checks, ...doors.checks, ...hostile.checks, ...look.checks, ...measure.checks];
const chosen = words.length && !words.includes("measure") ? all.filter(([name]) => words.some((word) => name.includes(word))) : all;

let [passed, failed] = [0, 0];
const platform = await startPlatform();
const browser = await launch();
try {
  for (const [name, run] of chosen) {
    const start = performance.now();
    reports.length = 0;
    try {
      await run({ browser, platform });
      if (reports.length) throw new Error(`the pages reported: ${reports.join("; ")}`);
      passed += 1;
      console.log(`passed: ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failed += 1;
      const place = /(\w+\.mjs:\d+)/.exec(error.stack.replaceAll(/people\.mjs:\d+/g, ""))?.[1];
      console.log(`failed: ${name} (${place}, ${browser.contexts().flatMap((context) => context.pages().map((page) => page.url())).join(" ")}): ${error.message}`);
    }
    for (const context of browser.contexts()) await context.close();
  }
} finally {
  await browser.close();
  await stopPlatform(platform);
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
