/** Proofs in questions: each counts once, so a question that is sent again needs another one. */
import { RemitError, RemitSetupError, RemitUnavailable } from './errors.js';
import type { QuestionContext } from './question.js';
import { isRecord } from './strict-json.js';
import type { OutgoingRequest } from './transport.js';

/** A question, or a list's part of one. */
interface ProvenPart {
  readonly context: QuestionContext;
}

/** Whether it can be sent again: a proof that was made before counts once, also where its answer was lost. */
export function isRepeatableQuestion({ context: { proof } }: ProvenPart): boolean {
  return !isRecord(proof) || proof['jwt'] === undefined;
}

/** @returns the question as it is sent, with a proof of its own where a function makes them. @throws RemitUnavailable, RemitSetupError */
export async function proveQuestion<Q extends ProvenPart>(question: Q): Promise<Q> {
  const { token, proof } = question.context;
  if (typeof proof !== 'function') return question;
  if (typeof token !== 'string')
    throw new RemitSetupError('options', { detail: 'a proof is for a token', at: 'context.token' });
  try {
    return { ...question, context: { ...question.context, proof: await proof(token) } };
  } catch (error) {
    // What the function threw may name the token or an address.
    if (error instanceof RemitError) throw error;
    throw new RemitUnavailable('credential');
  }
}

/** The body of a request for one question, and whether it may be sent again. */
export function toProvenBody(question: ProvenPart): Pick<OutgoingRequest, 'body' | 'isRepeatable'> {
  return { body: () => proveQuestion(question), isRepeatable: isRepeatableQuestion(question) };
}
