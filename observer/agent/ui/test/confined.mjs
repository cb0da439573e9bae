// What comes from packets and objects is text, and much of it does not make the page large.

import { check } from "./browser.mjs";

const MARKUP = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>';
const TIME = new Date().toISOString();

const endpoint = (name) => ({ ip: "10.42.0.9", port: 80, namespace: name, workload: name, pod: name });
const zero = { handshake: 0, established: 0, orphan: 0 };
const pair = (from, to) => ({
  src: endpoint(from), dst: endpoint(to), vantage: "source", syn: 5, syn_retransmits: 0,
  rst: { client: zero, server: zero }, attempts: { established: 3, refused: 2, rejected: 0, unanswered: 0 },
});
const finding = {
  id: "x", kind: "policy_denied", state: "active", severity: "warning", first_seen: TIME, last_seen: TIME, count: 1,
  summary: MARKUP, cause: `\`${MARKUP}\``, src: endpoint(MARKUP), dst: endpoint(MARKUP), nodes: [MARKUP],
  evidence: [{ time: TIME, text: MARKUP }],
};
const vips = [{
  ip: MARKUP, services: [MARKUP], moves: 1, claimant: { mac: "m", node: MARKUP, since: TIME, last_seen: TIME },
  history: [{ mac: "m", node: MARKUP, since: TIME, last_seen: TIME }], api: [{ source: "l2status", object: MARKUP, node: MARKUP }],
}];

export async function confined(browser) {
  const routes = {
    "/api/v1/findings": { findings: [finding], agent: { node: MARKUP } },
    "/api/v1/vips": { vips },
    "/api/v1/pairs": { pairs: [pair(MARKUP, "data/db"), ...Array.from({ length: 5000 }, (_, n) => pair(`web${n}`, "data"))] },
  };
  for (const view of ["findings", "vips", "map", "pairs", "explain"]) {
    const page = await browser.open(view, { routes });
    const shown = { findings: ".finding", vips: ".vip", map: ".node", pairs: ".pairs td.name", explain: "form" }[view];
    await page.locator(shown).first().waitFor();
    check((await page.locator("main img, main script").count()) === 0, `${view} takes a name for markup`);
    check((await page.title()) !== "owned", `${view} runs what a name holds`);
    if (view === "findings") {
      check((await page.locator("p.summary").first().textContent()) === MARKUP, "a name is shown as it is");
      const command = await page.locator(".command code").first().textContent();
      check(command.startsWith("flow-observer explain '"), `a name is quoted for the shell: ${command}`);
    }
    if (view === "pairs") {
      await page.getByRole("heading", { name: "5,001 pairs" }).waitFor();
      const rows = await page.locator(".pairs tbody tr").count();
      check(rows > 10 && rows < 120, `only the rows in sight exist: ${rows}`);
    }
    await page.context().close();
  }
}

/** Where the API wants a token, the page asks for one, keeps it for this tab, and sends it. */
export async function guarded(browser) {
  const page = await browser.open("findings", { refused: 401 });
  await page.getByRole("heading", { name: "This agent wants a token." }).waitFor();
  await browser.accessible(page, "the form for the token");
  await browser.picture(page, "token");
  const sent = [];
  await page.unroute("**/api/**");
  await page.route((url) => url.pathname.startsWith("/api/"), (route) => {
    sent.push(route.request().headers().authorization);
    return route.fulfill({ json: { findings: [], vips: [], agent: { node: "n1" } } });
  });
  await page.getByLabel("Bearer token").fill(" of-the-reader ");
  await page.getByRole("button", { name: "Use it" }).click();
  await page.getByRole("heading", { name: "Nothing needs action" }).waitFor();
  check(sent.length > 0 && sent.every((one) => one === "Bearer of-the-reader"), `the token is sent: ${sent}`);
  const kept = await page.evaluate(() => [Object.values(sessionStorage), Object.values(localStorage), document.cookie]);
  check(JSON.stringify(kept) === '[["of-the-reader"],[],""]', `the token is kept for this tab only: ${JSON.stringify(kept)}`);
  check(!page.url().includes("of-the-reader"), "the token is not in the address");
  await page.context().close();
}
