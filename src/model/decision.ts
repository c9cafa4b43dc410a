/** A decision: what is recorded, and what is made of it for whoever asked. */
import type { CredentialOrFault } from './credential.js';
import type { FaultCode } from './faults.js';
import type { Evidence, StepOutcome } from './outcome.js';
import type { Reason } from './reasons.js';
import type { Obligation } from './obligations.js';
import type { Remedy } from './remedies.js';
import type { ActingMode } from './acting.js';
import type { CheckAnswer } from './checks.js';
import type { DelegationPathResult } from './delegation-path.js';
import type { EntityWithAncestors } from './entities.js';
import type { ClientPermission, Properties } from './question.js';

export interface StepEvidence {
  readonly step: string;
  readonly outcome: StepOutcome['outcome'];
  readonly evidence: Evidence;
}

export interface Rationale {
  readonly acting?: {
    readonly mode: ActingMode;
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

/** What a decision rests on, beside its request: enough to make it again. JSON, without tokens and keys. */
export interface RecordedFacts {
  readonly caller: {
    readonly kind: 'client' | 'agent';
    /** What the client may assert, where it may. */
    readonly may?: readonly ClientPermission[];
    /** SpiceDB definitions that the client may ask about, where it is held to some. */
    readonly resources?: readonly string[];
    readonly default_mode?: 'human';
  };
  /** What the request said, beside who does what to which. */
  readonly said: {
    readonly subject?: Properties;
    readonly action?: Properties;
    readonly resource?: Properties;
    readonly context?: Properties;
    readonly agent?: string;
    readonly mode?: 'human';
    /** `subject.properties.act.sub`. */
    readonly act?: string;
    readonly supported_obligations?: readonly string[];
    readonly token_expected?: true;
  };
  /** What the token came to; absent where none was sent. */
  readonly credential?: CredentialOrFault;
  /** SpiceDB's answers, by the checks. */
  readonly checks: Readonly<Record<string, CheckAnswer>>;
  /** What was stored of whom and what, by `type:id`; null where nothing is. Absent where the store could not answer. */
  readonly entities?: Readonly<Record<string, Pick<EntityWithAncestors, 'attributes' | 'ancestors'> | null>>;
  readonly entities_fault?: FaultCode;
  readonly passed_on?: DelegationPathResult;
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
  /** Absent where they were too long to keep, or the configuration says not to. */
  readonly facts?: RecordedFacts | undefined;
}

/** A record that a decision can be made again of. */
export type ReplayableRecord = DecisionRecord & { readonly facts: RecordedFacts };

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

export interface Decision extends Omit<DecisionRecord, 'facts'> {
  /** How long the answer may be kept, RFC 3339: the token's end, or no time at all. */
  readonly valid_until: string;
  readonly remedies: readonly Remedy[];
  /** What the first failing step said: all that an agent is told. */
  readonly firstFailure: { readonly reasons: readonly Reason[]; readonly remedies: readonly Remedy[] };
  /** Present where an engine could not answer and nothing denied: then it is 503 over HTTP. */
  readonly fault?: FaultCode | undefined;
  /** For people: says nothing of what exists. */
  readonly reason_user: string;
  /** For operators. */
  readonly reason_admin: string;
}
