/** Templates for `remit init`: real files below fixtures/templates, which the tests check and start. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { displayPath } from '../../config/files.js';
import { ConfigError } from '../../model/faults.js';
import { writeFiles } from './write-files.js';
import { jsonSchemas } from './json-schemas.js';

export interface Template {
  readonly summary: string;
  /** A question that the template's world answers with an allow, printed as a first thing to try. */
  readonly ask: {
    readonly user: string;
    readonly agent: string;
    readonly scope: string;
    readonly action: string;
    /** `document:roadmap`. */
    readonly resource: string;
  };
}

export const TEMPLATES = {
  documents: {
    summary: 'folders and documents; agents read and edit, and never share',
    ask: { user: 'ann', agent: 'writer', scope: 'docs.read', action: 'read', resource: 'document:roadmap' },
  },
  repositories: {
    summary: 'teams and source code; agents push to branches and ask before they merge',
    ask: { user: 'ann', agent: 'coder', scope: 'code.read', action: 'read', resource: 'repository:api' },
  },
  hr: {
    summary: 'employees and who manages them; agents never delete, and pay is masked',
    ask: { user: 'ann', agent: 'assistant', scope: 'hr.read', action: 'read', resource: 'employee:mia' },
  },
  tickets: {
    summary: 'support tickets; agents answer, and refund small amounts',
    ask: { user: 'ann', agent: 'helper', scope: 'tickets.read', action: 'read', resource: 'ticket:t1' },
  },
} as const satisfies Record<string, Template>;

export type TemplateName = keyof typeof TEMPLATES;

/** The directory of the JSON Schemas that editors read. */
const SCHEMA_DIRECTORY = '.schemas';

/**
 * Copies a template into a directory that is empty or doesn't exist.
 * @returns the files' paths, relative to the directory, sorted
 * @throws ConfigError where the directory isn't empty, or a file can't be written
 */
export function writeTemplate(directory: string, name: TemplateName): string[] {
  const state = statSync(directory, { throwIfNoEntry: false });
  if (state !== undefined && (!state.isDirectory() || readdirSync(directory).length > 0))
    throw new ConfigError('the target is not an empty directory: nothing in it is overwritten', displayPath(directory));
  const from = fileURLToPath(new URL(`../../../fixtures/templates/${name}/`, import.meta.url));
  const files = new Map(
    readdirSync(from, { recursive: true, encoding: 'utf8' })
      .filter((file) => statSync(join(from, file)).isFile())
      .map((file) => [file, rewriteSchemaPaths(readFileSync(join(from, file), 'utf8'), file)]),
  );
  for (const [file, text] of jsonSchemas()) files.set(join(SCHEMA_DIRECTORY, file), text);
  writeFiles(directory, files, false);
  return [...files.keys()].sort();
}

/** Points a file's `$schema` at the copied schemas: in this package it names the package's own. */
function rewriteSchemaPaths(text: string, file: string): string {
  const up = '../'.repeat(file.split(/[/\\]/).length - 1);
  return text.replace(/(?<=\$schema=)(?:\.\.\/)+schema\/json\//, `${up}${SCHEMA_DIRECTORY}/`);
}
