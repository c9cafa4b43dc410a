/** Answers a recorded or generated request by one set of rules; refused requests and inconclusive ones are answers, too. */
import { redecide } from '../../decide/decide.js';
import type { Decision, ReplayableRecord } from '../../model/decision.js';
import { BadRequest } from '../../model/faults.js';
import type { Rules } from '../../policy/load.js';

export type RequestAnswer =
  | { readonly kind: 'decided'; readonly decision: Decision }
  /** The request itself is invalid by these rules, so nothing is allowed. */
  | { readonly kind: 'refused'; readonly why: string }
  /** The answer depends on facts that are missing from the record. */
  | { readonly kind: 'inconclusive'; readonly missing: readonly string[] };

export function answerRequest(record: ReplayableRecord, rules: Rules): RequestAnswer {
  try {
    const { decision, missing } = redecide(record, rules);
    if (decision.fault !== undefined)
      return { kind: 'inconclusive', missing: missing.length > 0 ? missing : [decision.fault] };
    return { kind: 'decided', decision };
  } catch (error) {
    if (error instanceof BadRequest) return { kind: 'refused', why: `${error.at} ${error.message}`.trim() };
    throw error;
  }
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
