/** Policies that change under `remit serve` as it is run, with nothing but its files, its log and HTTP. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { Caller, serve, type Remit } from '../../faults/processes.js';
import { clientNamed } from '../../support/sample.js';
import { FREEZE, question, SOON, THAW, write, writeCompany } from './company.js';
import { collectCleanups } from '../../support/cleanups.js';

const { directory, file } = writeCompany({
  clients: [clientNamed('api', 'remit', 'evaluate', 'asserts_subject'), clientNamed('ops', 'remit', 'admin')],
});
const [api, ops] = [new Caller('api-key'), new Caller('ops-key')];
let remit: Remit;
const onSuiteFinished = collectCleanups();
onSuiteFinished(() => rmSync(directory, { recursive: true, force: true }));
onSuiteFinished(() => api.close());
onSuiteFinished(() => ops.close());
beforeAll(async () => {
  remit = await serve(file, { data: join(directory, 'data') });
  onSuiteFinished(() => remit.end('SIGKILL'));
});

/** A read that nobody forbids by day or by night. */
const allowed = async (): Promise<boolean> => (await api.call('POST', `${remit.url}/access/v1/evaluation`, question)).body.decision; // prettier-ignore
/** Of what became of policies, beside warnings. */
const events = (): string[] =>
  [...remit.log().matchAll(/"event":"(policies_\w+)"/g)].map(([, event = '']) => event).filter((event) => event !== 'policies_warning'); // prettier-ignore

it('an edit is followed, a bad one is not and is said, and a good one is again', async () => {
  expect(await allowed()).toBe(true);
  write({ directory }, 'policies/freeze.cedar', FREEZE);
  await expect.poll(allowed, SOON).toBe(false);
  write({ directory }, 'policies/freeze.cedar', `${FREEZE.slice(0, -2)}\n`);
  await expect.poll(events, SOON).toEqual(['policies_taken', 'policies_refused']);
  expect(remit.log()).toMatch(/freeze\.cedar:\d+: /);
  expect(await allowed()).toBe(false);
  const ready = await ops.call('GET', `${remit.url}/health/ready`);
  expect([ready.status, JSON.stringify(ready.body)]).toEqual([200, expect.stringContaining('"policies_refused":{')]);
  write({ directory }, 'policies/freeze.cedar', THAW);
  await expect.poll(() => remit.log(), SOON).toContain('forbid \\"freeze\\" is changed');
  expect(await allowed()).toBe(false);
  remit.child.kill('SIGHUP');
  await expect.poll(allowed, SOON).toBe(true);
});

it('a directory that is not there any more leaves what is in force, and SIGHUP is heard all the same', async () => {
  rmSync(join(directory, 'policies'), { recursive: true });
  await expect.poll(() => remit.log(), SOON).toContain('there is no such directory');
  remit.child.kill('SIGHUP');
  await expect.poll(() => remit.log(), SOON).toContain('the configuration has been read again');
  expect(await allowed()).toBe(true);
});

it('ends as ever, whatever it reads', async () => {
  expect((await remit.end('SIGINT')).code).toBe(0);
});
