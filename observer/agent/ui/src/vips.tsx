// One picture for each load-balancer address: its holders over time, and what happened to connections on the same axis.

import { lanes, statements, ticks, type Lanes, type Statement } from "./lanes";
import { Empty, Marked, NamespaceFilter, Select } from "./parts";
import { href, param, setParam } from "./route";
import { events, failure, findings, vips } from "./store";
import { useWidth } from "./width";
import { clock, moment, ms, now, plural, span } from "./time";
import type { Vip } from "./types";

const RANGES = [["120", "2 min"], ["300", "5 min"], ["900", "15 min"], ["3600", "1 h"]] as const;
const ROW = 30, GAP = 6, THIN = 18, BARS = 70, AXIS = 22, TOP = 6;

export function VipsView() {
  const all = vips.value, namespace = param("ns"), only = param("vip");
  const addresses = [...new Set(all.map((one) => one.ip))]
    .filter((ip) => !only || ip === only)
    .map((ip) => all.filter((one) => one.ip === ip))
    .filter((views) => !namespace || views.some((one) => one.services.some((name) => name.startsWith(`${namespace}/`))))
    .sort((a, b) => most(b) - most(a));
  return (
    <>
      <header class="bar">
        <h1>Load-balancer addresses</h1>
        <NamespaceFilter names={all.flatMap((one) => one.services).map((name) => name.split("/")[0] ?? "")} />
        <Select label="Window" value={param("range")} options={RANGES} all="as needed" change={(value) => setParam("range", value)} />
        {only && <a class="button" href={href("vips", { vip: "" })}>All addresses</a>}
      </header>
      {!addresses.length && <None />}
      {addresses.map((views) => <Address key={views[0]?.ip} views={views} />)}
    </>
  );
}

/** Returns the shortest window in which all known moves are, up to 15 minutes. */
function enough(views: Vip[], now: number): number {
  const claims = views.flatMap((one) => one.history.slice(1)).map((one) => now - ms(one.since));
  const oldest = Math.max(0, ...claims) * 1.15;
  return [120_000, 300_000].find((one) => one > oldest) ?? 900_000;
}

const most = (views: Vip[]): number => Math.max(...views.map((one) => one.moves));

function None() {
  const text = vips.value.length ? "No address with this filter." : failure.value || "No load-balancer address is known. Services of type LoadBalancer appear here; `--vip` of the agent adds others.";
  return <Empty title="No lanes" text={text} />;
}

function Address({ views }: { views: Vip[] }) {
  const { ref, width } = useWidth();
  const first = views[0];
  if (!first) return null;
  const to = now.value, from = to - (Number(param("range")) * 1000 || enough(views, to));
  const label = width < 560 ? 84 : 168;
  const plot = width - label;
  const picture = lanes(views, events.value, from, to, Math.max(20, Math.floor(plot / (plot < 400 ? 14 : 9))));
  const said = views.flatMap((one) => one.api).filter((one, n, all) => all.findIndex((other) => other.object === one.object && other.node === one.node) === n);
  const holder = first.claimant?.node ?? first.claimant?.mac;
  const wrong = said.filter((one) => one.node && holder && one.node !== holder && one.source !== "event" && one.source !== "ingress");
  const sentences = (findings.value ?? []).filter((one) => one.vip === first.ip && one.state === "active");
  return (
    <section class="vip" data-vip={first.ip}>
      <h2><span class="mono">{first.ip}</span> <span class="quiet">{first.services.join(", ") || "named by --vip"}</span></h2>
      <p class="verdict">{verdict(first, picture, to - from)}</p>
      <div ref={ref} class="lanes">
        <Picture picture={picture} said={statements(views, picture, from)} from={from} to={to} width={width} label={label} text={verdict(first, picture, to - from)} />
      </div>
      <Legend />
      <div class="api">
        <h3>What the API says</h3>
        {!said.length && <p class="quiet">No object of the API names an announcer.</p>}
        <ul>
          {said.map((one) => (
            <li key={one.object + (one.node ?? "")} class={wrong.includes(one) ? "conflict" : ""}>
              <b>{one.node ?? "no node"}</b> by {source(one.source)} <span class="mono">{one.object}</span>
              {one.since && <span class="quiet"> since {moment(one.since)}</span>}
              {wrong.includes(one) && <strong> Conflict: on the network {holder} holds it now.</strong>}
            </li>
          ))}
        </ul>
      </div>
      {sentences.length > 0 && <div class="api"><h3>Findings</h3>{sentences.map((one) => <p key={one.id} class={`said k-${one.kind}`}><Marked text={one.summary} /></p>)}</div>}
      <Table picture={picture} />
    </section>
  );
}

const SOURCES: Record<string, string> = { l2status: "ServiceL2Status", lease: "Lease", event: "an Event", ingress: "the Service's status" };
const source = (name: string): string => SOURCES[name] ?? name;

function verdict(vip: Vip, { moves, resets, followed, refusals, holders }: Lanes, window: number): string {
  const who = vip.claimant ? `${vip.claimant.node ?? vip.claimant.mac} holds it` : "Nobody has announced it";
  const calm = moves.length === 0;
  const text = calm ? `${who}; no move in ${span(window)}.` : `${holders.join(" and ")} took it in turn: ${plural(moves.length, "move")} in ${span(window)}.`;
  const after = resets ? ` ${plural(resets, "reset")} of open connections${followed ? `, ${followed} of them within 2 s of a move` : ""}.` : "";
  return `${text}${after}${refusals ? ` ${plural(refusals, "refused or unanswered attempt")}.` : ""}`;
}

interface PictureProps { picture: Lanes; said: Statement[]; from: number; to: number; width: number; label: number; text: string }

function Picture({ picture, said, from, to, width, label, text }: PictureProps) {
  const { holders, holds, moves, bins } = picture;
  const x = (at: number): number => label + ((Math.min(to, Math.max(from, at)) - from) / (to - from)) * (width - label - 2);
  const lane = (holder: string): number => TOP + holders.indexOf(holder) * (ROW + GAP);
  const beside = TOP + Math.max(1, holders.length) * (ROW + GAP) + 4;
  const below = beside + said.length * (THIN + GAP) + 8;
  const colour = (holder: string): string => `h${Math.max(0, holders.indexOf(holder)) % 4}`;
  const floor = below + BARS, height = floor + AXIS;
  const most = Math.max(1, ...bins.map((bin) => bin.resets + bin.refusals));
  const wide = (width - label) / bins.length;
  const bar = (n: number): number => (n / most) * (BARS - 16);
  return (
    <svg role="img" aria-label={text} width={width} height={height} viewBox={`0 0 ${width} ${height}`}>
      {ticks(from, to, Math.min(7, Math.floor((width - label) / 75))).filter((at) => x(at) > label + 20 && x(at) < width - 26).map((at) => (
        <g key={at} class="tick"><line x1={x(at)} x2={x(at)} y1={TOP} y2={floor} /><text x={x(at)} y={floor + 15} text-anchor="middle">{clock(at).slice(0, to - from <= 300_000 ? 8 : 5)}</text></g>
      ))}
      {holders.map((holder) => (
        <g key={holder}>
          <text class="holder" x={0} y={lane(holder) + ROW / 2 + 4}>{short(holder, label)}</text>
          <rect class="lane" x={label} y={lane(holder)} width={width - label} height={ROW} rx={4} />
        </g>
      ))}
      {holds.map((hold) => (
        <rect key={hold.from} class={`hold ${colour(hold.holder)}`} x={x(hold.from)} y={lane(hold.holder)} width={Math.max(2, x(hold.to) - x(hold.from) - 1)} height={ROW} rx={3}>
          <title>{`${hold.holder} from ${clock(hold.from)}${hold.open ? "" : ` to ${clock(hold.to)}`}`}</title>
        </rect>
      ))}
      {said.map(({ claim, from: begins, conflicts }, n) => {
        const y = beside + n * (THIN + GAP);
        return (
          <g key={claim.object}>
            <text class="holder" x={0} y={y + THIN / 2 + 4}>{short(label < 100 ? "API" : `API: ${claim.node ?? ""}`, label)}</text>
            <rect class={`says ${colour(claim.node ?? "")}`} x={x(begins)} y={y} width={Math.max(2, x(to) - x(begins))} height={THIN} rx={3}><title>{`${source(claim.source)} ${claim.object} says ${claim.node ?? "?"}`}</title></rect>
            {conflicts.map((one) => <rect key={one.from} class="conflict" x={x(one.from)} y={y + THIN - 5} width={Math.max(2, x(one.to) - x(one.from))} height={5}><title>{`conflict from ${clock(one.from)}`}</title></rect>)}
          </g>
        );
      })}
      {moves.map((at) => <line key={at} class="move" x1={x(at)} x2={x(at)} y1={TOP} y2={floor} />)}
      <text class="holder" x={0} y={below + BARS / 2}>{width < 560 ? "resets" : "resets, refusals"}</text>
      <line class="floor" x1={label} x2={width} y1={floor} y2={floor} />
      {bins.map((bin, n) => {
        const left = label + n * wide + 1, reset = bar(bin.resets), refused = bar(bin.refusals);
        if (!bin.resets && !bin.refusals) return null;
        return (
          <g key={n}>
            <rect class="reset" x={left} y={floor - reset} width={wide - 2} height={reset} rx={1.5}><title>{`${plural(bin.resets, "reset")} at ${clock(bin.from)}`}</title></rect>
            <rect class="refused" x={left} y={floor - reset - refused} width={wide - 2} height={refused} rx={1.5}><title>{`${plural(bin.refusals, "refusal")} at ${clock(bin.from)}`}</title></rect>
            {wide > 8 && bin.resets + bin.refusals > 1 && <text class="count" x={left + wide / 2 - 1} y={floor - reset - refused - 4} text-anchor="middle">{bin.resets + bin.refusals}</text>}
          </g>
        );
      })}
    </svg>
  );
}

const short = (text: string, width: number): string => {
  const room = Math.floor(width / 7.5);
  return text.length > room ? `${text.slice(0, 4)}…${text.slice(5 - room)}` : text;
};

function Legend() {
  return (
    <p class="legend" aria-hidden="true">
      <span><i class="swatch h0" /> <i class="swatch h1" /> holds the address</span>
      <span><i class="swatch conflict" /> the API names another holder</span>
      <span><i class="swatch move" /> it moves</span>
      <span><i class="swatch reset" /> resets of open connections</span>
      <span><i class="swatch refused" /> refused or unanswered attempts</span>
    </p>
  );
}

function Table({ picture }: { picture: Lanes }) {
  const rows = picture.holds.slice(-50).reverse();
  const after = (from: number, to: number): number => picture.bins.filter((bin) => bin.from >= from - 2000 && bin.from < to).reduce((sum, bin) => sum + bin.resets, 0);
  return (
    <details>
      <summary>The same as a table</summary>
      <div class="scroll"><table>
        <thead><tr><th scope="col">holder</th><th scope="col">from</th><th scope="col">to</th><th scope="col" class="n">resets meanwhile</th></tr></thead>
        <tbody>{rows.map((one) => <tr key={one.from}><td>{one.holder}</td><td>{clock(one.from)}</td><td>{one.open ? "now" : clock(one.to)}</td><td class="n">{after(one.from, one.to)}</td></tr>)}</tbody>
      </table></div>
    </details>
  );
}
