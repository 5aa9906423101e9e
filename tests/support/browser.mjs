// The other half of browser.py: drives the machine's Chromium with Playwright, one JSON line per call, one per answer.
//
//     {"on": "page", "chain": [["getByRole", "button", {"name": "Send"}], ["click"]]}   ->   {"value": null}
//
// Only what JSON can hold comes back; anything else (a response, a handle) is null.
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [executablePath, options] = [process.argv[2], JSON.parse(process.argv[3])];
const quiet = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"];
const browser = await chromium.launch({ executablePath, args: ["--disable-gpu", "--disable-sync", ...quiet] });
const context = await browser.newContext(options.context);
context.setDefaultTimeout(options.timeout_ms);
const page = await context.newPage();

const problems = [];
page.on("pageerror", (error) => problems.push(String(error)));
page.on("console", (message) => message.type() === "error" && problems.push(message.text()));

const targets = { page, context, keyboard: page.keyboard, clock: page.clock, problems: { read: () => problems.splice(0) } };

async function call({ on, chain }) {
  let value = targets[on];
  for (const [name, ...words] of chain) value = await value[name](...words);
  return value;
}

function plain(value) {
  if (Buffer.isBuffer(value)) return null;
  if (typeof value !== "object" || value === null) return value ?? null;
  const proto = Object.getPrototypeOf(value);
  return proto === Object.prototype || Array.isArray(value) ? value : null;
}

const say = (answer) => writeSync(1, `${JSON.stringify(answer)}\n`);

say({ value: browser.version() });
for await (const line of createInterface({ input: process.stdin })) {
  try {
    say({ value: plain(await call(JSON.parse(line))) });
  } catch (error) {
    say({ error: error.message });
  }
}
await browser.close();
