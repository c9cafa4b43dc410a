/** The parties of a request: the agent that acts and the user it acts for, by a verified token or a client's assertion. */
import { describeRef, parseDescribedRef, type EntityRef } from './ids.js';

/** An agent for a user, an agent for itself, or a user with no agent. */
export type ActingMode = ActingParties['mode'];

/** Whether the user is present while the agent works, or has let it work in the background. */
export type AccessType = 'online' | 'background';

/** The type of authorization detail that Remit defines itself. */
export const REMIT_DETAIL_TYPE = 'remit';

/** The resources of a type on which the party acted for holds a permission, whichever they are at the moment. */
export interface HeldResources {
  readonly type: string;
  readonly permission: string;
}

/** One entry of RFC 9396 `authorization_details`, with the members that every type of detail shares. */
export interface AuthorizationDetail {
  readonly type: string;
  readonly actions?: readonly string[] | undefined;
  readonly locations?: readonly string[] | undefined;
  readonly datatypes?: readonly string[] | undefined;
  readonly privileges?: readonly string[] | undefined;
  readonly identifier?: string | undefined;
  readonly resources?: HeldResources | readonly (string | HeldResources)[] | undefined;
  readonly constraints?: Readonly<Record<string, unknown>> | undefined;
  readonly purpose?: string | undefined;
  readonly access?: AccessType | undefined;
}

/** The rights that a token carries, and the claims that the later steps judge. */
export interface Grant {
  readonly issuer: string;
  readonly format: string;
  readonly scopes: readonly string[];
  readonly details: readonly AuthorizationDetail[] | undefined;
  /** The types of detail that the configuration accepts from this issuer, beside Remit's own. */
  readonly detailTypes: readonly string[];
  /** The audience that the token was accepted for. */
  readonly audience: string;
  readonly access: AccessType;
  readonly purpose: string | undefined;
  /** The token's claims that policies may read, by the names that the issuer's configuration gives them. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined;
  readonly session: string | undefined;
  readonly sessionEnded: boolean;
  readonly txn: string | undefined;
  readonly clientId: string | undefined;
  readonly jti: string | undefined;
  /** The kind of party that the issuer says the acting agent is: `ai_agent`, `service` … */
  readonly profile: string | undefined;
  /** Whether the token states every earlier agent. */
  readonly chainComplete: boolean;
  /** Seconds since the epoch. */
  readonly issuedAt: number | undefined;
  readonly expiresAt: number;
}

/** The parties of a request: each mode has just the parties that belong to it. */
export type ActingParties = DelegatedParties | DirectParties | HumanParties;

/** An agent acts for a user: on a token, or as a client vouches for both. */
export interface DelegatedParties {
  readonly mode: 'delegated';
  readonly user: EntityRef;
  readonly agent: EntityRef;
  /** Earlier agents, newest first: they can only deny. */
  readonly chain: readonly EntityRef[];
  /** undefined where a client vouches for the parties and there is no token. */
  readonly grant: Grant | undefined;
}

/** An agent acts for itself: on a token of its own, or as a client vouches for it. */
export interface DirectParties {
  readonly mode: 'direct';
  readonly user?: undefined;
  readonly agent: EntityRef;
  /** Earlier agents, newest first: they can only deny. */
  readonly chain: readonly EntityRef[];
  /** undefined where a client vouches for the agent and there is no token. */
  readonly grant: Grant | undefined;
}

/** A user acts with no agent, as a client vouches for. */
export interface HumanParties {
  readonly mode: 'human';
  readonly user: EntityRef;
  readonly agent?: undefined;
  readonly chain: readonly [];
  readonly grant?: undefined;
}

/** The party whose permission the relationship step checks. */
export function permissionSubject(acting: ActingParties): EntityRef {
  return acting.mode === 'direct' ? acting.agent : acting.user;
}

/** The party that the policies are asked for. */
export function cedarPrincipal(acting: ActingParties): EntityRef {
  return acting.mode === 'human' ? acting.user : acting.agent;
}

/** The agents of a request: the one that acts, then the earlier ones, newest first; none in human mode. */
export function listAgents(acting: ActingParties): EntityRef[] {
  return acting.mode === 'human' ? [] : [acting.agent, ...acting.chain];
}

/** The parties in words, as {@link describeRef} has them. */
export interface DescribedActing {
  readonly mode: ActingMode;
  readonly user?: string;
  readonly agent?: string;
  readonly chain: readonly string[];
}

/** The parties as text, `user:alice`; those that the mode doesn't have are left out. */
export function describeActing(acting: ActingParties): DescribedActing {
  return {
    mode: acting.mode,
    ...(acting.user === undefined ? {} : { user: describeRef(acting.user) }),
    ...(acting.agent === undefined ? {} : { agent: describeRef(acting.agent) }),
    chain: acting.chain.map(describeRef),
  };
}

/** The parties of a question as references. */
export interface DescribedParties {
  readonly user?: EntityRef | undefined;
  readonly agent?: EntityRef | undefined;
  readonly chain: readonly EntityRef[];
}

/** Reads the parties that {@link describeActing} has written; none where nothing was. */
export function parseDescribedParties(acting: DescribedActing | undefined): DescribedParties {
  const { user, agent, chain = [] } = acting ?? {};
  return {
    user: user === undefined ? undefined : parseDescribedRef(user),
    agent: agent === undefined ? undefined : parseDescribedRef(agent),
    chain: chain.flatMap((text) => parseDescribedRef(text) ?? []),
  };
}
