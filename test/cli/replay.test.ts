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
let recorded: string;

beforeAll(async () => {
  const clients = [
    clientNamed('api', 'remit', 'evaluate', 'asserts_subject', 'read_values'),
    clientNamed('boss', 'remit', 'admin', 'read_values'),
    clientNamed('blind', 'remit', 'admin'),
  ];
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
  for (const key of ['api', 'boss', 'blind']) {
    const headers = { host, authorization: `Bearer ${key}-key` };
    const url = `/v1/decisions${key === 'blind' ? '' : '?values=true'}`;
    const list = await remit.app.inject({ method: 'GET', url, headers });
    recorded = list.json<{ results: { id: string }[] }>().results[0]?.id ?? '';
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

it('says what a key lacks that may not read values, and refuses records that were read without them', () => {
  for (const args of [['replay'], ['explain', recorded], ['diff', config(), config(), '--requests', '0', '--replay']]) {
    const [command = '', ...others] = args;
    const { status, stdout, stderr } = run(command, ...others, '--config', config(), '--key', 'blind-key');
    expect([command, status, stdout], stderr).toEqual([command, 2, '']);
    expect(stderr).toContain('this key may not read values: add read_values to the `may` of its client');
  }
  const file = join(data, 'blind.json');
  for (const args of [['replay'], ['explain', recorded]]) {
    const [command = '', ...others] = args;
    const { status, stderr } = run(command, ...others, '--config', config(), '--file', file);
    expect([command, status, stderr]).toEqual([command, 2, expect.stringContaining('was read without its values')]);
  }
}, 60_000);
