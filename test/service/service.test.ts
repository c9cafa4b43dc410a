/** What a service may be used for, held by the compiler. */
import { expectTypeOf, it } from 'vitest';
import type { DecisionDeps } from '../../src/decide/decide.js';
import type { SearchDeps } from '../../src/lists/candidates.js';
import type { Service } from '../../src/service/service.js';

it('a service is not what a decision is made with, so none goes round the policies in force', () => {
  expectTypeOf<Service>().not.toExtend<DecisionDeps>();
  expectTypeOf<Service>().not.toExtend<Pick<DecisionDeps, 'rules' | 'relationships'>>();
  expectTypeOf<Service['activePolicies']['withSnapshot']>().parameter(0).parameter(0).toEqualTypeOf<SearchDeps>();
});
