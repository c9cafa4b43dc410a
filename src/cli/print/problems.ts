/** Problems that keep an author's file from being used, printed by `remit test` and `remit diff`. */
import type { Problem } from '../../author/test/places.js';
import { escapeForTerminal } from './terminal.js';

/** Prints a line each on standard error, in the form that editors jump to: `file:line:column: message`. */
export function printProblems(problems: readonly Problem[]): void {
  for (const { file, line, column, message } of problems)
    process.stderr.write(`${escapeForTerminal(`${file}:${line}:${column}: ${message}`)}\n`);
}
