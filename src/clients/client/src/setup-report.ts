/** Tells the operator of a wrong set-up that no answer tells: a guard answers its caller, who must not learn of it. */
import { RemitSetupError } from './errors.js';

/** The lines that were written. More of them would be no more news. */
const written = new Set<string>();
const MAX_LINES = 100;

/**
 * Hands the error to the hook, or writes one line on stderr where there is none, once for each.
 * @param place the tool or route that it is about; a name in it may be a stranger's
 */
export function reportSetup(place: string, error: unknown, onError?: (error: unknown) => void): void {
  if (onError !== undefined) {
    onError(error);
    return;
  }
  const line = `remit: ${place}: ${explainSetup(error)}`.replace(/[^\x20-\x7e]/g, '?').slice(0, 500);
  if (written.has(line) || written.size >= MAX_LINES) return;
  written.add(line);
  process.stderr.write(`${line}\n`);
}

/** The packages' own texts have no secret; those of others may have what was asked about. */
function explainSetup(error: unknown): string {
  if (error instanceof RemitSetupError) return error.message;
  if (error instanceof TypeError && error.message.startsWith('remit: ')) return error.message.slice('remit: '.length);
  return `its question could not be built (${error instanceof Error ? error.name : typeof error})`;
}
