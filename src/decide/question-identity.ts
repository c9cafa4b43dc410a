/**
 * Tells a question from others as a person who denied it would: by its user and agent, by what is asked for, and by what policies and duties
 * read of what is stated. Who passes it on doesn't count, nor what nothing reads, nor how a value is written. A user who is asked each
 * time reads all that the schema declares.
 */
import type { EntityJson } from '@cedar-policy/cedar-wasm/nodejs';
import { cedarPrincipal } from '../model/acting.js';
import { formatRef, isSameRef } from '../model/ids.js';
import { buildCedarRequest, readWhole, toStoredRef } from '../policy/cedar-request.js';
import { normalizeCedarValue } from '../policy/normal-values.js';
import type { PolicyReads } from '../policy/policy-reads.js';
import type { EntityUid } from '../policy/schema/uid.js';
import { formatCanonicalJson } from '../runtime/canonical-json.js';
import { memoizeByObjects } from '../runtime/memoize.js';
import { sha256 } from '../runtime/sha256.js';
import { collectRequestFacts, findSlices } from './ask-cedar.js';
import type { BoundQuestion } from './bound-question.js';
import { isUserAskedEachTime } from './consent-facts.js';
import { collectCedarFacts } from './facts.js';
import { toResourceRef } from './permission-checks.js';
import type { Facts } from './step.js';

/**
 * The SHA-256 in hex: the same for equal questions, whichever client or token they come by. Both an offer and what is found of
 * earlier refusals ask for it.
 */
export const hashQuestion = memoizeByObjects(
  (bound: BoundQuestion, facts: Pick<Facts, 'check' | 'entity' | 'consents'>): string => {
    const { acting, target, question } = bound;
    const { deciding, duties } = findSlices(bound);
    const isRead = isUserAskedEachTime(bound, facts.consents);
    const stated = [deciding, duties].map(({ reads }) =>
      collectStatedValues(bound, facts, isRead ? readWhole(reads, ['action', 'request']) : reads),
    );
    return sha256(
      formatCanonicalJson({
        user: acting.user && formatRef(acting.user),
        agent: acting.agent && formatRef(acting.agent),
        action: target.action.name,
        resource: toResourceRef(question),
        stated,
      }),
    );
  },
);

/** Collects what policies read of the properties and the context that the question states, where that isn't what is stored anyway. */
function collectStatedValues(
  bound: BoundQuestion,
  facts: Pick<Facts, 'check' | 'entity'>,
  reads: PolicyReads,
): unknown {
  const asked = collectRequestFacts(bound, collectCedarFacts(bound, facts));
  const { vocabulary } = bound.rules;
  const principal = { ref: cedarPrincipal(bound.acting), type: bound.principalType };
  const build = (from: typeof asked) => buildCedarRequest(from, principal, reads, vocabulary, false).request;
  const { context, entities } = build(asked);
  const listStatedAttributes = (): object[] => {
    const unstated = build({ ...asked, resourceProperties: {}, subjectProperties: {} });
    const stored = new Map(unstated.entities.map(({ uid, attrs }) => [formatCanonicalJson(uid), attrs]));
    // Only of these two a request can state attributes.
    const parties = [asked.resource, asked.subject];
    return entities
      .filter(({ uid }) => parties.some((party) => isSameRef(toStoredRef(uid as EntityUid, vocabulary), party)))
      .map(({ uid, attrs }) => ({ uid, attrs: listOthers(attrs, stored.get(formatCanonicalJson(uid)) ?? {}) }))
      .filter(({ attrs }) => Object.keys(attrs).length > 0);
  };
  const isStated = [asked.resourceProperties, asked.subjectProperties].some((all) => Object.keys(all).length > 0);
  return {
    action: normalizeCedarValue(context['action'] ?? {}),
    request: normalizeCedarValue(context['request'] ?? {}),
    attributes: isStated ? listStatedAttributes().map(formatCanonicalJson).sort() : [],
  };
}

/** The members that have other values than those stored. */
function listOthers(attrs: EntityJson['attrs'], stored: EntityJson['attrs']): Readonly<Record<string, unknown>> {
  const values = Object.entries(attrs).map(([name, value]) => [name, normalizeCedarValue(value)] as const);
  const isOther = ([name, value]: (typeof values)[number]): boolean =>
    !Object.hasOwn(stored, name) ||
    formatCanonicalJson(value) !== formatCanonicalJson(normalizeCedarValue(stored[name] ?? null));
  return Object.fromEntries(values.filter(isOther));
}
