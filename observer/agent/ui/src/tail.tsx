// The live tail. It can be paused, and has the filters of `flow-observer tail`.

import { useEffect, useRef, useState } from "preact/hooks";
import { token } from "./api";
import { owner, target } from "./names";
import { Empty, Field, Select } from "./parts";
import { param, setParam } from "./route";
import { isCluster } from "./store";
import { open } from "./stream";
import { number } from "./time";
import { VirtualTable } from "./virtual";
import type { FlowRecord } from "./types";

const KEEP = 5_000;
const EVERY = 200;
const FILTERS = ["namespace", "pod", "kind", "outcome", "verdict", "from", "to", "port", "policy", "reason", "cause", "filter"] as const;
const KINDS = ["attempt", "reset", "drop", "announcement", "policy_change", "check", "lost"];
const OUTCOMES = ["established", "refused", "rejected", "unanswered"];

const options = (names: string[]) => names.map((one) => [one, one.replaceAll("_", " ")] as const);

/** What a filter is called in the address of the page. */
const name = (filter: string): string => (filter === "namespace" ? "ns" : `t-${filter}`);

function useTail(paused: boolean) {
  const parameters: Record<string, string> = {};
  for (const filter of FILTERS) {
    const value = param(name(filter)).trim();
    if (value) parameters[filter] = value;
  }
  const wanted = JSON.stringify(parameters);
  const [records, setRecords] = useState<{ record: FlowRecord; id: number }[]>([]);
  const [state, setState] = useState(""), [note, setNote] = useState("");
  const held = useRef({ waiting: [] as FlowRecord[], paused, next: 0, left: 0 });
  held.current.paused = paused;
  useEffect(() => {
    const room = held.current;
    room.waiting = [];
    setRecords([]);
    // A filter that is typed opens one stream, not one for each letter.
    let stream: ReturnType<typeof open> | undefined;
    const begin = setTimeout(() => {
      stream = open(JSON.parse(wanted) as Record<string, string>, "5m", (record) => {
        room.waiting.push(record);
        if (room.waiting.length > KEEP) { room.waiting.shift(); room.left += 1; }
      });
    }, 300);
    const timer = setInterval(() => {
      setState(stream?.state.value ?? "connecting");
      setNote(stream?.note.value ?? "");
      if (room.paused || !room.waiting.length) return;
      const fresh = room.waiting.splice(0).map((record) => ({ record, id: room.next++ })).reverse();
      setRecords((all) => fresh.concat(all).slice(0, KEEP));
    }, EVERY);
    return () => { clearTimeout(begin); clearInterval(timer); stream?.close(); };
  }, [wanted, token.value]);
  return { records, state, note, waiting: held.current.waiting.length };
}

export function TailView() {
  const paused = param("paused") === "1";
  const set = FILTERS.filter((one) => param(name(one))).length;
  const { records, state, note, waiting } = useTail(paused);
  return (
    <>
      <header class="bar">
        <h1>Tail</h1>
        <button type="button" class="button" aria-pressed={paused} onClick={() => setParam("paused", paused ? "" : "1")}>
          {paused ? `Go on${waiting ? ` (${number(waiting)} new)` : ""}` : "Pause"}
        </button>
        <span class={state ? "status off" : "status on"} role="status">{state || (paused ? "paused" : "live")}</span>
      </header>
      {note && <p class="quiet note">{note}</p>}
      <details open={innerWidth > 640 || set > 0}>
      <summary>Filters{set > 0 && ` (${set})`}</summary>
      <div class="filters">
        <Field label="Namespace" name="ns" />
        <Select label="Kind" value={param("t-kind")} options={options(KINDS)} change={(value) => setParam("t-kind", value)} />
        <Select label="Outcome" value={param("t-outcome")} options={options(OUTCOMES)} change={(value) => setParam("t-outcome", value)} />
        <Select label="Verdict" value={param("t-verdict")} options={options(["allow", "deny", "unknown"])} change={(value) => setParam("t-verdict", value)} />
        <Field label="From" name="t-from" hint="web, web/front, CIDR" />
        <Field label="To" name="t-to" hint="data/valkey" />
        <Field label="Port" name="t-port" hint="5432" />
        <Field label="Policy" name="t-policy" hint="NS/NAME" />
        <Field label="Reason" name="t-reason" hint="no_socket" />
        <Field label="Cause" name="t-cause" hint="conntrack_full" />
        <Field label="Pod" name="t-pod" hint="NS/NAME" />
        <Field label="Expression (CEL)" name="t-filter" hint={'dst.port == 5432 && verdict.decision == "deny"'} wide />
      </div>
      </details>
      {records.length === 0
        ? <Nothing state={state} />
        : <VirtualTable rows={records} height={34} kind="tail" columns={isCluster.value ? 6 : 5} label="Records, newest first" head={head()} row={({ record, id }) => <Line key={id} record={record} />} />}
    </>
  );
}

/** What stands in the place of records. That there are none is known only once the stream is open. */
function Nothing({ state }: { state: string }) {
  if (state === "connecting") return <Empty title="Connecting" text="One moment." />;
  if (state) return <Empty title="No records" text={state} />;
  return <Empty title="Nothing yet" text="The last five minutes have no record with these filters. New ones appear here as they happen." />;
}

function head() {
  return <tr><th scope="col">time</th>{isCluster.value && <th scope="col">node</th>}<th scope="col">what</th><th scope="col">from</th><th scope="col">to</th><th scope="col">why</th></tr>;
}

function Line({ record }: { record: FlowRecord }) {
  const { src, dst } = record;
  const bad = record.kind === "reset" ? "reset" : record.outcome && record.outcome !== "established" ? "refused" : "";
  return (
    <tr class={bad}>
      <td class="when">{timeOfDay(record.time)}</td>
      {isCluster.value && <td class="name">{record.node}</td>}
      <td class="what">{what(record)}</td>
      <td class="name">{src ? owner(src) : record.ip ?? record.name ?? ""}</td>
      <td class="name">{dst ? target(dst) : record.kind === "announcement" ? record.claimant ?? record.mac : ""}</td>
      <td class="why" title={why(record)}>{why(record)}</td>
    </tr>
  );
}

const format = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });
const timeOfDay = (time: string): string => format.format(Date.parse(time));

function what(record: FlowRecord): string {
  switch (record.kind) {
    case "attempt": return record.outcome ?? "attempt";
    case "reset": return `reset by ${record.by ?? "?"}`;
    case "announcement": return record.move ? "address moved" : "address claimed";
    case "lost": return `${number(record.lost ?? 0)} lost`;
    default: return record.kind.replaceAll("_", " ");
  }
}

function why(record: FlowRecord): string {
  if (record.verdict && record.verdict.decision !== "allow") return record.verdict.explanation;
  if (record.kind === "announcement" && record.previous) return `before: ${record.previous}`;
  if (record.kind === "lost") return `at the ${record.stage ?? "?"}`;
  const parts = [record.summary, record.error, record.phase, record.reason ?? record.drop_reason, record.cause, record.signal];
  if (record.latency_us !== undefined) parts.push(record.latency_us < 1000 ? `${record.latency_us} µs` : `${(record.latency_us / 1000).toFixed(1)} ms`);
  return parts.filter(Boolean).join(", ");
}
