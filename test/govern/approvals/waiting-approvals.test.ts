/** The metrics say how many requests for approvals wait for people. */
import { beforeAll, expect, it } from 'vitest';
import { countWaitingApprovals } from '../../../src/govern/approvals/waiting-approvals.js';
import { answer, requestAccess } from '../../support/approve.js';
import { QUESTION, recordDenial, startApprovalWorld } from '../../support/approval-world.js';
import { DAYTIME, type Running } from '../../support/sample.js';

let remit: Running;
beforeAll(async () => {
  remit = await startApprovalWorld();
  remit.at(DAYTIME);
  return () => remit.stop();
});

it('from the request until it is answered, or its time is over', async () => {
  let now = DAYTIME;
  const approvals = countWaitingApprovals(remit.service.approvals, () => now);
  const count = async (): Promise<number> => approvals.count().then(() => approvals.latest);
  const open = async (branch: string): Promise<string> => {
    const question = { ...QUESTION, action: { name: 'merge', properties: { branch } } };
    const { evaluation_id, expires_at } = await recordDenial(remit, { question });
    return requestAccess(remit, question, { decision: false, context: { evaluation_id, access_request: { expires_at } } } as never);
  };
  expect(await count()).toBe(0);
  const [first, second] = [await open('a'), await open('b'), await open('c')];
  expect(await count()).toBe(3);
  await answer(remit, first, ['olga']);
  await answer(remit, second, ['olga'], { decision: 'deny' });
  expect(await count()).toBe(1);
  now = new Date(DAYTIME.getTime() + 86_400_000);
  expect(await count()).toBe(0);
  const { body } = await remit.request('GET', '/metrics', undefined, 'root-key');
  expect(body).toMatch(/^remit_approvals_waiting \d+$/m);
}); // prettier-ignore
