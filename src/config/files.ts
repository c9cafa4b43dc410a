/** Files that the operator wrote, read with errors that name the place. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { ConfigError } from '../model/faults.js';
import { issueText, pathText } from '../model/json.js';
import type { RuleSources } from '../rules/load.js';
import type { SourceFile } from '../rules/source.js';
import { didYouMean } from '../rules/suggest.js';

/** A few aliases are a convenience, many are a way to make a small file enormous. */
const MAX_ALIASES = 100;
export interface SourcePaths {
  readonly relationships: string;
  readonly actions: readonly string[];
  readonly policies: string;
}

/** The files that the rules are made of; names in messages are relative to where the operator stands. */
export function readSources(paths: SourcePaths): RuleSources {
  const policies = policyFiles(paths.policies);
  if (policies.length === 0) throw new ConfigError('there is no *.cedar file here', shown(paths.policies));
  return {
    relationships: source(paths.relationships),
    actions: paths.actions.map(source),
    policies: policies.map(source),
  };
}

/**
 * A YAML file, strictly: one document, no duplicate keys, only what the schema knows.
 * @throws ConfigError naming file, line and key
 */
export function parseYaml<T extends z.ZodType>(path: string, schema: T, what: string): z.infer<T> {
  const document = parseDocument(readText(path), { version: '1.2', uniqueKeys: true, prettyErrors: true });
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem !== undefined) {
    const line = problem.linePos?.[0].line;
    throw new ConfigError(
      problem.message.split('\n')[0]?.replace(/ at line .*$/, '') ?? '',
      line === undefined ? shown(path) : `${shown(path)}:${line}`,
    );
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (error) {
    throw new ConfigError(`${what}: ${(error as Error).message}`, shown(path));
  }
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  // A key that is misspelt says more than that the right one is missing.
  const { issues } = read.error;
  const issue = issues.find((i) => i.code === 'unrecognized_keys') ?? (issues[0] as z.core.$ZodIssue);
  const at = issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0] ?? ''] : issue.path;
  const node = document.getIn(at, true) ?? document.getIn(at.slice(0, -1), true);
  const line = lineOf(node, readText(path));
  const message =
    issue.code === 'unrecognized_keys'
      ? `unknown key${didYouMean(String(at.at(-1)), knownKeys(schema))}`
      : issueText(issue);
  throw new ConfigError(
    `${what}: ${pathText(at) || 'the document'}: ${message}`,
    line === undefined ? shown(path) : `${shown(path)}:${line}`,
  );
}

function knownKeys(schema: z.ZodType): string[] {
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

function lineOf(node: unknown, text: string): number | undefined {
  const range = (node as { range?: [number, number, number] } | undefined)?.range;
  return range === undefined ? undefined : text.slice(0, range[0]).split('\n').length;
}

function policyFiles(directory: string): string[] {
  if (!existsSync(directory) || !statSync(directory).isDirectory())
    throw new ConfigError('there is no such directory', shown(directory));
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.cedar'))
    .sort()
    .map((name) => join(directory, name));
}

function source(path: string): SourceFile {
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
