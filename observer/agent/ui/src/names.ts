// How the page names things, and the commands it proposes.

import type { Endpoint, Finding } from "./types";

const WORDS: Record<string, string> = {
  policy_denied: "Policy denies",
  service_refused: "Service refuses",
  unanswered: "No answer",
  enforcement_mismatch: "Enforcement differs",
  latent_denial: "Would be refused",
  vip_flap: "VIP flaps",
  vip_conflict: "VIP conflict",
  rst_burst: "Burst of resets",
  blind_spot: "Blind spot",
  syn_flood: "SYN flood",
  port_scan: "Port scan",
};

export const kindWords = (kind: string): string => WORDS[kind] ?? kind.replaceAll("_", " ");

const RUNBOOKS: Record<string, string> = {
  policy_denied: "policy-denied",
  service_refused: "connections-refused",
  unanswered: "connections-refused",
  enforcement_mismatch: "enforcement-mismatch",
  latent_denial: "latent-denial",
  vip_flap: "vip-flapping",
  vip_conflict: "vip-conflict",
  rst_burst: "reset-storm",
  blind_spot: "blind-spot",
  syn_flood: "syn-flood",
  port_scan: "port-scan",
};

export const runbook = (kind: string): string => `/runbooks/${RUNBOOKS[kind] ?? "README"}`;

/** The object that people think of: the workload, the Service, the pod, the node, else the address. */
export function owner(side: Endpoint): string {
  const { namespace, workload, service, pod, node, ip } = side;
  if (namespace && workload) return `${namespace}/${workload}`;
  if (service) return service;
  if (namespace && pod) return `${namespace}/${pod}`;
  return node ? `node ${node}` : ip;
}

/** The side as the client addressed it, with its port. */
export function target(side: Endpoint): string {
  const name = side.service ?? owner(side);
  return side.port ? `${name}:${side.port}` : name;
}

export const namespaces = (...sides: (Endpoint | undefined)[]): string[] =>
  sides.flatMap((side) => [side?.namespace, side?.service?.split("/")[0]]).filter((name): name is string => !!name);

/** Quotes a word for a shell. Names come from packets and objects, so they may hold anything. */
export const quoted = (word: string): string =>
  /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

const command = (...words: string[]): string => words.map(quoted).join(" ");

/** The command with which a reader checks a finding; `everywhere` is what makes it ask the whole cluster. */
export function check(finding: Finding, everywhere: string[]): string {
  const { kind, src, dst, vip } = finding;
  const from = src && (src.namespace && (src.pod ?? src.workload) ? `${src.namespace}/${src.pod ?? src.workload}` : src.ip);
  const to = dst && target(dst);
  if (kind.startsWith("vip_")) return command("flow-observer", "vips", ...everywhere);
  if (kind === "blind_spot") return command("flow-observer", "doctor", ...everywhere);
  if (kind === "rst_burst") {
    const where = vip ?? (dst && owner(dst));
    return command("flow-observer", "tail", ...everywhere, "--kind", "reset,announcement", "--since", "10m", ...(where && !vip ? ["--to", where] : []));
  }
  if (kind === "service_refused" && dst?.service) {
    const [namespace = "", name = ""] = dst.service.split("/");
    return command("kubectl", "-n", namespace, "get", "endpointslices", "-l", `kubernetes.io/service-name=${name}`);
  }
  if (from && to) return command("flow-observer", "explain", ...everywhere, from, to);
  return command("flow-observer", "findings", ...everywhere, "--kind", kind);
}
