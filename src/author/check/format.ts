/**
 * `remit fmt`: formats Cedar files by Cedar's own formatter, one policy at a time, so that comments between policies stay
 * where they are. The result is compared with the original: it must be the same policies, with the same annotations and
 * the same comments.
 */
import { isDeepStrictEqual } from 'node:util';
import { CedarEngine, type CedarDiagnostic } from '../../policy/cedar.js';
import { ConfigError } from '../../model/faults.js';
import { tokenizeCedar } from '../../policy/lexer.js';
import { splitPolicies, locateByte } from '../../policy/policy-text.js';
import type { SourceFile } from '../../diagnostics/source.js';

/** The longest line that the formatter makes, where it can. */
const LINE_WIDTH = 120;
/** Rounds of formatting one policy until the formatter no longer changes it. */
const MAX_ROUNDS = 4;

export class Formatter {
  private readonly cedar = new CedarEngine();

  /**
   * @returns the whole file's new text
   * @throws ConfigError where the file can't be parsed, or formatting would change a policy or lose a comment
   */
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
    throw new ConfigError('the policy is left as it is: the formatter changes it again in every round', place(0));
  }

  /** @throws ConfigError where more than white space differs */
  private assertSameMeaning(before: SourceFile, after: string): void {
    const same =
      isDeepStrictEqual(extractComments(before.text), extractComments(after)) &&
      isDeepStrictEqual(this.parsePolicies(before), this.parsePolicies({ name: before.name, text: after }));
    if (!same)
      throw new ConfigError(
        'the file is left as it is: the formatter would change a policy or lose a comment',
        before.name,
      );
  }

  private parsePolicies(file: SourceFile): unknown[] {
    return splitPolicies(file).map(({ text }) => this.cedar.parsePolicy(text).value);
  }
}

function formatError(complaints: readonly CedarDiagnostic[], place: (offset: number) => string): ConfigError {
  const [{ message, help, offset = 0 } = { message: 'the policy could not be formatted' }] = complaints;
  return new ConfigError(help === undefined ? message : `${message} (${help})`, place(offset));
}

/**
 * Formats what stands before a policy or after the last: comments stay as they are, and at most one blank line stays
 * between two of them.
 */
function formatGap(text: string, first: boolean): string {
  const [sameLine = '', ...followingLines] = text.split(/\r\n?|\n/).map((line) => extractComments(line)[0] ?? '');
  const lines = first ? [sameLine, ...followingLines] : followingLines;
  // The policy itself begins on the last line.
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
