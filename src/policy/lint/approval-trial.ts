/**
 * Tries by its form what an approval changes of a forbid: whether it applies is worked out without an approval and with one as it
 * is assumed when it is asked for, for every value that the rest of its conditions could have.
 */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { memoizeByObject } from '../../runtime/memoize.js';
import { collectAtoms, collectPaths, hasTestPath, accessPath, splitOperator, type Expression } from '../expressions.js';

/** More conditions than these have too many combinations: nothing is said of them. */
const MAX_FREE_CONDITIONS = 12;
/** The members of an approval that is asked for: it isn't known yet who gives it, and when. */
const APPROVAL_MEMBERS = ['by', 'approvers', 'approved_at', 'expires_at', 'emergency'];

export interface ApprovalTrial {
  /** Whether it may forbid what has no approval. */
  readonly mayForbidWithout: boolean;
  /** Whether an approval may lift it. */
  readonly mayLift: boolean;
  /** Whether it forbids whatever has an approval. */
  readonly forbidsApproved: boolean;
}

/** undefined where it can't be told. A forbid is tried once, however many others it is held against. */
export const tryApproval = memoizeByObject((json: PolicyJson): ApprovalTrial | undefined => {
  const unknown = [...new Set(collectAtoms(json).flatMap(({ expression }) => listUnknown(expression)))];
  if (unknown.length > MAX_FREE_CONDITIONS) return undefined;
  let [mayForbidWithout, mayLift, forbidsApproved] = [false, false, true];
  for (let bits = 0; bits < 2 ** unknown.length; bits += 1) {
    const values = new Map(unknown.map((key, i) => [key, ((bits >> i) & 1) === 1]));
    const without = applies(json, { isApproved: false, values });
    const approved = applies(json, { isApproved: true, values });
    mayForbidWithout ||= without;
    mayLift ||= without && !approved;
    forbidsApproved &&= approved;
  }
  return { mayForbidWithout, mayLift, forbidsApproved };
});

interface TrialWorld {
  readonly isApproved: boolean;
  /** The values of conditions that rest on other things, by their keys. */
  readonly values: ReadonlyMap<string, boolean>;
}

/** A condition that fails makes the whole policy fail: that denies, and is no forbid that applies. */
const FAILS = 'fails';
type Truth = boolean | typeof FAILS;

function applies({ conditions }: PolicyJson, world: TrialWorld): boolean {
  return conditions.every(({ kind, body }) => evaluate(body as Expression, world) === (kind === 'when'));
}

function evaluate(expression: Expression, world: TrialWorld): Truth {
  const [operator, { left, right, arg, if: test, then, else: otherwise }] = splitOperator(expression);
  if ((operator === '&&' || operator === '||') && left !== undefined && right !== undefined) {
    const first = evaluate(left, world);
    return first === FAILS || first === (operator === '||') ? first : evaluate(right, world);
  }
  if (operator === '!' && arg !== undefined) {
    const value = evaluate(arg, world);
    return value === FAILS ? FAILS : !value;
  }
  if (operator === 'if-then-else' && test !== undefined && then !== undefined && otherwise !== undefined) {
    const value = evaluate(test, world);
    return value === FAILS ? FAILS : evaluate(value ? then : otherwise, world);
  }
  if (expression['Value'] === true || expression['Value'] === false) return expression['Value'];
  return readKnown(expression, world) ?? world.values.get(keyOf(expression, world)) ?? FAILS;
}

/** The value of a condition on the approval itself; undefined for another. */
function readKnown(expression: Expression, { isApproved }: TrialWorld): Truth | undefined {
  const [root, name, member, ...rest] = hasTestPath(expression) ?? [];
  if (root === 'context' && name === 'approval' && rest.length === 0) {
    const { left } = splitOperator(expression)[1];
    // To look into what isn't there fails.
    const looksInto = left !== undefined && (accessPath(left)?.length ?? 0) > 1;
    if (!isApproved) return looksInto ? FAILS : false;
    return member === undefined || APPROVAL_MEMBERS.includes(member);
  }
  // It isn't given in an emergency, unless it is asked for as one and lifts without that as well.
  if (accessPath(expression)?.join('.') === 'context.approval.emergency') return isApproved ? false : FAILS;
  return undefined;
}

/** The keys of a condition whose value isn't known; none where it is. */
function listUnknown(expression: Expression): string[] {
  return [false, true].flatMap((isApproved) => {
    const world = { isApproved, values: new Map<string, boolean>() };
    return readKnown(expression, world) === undefined ? [keyOf(expression, world)] : [];
  });
}

/** Tells conditions apart. One that reads the approval in another way may have another value with one than without. */
function keyOf(expression: Expression, { isApproved }: TrialWorld): string {
  const isRead = collectPaths(expression).some(
    ([root, name]) => root === 'context' && (name === undefined || name === 'approval'),
  );
  return `${isRead ? (isApproved ? 'with ' : 'without ') : ''}${JSON.stringify(expression)}`;
}
