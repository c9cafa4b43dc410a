/**
 * Delegations that are passed on: where the user hasn't delegated to the acting agent, an agent that they have delegated
 * to may have passed it on (`agent:x#delegator@agent:y`), over any number of agents. The way is walked here, an edge at
 * a time and each edge checked, and not read from a trace of SpiceDB's: whoever is on it is held to the policies and the
 * revocations as if the token had stated them, so nobody on it may be missed.
 */
import type { RelationshipGraph } from '../graph/port.js';
import type { CheckAnswer } from '../model/checks.js';
import type { CheckRequest } from '../model/checks.js';
import { Fault } from '../model/faults.js';
import { formatRef, type EntityRef } from '../model/ids.js';
import { checkKey } from '../graph/relationship-text.js';
import { DELEGATOR_RELATION } from '../policy/schema/vocabulary.js';
import { withCaveatContext } from './step.js';
import { type BoundQuestion } from './bound-question.js';
import { type DelegationPathResult } from '../model/delegation-path.js';
import type { Revocations } from '../model/revocations.js';

/** Agents that are looked at in all; a graph that needs more is answered with a deny that says so. */
const MAX_PATH_AGENTS = 64;

export interface PathDeps {
  readonly relationships: RelationshipGraph;
  readonly revocations: Revocations;
}

/** An agent on the way, and the one it passes on to. */
interface Hop {
  readonly agent: EntityRef;
  readonly check: CheckRequest;
  readonly to: Hop | undefined;
  readonly until: string | undefined;
}

/**
 * The shortest way from the acting agent to the user; of equally short ones the first by the agents' ids.
 * @throws Fault
 */
export async function findDelegationPath(
  bound: BoundQuestion,
  deps: PathDeps,
): Promise<DelegationPathResult | undefined> {
  const { acting, rules } = bound;
  const { agent, user } = acting;
  if (!rules.vocabulary.allowsRedelegation || agent === undefined || user === undefined) return undefined;
  const visited = new Set([formatRef(agent)]);
  let ends: readonly (Hop | undefined)[] = [undefined];
  while (ends.length > 0) {
    const edges = (await Promise.all(ends.map((to) => findHops(to, agent, deps)))).flat();
    const hops = edges.filter((hop) => !visited.has(formatRef(hop.agent))).sort(compareByAgentId);
    for (const hop of hops) visited.add(formatRef(hop.agent));
    if (visited.size > MAX_PATH_AGENTS) return { kind: 'too_many' };
    const links = hops.map((hop) => hop.check);
    const userChecks = hops.map((hop) => ({ resource: hop.agent, permission: DELEGATOR_RELATION, subject: user }));
    const answers = await checkEdges([...links, ...userChecks], bound, deps);
    const holding = hops
      .map((hop, i) => ({ ...hop, until: readExpiry(answers[i]) }))
      .filter((_, i) => isYes(answers[i]));
    const found = hops.findIndex((_, i) => isYes(answers[i]) && isYes(answers[hops.length + i]));
    const [hop, last] = [holding.find((h) => h.agent === hops[found]?.agent), userChecks[found]];
    if (hop !== undefined && last !== undefined)
      return toDelegationPath(bound, hop, last, readExpiry(answers[hops.length + found]), deps);
    ends = holding;
  }
  return { kind: 'none' };
}

/** The agents that may pass on to the one at the end so far. */
async function findHops(to: Hop | undefined, acting: EntityRef, { relationships }: PathDeps): Promise<Hop[]> {
  const resource = to?.agent ?? acting;
  const filter = {
    resourceType: resource.type,
    resourceId: resource.id,
    relation: DELEGATOR_RELATION,
    subjectType: acting.type,
  };
  const found = await relationships.read(filter, MAX_PATH_AGENTS + 1);
  const agents = new Map(found.map(({ subject: { type, id } }) => [formatRef({ type, id }), { type, id }]));
  return [...agents.values()].map((agent) => ({
    agent,
    check: { resource, permission: DELEGATOR_RELATION, subject: agent },
    to,
    until: undefined,
  }));
}

/** @throws Fault where SpiceDB can't answer one of them: what isn't known may be the way */
async function checkEdges(
  checks: readonly CheckRequest[],
  bound: BoundQuestion,
  { relationships }: PathDeps,
): Promise<readonly CheckAnswer[]> {
  const answers = await relationships.check(
    checks.map((check) => withCaveatContext(bound, check)),
    bound.question.consistency,
  );
  for (const answer of answers) if (answer.result === 'unknown') throw new Fault(answer.fault);
  return answers;
}

async function toDelegationPath(
  { acting }: BoundQuestion,
  first: Hop,
  userCheck: CheckRequest,
  until: string | undefined,
  { revocations }: PathDeps,
): Promise<DelegationPathResult> {
  const hops: Hop[] = [];
  for (let hop: Hop | undefined = first; hop !== undefined; hop = hop.to) hops.unshift(hop);
  const stated = new Set(acting.chain.map(formatRef));
  const through = hops.map((hop) => hop.agent).filter((agent) => !stated.has(formatRef(agent)));
  const { grant, user } = acting;
  const ended =
    grant === undefined || through.length === 0
      ? undefined
      : await revocations.find({ ...grant, user: user?.id, actors: through });
  return {
    kind: 'path',
    path: [...hops.map((hop) => checkKey(hop.check)), checkKey(userCheck)],
    through,
    ended,
    ends: [...hops.map((hop) => hop.until), until].filter((at) => at !== undefined),
  };
}

function isYes(answer: CheckAnswer | undefined): boolean {
  return answer?.result === 'yes';
}

function readExpiry(answer: CheckAnswer | undefined): string | undefined {
  return answer?.result === 'yes' ? answer.until : undefined;
}

function compareByAgentId(a: Hop, b: Hop): number {
  return formatRef(a.agent) < formatRef(b.agent) ? -1 : 1;
}
