/**
 * Delegations that are passed on: where the user hasn't delegated to the acting agent, an agent that has the delegation
 * may have passed it on (`agent:x#delegator@agent:y`), over any number of agents. The path is followed here, edge by edge
 * and each edge checked, rather than read from a trace of SpiceDB's: the agents on it are held to the policies and the
 * revocations as if the token had stated them, so none of them may be missed.
 */
import { checkKey } from '../graph/relationship-text.js';
import type { GraphSnapshot } from '../graph/snapshot.js';
import type { DelegatedParties } from '../model/acting.js';
import type { CheckAnswer, CheckRequest } from '../model/checks.js';
import type { DelegationPathResult } from '../model/delegation-path.js';
import { Fault } from '../model/faults.js';
import { formatRef, type EntityRef } from '../model/ids.js';
import type { Revocations } from '../model/revocations.js';
import { DELEGATOR_RELATION } from '../policy/schema/vocabulary.js';
import type { BoundQuestion } from './bound-question.js';
import { withCaveatContext } from './permission-checks.js';

/** The most agents that are visited in all; a graph that needs more is answered with a deny that says so. */
const MAX_PATH_AGENTS = 64;

export interface PathDeps {
  readonly graph: GraphSnapshot;
  readonly revocations: Revocations;
}

/** An agent on the way from the acting agent to the user. */
interface Hop {
  readonly agent: EntityRef;
  /** The check that the agent has passed the delegation on to the next one. */
  readonly check: CheckRequest;
  /** The hop that is closer to the acting agent; undefined where that agent itself comes next. */
  readonly next: ConfirmedHop | undefined;
}

/** A hop that the graph confirms. */
interface ConfirmedHop extends Hop {
  /** The instant at which the relationship may end without a write, RFC 3339. */
  readonly until: string | undefined;
}

/**
 * Finds the shortest path from the acting agent to the user; of equally short ones the first by the agents' ids.
 * Returns undefined where nothing can be passed on.
 * @throws Fault where the graph can't be read, or a check can't be answered
 */
export async function findDelegationPath(
  bound: BoundQuestion,
  deps: PathDeps,
): Promise<DelegationPathResult | undefined> {
  const { acting, rules } = bound;
  if (!rules.vocabulary.allowsRedelegation || acting.mode !== 'delegated') return undefined;
  const { agent, user } = acting;
  const visited = new Set([formatRef(agent)]);
  let ends: readonly (ConfirmedHop | undefined)[] = [undefined];
  while (ends.length > 0) {
    const edges = (await Promise.all(ends.map((end) => readHops(end, agent, deps)))).flat();
    const hops = edges.filter((hop) => !visited.has(formatRef(hop.agent))).sort(compareByAgentId);
    for (const hop of hops) visited.add(formatRef(hop.agent));
    if (visited.size > MAX_PATH_AGENTS) return { kind: 'too_many' };
    const userChecks = hops.map((hop) => ({ resource: hop.agent, permission: DELEGATOR_RELATION, subject: user }));
    const answers = await checkEdges([...hops.map((hop) => hop.check), ...userChecks], bound, deps);
    const confirmed: ConfirmedHop[] = [];
    for (const [i, hop] of hops.entries()) {
      const [answer, userAnswer, userCheck] = [answers[i], answers[hops.length + i], userChecks[i]];
      if (answer?.result !== 'yes') continue;
      const confirmedHop = { ...hop, until: answer.until };
      if (userAnswer?.result === 'yes' && userCheck !== undefined)
        return toDelegationPath(acting, confirmedHop, userCheck, userAnswer.until, deps);
      confirmed.push(confirmedHop);
    }
    ends = confirmed;
  }
  return { kind: 'none' };
}

/** The agents that may have passed the delegation on to the end of the path so far, as the graph's relationships say. */
async function readHops(end: ConfirmedHop | undefined, actingAgent: EntityRef, { graph }: PathDeps): Promise<Hop[]> {
  const resource = end?.agent ?? actingAgent;
  const filter = {
    resourceType: resource.type,
    resourceId: resource.id,
    relation: DELEGATOR_RELATION,
    subjectType: actingAgent.type,
  };
  const { relationships: edges } = await graph.read(filter, MAX_PATH_AGENTS + 1);
  const agents = new Map(edges.map(({ subject: { type, id } }) => [formatRef({ type, id }), { type, id }]));
  return [...agents.values()].map((agent) => ({
    agent,
    check: { resource, permission: DELEGATOR_RELATION, subject: agent },
    next: end,
  }));
}

/** @throws Fault where SpiceDB can't answer one of them: what isn't known may be the path */
async function checkEdges(
  checks: readonly CheckRequest[],
  bound: BoundQuestion,
  { graph }: PathDeps,
): Promise<readonly CheckAnswer[]> {
  const answers = await graph.check(checks.map((check) => withCaveatContext(bound, check)));
  for (const answer of answers) if (answer.result === 'unknown') throw new Fault(answer.fault);
  return answers;
}

/** @param userCheck that the user has delegated to the first hop's agent */
async function toDelegationPath(
  { user, chain, grant }: DelegatedParties,
  first: ConfirmedHop,
  userCheck: CheckRequest,
  userUntil: string | undefined,
  { revocations }: PathDeps,
): Promise<DelegationPathResult> {
  const hops: ConfirmedHop[] = [];
  for (let hop: ConfirmedHop | undefined = first; hop !== undefined; hop = hop.next) hops.unshift(hop);
  const stated = new Set(chain.map(formatRef));
  const through = hops.map((hop) => hop.agent).filter((agent) => !stated.has(formatRef(agent)));
  const ended =
    grant === undefined || through.length === 0
      ? undefined
      : await revocations.find({ ...grant, user: user.id, actors: through });
  return {
    kind: 'path',
    path: [...hops.map((hop) => checkKey(hop.check)), checkKey(userCheck)],
    through,
    ended,
    ends: [...hops.map((hop) => hop.until), userUntil].filter((until) => until !== undefined),
  };
}

function compareByAgentId(a: Hop, b: Hop): number {
  return formatRef(a.agent) < formatRef(b.agent) ? -1 : 1;
}
