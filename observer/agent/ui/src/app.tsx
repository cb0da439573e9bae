// The frame: navigation, the token where one is wanted, and the view.

import { useEffect, useState } from "preact/hooks";
import { setToken, token, wanted } from "./api";
import { ExplainView } from "./explain";
import { FindingsView } from "./findings";
import { HealthView } from "./health";
import { MapView } from "./map";
import { PairsView } from "./pairs";
import { go, href, param, setParam, view, VIEWS, type View } from "./route";
import { coverage, everywhere, failure, findings, isCluster, ownNode } from "./store";
import { TailView } from "./tail";
import { plural } from "./time";
import { VipsView } from "./vips";

const SHOWN: Record<View, [title: string, view: () => preact.JSX.Element]> = {
  findings: ["Findings", FindingsView],
  map: ["Map", MapView],
  vips: ["VIPs", VipsView],
  pairs: ["Pairs", PairsView],
  tail: ["Tail", TailView],
  explain: ["Explain", ExplainView],
  health: ["Health", HealthView],
};

export function App() {
  const [help, setHelp] = useState(false);
  useKeys(() => setHelp((shown) => !shown), () => setHelp(false));
  const theme = param("theme");
  useEffect(() => {
    if (theme === "dark" || theme === "light") document.documentElement.dataset["theme"] = theme;
    else delete document.documentElement.dataset["theme"];
  }, [theme]);
  const [title, View] = SHOWN[view.value];
  useEffect(() => { document.title = `${title} · Flow Observer`; }, [title]);
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); document.querySelector("main")?.focus(); }}>To the content</a>
      <Top />
      <main id="main" tabIndex={-1}>
        {wanted.value ? <TokenForm /> : <><Trouble /><View key={view.value} /></>}
      </main>
      {help && <Help close={() => setHelp(false)} />}
      <footer><span>Keys: <kbd>1</kbd> to <kbd>{VIEWS.length}</kbd> views, <kbd>/</kbd> filter, <kbd>?</kbd> help</span><Theme /></footer>
    </>
  );
}

function Top() {
  // On a phone the views scroll.
  useEffect(() => document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" }), [view.value]);
  const active = (findings.value ?? []).filter((one) => one.state === "active").length;
  return (
    <header class="top">
      <a class="brand" href={href("findings")}><img src="/ui/icon.svg" alt="" width={22} height={22} /> Flow Observer</a>
      <nav aria-label="Views">
        {VIEWS.map((one, n) => (
          <a key={one} href={href(one)} aria-current={one === view.value ? "page" : undefined} title={`Key ${n + 1}`}>
            {SHOWN[one][0]}{one === "findings" && active > 0 && <span class="count">{active}</span>}
          </a>
        ))}
      </nav>
      <p class="scope">{scope()}</p>
    </header>
  );
}

function scope(): string {
  if (!findings.value) return "";
  const nodes = coverage.value;
  if (!isCluster.value || !nodes) return ownNode.value && `node ${ownNode.value}`;
  const missing = new Set(nodes.missing.map((one) => one.node));
  nodes.asked.forEach((one) => missing.delete(one.node));
  return missing.size ? `${nodes.asked.length} of ${nodes.asked.length + missing.size} nodes` : plural(nodes.asked.length, "node");
}

/** Says that what is shown is old, or from a part of the nodes. */
function Trouble() {
  // With `--url` one agent is wanted, and the others are not missed.
  const missing = everywhere.value.includes("--url") ? [] : coverage.value?.missing ?? [];
  return (
    <>
      {failure.value && findings.value && <p class="trouble" role="alert">{failure.value} What is shown may be old.</p>}
      {missing.length > 0 && <p class="trouble">Missing: {missing.slice(0, 3).map((one) => `${one.node} (${one.reason})`).join("; ")}{missing.length > 3 && ` and ${missing.length - 3} more`}. <a href={href("health")}>Health</a></p>}
    </>
  );
}

function TokenForm() {
  return (
    <form class="token" onSubmit={(event) => { event.preventDefault(); setToken(new FormData(event.currentTarget).get("token") as string); }}>
      <h1>{wanted.value}</h1>
      <p>The token of a ServiceAccount that may read <code>/api/v1/*</code>, for example of <code>kubectl create token NAME</code>. This tab keeps it until it is closed.</p>
      <p class="quiet">Without a token: <code>flow-observer ui</code> on your own machine shows all nodes with your kubeconfig.</p>
      <label class="field wide"><span>Bearer token</span><input type="password" name="token" required autocomplete="off" /></label>
      <button type="submit" class="button">Use it</button>
      {token.value && <button type="button" class="button" onClick={() => setToken("")}>Forget it</button>}
    </form>
  );
}

function Theme() {
  const next: Record<string, [string, string]> = { "": ["dark", "Dark"], dark: ["light", "Light"], light: ["", "As the system"] };
  const [value, text] = next[param("theme")] ?? ["", "As the system"];
  return <button type="button" class="plain" onClick={() => setParam("theme", value)}>{text}</button>;
}

function Help({ close }: { close: () => void }) {
  return (
    <div class="help" role="dialog" aria-modal="true" aria-label="Keys">
      <h2>Keys</h2>
      <dl>
        {VIEWS.map((one, n) => <><dt><kbd>{n + 1}</kbd></dt><dd>{SHOWN[one][0]}</dd></>)}
        <dt><kbd>/</kbd></dt><dd>to the first filter</dd>
        <dt><kbd>p</kbd></dt><dd>pause the tail</dd>
        <dt><kbd>j</kbd> <kbd>k</kbd></dt><dd>next and previous finding; Enter opens it</dd>
        <dt><kbd>Esc</kbd></dt><dd>close this</dd>
      </dl>
      <button type="button" class="button" autofocus onClick={close}>Close</button>
    </div>
  );
}

function useKeys(help: () => void, escape: () => void): void {
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      const field = event.target instanceof HTMLElement && /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
      if (event.key === "Escape") { escape(); if (field) (event.target as HTMLElement).blur(); return; }
      if (field || event.ctrlKey || event.metaKey || event.altKey) return;
      const chosen = VIEWS[Number(event.key) - 1];
      if (chosen) go(chosen);
      else if (event.key === "?") help();
      else if (event.key === "p") setParam("paused", param("paused") ? "" : "1");
      else if (event.key === "/") document.querySelector<HTMLElement>("main input, main select")?.focus();
      else if (event.key === "j" || event.key === "k") step(event.key === "j" ? 1 : -1);
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
}

/** Moves the focus among the findings. */
function step(by: number): void {
  const all = [...document.querySelectorAll<HTMLElement>(".finding summary")];
  const at = all.indexOf(document.activeElement as HTMLElement);
  all[Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + by))]?.focus();
}
