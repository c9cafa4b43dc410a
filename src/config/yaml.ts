/** YAML files that the operator wrote, held to a schema, with everything that is wrong at its line and column. */
import { isMap, isNode, isScalar, parseDocument, type Document } from 'yaml';
import type { z } from 'zod';
import { JsonProblem, parseJson, pathText } from '../runtime/strict-json.js';
import type { ErrorRule } from '../diagnostics/errors.js';
import { Findings, refuseErrors, type Finding, type Location } from '../diagnostics/diagnostics.js';
import { locationAt, type SourceFile } from '../diagnostics/source.js';
import { boundedSource } from './files.js';
import { toldOf } from './zod-messages.js';

/** A few aliases are a convenience, many are a way to make a small file enormous. */
const MAX_ALIASES = 100;
/** Whoever made so many mistakes is helped by the first of them. */
const MAX_FINDINGS = 100;

type Path = readonly PropertyKey[];
/** Of what is wrong: the key that it is said under, or the value itself, where that is a simple one. */
type Point = 'key' | 'value';

/** A YAML file that has been read as far as it goes. */
export interface ReadYaml<T> {
  readonly file: SourceFile;
  /** undefined where there are findings. */
  readonly value: T | undefined;
  /** What is written there, whether or not it fits; undefined where it isn't YAML. */
  readonly raw: unknown;
  readonly findings: readonly Finding[];
  /** Where a value is, or a line of a block of text, counted from 0; the nearest above it where it isn't there. */
  readonly locate: (path: Path) => Location;
}

export interface Reading {
  /** What messages begin with, where they need it: `configuration`. */
  readonly what?: string;
  /** By which what doesn't fit is found. */
  readonly rule: ErrorRule;
  readonly point?: Point;
  readonly maxBytes?: number;
}

/**
 * A YAML file, strictly: one document, no duplicate keys, only what the schema knows.
 * @throws ConfigError naming file, line and key
 */
export function parseYaml<T extends z.ZodType>(path: string, schema: T, what: string): z.infer<T> {
  const { value, findings } = readYaml(path, schema, { what, rule: 'config-invalid' });
  refuseErrors(findings);
  return value as z.infer<T>;
}

/**
 * As {@link parseYaml}, with everything that is wrong.
 * @param from a path, or what was read of it
 * @throws ConfigError where there is no such file, or a larger one
 */
export function readYaml<T extends z.ZodType>(
  from: string | SourceFile,
  schema: T,
  reading: Reading,
): ReadYaml<z.infer<T>> {
  const { what, rule, point = 'key' } = reading;
  const file = typeof from === 'string' ? boundedSource(from, reading.maxBytes) : from;
  const findings = new Findings();
  const prefix = what === undefined ? '' : `${what}: `;
  const document = parseDocument(file.text, { version: '1.2', uniqueKeys: true, prettyErrors: false });
  const at = (path: Path, at: Point): Location => locationAt(file, indexOf(document, file.text, path, at));
  const locate = (path: Path): Location => at(path, point);
  const failed = { file, value: undefined, raw: undefined, locate };
  for (const { message, pos } of [...document.errors, ...document.warnings].slice(0, MAX_FINDINGS))
    findings.error('yaml-syntax', locationAt(file, pos[0]), message);
  if (findings.all.length > 0) return { ...failed, findings: findings.all };
  let raw: unknown;
  try {
    raw = document.toJS({ maxAliasCount: MAX_ALIASES });
    // Depth, member names and texts are held to what a request is held to.
    parseJson(JSON.stringify(raw));
  } catch (error) {
    const place = error instanceof JsonProblem && error.at !== '' ? `${error.at}: ` : '';
    findings.error('yaml-syntax', locationAt(file, 0), `${prefix}${place}${(error as Error).message}`);
    return { ...failed, findings: findings.all };
  }
  const read = schema.safeParse(raw);
  if (read.success) return { file, value: read.data, raw, findings: [], locate };
  for (const { path, key, message, suggestion } of toldOf(read.error.issues, raw, schema).slice(0, MAX_FINDINGS))
    findings.error(
      rule,
      at(path, key ? 'key' : point),
      `${prefix}${pathText(path) || 'the document'}: ${message}`,
      suggestion,
    );
  return { file, value: undefined, raw, findings: findings.all, locate };
}

/** Where a key or its value begins, or an item of a list, or a line of a block. */
function indexOf(document: Document.Parsed, text: string, path: Path, point: Point): number {
  for (let length = path.length; length > 0; length -= 1) {
    const parent = document.getIn(path.slice(0, length - 1), true);
    const part = path[length - 1];
    const pair = isMap(parent) ? parent.items.find(({ key }) => isScalar(key) && key.value === part) : undefined;
    const key = isNode(pair?.key) ? pair.key.range?.[0] : undefined;
    const node = document.getIn(path.slice(0, length), true);
    const own = isNode(node) ? node.range?.[0] : undefined;
    const found = point === 'value' && isScalar(node) ? (own ?? key) : (key ?? own);
    if (found !== undefined) return found;
    if (isScalar(parent) && typeof part === 'number' && parent.type?.startsWith('BLOCK') === true)
      return startOfLine(text, parent.range?.[0] ?? 0, part + 1);
  }
  return 0;
}

/** The first word of the line that is so many below. */
function startOfLine(text: string, from: number, below: number): number {
  let at = from;
  for (let i = 0; i < below; i += 1) at = text.indexOf('\n', at) + 1;
  return at + (/^[ \t]*/.exec(text.slice(at))?.[0].length ?? 0);
}
