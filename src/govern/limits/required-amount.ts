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
export function readRequired({ bound }: Limit, limited: LimitedQuestion): bigint | AmountProblem {
  if (bound.unit === undefined) return 1n;
  const place = ['context', ...(limited.target.action.amount ?? [])].join('.');
  const unfit = (problem: string): AmountProblem => ({ kind: 'unfit', message: `${place} ${problem}.` });
  const stated = findStatedAmount(limited);
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

/** The value that the question states where its action says that the amount is; undefined where none is stated. */
export function findStatedAmount({ question, target }: Pick<LimitedQuestion, 'question' | 'target'>): unknown {
  const [member, ...names] = target.action.amount ?? [];
  return findStated(member === 'action' ? question.action.properties : question.context, names);
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
