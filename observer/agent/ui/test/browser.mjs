// A headless Chromium, and checks that every view has to pass.

import { readFile, mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const PROGRAM = process.env.FLOW_OBSERVER_CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
];
const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PATIENCE = 30_000;
// The views are hashes of one page. axe takes the link to a view for a skip link when it is scrolled out of a narrow window.
const RULES = { "skip-link": { enabled: false } };

export const SIZES = { desktop: { width: 1240, height: 900 }, phone: { width: 390, height: 844 } };

export function fail(text) {
  throw new Error(text);
}

export function check(holds, text) {
  if (!holds) fail(text);
}

/** Opens pages, and fails when one of them has an error. */
export class Browser {
  faults = [];

  static async start(base, out) {
    await mkdir(out, { recursive: true });
    const browser = new Browser();
    browser.chromium = await chromium.launch({ executablePath: PROGRAM, args: FLAGS });
    return Object.assign(browser, { base, out });
  }

  async open(hash, { size = "desktop", scheme = "light", routes = {}, refused = 0 } = {}) {
    const context = await this.chromium.newContext({ viewport: SIZES[size], colorScheme: scheme, reducedMotion: "reduce" });
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    page.on("console", (message) => { if (message.type() === "error" && !(refused && message.text().includes(`${refused}`))) this.faults.push(`${hash}: ${message.text()}`); });
    page.on("pageerror", (error) => this.faults.push(`${hash}: ${error.message}`));
    page.on("request", (request) => {
      if (!request.url().startsWith(this.base)) this.faults.push(`${hash} asked for ${request.url()}`);
    });
    if (refused) await page.route("**/api/**", (route) => route.fulfill({ status: refused, json: { error: "refused" } }));
    for (const [path, json] of Object.entries(routes)) {
      await page.route((url) => url.pathname === path, (route) => route.fulfill({ json }));
    }
    await page.goto(`${this.base}/#${hash}`);
    await page.locator("main h1").first().waitFor();
    await page.locator("main .whole", { hasText: "Asking" }).waitFor({ state: "detached" });
    return page;
  }

  /** Looks for what keeps people out: contrast, names, roles, order. */
  async accessible(page, what) {
    const found = await page.evaluate(`${AXE}; axe.run(document, { resultTypes: ["violations"], rules: ${JSON.stringify(RULES)} })`);
    const faults = found.violations.map((one) => `${one.id}: ${one.help}\n  ${one.nodes.map((node) => node.html).slice(0, 3).join("\n  ")}`);
    check(faults.length === 0, `${what} keeps people out:\n${faults.join("\n")}`);
  }

  async picture(page, name) {
    // The page does not scroll sideways; only pictures within it may.
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    check(wide <= 0, `${name} is ${wide} px wider than the window`);
    await page.screenshot({ path: `${this.out}/${name}.png`, fullPage: true });
  }

  async stop() {
    await this.chromium.close();
    check(this.faults.length === 0, `errors in the browser:\n${this.faults.join("\n")}`);
  }
}
