// What needs action: one sentence each, the newest change on top.

import { runbook, check, kindWords, namespaces } from "./names";
import { href, param, setParam } from "./route";
import { coverage, everywhere, failure, findings, isCluster } from "./store";
import { ago, moment, ms, plural } from "./time";
import { Copy, Empty, Marked, NamespaceFilter, Select, Times } from "./parts";
import type { Finding } from "./types";

/** The time of the newest change: its end, or its beginning. */
const changed = (finding: Finding): number => ms(finding.ended ?? finding.first_seen);

export function FindingsView() {
  const all = findings.value;
  if (!all) return <Empty whole title="Asking for findings" text={failure.value || "One moment."} />;
  const namespace = param("ns"), kind = param("kind");
  const shown = all
    .filter((one) => !kind || one.kind === kind)
    .filter((one) => !namespace || namespaces(one.src, one.dst).includes(namespace))
    .sort((a, b) => changed(b) - changed(a));
  const active = shown.filter((one) => one.state === "active");
  const resolved = shown.filter((one) => one.state !== "active");
  const kinds = [...new Set(all.map((one) => one.kind))].sort();
  return (
    <>
      <header class="bar">
        <h1>{active.length ? `${plural(active.length, "finding")} ${active.length === 1 ? "needs" : "need"} action` : "Nothing needs action"}</h1>
        <NamespaceFilter names={all.flatMap((one) => namespaces(one.src, one.dst))} />
        <Select label="Kind" value={param("kind")} options={kinds.map((one) => [one, kindWords(one)])} change={(value) => setParam("kind", value)} />
      </header>
      {!active.length && <Quiet filtered={!!(namespace || kind)} total={all.filter((one) => one.state === "active").length} />}
      <ol class="findings" aria-label="Active findings">{active.map((one) => <Item key={one.id} finding={one} />)}</ol>
      {resolved.length > 0 && <h2>Resolved within the last hour</h2>}
      <ol class="findings resolved" aria-label="Resolved findings">{resolved.map((one) => <Item key={one.id} finding={one} />)}</ol>
    </>
  );
}

function Quiet({ filtered, total }: { filtered: boolean; total: number }) {
  if (filtered && total) {
    return <Empty title="None with this filter" text={`${plural(total, "finding")} elsewhere.`} link={{ href: href("findings", { ns: "", kind: "" }), text: "Show all" }} />;
  }
  const nodes = coverage.value?.asked.length;
  const who = isCluster.value ? `The agents of ${plural(nodes ?? 0, "node")} report nothing` : "This node's agent reports nothing";
  return <Empty title="All quiet" text={`${who}: no refused connections, no flapping addresses, no bursts of resets. New findings appear here by themselves.`} />;
}

function Item({ finding }: { finding: Finding }) {
  const { kind, summary, count, nodes, cause, evidence, state, ended, ended_because: because } = finding;
  const command = check(finding, everywhere.value);
  return (
    <li class={`finding ${state} ${finding.severity}`} data-kind={kind}>
      <p class="meta">
        <span class={`kind k-${kind}`}>{kindWords(kind)}</span>
        <Times at={ended ?? finding.first_seen} before={state === "active" ? "since" : "ended"} />
        <span>{nodes.join(", ")}</span>
      </p>
      <p class="summary"><Marked text={summary} /></p>
      {cause && !summary.includes(cause) && <p class="cause"><b>Cause</b> <Marked text={cause} /></p>}
      {because && <p class="cause"><b>Ended</b> <Marked text={because} /></p>}
      <details>
        <summary>Evidence and what to check</summary>
        <div class="inside">
          <p class="quiet">Counted {count} times; last seen {ago(finding.last_seen)}.</p>
          <Copy text={command} />
          <table class="evidence">
            <caption class="hidden">Evidence, oldest first</caption>
            <tbody>{evidence.map((one, n) => <tr key={n}><td class="when">{moment(one.time)}</td><td>{one.text}</td></tr>)}</tbody>
          </table>
          <p class="links">
            {finding.vip && <a href={href("vips", { vip: finding.vip })}>Lanes of {finding.vip}</a>}
            <a href={runbook(kind)} target="_blank" rel="noreferrer">Runbook</a>
          </p>
        </div>
      </details>
    </li>
  );
}
