/** Compares a decision with what its case expects, and explains it where they differ. */
import { isDeepStrictEqual } from 'node:util';
import type { Decision, StepEvidence } from '../../model/decision.js';
import type { Obligation } from '../../model/obligations.js';
import type { Remedy } from '../../model/remedies.js';
import { MAX_RECORD_DEPTH, parseStrictJson } from '../../runtime/strict-json.js';
import type { Rules } from '../../policy/load.js';
import type { ExpectedOutcome } from './case.js';

export interface OutcomeDifference {
  readonly what:
    'decision' | 'reasons' | 'policies' | 'duties' | 'obligations' | 'path' | 'remedies' | 'permission' | 'members';
  readonly expected: unknown;
  readonly actual: unknown;
}

/** @returns one difference for each aspect that isn't as expected; lists are compared as sets, except for the path */
export function compareOutcome(expected: ExpectedOutcome, decision: Decision): OutcomeDifference[] {
  const actual = {
    decision: decisionOutcome(decision),
    reasons: sortUnique(decision.reasons.map((r) => r.code)),
    policies: sortUnique(responsiblePolicies(decision)),
    duties: sortUnique(citedDutyIds(decision)),
    obligations: sortProperties(
      Object.fromEntries(decision.obligations.map((due) => [due.type, comparedProperties(due, expected)])),
    ),
    path: relationshipPath(decision),
    remedies: sortUnique(decision.remedies.flatMap(formatRemedy)),
  };
  const expectation = {
    decision: expected.decision,
    reasons: expected.reasons === undefined ? undefined : sortUnique(expected.reasons),
    policies: expected.policies === undefined ? undefined : sortUnique(expected.policies),
    duties: expected.duties === undefined ? undefined : sortUnique(expected.duties),
    obligations: sortProperties(expected.obligations),
    path: expected.path,
    remedies: expected.remedies === undefined ? undefined : sortUnique(expected.remedies),
  };
  return (Object.keys(expectation) as (keyof typeof expectation)[]).flatMap((aspect) =>
    expectation[aspect] === undefined ||
    isDeepStrictEqual(toJsonValue(expectation[aspect]), toJsonValue(actual[aspect]))
      ? []
      : [{ what: aspect, expected: expectation[aspect], actual: actual[aspect] }],
  );
}

/** A notification's texts follow from the request, so they are compared only where the test has them. */
function comparedProperties(
  { type, properties }: Obligation,
  { obligations }: ExpectedOutcome,
): Obligation['properties'] {
  if (type !== 'notification') return properties;
  const expected = obligations?.[type] ?? {};
  const texts = ['topic', 'body'].filter((name) => !Object.hasOwn(expected, name));
  return Object.fromEntries(Object.entries(properties).filter(([name]) => !texts.includes(name)));
}

/** Sorts the lists of obligations: in which order fields are masked, or recipients notified, makes no difference. */
function sortProperties(obligations: ExpectedOutcome['obligations']): ExpectedOutcome['obligations'] {
  if (obligations === undefined) return undefined;
  const sortList = (value: unknown): unknown =>
    Array.isArray(value) && value.every((element) => typeof element === 'string') ? sortUnique(value) : value;
  return Object.fromEntries(
    Object.entries(obligations).map(([type, properties]) => [
      type,
      Object.fromEntries(Object.entries(properties).map(([name, value]) => [name, sortList(value)])),
    ]),
  );
}

/** The outcome is `undecided` where an engine failed, which no test can expect. */
function decisionOutcome({ decision, fault }: Decision): 'allow' | 'deny' | 'undecided' {
  if (fault !== undefined) return 'undecided';
  return decision ? 'allow' : 'deny';
}

/** The policies that permitted an allow, or that the reasons of a deny name. */
function responsiblePolicies(decision: Decision): readonly string[] {
  return decision.decision
    ? citedPolicyIds(decision, 'policy', 'permitted_by')
    : decision.reasons.flatMap((r) => r.policies ?? []);
}

function relationshipPath(decision: Decision): readonly string[] {
  return (findStep(decision, 'relationship')?.evidence['path'] as readonly string[] | undefined) ?? [];
}

/** The remedy as the annotation `@remedy` writes it; none of those that are waiting, which a test says by its time. */
function formatRemedy(remedy: Remedy): string | [] {
  switch (remedy.type) {
    case 'time':
    case 'limit':
    case 'delegation':
      return [];
    case 'consent':
    case 'token':
      return remedy.type;
    case 'approval':
      return `approval:${remedy.permission}`;
    case 'step_up':
      return `step_up:${remedy.acr}`;
    case 'scope':
      return `scope:${remedy.scope}`;
  }
}

/** @returns lines with the policies that permitted it, or with the reasons of the first step that didn't pass */
export function explainDecision(decision: Decision, rules: Rules): string[] {
  const failing = decision.rationale.steps.find((s) => s.outcome !== 'pass');
  if (failing === undefined)
    return citedPolicyIds(decision, 'policy', 'permitted_by').map(
      (id) => `policy: permitted by ${policyWithPlace(id, rules)}`,
    );
  const reasons = decision.reasons.filter((r) => r.step === failing.step);
  if (reasons.length === 0) return [`${failing.step}: ${decision.fault ?? failing.outcome}`];
  return reasons.map((r) => {
    const policies = (r.policies ?? []).map((id) => policyWithPlace(id, rules)).join(', ');
    return `${r.step}: ${r.code}: ${policies === '' ? r.message : policies}`;
  });
}

function policyWithPlace(id: string, rules: Rules): string {
  return `${id} (${rules.policies.get(id)?.source ?? '?'})`;
}

/** @param as the member of the step's evidence, such as `permitted_by` */
/** The policies whose duties applied, those of reviews as well. */
export function citedDutyIds(decision: Decision): string[] {
  return [...citedPolicyIds(decision, 'obligations', 'duties'), ...citedPolicyIds(decision, 'obligations', 'reviews')];
}

export function citedPolicyIds(decision: Decision, step: string, as: string): string[] {
  const list = findStep(decision, step)?.evidence[as] as readonly { readonly id: string }[] | undefined;
  return (list ?? []).map(({ id }) => id);
}

export function findStep({ rationale }: Decision, name: string): StepEvidence | undefined {
  return rationale.steps.find((s) => s.step === name);
}

function sortUnique(list: readonly string[]): string[] {
  return [...new Set(list)].sort();
}

/** Takes out members that are undefined, as JSON does. */
function toJsonValue(value: unknown): unknown {
  return parseStrictJson(JSON.stringify(value), MAX_RECORD_DEPTH);
}
