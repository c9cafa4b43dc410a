/**
 * Whether a value is of the type that a caveat's parameter declares, as SpiceDB reads it. What SpiceDB refuses it refuses
 * without a place and like an outage, so what is to be stored is looked at before. Numbers are read exactly: SpiceDB would
 * cut what is beyond 64 bits.
 */

/** The type of a parameter: `ipaddress`, `list<ipaddress>`. */
export interface CaveatType {
  readonly name: string;
  readonly generics: readonly CaveatType[];
}

export interface CaveatParameter {
  readonly name: string;
  readonly type: CaveatType;
}

const WHOLE_NUMBER = /^[+-]?\d{1,19}$/;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const DURATION = /^[+-]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/;
const TIMESTAMP = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})$/;
const MAX_INT64 = 2n ** 63n - 1n;

/** @returns the place and what must be there, as `limits[0] must be a whole number`; undefined where the value is of the type */
export function findCaveatTypeProblem(type: CaveatType, value: unknown, path: string): string | undefined {
  const element = type.generics[0];
  switch (type.name) {
    case 'list':
      if (!Array.isArray(value)) return `${path} must be a list`;
      return element === undefined
        ? undefined
        : findFirst(value.map((item, i) => () => findCaveatTypeProblem(element, item, `${path}[${i}]`)));
    case 'map':
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return `${path} must be an object`;
      return element === undefined
        ? undefined
        : findFirst(
            Object.entries(value).map(
              ([name, item]) =>
                () =>
                  findCaveatTypeProblem(element, item, `${path}.${name}`),
            ),
          );
    default: {
      const kind = SIMPLE_TYPES.get(type.name);
      return kind === undefined || kind.holds(value) ? undefined : `${path} must be ${kind.form}`;
    }
  }
}

interface SimpleType {
  readonly form: string;
  readonly holds: (value: unknown) => boolean;
}

/** `any` is not among them: anything is of it. The spelling of addresses is read elsewhere. */
const SIMPLE_TYPES: ReadonlyMap<string, SimpleType> = new Map([
  ['ipaddress', { form: 'an IP address such as "10.0.0.1"', holds: (value) => typeof value === 'string' }],
  ['bool', { form: 'true or false', holds: (value) => typeof value === 'boolean' }],
  ['string', { form: 'a text', holds: (value) => typeof value === 'string' }],
  ['int', { form: 'a whole number of at most 64 bits', holds: (value) => isWholeNumber(value, -MAX_INT64) }],
  ['uint', { form: 'a whole number of at most 63 bits, and not negative', holds: (value) => isWholeNumber(value, 0n) }],
  [
    'double',
    {
      form: 'a number',
      holds: (value) =>
        typeof value === 'number' ||
        (typeof value === 'string' && NUMBER.test(value) && Number.isFinite(Number(value))),
    },
  ],
  ['bytes', { form: 'bytes in base64', holds: (value) => typeof value === 'string' && BASE64.test(value) }],
  [
    'duration',
    {
      form: 'a duration such as "90s" or "1h30m"',
      holds: (value) => typeof value === 'string' && DURATION.test(value),
    },
  ],
  [
    'timestamp',
    {
      form: 'an RFC 3339 instant such as "2030-01-01T00:00:00Z"',
      holds: (value) => typeof value === 'string' && TIMESTAMP.test(value) && !Number.isNaN(Date.parse(value)),
    },
  ],
]);

function isWholeNumber(value: unknown, least: bigint): boolean {
  if (typeof value === 'number') return Number.isSafeInteger(value) && BigInt(value) >= least;
  if (typeof value !== 'string' || !WHOLE_NUMBER.test(value)) return false;
  const number = BigInt(value.replace(/^\+/, ''));
  return number >= least && number <= MAX_INT64;
}

function findFirst(finders: readonly (() => string | undefined)[]): string | undefined {
  for (const find of finders) {
    const problem = find();
    if (problem !== undefined) return problem;
  }
  return undefined;
}
