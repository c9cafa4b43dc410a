/** Rules of the code that a machine can hold: import direction, one reader of the environment, docs that are true. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { STEPS } from '../../src/decide/decide.js';
import { FAULTS } from '../../src/model/faults.js';
import { REASONS } from '../../src/model/reasons.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const src = join(root, 'src');
const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((f) => f.endsWith('.ts'));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** By which the parts let themselves be watched, knowing nothing of who does. */
const WATCHING = ['telemetry/trace', 'telemetry/calls', 'telemetry/counted-cache'];

/** What a folder of src may import from at run time; types may be named anywhere. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  model: ['model'],
  config: ['model', 'rules', 'tokens', 'config'],
  engines: ['model', 'engines', 'rules/graph', 'stores/journal', ...WATCHING],
  rules: ['model', 'rules', 'engines/cedar', ...WATCHING],
  authoring: ['model', 'rules', 'config', 'world', 'engines/cedar', 'engines/spicedb/refusals', 'authoring', 'testing'],
  comparing: [
    'model',
    'rules',
    'config/files',
    'authoring/configuration',
    'changes',
    'decide',
    'replay',
    'testing',
    'tokens/actors',
    'comparing',
  ],
  live: ['authoring/check', 'config', 'engines/worker', 'live', 'model', 'rules'],
  stores: ['model', 'stores', 'engines/database', ...WATCHING],
  tokens: ['model', 'tokens', ...WATCHING],
  telemetry: ['model', 'telemetry'],
  steps: ['model', 'rules', 'steps'],
  testing: [
    'model',
    'rules',
    'config/files',
    'config/yaml',
    'decide',
    'engines/spicedb',
    'steps',
    'telemetry/observer',
    'testing',
    'tokens',
    'world',
  ],
  explaining: [
    'model',
    'rules',
    'decide',
    'facts',
    'replay',
    'engines/cedar',
    'engines/spicedb',
    'steps',
    'explaining',
  ],
  http: [
    'model',
    'rules',
    'engines/spicedb/port',
    'tokens',
    'breathe',
    'deadline',
    'http',
    'decide',
    'search',
    'masks',
    'service',
    'telemetry',
  ],
};

describe('imports point one way', () => {
  it.each(files.filter((f) => (f.split('/')[0] ?? '') in MAY_IMPORT))('%s', (file) => {
    const allowed = MAY_IMPORT[file.split('/')[0] ?? ''] ?? [];
    const text = readFileSync(join(src, file), 'utf8');
    for (const match of text.matchAll(/^(import|export) (?!type )[^;]*? from '(\.[^']+)'/gms)) {
      const target = relative(src, resolve(dirname(join(src, file)), match[2] ?? '')).replace(/\.js$/, '');
      expect(
        allowed.some((a) => target === a || target.startsWith(`${a}/`)),
        `${file} → ${target}`,
      ).toBe(true);
    }
  });

  it('a step never calls another', () => {
    for (const file of files.filter((f) => f.startsWith('steps/'))) {
      const text = readFileSync(join(src, file), 'utf8');
      for (const { step } of STEPS) {
        expect(text, file).not.toMatch(new RegExp(`\\b${step}\\.(judge|asks)\\(`));
      }
    }
  });
});

it('src knows nothing of the sample company', () => {
  for (const file of files) {
    const text = readFileSync(join(src, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
    expect(text, file).not.toMatch(/\b(alice|erin|zoe|hr-assistant|code-bot|payments-api|hr\.employees)\b/);
  }
});

it('no file has the marks of a merge that somebody has left to be settled', () => {
  for (const place of ['src', 'test', 'docs', 'policies', 'schema', 'fixtures'])
    for (const entry of readdirSync(join(root, place), { recursive: true, withFileTypes: true }))
      if (entry.isFile())
        expect(readFileSync(join(entry.parentPath, entry.name), 'utf8'), entry.name).not.toMatch(/^(<{7}|>{7}) /m);
  for (const file of ['README.md', 'docker-compose.yml', 'Dockerfile', 'package.json', 'tsconfig.json'])
    expect(read(file), file).not.toMatch(/^(<{7}|>{7}) /m);
});

describe('docs/reference/reasons.md', () => {
  const text = read('docs/reference/reasons.md');
  const rows = new Map(
    [...text.matchAll(/^\| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \|$/gm)].map((m) => [m[1] ?? '', m.slice(2)]),
  );

  it.each(Object.entries(REASONS))('documents %s', (code, { step, operators, people }) => {
    expect(rows.get(code)).toEqual([step, operators, people]);
  });
  it.each(Object.entries(FAULTS))('documents %s', (code, sentence) => {
    expect(text).toContain(`| \`${code}\` | ${sentence} |`);
  });
  it('documents nothing else', () => {
    const documented = [...text.matchAll(/^\| `(\w+)` \|/gm)].map((m) => m[1]);
    expect(documented.sort()).toEqual([...Object.keys(REASONS), ...Object.keys(FAULTS)].sort());
  });
});
