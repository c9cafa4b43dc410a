/**
 * Checks a client's options where it is made: one that is misspelled would be passed over in silence, such as the deadline of
 * `timeoutMS`, and one of another type would be met in the middle of a question.
 */
import { RemitSetupError } from './errors.js';
import { isRecord } from './strict-json.js';

const isFunction = (value: unknown): boolean => typeof value === 'function';
const isTime = (value: unknown): boolean => typeof value === 'number' && value > 0 && value <= 2 ** 31 - 1;
const isAny = (): boolean => true;

/** The checks of the options. Those that take anything here are read by the parts that they are for. */
const OPTIONS: ReadonlyMap<string, readonly [check: (value: unknown) => boolean, problem: string]> = new Map([
  ['url', [isAny, '']],
  ['key', [(value) => typeof value === 'string', 'must be a text']],
  ['credential', [isAny, '']],
  ['timeoutMs', [isTime, 'must be a number of milliseconds']],
  ['obligations', [isAny, '']],
  ['discovery', [(value) => typeof value === 'boolean', 'must be true or false']],
  ['cache', [isRecord, 'must be an object with a maxAgeMs']],
  ['onEvent', [isFunction, 'must be a function']],
  ['fetch', [isFunction, 'must be a function']],
]);

/** @throws RemitSetupError that names the option, and shows nothing of its value */
export function requireClientOptions(options: unknown): void {
  const problem = (detail: string): RemitSetupError => new RemitSetupError('options', { detail });
  if (!isRecord(options)) throw problem('a client has options');
  for (const [name, value] of Object.entries(options)) {
    const [check, text] = OPTIONS.get(name) ?? [];
    if (check === undefined) throw problem(`there is no option ${name.replace(/[^\w-]/g, '?').slice(0, 64)}`);
    if (value !== undefined && !check(value)) throw problem(`${name} ${text}`);
  }
}
