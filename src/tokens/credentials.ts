/**
 * A token as it is presented: all that must hold before it speaks for anybody. It is genuine and meant for this caller,
 * its presenter holds what it is bound to, nobody has taken it back, and the one that acts is an agent.
 */
import { reason } from '../model/reasons.js';
import type { Revocations } from '../model/revocations.js';
import type { RevocationMatch } from '../model/revocations.js';
import type { Entities } from '../model/entities.js';
import type { UsedProofs } from '../store/used-dpop-proofs.js';
import type { DelegationToken } from '../model/delegation-token.js';
import { isAgentProfile } from './actors.js';
import { isCredentialFormat } from './formats.js';
import { rejectToken, TokenRejectedError } from './jws.js';
import { verifyPossession } from './proof-of-possession.js';
import { type SingleUseProof } from '../model/credential.js';
import type { TokenVerifier } from './verify.js';
import type { Credential, PresentedToken } from '../model/credential.js';

/** The definitions that tokens' bare ids are of. */
export interface SubjectDefinitions {
  readonly userObject: string | undefined;
  readonly agentObject: string | undefined;
}

export class CredentialVerifier {
  constructor(
    private readonly tokenVerifier: TokenVerifier,
    private readonly stores: {
      readonly revocations: Revocations;
      readonly entities: Pick<Entities, 'lookup'>;
      readonly proofs: UsedProofs;
    },
  ) {}

  /**
   * All that must hold, and the proof used up; of a dry run only that it could be.
   * @throws Fault where keys or stores can't answer
   */
  async verifyAndConsume(
    presented: PresentedToken,
    definitions: SubjectDefinitions,
    now: Date,
    dryRun: boolean,
  ): Promise<Credential> {
    const credential = await this.verify(presented, definitions, now);
    // The last of all, so that nobody uses up a proof who could not have used the token.
    if (!credential.ok || credential.singleUseProof === undefined) return credential;
    const firstUse = await this.use(credential.singleUseProof, presented.used, now, dryRun);
    return firstUse ? credential : { ok: false, reason: reason('token', 'proof_replayed') };
  }

  /** All that must hold, at this moment. @throws Fault where keys or stores can't answer */
  async verify(presented: PresentedToken, definitions: SubjectDefinitions, now: Date): Promise<Credential> {
    const verification = await this.tokenVerifier.verify(presented.token, presented.audience, now);
    if (!verification.ok) return verification;
    const { token, accepted } = verification;
    try {
      if (presented.by !== 'client' && !isCredentialFormat(token.format)) rejectToken('token_is_transaction_token');
      const use = await verifyPossession(token, presented.token, presented.proof, now.getTime() / 1000);
      const revocation = await this.stores.revocations.find(token);
      if (revocation?.what === 'token') rejectToken('token_revoked', describeRevocation(revocation));
      await this.checkParties(token, presented.by, definitions);
      return { ok: true, token, accepted, sessionEnded: revocation?.what === 'session', singleUseProof: use };
    } catch (error) {
      if (error instanceof TokenRejectedError) return { ok: false, reason: error.reason };
      throw error;
    }
  }

  /** Tokens say bare ids; whether one is an agent's or a person's, the entity store knows. @throws TokenRefused, Fault */
  private async checkParties(
    token: DelegationToken,
    by: PresentedToken['by'],
    definitions: SubjectDefinitions,
  ): Promise<void> {
    const { userObject, agentObject } = definitions;
    const [actingAgent] = token.actors;
    const id = actingAgent?.id ?? '';
    const [agent, person, namesake] = await this.stores.entities.lookup([
      { type: agentObject ?? '', id },
      { type: userObject ?? '', id },
      // Whom a token is for matters here only where it is presented as their own.
      ...(by === 'user' ? [{ type: agentObject ?? '', id: token.user ?? '' }] : []),
    ]);
    if (by === 'user') {
      // A client that is no agent is what the user happens to use.
      const actsWithoutAgent =
        actingAgent === undefined || (token.agentIsClient && !isAgentProfile(actingAgent.profile));
      if (!actsWithoutAgent || token.user === undefined || agent !== undefined || namesake !== undefined)
        rejectToken('token_actor_invalid', 'This is for a user, with no agent.');
      return;
    }
    if (actingAgent === undefined)
      return rejectToken('token_actor_invalid', 'The token names no agent, and this issuer always states one.');
    if (token.agentIsClient && agent === undefined)
      rejectToken('actor_forbidden', `The token's client is not known as an agent.`);
    if (agent === undefined && person !== undefined)
      rejectToken('token_chain_inverted', 'The acting party is a person: a user does not act for an agent.');
  }

  /** Whether this is the proof's first request. @throws Fault */
  use(use: SingleUseProof, earlierUses: PresentedToken['used'], now: Date, dryRun = false): Promise<boolean> {
    const earlierUse = earlierUses.get(use.proof);
    if (earlierUse !== undefined) return earlierUse;
    if (dryRun) return this.stores.proofs.isUnused(use.id);
    const firstUse = this.stores.proofs.markUsed(use.id, use.expiresAt, now);
    earlierUses.set(use.proof, firstUse);
    return firstUse;
  }
}

function describeRevocation({ id, selector }: RevocationMatch): string {
  return `The revocation ${id} (${selector}) covers the token.`;
}
