/**
 * The constraints of an authorization detail: tests of the attributes that a request states. A value of another type than
 * a test is for fails it.
 */
import { compareQuantities } from '../model/quantities.js';
import type { Properties } from '../model/question.js';
import { memoizeByObject } from '../runtime/memoize.js';
import { isWithinFolder, resolvePathNames } from './path-constraint.js';
import { asAmount, isSameValue, readElementTexts } from './stated-value.js';

/** The attributes that a request states, by the part that states them. */
export type StatedAttributes = Readonly<Record<'action' | 'context' | 'resource', Properties>>;

/** The tests of one constraint, by their names, with the limit of each. */
type ConstraintTests = Readonly<Record<string, unknown>>;

interface ConstraintTest {
  readonly holds: (value: unknown, limit: unknown) => boolean;
  /** Whether some value can pass the test with this limit. */
  readonly isLimit: (limit: unknown) => boolean;
  /** Whether each value that passes this test with the limit `inner` passes it with `outer`. */
  readonly includes: (outer: unknown, inner: unknown) => boolean;
}

const isNumberOrAmount = (limit: unknown): boolean => typeof limit === 'number' || asAmount(limit) !== undefined;

const atLeast = (value: unknown, limit: unknown): boolean => compareValues(value, limit, (order) => order >= 0);
const atMost = (value: unknown, limit: unknown): boolean => compareValues(value, limit, (order) => order <= 0);
/** Every element of a list counts. An empty list fails: the service that acts on it may take it for all. */
const isOneOf = (value: unknown, limit: unknown): boolean =>
  Array.isArray(limit) && readElementTexts(value).size > 0 && isSubset(readElementTexts(value), limit);
const hasPrefix = (value: unknown, limit: unknown): boolean =>
  typeof value === 'string' && typeof limit === 'string' && value.startsWith(limit);
const liesWithin = (value: unknown, limit: unknown): boolean =>
  typeof limit === 'string' && isWithinFolder(value, limit);

const CONSTRAINT_TESTS: Readonly<Record<string, ConstraintTest>> = {
  min: { holds: atLeast, isLimit: isNumberOrAmount, includes: (outer, inner) => atLeast(inner, outer) },
  max: { holds: atMost, isLimit: isNumberOrAmount, includes: (outer, inner) => atMost(inner, outer) },
  equals: {
    holds: isSameValue,
    isLimit: (limit) => limit !== undefined,
    includes: (outer, inner) => isSameValue(inner, outer),
  },
  one_of: {
    holds: isOneOf,
    isLimit: (limit) => Array.isArray(limit) && limit.length > 0,
    includes: (outer, inner) =>
      Array.isArray(inner) && Array.isArray(outer) && isSubset(readElementTexts(inner), outer),
  },
  prefix: {
    holds: hasPrefix,
    isLimit: (limit) => typeof limit === 'string',
    includes: (outer, inner) => hasPrefix(inner, outer),
  },
  within: {
    holds: liesWithin,
    isLimit: (limit) => typeof limit === 'string' && resolvePathNames(limit) !== undefined,
    includes: (outer, inner) => typeof inner === 'string' && liesWithin(inner, outer),
  },
};

export interface ConstraintMisfit {
  /** Says that it doesn't fit, behind the constraint's name. */
  readonly problem: string;
  /** Set where nothing else is wrong than that the request doesn't state the attribute. */
  readonly unstated?: true;
}

/**
 * Tests an attribute that the request states: `amount` in any part, or `action.amount`, `context.amount`,
 * `resource.amount`. An attribute that isn't stated fails: leaving it out must not be the way around a constraint.
 * @returns undefined where the constraint holds
 */
export function findConstraintMisfit(
  name: string,
  constraint: unknown,
  attributes: StatedAttributes,
): ConstraintMisfit | undefined {
  const tests = readConstraintTests(constraint);
  if (typeof tests === 'string') return { problem: tests };
  const values = listStatedValues(name, attributes);
  if (values.length === 0) {
    const problem = findConstraintFormProblem(constraint);
    return problem === undefined ? { problem: ' is not stated by the request', unstated: true } : { problem };
  }
  const failingTest = Object.entries(tests).find(
    ([test, limit]) => !values.every((value) => CONSTRAINT_TESTS[test]?.holds(value, limit)),
  );
  return failingTest === undefined ? undefined : { problem: `.${failingTest[0]} does not hold` };
}

/** Finds the reason that no value can meet the constraint, behind its name; undefined where its form is right. */
export function findConstraintFormProblem(constraint: unknown): string | undefined {
  const tests = readConstraintTests(constraint);
  if (typeof tests === 'string') return tests;
  const wrong = Object.entries(tests).find(([test, limit]) => CONSTRAINT_TESTS[test]?.isLimit(limit) !== true);
  return wrong === undefined ? undefined : `.${wrong[0]} has a limit that nothing can meet`;
}

/** Whether every value that meets `inner` meets `outer`. False where that can't be told. */
export function constraintIncludes(outer: unknown, inner: unknown): boolean {
  const outerTests = readConstraintTests(outer);
  const innerTests = readConstraintTests(inner);
  if (typeof outerTests === 'string' || typeof innerTests === 'string') return false;
  return Object.entries(outerTests).every(([name, limit]) => {
    const test = CONSTRAINT_TESTS[name];
    if (test === undefined) return false;
    if (Object.hasOwn(innerTests, name) && test.includes(limit, innerTests[name])) return true;
    return Object.hasOwn(innerTests, 'equals') && test.holds(innerTests['equals'], limit);
  });
}

/** Whether some value may meet both. True where that can't be told. */
export function mayConstraintsMeet(a: unknown, b: unknown): boolean {
  const [tests, others] = [readConstraintTests(a), readConstraintTests(b)];
  if (typeof tests === 'string' || typeof others === 'string') return true;
  return Object.entries(tests).every(([name, limit]) =>
    Object.entries(others).every(
      ([other, otherLimit]) =>
        !excludesLimit(name, limit, other, otherLimit) && !excludesLimit(other, otherLimit, name, limit),
    ),
  );
}

/** Whether no value can pass the first test and the other one as well, for sure. */
function excludesLimit(name: string, limit: unknown, other: string, otherLimit: unknown): boolean {
  const holds = (value: unknown): boolean => CONSTRAINT_TESTS[other]?.holds(value, otherLimit) !== false;
  if (name === 'equals') return !holds(limit);
  // Each element of a list counts, and a test of the whole list is one of each: none of those that may be there passes.
  if (name === 'one_of') return other !== 'equals' && Array.isArray(limit) && !limit.some(holds);
  if (name === 'max' && other === 'min') return compareValues(limit, otherLimit, (order) => order < 0);
  if (name !== other || (name !== 'prefix' && name !== 'within')) return false;
  return !holds(limit) && CONSTRAINT_TESTS[name]?.holds(otherLimit, limit) === false;
}

/** The tests of a constraint: a mere value is to be equalled. @returns what isn't understood, behind its name */
function readConstraintTests(constraint: unknown): ConstraintTests | string {
  if (['string', 'number', 'boolean'].includes(typeof constraint)) return { equals: constraint };
  return typeof constraint === 'object' && constraint !== null ? readTests(constraint) : ' is not understood';
}

const readTests = memoizeByObject((tests: object): ConstraintTests | string => {
  if (Array.isArray(tests) || Object.keys(tests).length === 0) return ' is not understood';
  const unknownTest = Object.keys(tests).find((test) => !Object.hasOwn(CONSTRAINT_TESTS, test));
  return unknownTest === undefined ? { ...tests } : `.${unknownTest} is not understood`;
});

function listStatedValues(name: string, attributes: StatedAttributes): unknown[] {
  const [source = '', ...rest] = name.split('.');
  const isQualified = rest.length > 0 && Object.hasOwn(attributes, source);
  const attributeSets = isQualified ? [attributes[source as keyof StatedAttributes]] : Object.values(attributes);
  const member = isQualified ? rest.join('.') : name;
  return attributeSets.filter((p) => Object.hasOwn(p, member)).map((p) => p[member]);
}

/** Whether the order of two numbers, or of two amounts of one unit, is as it should be. */
function compareValues(value: unknown, limit: unknown, isInOrder: (order: number) => boolean): boolean {
  if (typeof value === 'number' && typeof limit === 'number')
    return isInOrder(value < limit ? -1 : value > limit ? 1 : 0);
  const [amount, limitAmount] = [asAmount(value), asAmount(limit)];
  if (amount === undefined || limitAmount === undefined) return false;
  const order = compareQuantities(amount, limitAmount);
  return order !== undefined && isInOrder(order);
}

function isSubset(texts: ReadonlySet<string>, list: readonly unknown[]): boolean {
  const allowed = readElementTexts(list);
  for (const text of texts) if (!allowed.has(text)) return false;
  return true;
}
