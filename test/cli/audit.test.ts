/** `remit audit` as the operator runs it: the built program, real processes, and what was done to the database between them. */
import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/audit/checkpoint.js';
import { verifyProofFile } from '../../src/audit/proof-file.js';
import { formatNoteKey, type NoteKey } from '../../src/audit/signed-note.js';
import { parseStrictJson } from '../../src/runtime/strict-json.js';
import { PgliteDatabase } from '../../src/store/database/pglite.js';
import { naiveRoot } from '../audit/naive-tree.js';
import { clientNamed, startWith, type Answer } from '../support/sample.js';

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
/** The data directory of a service that has ended; its configuration is in it. */
let data: string;
let key: NoteKey;
let checkpoint: string;
let id: string;

beforeAll(async () => {
  const clients = [clientNamed('api', 'remit', 'evaluate', 'asserts_subject'), clientNamed('boss', 'remit', 'admin')];
  const remit = await startWith({ issuers: [], clients });
  ({ data } = remit);
  const question = {
    subject: { type: 'user', id: 'alice' },
    action: { name: 'read' },
    resource: { type: 'employee', id: 'erin' },
    context: { mode: 'human' },
  };
  for (let i = 0; i < 5; i += 1) {
    const asked = await remit.post('/access/v1/evaluation', question, { authorization: 'Bearer api-key' });
    id = asked.json<Answer>().context?.id ?? '';
  }
  const { auditLog } = remit.service;
  await auditLog.sequencer.sequence();
  checkpoint = (await auditLog.store.readState()).checkpoint ?? '';
  if (auditLog.key === undefined) throw new Error('an embedded database has a key');
  key = auditLog.key;
  await remit.stop({ keep: true });
  writeFileSync(join(data, 'kept.checkpoint'), checkpoint);
  return () => {
    rmSync(data, { recursive: true, force: true });
  };
}, 120_000);

const run = (...args: string[]) =>
  spawnSync(process.execPath, [main, 'audit', ...args, '--config', join(data, 'remit.yaml'), '--key', 'boss-key'], {
    encoding: 'utf8',
    env: { ...process.env, REMIT_DATA: data },
  });

describe('remit audit', () => {
  it('exports leaf i on line i, which give the root that was signed', () => {
    const { status, stdout } = run('export', '--format', 'jsonl');
    expect(status).toBe(0);
    const leaves = stdout.split('\n').slice(0, -1).map((line) => Buffer.from(line)); // prettier-ignore
    expect(openCheckpoint(checkpoint, key)).toEqual({ size: leaves.length, root: naiveRoot(leaves) });
    expect(run('export', '--format', 'xml').status).toBe(2);
  });

  it('proves a record, offline', () => {
    const { status, stdout } = run('prove', id);
    expect(status).toBe(0);
    expect(parseStrictJson(verifyProofFile(stdout, key).leaf.toString())).toMatchObject({ id });
    expect(
      run(
        'prove',
        id.replace(/.$/, (digit) => (digit === '0' ? '1' : '0')),
      ).status,
    ).toBe(2);
  });

  it('verifies what was signed, also against what was kept and a key that is known', () => {
    const kept = ['--checkpoint', join(data, 'kept.checkpoint')];
    const verified = run('verify', ...kept, '--log-key', formatNoteKey(key), '--json');
    expect([verified.status, parseStrictJson(verified.stdout)]).toEqual([
      0,
      { size: 5, kept: 1, waiting: [], findings: [] },
    ]);
    expect(run('verify', '--log-key', `${formatNoteKey(key)}x`).status).toBe(2);
  });

  it('names what was changed, and exits with 1', async () => {
    const database = new PgliteDatabase(join(data, 'database'));
    await database.run([
      { sql: 'alter table records disable trigger records_stay' },
      { sql: `update records set record = record || '{"decision": false}' where id = $1::uuid`, params: [id] },
    ]);
    await database.close();
    const { status, stdout } = run('verify');
    expect([status, stdout]).toEqual([1, expect.stringMatching(new RegExp(`^changed  at 4  ${id}  the record`))]);
  }, 60_000);
});
