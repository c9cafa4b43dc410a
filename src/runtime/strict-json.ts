/**
 * Strict JSON: the one reader of JSON text. `JSON.parse` keeps the last of two equal keys, rounds numbers and accepts any
 * depth, lone surrogates and NUL. These make two readers of one text disagree, or crash an engine, so they are rejected here.
 */
import { visit, type JSONVisitor, type ParseErrorCode } from 'jsonc-parser';
import { findInexactNumber, isKeptExactly } from './exact-number.js';
import { measureJson, type JsonExtent } from './json-extent.js';

export const MAX_JSON_DEPTH = 32;
/** A record or an answer holds a request or a token's claims of {@link MAX_JSON_DEPTH} levels within its own. */
export const MAX_RECORD_DEPTH = 2 * MAX_JSON_DEPTH;

/** A text is not strict JSON. The message is a predicate about the value at `path`. */
export class StrictJsonError extends Error {
  override readonly name = 'StrictJsonError';
  constructor(
    message: string,
    /** The place as a JSON path such as `subject.properties`; empty at the top. */
    readonly path: string,
  ) {
    super(message);
  }
}

/** The problem of a number whose double is another number, as a predicate about it. */
export const INEXACT_NUMBER =
  'is a number that reading would change: write it as a text, in quotes, or as a whole number within ±(2^53 − 1), which a Long is';

/** Member names with a meaning of their own in JavaScript. */
const FORBIDDEN_MEMBERS = new Set(['__proto__']);

/** The most that a text may have of what takes time to parse; see {@link measureJson}. */
export interface JsonLimits {
  readonly structures: number;
  readonly values: number;
  /** Told what a text within these limits has, before it is parsed. What it throws ends the parsing. */
  readonly onMeasured?: (extent: JsonExtent) => void;
  /** Told that a text that isn't strict is read again for the place, which takes many times as long for each character. */
  readonly onReadAgain?: (length: number) => void;
}

/** The longest text that is read again for the place of what is wrong, in characters. */
const MAX_LOCATED_LENGTH = 64 * 1024;

/**
 * Parses one JSON value.
 * @param limits for texts of others; without any by default
 * @throws StrictJsonError where the text is malformed, has more than `limits`, or has duplicate keys, numbers that a double
 * doesn't keep, lone surrogates, NUL, `__proto__` or more than `maxDepth` levels
 */
export function parseStrictJson(text: string, maxDepth = MAX_JSON_DEPTH, limits?: JsonLimits): unknown {
  const extent = measureJson(text);
  const { depth, structures, values, strings } = extent;
  if (limits !== undefined && (structures > limits.structures || values > limits.values))
    throw new StrictJsonError(
      `has more than ${limits.structures} arrays, objects and members, or more than ${limits.values} values`,
      '',
    );
  limits?.onMeasured?.(extent);
  const locate = (): void => {
    if (text.length > MAX_LOCATED_LENGTH) return;
    limits?.onReadAgain?.(text.length);
    visit(text, new StrictJsonVisitor(text, maxDepth), { disallowComments: true });
  };
  // Before JSON.parse, which takes long for a deep text: the visitor stops at the first level too many.
  if (depth > maxDepth) {
    locate();
    throw new StrictJsonError(`is nested more than ${maxDepth} levels deep`, '');
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new StrictJsonError('is not well-formed JSON', '');
  }
  const problem = findLooseness(text, value, strings);
  if (problem === undefined) return value;
  // The visitor says the place, and which is the first.
  locate();
  throw problem;
}

/**
 * Finds what JSON.parse has let through, in one pass over the text or its value. The value has as many strings as the
 * text unless a duplicate key was dropped.
 */
function findLooseness(text: string, value: unknown, strings: number): StrictJsonError | undefined {
  // Only `\u` can write what must not be there in other characters.
  const mayHaveOddTexts = text.includes('\\u') || text.includes('__proto__') || !text.isWellFormed();
  const counted = countStrings(value, mayHaveOddTexts);
  if (typeof counted === 'string') return new StrictJsonError(counted, '');
  if (counted !== strings) return new StrictJsonError('has a member that is given twice', '');
  const offset = findInexactNumber(text);
  if (offset === undefined) return undefined;
  return new StrictJsonError(`has, at character ${offset + 1}, a number that reading would change`, '');
}

/** Counts the strings in a value, its keys included; or says what is wrong with one, where they are checked, too. */
function countStrings(value: unknown, isChecked: boolean): number | string {
  if (typeof value === 'string') return (isChecked ? findTextProblem(value) : undefined) ?? 1;
  if (typeof value !== 'object' || value === null) return 0;
  const keys = Array.isArray(value) ? [] : Object.keys(value);
  const problem = isChecked ? keys.map(findKeyProblem).find((text) => text !== undefined) : undefined;
  if (problem !== undefined) return problem;
  let sum = keys.length;
  for (const member of Object.values(value) as unknown[]) {
    const counted = countStrings(member, isChecked);
    if (typeof counted === 'string') return counted;
    sum += counted;
  }
  return sum;
}

function findKeyProblem(key: string): string | undefined {
  return FORBIDDEN_MEMBERS.has(key) ? 'has a member whose name is not acceptable' : findTextProblem(key);
}

class StrictJsonVisitor implements JSONVisitor {
  private readonly keysByLevel: Set<string>[] = [];
  private depth = 0;

  constructor(
    private readonly text: string,
    private readonly maxDepth: number,
  ) {}

  onObjectBegin = (_o: number, _l: number, _sl: number, _sc: number, path: () => (string | number)[]): boolean => {
    this.enterLevel(path);
    this.keysByLevel.push(new Set());
    return true;
  };
  onObjectEnd = (): void => {
    this.depth -= 1;
    this.keysByLevel.pop();
  };
  onArrayBegin = (_o: number, _l: number, _sl: number, _sc: number, path: () => (string | number)[]): boolean => {
    this.enterLevel(path);
    return true;
  };
  onArrayEnd = (): void => {
    this.depth -= 1;
  };
  onObjectProperty = (
    property: string,
    _o: number,
    _l: number,
    _sl: number,
    _sc: number,
    path: () => (string | number)[],
  ): void => {
    const keys = this.keysByLevel.at(-1);
    const at = (): string => formatJsonPath([...path(), property.toWellFormed()]);
    if (keys?.has(property)) throw new StrictJsonError('is given twice', at());
    if (FORBIDDEN_MEMBERS.has(property)) throw new StrictJsonError('is not an acceptable member name', at());
    const problem = findTextProblem(property);
    if (problem !== undefined) throw new StrictJsonError(problem, at());
    keys?.add(property);
  };
  onLiteralValue = (
    value: unknown,
    offset: number,
    length: number,
    _sl: number,
    _sc: number,
    path: () => (string | number)[],
  ): void => {
    const problem =
      typeof value === 'string'
        ? findTextProblem(value)
        : typeof value === 'number' && !isKeptExactly(this.text.slice(offset, offset + length))
          ? INEXACT_NUMBER
          : undefined;
    if (problem !== undefined) throw new StrictJsonError(problem, formatJsonPath(path()));
  };
  onError = (_error: ParseErrorCode): void => {
    throw new StrictJsonError('is not well-formed JSON', '');
  };

  private enterLevel(path: () => (string | number)[]): void {
    this.depth += 1;
    if (this.depth > this.maxDepth) {
      throw new StrictJsonError(`is nested more than ${this.maxDepth} levels deep`, formatJsonPath(path().slice(0, 8)));
    }
  }
}

/** Finds a lone surrogate, which crashes Cedar's instance, or NUL, which PostgreSQL's jsonb can't store. */
function findTextProblem(text: string): string | undefined {
  if (!text.isWellFormed()) return 'must be well-formed Unicode';
  return text.includes('\u0000') ? 'must not contain NUL' : undefined;
}

/** Formats a path: `evaluations[3].subject.id`. */
export function formatJsonPath(path: readonly PropertyKey[]): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else text += text === '' ? String(part) : `.${String(part)}`;
  }
  return text;
}

/** Rephrases zod's message as a predicate about the value (`must be of type string, not number`). */
export function rephraseIssue({ message }: { readonly message: string }): string {
  if (message.endsWith('received undefined')) return 'is required';
  return (
    message
      .replace(/^Invalid input: expected (\w+), received (\w+)$/, 'must be of type $1, not $2')
      .replace('of type record', 'of type object')
      .replace(/^Too small: expected string to have >=1 characters$/, 'must not be empty')
      .replace(/^Too big: expected string to have <=(\d+) characters$/, 'must be at most $1 characters long')
      .replace(/^Invalid input: expected ("[^"]*")$/, 'must be $1')
      .replace(/^Invalid input$/, 'is of a wrong type')
      .replace(/^Too small: expected array to have >=(\d+) items?$/, 'must have at least $1 elements')
      .replace(/^Too big: expected array to have <=(\d+) items?$/, 'must have at most $1 elements')
      .replace(/^Too small: expected string to have >=(\d+) characters?$/, 'must be at least $1 characters long')
      .replace(/^Too small: expected \w+ to be >=(\S+)$/, 'must be at least $1')
      .replace(/^Too small: expected \w+ to be >(\S+)$/, 'must be more than $1')
      .replace(/^Too big: expected \w+ to be <=(\S+)$/, 'must be at most $1')
      .replace(/^Too big: expected \w+ to be <(\S+)$/, 'must be less than $1')
      .replace(
        /^Invalid option: expected one of (.*)$/,
        (_, options: string) => `must be one of ${options.replaceAll('|', ', ')}`,
      )
      .replace(/^Invalid URL$/, 'must be a URL')
      .replace(/^Invalid UUID$/, 'must be a UUID')
      .replace(/^Unrecognized keys?: (.*)$/, 'has members that are not known: $1')
      // Whatever else the library says of a value, people are told in our words.
      .replace(/^(Invalid|Too small|Too big|Unrecognized)\b[^]*$/, 'is not acceptable')
  );
}
