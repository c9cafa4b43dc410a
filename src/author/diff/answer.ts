/** The answers that diff compares: of one set of rules to a recorded or generated request, or to a test's case. */
import type { Decision, ReplayableRecord } from '../../model/decision.js';
import { readPolicyValues } from '../../records/explain/policy-values.js';
import { answerRecord, type RecordAnswer } from '../../records/redecide.js';
import type { Rules } from '../../policy/load.js';
import { formatLocalInstant } from '../../runtime/local-time.js';

export type RequestAnswer =
  | { readonly kind: 'decided'; readonly decision: Decision }
  | Extract<RecordAnswer, { kind: 'refused' }>
  /** The answer depends on facts that are missing from the record. */
  | { readonly kind: 'inconclusive' };

/**
 * Answers a generated request. Where both sides declare an attribute with different types, its made-up value fits one of
 * them alone, and what the other says of it is nothing that a change of the policies causes: the answer is inconclusive.
 */
export function answerGeneratedRequest(record: ReplayableRecord, rules: Rules): RecordAnswer {
  const answer = answerRecord(record, rules);
  if (answer.kind !== 'decided' || answer.evaluation.facts === undefined) return answer;
  const { acting, duties, chain } = answer.evaluation.facts.cedar;
  const isUnfit = [acting, duties, ...chain.map(({ outcome }) => outcome)].some(
    (outcome) => outcome.kind === 'missing' && outcome.values.some(({ unfit }) => unfit),
  );
  return isUnfit ? { ...answer, kind: 'inconclusive' } : answer;
}

/**
 * Reads what the policies of these ids read of a request, by the rules of either side. Instants are given in the zone of
 * the later rules, which is the one that their policies tell the time by.
 */
export function readAnswerValues(
  answers: readonly RecordAnswer[],
  policyIds: ReadonlySet<string>,
  { zone }: Pick<Rules, 'zone'>,
): Readonly<Record<string, string>> {
  const values = answers.flatMap((answer) =>
    answer.kind === 'refused' ? [] : Object.entries(readPolicyValues(answer.evaluation, policyIds)),
  );
  // Where both sides have a value it is the later one's, since sorting keeps the order of equals.
  values.sort(([a], [b]) => (a < b ? -1 : Number(a > b)));
  return Object.fromEntries(
    values.map(([path, value]) => [
      path,
      value.replace(/\bdatetime\("([^"]+)"\)/g, (_, instant: string) => formatLocalInstant(new Date(instant), zone)),
    ]),
  );
}

/** @returns the same request made by its user without an agent; undefined where it has no user or no agent */
export function withoutAgent(record: ReplayableRecord): ReplayableRecord | undefined {
  const { credential, said: statements } = record.facts;
  const token = credential !== undefined && 'ok' in credential && credential.ok ? credential.token : undefined;
  if (token === undefined ? statements.act === undefined : token.mode !== 'delegated') return undefined;
  const { act: _act, agent: _agent, token_expected: _expected, ...rest } = statements;
  const { credential: _credential, ...facts } = record.facts;
  const { type } = record.request.subject;
  return {
    ...record,
    // The subject may be the token's agent; the user's definition is then not in the request, and the subject's is taken.
    request:
      token?.user === undefined || record.request.subject.id === token.user
        ? record.request
        : { ...record.request, subject: { type, id: token.user } },
    facts: {
      ...facts,
      caller: { ...record.facts.caller, kind: 'client', may: ['asserts_subject'] },
      said: { ...rest, mode: 'human' },
    },
  };
}
