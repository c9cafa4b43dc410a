/**
 * Asks Cedar for one decision: the policies for the acting principal, the policies for each earlier agent of the chain,
 * and the duties. The policy and obligations steps judge its answers.
 */
import { cedarPrincipal } from '../model/acting.js';
import type { EntityWithAncestors } from '../model/entities.js';
import { Fault, type FaultCode } from '../model/faults.js';
import { isSameRef, type EntityRef } from '../model/ids.js';
import type { Properties, Question } from '../model/question.js';
import type { MissingValue, ValueSource } from '../model/reasons.js';
import type { CedarAnswer } from '../policy/cedar.js';
import type { CedarRequestFacts } from '../policy/cedar-request-facts.js';
import { buildCedarRequest } from '../policy/cedar-request.js';
import { formatTypedPath } from '../policy/missing-values.js';
import { leadsToEntity, type PolicyReads } from '../policy/policy-reads.js';
import type { EntityType } from '../policy/schema/action.js';
import { selectCertainAnswer, type CertainAnswer } from '../policy/certain-answer.js';
import type { PolicySlices, Slice } from '../policy/slices.js';
import type { BoundQuestion } from './bound-question.js';

export type CedarOutcome =
  | { readonly kind: 'answer'; readonly answer: CedarAnswer }
  /** Required attributes are neither stored nor in the request. */
  | {
      readonly kind: 'missing';
      readonly values: readonly MissingValue[];
      /** The answer of those policies that read none of them. */
      readonly certain: CertainAnswer;
    }
  /** Cedar was not asked: its answer would tell what is stored of a resource that is out of reach. */
  | { readonly kind: 'withheld' }
  | { readonly kind: 'fault'; readonly fault: FaultCode };

export interface CedarOutcomes {
  readonly acting: CedarOutcome;
  /** One for each earlier agent, newest first. */
  readonly chain: readonly { readonly agent: EntityRef; readonly outcome: CedarOutcome }[];
  readonly duties: CedarOutcome;
  /** Whether a policy that was asked reads the time, so that the answers hold at this moment alone. */
  readonly timeDependent: boolean;
}

export interface CedarFacts {
  readonly entity: (ref: EntityRef) => EntityWithAncestors | undefined;
  readonly can: CedarRequestFacts['can'];
  readonly agentCan: CedarRequestFacts['agentCan'];
  /** Whether the gate is held: only then may answers depend on what is stored of the resource. */
  readonly reachable: boolean;
  readonly budget: CedarRequestFacts['budget'];
  readonly history: CedarRequestFacts['history'];
  /** The consent that the question rests on. */
  readonly consent: CedarRequestFacts['consent'];
  readonly approval: CedarRequestFacts['approval'];
}

/** The facts that a request to Cedar is built of, the same for every principal. */
export function collectRequestFacts(bound: BoundQuestion, facts: CedarFacts): CedarRequestFacts {
  const { target, question, acting, now, rules } = bound;
  return {
    acting,
    action: target.action,
    resourceType: target.resourceType,
    resource: { type: question.resource.type, id: question.resource.id },
    resourceProperties: collectResourceProperties(bound),
    actionProperties: question.action.properties,
    context: question.context,
    subject: { type: question.subject.type, id: question.subject.id },
    subjectProperties: mayAssertAttributes(question) ? question.subject.properties : {},
    entity: (ref) => (facts.reachable || !isSameRef(ref, question.resource) ? facts.entity(ref) : undefined),
    can: facts.can,
    agentCan: facts.agentCan,
    budget: facts.budget,
    history: facts.history,
    consent: facts.consent,
    approval: facts.approval,
    now,
    zone: rules.zone,
  };
}

/** Whether policies are given what the caller states of its subject. */
export function mayAssertAttributes({ caller }: Question): boolean {
  return caller.kind === 'client' && caller.client.may.has('asserts_attributes');
}

/** Says where a missing value can come from: a request states its context, its resource and, by a flagged client, its subject. */
function findSource(bound: BoundQuestion, { entity, path }: MissingValue): ValueSource {
  const { question } = bound;
  if (entity === undefined) return path.startsWith('context.claims') ? 'token' : 'request';
  // The word of an agent that asks for itself proves nothing.
  if (question.caller.kind === 'agent') return 'store';
  if (isSameRef(entity, question.resource)) return mayStateResource(bound) ? 'request' : 'asserting_client';
  if (isSameRef(entity, question.subject)) return mayAssertAttributes(question) ? 'request' : 'asserting_client';
  return 'store';
}

/** The attributes of the resource that the request states, as far as it may. */
export function collectResourceProperties(bound: BoundQuestion): Properties {
  return mayStateResource(bound) ? bound.question.resource.properties : {};
}

/** A resource that is one of the parties is a subject too, and only a flagged client may state a subject's attributes. */
export function mayStateResource({ question, acting }: BoundQuestion): boolean {
  const isParty = [acting.user, acting.agent, ...acting.chain].some(
    (party) => party !== undefined && isSameRef(party, question.resource),
  );
  return !isParty || mayAssertAttributes(question);
}

/** Never throws for what Cedar or the data lack: that is in the outcomes. */
export function askCedar(bound: BoundQuestion, facts: CedarFacts): CedarOutcomes {
  const { rules, acting } = bound;
  const requestFacts = collectRequestFacts(bound, facts);

  const ask = (slices: PolicySlices, slice: Slice, principal: EntityRef): CedarOutcome => {
    if (isWithheld(bound, facts, slice)) return { kind: 'withheld' };
    const typed = { ref: principal, type: bound.principalType };
    try {
      const built = buildCedarRequest(requestFacts, typed, slice.reads, rules.vocabulary, facts.reachable);
      const answer = slices.ask(slice, built.request);
      if (built.ok) return { kind: 'answer', answer };
      return {
        kind: 'missing',
        values: built.missing.map((value) => ({ ...value, source: findSource(bound, value) })),
        certain: selectCertainAnswer(answer, slice, built.missing.map(formatTypedPath), bound),
      };
    } catch (error) {
      if (error instanceof Fault) return { kind: 'fault', fault: error.code };
      throw error;
    }
  };

  const principal = cedarPrincipal(acting);
  const { deciding, duties } = findSlices(bound);
  return {
    acting: ask(rules.deciding, deciding, principal),
    chain: acting.chain.map((agent) => ({ agent, outcome: ask(rules.deciding, deciding, agent) })),
    duties: duties.policies.length === 0 ? NO_DUTIES : ask(rules.duties, duties, principal),
    timeDependent: deciding.timeDependent || duties.timeDependent,
  };
}

const NO_DUTIES: CedarOutcome = { kind: 'answer', answer: { decision: 'deny', determining: [], errors: [] } };

/** The slices that a question is asked of: the policies that decide it, and the duties. */
export function findSlices({
  rules,
  target,
  principalType,
}: BoundQuestion): Readonly<Record<'deciding' | 'duties', Slice>> {
  const [action, resource] = [target.action, target.resourceType];
  return {
    deciding: rules.deciding.slice(principalType, action, resource),
    duties: rules.duties.slice(principalType, action, resource),
  };
}

/** Whether the slice isn't asked, since its answer could tell what is stored of a resource that is out of reach. */
export function isWithheld(
  bound: BoundQuestion,
  { reachable }: Pick<CedarFacts, 'reachable'>,
  { reads }: Slice,
): boolean {
  const { resourceType } = bound.target;
  return !reachable && readsStoredAttributes(reads, resourceType, collectResourceProperties(bound));
}

/** Whether anything is read of the resource that the request doesn't state itself, or that a statement refers to. */
function readsStoredAttributes({ resource, context }: PolicyReads, type: EntityType, properties: Properties): boolean {
  return (
    type.ancestors.size > 0 ||
    [...resource.members].some(([name, reads]) => !Object.hasOwn(properties, name) || leadsToEntity(reads)) ||
    [...context.members].some(([name, reads]) => name !== 'user' && leadsToEntity(reads))
  );
}
