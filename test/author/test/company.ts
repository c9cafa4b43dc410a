/** Writes the company of docs/reference/configuration.md to a temporary directory for tests. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const docs = fileURLToPath(new URL('../../../docs/', import.meta.url));

/** The fenced blocks of a language in a Markdown file, in order. */
export function blocks(file: string, language: string): string[] {
  const text = readFileSync(join(docs, file), 'utf8');
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map((m) => m[1] ?? '');
}

export interface Company {
  readonly directory: string;
  /** The path of its configuration. */
  readonly config: string;
  /** Writes a file. @returns its path */
  readonly write: (name: string, text: string) => string;
  readonly remove: () => void;
}

export function company(): Company {
  const directory = mkdtempSync(join(tmpdir(), 'remit-company-'));
  const write: Company['write'] = (name, text) => {
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  };
  write('schema.zed', blocks('reference/configuration.md', 'zed')[0] ?? '');
  write('actions.cedarschema', blocks('reference/configuration.md', 'cedarschema')[0] ?? '');
  write('policies.cedar', blocks('reference/configuration.md', 'cedar')[0] ?? '');
  write('world.yaml', blocks('reference/configuration.md', 'yaml').find((b) => b.startsWith('relationships:')) ?? '');
  return {
    directory,
    config: write(
      'remit.yaml',
      'schema: { relationships: schema.zed, actions: actions.cedarschema }\npolicies: .\nworld: world.yaml\n',
    ),
    write,
    remove: () => {
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
