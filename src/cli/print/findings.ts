/** Findings that keep an author's file from being used, printed by `remit test` and `remit diff`. */
import { formatFinding, type Finding } from '../../diagnostics/diagnostics.js';
import { escapeForTerminal } from './terminal.js';

/** Prints a line each on standard error, in the form that editors jump to: `file:line:column: message`. */
export function printFindings(findings: readonly Finding[]): void {
  for (const finding of findings) process.stderr.write(`${escapeForTerminal(formatFinding(finding))}\n`);
}
