/** A question as it comes from the edge: parsed, bounded, and with the credential it is asked on. */
import type { Consistency } from '../engines/spicedb/port.js';
import type { EntityRef } from './ids.js';

export type Properties = Readonly<Record<string, unknown>>;

/** A service that calls with its own key. */
export interface Client {
  readonly id: string;
  readonly may: ReadonlySet<Permission>;
  /** What tokens that it passes must name; undefined for their issuer's. */
  readonly audience: string | undefined;
  /** SpiceDB definitions it may ask about; undefined for all. */
  readonly resources: ReadonlySet<string> | undefined;
  readonly defaultMode: 'human' | undefined;
  readonly answers: 'full' | 'minimal';
  /** Requests a second. */
  readonly rate: number;
}

export const PERMISSIONS = ['evaluate', 'search', 'filter', 'asserts_subject', 'asserts_attributes', 'admin'] as const;
export type Permission = (typeof PERMISSIONS)[number];

/** Whoever asks: a client, or an agent that presents its own token. */
export type Caller =
  | { readonly kind: 'client'; readonly client: Client }
  | { readonly kind: 'agent'; readonly token: string; readonly agent: string };

export interface Question {
  readonly caller: Caller;
  readonly subject: EntityRef & { readonly properties: Properties };
  readonly action: { readonly name: string; readonly properties: Properties };
  readonly resource: EntityRef & { readonly properties: Properties };
  /** The request's own context, without Remit's members. */
  readonly context: Properties;
  readonly token: string | undefined;
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
  /** For the record: what the caller calls the request. */
  readonly requestId: string | undefined;
  /** Another part of the same batch carries a token, so this one must. */
  readonly tokenExpected: boolean;
}

export function callerId(caller: Caller): string {
  return caller.kind === 'client' ? caller.client.id : `agent:${caller.agent}`;
}
