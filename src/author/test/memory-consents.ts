/** Serves decisions the consents that a scene says users have given, as the store does for a service. */
import { consentKey, type Consent, type ConsentMap, type ConsentNeed, type Consents } from '../../model/consents.js';
import type { ConsentSpec } from './format.js';

/** The id of a consent by its place in the scene. */
export function nameConsent(index: number): string {
  return `consent ${index + 1}`;
}

export class MemoryConsents implements Consents {
  private given: readonly { readonly spec: ConsentSpec; readonly consent: Consent }[] = [];

  /** @param now the time from which those hold that state none */
  set(specs: readonly ConsentSpec[], now: Date): void {
    this.given = specs.map((spec, i) => ({ spec, consent: toConsent(spec, nameConsent(i), now) }));
  }

  fetch(needs: readonly ConsentNeed[]): Promise<ConsentMap> {
    return Promise.resolve(new Map(needs.map((need) => [consentKey(need), this.select(need)])));
  }

  private select({ user, agent, action }: ConsentNeed): Consent[] {
    return this.given.flatMap(({ spec, consent }) => {
      const isOfPair = (spec.user ?? user.id) === user.id && (spec.agent ?? agent.id) === agent.id;
      return isOfPair && spec.details.some(({ actions }) => actions?.includes(action) ?? true) ? [consent] : [];
    });
  }
}

function toConsent(spec: ConsentSpec, id: string, now: Date): Consent {
  const { details, access, confirm, when, limits, ends, purpose, withdrawn } = spec;
  const starts = spec.starts ?? now.toISOString();
  // It was given by the schemas that are tested.
  return {
    id,
    details,
    access,
    confirm,
    when,
    limits,
    starts,
    ends,
    purpose,
    basis: 'unchecked',
    given: starts,
    withdrawn,
  };
}
