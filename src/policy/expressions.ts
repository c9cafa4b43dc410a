/** Reads Cedar's conditions, as JSON, for what is certain by their form alone: lints and explanations use it. */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';

/** One operator and its operands, as Cedar's JSON writes it: `{"&&": {"left": …, "right": …}}`. */
export type Expression = Readonly<Record<string, unknown>>;

interface Operands {
  readonly left?: Expression;
  readonly right?: Expression;
  readonly arg?: Expression;
  readonly attr?: string | readonly string[];
  /** Behind `is`. */
  readonly in?: Expression;
  readonly if?: Expression;
  readonly then?: Expression;
  readonly else?: Expression;
}

/** The operator of an expression and its operands. */
export function splitOperator(expression: Expression): readonly [string, Operands] {
  const [[operator, operands] = ['', {}]] = Object.entries(expression);
  return [operator, typeof operands === 'object' && operands !== null ? operands : {}];
}

/** Collects the conditions that must all hold, without an error, for the policy to apply. */
export function collectConjuncts({ conditions }: PolicyJson): Expression[] {
  return conditions.flatMap(({ kind, body }) => splitConjunction(body as Expression, kind === 'when'));
}

/** The conditions that must all hold for the expression to hold or, where `holds` is false, for it not to. */
export function splitConjunction(expression: Expression, holds: boolean): Expression[] {
  const [operator, { left, right, arg }] = splitOperator(expression);
  if (operator === '!' && arg !== undefined) return splitConjunction(arg, !holds);
  if (operator === (holds ? '&&' : '||') && left !== undefined && right !== undefined)
    return [...splitConjunction(left, holds), ...splitConjunction(right, holds)];
  return [holds ? expression : negate(expression)];
}

export function negate(expression: Expression): Expression {
  return { '!': { arg: expression } };
}

/** The path of `context.delegation.depth`: `["context", "delegation", "depth"]`; undefined for another expression. */
export function accessPath(expression: Expression): readonly string[] | undefined {
  const [operator, { left, attr }] = splitOperator(expression);
  if (operator === 'Var') return [String(expression['Var'])];
  if (operator !== '.' || left === undefined || attr === undefined) return undefined;
  const prefix = accessPath(left);
  return prefix === undefined ? undefined : [...prefix, ...[attr].flat()];
}

/** The value of a string, number or Bool; undefined for another expression. */
export function literalValue(expression: Expression): unknown {
  const value = expression['Value'];
  return ['string', 'number', 'boolean'].includes(typeof value) ? value : undefined;
}

/** Each object and list within a part of a policy's JSON, itself included; without recursion, whatever its depth. */
export function* listNodes(root: unknown): Generator<object> {
  const pending: unknown[] = [root];
  while (pending.length > 0) {
    const node = pending.pop();
    if (typeof node !== 'object' || node === null) continue;
    yield node;
    pending.push(...(Object.values(node) as unknown[]));
  }
}

/**
 * Collects the paths that an expression reads: of `context.delegation.depth` the whole path, not `context`. A path that is
 * used as a value, or tested by `has`, stands for all that is in it.
 */
export function collectPaths(root: unknown): (readonly string[])[] {
  const paths: (readonly string[])[] = [];
  const pending: unknown[] = [root];
  while (pending.length > 0) {
    const node = pending.pop();
    if (typeof node !== 'object' || node === null) continue;
    const path = Array.isArray(node) ? undefined : (hasTestPath(node as Expression) ?? accessPath(node as Expression));
    if (path === undefined) pending.push(...(Object.values(node) as unknown[]));
    else paths.push(path);
  }
  return paths;
}

/** Collects the paths that the conditions read of the context, such as `can.edit`; `""` is the whole context. */
export function collectContextReads({ conditions }: PolicyJson): ReadonlySet<string> {
  const paths = collectPaths(conditions.map(({ body }) => body));
  return new Set(paths.filter(([root]) => root === 'context').map((path) => path.slice(1).join('.')));
}

/** The path that `left has attr` tests. */
export function hasTestPath(expression: Expression): readonly string[] | undefined {
  const [operator, { left, attr }] = splitOperator(expression);
  const prefix = operator === 'has' && left !== undefined ? accessPath(left) : undefined;
  return prefix === undefined || attr === undefined ? undefined : [...prefix, ...[attr].flat()];
}

/** A part of a condition that isn't made of `&&`, `||`, `!` or `if`: a comparison, for one. */
export interface Atom {
  readonly expression: Expression;
  /** `on`: the policy may begin to apply when the atom turns true; `off`: it may cease to. Both, within an `if`. */
  readonly polarities: readonly ('on' | 'off')[];
}

/** Collects every atom of the conditions, with what it does to the policy. */
export function collectAtoms({ conditions }: PolicyJson): Atom[] {
  return conditions.flatMap(({ kind, body }) =>
    collectAtomsWithin(body as Expression, [kind === 'when' ? 'on' : 'off']),
  );
}

function collectAtomsWithin(expression: Expression, polarities: Atom['polarities']): Atom[] {
  const [operator, operands] = splitOperator(expression);
  const { left, right, arg } = operands;
  if ((operator === '&&' || operator === '||') && left !== undefined && right !== undefined)
    return [...collectAtomsWithin(left, polarities), ...collectAtomsWithin(right, polarities)];
  if (operator === '!' && arg !== undefined)
    return collectAtomsWithin(
      arg,
      polarities.map((polarity) => (polarity === 'on' ? 'off' : 'on')),
    );
  if (operator === 'if-then-else' && operands.if && operands.then && operands.else)
    return [
      ...collectAtomsWithin(operands.if, ['on', 'off']),
      ...collectAtomsWithin(operands.then, polarities),
      ...collectAtomsWithin(operands.else, polarities),
    ];
  return [{ expression, polarities }];
}
