/**
 * Policy files: split into policies, each with its file and line, read by Cedar, held against the vocabulary.
 * A policy that carries `@duty` is kept apart: it never permits, it only adds obligations.
 */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { ConfigError } from '../model/faults.js';
import type { CedarEngine } from '../engines/cedar.js';
import { parseDuties, type Duty } from './duties.js';
import { parseRemedies, type Remedy } from './remedies.js';
import { knownAnnotations } from './declarations.js';

export interface SourceFile {
  /** As messages name it: relative to where the operator stands. */
  readonly name: string;
  readonly text: string;
}

export interface Policy {
  readonly id: string;
  readonly title: string | undefined;
  /** `policies/hr.cedar:31`. */
  readonly source: string;
  readonly text: string;
  readonly json: PolicyJson;
  readonly remedies: readonly Remedy[];
  /** Present exactly on duties. */
  readonly duties: readonly Duty[] | undefined;
}

/** Expressions deeper than this can exhaust Cedar's stack when they are evaluated. */
export const MAX_EXPRESSION_DEPTH = 100;
export const MAX_POLICY_BYTES = 64 * 1024;
const ANNOTATIONS = ['id', 'title', 'remedy', 'duty'];

/** @throws ConfigError naming file and line */
export function readPolicies(files: readonly SourceFile[], cedar: CedarEngine): Policy[] {
  const policies = new Map<string, Policy>();
  for (const file of files) {
    for (const statement of splitStatements(file.text)) {
      const policy = readPolicy(statement, file.name, cedar);
      const same = policies.get(policy.id);
      if (same !== undefined) throw new ConfigError(`@id("${policy.id}") is taken by ${same.source}`, policy.source);
      policies.set(policy.id, policy);
    }
  }
  return [...policies.values()];
}

function readPolicy(statement: Statement, file: string, cedar: CedarEngine): Policy {
  const source = `${file}:${statement.line}`;
  if (Buffer.byteLength(statement.text) > MAX_POLICY_BYTES) {
    throw new ConfigError(`a policy must be at most ${MAX_POLICY_BYTES} bytes long`, source);
  }
  const json = cedar.parsePolicy(
    statement.text,
    (offset) => {
      const before = Buffer.from(statement.text).subarray(0, offset).toString();
      return `${file}:${statement.line + before.split('\n').length - 1}`;
    },
    source,
  );
  // Clauses are chained like operands of `&&`.
  if (expressionDepth(json.conditions) + json.conditions.length > MAX_EXPRESSION_DEPTH) {
    throw new ConfigError(
      `the conditions are nested (or chained) more than ${MAX_EXPRESSION_DEPTH} deep: split the policy`,
      source,
    );
  }
  // An annotation without a value comes back as null.
  const annotations = Object.fromEntries(
    Object.entries(json.annotations ?? {}).map(([name, value]) => [name, (value as string | null) ?? '']),
  );
  knownAnnotations(annotations, ANNOTATIONS, source);
  const id = annotations['id'];
  if (id === undefined || id === '') throw new ConfigError('every policy needs an @id("…")', source);
  if (annotations['remedy'] !== undefined && json.effect !== 'forbid') {
    throw new ConfigError('@remedy belongs on a forbid: it says what would lift it', source);
  }
  if (annotations['remedy'] !== undefined && annotations['duty'] !== undefined) {
    throw new ConfigError('a duty has no @remedy: it denies nothing', source);
  }
  return {
    id,
    title: annotations['title'],
    source,
    text: statement.text,
    json,
    remedies: parseRemedies(annotations['remedy'], source),
    duties: annotations['duty'] === undefined ? undefined : parseDuties(annotations['duty'], source),
  };
}

interface Statement {
  readonly text: string;
  /** 1-based line of its first word. */
  readonly line: number;
}

/** Cuts a file at each `;` outside strings and comments. What follows the last one must be empty. */
function splitStatements(text: string): Statement[] {
  const statements: Statement[] = [];
  const tokens = /\/\/[^\n\r]*|"(?:\\[\s\S]|[^"\\])*"|;/g;
  let from = 0;
  const push = (to: number): void => {
    const slice = text.slice(from, to);
    const start = from + leading(slice);
    if (start < to) statements.push({ text: text.slice(start, to), line: text.slice(0, start).split('\n').length });
    from = to;
  };
  for (const match of text.matchAll(tokens)) if (match[0] === ';') push(match.index + 1);
  push(text.length);
  return statements;
}

/** Length of the blanks and comments at the start. */
function leading(text: string): number {
  return /^(?:\s+|\/\/[^\n\r]*)*/.exec(text)?.[0].length ?? 0;
}

/** Depth of a JSON value, without recursion: it is what guards against recursion that is too deep. */
function expressionDepth(value: unknown): number {
  let deepest = 0;
  const open: [unknown, number][] = [[value, 0]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [at, depth] = next;
    if (typeof at !== 'object' || at === null) continue;
    deepest = Math.max(deepest, depth);
    // Each level of Cedar's expression is two of JSON: the operator's object and its operands'.
    for (const member of Object.values(at)) open.push([member, depth + 0.5]);
  }
  return deepest;
}
