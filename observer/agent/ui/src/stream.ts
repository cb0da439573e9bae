// A stream of records that is opened again when it breaks, without a gap and without repeated records.

import { signal } from "@preact/signals";
import { Failure, follow } from "./api";
import type { FlowRecord } from "./types";

export interface Stream {
  close(): void;
  /** Why there is no stream; empty while there is one. */
  readonly state: { readonly value: string };
  /** The last note, such as that a node is missing or does not remember everything. */
  readonly note: { readonly value: string };
}

/** Opens `/api/v1/flows` with these parameters. `since` is where the replay begins. */
export function open(
  parameters: Record<string, string>,
  since: string,
  take: (record: FlowRecord) => void,
): Stream {
  const abort = new AbortController();
  // A browser opens six connections to a server at most, for all tabs: one that nobody sees gives its own back.
  let connection = new AbortController();
  const look = (): void => { if (document.hidden) connection.abort(); };
  document.addEventListener("visibilitychange", look);
  const state = signal("connecting"), note = signal("");
  let last = "";
  // The records of the newest time, which a replay from then on repeats.
  let atLast = new Set<string>();
  const each = (event: string, data: string): void => {
    if (event === "note") { note.value = data; return; }
    const record = JSON.parse(data) as FlowRecord;
    if (record.kind === "memory") {
      note.value ||= "The agent does not remember all of the time asked for.";
      return;
    }
    if (record.time === last && atLast.has(data)) return;
    if (record.time > last) { last = record.time; atLast = new Set(); }
    if (record.time === last) atLast.add(data);
    take(record);
  };
  const run = async (): Promise<void> => {
    let wait = 500;
    while (!abort.signal.aborted) {
      await visible();
      connection = new AbortController();
      const query = new URLSearchParams(parameters);
      const from = last || since;
      if (from) query.set("since", from);
      try {
        await follow(`/api/v1/flows?${query}`, AbortSignal.any([abort.signal, connection.signal]), each, () => { state.value = ""; wait = 500; });
        state.value = "The stream has ended; trying again.";
      } catch (error) {
        if (abort.signal.aborted) return;
        if (connection.signal.aborted) continue;
        state.value = error instanceof Error ? error.message : String(error);
        // A filter that is wrong stays wrong.
        if (error instanceof Failure && (error.status === 400 || error.status === 401 || error.status === 403)) return;
      }
      await new Promise((resolve) => setTimeout(resolve, wait));
      wait = Math.min(wait * 2, 5000);
    }
  };
  void run();
  return { close: () => { abort.abort(); document.removeEventListener("visibilitychange", look); }, state, note };
}

/** Waits until the tab is in sight. */
async function visible(): Promise<void> {
  while (document.hidden) {
    await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
  }
}
