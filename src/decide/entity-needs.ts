/** The entities that a question needs, and what is read of each: before they are fetched, and after Cedar was asked. */
import { cedarPrincipal } from '../model/acting.js';
import type { EntityNeed } from '../model/entities.js';
import { findIdProblem, formatRef, type EntityRef } from '../model/ids.js';
import { findRequestEntities, listStatedEntities, toStoredRef } from '../policy/cedar-request.js';
import { uniteReads, type ValueReads } from '../policy/policy-reads.js';
import { listReferenceSteps } from '../policy/reached-entities.js';
import { isActionType } from '../policy/schema/uid.js';
import type { Slice } from '../policy/slices.js';
import { collectRequestFacts, findSlices, isWithheld, type CedarFacts } from './ask-cedar.js';
import type { BoundQuestion } from './bound-question.js';

/** The entities of the question itself: all parties, and the resource. */
export function listOwnEntities({ acting, question }: BoundQuestion): EntityRef[] {
  return [
    cedarPrincipal(acting),
    { type: question.resource.type, id: question.resource.id },
    ...acting.chain,
    // The context's `user`, and the name by which texts call the user.
    ...(acting.user === undefined ? [] : [acting.user]),
  ];
}

/** No member of the history refers to an entity. */
function noHistory(): Readonly<Record<string, never>> {
  return {};
}

/** A slice and the principal that it is asked about. */
export interface CedarQuestion {
  readonly slice: Slice;
  readonly principal: EntityRef;
}

export function listCedarQuestions(bound: BoundQuestion): CedarQuestion[] {
  const { deciding, duties } = findSlices(bound);
  const principal = cedarPrincipal(bound.acting);
  return [
    { slice: deciding, principal },
    { slice: duties, principal },
    ...bound.acting.chain.map((agent) => ({ slice: deciding, principal: agent })),
  ];
}

/**
 * Lists the entities to fetch that references lead to: those that the request states and that policies name, and the
 * steps from them and from the request's own.
 */
export function listReferenceNeeds(bound: BoundQuestion): EntityNeed[] {
  const { vocabulary } = bound.rules;
  const { deciding, duties } = findSlices(bound);
  if (!deciding.reads.followsReferences && !duties.reads.followsReferences) return [];
  const nothing = {
    entity: () => undefined,
    can: {},
    agentCan: {},
    reachable: true,
    budget: undefined,
    history: noHistory,
    consent: undefined,
    approval: undefined,
  };
  return listCedarQuestions(bound).flatMap(({ slice, principal }): EntityNeed[] => {
    if (!slice.reads.followsReferences) return [];
    const typed = { ref: principal, type: bound.principalType };
    return listStatedEntities(collectRequestFacts(bound, nothing), typed, slice.reads, vocabulary).flatMap(
      ({ uid, reads }) =>
        isActionType(uid.type) || findIdProblem(uid.id) !== undefined
          ? []
          : [{ ...toStoredRef(uid, vocabulary), steps: listReferenceSteps(reads, vocabulary.objectOf) }],
    );
  });
}

/** An entity of the store, and what the policies read of it. */
export interface ReadEntity {
  readonly ref: EntityRef;
  readonly reads: ValueReads;
}

/**
 * Lists the entities that Cedar is given, by their text. A resource out of reach is not among them, nor what only leads on
 * from there.
 */
export function listReadEntities(bound: BoundQuestion, facts: CedarFacts): ReadonlyMap<string, ReadEntity> {
  const { vocabulary } = bound.rules;
  const requestFacts = { ...collectRequestFacts(bound, facts), history: noHistory };
  const entities = new Map<string, ReadEntity>();
  for (const { slice, principal } of listCedarQuestions(bound)) {
    if (isWithheld(bound, facts, slice)) continue;
    const typed = { ref: principal, type: bound.principalType };
    for (const { uid, reads } of findRequestEntities(requestFacts, typed, slice.reads, vocabulary)) {
      if (isActionType(uid.type) || findIdProblem(uid.id) !== undefined) continue;
      const ref = toStoredRef(uid, vocabulary);
      const key = formatRef(ref);
      const former = entities.get(key);
      entities.set(key, { ref, reads: former === undefined ? reads : uniteReads([former.reads, reads]) });
    }
  }
  if (!facts.reachable) entities.delete(formatRef(bound.question.resource));
  return entities;
}
