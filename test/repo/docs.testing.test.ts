/** What docs/guide/testing.md shows is run. */
import { basename } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { loadConfig } from '../../src/config/config.js';
import { testReportText } from '../../src/author/test/report.js';
import { TestSession } from '../../src/author/test/session.js';
import { blocks, company, type Company } from '../author/test/company.js';

// Real engines, on a machine that may be busy with much else.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const [example = '', validation = ''] = blocks('guide/testing.md', 'yaml');
const [failure = '', coverage = ''] = blocks('guide/testing.md', 'text');

describe('docs/guide/testing.md', () => {
  let at: Company;
  const session = new TestSession();
  beforeAll(() => {
    at = company();
    return async () => {
      await session.close();
      at.remove();
    };
  });
  const run = async (...paths: string[]): Promise<string> =>
    testReportText(await session.run(loadConfig(at.config, {}), { paths }), (text) => text).replaceAll(
      /[^ (\n]*\/([\w.]+):/g,
      '$1:',
    );

  it('shows tests that pass, and their coverage', async () => {
    const text = await run(at.write('company_test.yaml', example));
    expect(text).toMatch(/^company_test.yaml: 10 passed$/m);
    expect(text).toContain(coverage);
  });

  it('shows a failure as it is told', async () => {
    const draft = /decision: deny\n +reasons: \[policy_forbid\]\n.*\n.*remedies.*\n/;
    expect(example).toMatch(draft);
    const text = await run(at.write('company_test.yaml', example.replace(draft, 'decision: allow\n')));
    expect(text).toContain(failure);
  });

  it('shows a validation file that holds', async () => {
    const file = at.write('graph.zed.yaml', validation);
    expect(await run(file)).toMatch(new RegExp(`^${basename(file)}: 4 passed$`, 'm'));
  });
});
