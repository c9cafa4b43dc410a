/**
 * Expressions of mappings, in the Common Expression Language. A server writes them and a caller's arguments are their input, so
 * what they may do is a closed list: no regular expressions, no loops, and nothing that makes a long text of short ones
 * more often than the expression is long.
 */
import { Environment, Optional, type ASTNode } from '@marcbachmann/cel-js';
import type { JsonMembers } from './tool-definition.js';

/** An expression can't be used, or has no value. The message is the rest of a sentence that begins with the expression. */
export class CelError extends Error {
  override readonly name = 'CelError';
}

export interface CelInputs {
  readonly params: JsonMembers;
  readonly token: JsonMembers;
}

export interface CelExpression {
  /** The members that it reads, from the variable downwards: `["params", "arguments", "id"]`. */
  readonly reads: readonly (readonly string[])[];
  /** @returns a value of JSON; undefined where the expression says that there is none. @throws CelError */
  readonly evaluate: (inputs: CelInputs) => unknown;
}

/** The longest expression, in UTF-16 code units. */
const MAX_EXPRESSION_LENGTH = 2000;
const CEL_LIMITS = { maxAstNodes: 150, maxDepth: 24, maxListElements: 32, maxMapEntries: 32, maxCallArguments: 4 };
/** Functions that take no longer than their texts are long. */
const ALLOWED_FUNCTIONS = new Set([
  'bool', 'contains', 'double', 'endsWith', 'has', 'hasValue', 'indexOf', 'int', 'lastIndexOf', 'lowerAscii', 'none', 'of',
  'or', 'orValue', 'size', 'split', 'startsWith', 'string', 'substring', 'trim', 'upperAscii', 'value',
]); // prettier-ignore
/** The deepest value that an expression makes: arguments are no deeper. */
const MAX_VALUE_DEPTH = 32;

const environment = new Environment({
  unlistedVariablesAreDyn: false,
  homogeneousAggregateLiterals: false,
  enableOptionalTypes: true,
  limits: CEL_LIMITS,
})
  .registerVariable('params', 'dyn')
  .registerVariable('token', 'dyn');

/** @throws CelError */
export function compileCel(text: string): CelExpression {
  if (text.length > MAX_EXPRESSION_LENGTH) throw new CelError(`is longer than ${MAX_EXPRESSION_LENGTH} characters`);
  const parsed = parseCel(text);
  const reads: string[][] = [];
  inspectNode(parsed.ast, reads);
  const check = parsed.check();
  if (!check.valid) throw new CelError(`is not valid: ${firstLine(check.error)}`);
  return {
    reads,
    evaluate: (inputs) => {
      let value: unknown;
      try {
        value = parsed({ ...inputs });
      } catch (error) {
        throw new CelError(`has no value: ${firstLine(error)}`);
      }
      return readCelValue(value, MAX_VALUE_DEPTH);
    },
  };
}

function parseCel(text: string): ReturnType<Environment['parse']> {
  try {
    return environment.parse(text);
  } catch (error) {
    throw new CelError(`can't be parsed: ${firstLine(error)}`);
  }
}

/** Collects what a node reads. @throws CelError where it does what no expression may */
function inspectNode(node: ASTNode, reads: string[][]): void {
  const path = readPath(node);
  if (path !== undefined) {
    reads.push(path);
    return;
  }
  switch (node.op) {
    case 'id':
      if (node.args !== 'optional') throw new CelError(`names "${node.args}", and there are only params and token`);
      return;
    case 'call':
      assertAllowed(node.args[0]);
      break;
    case 'rcall':
      assertAllowed(node.args[0]);
      break;
    default:
  }
  for (const part of listCelNodes(node.args)) inspectNode(part, reads);
}

function assertAllowed(name: string): void {
  if (!ALLOWED_FUNCTIONS.has(name))
    throw new CelError(`calls ${name}(), which a mapping may not; it may call ${[...ALLOWED_FUNCTIONS].join(', ')}`);
}

/** The members of a chain such as `params.arguments["id"]`; undefined where a node is none, or where a step is computed. */
function readPath(node: ASTNode): string[] | undefined {
  if (node.op === 'id') return ['params', 'token'].includes(node.args) ? [node.args] : undefined;
  if (node.op === '.' || node.op === '.?') {
    const path = readPath(node.args[0]);
    return path && [...path, node.args[1]];
  }
  if (node.op !== '[]' && node.op !== '[?]') return undefined;
  const [target, index] = node.args;
  const path = readPath(target);
  return path === undefined || index.op !== 'value' ? undefined : [...path, String(index.args)];
}

/** The nodes among a node's arguments, at any depth of lists. */
function listCelNodes(args: unknown): ASTNode[] {
  if (Array.isArray(args)) return args.flatMap(listCelNodes);
  return typeof args === 'object' && args !== null && 'op' in args ? [args as ASTNode] : [];
}

/** @throws CelError where JSON has no such value, such as a time or a number that a double doesn't hold */
function readCelValue(value: unknown, levels: number): unknown {
  if (value instanceof Optional) return value.hasValue() ? readCelValue(value.value(), levels) : undefined;
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'bigint' || typeof value === 'number') {
    const number = Number(value);
    if (Number.isFinite(number) && (typeof value === 'number' || Number.isSafeInteger(number))) return number;
    throw new CelError('makes a number that JSON does not hold');
  }
  if (levels === 0) throw new CelError(`makes a value of more than ${MAX_VALUE_DEPTH} levels`);
  if (Array.isArray(value)) return value.map((element) => requirePresent(readCelValue(element, levels - 1)));
  const entries = value instanceof Map ? [...value] : isPlainObject(value) ? Object.entries(value) : undefined;
  if (entries === undefined) throw new CelError('makes a value that JSON does not have');
  return Object.fromEntries(
    entries.map(([name, member]) => {
      if (typeof name !== 'string' || name === '__proto__') throw new CelError('makes a member whose name is no text');
      return [name, requirePresent(readCelValue(member, levels - 1))];
    }),
  );
}

function requirePresent(value: unknown): unknown {
  if (value === undefined) throw new CelError('makes a value with a part that is not there');
  return value;
}

function isPlainObject(value: unknown): value is object {
  const prototype: unknown = typeof value === 'object' && value !== null ? Object.getPrototypeOf(value) : undefined;
  return prototype === Object.prototype || (prototype === null && value !== null);
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]?.slice(0, 200) ?? '';
}
