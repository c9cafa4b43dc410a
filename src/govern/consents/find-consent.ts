/**
 * Finds the consent that a question rests on among those that its user has given its agent. A consent never allows
 * anything by itself: without it the consent step denies, and with it the other steps still judge.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Consent } from '../../model/consents.js';
import type { FaultCode } from '../../model/faults.js';
import type { Properties } from '../../model/question.js';
import type { ReasonCodeOf } from '../../model/reasons.js';
import { checkDetailsCoverage, type CoverageRequest } from '../../tokens/authorization-details.js';

export interface ConsentQuestion {
  readonly request: CoverageRequest;
  readonly now: Date;
  /** The members of the request's context that count for `when`: none where the client may not assert them. */
  readonly asserted: Properties;
  /** Whether the user has said yes to this very question. */
  readonly confirmed: boolean;
  /** Says what of a consent's actions has changed since it was given; undefined where nothing has. */
  readonly findChange: (consent: Consent) => string | undefined;
  /** Whether enough is left of a consent's limits. */
  readonly hasRoom: (consent: Consent) => boolean;
}

export type ConsentFinding =
  | { readonly kind: 'found'; readonly consent: Consent; readonly confirmed: boolean }
  /** The user has said yes to this very question, which a standing consent doesn't replace. */
  | { readonly kind: 'confirmed'; readonly at: string; readonly until: string }
  | {
      readonly kind: 'missing';
      readonly code: ReasonCodeOf<'consent'>;
      readonly message: string;
      /** The instant from which there is one; absent where the user has given none. */
      readonly notBefore?: string;
    }
  /** The user would be asked each time, and their yes would not help: nothing is left of its limits. */
  | { readonly kind: 'used_up'; readonly consent: Consent; readonly message: string }
  | { readonly kind: 'unknown'; readonly fault: FaultCode };

/** The reason that a consent which covers a question can't be used for it. */
interface Obstacle {
  readonly code: ReasonCodeOf<'consent'>;
  readonly message: string;
  /** Whether the user's yes to this very question is all that it lacks. */
  readonly lacksYes?: true;
  /** The instant from which it is none. */
  readonly notBefore?: string;
}

/** @param consents of the question's user for the agent that acts, ended ones as well */
export function findConsent(consents: readonly Consent[], question: ConsentQuestion): ConsentFinding {
  const { request, confirmed } = question;
  const judged = consents.map((consent) => ({
    consent,
    coverage: checkCoverage(consent, question),
    obstacle: findObstacle(consent, question),
  }));
  const ofAccess = judged.filter(({ consent }) => consent.access === request.access);
  const covering = ofAccess.filter(({ coverage }) => coverage.problem === undefined);
  const usable = covering.filter(({ obstacle }) => obstacle === undefined).sort(byEnd);
  const found = usable.find(({ consent }) => question.hasRoom(consent));
  if (found !== undefined) return { kind: 'found', consent: found.consent, confirmed };
  const open = ofAccess.filter(({ obstacle }) => obstacle === undefined);
  const fault = open.map(({ coverage }) => coverage.fault).find((code) => code !== undefined);
  if (fault !== undefined) return { kind: 'unknown', fault };
  // The user is asked where their yes leads on: to a consent that has room, whatever others have used up.
  const unconfirmed = covering.filter(({ obstacle }) => obstacle?.lacksYes).sort(byEnd);
  const askable = unconfirmed.find(({ consent }) => question.hasRoom(consent))?.obstacle;
  if (askable !== undefined) return { kind: 'missing', code: askable.code, message: askable.message };
  // Where none has room, the limits of the first say so.
  if (usable[0] !== undefined) return { kind: 'found', consent: usable[0].consent, confirmed };
  const [usedUp] = unconfirmed;
  if (usedUp !== undefined)
    return { kind: 'used_up', consent: usedUp.consent, message: usedUp.obstacle?.message ?? '' };
  const latest = covering.sort((a, b) => byGiving(b.consent, a.consent))[0]?.obstacle;
  if (latest !== undefined) return { kind: 'missing', ...latest };
  const ofOtherAccess = judged.find(
    ({ consent, coverage, obstacle }) =>
      consent.access !== request.access && coverage.problem === undefined && obstacle === undefined,
  );
  if (ofOtherAccess !== undefined) return { kind: 'missing', ...tellOtherAccess(ofOtherAccess.consent) };
  return { kind: 'missing', code: 'consent_required', message: tellMisfits(open) };
}

/** Whether the details cover the question, and the purpose agrees. Whether the access does is judged apart. */
function checkCoverage(
  { id, details, access, purpose }: Consent,
  { request }: ConsentQuestion,
): { readonly problem: string | undefined; readonly fault: FaultCode | undefined } {
  // As with a token: a question that states no purpose takes the consent's, and one that states another contradicts it.
  if (purpose !== undefined && request.purpose !== undefined && request.purpose !== purpose)
    return { problem: `consent ${id} is for another purpose`, fault: undefined };
  const { problem, fault } = checkDetailsCoverage(details, { ...request, access }, 'details');
  return { problem: problem === undefined ? undefined : `consent ${id}: ${problem.replace(/\.$/, '')}`, fault };
}

function findObstacle(
  consent: Consent,
  { now, asserted, confirmed, findChange }: ConsentQuestion,
): Obstacle | undefined {
  const { id, withdrawn, starts, ends, when, confirm } = consent;
  if (withdrawn !== undefined)
    return { code: 'consent_ended', message: `The user withdrew the consent ${id} at ${withdrawn}.` };
  if (ends !== undefined && Date.parse(ends) <= now.getTime())
    return { code: 'consent_ended', message: `The consent ${id} expired at ${ends}.` };
  const change = findChange(consent);
  if (change !== undefined)
    return { code: 'consent_suspended', message: `The consent ${id} is suspended: ${change} since the user gave it.` };
  if (Date.parse(starts) > now.getTime())
    return { code: 'consent_required', message: `The consent ${id} begins only at ${starts}.`, notBefore: starts };
  const unmet = Object.entries(when ?? {}).find(
    ([name, value]) => !Object.hasOwn(asserted, name) || !isDeepStrictEqual(asserted[name], value),
  );
  if (unmet !== undefined)
    return {
      code: 'consent_required',
      message: `The consent ${id} holds only where a client with "asserts_confirmation" states context.${unmet[0]} as ${JSON.stringify(unmet[1])}.`,
    };
  if (confirm === 'each' && !confirmed)
    return { code: 'consent_required', message: `By the consent ${id} the user is asked each time.`, lacksYes: true };
  return undefined;
}

function tellOtherAccess({ id, access }: Consent): Obstacle {
  const [consented, stated] =
    access === 'online'
      ? ['while the user is there', 'in the background']
      : ['in the background', 'with the user there'];
  const message = `The consent ${id} is for what the agent does ${consented}, and it acts ${stated}.`;
  return { code: 'consent_access_mismatch', message };
}

/** The number of consents that don't fit of which a message says why. */
const MAX_TOLD_MISFITS = 3;

function tellMisfits(open: readonly { readonly coverage: { readonly problem: string | undefined } }[]): string {
  if (open.length === 0) return 'The user has not consented to it for this agent.';
  const problems = open.flatMap(({ coverage }) => coverage.problem ?? []).slice(0, MAX_TOLD_MISFITS);
  return `No consent of the user for this agent covers it: ${problems.join('; ')}.`;
}

/** Those that end first come first. */
function byEnd({ consent: a }: { readonly consent: Consent }, { consent: b }: { readonly consent: Consent }): number {
  const end = ({ ends }: Consent): number => (ends === undefined ? Infinity : Date.parse(ends));
  if (end(a) !== end(b)) return end(a) < end(b) ? -1 : 1;
  return a.id < b.id ? -1 : 1;
}

/** Those that were given first come first. */
function byGiving(a: Consent, b: Consent): number {
  return Date.parse(a.given) - Date.parse(b.given) || (a.id < b.id ? -1 : 1);
}
