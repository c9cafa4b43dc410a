/** A decision: what is recorded, and what is made of it for whoever asked. */
import type { FaultCode } from './faults.js';
import type { Evidence, Outcome } from './outcome.js';
import type { Reason } from './reasons.js';
import type { Obligation } from '../rules/duties.js';
import type { Remedy } from '../rules/remedies.js';
import type { Mode } from './acting.js';

export interface StepEvidence {
  readonly step: string;
  readonly outcome: Outcome['outcome'];
  readonly evidence: Evidence;
}

export interface Rationale {
  readonly acting?: {
    readonly mode: Mode;
    readonly user?: string;
    readonly agent?: string;
    readonly chain: readonly string[];
  };
  readonly steps: readonly StepEvidence[];
}

/** Which token it was decided on. */
export interface TokenRecord {
  readonly issuer: string;
  readonly jti?: string | undefined;
  readonly client_id?: string | undefined;
  readonly session?: string | undefined;
  readonly transaction?: string | undefined;
}

/** The durable record: JSON, without tokens and keys. */
export interface DecisionRecord {
  /** UUID version 7. */
  readonly id: string;
  /** RFC 3339. */
  readonly evaluated_at: string;
  /** Id of the client that asked, or `agent:…` for an agent that asked for itself. */
  readonly client: string;
  readonly decision: boolean;
  readonly dry_run: boolean;
  /** The rules it was made with: SHA-256 in hex. */
  readonly policy_version: string;
  readonly request: {
    readonly subject: { readonly type: string; readonly id: string };
    readonly action: string;
    readonly resource: { readonly type: string; readonly id: string };
    readonly request_id?: string | undefined;
  };
  readonly token?: TokenRecord | undefined;
  readonly reasons: readonly Reason[];
  readonly obligations: readonly Obligation[];
  readonly rationale: Rationale;
}

/** What is stored of a search or a filter: what was asked and how much was found, in place of a record for each. */
export interface SearchRecord {
  readonly id: string;
  /** RFC 3339. */
  readonly evaluated_at: string;
  readonly client: string;
  /** Whether anything was found. */
  readonly decision: boolean;
  readonly dry_run: boolean;
  readonly policy_version: string;
  readonly search: 'resource' | 'subject' | 'action' | 'filter' | 'capabilities';
  readonly token?: TokenRecord | undefined;
  /** By the token, or as the client vouches for. */
  readonly acting: { readonly user?: string; readonly agent?: string; readonly chain: readonly string[] };
  readonly request: Readonly<Record<string, unknown>>;
  readonly found: number;
}

export interface Decision extends DecisionRecord {
  /** How long the answer may be kept, RFC 3339: the token's end, or no time at all. */
  readonly valid_until: string;
  readonly remedies: readonly Remedy[];
  /** What the first failing step said: all that an agent is told. */
  readonly first: { readonly reasons: readonly Reason[]; readonly remedies: readonly Remedy[] };
  /** Present where an engine could not answer and nothing denied: then it is 503 over HTTP. */
  readonly fault?: FaultCode | undefined;
  /** For people: says nothing of what exists. */
  readonly reason_user: string;
  /** For operators. */
  readonly reason_admin: string;
}
