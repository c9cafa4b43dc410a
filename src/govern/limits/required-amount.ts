/** Reads the amount that a question states, as far as a limit bounds it. */
import type { ActingParties } from '../../model/acting.js';
import type { Limit, LimitedGrant } from '../../model/limits.js';
import { formatQuantity, readAmount, rescaleQuantity } from '../../model/quantities.js';
import type { Properties, Question } from '../../model/question.js';
import type { ActionOnResource } from '../../policy/schema/action.js';
import { getStatedMember, isObject } from '../../policy/schema/types.js';

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
  /** The grant that has the limit; undefined where the action has it. */
  readonly grant?: LimitedGrant | undefined;
}

/** Reads how much the question uses of the limit, in the limit's decimals. */
export function readRequired({ bound }: Limit, { question, target }: LimitedQuestion): bigint | AmountProblem {
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
  return unfit(
    `is ${formatQuantity(amount)}, which can not be counted exactly in 64 bits with ${bound.decimals} decimals`,
  );
}

/** The value at the path; undefined where none is stated. */
export function findStated(values: Properties, path: readonly string[]): unknown {
  let value: unknown = values;
  for (const name of path) {
    if (!isObject(value)) return undefined;
    value = getStatedMember(value, name);
  }
  return value;
}
