/**
 * Reads JSON of others. `JSON.parse` keeps the last of two equal keys, so a proxy and this client could read two decisions
 * from one text: such a text is refused, and so is one that is nested deeper than any answer.
 */
const MAX_DEPTH = 64;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const SCALAR = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const SPACE = /[ \t\r\n]*/y;

export class JsonProblem extends Error {
  override readonly name = 'JsonProblem';
}

/** @throws JsonProblem where the text isn't JSON, has duplicate keys or `__proto__`, or is nested too deeply */
export function parseJson(text: string): unknown {
  scan(text, () => undefined);
  return JSON.parse(text) as unknown;
}

/**
 * The same for a text that is written again: a number that reading and writing would change is refused.
 * @throws JsonProblem
 */
export function parseExactJson(text: string): unknown {
  scan(text, (token) => {
    if (token.length > 15 && /^-?\d+$/.test(token) && JSON.stringify(Number(token)) !== token)
      throw new JsonProblem('has a number that reading would change');
  });
  return JSON.parse(text) as unknown;
}

interface Level {
  /** The keys of an object; undefined in an array. */
  readonly keys: Set<string> | undefined;
  isEmpty: boolean;
}

/** Walks over the text without recursion, so that no depth of it overflows the stack. */
function scan(text: string, onScalar: (token: string) => void): void {
  const levels: Level[] = [];
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const [token] = pattern.exec(text) ?? [];
    if (token !== undefined) at += token.length;
    return token;
  };
  const skip = (): void => {
    take(SPACE);
  };
  /** Takes a string character by character: a pattern for all of it would need a stack as long as the string. */
  const takeString = (): string | undefined => {
    const start = at;
    if (text[at] !== '"') return undefined;
    at += 1;
    for (;;) {
      const code = text.charCodeAt(at);
      if (!(code >= 0x20)) return undefined;
      if (code === 0x5c) {
        if (take(ESCAPE) === undefined) return undefined;
        continue;
      }
      at += 1;
      if (code === 0x22) return text.slice(start, at);
    }
  };
  const readKey = (keys: Set<string>): void => {
    const token = takeString();
    if (token === undefined) throw new JsonProblem('is not JSON');
    const key = JSON.parse(token) as string;
    if (keys.has(key)) throw new JsonProblem('has a member that is given twice');
    if (key === '__proto__') throw new JsonProblem('has a member whose name is not acceptable');
    keys.add(key);
    skip();
    if (text[at] !== ':') throw new JsonProblem('is not JSON');
    at += 1;
    skip();
  };
  skip();
  for (;;) {
    // A value begins here.
    const opening = text[at];
    if (opening === '{' || opening === '[') {
      if (levels.length === MAX_DEPTH) throw new JsonProblem('is nested too deeply');
      levels.push({ keys: opening === '{' ? new Set() : undefined, isEmpty: true });
      at += 1;
    } else {
      const token = opening === '"' ? takeString() : take(SCALAR);
      if (token === undefined) throw new JsonProblem('is not JSON');
      onScalar(token);
    }
    // Ends what ends here, and goes on to the next value.
    for (;;) {
      skip();
      const level = levels.at(-1);
      if (level === undefined) {
        if (at !== text.length) throw new JsonProblem('is not JSON');
        return;
      }
      if (text[at] === (level.keys === undefined ? ']' : '}')) {
        at += 1;
        levels.pop();
        continue;
      }
      if (!level.isEmpty) {
        if (text[at] !== ',') throw new JsonProblem('is not JSON');
        at += 1;
        skip();
      }
      level.isEmpty = false;
      if (level.keys !== undefined) readKey(level.keys);
      break;
    }
  }
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
