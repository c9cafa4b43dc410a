/** Who acts, and for whom: what a verified token or a trusted client's assertion comes to. */
import { formatRef, type EntityRef } from './ids.js';

export type ActingMode = 'delegated' | 'direct' | 'human';

/** Whether the user is there, or has let the agent work on its own. */
export type AccessType = 'online' | 'background';

/** Our own type of authorization detail. */
export const REMIT_DETAIL_TYPE = 'remit';

/** One entry of RFC 9396 `authorization_details`; what else it says is read by its type. */
export interface AuthorizationDetail {
  readonly type: string;
  readonly actions?: readonly string[] | undefined;
  readonly locations?: readonly string[] | undefined;
  readonly datatypes?: readonly string[] | undefined;
  readonly privileges?: readonly string[] | undefined;
  readonly identifier?: string | undefined;
  readonly resources?: readonly string[] | undefined;
  readonly constraints?: Readonly<Record<string, unknown>> | undefined;
  readonly purpose?: string | undefined;
  readonly access?: AccessType | undefined;
}

/** What a token grants; undefined in {@link ActingParties} where a client asserts the subject without one. */
export interface Grant {
  readonly issuer: string;
  readonly format: string;
  readonly scopes: readonly string[];
  readonly details: readonly AuthorizationDetail[] | undefined;
  /** Types of detail that the deployment reads of this issuer, beside Remit's own. */
  readonly detailTypes: readonly string[];
  /** The audience that the token was accepted for. */
  readonly audience: string;
  readonly access: AccessType;
  readonly purpose: string | undefined;
  readonly session: string | undefined;
  readonly sessionEnded: boolean;
  readonly txn: string | undefined;
  readonly clientId: string | undefined;
  readonly jti: string | undefined;
  /** What the acting agent's issuer says it is: `ai_agent`, `service` … */
  readonly profile: string | undefined;
  /** Whether the token states every earlier agent. */
  readonly chainComplete: boolean;
  /** Seconds since the epoch. */
  readonly issuedAt: number | undefined;
  readonly expiresAt: number;
}

export interface ActingParties {
  readonly mode: ActingMode;
  readonly user: EntityRef | undefined;
  readonly agent: EntityRef | undefined;
  /** Earlier agents, newest first: they can only deny. */
  readonly chain: readonly EntityRef[];
  readonly grant: Grant | undefined;
}

/** Whose permission the relationship step asks for. */
export function permissionSubject(acting: ActingParties): EntityRef {
  return (acting.mode === 'direct' ? acting.agent : acting.user) as EntityRef;
}

/** Who is Cedar's principal. */
export function cedarPrincipal(acting: ActingParties): EntityRef {
  return (acting.mode === 'human' ? acting.user : acting.agent) as EntityRef;
}

export function describeActing(acting: ActingParties): {
  mode: ActingMode;
  user?: string;
  agent?: string;
  chain: string[];
} {
  return {
    mode: acting.mode,
    ...(acting.user === undefined ? {} : { user: formatRef(acting.user) }),
    ...(acting.agent === undefined ? {} : { agent: formatRef(acting.agent) }),
    chain: acting.chain.map(formatRef),
  };
}
