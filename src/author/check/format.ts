/**
 * Formatting by Cedar's own formatter, policy by policy: what stands between policies is their author's, and only its
 * blanks are evened. The formatter is believed only as far as it is checked: what comes out must be the same policies,
 * with the same annotations, and the same comments.
 */
import { isDeepStrictEqual } from 'node:util';
import { CedarEngine, type CedarDiagnostic } from '../../policy/cedar.js';
import { ConfigError } from '../../model/faults.js';
import { tokenizeCedar } from '../../policy/lexer.js';
import { splitPolicies, locateByte } from '../../policy/policy-text.js';
import type { SourceFile } from '../../diagnostics/source.js';

/** Of a line, which the formatter keeps to where it can. */
const LINE_WIDTH = 120;
/** How often a policy is formatted at most, until it stays as it is. */
const MAX_ROUNDS = 4;

export class Formatter {
  private readonly cedar = new CedarEngine();

  /** @throws ConfigError where the file can't be read, or can't be formatted without losing something */
  format(file: SourceFile): string {
    let out = '';
    let from = 0;
    for (const statement of splitPolicies(file)) {
      out += formatGap(file.text.slice(from, statement.index), out === '');
      out += this.formatPolicy(statement.text, (offset) => {
        const { line, column } = locateByte(statement, offset);
        return `${file.name}:${line}:${column}`;
      });
      from = statement.index + statement.text.length;
    }
    out = `${out}${formatGap(file.text.slice(from), out === '')}`.trimEnd();
    const formatted = out === '' ? '' : `${out}\n`;
    this.assertSameMeaning(file, formatted);
    return formatted;
  }

  private formatPolicy(text: string, place: (offset: number) => string): string {
    let before = text;
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const { value, diagnostics } = this.cedar.format(before, LINE_WIDTH);
      if (value === undefined) throw formatError(diagnostics, place);
      const after = value.trim();
      if (after === before) return after;
      before = after;
    }
    throw new ConfigError('is left as it is: the formatter comes to no end with it', place(0));
  }

  /** @throws ConfigError where anything but blanks differs */
  private assertSameMeaning(before: SourceFile, after: string): void {
    const same =
      isDeepStrictEqual(extractComments(before.text), extractComments(after)) &&
      isDeepStrictEqual(this.parsePolicies(before), this.parsePolicies({ name: before.name, text: after }));
    if (!same)
      throw new ConfigError('is left as it is: the formatter would change a policy or lose a comment', before.name);
  }

  private parsePolicies(file: SourceFile): unknown[] {
    return splitPolicies(file).map(({ text }) => this.cedar.parsePolicy(text).value);
  }
}

function formatError(diagnostics: readonly CedarDiagnostic[], place: (offset: number) => string): ConfigError {
  const [{ message, help, offset = 0 } = { message: 'could not be formatted' }] = diagnostics;
  return new ConfigError(help === undefined ? message : `${message} (${help})`, place(offset));
}

/** What stands before a policy, or after the last: comments as they are, with one blank line at most between two. */
function formatGap(text: string, first: boolean): string {
  const [sameLine = '', ...followingLines] = text.split(/\r\n?|\n/).map((line) => extractComments(line)[0] ?? '');
  const lines = first ? [sameLine, ...followingLines] : followingLines;
  // The policy itself begins on the last.
  if (lines.at(-1) === '') lines.pop();
  const evened = lines.filter((line, i) => line !== '' || (i > 0 ? lines[i - 1] !== '' : !first));
  const written = evened.map((line) => `${line}\n`).join('');
  if (first) return written;
  return `${sameLine === '' ? '' : ` ${sameLine}`}\n${written === '' ? '\n' : written}`;
}

function extractComments(text: string): string[] {
  return tokenizeCedar(text)
    .filter(({ kind }) => kind === 'comment')
    .map((comment) => comment.text.trim());
}
