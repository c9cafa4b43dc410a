/**
 * Verifies a presented token in full: that it is genuine and meant for this caller, that its presenter holds the key or
 * certificate that it is bound to, that it isn't revoked, and that the acting party is an agent. Authentication and the
 * token step of a decision call it.
 */
import { reason, type Reason } from '../model/reasons.js';
import type { Revocations, RevocationMatch } from '../model/revocations.js';
import type { Entities } from '../model/entities.js';
import type { UsedProofs } from '../store/used-dpop-proofs.js';
import type { DelegationToken } from '../model/delegation-token.js';
import { isAgentProfile } from './actors.js';
import { isCredentialFormat } from './formats.js';
import { rejectToken, TokenRejectedError } from './jws.js';
import { verifyPossession } from './proof-of-possession.js';
import type { SingleUseProof, Credential, HeldCredential, PresentedToken } from '../model/credential.js';
import type { TokenVerifier } from './verify.js';

/** The SpiceDB definitions that the ids in tokens belong to. */
export interface SubjectDefinitions {
  readonly userObject: string | undefined;
  readonly agentObject: string | undefined;
}

const NOT_A_USERS_OWN = 'A user must present a token of their own: this one names an agent, or no user.';

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
   * Verifies the token and consumes its proof.
   * @param dryRun only checks that the proof could be consumed
   * @throws Fault where keys or stores can't answer
   */
  async verifyAndConsume(
    presented: PresentedToken,
    definitions: SubjectDefinitions,
    now: Date,
    dryRun: boolean,
  ): Promise<Credential> {
    const credential = await this.verify(presented, definitions, now);
    // The proof comes last, so that a caller who could not have used the token doesn't consume it.
    if (!credential.ok || credential.singleUseProof === undefined) return credential;
    const firstUse = await this.consumeProof(credential.singleUseProof, presented.used, now, dryRun);
    return firstUse ? credential : { ok: false, reason: reason('token', 'proof_replayed') };
  }

  /** Verifies the token at this moment, without consuming its proof. @throws Fault where keys or stores can't answer */
  async verify(presented: PresentedToken, definitions: SubjectDefinitions, now: Date): Promise<Credential> {
    const held = await this.verifyHolder(presented, now);
    return held.ok ? this.checkParties(held, presented.by, definitions) : held;
  }

  /** Verifies the token and that its presenter holds it, whatever its parties are. @throws Fault */
  async verifyHolder(presented: PresentedToken, now: Date): Promise<Credential> {
    const verification = await this.tokenVerifier.verify(presented.reading, presented.audience, now);
    if (!verification.ok) return verification;
    const { token, accepted } = verification;
    try {
      if (presented.by !== 'client' && !isCredentialFormat(token.format)) rejectToken('token_is_transaction_token');
      const singleUseProof = await verifyPossession(
        token,
        presented.reading.text,
        presented.proof,
        now.getTime() / 1000,
      );
      const revocation = await this.stores.revocations.find(token);
      if (revocation?.what === 'token') rejectToken('token_revoked', describeRevocation(revocation));
      return { ok: true, token, accepted, sessionEnded: revocation?.what === 'session', singleUseProof };
    } catch (error) {
      if (error instanceof TokenRejectedError) return { ok: false, reason: error.reason };
      throw error;
    }
  }

  /** Checks that the parties of a token are those of its presenter. @throws Fault */
  async checkParties(
    held: HeldCredential,
    by: PresentedToken['by'],
    definitions: SubjectDefinitions,
  ): Promise<Credential> {
    const misfit = await this.findPartyProblem(held.token, by, definitions);
    return misfit === undefined ? held : { ok: false, reason: misfit, isMisplaced: true };
  }

  /**
   * Finds the reason that the parties are not what the token takes them for. Tokens state ids without a type: whether an
   * id is an agent's or a person's is looked up in the entity store.
   * @throws Fault
   */
  private async findPartyProblem(
    token: DelegationToken,
    by: PresentedToken['by'],
    definitions: SubjectDefinitions,
  ): Promise<Reason | undefined> {
    const { userObject, agentObject } = definitions;
    const [actingAgent] = token.actors;
    const id = actingAgent?.id ?? '';
    const [agent, person, namesake] = await this.stores.entities.lookup([
      { type: agentObject ?? '', id },
      { type: userObject ?? '', id },
      // The user's id matters only where a user presents the token as their own.
      ...(by === 'user' ? [{ type: agentObject ?? '', id: token.user ?? '' }] : []),
    ]);
    if (by === 'user') {
      // A client that is not an agent is merely the application that the user works with.
      const actsWithoutAgent =
        actingAgent === undefined || (token.agentIsClient && !isAgentProfile(actingAgent.profile));
      const isOwn = actsWithoutAgent && token.user !== undefined && agent === undefined && namesake === undefined;
      return isOwn ? undefined : reason('token', 'token_actor_invalid', NOT_A_USERS_OWN);
    }
    if (actingAgent === undefined)
      return reason('token', 'token_actor_invalid', 'The token names no agent, so no agent can act with it.');
    if (token.agentIsClient && agent === undefined)
      return reason('token', 'actor_forbidden', `The token's client is not an agent in the entity store.`);
    return agent === undefined && person !== undefined
      ? reason('token', 'token_chain_inverted', 'The acting party is a person: a user does not act for an agent.')
      : undefined;
  }

  /** Whether this is the proof's first use. Parts of one request share the answer. @throws Fault */
  consumeProof(
    proof: SingleUseProof,
    earlierUses: PresentedToken['used'],
    now: Date,
    dryRun = false,
  ): Promise<boolean> {
    const earlierUse = earlierUses.get(proof.proof);
    if (earlierUse !== undefined) return earlierUse;
    if (dryRun) return this.stores.proofs.isUnused(proof.id);
    const firstUse = this.stores.proofs.markUsed(proof.id, proof.expiresAt, now);
    earlierUses.set(proof.proof, firstUse);
    return firstUse;
  }
}

function describeRevocation({ id, selector }: RevocationMatch): string {
  return `The revocation ${id} (${selector}) covers the token.`;
}
