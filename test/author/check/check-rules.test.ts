/** The documentation has every rule of the catalogue as it is, and no other. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { CHECK_RULES } from '../../../src/author/check/check-rules.js';
import { company, told } from './company.js';

// SpiceDB is loaded, on machines that are busy with other tests.
vi.setConfig({ testTimeout: 120_000 });

const root = fileURLToPath(new URL('../../..', import.meta.url));
const text = readFileSync(`${root}docs/guide/policies.md`, 'utf8');

describe('docs/guide/policies.md', () => {
  const section = (from: string, to: string): string => text.slice(text.indexOf(from), text.indexOf(to));
  const rows = (part: string): (string | undefined)[][] =>
    [...part.matchAll(/^\| `([\w-]+)` \| (.*?) \| (.*?) \| (.*?) \|$/gm)].map((match) => match.slice(1));

  it.each([
    ['error', section('### Errors', '### Warnings')],
    ['warning', section('### Warnings', '## Formatting')],
  ])('has a row for every rule of severity %s, as it is, in order', (severity, part) => {
    const expected = [...CHECK_RULES].filter(([, rule]) => rule.severity === severity);
    expect(rows(part)).toEqual(expected.map(([id, { title, why, cure }]) => [id, title, why, cure]));
  });

  it('shows what is told of a mistake', async () => {
    const c = company();
    c.change('policies/agents.cedar', 'principal.suspended', 'principal.suspnded');
    const [said = ''] = told(c, (await c.check()).findings);
    const [place = '', message = ''] = said.split(/ error \[policy-invalid\] | \(did you/);
    expect(text).toContain(`${place}: error [policy-invalid] ${message}\n`);
  });

  it('shows an ignore that ignores', async () => {
    const c = company();
    const [ignored = ''] = /(?<=```cedar\n)\/\/ remit-ignore[^`]*/.exec(text) ?? [];
    c.write('policies/more.cedar', ignored);
    expect(told(c, (await c.check()).findings)).toEqual([]);
    c.write('policies/more.cedar', ignored.replace(/^.*\n/, ''));
    expect((await c.check()).findings.map(({ rule }) => rule)).toEqual(['relaxed-forbid']);
  });
});
