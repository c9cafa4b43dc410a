/**
 * Formatting by Cedar's own formatter, policy by policy: what stands between policies is their author's, and only its
 * blanks are evened. The formatter is believed only as far as it is checked: what comes out must be the same policies,
 * with the same annotations, and the same comments.
 */
import { isDeepStrictEqual } from 'node:util';
import { CedarEngine, type Complaint } from '../../policy/cedar.js';
import { ConfigError } from '../../model/faults.js';
import { splitStatements, within } from '../../policy/policies.js';
import type { SourceFile } from '../../diagnostics/source.js';

/** Of a line, which the formatter keeps to where it can. */
const WIDTH = 120;
/** How often a policy is formatted at most, until it stays as it is. */
const MAX_ROUNDS = 4;
const COMMENTS = /"(?:\\[\s\S]|[^"\\])*"|\/\/[^\n\r]*/g;

export class Formatter {
  private readonly cedar = new CedarEngine();

  /** @throws ConfigError where the file can't be read, or can't be formatted without losing something */
  format(file: SourceFile): string {
    let out = '';
    let from = 0;
    for (const statement of splitStatements(file)) {
      out += gap(file.text.slice(from, statement.index), out === '');
      out += this.policy(statement.text, (offset) => {
        const { line, column } = within(statement, offset);
        return `${file.name}:${line}:${column}`;
      });
      from = statement.index + statement.text.length;
    }
    out = `${out}${gap(file.text.slice(from), out === '')}`.trimEnd();
    const formatted = out === '' ? '' : `${out}\n`;
    this.compare(file, formatted);
    return formatted;
  }

  private policy(text: string, place: (offset: number) => string): string {
    let before = text;
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const { value, complaints } = this.cedar.format(before, WIDTH);
      if (value === undefined) throw refused(complaints, place);
      const after = value.trim();
      if (after === before) return after;
      before = after;
    }
    throw new ConfigError('is left as it is: the formatter comes to no end with it', place(0));
  }

  /** @throws ConfigError where anything but blanks differs */
  private compare(before: SourceFile, after: string): void {
    const same =
      isDeepStrictEqual(commentsOf(before.text), commentsOf(after)) &&
      isDeepStrictEqual(this.meaning(before), this.meaning({ name: before.name, text: after }));
    if (!same)
      throw new ConfigError('is left as it is: the formatter would change a policy or lose a comment', before.name);
  }

  private meaning(file: SourceFile): unknown[] {
    return splitStatements(file).map(({ text }) => this.cedar.parsePolicy(text).value);
  }
}

function refused(complaints: readonly Complaint[], place: (offset: number) => string): ConfigError {
  const [{ message, help, offset = 0 } = { message: 'could not be formatted' }] = complaints;
  return new ConfigError(help === undefined ? message : `${message} (${help})`, place(offset));
}

/** What stands before a policy, or after the last: comments as they are, with one blank line at most between two. */
function gap(text: string, first: boolean): string {
  const [behind = '', ...below] = text.split(/\r\n?|\n/).map((line) => line.trim());
  const lines = first ? [behind, ...below] : below;
  // The policy itself begins on the last.
  if (lines.at(-1) === '') lines.pop();
  const evened = lines.filter((line, i) => line !== '' || (i > 0 ? lines[i - 1] !== '' : !first));
  const written = evened.map((line) => `${line}\n`).join('');
  if (first) return written;
  return `${behind === '' ? '' : ` ${behind}`}\n${written === '' ? '\n' : written}`;
}

function commentsOf(text: string): string[] {
  return [...text.matchAll(COMMENTS)].map(([match]) => match.trim()).filter((match) => match.startsWith('//'));
}
