/** What one set of rules answers to a recorded or generated request, refusals and unknowns included. */
import { redecide } from '../../decide/decide.js';
import type { Decision, ReplayableRecord } from '../../model/decision.js';
import { BadRequest } from '../../model/faults.js';
import type { Rules } from '../../policy/load.js';

export type RequestAnswer =
  | { readonly kind: 'decided'; readonly decision: Decision }
  /** The question itself is at fault: nothing is allowed. */
  | { readonly kind: 'refused'; readonly why: string }
  /** It rests on what isn't known. */
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
