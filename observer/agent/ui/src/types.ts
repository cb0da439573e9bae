// The answers of the API, as far as the page uses them. `/openapi.json` describes them in full.

export type Time = string;

export interface Endpoint {
  ip: string;
  port?: number;
  service?: string;
  namespace?: string;
  pod?: string;
  workload?: string;
  kind?: string;
  node?: string;
  backend_ip?: string;
}

export interface Evidence { time: Time; text: string }

export interface Finding {
  id: string;
  kind: string;
  state: "active" | "resolved";
  severity: string;
  first_seen: Time;
  last_seen: Time;
  ended?: Time;
  ended_because?: string;
  count: number;
  summary: string;
  src?: Endpoint;
  dst?: Endpoint;
  policies?: string[];
  vip?: string;
  nodes: string[];
  cause?: string;
  evidence: Evidence[];
}

export interface Claim { mac: string; node?: string; since: Time; last_seen: Time; received?: boolean }

export interface ApiClaim { source: string; object: string; node?: string; since?: Time }

export interface Vip {
  ip: string;
  services: string[];
  claimant?: Claim;
  history: Claim[];
  moves: number;
  api: ApiClaim[];
  not_heard_since?: Time;
}

interface Phases { handshake: number; established: number; orphan: number }

export interface Pair {
  src: Endpoint;
  dst: Endpoint;
  vantage: string;
  syn: number;
  syn_retransmits: number;
  rst: { client: Phases; server: Phases };
  attempts: { established: number; refused: number; rejected: number; unanswered: number };
  node?: string;
}

export interface FlowRecord {
  time: Time;
  node: string;
  kind: string;
  vantage?: string;
  outcome?: string;
  signal?: string;
  reason?: string;
  by?: string;
  phase?: string;
  cause?: string;
  vip?: string;
  ip?: string;
  mac?: string;
  claimant?: string;
  previous?: string;
  move?: boolean;
  latency_us?: number;
  lost?: number;
  stage?: string;
  summary?: string;
  name?: string;
  ok?: boolean;
  error?: string;
  drop_reason?: string;
  verdict?: { decision: string; explanation: string };
  src?: Endpoint;
  dst?: Endpoint;
}

/** What a direction of a verdict rests on. */
export interface Direction {
  decision: string;
  policies: string[];
  rules: string[];
  nearest?: { policy: string; rule: string; why: string };
  explanation: string;
}

export interface Explanation {
  decision: string;
  error?: string;
  src?: string;
  dst?: string;
  service?: string;
  ingress: Direction;
  egress: Direction;
  explanation: string;
  notes?: string[];
}

export interface Coverage {
  asked: { node: string; started?: Time }[];
  missing: { node: string; reason: string }[];
}

export interface BlindSpot { reason: string; place: string; why: string }

/** An agent's own state. */
export interface NodeHealth {
  node: string;
  error?: string;
  started?: Time;
  pending?: string[];
  stale?: Record<string, string>;
  blind_spots?: BlindSpot[];
  /** Losses by stage. */
  lost: Record<string, number>;
  version?: string;
}
