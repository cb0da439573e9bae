// Opens the page in a browser while an incident goes on, and looks for what it has to show.
// node test/page.mjs STORY URL FOLDER

import { Browser, check } from "./browser.mjs";
import { confined, guarded } from "./confined.mjs";
import { cluster_policy, policy, vip } from "./stories.mjs";

const [story, url, out] = process.argv.slice(2);
const whole = { policy, vip };
const stories = { ...whole, cluster_policy };
const browser = await Browser.start(url.replace(/\/$/, ""), out);
try {
  await stories[story](browser);
  if (story in whole) {
    await everyView(browser);
    await confined(browser);
    await guarded(browser);
  }
} catch (error) {
  console.error(error.stack, "\n", browser.faults.join("\n"));
  process.exitCode = 1;
  browser.faults = [];
}
await browser.stop();

/** Each view, wide and narrow, light and dark. */
async function everyView(browser) {
  for (const view of ["findings", "map", "vips", "pairs", "tail", "explain", "health"]) {
    for (const [size, scheme] of [["desktop", "light"], ["phone", "dark"]]) {
      const page = await browser.open(view, { size, scheme });
      await browser.accessible(page, `${view} (${size}, ${scheme})`);
      await browser.picture(page, `${story}-${view}-${size}`);
      await page.context().close();
    }
  }
  const page = await browser.open("findings");
  await page.keyboard.press("3");
  await page.getByRole("heading", { name: "Load-balancer addresses" }).waitFor();
  check(page.url().endsWith("#vips"), `the view is in the address: ${page.url()}`);
  await page.keyboard.press("?");
  await page.getByRole("dialog").waitFor();
  await browser.accessible(page, "the list of keys");
  await page.context().close();
}
