/** What keeps an author's file from being used, printed: `remit test` and `remit diff` end with it. */
import type { Problem } from '../../author/test/places.js';
import { escapeForTerminal } from './terminal.js';

/** On standard error, a line each, in the form that editors jump to: `file:line:column: message`. */
export function printProblems(problems: readonly Problem[]): void {
  for (const { file, line, column, message } of problems)
    process.stderr.write(`${escapeForTerminal(`${file}:${line}:${column}: ${message}`)}\n`);
}
