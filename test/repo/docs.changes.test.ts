/** What docs/guide/diff.md shows is run, and what it lists is all there is. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { compareRules } from '../../src/author/diff/compare.js';
import { DANGERS } from '../../src/author/diff/danger.js';
import { comparisonText } from '../../src/author/diff/report.js';
import { openSide, type DiffSide } from '../../src/author/diff/side.js';
import { blocks, company } from '../author/test/company.js';

const text = readFileSync(fileURLToPath(new URL('../../docs/guide/diff.md', import.meta.url)), 'utf8');

it('shows a change, and what is told of it', async () => {
  const [policy = ''] = blocks('guide/diff.md', 'cedar');
  const [told = ''] = blocks('guide/diff.md', 'text');
  const sides = [company(), company()];
  onTestFinished(() => {
    for (const side of sides) side.remove();
  });
  const [before, after] = sides.map(({ directory, write }, i): DiffSide => {
    const policies = readFileSync(join(directory, 'policies.cedar'), 'utf8');
    const changed = policies.replace(/@id\("drafts-need-approval"\)[^;]*;\n/, policy);
    expect(changed).not.toBe(policies);
    if (i === 1) write('policies.cedar', changed);
    return openSide(directory);
  });
  if (before === undefined || after === undefined) throw new Error('there are no sides');
  const comparison = await compareRules(before.rules, after.rules, {
    cases: [],
    requests: 10_000,
    seed: 1,
    records: [],
  });
  const of = { before: { name: '', version: '' }, after: { name: '', version: '' }, seed: 1, milliseconds: 0 };
  expect(comparisonText(comparison, of, (line) => line).replaceAll(/[^ (\n]*\/([\w.]+):/g, '$1:')).toContain(told);
});

it('says each danger, in the order in which they are told', () => {
  const rows = [...text.matchAll(/^\| `(\w+)` \| /gm)].map(([, name]) => name);
  expect(rows).toEqual(Object.keys(DANGERS));
});
