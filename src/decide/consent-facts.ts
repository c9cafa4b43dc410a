/** The consents of a question: which are read, what is asked of the graph for them, and what is found among them. */
import type { CheckRequest } from '../model/checks.js';
import { consentKey, type Consent, type ConsentMap, type ConsentNeed } from '../model/consents.js';
import type { FaultCode } from '../model/faults.js';
import type { Properties, Question } from '../model/question.js';
import { findBasisChange } from '../govern/consents/consent-basis.js';
import { findConsent, type ConsentFinding } from '../govern/consents/find-consent.js';
import type { BoundQuestion } from './bound-question.js';
import { buildCoverageRequest } from './coverage-request.js';
import { buildDetailChecks } from './permission-checks.js';
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
  return consents;
}

/** The checks of the permissions by which consents name resources, which are known once the consents are. */
export function listConsentChecks(bound: BoundQuestion, consents: Facts['consents']): CheckRequest[] {
  if (consents === undefined || 'fault' in consents) return [];
  return buildDetailChecks(
    bound,
    consents.flatMap(({ details }) => details),
  );
}

/** Finds the consent that the question rests on; undefined where it needs none. */
export function findQuestionConsent(
  bound: BoundQuestion,
  { check, consents }: Pick<Facts, 'check' | 'consents'>,
): ConsentFinding | undefined {
  if (consents === undefined) return undefined;
  if ('fault' in consents) return { kind: 'unknown', fault: consents.fault };
  return findConsent(consents, {
    request: buildCoverageRequest(bound, { check }),
    now: bound.now,
    asserted: readAsserted(bound.question),
    confirmed: hasUserConfirmed(),
    findChange: (consent) => findBasisChange(consent, bound.rules),
  });
}

/** Whether the user has said yes to this very question, as for an approval of which they are the only approver. */
function hasUserConfirmed(): boolean {
  // Nothing asks the user yet, so what needs their yes each time is denied.
  return false;
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
