/** Files that the operator wrote, read with errors that name the place. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ConfigError } from '../model/faults.js';
import type { RuleSources } from '../rules/load.js';
import type { SourceFile } from '../rules/source.js';

export interface SourcePaths {
  readonly relationships: string;
  readonly actions: readonly string[];
  readonly policies: string;
}

/** The files that the rules are made of; names in messages are relative to where the operator stands. */
export function readSources(paths: SourcePaths): RuleSources {
  const policies = cedarFiles(paths.policies);
  return {
    relationships: source(paths.relationships),
    actions: paths.actions.map(source),
    policies: policies.map(source),
  };
}

/** Every `*.cedar` below the directory. @throws ConfigError where there is none */
export function cedarFiles(directory: string): string[] {
  if (!existsSync(directory) || !statSync(directory).isDirectory())
    throw new ConfigError('there is no such directory', shown(directory));
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.cedar'));
  if (files.length === 0) throw new ConfigError('there is no *.cedar file here', shown(directory));
  return files.sort().map((name) => join(directory, name));
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
