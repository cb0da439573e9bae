// Nodes, what their agents can't see, and what they lost.

import { Empty } from "./parts";
import { coverage, everywhere, failure, health } from "./store";
import { ago, number, plural } from "./time";
import type { NodeHealth } from "./types";

export function HealthView() {
  const nodes = health.value;
  if (!nodes) return <Empty whole title="Asking the agents" text={failure.value || "One moment."} />;
  const missing = everywhere.value.includes("--url") ? [] : coverage.value?.missing ?? [];
  const blind = nodes.reduce((sum, one) => sum + (one.blind_spots?.length ?? 0), 0);
  const unwell = nodes.filter((one) => state(one) !== "well").length + missing.length;
  return (
    <>
      <header class="bar">
        <h1>{unwell ? `${plural(unwell, "node")} ${unwell === 1 ? "needs" : "need"} a look` : nodes.length > 1 ? `All ${nodes.length} agents are well` : "The agent is well"}</h1>
        <span class="quiet">{plural(blind, "blind spot")}</span>
      </header>
      <ul class="cards">
        {missing.filter(({ node }) => nodes.every((one) => one.node !== node)).map(({ node, reason }) => (
          <li key={node} class="card off"><h2>{node || "a node"}</h2><p class="badge">no agent answers</p><p>{reason}</p></li>
        ))}
        {nodes.map((one) => <Card key={one.node} node={one} />)}
      </ul>
    </>
  );
}

function state({ error, pending, stale, blind_spots: blind }: NodeHealth): "well" | "off" | "part" {
  if (error) return "off";
  return pending?.length || blind?.length || (stale && Object.keys(stale).length) ? "part" : "well";
}

function Card({ node }: { node: NodeHealth }) {
  const { error, pending, stale, blind_spots: blind, lost } = node;
  const losses = Object.entries(lost).filter(([, count]) => count > 0);
  const words = { well: "no blind spot known", off: "can't be asked", part: "sees a part" };
  return (
    <li class={`card ${state(node)}`}>
      <h2>{node.node || "this node"}</h2>
      <p class="badge">{words[state(node)]}</p>
      {node.started && <p class="quiet">agent started {ago(node.started)}</p>}
      {error && <p>{error}</p>}
      {pending && <p>Not ready: waiting for {pending.join(", ")}.</p>}
      {stale && Object.entries(stale).map(([what, why]) => <p key={what}>Out of date: {what}, {why}</p>)}
      {blind?.map((spot) => <p key={spot.reason + spot.place}><b>Blind spot</b> {spot.place}: {spot.why}</p>)}
      {losses.length
        ? <p><b>Lost</b> {losses.map(([stage, count]) => `${number(count)} at ${stage}`).join(", ")}. Counters stay exact. <a href="/runbooks/events-lost" target="_blank" rel="noreferrer">What to do</a></p>
        : !error && <p class="quiet">no record was lost</p>}
    </li>
  );
}
