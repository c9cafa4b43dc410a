/** Plans what a question uses of the limits of its action: of which uses, and how much. */
import { cedarPrincipal, listAgents, permissionSubject, type ActingParties } from '../../model/acting.js';
import { describeRef, formatRef } from '../../model/ids.js';
import type { Charge, Limit, LimitSubject } from '../../model/limits.js';
import { formatQuantity, readAmount, rescaleQuantity } from '../../model/quantities.js';
import type { Properties, Question } from '../../model/question.js';
import type { ActionOnResource } from '../../policy/schema/action.js';
import { getStatedMember, isObject } from '../../policy/schema/types.js';
import { formatUid } from '../../policy/schema/uid.js';
import { memoizeByObject } from '../../runtime/memoize.js';
import { sha256 } from '../../runtime/sha256.js';
import { windowAt } from './windows.js';

/** A question whose parties are established, as far as its limits are about it. */
export interface LimitedQuestion {
  readonly question: Pick<Question, 'action' | 'context'>;
  readonly acting: ActingParties;
  readonly target: ActionOnResource;
  readonly now: Date;
}

/** An amount that a limit can't take. */
export interface AmountProblem {
  readonly kind: 'missing' | 'unfit';
  /** Names the amount and says what is wrong with it. */
  readonly message: string;
}

export interface ChargePlan {
  /** One for each limit and combination of parties, the limits in their order. */
  readonly charges: readonly Charge[];
  /** undefined where every charge is known; otherwise those of amounts have none. */
  readonly problem: AmountProblem | undefined;
}

const NO_CHARGES: ChargePlan = { charges: [], problem: undefined };

/** The plan of a question. It is made once: what reads, what judges and what reserves ask for it. */
export function planCharges(limited: LimitedQuestion): ChargePlan {
  return limited.target.action.limits.length === 0 ? NO_CHARGES : planLimitedCharges(limited);
}

const planLimitedCharges = memoizeByObject((limited: LimitedQuestion): ChargePlan => {
  const { action } = limited.target;
  const now = limited.now.getTime();
  let problem: AmountProblem | undefined;
  const charges = new Map<string, Charge>();
  // Limits that count the same uses have one counter, and the tighter of them holds for both.
  const addCharge = (charge: Charge): void => {
    const other = charges.get(charge.key);
    if (other === undefined || isTighterBound(charge.limit.bound, other.limit.bound)) charges.set(charge.key, charge);
  };
  for (const limit of action.limits) {
    const required = readRequired(limit, limited);
    if (typeof required === 'object') problem ??= required;
    const { since, end, length } = windowAt(limit, now);
    const owner = formatUid(action.uid);
    for (const parties of listParties(limit.by, limited.acting)) {
      const key = sha256(
        JSON.stringify([owner, limit.bound.unit ?? '', nameWindow(limit, since), parties.map(([, ref]) => ref)]),
      );
      addCharge({
        limit,
        owner,
        parties: parties.map(([text]) => text),
        key,
        required: typeof required === 'object' ? 0n : required,
        since: limit.window === 'sliding' ? since : undefined,
        end,
        length,
      });
    }
  }
  return { charges: [...charges.values()], problem };
});

/** Tells windows apart: calendar windows of two zones that begin at one instant count other uses later. */
function nameWindow({ window, period, zone }: Limit, since: number | undefined): readonly unknown[] {
  return window === 'calendar' ? [period, since, zone] : [period];
}

function isTighterBound(a: Limit['bound'], b: Limit['bound']): boolean {
  return a.value * 10n ** BigInt(b.decimals) < b.value * 10n ** BigInt(a.decimals);
}

/**
 * The combinations of parties that are charged, each party as people read it and as it is told apart. A limit by agent
 * charges the acting agent and every earlier one, so none gets room by passing its task on. Where an agent acts for
 * itself it stands in the user's place, and a person who acts alone in the agent's: no question goes without.
 */
function listParties(by: readonly LimitSubject[], acting: ActingParties): (readonly [string, string])[][] {
  const user = permissionSubject(acting);
  const agents = acting.mode === 'human' ? [cedarPrincipal(acting)] : listAgents(acting);
  const distinctAgents = [...new Map(agents.map((agent) => [formatRef(agent), agent])).values()];
  const toParty = (subject: LimitSubject, ref: Parameters<typeof formatRef>[0]) =>
    [describeRef(ref), `${subject} ${formatRef(ref)}`] as const;
  const users = by.includes('user') ? [toParty('user', user)] : [];
  return by.includes('agent') ? distinctAgents.map((agent) => [...users, toParty('agent', agent)]) : [users];
}

/** Reads how much the question uses of the limit, in the limit's decimals. */
function readRequired({ bound }: Limit, { question, target }: LimitedQuestion): bigint | AmountProblem {
  if (bound.unit === undefined) return 1n;
  const path = target.action.amount ?? [];
  const place = ['context', ...path].join('.');
  const unfit = (problem: string): AmountProblem => ({ kind: 'unfit', message: `${place} ${problem}.` });
  const [member, ...names] = path;
  const stated = findStated(member === 'action' ? question.action.properties : question.context, names);
  if (stated === undefined) return { kind: 'missing', message: `${place} is needed, since a limit bounds it.` };
  const read = readAmount(stated);
  if ('problem' in read) return unfit(read.problem);
  const { amount } = read;
  if (amount.value < 0n) return unfit('must not be negative');
  if (amount.unit !== bound.unit) return unfit(`is in ${amount.unit}, and its limit in ${bound.unit}`);
  const required = rescaleQuantity(amount, bound.decimals);
  if (required !== undefined) return required;
  return unfit(`is ${formatQuantity(amount)}, which has no place in 64 bits with ${bound.decimals} decimals`);
}

/** The value at the path; undefined where none is stated. */
function findStated(values: Properties, path: readonly string[]): unknown {
  let value: unknown = values;
  for (const name of path) {
    if (!isObject(value)) return undefined;
    value = getStatedMember(value, name);
  }
  return value;
}
