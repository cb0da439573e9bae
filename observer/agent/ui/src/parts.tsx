// Parts that several views use.

import { useState } from "preact/hooks";
import { param, setParam } from "./route";
import { ago, moment } from "./time";

interface Nothing { title: string; text: string; link?: { href: string; text: string }; whole?: boolean }

/** Says why there is nothing, and what to do. `whole` is for a view that has nothing else, not even a heading. */
export function Empty({ title, text, link, whole = false }: Nothing) {
  return (
    <div class={whole ? "empty whole" : "empty"}>
      {whole ? <h1 class="title">{title}</h1> : <p class="title">{title}</p>}
      <p>{text} {link && <a href={link.href}>{link.text}</a>}</p>
    </div>
  );
}

interface Choice {
  label: string;
  value: string;
  options: readonly (readonly [value: string, text: string])[];
  change: (value: string) => void;
  all?: string;
}

export function Select({ label, value, options, change, all = "all" }: Choice) {
  const known = !value || options.some(([one]) => one === value);
  return (
    <label class="field">
      <span>{label}</span>
      <select value={value} onChange={(event) => change(event.currentTarget.value)}>
        {all && <option value="">{all}</option>}
        {!known && <option value={value}>{value}</option>}
        {options.map(([one, text]) => <option key={one} value={one}>{text}</option>)}
      </select>
    </label>
  );
}

/** Chooses among the namespaces that occur. */
export function NamespaceFilter({ names }: { names: string[] }) {
  const sorted = [...new Set(names)].sort();
  return <Select label="Namespace" value={param("ns")} options={sorted.map((one) => [one, one])} change={(value) => setParam("ns", value)} />;
}

/** A field whose text is in the address of the page. */
export function Field({ label, name, hint, list, wide }: { label: string; name: string; hint?: string; list?: string; wide?: boolean }) {
  return (
    <label class={wide ? "field wide" : "field"}>
      <span>{label}</span>
      <input
        name={name} value={param(name)} placeholder={hint ?? ""} list={list} autocomplete="off" spellcheck={false}
        onInput={(event) => setParam(name, event.currentTarget.value)}
      />
    </label>
  );
}

export function Times({ at, before }: { at: string; before: string }) {
  return <time dateTime={at} title={at}>{before} {moment(at)} <span class="quiet">({ago(at)})</span></time>;
}

/** A command, with a button that copies it. */
export function Copy({ text }: { text: string }) {
  const [done, setDone] = useState(false);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setDone(true);
      setTimeout(() => setDone(false), 1500);
    } catch { /* The browser forbids it; the text can be selected. */ }
  };
  return (
    <div class="command">
      <code>{text}</code>
      <button type="button" onClick={() => void copy()} aria-label={`Copy: ${text}`}>{done ? "Copied" : "Copy"}</button>
    </div>
  );
}

/** A sentence in which backquotes mark commands. */
export function Marked({ text }: { text: string }) {
  return <>{text.split("`").map((part, n) => (n % 2 ? <code key={n}>{part}</code> : part))}</>;
}
