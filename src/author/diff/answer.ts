/** The answers that diff compares: of one set of rules to a recorded or generated request, or to a test's case. */
import type { Decision, ReplayableRecord } from '../../model/decision.js';
import type { RecordAnswer } from '../../records/redecide.js';

export type RequestAnswer =
  | { readonly kind: 'decided'; readonly decision: Decision }
  | Extract<RecordAnswer, { kind: 'refused' }>
  /** The answer rests on what isn't known. */
  | { readonly kind: 'inconclusive' };

/** The same request by its user, with no agent; undefined where there is no user or no agent in it. */
export function withoutAgent(record: ReplayableRecord): ReplayableRecord | undefined {
  const { credential, said: statements } = record.facts;
  const token = credential !== undefined && 'ok' in credential && credential.ok ? credential.token : undefined;
  if (token === undefined ? statements.act === undefined : token.mode !== 'delegated') return undefined;
  const { act: _act, agent: _agent, token_expected: _expected, ...rest } = statements;
  const { credential: _credential, ...facts } = record.facts;
  const { type } = record.request.subject;
  return {
    ...record,
    // A token's request may name its agent, and then doesn't say of which definition the user is.
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
