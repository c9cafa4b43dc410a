/** What a service may be used for, held by the compiler; and on which data it starts. */
import { rmSync } from 'node:fs';
import { expect, expectTypeOf, it, onTestFinished } from 'vitest';
import type { DecisionDeps } from '../../src/decide/decide.js';
import type { SearchDeps } from '../../src/lists/candidates.js';
import { loadConfig } from '../../src/config/config.js';
import { openService, type Service } from '../../src/service/service.js';
import { company } from '../author/test/company.js';
import { ON_SERVER, start } from '../support/sample.js';

it('a service is not what a decision is made with, so none goes round the policies in force', () => {
  expectTypeOf<Service>().not.toExtend<DecisionDeps>();
  expectTypeOf<Service>().not.toExtend<Pick<DecisionDeps, 'rules' | 'relationships'>>();
  expectTypeOf<Service['activePolicies']['withSnapshot']>().parameter(0).parameter(0).toEqualTypeOf<SearchDeps>();
});

// A server is given its schema by an operator, and Remit stores nothing there.
it.skipIf(ON_SERVER)('a company on the data directory of another is refused, with the cure', async () => {
  const other = await start();
  await other.stop({ keep: true });
  onTestFinished(() => {
    rmSync(other.data, { recursive: true, force: true });
  });
  const { config, remove } = company();
  onTestFinished(remove);
  await expect(openService(loadConfig(config, { REMIT_DATA: other.data }))).rejects.toMatchObject({
    name: 'ConfigError',
    message: expect.stringMatching(
      /schema\.zed: does not fit what is stored: .* not found.*data directory .*"data" in .*remit\.yaml or with REMIT_DATA/,
    ) as string,
  });
});
