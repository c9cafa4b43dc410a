/** Test files read, with what keeps them from being run at its place: file, line and column, counted from one. */
import type { z } from 'zod';
import { readYaml } from '../../config/yaml.js';
import { formatProblem, type SourceLocation } from '../../diagnostics/diagnostics.js';
import { MAX_FILE_BYTES } from './format.js';

export type Place = SourceLocation;

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

/** A file's value and where each part of it stands. */
export interface Located<T> {
  readonly value: T;
  readonly file: string;
  /** Of the value at `path`, or of what is nearest to it. */
  readonly at: (path: readonly PropertyKey[]) => Place;
}

/** @throws ConfigError where it can't be read, or is too large */
export function readLocated<T extends z.ZodType>(
  path: string,
  schema: T,
): { readonly located: Located<z.infer<T>> } | { readonly problems: readonly Problem[] } {
  const { value, findings, file, locate } = readYaml(path, schema, {
    rule: 'test-invalid',
    point: 'value',
    maxBytes: MAX_FILE_BYTES,
  });
  if (findings.length === 0) return { located: { value: value as z.infer<T>, file: file.name, at: locate } };
  const problems = findings.map((finding): Problem => {
    const { line, column } = finding;
    return { file: finding.file, line, column, message: formatProblem(finding) };
  });
  return { problems };
}
