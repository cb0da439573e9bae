// What the page knows of the cluster, or of one node. The server is asked again every few seconds, and at once when a record
// says that something happened.

import { computed, effect, signal, untracked } from "@preact/signals";
import { getJson, getText, token, wanted } from "./api";
import { History } from "./history";
import { view } from "./route";
import { open, type Stream } from "./stream";
import type { Coverage, Finding, FlowRecord, NodeHealth, Pair, Vip } from "./types";

const EVERY = 5_000;
/** In the view of the whole cluster each question goes to every node, so more nodes are asked less often. */
const PER_NODE = 150;
const SOON = 500;
/** Records that the pictures keep. */
const KEEP = 4_000;

export const findings = signal<Finding[] | undefined>(undefined);
export const vips = signal<Vip[]>([]);
export const pairs = signal<Pair[] | undefined>(undefined);
export const health = signal<NodeHealth[] | undefined>(undefined);
/** Announcements, resets, drops and attempts that failed, oldest first. */
export const events = signal<FlowRecord[]>([]);
export const failure = signal("");
export const coverage = signal<Coverage | undefined>(undefined);
/** The node whose agent serves the page; empty where the page is for the whole cluster. */
export const ownNode = signal("");
export const history = new History();

/** Is true where `flow-observer ui` serves the page. */
export const isCluster = computed(() => coverage.value !== undefined);
/** The options with which a command asks what the page asks. */
export const everywhere = signal<string[]>([]);

interface FindingsAnswer { findings: Finding[]; nodes?: Coverage; agent?: { node: string }; options?: string[] }

async function askFindings(): Promise<void> {
  const answer = await getJson<FindingsAnswer>("/api/v1/findings");
  findings.value = answer.findings;
  coverage.value = answer.nodes;
  ownNode.value = answer.agent?.node ?? "";
  everywhere.value = answer.options ?? [];
}

async function askVips(): Promise<void> {
  vips.value = (await getJson<{ vips: Vip[] }>("/api/v1/vips")).vips;
}

async function askPairs(): Promise<void> {
  const answer = await getJson<{ pairs: Pair[] }>("/api/v1/pairs");
  history.add(answer.pairs);
  pairs.value = answer.pairs;
}

async function askHealth(): Promise<void> {
  if (isCluster.value) {
    health.value = (await getJson<{ nodes: NodeHealth[] }>("/api/v1/nodes")).nodes;
    return;
  }
  const [ready, metrics] = await Promise.all([getText("/readyz"), getText("/metrics")]);
  const state = ready.startsWith("{") ? (JSON.parse(ready) as Partial<NodeHealth>) : {};
  health.value = [{ ...state, node: ownNode.value, lost: losses(metrics) }];
}

/** Reads the losses by stage from the metrics. */
export function losses(metrics: string): Record<string, number> {
  const lost: Record<string, number> = {};
  for (const [, stage = "", value] of metrics.matchAll(/^flow_observer_events_lost_total\{stage="(\w+)"\} (\S+)/gm)) {
    lost[stage] = Number(value);
  }
  return lost;
}

let busy = false, again = false;

async function refresh(): Promise<void> {
  // A view that was opened meanwhile needs more.
  again = busy;
  if (busy) return;
  busy = true;
  try {
    await Promise.all([askFindings(), askVips()]);
    if (view.value === "pairs" || view.value === "map" || view.value === "explain") await askPairs();
    if (view.value === "health") await askHealth();
    failure.value = "";
  } catch (error) {
    failure.value = error instanceof Error ? error.message : String(error);
  } finally {
    busy = false;
    if (again) void refresh();
  }
}

const forAllNodes = (): number => (coverage.value?.asked.length ?? 0) * PER_NODE;

let soon: ReturnType<typeof setTimeout> | undefined;

/** Asks again soon: several records in a row ask once. */
function hurry(): void {
  soon ??= setTimeout(() => { soon = undefined; void refresh(); }, SOON + 2 * forAllNodes());
}

let pending: FlowRecord[] = [];

function take(record: FlowRecord): void {
  if (!pending.length) setTimeout(flush, 250);
  pending.push(record);
}

function flush(): void {
  const order = (a: FlowRecord, b: FlowRecord): number => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0);
  const fresh = pending.sort(order), all = events.value.concat(fresh), last = events.value.at(-1);
  pending = [];
  // Nodes may be late, but seldom are.
  if (last && fresh[0] && fresh[0].time < last.time) all.sort(order);
  events.value = all.length > KEEP ? all.slice(all.length - KEEP) : all;
  hurry();
}

/** Begins to ask, and begins again with each new token. */
export function start(): void {
  let stream: Stream | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const ask = (): void => {
    if (!document.hidden && !wanted.value) void refresh();
    timer = setTimeout(ask, EVERY + forAllNodes());
  };
  effect(() => {
    void token.value;
    stream?.close();
    clearTimeout(timer);
    events.value = [];
    untracked(ask);
    stream = open({ filter: 'kind in ["announcement", "reset", "drop"] || (kind == "attempt" && outcome != "established")' }, "1h", take);
  });
  effect(() => {
    void view.value;
    untracked(() => { void refresh(); });
  });
}
