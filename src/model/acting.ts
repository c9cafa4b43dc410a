/** Who acts, and for whom: what a verified token or a trusted client's assertion comes to. */
import { refText, type EntityRef } from './ids.js';

export type Mode = 'delegated' | 'direct' | 'human';

/** One entry of RFC 9396 `authorization_details`; members other than these are read by its type. */
export interface AuthorizationDetail {
  readonly type: string;
  readonly actions?: readonly string[] | undefined;
  readonly locations?: readonly string[] | undefined;
  readonly identifier?: string | undefined;
  readonly resources?: readonly string[] | undefined;
}

/** What a token grants; undefined in {@link Acting} where a client asserts the subject without one. */
export interface Grant {
  readonly issuer: string;
  readonly scopes: readonly string[];
  readonly details: readonly AuthorizationDetail[] | undefined;
  readonly clientId: string | undefined;
  readonly jti: string | undefined;
  /** Seconds since the epoch. */
  readonly expiresAt: number;
}

export interface Acting {
  readonly mode: Mode;
  readonly user: EntityRef | undefined;
  readonly agent: EntityRef | undefined;
  /** Earlier agents, newest first: they can only deny. */
  readonly chain: readonly EntityRef[];
  readonly grant: Grant | undefined;
}

/** Whose permission the relationship step asks for. */
export function holder(acting: Acting): EntityRef {
  return (acting.mode === 'direct' ? acting.agent : acting.user) as EntityRef;
}

/** Who is Cedar's principal. */
export function principal(acting: Acting): EntityRef {
  return (acting.mode === 'human' ? acting.user : acting.agent) as EntityRef;
}

export function actingText(acting: Acting): { mode: Mode; user?: string; agent?: string; chain: string[] } {
  return {
    mode: acting.mode,
    ...(acting.user === undefined ? {} : { user: refText(acting.user) }),
    ...(acting.agent === undefined ? {} : { agent: refText(acting.agent) }),
    chain: acting.chain.map(refText),
  };
}
