/** Options that several commands have, and the parsers of their values. */
import { NoteRefused, parseNoteKey, type NoteKey } from '../../audit/signed-note.js';
import { parseInstant } from '../../model/instants.js';
import { parseStrictJson, StrictJsonError } from '../../runtime/strict-json.js';
import type { OptionDeclaration } from './parse-arguments.js';
import { UsageError } from './usage-error.js';

export const CONFIG_OPTION = {
  value: 'FILE',
  description: "the configuration (default: REMIT_CONFIG, or the sample's)",
} as const satisfies OptionDeclaration;

export const CLIENT_KEY_OPTION = {
  value: 'KEY',
  description: "the client's key (default: REMIT_KEY, or the development key)",
} as const satisfies OptionDeclaration;

export const ADMIN_KEY_OPTION = {
  value: 'KEY',
  description: "an admin client's key (default: REMIT_KEY, or the development key)",
} as const satisfies OptionDeclaration;

/** The key of commands that read records with their values. */
export const VALUES_KEY_OPTION = {
  value: 'KEY',
  description: 'the key of an admin client that may read_values (default: REMIT_KEY, or the development key)',
} as const satisfies OptionDeclaration;

/** The changes that `--fail-on` names: one that allows more, or any. */
export type FailOn = 'widening' | 'change';

/** @throws UsageError */
export function parseFailOnOption(text: string, option: string): FailOn {
  if (text === 'widening' || text === 'change') return text;
  throw new UsageError(`${option} must be "widening" or "change"`);
}

/** A whole number within the bounds, in digits. @throws UsageError from the parser */
export function wholeNumber(minimum: number, maximum: number): (text: string, option: string) => number {
  return (text, option) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
    if (value >= minimum && value <= maximum) return value;
    throw new UsageError(`${option} must be a whole number from ${minimum} to ${maximum}`);
  };
}

/** An instant as RFC 3339 writes it. @throws UsageError */
export function parseInstantOption(text: string, option: string): string {
  if (parseInstant(text) !== undefined) return text;
  throw new UsageError(`${option} must be a time such as 2030-03-04T02:00:00Z, to the millisecond at most`);
}

const SECONDS = { s: 1, m: 60, h: 3600 } as const;

/** The seconds of a duration such as `90s`, `5m`, `1h`. @throws UsageError */
export function parseDurationOption(text: string, option: string): number {
  const match = /^(\d{1,6})([smh])$/.exec(text);
  const seconds = match === null ? 0 : Number(match[1]) * SECONDS[match[2] as keyof typeof SECONDS];
  if (seconds >= 1 && seconds <= 24 * SECONDS.h) return seconds;
  throw new UsageError(`${option} must be a duration up to 24h, such as 90s, 5m or 1h`);
}

/** @throws UsageError */
export function parseJsonOption(text: string, option: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseStrictJson(text);
  } catch (error) {
    if (!(error instanceof StrictJsonError) || error.path === '')
      throw new UsageError(`${option} must be a JSON object`);
    throw new UsageError(`${option}: ${error.path} ${error.message}`);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new UsageError(`${option} must be a JSON object`);
}

/** The public key of the audit log, as the service shows it. @throws UsageError */
export function parseLogKeyOption(text: string, option: string): NoteKey {
  try {
    return parseNoteKey(text);
  } catch (error) {
    if (error instanceof NoteRefused) throw new UsageError(`${option}: ${error.message}`);
    throw error;
  }
}

/** `user:ann`: the type ends at the first colon. @throws UsageError */
export function parseEntityOption(text: string, option: string): { type: string; id: string } {
  const colon = text.indexOf(':');
  if (colon < 1 || colon === text.length - 1) throw new UsageError(`${option} "${text}" must be TYPE:ID`);
  return { type: text.slice(0, colon), id: text.slice(colon + 1) };
}

/** A token given as an argument or, for `-`, on standard input: a command line is seen by other processes. */
export async function readTokenOrStdin(text: string): Promise<string> {
  if (text !== '-') return text;
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks).toString('utf8').trim();
}
