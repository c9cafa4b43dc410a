/** Rephrases zod's issues for the operator, with suggestions for misspelt words. `yaml.ts` calls it. */
import type { z } from 'zod';
import { rephraseIssue } from '../runtime/strict-json.js';
import { listKnownKeys } from './schema-types.js';
import { suggestNearest } from '../diagnostics/suggest.js';

type IssuePath = readonly PropertyKey[];

export interface SchemaProblem {
  readonly path: IssuePath;
  /** The problem is the key, not its value. */
  readonly isKey: boolean;
  readonly message: string;
  readonly suggestion?: string | undefined;
}

/** Describes all issues, unknown keys first: a misspelt key explains why the right one is missing. */
export function describeSchemaIssues(
  issues: readonly z.core.$ZodIssue[],
  value: unknown,
  schema: z.ZodType,
): SchemaProblem[] {
  const problems = issues.flatMap((issue) => describeSchemaIssue(issue, [], value, schema));
  return [
    ...problems.filter(({ message }) => message.startsWith(UNKNOWN_KEY)),
    ...problems.filter(({ message }) => !message.startsWith(UNKNOWN_KEY)),
  ];
}

const UNKNOWN_KEY = 'unknown key';
/** Longer lists are in the documentation. */
const MAX_LISTED_WORDS = 24;

/** The words after a colon; nothing where there are none, or too many to read. */
function listWords(words: readonly string[], label = ''): string {
  return words.length === 0 || words.length > MAX_LISTED_WORDS ? '' : `${label}: ${words.join(', ')}`;
}

function describeSchemaIssue(
  issue: z.core.$ZodIssue,
  above: IssuePath,
  value: unknown,
  schema: z.ZodType,
): SchemaProblem[] {
  const path = [...above, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    const names = listKnownKeys(schema, path);
    return issue.keys.map((key) => {
      const suggestion = suggestNearest(key, names);
      const message = suggestion === undefined ? `${UNKNOWN_KEY}${listWords(names, '; there are')}` : UNKNOWN_KEY;
      return { path: [...path, key], isKey: true, message, suggestion };
    });
  }
  if (issue.code === 'invalid_union') return describeUnionIssue(issue, path, value, schema);
  if (issue.code === 'invalid_value' && /^Invalid (input|option)/.test(issue.message)) {
    const text = findValue(value, path);
    const words = issue.values.map(String);
    const suggestion = typeof text === 'string' ? suggestNearest(text, words) : undefined;
    // The value is not repeated: in a configuration it may be a secret in the wrong place.
    return [{ path, isKey: false, message: `is not one of those there are${listWords(words)}`, suggestion }];
  }
  if (issue.code === 'invalid_key') {
    const [first] = issue.issues;
    return [{ path, isKey: true, message: `the name ${first === undefined ? 'is none' : rephraseIssue(first)}` }];
  }
  return [{ path, isKey: false, message: `${rephraseIssue(issue)}${findQuotesCure(issue, findValue(value, path))}` }];
}

/** The cure where a text was expected and YAML reads the unquoted word as something else. */
function findQuotesCure(issue: z.core.$ZodIssue, value: unknown): string {
  const expectsText = issue.code === 'invalid_type' && issue.expected === 'string';
  return expectsText && (value === null || ['number', 'boolean'].includes(typeof value)) ? ': write it in quotes' : '';
}

/** Describes the alternative that the value fits best. */
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
  if (findValue(value, path) === undefined) return [{ path, isKey: false, message: 'is required' }];
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
