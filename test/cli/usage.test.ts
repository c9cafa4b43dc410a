/** `remit usage` as the operator runs it: the built program, on the data directory of a service that has ended. */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { clientNamed, startWith } from '../support/sample.js';
import type { UsageJson } from '../../src/http/usage-json.js';

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
let data: string;

beforeAll(async () => {
  const clients = [
    clientNamed('api', 'remit', 'evaluate'),
    clientNamed('boss', 'remit', 'admin', 'read_values'),
    clientNamed('blind', 'remit', 'admin'),
  ];
  const remit = await startWith({ issuers: [], clients });
  ({ data } = remit);
  // The command's clock is the machine's, so the decision is of today.
  remit.at(new Date());
  const token = await remit.mint({
    user: 'alice',
    agent: 'hr-assistant',
    scope: 'hr.employees.read',
    audience: 'remit',
  });
  const question = {
    subject: { type: 'user', id: 'alice' },
    action: { name: 'read' },
    resource: { type: 'employee', id: 'erin' },
    context: { token },
  };
  const asked = await remit.post('/access/v1/evaluation', question, { authorization: 'Bearer api-key' });
  expect(asked.json()).toMatchObject({ decision: true });
  await remit.stop({ keep: true });
  return () => {
    rmSync(data, { recursive: true, force: true });
  };
}, 60_000);

const run = (...args: string[]) =>
  spawnSync(process.execPath, [main, 'usage', '--config', join(data, 'remit.yaml'), ...args], {
    encoding: 'utf8',
    env: { ...process.env, REMIT_DATA: data },
  });

it('prints what would have been enough, as text and as JSON', () => {
  const { status, stdout, stderr } = run('--key', 'boss-key', '--user', 'alice');
  expect([status, stderr]).toEqual([0, expect.stringContaining('the engines are opened here')]);
  const parties = 'agent:hr-assistant for user:alice';
  expect(stdout).toContain(
    `enough for all that was done:\n  ${parties}: {"type":"remit","actions":["read"],"resources":["employee:erin"],"access":"online"}\n    would have denied 0 of 1\n`,
  );
  expect(stdout).toContain(`done for the first time:\n  ${parties} read employee, at `);
  expect(stdout).toContain(`granted and not used:\n`);
  const json = JSON.parse(run('--key', 'boss-key', '--user', 'user:alice', '--json').stdout) as UsageJson;
  expect(json).toMatchObject({ records: { read: 1 }, suggestions: [{ would_deny: { n: 0, of: 1 } }] });
  expect(Date.parse(json.period.since)).toBeLessThan(Date.parse(json.period.until));
}, 60_000);

it('says what is missing, and who may not', () => {
  const nobody = run('--key', 'boss-key');
  expect([nobody.status, nobody.stderr]).toEqual([2, expect.stringContaining('user: is required, or "agent" is')]);
  const plain = run('--key', 'api-key', '--user', 'alice');
  expect([plain.status, plain.stderr]).toEqual([2, expect.stringContaining('This client may not "admin".')]);
}, 60_000);
