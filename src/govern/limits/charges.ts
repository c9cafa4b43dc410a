/** Plans what a question uses of limits, of its action and of what it rests on: of which uses, and how much. */
import { cedarPrincipal, listAgents, permissionSubject, type ActingParties } from '../../model/acting.js';
import { describeRef, formatRef, type EntityRef } from '../../model/ids.js';
import type { Charge, Limit, LimitedGrant, LimitSubject } from '../../model/limits.js';
import { isLessQuantity } from '../../model/quantities.js';
import { formatUid } from '../../policy/schema/uid.js';
import { memoizeByObject } from '../../runtime/memoize.js';
import { sha256 } from '../../runtime/sha256.js';
import { readRequired, type AmountProblem, type LimitedQuestion } from './required-amount.js';
import { windowAt, type LimitWindow } from './windows.js';

export interface ChargePlan {
  /** One for each limit and combination of parties, the limits in their order. */
  readonly charges: readonly Charge[];
  /** undefined where every charge is known; otherwise those of amounts have none. */
  readonly problem: AmountProblem | undefined;
}

const NO_CHARGES: ChargePlan = { charges: [], problem: undefined };

/** The action, or the grant, that has limits. */
export interface LimitOwner {
  /** The name that messages give it. */
  readonly name: string;
  /** The name under which its uses are counted. */
  readonly counter: string;
  readonly limits: readonly Limit[];
  /** undefined for an action. */
  readonly grant?: LimitedGrant;
  /** The agent of the grant. */
  readonly agent?: EntityRef;
  /** The end of the grant, in milliseconds since 1970. */
  readonly expires?: number | undefined;
}

/** The plan of a question for the limits of its action. It is made once: what reads, what judges and what reserves ask for it. */
export function planCharges(limited: LimitedQuestion): ChargePlan {
  return limited.target.action.limits.length === 0 ? NO_CHARGES : planActionCharges(limited);
}

const planActionCharges = memoizeByObject((limited: LimitedQuestion): ChargePlan => {
  const { uid, limits } = limited.target.action;
  const name = formatUid(uid);
  return planOwnerCharges({ name, counter: name, limits }, limited);
});

/** The plan of a question for the limits of one owner. An action that has no amount uses nothing of limits on one. */
export function planOwnerCharges(owner: LimitOwner, limited: LimitedQuestion): ChargePlan {
  const now = limited.now.getTime();
  let problem: AmountProblem | undefined;
  const charges = new Map<string, Charge>();
  // Limits that count the same uses have one counter, and the tighter of them holds for both.
  const addCharge = (charge: Charge): void => {
    const other = charges.get(charge.key);
    if (other === undefined || isLessQuantity(charge.limit.bound, other.limit.bound)) charges.set(charge.key, charge);
  };
  for (const limit of owner.limits) {
    if (limit.bound.unit !== undefined && limited.target.action.amount === undefined) continue;
    const required = readRequired(limit, limited);
    if (typeof required === 'object') problem ??= { ...required, grant: owner.grant };
    const window = windowAt(limit, now);
    for (const parties of listParties(limit.by, limited.acting))
      addCharge(toCharge(owner, { limit, window, parties, required: typeof required === 'object' ? 0n : required }));
  }
  return { charges: [...charges.values()], problem };
}

/** The plans as one. Their owners differ, so they have no charge in common. */
export function combinePlans(plans: readonly ChargePlan[]): ChargePlan {
  const [first = NO_CHARGES, ...others] = plans;
  if (others.length === 0) return first;
  return {
    charges: plans.flatMap(({ charges }) => charges),
    problem: plans.find(({ problem }) => problem !== undefined)?.problem,
  };
}

/** A charge of nothing to one limit of a grant: what is left of it is read by that. */
export function chargeNothing(owner: LimitOwner, limit: Limit, now: Date): Charge {
  return toCharge(owner, { limit, window: windowAt(limit, now.getTime()), parties: [], required: 0n });
}

type Party = readonly [text: string, key: string];

interface PlannedCharge {
  readonly limit: Limit;
  readonly window: LimitWindow;
  readonly parties: readonly Party[];
  readonly required: bigint;
}

function toCharge(owner: LimitOwner, { limit, window, parties, required }: PlannedCharge): Charge {
  const { since, end, length } = window;
  const { name, counter, grant, agent, expires } = owner;
  return {
    limit,
    owner: name,
    ...(grant === undefined ? {} : { grant, expires }),
    parties:
      grant === undefined || agent === undefined
        ? parties.map(([text]) => text)
        : [describeRef(grant.giver), describeRef(agent)],
    key: sha256(
      JSON.stringify([counter, limit.bound.unit ?? '', nameWindow(limit, since), parties.map(([, key]) => key)]),
    ),
    required,
    since: limit.window === 'sliding' ? since : undefined,
    end,
    length,
  };
}

/** Tells windows apart: calendar windows of two zones that begin at one instant count other uses later. */
function nameWindow({ window, period, zone }: Limit, since: number | undefined): readonly unknown[] {
  return window === 'calendar' ? [period, since, zone] : [period];
}

/**
 * The combinations of parties that are charged, each party as people read it and as it is told apart. A limit by agent
 * charges the acting agent and every earlier one, so none gets room by passing its task on. Where an agent acts for
 * itself it stands in the user's place, and a person who acts alone in the agent's: no question goes without.
 */
function listParties(by: readonly LimitSubject[], acting: ActingParties): Party[][] {
  const user = permissionSubject(acting);
  const agents = acting.mode === 'human' ? [cedarPrincipal(acting)] : listAgents(acting);
  const distinctAgents = [...new Map(agents.map((agent) => [formatRef(agent), agent])).values()];
  const toParty = (subject: LimitSubject, ref: Parameters<typeof formatRef>[0]): Party => [
    describeRef(ref),
    `${subject} ${formatRef(ref)}`,
  ];
  const users = by.includes('user') ? [toParty('user', user)] : [];
  return by.includes('agent') ? distinctAgents.map((agent) => [...users, toParty('agent', agent)]) : [users];
}
