/** Remit on a SpiceDB server as an operator sets it up: migrate, start, decide, change the schema. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { buildApp } from '../../src/http/app.js';
import { loadConfig } from '../../src/config/config.js';
import { openService } from '../../src/service/service.js';
import { clientNamed } from '../support/sample.js';
import { BINARY, named, startSpiceDb, type RunningSpiceDb } from '../support/spicedb.js';
import { collectCleanups } from '../support/cleanups.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const main = join(root, 'dist/main.js');

describe.skipIf(BINARY === '')(named('Remit on a SpiceDB server'), () => {
  const directory = mkdtempSync(join(tmpdir(), 'remit-migrate-'));
  const file = join(directory, 'remit.yaml');
  const zed = join(directory, 'acme.zed');
  const schema = readFileSync(join(root, 'schema/acme.zed'), 'utf8');
  let spicedb: RunningSpiceDb;
  const onSuiteFinished = collectCleanups();
  onSuiteFinished(() => rmSync(directory, { recursive: true, force: true }));
  beforeAll(async () => {
    spicedb = await startSpiceDb();
    onSuiteFinished(() => spicedb.kill());
    const { endpoint, key } = spicedb.address;
    mkdirSync(join(directory, 'data'));
    writeFileSync(join(directory, 'key'), key);
    writeFileSync(zed, schema);
    writeFileSync(
      file,
      stringify({
        schema: { relationships: 'acme.zed', actions: join(root, 'schema/acme.cedarschema') },
        policies: join(root, 'policies'),
        data: 'data',
        spicedb: { mode: 'server', endpoint, token_file: 'key', insecure_plaintext: true },
        clients: [
          clientNamed('hr-api', 'hr-api', 'evaluate', 'asserts_subject'),
          clientNamed('admin', 'admin', 'admin'),
        ],
      }),
    );
  });

  const remit = (...args: string[]): Promise<{ code: number; out: string; err: string }> =>
    new Promise((resolve) => {
      execFile(process.execPath, [main, ...args, '--config', file], { cwd: root }, (error, out, err) => {
        resolve({ code: error === null ? 0 : Number(error.code), out, err });
      });
    });
  const open = () => openService(loadConfig(file, {}));

  it('does not start on an empty server, and says what does it', async () => {
    const { code, err } = await remit('serve');
    expect([code, err]).toEqual([2, expect.stringContaining('"remit migrate"')]);
    expect(err).toContain(': definition agent (only in the file); definition calendar (only');
    expect(err).not.toContain(spicedb.address.key);
  });

  it('migrate adds at once, and then has nothing to do', async () => {
    const checked = await remit('migrate', '--check');
    expect([checked.code, checked.out]).toEqual([
      1,
      expect.stringMatching(/\+ definition employee[\s\S]*Nothing is applied\./),
    ]);
    const first = await remit('migrate');
    expect([first.code, first.out]).toEqual([0, expect.stringMatching(/\+ definition employee[\s\S]*Applied\./)]);
    const second = await remit('migrate', '--json');
    expect([second.code, JSON.parse(second.out)]).toEqual([0, { spicedb: { differences: [], applied: false } }]);
    expect((await remit('migrate', '--check')).code).toBe(0);
  });

  it('decides, writes and reads over it, with no development key or issuer', async () => {
    const service = await open();
    expect([service.devKey, service.devIssuer]).toEqual([undefined, undefined]);
    const app = await buildApp(service);
    const call = (client: string, method: 'GET' | 'POST', url: string, payload?: object) =>
      app.inject({
        method,
        url,
        headers: { host: '127.0.0.1:7480', authorization: `Bearer ${client}-key` },
        ...(payload === undefined ? {} : { payload }),
      });
    const question = (at_least?: string) => ({
      subject: { type: 'user', id: 'ann' },
      action: { name: 'read' },
      resource: { type: 'employee', id: 'ben', properties: { status: 'active' } },
      context: { mode: 'human', ...(at_least === undefined ? {} : { consistency: { at_least } }) },
    });
    const decide = async (at?: string): Promise<unknown> => {
      const response = await call('hr-api', 'POST', '/access/v1/evaluation', question(at));
      return response.json<{ decision: boolean }>().decision;
    };
    expect(await decide()).toBe(false);
    const relationship = 'employee:ben#manager@user:ann';
    const written = await call('admin', 'POST', '/v1/relationships', {
      updates: [{ operation: 'touch', relationship }],
    });
    const { zedtoken } = written.json<{ zedtoken: string }>();
    expect([await decide(), await decide(zedtoken)]).toEqual([true, true]);
    const read = await call('admin', 'GET', '/v1/relationships?resource_type=employee');
    expect(read.json()).toMatchObject({ relationships: [{ relationship }], truncated: false });
    const wrong = await call('hr-api', 'POST', '/access/v1/evaluation', question('bm9uZQ=='));
    expect([wrong.statusCode, wrong.json<{ error: object }>().error]).toMatchObject([
      400,
      { at: 'context.consistency.at_least', message: 'is not a ZedToken of this deployment' },
    ]);
    expect((await call('admin', 'GET', '/health/ready')).json()).toMatchObject({ checks: { relationships: 'ok' } });
    expect((await call('hr-api', 'GET', '/health/ready')).json()).toEqual({ status: 'ready' });
    await app.close();
    await service.close();
  });

  it('migrate asks before it removes or changes, and SpiceDB keeps what is in use', async () => {
    writeFileSync(zed, `${schema}\ndefinition spare {\n  relation owner: user\n}\n`);
    expect((await remit('migrate')).code).toBe(0);
    writeFileSync(zed, schema);
    await expect(open()).rejects.toThrow('definition spare (only on the server)');
    const withheld = await remit('migrate');
    expect([withheld.code, withheld.out]).toEqual([1, expect.stringMatching(/- definition spare\n.*--yes/)]);
    const { code, out } = await remit('migrate', '--yes', '--json');
    expect([code, JSON.parse(out)]).toEqual([
      0,
      { spicedb: { differences: [{ change: 'remove', what: 'definition spare' }], applied: true } },
    ]);
    await (await open()).close();

    writeFileSync(zed, schema.replace(/relation manager: .*/, 'relation manager: employee'));
    const used = await remit('migrate', '--yes');
    expect([used.code, used.err]).toEqual([2, expect.stringMatching(/acme\.zed.*`?manager/)]);
    writeFileSync(zed, schema);
    await (await open()).close();
  });

  it('a key that SpiceDB refuses ends the start at its place', async () => {
    writeFileSync(join(directory, 'key'), 'another-key');
    const { code, err } = await remit('serve');
    expect([code, err]).toEqual([2, expect.stringContaining('spicedb.token: SpiceDB at')]);
    expect(err).not.toContain('another-key');
    writeFileSync(join(directory, 'key'), spicedb.address.key);
  });
});
