/**
 * What an agent may do on its token: each action on each type of resource is tried on what is within its reach, by the
 * steps of a decision. Nothing is claimed that a single question would not be answered.
 */
import { Deadline } from '../runtime/deadline.js';
import { candidateResources, inOrder, LOOKING, type Searching } from './candidates.js';
import type { Foreseen } from '../decide/decide.js';
import { foreseeEach } from './decide-list.js';
import { BadRequest } from '../model/faults.js';
import type { Question } from '../model/question.js';
import type { ReasonCode } from '../model/reasons.js';
import type { Remedy } from '../model/remedies.js';
import type { Action } from '../policy/schema/action.js';

/**
 * `allowed`: on something that is there; `depends`: on what the request says, too; `remediable`: not now, but with the
 * remedies.
 */
export type Standing = 'allowed' | 'depends' | 'remediable';

export interface Capability {
  readonly resourceType: string;
  readonly action: Action;
  readonly status: Standing;
  /** What is wanted beside: none where it is allowed. */
  readonly remedies: readonly Remedy[];
}

/** How many resources are tried: few first, since the first mostly tells. */
const TRIED = [10, 90, 400];

/**
 * @param ask the agent's question for an action on a type, with a resource that is still to be named
 * @throws Fault
 */
export async function capabilities(
  ask: (action: string, resourceType: string) => Question,
  using: Searching,
): Promise<readonly Capability[]> {
  const pairs = using
    .rules()
    .vocabulary.actions.flatMap((action) =>
      action.resourceTypes.map(({ object }) => ({ action, resourceType: object })),
    );
  pairs.sort((a, b) => inOrder(a.resourceType, b.resourceType) || inOrder(a.action.name, b.action.name));
  const found: Capability[] = [];
  for (const { action, resourceType } of pairs) {
    const question = ask(action.name, resourceType);
    const ids = await Deadline.of(using.deadlineMs * LOOKING, (deadline) =>
      deadline.hold(candidateResources(question, using)),
    );
    const best = await bestOf(ids, (id) => ({ ...question, resource: { ...question.resource, id } }), using);
    if (best !== undefined) found.push({ resourceType, action, ...best });
  }
  return found;
}

type Best = Pick<Capability, 'status' | 'remedies'>;
const ORDER: readonly Standing[] = ['allowed', 'depends', 'remediable'];

async function bestOf(
  ids: readonly string[],
  ask: (id: string) => Question,
  using: Searching,
): Promise<Best | undefined> {
  let best: Best | undefined;
  let from = 0;
  for (const size of TRIED) {
    const foreseen = await foreseeEach(ids.slice(from, (from += size)).map(ask), using, true);
    for (const one of foreseen) {
      const status = one instanceof BadRequest ? undefined : standingOf(one);
      if (status !== undefined && (best === undefined || isBetter(status, best))) best = status;
    }
    if (best?.status === 'allowed' || from >= ids.length) return best;
  }
  // Beyond those that were tried may be one that is allowed, which must not be denied to be there.
  return best ?? { status: 'depends', remedies: [] };
}

function isBetter(one: Best, other: Best): boolean {
  const [a, b] = [ORDER.indexOf(one.status), ORDER.indexOf(other.status)];
  return a === b ? one.remedies.length < other.remedies.length : a < b;
}

/** What only the request itself can say. */
const UNSAID: readonly ReasonCode[] = ['attribute_missing', 'context_missing'];

/** Undefined where something denies it that nobody can lift. */
function standingOf({ allowed, denials }: Foreseen): Best | undefined {
  if (allowed) return { status: 'allowed', remedies: [] };
  const unsaid = denials.filter(({ reasons }) => reasons.every(({ code }) => UNSAID.includes(code)));
  const lifted = denials.filter(({ remediable }) => remediable);
  if (denials.length === 0 || unsaid.length + lifted.length < denials.length) return undefined;
  const remedies = [...new Map(lifted.flatMap((d) => d.remedies).map((r) => [JSON.stringify(r), r])).values()];
  return { status: unsaid.length > 0 ? 'depends' : 'remediable', remedies };
}
