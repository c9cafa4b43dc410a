/** What a command is, and how its options are read. */
import { parseArgs, type ParseArgsConfig } from 'node:util';

export interface Command {
  readonly help: string;
  /** @returns the exit code: 0 fine, 1 a finding or a deny. @throws Usage, ConfigError for 2 */
  readonly run: (args: readonly string[]) => Promise<number>;
}

/** The command line can't be understood. */
export class UsageError extends Error {
  override readonly name = 'Usage';
}

type OptionsConfig = NonNullable<ParseArgsConfig['options']>;
type OptionValues<O extends OptionsConfig> = ReturnType<
  typeof parseArgs<{ options: O; allowPositionals: true; strict: true }>
>;

/** @throws Usage for an unknown option or a missing value */
export function readOptions<O extends OptionsConfig>(args: readonly string[], options: O): OptionValues<O> {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError((error as Error).message.split('. To specify')[0] ?? 'the options are not understood');
  }
}

/** What fails a comparison. @throws Usage */
export function parseFailOn(text: string | undefined): 'widening' | 'change' | undefined {
  if (text === undefined || text === 'widening' || text === 'change') return text;
  throw new UsageError('--fail-on must be "widening" or "change"');
}

/** Seconds of a duration such as `90s`, `5m`, `1h`. @throws Usage */
export function parseDurationSeconds(text: string, option: string): number {
  const match = /^(\d{1,6})(s|m|h)$/.exec(text);
  const value = match === null ? 0 : Number(match[1]) * ({ s: 1, m: 60, h: 3600 }[match[2] ?? 's'] ?? 1);
  if (value < 1 || value > 24 * 3600)
    throw new UsageError(`${option} must be a duration up to 24h, such as 90s, 5m or 1h`);
  return value;
}

/** A JSON object given as an option. @throws Usage */
export function parseJsonObject(text: string, option: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw new UsageError(`${option} must be a JSON object`);
}

/** The one token that a command is about; "-" reads it from standard input. @throws Usage */
export async function readTokenArgument(positionals: readonly string[], command: string): Promise<string> {
  const [text, extra] = positionals;
  if (text === undefined || extra !== undefined)
    throw new UsageError(`remit token ${command} takes one token; see remit token --help`);
  return readTokenOrStdin(text);
}

/** A token as it is given on the command line, or, for "-", what standard input says. */
export async function readTokenOrStdin(text: string): Promise<string> {
  if (text !== '-') return text;
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks).toString('utf8').trim();
}

/** What tokens and callers say must neither reach the terminal as commands nor reorder what is read there. */
export function escapeForTerminal(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (char) => `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  );
}
