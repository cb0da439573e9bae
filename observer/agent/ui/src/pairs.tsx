// Who talks to whom, as a table.

import { counts, key, type Counts } from "./history";
import { namespaces, owner, target } from "./names";
import { Empty, Field, NamespaceFilter } from "./parts";
import { href, param } from "./route";
import { Sparkline } from "./sparkline";
import { failure, history, pairs } from "./store";
import { number, plural } from "./time";
import { VirtualTable } from "./virtual";
import type { Pair } from "./types";

interface Row { pair: Pair; from: string; to: string; counts: Counts; samples: Counts[] }

type Column = "from" | "to" | keyof Counts;
const COLUMNS: [Column, string][] = [["from", "from"], ["to", "to"], ["syn", "SYN"], ["refused", "refused"], ["reset", "RST"]];

function sorted(rows: Row[], by: Column, descending: boolean): Row[] {
  const value = (row: Row): string | number => (by === "from" || by === "to" ? row[by] : row.counts[by]);
  const order = (a: Row, b: Row): number => {
    const left = value(a), right = value(b);
    return left < right ? -1 : left > right ? 1 : 0;
  };
  return rows.sort((a, b) => (descending ? order(b, a) : order(a, b)) || b.counts.syn - a.counts.syn);
}

export function PairsView() {
  const all = pairs.value;
  if (!all) return <Empty whole title="Asking for pairs" text={failure.value || "One moment."} />;
  const namespace = param("ns"), text = param("q").toLowerCase();
  const by = (COLUMNS.find(([one]) => one === param("sort"))?.[0] ?? "refused"), descending = param("dir") ? param("dir") === "desc" : by !== "from" && by !== "to";
  const rows = all
    .filter((one) => !namespace || namespaces(one.src, one.dst).includes(namespace))
    .map((pair) => ({ pair, from: owner(pair.src), to: target(pair.dst), counts: counts(pair), samples: history.of(pair) }))
    .filter((row) => !text || `${row.from} ${row.to} ${row.pair.src.ip} ${row.pair.dst.ip} ${row.pair.src.pod ?? ""}`.toLowerCase().includes(text));
  return (
    <>
      <header class="bar">
        <h1>{plural(rows.length, "pair")}</h1>
        <NamespaceFilter names={all.flatMap((one) => namespaces(one.src, one.dst))} />
        <Field label="Search" name="q" hint="name or address" />
      </header>
      {rows.length === 0
        ? <Empty title="No pair" text={all.length ? "None with this filter." : "The agents have seen no connection open since they started."} />
        : <Table rows={sorted(rows, by, descending)} by={by} descending={descending} />}
      <p class="quiet small">Counters are since the start of the agents; the bars are since this page was opened, one for each 5 s. A connection that two nodes see has a row of each.</p>
    </>
  );
}

function Table({ rows, by, descending }: { rows: Row[]; by: Column; descending: boolean }) {
  const head = (
    <tr>
      {COLUMNS.map(([column, title]) => {
        const now = column === by, next = now ? (descending ? "asc" : "desc") : "";
        return (
          <th key={column} scope="col" class={column === "from" || column === "to" ? "" : "n"} aria-sort={now ? (descending ? "descending" : "ascending") : "none"}>
            <a href={href("pairs", { sort: column, dir: next })}>{title}{now ? (descending ? " ↓" : " ↑") : ""}</a>
          </th>
        );
      })}
      <th scope="col">SYN, last 3 min</th><th scope="col">refused, 3 min</th><th scope="col">RST, 3 min</th>
    </tr>
  );
  return <VirtualTable rows={rows} height={38} kind="pairs" columns={8} label="Pairs" head={head} row={(row) => <Line key={key(row.pair)} row={row} />} />;
}

function Line({ row }: { row: Row }) {
  const { pair, from, to, counts, samples } = row;
  const seen = `seen at the ${pair.vantage}${pair.node ? ` on ${pair.node}` : ""}`;
  return (
    <tr>
      <td class="name" title={`${pair.src.ip} ${pair.src.pod ?? ""}, ${seen}`}><a href={href("map", { at: from })}>{from}</a></td>
      <td class="name" title={`${pair.dst.ip} ${pair.dst.pod ?? ""}`}><a href={href("map", { at: owner(pair.dst) })}>{to}</a></td>
      <td class="n">{number(counts.syn)}</td>
      <td class={counts.refused ? "n bad refused" : "n zero"}>{number(counts.refused)}</td>
      <td class={counts.reset ? "n bad reset" : "n zero"}>{number(counts.reset)}</td>
      <td><Sparkline kind="syn" label="SYN" values={samples.map((one) => one.syn)} /></td>
      <td><Sparkline kind="refused" label="refused" values={samples.map((one) => one.refused)} /></td>
      <td><Sparkline kind="reset" label="RST" values={samples.map((one) => one.reset)} /></td>
    </tr>
  );
}
