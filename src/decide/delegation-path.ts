/**
 * Delegations that are passed on: where the user hasn't delegated to the acting agent, an agent that they have delegated
 * to may have passed it on (`agent:x#delegator@agent:y`), over any number of agents. The way is walked here, an edge at
 * a time and each edge checked, and not read from a trace of SpiceDB's: whoever is on it is held to the policies and the
 * revocations as if the token had stated them, so nobody on it may be missed.
 */
import type { Relationships } from '../graph/port.js';
import type { CheckAnswer } from '../model/checks.js';
import type { AskedCheck } from '../model/checks.js';
import { Fault } from '../model/faults.js';
import { refText, type EntityRef } from '../model/ids.js';
import { checkKey } from '../graph/relationship-text.js';
import { DELEGATOR } from '../policy/schema/vocabulary.js';
import { withContext } from './step.js';
import { type Established } from './bound-question.js';
import { type PassedOn } from '../model/delegation-path.js';
import type { Revocations } from '../model/revocations.js';

/** Agents that are looked at in all; a graph that needs more is answered with a deny that says so. */
const MAX_AGENTS = 64;

export interface Using {
  readonly relationships: Relationships;
  readonly revocations: Revocations;
}

/** An agent on the way, and the one it passes on to. */
interface Hop {
  readonly agent: EntityRef;
  readonly check: AskedCheck;
  readonly to: Hop | undefined;
  readonly until: string | undefined;
}

/**
 * The shortest way from the acting agent to the user; of equally short ones the first by the agents' ids.
 * @throws Fault
 */
export async function passing(e: Established, using: Using): Promise<PassedOn | undefined> {
  const { acting, rules } = e;
  const { agent, user } = acting;
  if (!rules.vocabulary.delegationPasses || agent === undefined || user === undefined) return undefined;
  const seen = new Set([refText(agent)]);
  let ends: readonly (Hop | undefined)[] = [undefined];
  while (ends.length > 0) {
    const edges = (await Promise.all(ends.map((to) => edgesTo(to, agent, using)))).flat();
    const hops = edges.filter((hop) => !seen.has(refText(hop.agent))).sort(byId);
    for (const hop of hops) seen.add(refText(hop.agent));
    if (seen.size > MAX_AGENTS) return { kind: 'too_many' };
    const links = hops.map((hop) => hop.check);
    const given = hops.map((hop) => ({ resource: hop.agent, permission: DELEGATOR, subject: user }));
    const answers = await ask([...links, ...given], e, using);
    const holding = hops.map((hop, i) => ({ ...hop, until: untilOf(answers[i]) })).filter((_, i) => isYes(answers[i]));
    const found = hops.findIndex((_, i) => isYes(answers[i]) && isYes(answers[hops.length + i]));
    const [hop, last] = [holding.find((h) => h.agent === hops[found]?.agent), given[found]];
    if (hop !== undefined && last !== undefined)
      return pathOf(e, hop, last, untilOf(answers[hops.length + found]), using);
    ends = holding;
  }
  return { kind: 'none' };
}

/** The agents that may pass on to the one at the end so far. */
async function edgesTo(to: Hop | undefined, acting: EntityRef, { relationships }: Using): Promise<Hop[]> {
  const resource = to?.agent ?? acting;
  const filter = {
    resourceType: resource.type,
    resourceId: resource.id,
    relation: DELEGATOR,
    subjectType: acting.type,
  };
  const found = await relationships.read(filter, MAX_AGENTS + 1);
  const agents = new Map(found.map(({ subject: { type, id } }) => [refText({ type, id }), { type, id }]));
  return [...agents.values()].map((agent) => ({
    agent,
    check: { resource, permission: DELEGATOR, subject: agent },
    to,
    until: undefined,
  }));
}

/** @throws Fault where SpiceDB can't answer one of them: what isn't known may be the way */
async function ask(
  checks: readonly AskedCheck[],
  e: Established,
  { relationships }: Using,
): Promise<readonly CheckAnswer[]> {
  const answers = await relationships.check(
    checks.map((check) => withContext(e, check)),
    e.question.consistency,
  );
  for (const answer of answers) if (answer.result === 'unknown') throw new Fault(answer.fault);
  return answers;
}

async function pathOf(
  { acting }: Established,
  first: Hop,
  given: AskedCheck,
  until: string | undefined,
  { revocations }: Using,
): Promise<PassedOn> {
  const hops: Hop[] = [];
  for (let hop: Hop | undefined = first; hop !== undefined; hop = hop.to) hops.unshift(hop);
  const stated = new Set(acting.chain.map(refText));
  const through = hops.map((hop) => hop.agent).filter((agent) => !stated.has(refText(agent)));
  const { grant, user } = acting;
  const ended =
    grant === undefined || through.length === 0
      ? undefined
      : await revocations.find({ ...grant, user: user?.id, actors: through });
  return {
    kind: 'path',
    path: [...hops.map((hop) => checkKey(hop.check)), checkKey(given)],
    through,
    ended,
    ends: [...hops.map((hop) => hop.until), until].filter((at) => at !== undefined),
  };
}

function isYes(answer: CheckAnswer | undefined): boolean {
  return answer?.result === 'yes';
}

function untilOf(answer: CheckAnswer | undefined): string | undefined {
  return answer?.result === 'yes' ? answer.until : undefined;
}

function byId(a: Hop, b: Hop): number {
  return refText(a.agent) < refText(b.agent) ? -1 : 1;
}
