// Whether one may connect to another, and which policy decides, rule by rule.

import { useEffect, useState } from "preact/hooks";
import { getJson } from "./api";
import { owner, target } from "./names";
import { Copy, Empty, Field } from "./parts";
import { param, setParam } from "./route";
import { everywhere, findings, pairs, vips } from "./store";
import { quoted } from "./names";
import type { Direction, Explanation } from "./types";

/** Names that were seen, for completion. */
function names(): { from: string[]; to: string[] } {
  const sides = (pairs.value ?? []).concat();
  const from = new Set<string>(), to = new Set<string>();
  for (const pair of sides) {
    from.add(pair.src.namespace && pair.src.pod ? `${pair.src.namespace}/${pair.src.pod}` : owner(pair.src).replace(/^node .*/, pair.src.ip));
    to.add(target(pair.dst).replace(/^node [^:]*/, pair.dst.ip));
  }
  for (const one of findings.value ?? []) {
    if (one.src) from.add(owner(one.src));
    if (one.dst) to.add(target(one.dst));
  }
  for (const vip of vips.value) vip.services.forEach((name) => to.add(name));
  return { from: [...from].sort().slice(0, 1000), to: [...to].sort().slice(0, 1000) };
}

export function ExplainView() {
  const from = param("from"), to = param("dest");
  const [answer, setAnswer] = useState<Explanation | string | undefined>();
  useEffect(() => {
    setAnswer(undefined);
    if (!from || !to) return;
    const abort = new AbortController();
    const later = setTimeout(() => {
      getJson<Explanation>(`/api/v1/explain?${new URLSearchParams({ src: from, dst: to })}`, abort.signal)
        .then(setAnswer, (error: unknown) => { if (!abort.signal.aborted) setAnswer(error instanceof Error ? error.message : String(error)); });
    }, 350);
    return () => { clearTimeout(later); abort.abort(); };
  }, [from, to]);
  const known = names();
  return (
    <>
      <header class="bar"><h1>May one reach the other?</h1></header>
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <Field label="From" name="from" hint="web/front, or an address" list="from" wide />
        <Field label="To" name="dest" hint="data/valkey:6379" list="to" wide />
        <button type="button" class="button" onClick={() => { const [a, b] = [from, to]; setParam("from", b.replace(/:\d+(\/\w+)?$/, "")); setParam("dest", a); }}>Swap</button>
        <datalist id="from">{known.from.map((one) => <option key={one} value={one} />)}</datalist>
        <datalist id="to">{known.to.map((one) => <option key={one} value={one} />)}</datalist>
      </form>
      <div aria-live="polite">{result(answer, from, to)}</div>
    </>
  );
}

function result(answer: Explanation | string | undefined, from: string, to: string) {
  if (!from || !to) return <Empty title="Two sides are needed" text="A side is NAMESPACE/NAME of a pod, a workload or a Service, or an address. The side on the right takes a port." />;
  if (answer === undefined) return <Empty title="Asking" text="One moment." />;
  if (typeof answer === "string") return <Empty title="No answer" text={answer} />;
  if (answer.error) return <Empty title="No answer" text={answer.error} />;
  const words: Record<string, string> = { allow: "Allowed", deny: "Denied", unknown: "Not known" };
  return (
    <section class={`answer ${answer.decision}`}>
      <p class="decision">{words[answer.decision] ?? answer.decision}</p>
      <p class="summary">{answer.explanation}</p>
      <p class="quiet"><span class="mono">{answer.src}</span> to <span class="mono">{answer.dst}</span>{answer.service && <> by Service <span class="mono">{answer.service}</span></>}</p>
      <div class="trace">
        <Trace title="Egress of the source" direction={answer.egress} said={answer.explanation} />
        <Trace title="Ingress of the destination" direction={answer.ingress} said={answer.explanation} />
      </div>
      {answer.notes?.map((note) => <p key={note} class="quiet small">{note}</p>)}
      <Copy text={["flow-observer", "explain", ...everywhere.value, from, to].map(quoted).join(" ")} />
    </section>
  );
}

/** What became of each policy that selects the pod, and of the rules that decide. */
function Trace({ title, direction, said }: { title: string; direction: Direction; said: string }) {
  const { decision, policies, rules, nearest, explanation } = direction;
  const deciding = (policy: string): string[] => rules.filter((rule) => rule === policy || rule.startsWith(`${policy}#`));
  const others = rules.filter((rule) => !policies.some((policy) => deciding(policy).includes(rule)));
  return (
    <div class={`direction ${decision}`}>
      <h2>{title}: {decision}</h2>
      {explanation !== said && <p>{explanation}</p>}
      {policies.length === 0 && <p class="quiet small">No policy selects it in this direction.</p>}
      <ol>
        {policies.map((policy) => (
          <li key={policy}>
            <span class="mono">{policy}</span> selects it
            {deciding(policy).length > 0
              ? <ul>{deciding(policy).map((rule) => <li key={rule} class={decision}><span class="mono">{rule}</span> {decision === "deny" ? "denies" : "matches"}</li>)}</ul>
              : <ul><li class="quiet">no rule of it matches</li></ul>}
            {nearest?.policy === policy && <ul><li class="near">nearest: <span class="mono">{nearest.rule}</span> {nearest.why}</li></ul>}
          </li>
        ))}
        {others.map((rule) => <li key={rule}><span class="mono">{rule}</span> decides</li>)}
      </ol>
    </div>
  );
}
