/** A decision printed for people, and the parts of it that explanations and the demo print as well. */
import type { IgnoredMember, IgnoredMembers, Rationale } from '../../model/decision.js';
import type { Reason } from '../../model/reasons.js';
import type { Obligation } from '../../model/obligations.js';
import type { Remedy } from '../../model/remedies.js';
import { describeRemedy } from './remedy.js';
import { isObject } from '../../policy/schema/types.js';
import { escapedLines } from './terminal.js';

/** The answer of an evaluation, as a client gets it. */
export interface DecisionAnswer {
  readonly decision: boolean;
  readonly context?: {
    readonly id?: string;
    readonly reason_user?: Readonly<Record<string, string>>;
    readonly reasons?: readonly Reason[];
    readonly remedies?: readonly Remedy[];
    readonly obligations?: readonly Obligation[];
    readonly rationale?: Rationale;
    readonly error?: { readonly code: string };
  };
}

const OUTCOME_MARKS = { pass: '+', deny: '-', unknown: '?' } as const;

/** @param cures what to write on the command line instead */
export function decisionText({ decision, context = {} }: DecisionAnswer, cures: readonly string[] = []): string {
  const lines = [`${decision ? 'ALLOW' : 'DENY'}  ${Object.values(context.reason_user ?? {})[0] ?? ''}`];
  if (context.error !== undefined) lines.push(`  undecided: ${context.error.code}`);
  lines.push(...stepLines(context.rationale?.steps ?? [], context.reasons ?? []));
  lines.push(...ignoredLines(context.rationale?.ignored));
  for (const remedy of context.remedies ?? []) lines.push(`  would help: ${describeRemedy(remedy)}`);
  for (const cure of cures) lines.push(`  on the command line: ${cure}`);
  lines.push(...obligationLines(context.obligations ?? []));
  if (context.id !== undefined) lines.push(`  on record as ${context.id}`);
  return escapedLines(lines);
}

/** Each step with its evidence and its reasons. */
export function stepLines(steps: Rationale['steps'], reasons: readonly Reason[]): string[] {
  return steps.flatMap(({ step, outcome, evidence }) => {
    const own = reasons.filter((reason) => reason.step === step);
    // Another thing was asked for where the action asks for nothing.
    const { required, ...others } = evidence;
    const shown = required === false && own.length + Object.keys(others).length > 0 ? others : evidence;
    return [
      `  ${OUTCOME_MARKS[outcome]} ${step.padEnd(12)} ${evidenceText(shown)}`.trimEnd(),
      ...own.map(({ code, message }) => `      ${code}: ${message}`),
    ];
  });
}

const IGNORED_CAUSES: Readonly<Record<IgnoredMember['cause'], string>> = {
  undeclared: 'nothing declares it',
  not_asserted: 'only a client with asserts_attributes can state it',
};

/** The members that the question stated for nothing, and the number of those that aren't named. */
export function ignoredLines(ignored: IgnoredMembers | undefined): string[] {
  if (ignored === undefined) return [];
  const { count, members } = ignored;
  const unnamed = count - members.length;
  return [
    ...members.map(
      ({ path, cause, suggestion }) =>
        `  ! ${path} was ignored: ${IGNORED_CAUSES[cause]}${suggestion === undefined ? '' : ` (${suggestion})`}`,
    ),
    ...(unnamed > 0 ? [`  ! and ${unnamed} more ${unnamed === 1 ? 'was' : 'were'} ignored`] : []),
  ];
}

export function obligationLines(obligations: readonly Obligation[]): string[] {
  return obligations.map((obligation) => `  the client must: ${obligationText(obligation)}`);
}

/** `mask salary, ssn (last4)`: in parentheses how a field is masked that isn't removed. */
export function obligationText({ type, properties }: Obligation): string {
  const { modes = {}, ...others } = properties as { modes?: Readonly<Record<string, string>> };
  const texts = Object.values(others)
    .flat()
    .map((value) => (typeof value === 'string' ? value : JSON.stringify(value)));
  return `${type} ${texts.map((text) => (modes[text] === undefined ? text : `${text} (${modes[text]})`)).join(', ')}`;
}

/** The members that come first: a record that is read again has them in another order. */
const FIRST_EVIDENCE = ['issuer', 'format', 'jti', 'subject', 'scope', 'permission', 'agent_permission'];

/** The evidence in a line: paths as arrows, policies by their ids and places, other members as `name value`. */
export function evidenceText(evidence: Readonly<Record<string, unknown>>): string {
  const names = new Set([...FIRST_EVIDENCE.filter((name) => name in evidence), ...Object.keys(evidence)]);
  return [...names]
    .map((name): [string, unknown] => [name, evidence[name]])
    .filter(([name]) => name !== 'revision' && name !== 'id')
    .map(([name, value]) => {
      if (name === 'required' && value === false) return 'not asked for';
      if (name === 'path' && Array.isArray(value)) return `by ${value.join(' → ')}`;
      return `${name.replaceAll('_', ' ')} ${citationText(value)}`;
    })
    .join(', ');
}

/** A policy by its id and place; any other object by its members; the elements of a list one after the other. */
function citationText(value: unknown): string {
  if (!isObject(value)) return Array.isArray(value) ? value.map(citationText).join(', ') : String(value);
  const { id, source } = value;
  if (typeof id === 'string' && typeof source === 'string') return `${id} (${source})`;
  if (typeof id === 'string' && Object.keys(value).length === 1) return id;
  const members = Object.entries(value).map(([name, member]) => `${name.replaceAll('_', ' ')} ${citationText(member)}`);
  return `{${members.join(', ')}}`;
}
