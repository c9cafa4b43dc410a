/** Cedar's conditions as JSON, read for what is certain of them by their form alone. */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';

/** One operator and its operands, as Cedar's JSON writes it: `{"&&": {"left": …, "right": …}}`. */
export type Expression = Readonly<Record<string, unknown>>;

interface Operands {
  readonly left?: Expression;
  readonly right?: Expression;
  readonly arg?: Expression;
  readonly attr?: string | readonly string[];
  readonly if?: Expression;
  readonly then?: Expression;
  readonly else?: Expression;
}

/** The operator of an expression, and what it is applied to. */
export function opened(expression: Expression): readonly [string, Operands] {
  const [[operator, operands] = ['', {}]] = Object.entries(expression);
  return [operator, typeof operands === 'object' && operands !== null ? operands : {}];
}

/** All that must hold, and evaluate without an error, for the policy to apply. */
export function conjuncts({ conditions }: PolicyJson): Expression[] {
  return conditions.flatMap(({ kind, body }) => split(body as Expression, kind === 'when'));
}

function split(expression: Expression, holds: boolean): Expression[] {
  const [operator, { left, right, arg }] = opened(expression);
  if (operator === '!' && arg !== undefined) return split(arg, !holds);
  if (operator === (holds ? '&&' : '||') && left !== undefined && right !== undefined)
    return [...split(left, holds), ...split(right, holds)];
  return [holds ? expression : negated(expression)];
}

export function negated(expression: Expression): Expression {
  return { '!': { arg: expression } };
}

/** `["context", "delegation", "depth"]` of `context.delegation.depth`; undefined for anything but such a path. */
export function pathOf(expression: Expression): readonly string[] | undefined {
  const [operator, { left, attr }] = opened(expression);
  if (operator === 'Var') return [String(expression['Var'])];
  if (operator !== '.' || left === undefined || attr === undefined) return undefined;
  const before = pathOf(left);
  return before === undefined ? undefined : [...before, ...[attr].flat()];
}

/** The literal of a string, number or Bool; undefined for anything else. */
export function literalOf(expression: Expression): unknown {
  const value = expression['Value'];
  return ['string', 'number', 'boolean'].includes(typeof value) ? value : undefined;
}

/**
 * The paths that the conditions read of the context, such as `can.edit`; one that is used as a value, or asked for by
 * `has`, is read with all that is in it. `""` is the whole context.
 */
export function contextReads({ conditions }: PolicyJson): ReadonlySet<string> {
  const reads = new Set<string>();
  const open: unknown[] = conditions.map(({ body }) => body);
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    const path = Array.isArray(next) ? undefined : (asked(next as Expression) ?? pathOf(next as Expression));
    if (path === undefined) open.push(...(Object.values(next) as unknown[]).filter((value) => value !== null));
    else if (path[0] === 'context') reads.add(path.slice(1).join('.'));
  }
  return reads;
}

/** The path that `left has attr` asks for. */
function asked(expression: Expression): readonly string[] | undefined {
  const [operator, { left, attr }] = opened(expression);
  const before = operator === 'has' && left !== undefined ? pathOf(left) : undefined;
  return before === undefined || attr === undefined ? undefined : [...before, ...[attr].flat()];
}

/** A comparison or other part that is no longer made of `&&`, `||`, `!` and `if`. */
export interface Atom {
  readonly expression: Expression;
  /** Where it turns true the policy may come to apply; where false, it may cease to. Both, within an `if`. */
  readonly turns: readonly ('on' | 'off')[];
}

/** Every atom of the conditions, with what it does to the policy. */
export function atoms({ conditions }: PolicyJson): Atom[] {
  return conditions.flatMap(({ kind, body }) => within(body as Expression, [kind === 'when' ? 'on' : 'off']));
}

function within(expression: Expression, turns: Atom['turns']): Atom[] {
  const [operator, operands] = opened(expression);
  const { left, right, arg } = operands;
  if ((operator === '&&' || operator === '||') && left !== undefined && right !== undefined)
    return [...within(left, turns), ...within(right, turns)];
  if (operator === '!' && arg !== undefined)
    return within(
      arg,
      turns.map((turn) => (turn === 'on' ? 'off' : 'on')),
    );
  if (operator === 'if-then-else' && operands.if && operands.then && operands.else)
    return [...within(operands.if, ['on', 'off']), ...within(operands.then, turns), ...within(operands.else, turns)];
  return [{ expression, turns }];
}
