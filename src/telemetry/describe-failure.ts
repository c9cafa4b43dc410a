/** Says why an engine failed, in words for the log: it redacts them as every line, and no answer has them. */
import { Fault } from '../model/faults.js';

const MAX_FAILURE_LENGTH = 500;
/** Errors that lead to one another: a driver's, a pool's, ours. */
const MAX_CAUSES = 4;

/** The details of an error and of what caused it; undefined where a fault says no more than its code. */
export function describeFailure(error: unknown): string | undefined {
  const texts: string[] = [];
  for (let next = error, i = 0; next !== undefined && i < MAX_CAUSES; i += 1) {
    const told = next instanceof Error ? next.message : next;
    const text = next instanceof Fault ? next.detail : typeof told === 'string' ? told : undefined;
    if (text !== undefined && text !== '' && !texts.some((known) => known.includes(text))) texts.push(text);
    next = next instanceof Error ? next.cause : undefined;
  }
  return texts.length === 0 ? undefined : texts.join(': ').slice(0, MAX_FAILURE_LENGTH);
}
