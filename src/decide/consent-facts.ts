/** The consents of a question: which are read, what is asked of the graph for them, and what is found among them. */
import type { CheckRequest } from '../model/checks.js';
import { consentKey, type Consent, type ConsentMap, type ConsentNeed } from '../model/consents.js';
import type { FaultCode } from '../model/faults.js';
import type { Properties, Question } from '../model/question.js';
import type { PolicyConsent } from '../policy/cedar-request-facts.js';
import { omitUnboundConsents } from '../govern/consents/bounded-consents.js';
import { findBasisChange } from '../govern/consents/consent-basis.js';
import { findConsent, type ConsentFinding } from '../govern/consents/find-consent.js';
import type { BoundQuestion } from './bound-question.js';
import { buildCoverageRequest } from './coverage-request.js';
import { buildDetailChecks } from './permission-checks.js';
import { hasRoomFor } from './question-limits.js';
import type { Facts } from './step.js';

/**
 * The consents to read: none where the action asks for none, or for the user's yes each time, which no consent replaces.
 * Consent is what a person gives an agent: a person who acts alone needs none, and an agent for itself has none.
 */
export function listConsentNeeds({ acting, target: { action } }: BoundQuestion): ConsentNeed[] {
  if (action.consent !== 'standing' || acting.mode !== 'delegated') return [];
  return [{ user: acting.user, agent: acting.agent, action: action.name }];
}

/** The consents that were read for the question; undefined where none were to be. */
export function selectConsents(bound: BoundQuestion, read: ConsentMap | FaultCode): Facts['consents'] {
  const [need] = listConsentNeeds(bound);
  if (need === undefined) return undefined;
  if (typeof read === 'string') return { fault: read };
  const consents = read.get(consentKey(need));
  if (consents === undefined) throw new TypeError(`the consents of ${consentKey(need)} were not read`);
  return omitUnboundConsents(consents, bound.now);
}

/** The checks of the permissions by which consents name resources, which are known once the consents are. */
export function listConsentChecks(bound: BoundQuestion, consents: Facts['consents']): CheckRequest[] {
  if (consents === undefined || 'fault' in consents) return [];
  return buildDetailChecks(
    bound,
    consents.flatMap(({ details }) => details),
  );
}

/** Whether the user may be asked for their yes to each question: they read what it states, so all of that is the question to them. */
export function isUserAskedEachTime({ acting, target }: BoundQuestion, consents: Facts['consents']): boolean {
  if (acting.mode !== 'delegated') return false;
  if (target.action.consent === 'each') return true;
  if (consents === undefined || 'fault' in consents) return false;
  return consents.some(({ confirm, withdrawn }) => confirm === 'each' && withdrawn === undefined);
}

/** The user's yes to one question. RFC 3339. */
export interface UserAnswer {
  readonly at: string;
  /** The end of the yes, if it isn't used before. */
  readonly until: string;
}

/**
 * Finds the consent that the question rests on; undefined where it needs none.
 * @param answer the user's yes to this very question, of which they are the only approver
 */
export function findQuestionConsent(
  bound: BoundQuestion,
  { check, consents, limits }: Pick<Facts, 'check' | 'consents' | 'limits'>,
  answer: UserAnswer | undefined,
): ConsentFinding | undefined {
  if (bound.target.action.consent === 'each' && bound.acting.mode === 'delegated')
    return answer === undefined ? UNCONFIRMED : { kind: 'confirmed', ...answer };
  if (consents === undefined) return undefined;
  if ('fault' in consents) return { kind: 'unknown', fault: consents.fault };
  return findConsent(consents, {
    request: buildCoverageRequest(bound, { check }),
    now: bound.now,
    asserted: readAsserted(bound.question),
    confirmed: answer !== undefined,
    findChange: (consent) => findBasisChange(consent, bound.rules),
    hasRoom: (consent) => hasRoomFor(bound, consent, limits),
  });
}

const UNCONFIRMED: ConsentFinding = {
  kind: 'missing',
  code: 'consent_required',
  message: 'The user has to say yes to this very question.',
};

/**
 * The consent as policies read it; undefined where there is none.
 * @param isConfirmed whether they are given the user's yes to this very question
 */
export function describePolicyConsent(
  finding: ConsentFinding | undefined,
  isConfirmed: boolean,
): PolicyConsent | undefined {
  switch (finding?.kind) {
    case 'found': {
      const { given, ends } = finding.consent;
      return {
        granted_at: given,
        ...(ends === undefined ? {} : { expires_at: ends }),
        confirmed: isConfirmed && finding.confirmed,
      };
    }
    case 'confirmed':
      return isConfirmed ? { granted_at: finding.at, expires_at: finding.until, confirmed: true } : undefined;
    default:
      return undefined;
  }
}

/** Reads the members that count for `when`: another client's word, and an agent's, proves nothing. */
function readAsserted({ caller, context }: Question): Properties {
  return caller.kind === 'client' && caller.client.may.has('asserts_confirmation') ? context : {};
}

/** The instants at which what is found may change without a write, RFC 3339. */
export function listConsentEnds(
  { now }: BoundQuestion,
  consents: Facts['consents'],
  finding: ConsentFinding | undefined,
): string[] {
  if (consents === undefined || 'fault' in consents || finding?.kind !== 'found') return [];
  const { ends, when } = finding.consent;
  const isLater = ({ starts }: Consent): boolean => Date.parse(starts) > now.getTime();
  return [
    ...(ends === undefined ? [] : [ends]),
    ...consents.filter(isLater).map(({ starts }) => starts),
    // A confirmation is of this question, and no other.
    ...(when === undefined ? [] : [now.toISOString()]),
  ];
}

/** The names that consents read of a request's context beside their details' constraints. */
export function listConfirmationNames(consents: readonly Consent[]): string[] {
  return consents.flatMap(({ when = {} }) => Object.keys(when));
}
