// All state of the page is in its address: `#vips?ns=web&range=900`.

import { computed, signal } from "@preact/signals";

export const VIEWS = ["findings", "map", "vips", "pairs", "tail", "explain", "health"] as const;
export type View = (typeof VIEWS)[number];

const hash = signal(location.hash);
addEventListener("hashchange", () => { hash.value = location.hash; });

const parts = computed(() => {
  const [view = "", query = ""] = hash.value.replace(/^#/, "").split("?", 2);
  return { view, query: new URLSearchParams(query) };
});

export const view = computed<View>(() => {
  const known = VIEWS.find((one) => one === parts.value.view);
  return known ?? "findings";
});

/** Returns a part of the state, or the empty text. */
export const param = (name: string): string => parts.value.query.get(name) ?? "";

/** Returns the address of a view with the present filters and these changes. Empty values are left out. */
export function href(to: View, changes: Record<string, string> = {}): string {
  const query = new URLSearchParams(parts.value.query);
  for (const [name, value] of Object.entries(changes)) {
    if (value) query.set(name, value); else query.delete(name);
  }
  const text = query.toString();
  return `#${to}${text && `?${text}`}`;
}

/** Changes the state without a new entry in the browser's history, as for each letter of a filter. */
export function setParam(name: string, value: string): void {
  history.replaceState(null, "", href(view.value, { [name]: value }));
  hash.value = location.hash;
}

export function go(to: View): void {
  location.hash = href(to);
}
