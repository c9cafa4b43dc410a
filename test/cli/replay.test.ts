/** `remit replay` as the operator runs it: the built program, real processes. */
import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { clientNamed, startWith } from '../support/sample.js';

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const ADMIN_NEEDED = "an admin client's key is needed (--key or REMIT_KEY)";
/** The data directory of the service that made the decision, which has ended; its configuration is in it. */
let data: string;

beforeAll(async () => {
  const clients = [clientNamed('api', 'remit', 'evaluate', 'asserts_subject'), clientNamed('boss', 'remit', 'admin')];
  const remit = await startWith({ issuers: [], clients });
  ({ data } = remit);
  const host = `127.0.0.1:${remit.service.config.port}`;
  const question = {
    subject: { type: 'user', id: 'alice' },
    action: { name: 'read' },
    resource: { type: 'employee', id: 'erin' },
    context: { mode: 'human' },
  };
  const asked = await remit.post('/access/v1/evaluation', question, { authorization: 'Bearer api-key' });
  expect(asked.statusCode).toBe(200);
  for (const key of ['api', 'boss']) {
    const headers = { host, authorization: `Bearer ${key}-key` };
    const list = await remit.app.inject({ method: 'GET', url: '/v1/decisions', headers });
    writeFileSync(join(data, `${key}.json`), list.body);
  }
  await remit.stop({ keep: true });
  return () => {
    rmSync(data, { recursive: true, force: true });
  };
});

const run = (command: string, ...args: string[]) =>
  spawnSync(process.execPath, [main, command, ...args], {
    encoding: 'utf8',
    env: { ...process.env, REMIT_DATA: data },
  });
const config = (): string => join(data, 'remit.yaml');

it('makes what an admin reads again', () => {
  const { status, stdout } = run('replay', '--config', config(), '--key', 'boss-key');
  expect([status, stdout]).toEqual([0, expect.stringContaining('1 come out the same')]);
  expect(run('replay', '--config', config(), '--file', join(data, 'boss.json')).status).toBe(0);
});

it('refuses a key that is shown no facts, and records that were read with one', () => {
  const { status, stdout, stderr } = run('replay', '--config', config(), '--key', 'api-key');
  expect([status, stdout, stderr]).toEqual([2, '', expect.stringContaining(ADMIN_NEEDED)]);
  const file = join(data, 'api.json');
  const read = run('replay', '--config', config(), '--file', file);
  expect([read.status, read.stderr]).toEqual([2, expect.stringContaining(`api.json: the records come without`)]);
  const compared = run('diff', config(), config(), '--requests', '0', '--replay', '--file', file);
  expect([compared.status, compared.stderr]).toEqual([2, expect.stringContaining(ADMIN_NEEDED)]);
});
