// How the counters of each pair grew while the page was open.

import { owner, target } from "./names";
import type { Pair } from "./types";

export const SAMPLES = 36;

export interface Counts { syn: number; refused: number; reset: number }

interface Line { last: Counts; samples: Counts[]; seen: number }

export const key = (pair: Pair): string =>
  [pair.src.ip, owner(pair.src), pair.dst.ip, target(pair.dst), pair.vantage, pair.node ?? ""].join(" ");

export function counts(pair: Pair): Counts {
  const { client, server } = pair.rst;
  return {
    syn: pair.syn,
    refused: pair.attempts.refused + pair.attempts.rejected + pair.attempts.unanswered,
    // Resets of handshakes are refusals, which count already.
    reset: client.established + client.orphan + server.established + server.orphan,
  };
}

/** Holds the last samples of each pair. */
export class History {
  private lines = new Map<string, Line>();
  private round = 0;

  add(pairs: Pair[]): void {
    this.round += 1;
    for (const pair of pairs) {
      const id = key(pair), now = counts(pair), line = this.lines.get(id);
      if (!line) {
        this.lines.set(id, { last: now, samples: [], seen: this.round });
        continue;
      }
      const grown = (name: keyof Counts): number => Math.max(0, now[name] - line.last[name]);
      line.samples.push({ syn: grown("syn"), refused: grown("refused"), reset: grown("reset") });
      if (line.samples.length > SAMPLES) line.samples.shift();
      line.last = now;
      line.seen = this.round;
    }
    for (const [id, line] of this.lines) if (line.seen !== this.round) this.lines.delete(id);
  }

  of(pair: Pair): Counts[] {
    return this.lines.get(key(pair))?.samples ?? [];
  }
}
