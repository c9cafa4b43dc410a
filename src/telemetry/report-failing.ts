/** Tells the operator of work in the background that has begun to fail, and that is tried again. */
import type { Log } from './log.js';

/**
 * @param meanwhile what can't be done until it succeeds, as the beginning of a sentence
 * @param event the name of the line for machines
 */
export function reportFailing(log: Log, meanwhile: string, event: string): (error: Error) => void {
  return ({ message }) => {
    // Faults speak in sentences, what the graph refuses in phrases.
    log(`${meanwhile}: ${message.replace(/\.$/, '')}. It is tried again.`, { event });
  };
}
