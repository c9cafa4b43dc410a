/**
 * A token as it is presented: all that must hold before it speaks for anybody. It is genuine and meant for this caller,
 * its presenter holds what it is bound to, nobody has taken it back, and the one that acts is an agent.
 */
import { reason } from '../model/reasons.js';
import type { Revocations } from '../model/revocations.js';
import type { Ended } from '../model/revocations.js';
import type { Entities } from '../model/entities.js';
import type { SpentProofs } from '../store/used-dpop-proofs.js';
import type { DelegationToken } from '../model/delegation-token.js';
import { isAgent } from './actors.js';
import { isCredential } from './formats.js';
import { refuse, TokenRefused } from './jws.js';
import { checkProof } from './proof.js';
import { type SingleUse } from '../model/credential.js';
import type { TokenVerifier } from './verify.js';
import type { Credential, Presented } from '../model/credential.js';

/** The definitions that tokens' bare ids are of. */
export interface Objects {
  readonly userObject: string | undefined;
  readonly agentObject: string | undefined;
}

export class Credentials {
  constructor(
    private readonly verifier: TokenVerifier,
    private readonly stores: {
      readonly revocations: Revocations;
      readonly entities: Pick<Entities, 'lookup'>;
      readonly proofs: SpentProofs;
    },
  ) {}

  /**
   * All that must hold, and the proof used up; of a dry run only that it could be.
   * @throws Fault where keys or stores can't answer
   */
  async redeem(presented: Presented, objects: Objects, now: Date, dryRun: boolean): Promise<Credential> {
    const credential = await this.present(presented, objects, now);
    // The last of all, so that nobody uses up a proof who could not have used the token.
    if (!credential.ok || credential.use === undefined) return credential;
    const fresh = await this.use(credential.use, presented.used, now, dryRun);
    return fresh ? credential : { ok: false, reason: reason('proof_replayed') };
  }

  /** All that must hold, at this moment. @throws Fault where keys or stores can't answer */
  async present(presented: Presented, objects: Objects, now: Date): Promise<Credential> {
    const verification = await this.verifier.verify(presented.token, presented.audience, now);
    if (!verification.ok) return verification;
    const { token, accepted } = verification;
    try {
      if (presented.by !== 'client' && !isCredential(token.format)) refuse('token_is_transaction_token');
      const use = await checkProof(token, presented.token, presented.proof, now.getTime() / 1000);
      const ended = await this.stores.revocations.find(token);
      if (ended?.what === 'token') refuse('token_revoked', revokedBy(ended));
      await this.checkParties(token, presented.by, objects);
      return { ok: true, token, accepted, sessionEnded: ended?.what === 'session', use };
    } catch (error) {
      if (error instanceof TokenRefused) return { ok: false, reason: error.reason };
      throw error;
    }
  }

  /** Tokens say bare ids; whether one is an agent's or a person's, the entity store knows. @throws TokenRefused, Fault */
  private async checkParties(token: DelegationToken, by: Presented['by'], objects: Objects): Promise<void> {
    const { userObject, agentObject } = objects;
    const [acting] = token.actors;
    const id = acting?.id ?? '';
    const [agent, person, namesake] = await this.stores.entities.lookup([
      { type: agentObject ?? '', id },
      { type: userObject ?? '', id },
      // Whom a token is for matters here only where it is presented as their own.
      ...(by === 'user' ? [{ type: agentObject ?? '', id: token.user ?? '' }] : []),
    ]);
    if (by === 'user') {
      // A client that is no agent is what the user happens to use.
      const alone = acting === undefined || (token.agentIsClient && !isAgent(acting.profile));
      if (!alone || token.user === undefined || agent !== undefined || namesake !== undefined)
        refuse('token_actor_invalid', 'This is for a user, with no agent.');
      return;
    }
    if (acting === undefined)
      return refuse('token_actor_invalid', 'The token names no agent, and this issuer always states one.');
    if (token.agentIsClient && agent === undefined)
      refuse('actor_forbidden', `The token's client is not known as an agent.`);
    if (agent === undefined && person !== undefined)
      refuse('token_chain_inverted', 'The acting party is a person: a user does not act for an agent.');
  }

  /** Whether this is the proof's first request. @throws Fault */
  use(use: SingleUse, used: Presented['used'], now: Date, dryRun = false): Promise<boolean> {
    const known = used.get(use.proof);
    if (known !== undefined) return known;
    if (dryRun) return this.stores.proofs.isFresh(use.id);
    const spent = this.stores.proofs.spend(use.id, use.expiresAt, now);
    used.set(use.proof, spent);
    return spent;
  }
}

function revokedBy({ id, selector }: Ended): string {
  return `The revocation ${id} (${selector}) covers the token.`;
}
