// The ego map: one workload in the middle, who calls it on the left, and what it calls on the right.

import { ego, workloads, type Neighbour } from "./ego";
import { Empty } from "./parts";
import { href, param, setParam } from "./route";
import { failure, pairs } from "./store";
import { number, plural } from "./time";
import type { Pair } from "./types";
import { useWidth } from "./width";

const ROW = 46, BOX = 34, GAP = 150;
/** Below this width the three columns become one. */
const NARROW = 760;

export function MapView() {
  const all = pairs.value;
  if (!all) return <Empty whole title="Asking for pairs" text={failure.value || "One moment."} />;
  const names = workloads(all);
  const middle = param("at") || names[0] || "";
  if (!middle) return <Empty whole title="Nothing to draw" text="The agents have seen no connection open since they started." />;
  return <Around all={all} names={names} middle={middle} />;
}

function Around({ all, names, middle }: { all: Pair[]; names: string[]; middle: string }) {
  const { ref, width } = useWidth();
  const { callers, called, moreCallers, moreCalled } = ego(all, middle);
  const Drawn = width < NARROW ? Column : Picture;
  const text = `${plural(callers.length + moreCallers, "workload")} ${callers.length + moreCallers === 1 ? "calls" : "call"} ${middle}, which calls ${called.length + moreCalled}. ${said(callers, "from")} ${said(called, "to")}`;
  return (
    <>
      <header class="bar">
        <h1>Around <span class="mono">{middle}</span></h1>
        <label class="field wide">
          <span>Workload</span>
          <input list="workloads" value={middle} spellcheck={false} autocomplete="off" onChange={(event) => setParam("at", event.currentTarget.value.trim())} />
        </label>
        <datalist id="workloads">{names.slice(0, 500).map((name) => <option key={name} value={name} />)}</datalist>
      </header>
      {callers.length + called.length === 0
        ? <Empty title="No connections" text={`Nothing was seen from or to ${middle}.`} link={{ href: href("map", { at: "" }), text: "Start with the busiest" }} />
        : <div class="scroll map" tabIndex={0} role="region" aria-label="Map"><div ref={ref}><Drawn middle={middle} callers={callers} called={called} text={text} width={width} /></div></div>}
      <p class="legend" aria-hidden="true">
        <span><i class="swatch fine" /> connections</span>
        <span><i class="swatch refused" /> refused or unanswered</span>
        <span><i class="swatch reset" /> reset while open</span>
      </p>
      {moreCallers + moreCalled > 0 && <p class="quiet">{`Left out: ${plural(moreCallers, "caller")} and ${plural(moreCalled, "callee")} with less trouble and fewer connections.`}</p>}
      <Table callers={callers} called={called} middle={middle} />
    </>
  );
}

function said(side: Neighbour[], word: string): string {
  return side.filter((one) => one.refused || one.reset).slice(0, 5).map((one) => `${word} ${one.name}: ${number(one.refused)} refused, ${number(one.reset)} reset.`).join(" ");
}

interface Drawing { middle: string; callers: Neighbour[]; called: Neighbour[]; text: string; width: number }

function Picture({ middle, callers, called, text, width }: Drawing) {
  const wide = (width - 2 * GAP) / 3, right = 2 * (wide + GAP);
  const height = Math.max(callers.length, called.length, 2) * ROW + 36;
  const top = (side: Neighbour[], n: number): number => 30 + (height - 36 - side.length * ROW) / 2 + n * ROW;
  const center = 30 + (height - 36) / 2;
  return (
    <svg role="group" aria-label={text} width={width} height={height} viewBox={`0 0 ${width} ${height}`}>
      <text class="side" x={0} y={14}>callers</text>
      <text class="side" x={width} y={14} text-anchor="end">called</text>
      {!callers.length && <text x={0} y={center + 4}>nobody was seen calling it</text>}
      {!called.length && <text x={width} y={center + 4} text-anchor="end">it was seen calling nobody</text>}
      {callers.map((one, n) => <Edge key={one.name} one={one} x1={wide} y1={top(callers, n) + BOX / 2} x2={wide + GAP} y2={center} outward />)}
      {called.map((one, n) => <Edge key={one.name} one={one} x1={2 * wide + GAP} y1={center} x2={right} y2={top(called, n) + BOX / 2} />)}
      <Box name={middle} x={wide + GAP} y={center - BOX / 2} wide={wide} me />
      {callers.map((one, n) => <Box key={one.name} name={one.name} x={0} y={top(callers, n)} wide={wide} />)}
      {called.map((one, n) => <Box key={one.name} name={one.name} x={right} y={top(called, n)} wide={wide} />)}
    </svg>
  );
}

/** One below the other, for narrow windows: callers, the workload, called. */
function Column({ middle, callers, called, text, width }: Drawing) {
  const wide = width - 112, center = 26 + callers.length * ROW + 14, below = center + ROW + 26;
  const arc = (one: Neighbour, y: number) => <Arc key={one.name} one={one} x={wide} y1={y + BOX / 2} y2={center + BOX / 2} />;
  const height = below + called.length * ROW + 4;
  return (
    <svg role="group" aria-label={text} width={width} height={height} viewBox={`0 0 ${width} ${height}`}>
      <text class="side" x={0} y={14}>{callers.length ? "callers" : "nobody was seen calling it"}</text>
      <text class="side" x={0} y={below - 10}>{called.length ? "called" : "it was seen calling nobody"}</text>
      {callers.map((one, n) => arc(one, 24 + n * ROW))}
      {called.map((one, n) => arc(one, below + n * ROW))}
      {callers.map((one, n) => <Box key={one.name} name={one.name} x={0} y={24 + n * ROW} wide={wide} />)}
      {called.map((one, n) => <Box key={one.name} name={one.name} x={0} y={below + n * ROW} wide={wide} />)}
      <Box name={middle} x={0} y={center} wide={wide} me />
    </svg>
  );
}

function Arc({ one, x, y1, y2 }: { one: Neighbour; x: number; y1: number; y2: number }) {
  const bend = x + Math.min(70, 24 + Math.abs(y2 - y1) / 4);
  return (
    <g class={`edge ${trouble(one)}`}>
      <path d={`M${x} ${y1}C${bend} ${y1} ${bend} ${y2} ${x} ${y2}`} stroke-width={thickness(one)} />
      <text x={x + 8} y={y1 - 6}>{counted(one)}</text>
    </g>
  );
}

function Box({ name, x, y, wide, me = false }: { name: string; x: number; y: number; wide: number; me?: boolean }) {
  const room = Math.floor(wide / 8), half = Math.floor(room / 2);
  const text = name.length > room ? `${name.slice(0, half)}…${name.slice(-half + 1)}` : name;
  return (
    <a href={href("map", { at: name })} class={me ? "node me" : "node"} aria-label={name}>
      <rect x={x + 1} y={y + 1} width={wide - 2} height={BOX - 2} rx={8} />
      <text x={x + wide / 2} y={y + BOX / 2 + 4.5} text-anchor="middle">{text}</text>
      <title>{name}</title>
    </a>
  );
}

const trouble = (one: Neighbour): string => (one.refused ? "refused" : one.reset ? "reset" : "fine");
const thickness = (one: Neighbour): number => 1.2 + Math.min(4, Math.log10(1 + one.syn));
const counted = (one: Neighbour): string =>
  [one.refused && `${number(one.refused)} refused`, one.reset && `${number(one.reset)} reset`].filter(Boolean).join(", ") || `${number(one.syn)} SYN`;

interface EdgeProps { one: Neighbour; x1: number; y1: number; x2: number; y2: number; outward?: boolean }

function Edge({ one, x1, y1, x2, y2, outward = false }: EdgeProps) {
  const half = (x1 + x2) / 2;
  // The label is near the neighbour, where the edges are apart.
  const at = outward ? x1 + 10 : x2 - 10;
  return (
    <g class={`edge ${trouble(one)}`}>
      <path d={`M${x1} ${y1}C${half} ${y1} ${half} ${y2} ${x2} ${y2}`} stroke-width={thickness(one)} />
      <text x={at} y={(outward ? y1 : y2) - 7} text-anchor={outward ? "start" : "end"}>{counted(one)}</text>
    </g>
  );
}

function Table({ callers, called, middle }: { callers: Neighbour[]; called: Neighbour[]; middle: string }) {
  const line = (one: Neighbour, from: string, to: string) => (
    <tr key={`${from} ${to}`}>
      <td>{from}</td><td>{to}</td><td class="n">{one.ports.join(", ")}</td><td class="n">{number(one.syn)}</td>
      <td class={one.refused ? "n bad refused" : "n zero"}>{number(one.refused)}</td><td class={one.reset ? "n bad reset" : "n zero"}>{number(one.reset)}</td>
    </tr>
  );
  return (
    <details open>
      <summary>The same as a table</summary>
      <div class="scroll" tabIndex={0} role="region" aria-label="Table of the map"><table>
        <thead><tr><th scope="col">from</th><th scope="col">to</th><th scope="col" class="n">port</th><th scope="col" class="n">SYN</th><th scope="col" class="n">refused</th><th scope="col" class="n">RST</th></tr></thead>
        <tbody>{callers.map((one) => line(one, one.name, middle))}{called.map((one) => line(one, middle, one.name))}</tbody>
      </table></div>
    </details>
  );
}
