// What the page says of the two incidents.

import { check } from "./browser.mjs";

/** A policy lost a namespace: an open connection would be refused, and a new one is. */
export async function policy(browser) {
  const page = await browser.open("findings");
  const latent = page.locator('.finding[data-kind="latent_denial"]', { hasText: "open connection to postgres/pal-e-postgres-1:5432" });
  await latent.waitFor();
  const denied = page.locator('.finding.active[data-kind="policy_denied"]', { hasText: "postgres/default-deny-ingress; no rule admits namespace pal-e-docs" });
  await denied.waitFor();
  await denied.getByText("Evidence and what to check").click();
  await denied.locator("code", { hasText: "flow-observer explain" }).waitFor();
  check((await denied.locator(".evidence tr").count()) > 0, "the evidence is folded underneath");
  await page.getByLabel("Kind").selectOption("latent_denial");
  await denied.waitFor({ state: "detached" });
  check(page.url().includes("kind=latent_denial"), "the filter is in the address");

  await page.goto(`${browser.base}/#map?at=postgres/pal-e-postgres-1`);
  await page.locator(".edge.refused text", { hasText: "refused" }).waitFor();
  await page.locator("table").getByText("pal-e-docs/pal-e-docs").waitFor();
  await browser.picture(page, "policy-around-postgres");

  await page.goto(`${browser.base}/#explain?from=pal-e-docs/pal-e-docs&dest=postgres/pal-e-postgres-rw:5432`);
  await page.locator(".answer.deny").waitFor();
  await page.locator(".direction.deny .near", { hasText: "pal-e-app" }).waitFor();
  await browser.accessible(page, "an explanation");
  await browser.picture(page, "policy-explained");

  await page.goto(`${browser.base}/#tail?t-outcome=rejected`);
  await page.locator(".tail .refused", { hasText: "rejected" }).first().waitFor();
  await page.keyboard.press("p");
  await page.getByRole("button", { name: "Go on" }).waitFor();
  await page.context().close();
}

/** An address flaps between two nodes, and each move resets connections. */
export async function vip(browser) {
  const page = await browser.open("findings");
  await page.locator('.finding[data-kind="vip_flap"]', { hasText: "10.0.20.200 (dbaas/postgresql-lb) moved k8s-node3 <-> k8s-node4" }).waitFor();
  await page.locator('.finding[data-kind="rst_burst"]').first().waitFor();
  await page.goto(`${browser.base}/#vips?range=120`);
  const lanes = page.locator('.vip[data-vip="10.0.20.200"]');
  await lanes.locator(".holder", { hasText: "k8s-node3" }).first().waitFor();
  await lanes.locator("rect.reset").first().waitFor();
  for (const holder of ["k8s-node3", "k8s-node4"]) await lanes.getByText(holder, { exact: true }).first().waitFor();
  const [moves, h0, h1] = await Promise.all(["line.move", "rect.hold.h0", "rect.hold.h1"].map((one) => lanes.locator(one).count()));
  check(moves >= 5, `${moves} moves are drawn`);
  check(h0 >= 2 && h1 >= 2, `both lanes are held in turn: ${h0}, ${h1}`);
  const said = await lanes.locator(".verdict").textContent();
  check(/k8s-node3 and k8s-node4 took it in turn: \d+ moves/.test(said), said);
  check(/\d+ of them within 2 s of a move/.test(said), said);
  check((await lanes.locator("svg[role=img]").getAttribute("aria-label")) === said, "the picture has a text");
  await lanes.locator(".api", { hasText: "ServiceL2Status" }).first().waitFor();
  check((await lanes.locator("rect.conflict").count()) > 0, "the conflict with the API is marked");
  await lanes.getByText("The same as a table").click();
  await lanes.locator("tbody tr").first().waitFor();
  await browser.accessible(page, "lanes with their table");
  await page.context().close();
}

/** The same loss of a namespace, on a cluster with its own workloads, seen by all agents. */
export async function cluster_policy(browser) {
  const page = await browser.open("findings");
  await page.locator('.finding[data-kind="latent_denial"]', { hasText: "one-apps/web has" }).waitFor();
  await page.locator('.finding.active[data-kind="policy_denied"]', { hasText: "one-apps/web can't reach one-db/postgres" }).first().waitFor();
  await browser.accessible(page, "findings of a cluster");
  await browser.picture(page, "cluster-policy-findings");
  await page.goto(`${browser.base}/#map?at=one-db/postgres`);
  await page.locator(".edge.refused text", { hasText: "refused" }).first().waitFor();
  await page.locator("table").getByText("one-apps/web").first().waitFor();
  await browser.picture(page, "cluster-policy-map");
  await page.goto(`${browser.base}/#health`);
  for (const node of ["n1", "n2", "n3"]) await page.getByText(node, { exact: true }).first().waitFor();
  await browser.accessible(page, "the health of a cluster");
  await browser.picture(page, "cluster-health");
  await page.context().close();
}
