/** What a schema's library says of a value that doesn't fit: in our words, and with the word that was probably meant. */
import type { z } from 'zod';
import { issueText } from '../runtime/strict-json.js';
import { meant } from '../diagnostics/diagnostics.js';

type Path = readonly PropertyKey[];

export interface Told {
  readonly path: Path;
  /** It is the key that is the matter. */
  readonly key: boolean;
  readonly message: string;
  readonly suggestion?: string | undefined;
}

/** Unknown keys first: one that is misspelt says more than that the right one is missing. */
export function toldOf(issues: readonly z.core.$ZodIssue[], value: unknown, schema: z.ZodType): Told[] {
  const all = issues.flatMap((issue) => told(issue, [], value, schema));
  return [...all.filter(({ message }) => message === UNKNOWN), ...all.filter(({ message }) => message !== UNKNOWN)];
}

const UNKNOWN = 'unknown key';

function told(issue: z.core.$ZodIssue, above: Path, value: unknown, schema: z.ZodType): Told[] {
  const path = [...above, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, path);
    return issue.keys.map((key) => ({
      path: [...path, key],
      key: true,
      message: UNKNOWN,
      suggestion: meant(key, known),
    }));
  }
  if (issue.code === 'invalid_union') return alternative(issue, path, value, schema);
  if (issue.code === 'invalid_value' && /^Invalid (input|option)/.test(issue.message)) {
    const given = valueAt(value, path);
    const words = issue.values.map(String);
    const list = words.length < 8 ? `: ${words.join(', ')}` : '';
    const suggestion = typeof given === 'string' ? meant(given, words) : undefined;
    // What was given is not repeated: in a configuration it may be a secret in the wrong place.
    return [{ path, key: false, message: `is not one of those there are${list}`, suggestion }];
  }
  if (issue.code === 'invalid_key') {
    const [first] = issue.issues;
    return [{ path, key: true, message: `the name ${first === undefined ? 'is none' : issueText(first)}` }];
  }
  return [{ path, key: false, message: issueText(issue) }];
}

/** That alternative was meant which the value fits furthest. */
function alternative(issue: z.core.$ZodIssueInvalidUnion, path: Path, value: unknown, schema: z.ZodType): Told[] {
  const [best] = issue.errors
    .filter((issues) => !issues.some((i) => i.path.length === 0 && i.code === 'invalid_type'))
    .sort((a, b) => depth(b) - depth(a));
  if (best !== undefined) return best.flatMap((inner) => told(inner, path, value, schema));
  const kinds = issue.errors.flatMap((issues) =>
    issues.flatMap((i) => (i.code === 'invalid_type' ? [i.expected] : [])),
  );
  const message = kinds.length === 0 ? issueText(issue) : `must be of type ${[...new Set(kinds)].join(' or ')}`;
  return [{ path, key: false, message }];
}

function depth(issues: readonly z.core.$ZodIssue[]): number {
  return Math.max(0, ...issues.map((i) => i.path.length));
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((at, part) => (at as Record<PropertyKey, unknown> | undefined)?.[part], value);
}

/** The keys of all objects that the schema allows at the path. */
function knownKeys(schema: z.ZodType, path: Path): string[] {
  let open: z.core.$ZodType[] = alternatives(schema);
  for (const part of path) {
    open = open.flatMap((type) => {
      const { def } = type._zod;
      const object = def as {
        shape?: Record<string, z.core.$ZodType>;
        element?: z.core.$ZodType;
        valueType?: z.core.$ZodType;
      };
      const next = object.shape?.[String(part)] ?? object.element ?? object.valueType;
      return next === undefined ? [] : alternatives(next);
    });
  }
  return open.flatMap((type) => {
    const { shape, keyType } = type._zod.def as { shape?: object; keyType?: z.core.$ZodType };
    return [...Object.keys(shape ?? {}), ...(keyType?._zod.values ?? [])].map(String);
  });
}

function alternatives(type: z.core.$ZodType): z.core.$ZodType[] {
  const { innerType, options } = type._zod.def as { innerType?: z.core.$ZodType; options?: z.core.$ZodType[] };
  if (innerType !== undefined) return alternatives(innerType);
  return options === undefined ? [type] : options.flatMap(alternatives);
}
