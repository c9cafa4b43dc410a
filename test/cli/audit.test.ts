/** `remit audit` as the operator runs it: the built program, real processes, and what was done to the database between them. */
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/audit/checkpoint.js';
import { verifyProofFile } from '../../src/audit/proof-file.js';
import { formatNoteKey, toNoteKey, type NoteKey } from '../../src/audit/signed-note.js';
import { readAuditKey } from '../../src/config/audit.js';
import { RecordSweeper } from '../../src/records/record-sweeper.js';
import { Sequencer } from '../../src/records/sequencer.js';
import { parseStrictJson } from '../../src/runtime/strict-json.js';
import { PgliteDatabase } from '../../src/store/database/pglite.js';
import { LogStore } from '../../src/store/log-store.js';
import { RetentionStore } from '../../src/store/retention-store.js';
import { naiveRoot } from '../audit/naive-tree.js';
import { clientNamed, startWith, type Answer } from '../support/sample.js';

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
/** The data directory of a service that has ended; its configuration is in it. */
let data: string;
let key: NoteKey;
let checkpoint: string;
let id: string;
/** A receipt of that decision. */
let receipt: string;

beforeAll(async () => {
  const clients = [clientNamed('api', 'remit', 'evaluate', 'asserts_subject'), clientNamed('boss', 'remit', 'admin')];
  const remit = await startWith({ issuers: [], clients });
  ({ data } = remit);
  // They are old enough for a retention.
  remit.at(new Date('2025-03-04T10:00:00Z'));
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
  receipt = (await remit.request('GET', `/v1/decisions/${id}/receipt`, undefined, 'boss-key')).body;
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
    const rest = (from: string): string[] => run('export', '--from', from).stdout.split('\n').slice(0, -1);
    expect([rest('3'), rest(id), rest('5')]).toEqual([
      stdout.split('\n').slice(3, -1),
      stdout.split('\n').slice(4, -1),
      [],
    ]);
    expect(
      run(
        'export',
        '--from',
        id.replace(/.$/, (digit) => (digit === '0' ? '1' : '0')),
      ).status,
    ).toBe(2);
    expect(run('export', '--from', '-1').status).toBe(2);
  });

  it('exports records for other systems, a line each, without people', () => {
    for (const format of ['ocsf', 'cloudevents']) {
      const { status, stdout } = run('export', '--format', format, '--from', '1');
      expect(status).toBe(0);
      expect(stdout).not.toContain('alice');
      const events = stdout.split('\n').slice(0, -1).map((line) => parseStrictJson(line)); // prettier-ignore
      expect(events.length).toBe(4);
      expect(events.at(-1)).toMatchObject(
        format === 'ocsf'
          ? { class_uid: 6003, status_id: 1, metadata: { uid: id, sequence: 4, log_name: key.name } }
          : { type: 'dev.remit.decision.v1', id, data: { log: { index: 4 }, record: { decision: true } } },
      );
    }
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

  it('checks a receipt and a proof offline, without a configuration, and names what is not proved', () => {
    const check = (text: string, ...args: string[]) => {
      const file = join(data, 'checked');
      writeFileSync(file, text);
      const env = { PATH: process.env['PATH'] ?? '' };
      return spawnSync(process.execPath, [main, 'audit', 'check', file, ...args], { encoding: 'utf8', cwd: data, env });
    };
    const known = ['--key', formatNoteKey(key)];
    const checked = check(receipt, ...known, '--json');
    expect([checked.status, parseStrictJson(checked.stdout)]).toMatchObject([
      0,
      {
        valid: true,
        id,
        kind: 'decision',
        log: key.name,
        index: 4,
        size: 5,
        parts: { answer: { id, decision: true } },
      },
    ]);
    expect(check(receipt, ...known).stdout).toContain(`Proved: the decision ${id} of `);
    expect(check(run('prove', id).stdout, ...known).status).toBe(0);
    const altered = JSON.parse(receipt) as { parts: { answer: { value: { decision: boolean } } } };
    altered.parts.answer.value.decision = false;
    const refused = check(JSON.stringify(altered), ...known, '--json');
    expect([refused.status, parseStrictJson(refused.stdout)]).toMatchObject([1, { valid: false, at: 'parts.answer' }]);
    expect(check(run('prove', id).stdout.replace('index 4', 'index 3'), ...known).status).toBe(1);
    for (const text of ['', '{}', receipt.slice(1)]) expect(check(text, ...known).status).toBe(2);
    expect(check(receipt).status).toBe(2);
    expect(check(receipt, '--key', 'x').status).toBe(2);
    const stranger = formatNoteKey(toNoteKey(key.name, generateKeyPairSync('ed25519').privateKey));
    expect(check(receipt, '--key', stranger).status).toBe(1);
  });

  it('verifies what was signed, also against what was kept and a key that is known', () => {
    const kept = ['--checkpoint', join(data, 'kept.checkpoint')];
    const verified = run('verify', ...kept, '--log-key', formatNoteKey(key), '--json');
    expect([verified.status, parseStrictJson(verified.stdout)]).toEqual([
      0,
      { size: 5, kept: 1, pruned: 0, waiting: [], findings: [] },
    ]);
    expect(run('verify', '--log-key', `${formatNoteKey(key)}x`).status).toBe(2);
    const stranger = formatNoteKey(toNoteKey(key.name, generateKeyPairSync('ed25519').privateKey));
    expect(run('verify', ...kept, '--log-key', stranger).status).toBe(2);
    expect(run('verify', ...kept, '--log-key', stranger, '--log-key', formatNoteKey(key)).status).toBe(0);
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

  it('accepts a log that the retention has pruned, and still names what was changed', async () => {
    const database = new PgliteDatabase(join(data, 'database'));
    await database.run([
      { sql: 'alter table records disable trigger records_stay' },
      { sql: `update records set record = record || '{"decision": false}' where id = $1::uuid`, params: [id] },
    ]);
    const logStore = new LogStore(database);
    const signer = { origin: key.name, privateKey: readAuditKey(join(data, 'audit.key')) };
    const hold = { isOnAll: false, listNames: () => Promise.resolve([]) };
    const deps = { retentions: new RetentionStore(database), logStore, signer, hold, isDamaged: () => false };
    const sweeper = new RecordSweeper({ ...deps, now: () => new Date(), log: () => undefined }, 1, 0);
    const sequencer = new Sequencer(logStore, signer);
    await sweeper.sweep();
    await sequencer.sequence();
    await sweeper.sweep();
    await sequencer.sequence();
    const { checkpoint: head = '' } = await logStore.readState();
    await database.close();
    const verified = run('verify', '--checkpoint', join(data, 'kept.checkpoint'), '--json');
    const { findings, pruned } = parseStrictJson(verified.stdout) as { findings: object[]; pruned: number };
    expect([verified.status, findings, pruned]).toEqual([1, [expect.objectContaining({ kind: 'changed', id })], 4]);
    expect(run('verify').stdout).toContain('4 of them were pruned, as the retention has said.');

    // The lines of what is pruned are there, and its proofs; the records for other systems are not.
    const leaves = run('export').stdout;
    const [first = ''] = leaves.split('\n');
    expect(openCheckpoint(head, key).root).toEqual(naiveRoot(leaves.split('\n').slice(0, -1).slice(0, openCheckpoint(head, key).size).map((leaf) => Buffer.from(leaf)))); // prettier-ignore
    const proof = run('prove', (parseStrictJson(first) as { id: string }).id);
    expect(proof.status).toBe(0);
    const events = run('export', '--format', 'cloudevents');
    expect([events.status, events.stdout.split('\n').filter((line) => line.includes(id)).length]).toEqual([0, 1]);
    for (const [name, text] of [
      ['head', head],
      ['log', leaves],
      ['proof', proof.stdout],
    ] as const)
      writeFileSync(join(data, name), text);
    if (spawnSync('python3', ['--version']).status !== 0) return;
    const verifier = fileURLToPath(new URL('../../.ci/python-recipes/verify_log.py', import.meta.url));
    const args = ['--key', formatNoteKey(key), '--checkpoint', 'head', '--export', 'log', '--proof', 'proof'];
    const checked = spawnSync('python3', [verifier, ...args], { encoding: 'utf8', cwd: data });
    expect(checked.stdout + checked.stderr).toMatch(
      /the export is what was signed\nproof: record \S+ is in the log, at 0/,
    );
  }, 180_000);
});
