// One workload's neighbours: who calls it, and what it calls.

import { counts, type Counts } from "./history";
import { owner } from "./names";
import type { Pair } from "./types";

export interface Neighbour extends Counts { name: string; ports: number[] }

export interface Ego { callers: Neighbour[]; called: Neighbour[]; moreCallers: number; moreCalled: number }

/** At most this many on each side, so that the picture has at most 100 nodes with the one in the middle. */
const SIDE = 49;

const trouble = (one: Counts): number => one.refused + one.reset;

function sum(into: Map<string, Neighbour>, name: string, port: number | undefined, pair: Counts): void {
  const known = into.get(name) ?? { name, ports: [], syn: 0, refused: 0, reset: 0 };
  known.syn += pair.syn;
  known.refused += pair.refused;
  known.reset += pair.reset;
  if (port && !known.ports.includes(port)) known.ports.push(port);
  into.set(name, known);
}

/** Both nodes of a connection count it; the source's count is taken where there is one. */
function once(pairs: Pair[]): Pair[] {
  const id = (pair: Pair): string => `${owner(pair.src)} ${owner(pair.dst)} ${pair.dst.port ?? ""}`;
  const atSource = new Set(pairs.filter((pair) => pair.vantage === "source").map(id));
  return pairs.filter((pair) => pair.vantage === "source" || !atSource.has(id(pair)));
}

function most(all: Map<string, Neighbour>): [Neighbour[], number] {
  const sorted = [...all.values()].sort((a, b) => trouble(b) - trouble(a) || b.syn - a.syn || (a.name < b.name ? -1 : 1));
  return [sorted.slice(0, SIDE), Math.max(0, sorted.length - SIDE)];
}

export function ego(pairs: Pair[], middle: string): Ego {
  const callers = new Map<string, Neighbour>(), called = new Map<string, Neighbour>();
  for (const pair of once(pairs)) {
    const from = owner(pair.src), to = owner(pair.dst), each = counts(pair);
    if (to === middle || pair.dst.service === middle) sum(callers, from, pair.dst.port, each);
    if (from === middle) sum(called, to, pair.dst.port, each);
  }
  const [left, moreCallers] = most(callers), [right, moreCalled] = most(called);
  return { callers: left, called: right, moreCallers, moreCalled };
}

/** Returns the names that occur, those with most trouble first. */
export function workloads(pairs: Pair[]): string[] {
  const all = new Map<string, Neighbour>();
  for (const pair of pairs) {
    for (const side of [pair.src, pair.dst]) sum(all, owner(side), undefined, counts(pair));
  }
  return [...all.values()].sort((a, b) => trouble(b) - trouble(a) || b.syn - a.syn).map((one) => one.name);
}
