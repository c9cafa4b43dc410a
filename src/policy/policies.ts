/**
 * Reads policy files: each policy with its place, its JSON from Cedar, and what its annotations say. A policy with
 * `@duty` never permits anything, it only adds obligations.
 */
import { isDeepStrictEqual } from 'node:util';
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { CedarEngine } from './cedar.js';
import { findAnnotationProblems } from './schema/declarations.js';
import { parseDuties, type Duty } from './duties.js';
import type { ErrorRule } from '../diagnostics/error-rules.js';
import type { FindingCollector, SourceLocation, Problem } from '../diagnostics/diagnostics.js';
import { parseRemedies } from './remedies.js';
import type { Remedy } from '../model/remedies.js';
import { locateAnnotation, locateByte, splitPolicies, type PolicyText } from './policy-text.js';
import { findUnusableEntities } from './entity-literals.js';
import { findMappedAddresses } from './ip-literals.js';
import { findOddCedarCharacter } from './lexer.js';
import { locationAt, type SourceFile } from '../diagnostics/source.js';

export interface Policy {
  readonly id: string;
  readonly title: string | undefined;
  /** `policies/hr.cedar:31`. */
  readonly source: string;
  /** The place of its first word. */
  readonly location: SourceLocation;
  readonly text: string;
  readonly json: PolicyJson;
  readonly remedies: readonly Remedy[];
  /** undefined where it is no duty. */
  readonly duties: readonly Duty[] | undefined;
}

export function hasRemedy({ remedies }: Pick<Policy, 'remedies'>, type: Remedy['type']): boolean {
  return remedies.some((remedy) => remedy.type === type);
}

/** Whether people can be asked for what the policy names. */
export function hasPeopleRemedy(policy: Pick<Policy, 'remedies'>): boolean {
  return hasRemedy(policy, 'approval') || hasRemedy(policy, 'consent');
}

/** Deeper expressions can exhaust Cedar's stack when they are evaluated. */
export const MAX_EXPRESSION_DEPTH = 100;
export const MAX_POLICY_BYTES = 64 * 1024;
const POLICY_ANNOTATIONS = ['id', 'title', 'remedy', 'duty'];

/** Reads all policies that have an id of their own. What is wrong with them, and with the others, goes to `findings`. */
export function readPolicies(files: readonly SourceFile[], cedar: CedarEngine, findings: FindingCollector): Policy[] {
  const policies = new Map<string, Policy>();
  for (const file of files) {
    const odd = findOddCedarCharacter(file.text);
    if (odd !== undefined) findings.error('policy-syntax', locationAt(file, odd.index), odd.message);
    const statements = splitPolicies(file);
    const filePolicies = statements.flatMap((statement) => readPolicy(statement, cedar, findings) ?? []);
    if (filePolicies.length === statements.length && !isCutAsCedarDoes(file.text, statements, cedar))
      findings.error('policy-syntax', locationAt(file, 0), 'Cedar cuts the file into other policies than Remit does');
    for (const policy of filePolicies) {
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

/** Whether Cedar finds the same policies in the file as a whole: none may be lost in a comment. */
function isCutAsCedarDoes(text: string, statements: readonly PolicyText[], cedar: CedarEngine): boolean {
  const { value: parts } = cedar.splitPolicySet(text);
  return parts !== undefined && isDeepStrictEqual(parts.toSorted(), statements.map((s) => s.text).toSorted());
}

function readPolicy(statement: PolicyText, cedar: CedarEngine, findings: FindingCollector): Policy | undefined {
  const { location, text } = statement;
  if (Buffer.byteLength(text) > MAX_POLICY_BYTES) {
    findings.error('policy-too-large', location, `a policy must be at most ${MAX_POLICY_BYTES} bytes long`);
    return undefined;
  }
  const { value: json, diagnostics } = cedar.parsePolicy(text);
  if (json === undefined) {
    for (const { message, help, offset } of diagnostics)
      findings.error('policy-syntax', offset === undefined ? location : locateByte(statement, offset), message, help);
    return undefined;
  }
  // Clauses are chained like operands of `&&`.
  if (expressionDepth(json.conditions) + json.conditions.length > MAX_EXPRESSION_DEPTH) {
    const message = `the conditions are nested (or chained) more than ${MAX_EXPRESSION_DEPTH} deep: split the policy`;
    findings.error('policy-too-large', location, message);
    return undefined;
  }
  for (const message of [...findMappedAddresses(json), ...findUnusableEntities(json)])
    findings.error('policy-invalid', location, message);
  // An annotation without a value comes back as null.
  const annotations = Object.fromEntries(
    Object.entries(json.annotations ?? {}).map(([name, value]) => [name, (value as string | null) ?? '']),
  );
  const report =
    (rule: ErrorRule, annotation: string) =>
    ({ message, suggestion }: Problem): void => {
      findings.error(rule, locateAnnotation(statement, annotation), message, suggestion);
    };
  for (const { rule, annotation, problem } of findAnnotationProblems(annotations, POLICY_ANNOTATIONS))
    report(rule, annotation)(problem);
  const { id, remedy, duty } = annotations;
  if (remedy !== undefined && json.effect !== 'forbid')
    report('invalid-remedy', '@remedy')({ message: '@remedy belongs on a forbid: it says what would lift it' });
  if (duty !== undefined && json.effect !== 'permit')
    report(
      'invalid-duty',
      '@duty',
    )({
      message:
        'a duty is written as a permit: it applies where its scope and conditions hold, and neither permits nor forbids',
    });
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

/** The depth of a JSON value, found without recursion because it guards against recursion that is too deep. */
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
