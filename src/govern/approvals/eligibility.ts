/**
 * Says whether a person may answer a step of an approval. An approval is another person's yes: so neither the requester
 * nor an agent gives it, nor a person who holds the permission only because the requester wants it so.
 */
import { engineFaultCode, type Deadline } from '../../runtime/deadline.js';
import type { GraphSnapshot } from '../../graph/snapshot.js';
import { DELEGATOR_RELATION } from '../../model/delegations.js';
import type { ApprovalRequester } from '../../model/approvals.js';
import type { FaultCode } from '../../model/faults.js';
import { isSameRef, type EntityRef } from '../../model/ids.js';
import type { Rules } from '../../policy/load.js';
import { BoundedGraph, ExpansionLimitError } from './bounded-graph.js';
import { Deputies } from './deputies.js';
import { IndependentPathSearch } from './independent-path.js';
import { RequesterTies } from './requester-ties.js';

export interface EligibilityQuestion {
  readonly resource: EntityRef;
  readonly permission: string;
  readonly approver: EntityRef;
  readonly requester: ApprovalRequester;
}

/** The configuration's part of who may approve, and for how long. */
export interface ApproverRules {
  /** The time for which an approval for one use is good, in milliseconds; undefined for a quarter of an hour. */
  readonly onceMs?: number | undefined;
  /** The permission whose holders administer a group, beside `administer`, by the group's definition. */
  readonly administeredBy: ReadonlyMap<string, string>;
  /** The relation of a group's deputies, who may approve what its members may, by the group's definition. */
  readonly deputies: ReadonlyMap<string, string>;
}

/** No groups beside those whose definitions have `administer`, and no deputies. */
export const NO_APPROVER_RULES: ApproverRules = { administeredBy: new Map(), deputies: new Map() };

export interface EligibilityDeps extends ApproverRules {
  readonly graph: Pick<GraphSnapshot, 'check' | 'read' | 'lookupResources'>;
  readonly rules: Pick<Rules, 'graph'> & { readonly vocabulary: Pick<Rules['vocabulary'], 'agentObject'> };
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
  const { approver, requester, resource, permission } = question;
  if (listRequesters(requester).some((party) => isSameRef(party, approver))) return refuse('requester');
  if (isAgent(approver, requester, deps)) return refuse('agent');
  // A schema may have lost the permission since it was asked for.
  if (!deps.rules.graph.hasMember(resource.type, permission)) return refuse('no_permission');
  try {
    return await deadline.race(searchGrant(question, deps));
  } catch (error) {
    return { fault: engineFaultCode(error) };
  }
}

async function searchGrant(question: EligibilityQuestion, deps: EligibilityDeps): Promise<Eligibility> {
  const { approver, resource, permission } = question;
  const graph = new BoundedGraph(deps.graph);
  const [answer] = await graph.check([{ resource, permission, subject: approver }]);
  const isHolder = answer?.result !== 'no' && answer?.result !== 'conditional';
  let why: Ineligibility = isHolder ? 'own_path' : 'no_permission';
  if (isHolder) {
    const found = await findIndependentPath(question, deps, graph, undefined);
    if (found === 'found') return { eligible: true };
    if (found === 'unsure') why = 'not_found_in_time';
  }
  const deputies = new Deputies(deps.deputies, deps.rules.graph);
  if (!deputies.mayReach(resource.type, permission)) return refuse(why);
  const found = await findIndependentPath(question, deps, graph, deputies);
  if (found === 'found') return { eligible: true };
  return refuse(found === 'unsure' && !isHolder ? 'not_found_in_time' : why);
}

/** @param deputies undefined: deputies don't count */
async function findIndependentPath(
  { approver, resource, permission, requester }: EligibilityQuestion,
  { rules: { graph: schema }, administeredBy }: EligibilityDeps,
  graph: BoundedGraph,
  deputies: Deputies | undefined,
): Promise<'found' | 'none' | 'unsure'> {
  const ties = new RequesterTies(graph, { schema, resource, requesters: listRequesters(requester), administeredBy });
  for (const readLong of [false, true]) {
    if (readLong) graph.allowLongReads();
    const search = new IndependentPathSearch(approver, { graph, ties, schema, deputies });
    try {
      if (await search.holds({ resource, permission })) return 'found';
      if (!search.isUnsure) return 'none';
    } catch (error) {
      if (!(error instanceof ExpansionLimitError)) throw error;
    }
  }
  return 'unsure';
}

/** The user and the agents that ask. */
export function listRequesters({ user, agent, chain }: ApprovalRequester): EntityRef[] {
  return [...(user === undefined ? [] : [user]), ...(agent === undefined ? [] : [agent]), ...chain];
}

function isAgent({ type }: EntityRef, { agent, chain }: ApprovalRequester, { rules }: EligibilityDeps): boolean {
  return (
    type === rules.vocabulary.agentObject ||
    rules.graph.hasMember(type, DELEGATOR_RELATION) ||
    [agent, ...chain].some((party) => party?.type === type)
  );
}

function refuse(why: Ineligibility): Eligibility {
  return { eligible: false, why };
}
