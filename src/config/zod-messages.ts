/** What a schema's library says of a value that doesn't fit: in our words, and with the word that was probably meant. */
import type { z } from 'zod';
import { rephraseIssue } from '../runtime/strict-json.js';
import { suggestNearest } from '../diagnostics/suggest.js';

type IssuePath = readonly PropertyKey[];

export interface SchemaProblem {
  readonly path: IssuePath;
  /** It is the key that is the matter. */
  readonly isKey: boolean;
  readonly message: string;
  readonly suggestion?: string | undefined;
}

/** Unknown keys first: one that is misspelt says more than that the right one is missing. */
export function describeSchemaIssues(
  issues: readonly z.core.$ZodIssue[],
  value: unknown,
  schema: z.ZodType,
): SchemaProblem[] {
  const problems = issues.flatMap((issue) => describeSchemaIssue(issue, [], value, schema));
  return [
    ...problems.filter(({ message }) => message === UNKNOWN_KEY),
    ...problems.filter(({ message }) => message !== UNKNOWN_KEY),
  ];
}

const UNKNOWN_KEY = 'unknown key';

function describeSchemaIssue(
  issue: z.core.$ZodIssue,
  above: IssuePath,
  value: unknown,
  schema: z.ZodType,
): SchemaProblem[] {
  const path = [...above, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    const names = listKnownKeys(schema, path);
    return issue.keys.map((key) => ({
      path: [...path, key],
      isKey: true,
      message: UNKNOWN_KEY,
      suggestion: suggestNearest(key, names),
    }));
  }
  if (issue.code === 'invalid_union') return describeUnionIssue(issue, path, value, schema);
  if (issue.code === 'invalid_value' && /^Invalid (input|option)/.test(issue.message)) {
    const text = findValue(value, path);
    const words = issue.values.map(String);
    const list = words.length < 8 ? `: ${words.join(', ')}` : '';
    const suggestion = typeof text === 'string' ? suggestNearest(text, words) : undefined;
    // What was given is not repeated: in a configuration it may be a secret in the wrong place.
    return [{ path, isKey: false, message: `is not one of those there are${list}`, suggestion }];
  }
  if (issue.code === 'invalid_key') {
    const [first] = issue.issues;
    return [{ path, isKey: true, message: `the name ${first === undefined ? 'is none' : rephraseIssue(first)}` }];
  }
  return [{ path, isKey: false, message: rephraseIssue(issue) }];
}

/** That alternative was meant which the value fits furthest. */
function describeUnionIssue(
  issue: z.core.$ZodIssueInvalidUnion,
  path: IssuePath,
  value: unknown,
  schema: z.ZodType,
): SchemaProblem[] {
  const [best] = issue.errors
    .filter((issues) => !issues.some((i) => i.path.length === 0 && i.code === 'invalid_type'))
    .sort((a, b) => issueDepth(b) - issueDepth(a));
  if (best !== undefined) return best.flatMap((inner) => describeSchemaIssue(inner, path, value, schema));
  const kinds = issue.errors.flatMap((issues) =>
    issues.flatMap((i) => (i.code === 'invalid_type' ? [i.expected] : [])),
  );
  const message = kinds.length === 0 ? rephraseIssue(issue) : `must be of type ${[...new Set(kinds)].join(' or ')}`;
  return [{ path, isKey: false, message }];
}

function issueDepth(issues: readonly z.core.$ZodIssue[]): number {
  return Math.max(0, ...issues.map((i) => i.path.length));
}

function findValue(value: unknown, path: IssuePath): unknown {
  return path.reduce<unknown>((at, part) => (at as Record<PropertyKey, unknown> | undefined)?.[part], value);
}

/** The keys of all objects that the schema allows at the path. */
function listKnownKeys(schema: z.ZodType, path: IssuePath): string[] {
  let types: z.core.$ZodType[] = listUnionMembers(schema);
  for (const part of path) {
    types = types.flatMap((type) => {
      const { def } = type._zod;
      const object = def as {
        shape?: Record<string, z.core.$ZodType>;
        element?: z.core.$ZodType;
        valueType?: z.core.$ZodType;
      };
      const next = object.shape?.[String(part)] ?? object.element ?? object.valueType;
      return next === undefined ? [] : listUnionMembers(next);
    });
  }
  return types.flatMap((type) => {
    const { shape, keyType } = type._zod.def as { shape?: object; keyType?: z.core.$ZodType };
    return [...Object.keys(shape ?? {}), ...(keyType?._zod.values ?? [])].map(String);
  });
}

function listUnionMembers(type: z.core.$ZodType): z.core.$ZodType[] {
  const { innerType, options } = type._zod.def as { innerType?: z.core.$ZodType; options?: z.core.$ZodType[] };
  if (innerType !== undefined) return listUnionMembers(innerType);
  return options === undefined ? [type] : options.flatMap(listUnionMembers);
}
