/** Reads the operator's YAML files by a zod schema. Every error has its line and column. */
import { isMap, isNode, isScalar, parseDocument, type Document } from 'yaml';
import type { z } from 'zod';
import { StrictJsonError, parseStrictJson, formatJsonPath } from '../runtime/strict-json.js';
import type { ErrorRule } from '../diagnostics/error-rules.js';
import { FindingCollector, assertNoErrors, type Finding, type SourceLocation } from '../diagnostics/diagnostics.js';
import { locationAt, type SourceFile } from '../diagnostics/source.js';
import { readBoundedSource } from './files.js';
import { expectsId } from './schema-types.js';
import { describeYamlError } from './yaml-messages.js';
import { findScalarProblems, type YamlPath } from './yaml-scalars.js';
import { describeSchemaIssues } from './zod-messages.js';

/** A few aliases are a convenience; many can make a small file enormous. */
const MAX_ALIASES = 100;
/** Further mistakes are likely consequences of the first ones. */
const MAX_YAML_FINDINGS = 100;
/** A line that begins with so many blanks and dashes: the library would need all memory for the next one. */
const DEEPEST_LINE = /^[ \t?:-]{1000}/m;

const ALIASES_PROBLEM = `its aliases (*) can't be followed: each needs an anchor (&) above that it is no part of, and there can be at most ${MAX_ALIASES}`;
const TOO_DEEP = 'the values are nested too deep';
/** Keys are texts as they are written (`007:` is the key "007"), and no tag makes a date or bytes of a text. */
const YAML_READING = {
  version: '1.2',
  uniqueKeys: true,
  stringKeys: true,
  resolveKnownTags: false,
  prettyErrors: false,
} as const;

/** The place that a finding points at: the key, or the value where that is a scalar. */
type YamlPoint = 'key' | 'value';

/** A YAML file as far as it could be read. */
export interface YamlFile<T> {
  readonly file: SourceFile;
  /** undefined where there are findings. */
  readonly value: T | undefined;
  /** The content, whether or not it fits the schema; undefined where the file isn't YAML. */
  readonly raw: unknown;
  readonly findings: readonly Finding[];
  /** Locates a value, or a line of a block of text (from 0); where the path does not exist, its nearest parent. */
  readonly locate: (path: YamlPath) => SourceLocation;
}

export interface YamlOptions {
  /** The beginning of messages, such as `configuration`; undefined: none. */
  readonly label?: string;
  /** The rule of the findings about values that do not fit. */
  readonly rule: ErrorRule;
  readonly point?: YamlPoint;
  readonly maxBytes?: number;
}

/**
 * Reads a YAML file strictly: one document, no duplicate keys, no unknown keys.
 * @param label the beginning of messages
 * @throws ConfigError naming file, line and key
 */
export function loadYaml<T extends z.ZodType>(path: string, schema: T, label: string): z.infer<T> {
  const { value, findings } = readYaml(path, schema, { label, rule: 'config-invalid' });
  assertNoErrors(findings);
  return value as z.infer<T>;
}

/**
 * Reads a YAML file as {@link loadYaml} does, with all findings in place of an error.
 * @param source a path, or the file that was read
 * @throws ConfigError where the file does not exist or is too large
 */
export function readYaml<T extends z.ZodType>(
  source: string | SourceFile,
  schema: T,
  options: YamlOptions,
): YamlFile<z.infer<T>> {
  const { label, rule, point = 'key' } = options;
  const file = typeof source === 'string' ? readBoundedSource(source, options.maxBytes) : source;
  const findings = new FindingCollector();
  const prefix = label === undefined ? '' : `${label}: `;
  const deepest = DEEPEST_LINE.exec(file.text);
  const document = parseDocument(deepest === null ? file.text : '', YAML_READING);
  const locatePoint = (path: YamlPath, locatePoint: YamlPoint): SourceLocation =>
    locationAt(file, findOffset(document, file.text, path, locatePoint));
  const locate = (path: YamlPath): SourceLocation => locatePoint(path, point);
  const unparsed = { file, value: undefined, raw: undefined, locate };
  if (deepest !== null) findings.error('yaml-syntax', locationAt(file, deepest.index), `${prefix}${TOO_DEEP}`);
  for (const error of [...document.errors, ...document.warnings].slice(0, MAX_YAML_FINDINGS))
    findings.error('yaml-syntax', locationAt(file, error.pos[0]), describeYamlError(error));
  if (findings.all.length > 0) return { ...unparsed, findings: findings.all };
  let raw: unknown;
  try {
    raw = document.toJS({ maxAliasCount: MAX_ALIASES });
    // The limits of a request hold for depth, member names and texts, too.
    parseStrictJson(JSON.stringify(raw));
  } catch (error) {
    const place = error instanceof StrictJsonError && error.path !== '' ? `${error.path}: ` : '';
    const message = error instanceof StrictJsonError ? error.message : ALIASES_PROBLEM;
    findings.error('yaml-syntax', locationAt(file, 0), `${prefix}${place}${message}`);
    return { ...unparsed, findings: findings.all };
  }
  for (const { path, message } of findScalarProblems(document, (at) => expectsId(schema, at)).slice(
    0,
    MAX_YAML_FINDINGS,
  ))
    findings.error(rule, locatePoint(path, 'value'), `${prefix}${formatJsonPath(path) || 'the document'}: ${message}`);
  if (findings.all.length > 0) return { file, value: undefined, raw, findings: findings.all, locate };
  const parsed = schema.safeParse(raw);
  if (parsed.success) return { file, value: parsed.data, raw, findings: [], locate };
  for (const { path, isKey: key, message, suggestion } of describeSchemaIssues(parsed.error.issues, raw, schema).slice(
    0,
    MAX_YAML_FINDINGS,
  ))
    findings.error(
      rule,
      locatePoint(path, key ? 'key' : point),
      `${prefix}${formatJsonPath(path) || 'the document'}: ${message}`,
      suggestion,
    );
  return { file, value: undefined, raw, findings: findings.all, locate };
}

/** The offset at which a key or its value begins, an item of a list, or a line of a block. */
function findOffset(document: Document.Parsed, text: string, path: YamlPath, point: YamlPoint): number {
  for (let length = path.length; length > 0; length -= 1) {
    const parent = document.getIn(path.slice(0, length - 1), true);
    const part = path[length - 1];
    const pair = isMap(parent) ? parent.items.find(({ key }) => isScalar(key) && key.value === part) : undefined;
    const keyOffset = isNode(pair?.key) ? pair.key.range?.[0] : undefined;
    const node = document.getIn(path.slice(0, length), true);
    const valueOffset = isNode(node) ? node.range?.[0] : undefined;
    const offset = point === 'value' && isScalar(node) ? (valueOffset ?? keyOffset) : (keyOffset ?? valueOffset);
    if (offset !== undefined) return offset;
    if (isScalar(parent) && typeof part === 'number' && parent.type?.startsWith('BLOCK') === true)
      return findLineStart(text, parent.range?.[0] ?? 0, part + 1);
  }
  return 0;
}

/** The offset of the first word of a line. @param lines the number of lines below the offset */
function findLineStart(text: string, offset: number, lines: number): number {
  let at = offset;
  for (let i = 0; i < lines; i += 1) at = text.indexOf('\n', at) + 1;
  return at + (/^[ \t]*/.exec(text.slice(at))?.[0].length ?? 0);
}
