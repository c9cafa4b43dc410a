/** A consent as the database has it. */
import type { Consent, ConsentEvidence, ConsentPair } from '../model/consents.js';
import type { DatabaseRow } from './database/port.js';

/** A consent as its user sees it. */
export interface StoredConsent extends ConsentPair {
  readonly consent: Consent;
  readonly evidence: ConsentEvidence;
  /** Changes with each change, so that none takes the place of another that it hasn't seen. */
  readonly version: string;
}

/** Its user and agent, as the parameters `$1` to `$4`. */
export function consentPairParams({ user, agent }: ConsentPair): string[] {
  return [user.type, user.id, agent.type, agent.id];
}

export function listConsentedActions({ details }: Consent): string[] {
  return [...new Set(details.flatMap(({ actions = [] }) => actions))];
}

/** The length of what each decision reads of it. */
export function countConsentBytes({ details, limits }: Consent): number {
  const stated = limits === undefined ? [details] : [details, limits];
  return stated.reduce((sum, part) => sum + Buffer.byteLength(JSON.stringify(part)), 0);
}

export function toStoredConsent(row: DatabaseRow): StoredConsent {
  const { evidence, ...consent } = row['consent'] as Consent & { readonly evidence: ConsentEvidence };
  return {
    user: { type: String(row['user_type']), id: String(row['user_id']) },
    agent: { type: String(row['agent_type']), id: String(row['agent_id']) },
    consent,
    evidence,
    version: String(row['version']),
  };
}
