/** YAML read against a schema with every problem at its place: file, line and column, counted from one. */
import { statSync } from 'node:fs';
import { isMap, isPair, isScalar, LineCounter, parseDocument, type Document, type Node } from 'yaml';
import type { z } from 'zod';
import { readText, shown } from '../config/files.js';
import { ConfigError } from '../model/faults.js';
import { issueText, JsonProblem, parseJson, pathText } from '../model/json.js';
import { didYouMean } from '../rules/suggest.js';
import { MAX_FILE_BYTES } from './format.js';

export interface Place {
  /** As messages name it. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** What keeps a file from being run. */
export interface Problem extends Place {
  readonly message: string;
}

/** Files that can't be run, each problem at its place. */
export class Unusable extends Error {
  override readonly name = 'Unusable';
  constructor(readonly problems: readonly Problem[]) {
    super(problems.map((p) => `${p.file}:${p.line}:${p.column}: ${p.message}`).join('\n'));
  }
}

type Path = readonly PropertyKey[];

/** A few aliases are a convenience, many are a way to make a small file enormous. */
const MAX_ALIASES = 100;
/** Whoever made so many mistakes is helped by the first of them. */
const MAX_PROBLEMS = 100;

/** A file's value and where each part of it stands. */
export interface Located<T> {
  readonly value: T;
  readonly file: string;
  /** Of the value at `path`, or of what is nearest to it. */
  readonly at: (path: Path) => Place;
}

/** @throws ConfigError where it can't be read, or is too large */
export function readLocated<T extends z.ZodType>(
  path: string,
  schema: T,
): { readonly located: Located<z.infer<T>> } | { readonly problems: readonly Problem[] } {
  const file = shown(path);
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > MAX_FILE_BYTES)
    throw new ConfigError(`must be at most ${MAX_FILE_BYTES} bytes long`, file);
  const text = readText(path);
  const lines = new LineCounter();
  const document = parseDocument(text, { version: '1.2', uniqueKeys: true, prettyErrors: false, lineCounter: lines });
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  const wrong = [...document.errors, ...document.warnings];
  if (wrong.length > 0)
    return { problems: wrong.slice(0, MAX_PROBLEMS).map((e) => ({ ...place(e.pos[0]), message: e.message })) };
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: MAX_ALIASES });
    // Depth, member names and texts are held to what a request is held to.
    parseJson(JSON.stringify(value));
  } catch (error) {
    const message = error instanceof JsonProblem ? `${error.at}: ${error.message}` : (error as Error).message;
    return { problems: [{ file, line: 1, column: 1, message }] };
  }
  const at = (path: Path, key = false): Place => place(offsetOf(document, path, key));
  const read = schema.safeParse(value);
  if (read.success) return { located: { value: read.data, file, at } };
  const problems = read.error.issues.flatMap((issue) => told(issue, [], value, schema));
  return {
    problems: problems.slice(0, MAX_PROBLEMS).map(({ path: where, key, message }) => ({
      ...at(where, key),
      message: `${pathText(where) || 'the document'}: ${message}`,
    })),
  };
}

/**
 * Where a simple value begins, or the key of one that isn't simple, or is the matter itself; of what isn't there, where
 * that begins which it should be in.
 */
function offsetOf(document: Document, path: Path, key = false): number {
  for (let length = path.length; length >= 0; length -= 1) {
    const node = document.getIn(path.slice(0, length), true) as Node | undefined;
    const parent = length === 0 ? undefined : document.getIn(path.slice(0, length - 1), true);
    const pair = isMap(parent)
      ? parent.items.find((p) => isPair(p) && isScalar(p.key) && p.key.value === path[length - 1])
      : undefined;
    const named = pair === undefined ? undefined : (pair.key as Node).range?.[0];
    const own = node?.range?.[0];
    const offset = isScalar(node) && !key ? (own ?? named) : (named ?? own);
    if (offset !== undefined) return offset;
  }
  return 0;
}

interface Told {
  readonly path: Path;
  /** It is the key that is the matter. */
  readonly key?: boolean;
  readonly message: string;
}

/** What zod found, in our words, with the word that was probably meant. */
function told(issue: z.core.$ZodIssue, above: Path, value: unknown, schema: z.ZodType): Told[] {
  const path = [...above, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, path);
    return issue.keys.map((key) => ({
      path: [...path, key],
      key: true,
      message: `unknown key${didYouMean(key, known)}`,
    }));
  }
  if (issue.code === 'invalid_union') {
    // That alternative was meant which the value fits furthest.
    const [best] = issue.errors
      .filter((issues) => !issues.some((i) => i.path.length === 0 && i.code === 'invalid_type'))
      .sort((a, b) => depth(b) - depth(a));
    if (best !== undefined) return best.flatMap((inner) => told(inner, path, value, schema));
    const kinds = issue.errors.flatMap((issues) =>
      issues.flatMap((i) => (i.code === 'invalid_type' ? [i.expected] : [])),
    );
    return [
      {
        path,
        message: kinds.length === 0 ? 'is of a wrong type' : `must be of type ${[...new Set(kinds)].join(' or ')}`,
      },
    ];
  }
  if (issue.code === 'invalid_value') {
    const given = valueAt(value, path);
    const words = issue.values.map(String);
    if (typeof given === 'string')
      return [
        {
          path,
          message: `"${given}" is not one of those there are${didYouMean(given, words)}${words.length < 8 ? `: ${words.join(', ')}` : ''}`,
        },
      ];
  }
  if (issue.code === 'invalid_key') {
    const [first] = issue.issues;
    return [{ path, key: true, message: `the name ${first === undefined ? 'is none' : issueText(first)}` }];
  }
  return [{ path, message: issueText(issue) }];
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
