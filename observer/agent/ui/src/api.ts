// Requests to the server that the page comes from. Where it wants a token, the page asks for one.

import { signal } from "@preact/signals";

const KEY = "flow-observer-token";

/** The token, which lives as long as the tab. */
export const token = signal(sessionStorage.getItem(KEY) ?? "");
/** Why a token is needed; empty where none is. */
export const wanted = signal("");

export function setToken(text: string): void {
  token.value = text.trim();
  if (token.value) sessionStorage.setItem(KEY, token.value); else sessionStorage.removeItem(KEY);
  wanted.value = "";
}

export class Failure extends Error {
  constructor(readonly status: number, message: string) { super(message); }
}

async function request(path: string, accept: string, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { accept };
  if (token.value) headers["authorization"] = `Bearer ${token.value}`;
  let response: Response;
  try {
    response = await fetch(path, { headers, cache: "no-store", ...(signal ? { signal } : {}) });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Failure(0, "The server does not answer. Does the agent, or `flow-observer ui`, still run?");
  }
  if (response.ok) return response;
  const text = await response.text();
  let why = text;
  try { why = String((JSON.parse(text) as { error?: unknown }).error ?? text); } catch { /* It is no JSON. */ }
  if (response.status === 401) wanted.value = token.value ? "The token is not accepted." : "This agent wants a token.";
  throw new Failure(response.status, why || `The server answers with status ${response.status}.`);
}

export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await request(path, "application/json", signal)).json() as Promise<T>;
}

/** Returns the text at a path that answers 503 with JSON, too, as `/readyz` does. */
export async function getText(path: string): Promise<string> {
  const response = await fetch(path, { headers: { accept: "application/json" }, cache: "no-store" });
  return response.text();
}

/** Gives each event of a stream to `take`, and ends with the stream. */
export async function follow(
  path: string,
  signal: AbortSignal,
  take: (event: string, data: string) => void,
  opened: () => void,
): Promise<void> {
  const response = await request(path, "text/event-stream", signal);
  if (!response.body) return;
  opened();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      let event = "record";
      const data: string[] = [];
      for (const line of block.split("\n")) {
        if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
        else if (line.startsWith("event:")) event = line.slice(6).trim();
      }
      if (data.length) take(event, data.join("\n"));
    }
  }
}
