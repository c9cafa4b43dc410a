/**
 * The binding of an approval to the question that was approved, and to no other. It is compared by place, so that a denial can
 * say where a question differs from the one that was approved. The token isn't bound, nor how the question named its subject.
 */
import type { AccessType } from '../model/acting.js';
import type { ApprovalBinding, ApprovalStep } from '../model/approvals.js';
import { formatRef, type EntityRef } from '../model/ids.js';
import { formatCallerId, type Properties } from '../model/question.js';
import { formatStatedJson } from '../runtime/canonical-json.js';
import { sha256 } from '../runtime/sha256.js';
import { mayAssertAttributes } from './ask-cedar.js';
import type { BoundQuestion } from './bound-question.js';
import { listContextNames } from './context-names.js';
import { getAccess } from './coverage-request.js';
import { toResourceRef } from './permission-checks.js';
import type { Facts } from './step.js';

/** The most action properties that are bound one by one, and the longest name of one, in UTF-16 code units. */
const MAX_NAMED_PROPERTIES = 64;
const MAX_NAME_LENGTH = 64;

const ACTION_PLACE = 'action.properties';
export const CONTEXT_PLACE = 'context.';

/**
 * @param steps the yes that the approval has or is asked for: the user's own is to what the agent does online, or in the background
 * @param approved what the question is to be compared with: all of the context that was bound there is bound here as well,
 *   whether or not anything reads it any more
 */
export function bindApproval(
  bound: BoundQuestion,
  facts: Pick<Facts, 'needs' | 'delegation' | 'delegationsFault' | 'consents'>,
  steps: readonly ApprovalStep[],
  approved: ApprovalBinding = {},
): ApprovalBinding {
  const { acting, question, target } = bound;
  const { caller, action, resource, context } = question;
  const contextNames = new Set([...listContextNames(bound, facts), ...listBoundNames(approved)]);
  const values: (readonly [place: string, value: unknown])[] = [
    ['user', acting.user && formatRef(acting.user)],
    ['agent', acting.agent && formatRef(acting.agent)],
    ['chain', acting.chain.map(formatRef)],
    ['access', steps.some(({ kind }) => kind === 'user') ? getAccess(bound) : undefined],
    ['issuer', acting.grant?.issuer],
    ['client', formatCallerId(caller)],
    ['resource', { ...toResourceRef(question), properties: resource.properties }],
    ['subject', listAssertedSubject(bound)],
    ['action.name', target.action.name],
    ...listPropertyPlaces(action.properties),
    ...[...contextNames].map((name) => [CONTEXT_PLACE + name, getStated(context, name)] as const),
  ];
  const stated = values.filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(stated.map(([place, value]) => [place, sha256(formatStatedJson(value))]));
}

/** Says whether the user's own yes is to what the agent does while they are there, or in the background; undefined where it isn't asked for. */
export function readBoundAccess({ access }: ApprovalBinding): AccessType | undefined {
  return (['online', 'background'] as const).find((type) => sha256(formatStatedJson(type)) === access);
}

/** @returns the first place at which the questions differ: the parties come first. undefined where they don't */
export function findBindingDifference(approved: ApprovalBinding, asked: ApprovalBinding): string | undefined {
  const places = new Set([...PARTY_PLACES, ...Object.keys(approved).sort(), ...Object.keys(asked).sort()]);
  return [...places].find((place) => getHash(approved, place) !== getHash(asked, place));
}

/** Compares who asks, and by whom, and not what. */
export function findPartyDifference(approved: ApprovalBinding, asked: ApprovalBinding): string | undefined {
  return ASKER_PLACES.find((place) => getHash(approved, place) !== getHash(asked, place));
}

/** The part of a binding that says who asks, and by whom. */
export function selectAskers(binding: ApprovalBinding): ApprovalBinding {
  return Object.fromEntries(Object.entries(binding).filter(([place]) => ASKER_PLACES.includes(place)));
}

/** The places that say who asks; a client's assertions about the subject do as well. */
const ASKER_PLACES = ['client', 'user', 'agent', 'chain', 'issuer', 'subject'];
const PARTY_PLACES = ['client', 'user', 'agent', 'chain', 'access', 'issuer', 'resource', 'action.name'];

/** The properties one by one, or all as one where they are too many or their names too long. */
export function listPropertyPlaces(properties: Properties): (readonly [string, unknown])[] {
  const names = Object.keys(properties);
  if (names.length > MAX_NAMED_PROPERTIES || names.some((name) => name.length > MAX_NAME_LENGTH))
    return [[ACTION_PLACE, properties]];
  return names.map((name) => [`${ACTION_PLACE}.${name}`, properties[name]]);
}

/** The properties that a flagged client states of its subject in place of what is stored: then it counts which party that is. */
function listAssertedSubject({ question }: BoundQuestion): (EntityRef & { properties: Properties }) | undefined {
  const { type, id } = question.subject;
  const { act: _act, ...properties } = question.subject.properties;
  if (!mayAssertAttributes(question) || Object.keys(properties).length === 0) return undefined;
  return { type, id, properties };
}

/** The members of the context that are bound. */
export function listBoundNames(binding: ApprovalBinding): string[] {
  const places = Object.keys(binding).filter((place) => place.startsWith(CONTEXT_PLACE));
  return places.map((place) => place.slice(CONTEXT_PLACE.length));
}

function getStated(values: Properties, name: string): unknown {
  return Object.hasOwn(values, name) ? values[name] : undefined;
}

function getHash(binding: ApprovalBinding, place: string): string | undefined {
  return Object.hasOwn(binding, place) ? binding[place] : undefined;
}
