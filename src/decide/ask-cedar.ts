/**
 * Consulting Cedar for one decision: the policies for whoever acts, the policies for each earlier agent of the chain,
 * and the duties. Cedar answers; the policy and obligations steps judge its answers.
 */
import type { CedarAnswer } from '../policy/cedar.js';
import { cedarPrincipal } from '../model/acting.js';
import { Fault, type FaultCode } from '../model/faults.js';
import { isSameRef, type EntityRef } from '../model/ids.js';
import type { Properties } from '../model/question.js';
import type { BoundQuestion } from './bound-question.js';
import type { EntityWithAncestors } from '../model/entities.js';
import { buildCedarRequest, type CedarRequestFacts } from '../policy/cedar-request.js';
import type { Slice, PolicySlices } from '../policy/slices.js';
import type { EntityType } from '../policy/schema/action.js';

export type CedarOutcome =
  | { readonly kind: 'answer'; readonly answer: CedarAnswer }
  /** Required attributes that are nowhere. */
  | { readonly kind: 'missing'; readonly attributes: readonly string[] }
  /** Not asked: the answer would tell what is stored of a resource that is out of reach. */
  | { readonly kind: 'withheld' }
  | { readonly kind: 'fault'; readonly fault: FaultCode };

export interface CedarOutcomes {
  readonly acting: CedarOutcome;
  /** One an earlier agent, newest first. */
  readonly chain: readonly { readonly agent: EntityRef; readonly outcome: CedarOutcome }[];
  readonly duties: CedarOutcome;
}

export interface CedarFacts {
  readonly entity: (ref: EntityRef) => EntityWithAncestors | undefined;
  readonly can: CedarRequestFacts['can'];
  readonly agentCan: CedarRequestFacts['agentCan'];
  /** Whether the relationship gate is held: only then is anything said of what is stored of the resource. */
  readonly reachable: boolean;
}

/** All that a request to Cedar is built of, whoever it is asked for. */
export function collectRequestFacts(
  { target, question, acting, now }: BoundQuestion,
  facts: CedarFacts,
): CedarRequestFacts {
  const { caller } = question;
  const mayAssert = caller.kind === 'client' && caller.client.may.has('asserts_attributes');
  const acts = [acting.user, acting.agent, ...acting.chain].some(
    (who) => who !== undefined && isSameRef(who, question.resource),
  );
  return {
    acting,
    action: target.action,
    resourceType: target.resourceType,
    resource: { type: question.resource.type, id: question.resource.id },
    // A resource that is one of those who act is a subject too, of whose attributes only a flagged client may speak.
    resourceProperties: acts && !mayAssert ? {} : question.resource.properties,
    actionProperties: question.action.properties,
    context: question.context,
    subject: { type: question.subject.type, id: question.subject.id },
    subjectProperties: mayAssert ? question.subject.properties : {},
    entity: (ref) => (facts.reachable || !isSameRef(ref, question.resource) ? facts.entity(ref) : undefined),
    can: facts.can,
    agentCan: facts.agentCan,
    now,
  };
}

/** Never throws for what Cedar or the data lack: that is in the answer. */
export function askCedar(bound: BoundQuestion, facts: CedarFacts): CedarOutcomes {
  const { rules, target, acting } = bound;
  const { vocabulary } = rules;
  const requestFacts = collectRequestFacts(bound, facts);

  const ask = (slices: PolicySlices, slice: Slice, who: EntityRef, type: EntityType): CedarOutcome => {
    if (!facts.reachable && readsStoredAttributes(slice, target.resourceType, requestFacts.resourceProperties))
      return { kind: 'withheld' };
    const built = buildCedarRequest(requestFacts, { ref: who, type }, slice.reads, vocabulary, facts.reachable);
    if (!built.ok) return { kind: 'missing', attributes: built.missing };
    try {
      return { kind: 'answer', answer: slices.ask(slice, built.request) };
    } catch (error) {
      if (error instanceof Fault) return { kind: 'fault', fault: error.code };
      throw error;
    }
  };

  const who = cedarPrincipal(acting);
  const deciding = rules.deciding.slice(bound.principalType, target.action, target.resourceType);
  const duties = rules.duties.slice(bound.principalType, target.action, target.resourceType);
  return {
    acting: ask(rules.deciding, deciding, who, bound.principalType),
    chain: acting.chain.map((agent) => ({
      agent,
      outcome: ask(rules.deciding, deciding, agent, bound.principalType),
    })),
    duties:
      duties.policies.length === 0
        ? { kind: 'answer', answer: { decision: 'deny', determining: [], errors: [] } }
        : ask(rules.duties, duties, who, bound.principalType),
  };
}

/** Whether the slice could read anything of the resource that the request itself doesn't say. */
function readsStoredAttributes({ reads }: Slice, type: EntityType, properties: Properties): boolean {
  return (
    type.ancestors.size > 0 ||
    Object.keys(type.attributes).some((name) => reads.names.has(name) && !Object.hasOwn(properties, name))
  );
}
