/**
 * Policy files: split into policies, each with its file and line, read by Cedar, held against the vocabulary.
 * A policy that carries `@duty` is kept apart: it never permits, it only adds obligations.
 */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { CedarEngine } from './cedar.js';
import { findMisspelledAnnotations } from './schema/declarations.js';
import { parseDuties, type Duty } from './duties.js';
import type { ErrorRule } from '../diagnostics/error-rules.js';
import type { FindingCollector, SourceLocation, Problem } from '../diagnostics/diagnostics.js';
import { parseRemedies } from './remedies.js';
import { type Remedy } from '../model/remedies.js';
import { indexOfByte, leadingTriviaLength, locationAt, type SourceFile } from '../diagnostics/source.js';

export interface Policy {
  readonly id: string;
  readonly title: string | undefined;
  /** `policies/hr.cedar:31`. */
  readonly source: string;
  /** Of its first word. */
  readonly location: SourceLocation;
  readonly text: string;
  readonly json: PolicyJson;
  readonly remedies: readonly Remedy[];
  /** Present exactly on duties. */
  readonly duties: readonly Duty[] | undefined;
}

/** Expressions deeper than this can exhaust Cedar's stack when they are evaluated. */
export const MAX_EXPRESSION_DEPTH = 100;
export const MAX_POLICY_BYTES = 64 * 1024;
const POLICY_ANNOTATIONS = ['id', 'title', 'remedy', 'duty'];

/** All policies that can be read and told apart; what is wrong with them, and with the others, goes to `findings`. */
export function readPolicies(files: readonly SourceFile[], cedar: CedarEngine, findings: FindingCollector): Policy[] {
  const policies = new Map<string, Policy>();
  for (const file of files) {
    for (const statement of splitPolicies(file)) {
      const policy = readPolicy(statement, cedar, findings);
      if (policy === undefined) continue;
      const existing = policies.get(policy.id);
      if (existing === undefined) policies.set(policy.id, policy);
      else
        findings.error(
          'duplicate-id',
          locateAnnotation(policy, '@id'),
          `@id("${policy.id}") is taken by ${existing.source}`,
        );
    }
  }
  return [...policies.values()];
}

function readPolicy(statement: PolicyStatement, cedar: CedarEngine, findings: FindingCollector): Policy | undefined {
  const { location, text } = statement;
  if (Buffer.byteLength(text) > MAX_POLICY_BYTES) {
    findings.error('policy-too-large', location, `a policy must be at most ${MAX_POLICY_BYTES} bytes long`);
    return undefined;
  }
  const { value: json, complaints } = cedar.parsePolicy(text);
  if (json === undefined) {
    for (const { message, help, offset } of complaints)
      findings.error('policy-syntax', offset === undefined ? location : locateByte(statement, offset), message, help);
    return undefined;
  }
  // Clauses are chained like operands of `&&`.
  if (expressionDepth(json.conditions) + json.conditions.length > MAX_EXPRESSION_DEPTH) {
    const message = `the conditions are nested (or chained) more than ${MAX_EXPRESSION_DEPTH} deep: split the policy`;
    findings.error('policy-too-large', location, message);
    return undefined;
  }
  // An annotation without a value comes back as null.
  const annotations = Object.fromEntries(
    Object.entries(json.annotations ?? {}).map(([name, value]) => [name, (value as string | null) ?? '']),
  );
  const report =
    (rule: ErrorRule, annotation: string) =>
    ({ message, suggestion }: Problem): void => {
      findings.error(rule, locateAnnotation(statement, annotation), message, suggestion);
    };
  for (const { annotation, problem } of findMisspelledAnnotations(annotations, POLICY_ANNOTATIONS))
    report('unknown-annotation', annotation)(problem);
  const { id, remedy, duty } = annotations;
  if (remedy !== undefined && json.effect !== 'forbid')
    report('invalid-remedy', '@remedy')({ message: '@remedy belongs on a forbid: it says what would lift it' });
  else if (remedy !== undefined && duty !== undefined)
    report('invalid-remedy', '@remedy')({ message: 'a duty has no @remedy: it denies nothing' });
  if (id === undefined || id === '') {
    report('missing-id', '@id')({ message: 'every policy needs an @id("…")' });
    return undefined;
  }
  return {
    id,
    title: annotations['title'],
    source: `${location.file}:${location.line}`,
    location,
    text,
    json,
    remedies: parseRemedies(remedy, report('invalid-remedy', '@remedy')),
    duties: duty === undefined ? undefined : parseDuties(duty, report('invalid-duty', '@duty')),
  };
}

/** A text and where it begins. */
interface PolicyStatement {
  readonly location: SourceLocation;
  readonly text: string;
}

/** One of a file, and where it begins in its text. */
export interface PolicyFileStatement extends PolicyStatement {
  readonly index: number;
}

/** Where a byte of a policy's text is. */
export function locateByte({ location, text }: PolicyStatement, byte: number): SourceLocation {
  const linesBefore = text.slice(0, indexOfByte(text, byte)).split('\n');
  return {
    file: location.file,
    line: location.line + linesBefore.length - 1,
    column: (linesBefore.length === 1 ? location.column : 1) + (linesBefore.at(-1)?.length ?? 0),
  };
}

/** Where a policy's annotation is; the policy itself where it has none of that name. */
export function locateAnnotation(statement: PolicyStatement, annotation: string): SourceLocation {
  for (const match of statement.text.matchAll(/\/\/[^\n\r]*|"(?:\\[\s\S]|[^"\\])*"|@\s*(\w+)|\(\s*principal\b/g)) {
    if (match[0].startsWith('(')) break;
    if (match[1] === annotation.slice(1))
      return locateByte(statement, Buffer.byteLength(statement.text.slice(0, match.index)));
  }
  return statement.location;
}

/**
 * A duty's text: its effect is never used, and as permits all that apply come back as reasons, whatever the author wrote.
 * Of the text and not of the JSON, which can't say every whole number of Cedar's, nor all that its text may nest.
 */
export function rewriteAsPermit({ text }: Policy): string {
  let replaced = false;
  const tokens = /\/\/[^\n\r]*|"(?:\\[\s\S]|[^"\\])*"|@(?:\s|\/\/[^\n\r]*)*\w+|\b(?:permit|forbid)\b/g;
  return text.replace(tokens, (token) => {
    if (replaced || !/^(permit|forbid)$/.test(token)) return token;
    replaced = true;
    return 'permit';
  });
}

/** Cuts a file at each `;` outside strings and comments. What follows the last one must be empty. */
export function splitPolicies(file: SourceFile): PolicyFileStatement[] {
  const statements: PolicyFileStatement[] = [];
  const tokens = /\/\/[^\n\r]*|"(?:\\[\s\S]|[^"\\])*"|;/g;
  let start = 0;
  const push = (end: number): void => {
    const slice = file.text.slice(start, end);
    const textStart = start + leadingTriviaLength(slice);
    if (textStart < end)
      statements.push({
        location: locationAt(file, textStart),
        index: textStart,
        text: file.text.slice(textStart, end),
      });
    start = end;
  };
  for (const match of file.text.matchAll(tokens)) if (match[0] === ';') push(match.index + 1);
  push(file.text.length);
  return statements;
}

/** Depth of a JSON value, without recursion: it is what guards against recursion that is too deep. */
function expressionDepth(value: unknown): number {
  let deepest = 0;
  const pending: [unknown, number][] = [[value, 0]];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const [node, depth] = next;
    if (typeof node !== 'object' || node === null) continue;
    deepest = Math.max(deepest, depth);
    // Each level of Cedar's expression is two of JSON: the operator's object and its operands'.
    for (const member of Object.values(node)) pending.push([member, depth + 0.5]);
  }
  return deepest;
}
