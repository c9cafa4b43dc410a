/** Files that the operator wrote, read with errors that name the place. */
import { readFileSync, statSync } from 'node:fs';
import { relative } from 'node:path';
import { isMap, isNode, isScalar, parseDocument, type Document } from 'yaml';
import { z } from 'zod';
import { ConfigError } from '../model/faults.js';
import { issueText, pathText } from '../model/json.js';
import type { ErrorRule } from '../rules/errors.js';
import { Findings, meant, refuseErrors, type Finding, type Location } from '../rules/findings.js';
import type { RuleSources } from '../rules/load.js';
import { locationAt, type SourceFile } from '../rules/source.js';
import { filesBelow, MAX_BYTES, readBounded, Unreadable } from './reading.js';

/** A few aliases are a convenience, many are a way to make a small file enormous. */
const MAX_ALIASES = 100;
export interface SourcePaths {
  readonly relationships: string;
  readonly actions: readonly string[];
  readonly policies: string;
}

/** The files that the rules are made of; names in messages are relative to where the operator stands. @throws ConfigError */
export function readSources(paths: SourcePaths): RuleSources {
  let left = MAX_BYTES;
  const read = (path: string): SourceFile => {
    const file = boundedSource(path, left);
    left -= Buffer.byteLength(file.text);
    return file;
  };
  return {
    relationships: read(paths.relationships),
    actions: paths.actions.map(read),
    policies: cedarFiles(paths.policies).map(read),
  };
}

/** A YAML file that has been read as far as it goes. */
export interface ReadYaml<T> {
  readonly file: SourceFile;
  /** undefined where there are findings. */
  readonly value: T | undefined;
  /** What is written there, whether or not it fits; undefined where it isn't YAML. */
  readonly raw: unknown;
  readonly findings: readonly Finding[];
  /** Where a value is, or a line of a block of text, counted from 0; the nearest above it where it isn't there. */
  readonly locate: (path: readonly PropertyKey[]) => Location;
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

/** As {@link parseYaml}, with everything that is wrong. @param from a path, or what was read of it. @throws ConfigError where there is no such file */
export function readYaml<T extends z.ZodType>(
  from: string | SourceFile,
  schema: T,
  { what, rule }: { readonly what: string; readonly rule: ErrorRule },
): ReadYaml<z.infer<T>> {
  const file = typeof from === 'string' ? source(from) : from;
  const findings = new Findings();
  const document = parseDocument(file.text, { version: '1.2', uniqueKeys: true, prettyErrors: true });
  const locate = (at: readonly PropertyKey[]): Location => locationAt(file, indexOf(document, file.text, at));
  const failed = { file, value: undefined, raw: undefined, locate };
  for (const { message, pos } of [...document.errors, ...document.warnings])
    findings.error('yaml-syntax', locationAt(file, pos[0]), (message.split('\n')[0] ?? '').replace(/ at line .*$/, ''));
  if (findings.all.length > 0) return { ...failed, findings: findings.all };
  let raw: unknown;
  try {
    raw = document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (error) {
    findings.error('yaml-syntax', locate([]), `${what}: ${(error as Error).message}`);
    return { ...failed, findings: findings.all };
  }
  const read = schema.safeParse(raw);
  if (read.success) return { file, value: read.data, raw, findings: [], locate };
  const { issues } = read.error;
  // A key that is misspelt says more than that the right one is missing.
  for (const issue of issues) {
    if (issue.code !== 'unrecognized_keys') continue;
    for (const key of issue.keys) {
      const at = [...issue.path, key];
      const message = `${what}: ${pathText(at)}: unknown key`;
      findings.error(rule, locate(at), message, meant(key, knownKeys(schema, issue.path)));
    }
  }
  for (const issue of issues)
    if (issue.code !== 'unrecognized_keys')
      findings.error(
        rule,
        locate(issue.path),
        `${what}: ${pathText(issue.path) || 'the document'}: ${issueText(issue)}`,
      );
  return { file, value: undefined, raw, findings: findings.all, locate };
}

/** The keys that the schema has at the path. */
function knownKeys(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  interface Json {
    readonly properties?: Readonly<Record<string, Json>>;
    readonly items?: Json;
    readonly anyOf?: readonly Json[];
  }
  let at = [z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'inline' }) as Json];
  const open = (of: readonly Json[]): Json[] => of.flatMap((json) => [json, ...open(json.anyOf ?? [])]);
  for (const part of path)
    at = open(at).flatMap((json) => (typeof part === 'number' ? json.items : json.properties?.[String(part)]) ?? []);
  return open(at).flatMap((json) => Object.keys(json.properties ?? {}));
}

/** Where a key stands, or an item of a list, or a line of a block. */
function indexOf(document: Document.Parsed, text: string, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length -= 1) {
    const parent = document.getIn(path.slice(0, length - 1), true);
    const part = path[length - 1];
    if (isMap(parent)) {
      const pair = parent.items.find(({ key }) => isScalar(key) && key.value === part);
      if (isNode(pair?.key)) return pair.key.range?.[0] ?? 0;
    }
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node)) return node.range?.[0] ?? 0;
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

/** Every `*.cedar` below the directory, by the rules of {@link filesBelow}. @throws ConfigError where there is none */
export function cedarFiles(directory: string): string[] {
  return placed(() => {
    if (!isDirectory(directory)) throw new Unreadable('there is no such directory', directory);
    const { files } = filesBelow(directory, '.cedar');
    if (files.length === 0) throw new Unreadable('there is no *.cedar file here', directory);
    return [...files];
  });
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** A regular file and no more than so many bytes of it. @throws ConfigError */
export function boundedSource(path: string, limit = MAX_BYTES): SourceFile {
  return placed(() => ({ name: shown(path), text: readBounded(path, limit) }));
}

function placed<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof Unreadable) throw new ConfigError(error.message, shown(error.path));
    throw error;
  }
}

/** @throws ConfigError */
export function source(path: string): SourceFile {
  return { name: shown(path), text: readText(path) };
}

export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(`can't be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`, shown(path));
  }
}

/** A path as messages name it. */
export function shown(path: string): string {
  const near = relative(process.cwd(), path);
  return near.startsWith('..') ? path : near;
}
