/** A question as HTTP and the command line hand it over: parsed, bounded, and with its credential. */
import type { Consistency } from './checks.js';
import type { PresentedApproval } from './approvals.js';
import type { DelegationToken } from './delegation-token.js';
import type { EntityRef } from './ids.js';
import { OBLIGATION_TYPES } from './obligations.js';
import type { PresentedToken, PresentedProof, TokenReading } from './credential.js';

export type Properties = Readonly<Record<string, unknown>>;

/** The modes in which a client vouches for one party without a token: a user without an agent, or an agent for itself. */
export const VOUCHED_MODES = ['human', 'direct'] as const;
export type VouchedMode = (typeof VOUCHED_MODES)[number];

/** The reading of subjects that are agents: who the agent is, and which user it acts for. */
export interface AgentSubjects {
  /** The subject types that mean an agent. */
  readonly types: ReadonlySet<string>;
  /** The beginning of such subjects' ids that agents' ids don't have; empty for none. */
  readonly prefix: string;
  /** The member of the subject's properties that has the user's id. */
  readonly userProperty: string;
}

/** A service that calls with its own key, or with a token that an issuer gives it for itself. */
export interface Client {
  readonly id: string;
  readonly may: ReadonlySet<ClientPermission>;
  /** The audience that tokens it passes must name; undefined for their issuer's. */
  readonly audience: string | undefined;
  /** The SpiceDB definitions that it may ask about; undefined for all. */
  readonly resources: ReadonlySet<string> | undefined;
  readonly defaultMode: VouchedMode | undefined;
  /** The reading of its subjects where they are agents; undefined where a subject is who it is named as. */
  readonly agentSubjects?: AgentSubjects | undefined;
  readonly answers: 'full' | 'minimal';
  /** The obligations that it carries out where its request doesn't say. */
  readonly supportedObligations: readonly string[];
  /** The URLs at which its access requests may ask to be told; none where absent. */
  readonly callbacks?: readonly string[] | undefined;
  /** Requests a second. */
  readonly rate: number;
}

export const CLIENT_PERMISSIONS = [
  'evaluate',
  'search',
  'filter',
  'asserts_subject',
  'asserts_attributes',
  'asserts_certificate',
  'asserts_confirmation',
  'delegate',
  'read_values',
  'metrics',
  'admin',
] as const;
export type ClientPermission = (typeof CLIENT_PERMISSIONS)[number];

/** The caller of a decision: a client, or an agent that presents its own token. */
export type Caller =
  | { readonly kind: 'client'; readonly client: Client }
  | {
      readonly kind: 'agent';
      readonly agent: string;
      /** The user of its token; undefined where there is none, or the token's session has ended. */
      readonly user?: string | undefined;
      readonly presented: PresentedToken;
    };

/** The caller of any endpoint: users may call as well, for what is their own. */
export type AuthenticatedParty = Caller | AuthenticatedUser;

export interface AuthenticatedUser {
  readonly kind: 'user';
  readonly user: string;
  /** When the user signed in, in seconds since the epoch; undefined where the token doesn't say. */
  readonly authenticatedAt: number | undefined;
  /** The application that their token was issued to; undefined where the token doesn't say. */
  readonly clientId?: string | undefined;
  readonly token: DelegationToken;
}

/**
 * The account that records are charged to: what is kept for a caller counts towards its rate, and waits with what
 * others of its groups have.
 */
export interface CallerAccount {
  /** The widest first. */
  readonly groups: readonly string[];
  /** Counts the bytes of a record. */
  readonly countRecord: (bytes: number) => void;
}

/** The account of what is asked for no caller: cases of a test suite, and decisions made again from their records. */
export const NO_ACCOUNT: CallerAccount = { groups: [], countRecord: () => undefined };

export interface Question {
  readonly caller: Caller;
  readonly account: CallerAccount;
  readonly subject: EntityRef & { readonly properties: Properties };
  readonly action: { readonly name: string; readonly properties: Properties };
  readonly resource: EntityRef & { readonly properties: Properties };
  /** The request's own context, without Remit's members. */
  readonly context: Properties;
  /** The token, passed on by a client or the agent's own; undefined where there is none. */
  readonly token: TokenReading | undefined;
  /** The proofs that came with the token. */
  readonly proof: PresentedProof;
  /** The proofs that the request has used, by their texts: the question may be one part of it. */
  readonly usedProofs: Map<string, Promise<boolean>>;
  /** The agent that the request states, which must agree with the token. */
  readonly statedAgent: string | undefined;
  /** `context.mode`. */
  readonly statedMode: VouchedMode | undefined;
  /** `subject.properties.act`: an agent that the client vouches for. */
  readonly assertedAgent: string | undefined;
  /** The agents before that one, newest first: the inner actors of `act`. */
  readonly assertedChain?: readonly string[] | undefined;
  /** The obligations that the caller can carry out: as the request says, otherwise as {@link getSupportedObligations} does. */
  readonly supportedObligations: readonly string[];
  readonly consistency: Consistency;
  readonly dryRun: boolean;
  /** Whether the answer should have the path of relationships; a search needs none. */
  readonly explain: boolean;
  /** The caller's own id of the request, for the record. */
  readonly requestId: string | undefined;
  /** The request's `Idempotency-Key`: the same question with it, in another request, is a retry. */
  readonly idempotencyKey: IdempotencyKey | undefined;
  /** `context.approval`: another person's yes to this question. */
  readonly approval?: PresentedApproval | undefined;
  /** Whether the question must carry a token, since another part of its batch does. */
  readonly tokenRequired: boolean;
}

export interface IdempotencyKey {
  readonly text: string;
  /** Counts the questions of the same request that came before this one and have the same key of a retry. */
  readonly countEqualBefore: (retryKey: string) => number;
}

/** Remit's own members of a request's context. All others are the client's and reach the policies. */
export const REMIT_CONTEXT_MEMBERS = [
  'token',
  'proof',
  'agent',
  'mode',
  'consistency',
  'dry_run',
  'supported_obligations',
  'approval',
] as const;

/** The members that are stated: one that is null is as if it weren't said. */
export function omitNulls(values: Properties): Properties {
  return Object.values(values).includes(null)
    ? Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null))
    : values;
}

/**
 * The obligations that a caller carries out where its request doesn't say: of a client those that its configuration names, if
 * any. An agent that asks for itself only learns what it may do: the API that does it asks, and carries them out.
 */
export function getSupportedObligations(caller: Caller): readonly string[] {
  return caller.kind === 'client' ? caller.client.supportedObligations : OBLIGATION_TYPES;
}

export function formatCallerId(caller: AuthenticatedParty): string {
  switch (caller.kind) {
    case 'client':
      return caller.client.id;
    case 'agent':
      return `agent:${caller.agent}`;
    case 'user':
      return `user:${caller.user}`;
  }
}
