/** The code and the message of a rejection, for expectations. */
import { expect } from 'vitest';
import { REASONS, type Reason, type ReasonCode } from '../../src/model/reasons.js';
import { TokenRejectedError } from '../../src/tokens/jws.js';

/** The reason that is expected; the catalogue's sentence unless a test says more. */
export function refusal(code: ReasonCode, message: string = REASONS[code].operators): Reason {
  return { code, step: REASONS[code].step, message };
}

/** Why `look` refuses. Anything else that it throws stays loud. */
export function reasonOf(look: () => unknown): Reason {
  try {
    look();
  } catch (error) {
    return reasonIn(error);
  }
  throw new Error('not refused');
}

/** The same of work that takes its time. */
export async function rejectionOf(work: Promise<unknown>): Promise<Reason> {
  const thrown: unknown = await work.then(
    () => new Error('not refused'),
    (error: unknown) => error,
  );
  return reasonIn(thrown);
}

function reasonIn(error: unknown): Reason {
  if (!(error instanceof TokenRejectedError)) throw error;
  expect(error.message).toBe(error.reason.message);
  return error.reason;
}
