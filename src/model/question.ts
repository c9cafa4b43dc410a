/** A question as it comes from the edge: parsed, bounded, and with the credential it is asked on. */
import type { Consistency } from './checks.js';
import type { EntityRef } from './ids.js';
import type { PresentedToken } from './credential.js';
import type { PresentedProof, TokenReading } from './credential.js';

export type Properties = Readonly<Record<string, unknown>>;

/** A service that calls with its own key. */
export interface Client {
  readonly id: string;
  readonly may: ReadonlySet<ClientPermission>;
  /** What tokens that it passes must name; undefined for their issuer's. */
  readonly audience: string | undefined;
  /** SpiceDB definitions it may ask about; undefined for all. */
  readonly resources: ReadonlySet<string> | undefined;
  readonly defaultMode: 'human' | undefined;
  readonly answers: 'full' | 'minimal';
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
  'metrics',
  'admin',
] as const;
export type ClientPermission = (typeof CLIENT_PERMISSIONS)[number];

/** Whoever asks: a client, or an agent that presents its own token. */
export type Caller =
  | { readonly kind: 'client'; readonly client: Client }
  | { readonly kind: 'agent'; readonly agent: string; readonly presented: PresentedToken };

/** Whoever calls: a person with no agent, too, for what is their own. */
export type AuthenticatedParty = Caller | { readonly kind: 'user'; readonly user: string };

export interface Question {
  readonly caller: Caller;
  readonly subject: EntityRef & { readonly properties: Properties };
  readonly action: { readonly name: string; readonly properties: Properties };
  readonly resource: EntityRef & { readonly properties: Properties };
  /** The request's own context, without Remit's members. */
  readonly context: Properties;
  /** The token that is asked on: passed on by a client, or the agent's own. */
  readonly token: TokenReading | undefined;
  /** What shows that the token is its holder's. */
  readonly proof: PresentedProof;
  /** Proofs that the request, of which this may be one part, has used. */
  readonly usedProofs: Map<string, Promise<boolean>>;
  /** What the request says of the agent; must agree with the token. */
  readonly statedAgent: string | undefined;
  /** `context.mode`. */
  readonly statedMode: 'human' | undefined;
  /** `subject.properties.act.sub`: an agent that the client vouches for. */
  readonly assertedAgent: string | undefined;
  /** Undefined: the client didn't say, so every obligation is for it to look at. */
  readonly supportedObligations: readonly string[] | undefined;
  readonly consistency: Consistency;
  readonly dryRun: boolean;
  /** Wants to know by which relationships; a search doesn't. */
  readonly explain: boolean;
  /** For the record: what the caller calls the request. */
  readonly requestId: string | undefined;
  /** Another part of the same batch carries a token, so this one must. */
  readonly tokenRequired: boolean;
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
