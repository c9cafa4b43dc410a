/** Copies a template's company to a temporary directory, where a test breaks one thing. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { checkProject, type CheckResult } from '../../../src/author/check/check.js';
import type { Finding } from '../../../src/diagnostics/diagnostics.js';

export const TEMPLATES = fileURLToPath(new URL('../../../fixtures/templates/', import.meta.url));

export interface Company {
  readonly directory: string;
  readonly config: string;
  readonly read: (file: string) => string;
  readonly write: (file: string, text: string) => void;
  /** Replaces a text that must be there. */
  readonly change: (file: string, from: string, to: string) => void;
  readonly check: (tests?: boolean) => Promise<CheckResult>;
}

/** Copies a template; the copy is removed after the test. */
export function company(template = 'documents'): Company {
  const directory = mkdtempSync(join(tmpdir(), 'remit-authoring-'));
  onTestFinished(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  cpSync(join(TEMPLATES, template), directory, { recursive: true });
  const config = join(directory, 'remit.yaml');
  const read = (file: string): string => readFileSync(join(directory, file), 'utf8');
  const write = (file: string, text: string): void => {
    writeFileSync(join(directory, file), text);
  };
  return {
    directory,
    config,
    read,
    write,
    change: (file, from, to) => {
      const text = read(file);
      if (!text.includes(from)) throw new Error(`${file} has no ${from}`);
      write(file, text.replace(from, to));
    },
    check: (tests) => checkProject(config, { env: {}, tests }),
  };
}

/** `policies/agents.cedar:8:1 error [missing-id] every policy needs …`, the directory left out. */
export function told({ directory }: Company, findings: readonly Finding[]): string[] {
  return findings.map(({ file, line, column, severity, rule, message, suggestion }) => {
    const hint = suggestion === undefined ? '' : ` (${suggestion})`;
    return `${file.replace(`${directory}/`, '')}:${line}:${column} ${severity} [${rule}] ${message}${hint}`;
  });
}
