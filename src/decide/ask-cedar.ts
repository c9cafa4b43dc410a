/**
 * Consulting Cedar for one decision: the policies for whoever acts, the policies for each earlier agent of the chain,
 * and the duties. Cedar answers; the policy and obligations steps judge its answers.
 */
import type { Answer } from '../policy/cedar.js';
import { principal } from '../model/acting.js';
import { Fault, type FaultCode } from '../model/faults.js';
import { sameRef, type EntityRef } from '../model/ids.js';
import type { Properties } from '../model/question.js';
import type { Established } from './bound-question.js';
import type { KnownEntity } from '../model/entities.js';
import { buildRequest, type RequestFacts } from '../policy/cedar-request.js';
import type { Slice, Slices } from '../policy/slices.js';
import type { EntityType } from '../policy/schema/action.js';

export type Consulted =
  | { readonly kind: 'answer'; readonly answer: Answer }
  /** Required attributes that are nowhere. */
  | { readonly kind: 'missing'; readonly attributes: readonly string[] }
  /** Not asked: the answer would tell what is stored of a resource that is out of reach. */
  | { readonly kind: 'withheld' }
  | { readonly kind: 'fault'; readonly fault: FaultCode };

export interface Cedar {
  readonly acting: Consulted;
  /** One an earlier agent, newest first. */
  readonly chain: readonly { readonly agent: EntityRef; readonly consulted: Consulted }[];
  readonly duties: Consulted;
}

export interface ConsultFacts {
  readonly entity: (ref: EntityRef) => KnownEntity | undefined;
  readonly can: RequestFacts['can'];
  readonly agentCan: RequestFacts['agentCan'];
  /** Whether the relationship gate is held: only then is anything said of what is stored of the resource. */
  readonly reachable: boolean;
}

/** All that a request to Cedar is built of, whoever it is asked for. */
export function requestFacts({ on, question, acting, now }: Established, facts: ConsultFacts): RequestFacts {
  const { caller } = question;
  const mayAssert = caller.kind === 'client' && caller.client.may.has('asserts_attributes');
  const acts = [acting.user, acting.agent, ...acting.chain].some(
    (who) => who !== undefined && sameRef(who, question.resource),
  );
  return {
    acting,
    action: on.action,
    resourceType: on.resourceType,
    resource: { type: question.resource.type, id: question.resource.id },
    // A resource that is one of those who act is a subject too, of whose attributes only a flagged client may speak.
    resourceProperties: acts && !mayAssert ? {} : question.resource.properties,
    actionProperties: question.action.properties,
    context: question.context,
    subject: { type: question.subject.type, id: question.subject.id },
    subjectProperties: mayAssert ? question.subject.properties : {},
    entity: (ref) => (facts.reachable || !sameRef(ref, question.resource) ? facts.entity(ref) : undefined),
    can: facts.can,
    agentCan: facts.agentCan,
    now,
  };
}

/** Never throws for what Cedar or the data lack: that is in the answer. */
export function consult(e: Established, facts: ConsultFacts): Cedar {
  const { rules, on, acting } = e;
  const { vocabulary } = rules;
  const known = requestFacts(e, facts);

  const ask = (slices: Slices, slice: Slice, who: EntityRef, type: EntityType): Consulted => {
    if (!facts.reachable && readsUnsaid(slice, on.resourceType, known.resourceProperties)) return { kind: 'withheld' };
    const built = buildRequest(known, { ref: who, type }, slice.reads, vocabulary, facts.reachable);
    if (!built.ok) return { kind: 'missing', attributes: built.missing };
    try {
      return { kind: 'answer', answer: slices.ask(slice, built.request) };
    } catch (error) {
      if (error instanceof Fault) return { kind: 'fault', fault: error.code };
      throw error;
    }
  };

  const who = principal(acting);
  const deciding = rules.deciding.slice(e.principalType, on.action, on.resourceType);
  const duties = rules.duties.slice(e.principalType, on.action, on.resourceType);
  return {
    acting: ask(rules.deciding, deciding, who, e.principalType),
    chain: acting.chain.map((agent) => ({ agent, consulted: ask(rules.deciding, deciding, agent, e.principalType) })),
    duties:
      duties.policies.length === 0
        ? { kind: 'answer', answer: { decision: 'deny', determining: [], errors: [] } }
        : ask(rules.duties, duties, who, e.principalType),
  };
}

/** Whether the slice could read anything of the resource that the request itself doesn't say. */
function readsUnsaid({ reads }: Slice, type: EntityType, said: Properties): boolean {
  return (
    type.ancestors.size > 0 ||
    Object.keys(type.attributes).some((name) => reads.names.has(name) && !Object.hasOwn(said, name))
  );
}
