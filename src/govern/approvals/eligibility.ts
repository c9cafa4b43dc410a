/**
 * Says whether a person may answer a step of an approval. An approval is another person's yes: so neither the requester
 * nor an agent gives it, nor a person who holds the permission only because the requester wants it so.
 */
import { engineFaultCode, type Deadline } from '../../runtime/deadline.js';
import type { GraphSnapshot } from '../../graph/snapshot.js';
import { DELEGATOR_RELATION } from '../../model/delegations.js';
import type { FaultCode } from '../../model/faults.js';
import { isSameRef, type EntityRef } from '../../model/ids.js';
import type { Rules } from '../../policy/load.js';

/** The parties of the question that is to be approved. */
export interface Requester {
  readonly user?: EntityRef | undefined;
  readonly agent?: EntityRef | undefined;
  /** Earlier agents, and those that the delegation was passed on through. */
  readonly chain: readonly EntityRef[];
}

export interface EligibilityQuestion {
  readonly resource: EntityRef;
  readonly permission: string;
  readonly approver: EntityRef;
  readonly requester: Requester;
}

export interface EligibilityDeps {
  readonly graph: Pick<GraphSnapshot, 'check' | 'read' | 'lookupResources'>;
  readonly rules: Pick<Rules, 'graph'> & { readonly vocabulary: Pick<Rules['vocabulary'], 'agentObject'> };
  /** By definition the permission whose holders administer a group, beside `administer`. */
  readonly administeredBy: ReadonlyMap<string, string>;
  /** By definition the relation of a group's deputies, who may approve what its members may. */
  readonly deputies: ReadonlyMap<string, string>;
}

export type Ineligibility =
  /** The approver is the requester, or one of the agents that act. */
  | 'requester'
  /** The approver is an agent. */
  | 'agent'
  | 'no_permission'
  /** Every way to the permission rests on the requester. */
  | 'own_path'
  /** It would take too much to find a way that doesn't. */
  | 'not_found_in_time';

export type Eligibility =
  | { readonly eligible: true }
  | { readonly eligible: false; readonly why: Ineligibility }
  | { readonly fault: FaultCode };

/** Finds what keeps the approver from answering, at the revision of the graph's other answers. */
export async function findIneligibility(
  question: EligibilityQuestion,
  deps: EligibilityDeps,
  deadline: Deadline,
): Promise<Eligibility> {
  const { approver, resource, permission } = question;
  const parties = listRequesters(question.requester);
  if (parties.some((party) => isSameRef(party, approver))) return refuse('requester');
  if (isAgent(approver, question.requester, deps)) return refuse('agent');
  try {
    const [answer] = await deadline.race(deps.graph.check([{ resource, permission, subject: approver }]));
    if (answer?.result === 'unknown') return { fault: answer.fault };
    if (answer?.result !== 'yes') return refuse('no_permission');
    return refuse('not_found_in_time');
  } catch (error) {
    return { fault: engineFaultCode(error) };
  }
}

/** The user and the agents that ask. */
export function listRequesters({ user, agent, chain }: Requester): EntityRef[] {
  return [...(user === undefined ? [] : [user]), ...(agent === undefined ? [] : [agent]), ...chain];
}

function isAgent({ type }: EntityRef, { agent, chain }: Requester, { rules }: EligibilityDeps): boolean {
  return (
    type === rules.vocabulary.agentObject ||
    rules.graph.hasMember(type, DELEGATOR_RELATION) ||
    [agent, ...chain].some((party) => party?.type === type)
  );
}

function refuse(why: Ineligibility): Eligibility {
  return { eligible: false, why };
}
