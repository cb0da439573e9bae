// The geometry of a VIP's lanes: who held it when, and what followed.

import { ms } from "./time";
import type { ApiClaim, FlowRecord, Vip } from "./types";

export interface Hold { holder: string; from: number; to: number; open: boolean }
export interface Bin { from: number; resets: number; refusals: number; afterMove: boolean }

export interface Lanes {
  holders: string[];
  holds: Hold[];
  moves: number[];
  bins: Bin[];
  resets: number;
  refusals: number;
  /** Resets within two seconds after a move. */
  followed: number;
}

/** Resets that come this soon after a move are put down to it. */
const FOLLOWS = 2_000;
/** Clocks of nodes differ a little, and a reset may be seen before the announcement. */
const SLACK = 500;

interface Change { at: number; holder: string }

/** Joins what the agents remember of the claims with the announcements in the stream. */
function changes(views: Vip[], records: FlowRecord[]): Change[] {
  const ip = views[0]?.ip;
  const nodes = new Map<string, string>();
  for (const view of views) for (const claim of view.history) if (claim.node) nodes.set(claim.mac, claim.node);
  const claims = views.flatMap((view) => view.history).map((claim) => ({ at: ms(claim.since), holder: claim.node ?? nodes.get(claim.mac) ?? claim.mac }));
  const seen = records
    .filter((one) => one.kind === "announcement" && one.ip === ip)
    .map((one) => ({ at: ms(one.time), holder: one.claimant ?? nodes.get(one.mac ?? "") ?? one.mac ?? "?" }));
  const sorted = claims.concat(seen).sort((a, b) => a.at - b.at);
  // Several agents hear one announcement, each at its own time.
  return sorted.filter((one, n) => sorted[n - 1]?.holder !== one.holder);
}

const concerns = (record: FlowRecord, ip: string): boolean => record.vip === ip || record.dst?.ip === ip;

/** A connection whose end several nodes see counts once. */
const connection = ({ kind, src, dst }: FlowRecord): string => [kind, src?.ip, src?.port, dst?.port].join(" ");

/** A statement of the API, and the times at which another host held the address. */
export interface Statement { claim: ApiClaim; from: number; conflicts: { from: number; to: number }[] }

/** Sources that describe the present. An Event is about one moment, and a Service's status names every node. */
const PRESENT = ["l2status", "lease"];

export function statements(views: Vip[], { holds }: Lanes, from: number): Statement[] {
  const said = views.flatMap((one) => one.api).filter((one) => one.node && PRESENT.includes(one.source));
  const once = said.filter((one, n) => said.findIndex((other) => other.object === one.object && other.node === one.node) === n);
  return once.slice(0, 4).map((claim) => {
    const begins = Math.max(from, claim.since ? ms(claim.since) : from);
    const others = holds.filter((hold) => hold.holder !== claim.node && hold.to > begins);
    return { claim, from: begins, conflicts: others.map((hold) => ({ from: Math.max(begins, hold.from), to: hold.to })) };
  });
}

export function lanes(views: Vip[], records: FlowRecord[], from: number, to: number, columns: number): Lanes {
  const ip = views[0]?.ip ?? "";
  const all = changes(views, records);
  const holds = all
    .map((one, n) => ({ holder: one.holder, from: one.at, to: all[n + 1]?.at ?? to, open: n === all.length - 1 }))
    .filter((one) => one.to > from && one.from < to);
  const moves = all.slice(1).map((one) => one.at).filter((at) => at >= from && at <= to);
  const width = (to - from) / columns;
  const bins: Bin[] = Array.from({ length: columns }, (_, n) => ({ from: from + n * width, resets: 0, refusals: 0, afterMove: false }));
  let resets = 0, refusals = 0, followed = 0;
  const seen = new Set<string>();
  for (const record of records) {
    if (!concerns(record, ip) || seen.has(connection(record))) continue;
    seen.add(connection(record));
    const at = ms(record.time), bin = bins[Math.floor((at - from) / width)];
    if (!bin || at < from) continue;
    if (record.kind === "reset" && record.phase !== "handshake") {
      bin.resets += 1;
      resets += 1;
      if (moves.some((move) => at >= move - SLACK && at <= move + FOLLOWS)) {
        bin.afterMove = true;
        followed += 1;
      }
    } else if (record.kind === "attempt") {
      bin.refusals += 1;
      refusals += 1;
    }
  }
  const holders = [...new Set(all.map((one) => one.holder))].sort();
  return { holders, holds, moves, bins, resets, refusals, followed };
}

/** Returns round times for an axis, at most so many. */
export function ticks(from: number, to: number, most: number): number[] {
  const steps = [10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600].map((seconds) => seconds * 1000);
  const step = steps.find((one) => (to - from) / one <= most) ?? 3_600_000;
  const first = Math.ceil(from / step) * step;
  return Array.from({ length: Math.max(0, Math.floor((to - first) / step) + 1) }, (_, n) => first + n * step);
}
