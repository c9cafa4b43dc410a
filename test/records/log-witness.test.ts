/** Witnesses: what they have is held against the log before anything is added, and a log that was set back is not signed to them. */
import { newDecisionStore } from '../support/record-values.js';
import { generateKeyPairSync } from 'node:crypto';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openCheckpoint, openCheckpointByAny } from '../../src/audit/checkpoint.js';
import { NoteRefused, toNoteKey } from '../../src/audit/signed-note.js';
import { newDecisionId } from '../../src/decide/decision-id.js';
import { listKeptNotes, WitnessSender, type LogWitness } from '../../src/records/log-witness.js';
import { Sequencer } from '../../src/records/sequencer.js';
import type { PgliteDatabase } from '../../src/store/database/pglite.js';
import { ScratchDatabase } from '../support/postgres/scratch-database.js';
import { LogStore } from '../../src/store/log-store.js';
import { migrateSchema } from '../../src/store/migrations.js';
import { emptyLog, recordOf } from '../store/log.contract.js';

const signer = { origin: 'log.example', privateKey: generateKeyPairSync('ed25519').privateKey };
const key = toNoteKey(signer.origin, signer.privateKey);
let directory: string;
let file: string;
let database: PgliteDatabase;
let lines: string[];

beforeAll(async () => {
  database = new ScratchDatabase();
  await migrateSchema(database);
  return () => database.close();
}, 60_000);
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'remit-witness-'));
  file = join(directory, 'kept.checkpoints');
  lines = [];
  await emptyLog(database);
  await grow(3);
  return () => {
    rmSync(directory, { recursive: true });
  };
});

async function grow(count: number): Promise<void> {
  const decisions = newDecisionStore(database);
  for (let i = 0; i < count; i += 1) await decisions.record(recordOf(newDecisionId()));
  await new Sequencer(new LogStore(database), signer).sequence();
}
const witness = (to: LogWitness = { file }, by = key): WitnessSender =>
  new WitnessSender(to, { store: new LogStore(database), key: by, log: (line) => lines.push(line) });
const keptSizes = (): number[] =>
  listKeptNotes(readFileSync(file, 'utf8')).map((note) => openCheckpoint(note, key).size);
const setBack = (): Promise<void> => emptyLog(database);

describe('a file', () => {
  it('gets each checkpoint once, one after the other, whichever replica sends it', async () => {
    const [first, second] = [witness(), witness()];
    for (const sender of [first, first, second]) await sender.send();
    await grow(2);
    for (const sender of [second, first, first]) await sender.send();
    expect(keptSizes()).toEqual([3, 5]);
    await first.requireGrowth();
  });

  it('shows a log that was set back, or that is another, before anything is added', async () => {
    await witness().send();
    await setBack();
    await grow(2);
    await expect(witness().requireGrowth()).rejects.toMatchObject({ code: 'log_damaged' });
    await grow(2);
    await expect(witness().requireGrowth()).rejects.toMatchObject({ code: 'log_damaged' });
    await expect(witness().send()).rejects.toMatchObject({ code: 'log_damaged' });
    expect(keptSizes()).toEqual([3]);
  });

  it('is read beyond what a process that was killed has left unfinished', async () => {
    await witness().send();
    appendFileSync(file, readFileSync(file, 'utf8').slice(0, 30));
    await grow(1);
    await witness().send();
    expect(keptSizes()).toEqual([3, 4]);
    await setBack();
    await grow(1);
    await expect(witness().requireGrowth()).rejects.toMatchObject({ code: 'log_damaged' });
  });

  it('shows a log that was set back, though its old checkpoint, or anything else, was copied to the end', async () => {
    await witness().send();
    const old = readFileSync(file, 'utf8');
    const run = (...statements: string[]) => database.run(statements.map((sql) => ({ sql })));
    await run('create table former_tiles as table log_tiles', 'create table former_state as table log_state');
    await grow(2);
    await witness().send();
    const whole = readFileSync(file, 'utf8');
    const refuse = async (text: string): Promise<void> => {
      writeFileSync(file, text);
      await expect(witness().requireGrowth()).rejects.toMatchObject({ code: 'log_damaged' });
      await expect(witness().send()).rejects.toMatchObject({ code: 'log_damaged' });
      expect(readFileSync(file, 'utf8')).toBe(text);
    };
    await run(
      'delete from log_leaves where index >= 3',
      'delete from records where id not in (select id from log_leaves)',
      'delete from log_tiles',
      'insert into log_tiles table former_tiles',
      'delete from log_state',
      'insert into log_state table former_state',
      'drop table former_tiles',
      'drop table former_state',
    );
    for (const written of [old, old.repeat(100), '\n'.repeat(70_000)]) await refuse(whole + written);
    // The log grows as long as it was.
    await grow(2);
    const { checkpoint = '' } = await new LogStore(database).readState();
    await refuse(`${whole}${checkpoint}\n`);
  });

  it('of another log is refused, as is one whose checkpoint was changed', async () => {
    await witness().send();
    const other = toNoteKey('other.example', generateKeyPairSync('ed25519').privateKey);
    await expect(witness({ file }, other).requireGrowth()).rejects.toMatchObject({ code: 'log_damaged' });
    writeFileSync(file, readFileSync(file, 'utf8').replace('\n3\n', '\n2\n'));
    await expect(witness().requireGrowth()).rejects.toMatchObject({ code: 'log_damaged' });
  });

  it('is held against the log by the former key as well, while both sign', async () => {
    await witness().send();
    const privateKey = generateKeyPairSync('ed25519').privateKey;
    const renewed = toNoteKey(signer.origin, privateKey);
    const store = new LogStore(database);
    const sign = (formerKey?: typeof privateKey) =>
      new Sequencer(store, { origin: signer.origin, privateKey, formerKey }).sequence();
    const sender = (formerKey?: typeof key) =>
      new WitnessSender({ file }, { store, key: renewed, formerKey, log: (line) => lines.push(line) });
    await expect(sender().requireGrowth()).rejects.toMatchObject({ code: 'log_damaged' });
    await sign(signer.privateKey);
    await sender(key).requireGrowth();
    await sender(key).send();
    // What both have signed, either opens; so the former key can go.
    const [older = '', newest = ''] = listKeptNotes(readFileSync(file, 'utf8'));
    expect(openCheckpoint(newest, key)).toEqual(openCheckpoint(newest, renewed));
    expect(() => openCheckpoint(older, renewed)).toThrow(NoteRefused);
    expect(openCheckpointByAny(older, [renewed, key]).size).toBe(3);
    await sender().requireGrowth();
    // A replica that has not been started again signs by the former key alone, and another one signs again by both.
    await grow(1);
    const { checkpoint: alone = '' } = await store.readState();
    expect(() => openCheckpoint(alone, renewed)).toThrow(NoteRefused);
    await sign(signer.privateKey);
    const { checkpoint = '' } = await store.readState();
    for (const either of [key, renewed]) expect(openCheckpoint(checkpoint, either).size).toBe(4);
    await new Sequencer(store, signer).sequence();
    expect((await store.readState()).checkpoint).toBe(checkpoint);
  });

  it('that can not be written is told once, and tried again', async () => {
    const missing = witness({ file: join(directory, 'none', 'kept') });
    await missing.send();
    await missing.send();
    expect(lines.length).toBe(1);
    expect(lines[0]).toContain('ENOENT');
  });
});

describe('a url', () => {
  let server: Server;
  let received: { text: string; type: string | undefined }[];
  let status: number;
  beforeEach(async () => {
    received = [];
    status = 200;
    server = createServer((request, response) => {
      let text = '';
      request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      request.on('end', () => {
        received.push({ text, type: request.headers['content-type'] });
        response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return () => new Promise((resolve) => server.close(resolve));
  });
  const target = (): LogWitness => ({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    network: 'public',
  });

  it('gets each checkpoint once', async () => {
    const sender = witness(target());
    await sender.send();
    await sender.send();
    await grow(1);
    await sender.send();
    expect(received.map(({ text }) => openCheckpoint(text, key).size)).toEqual([3, 4]);
    expect(received[0]?.type).toBe('text/plain; charset=utf-8');
  });

  it.each([302, 404, 500])('that answers %i is tried again, and led nowhere else', async (answer) => {
    const sender = witness(target());
    status = answer;
    await sender.send();
    status = 204;
    await sender.send();
    expect(received.length).toBe(2);
    expect(lines).toEqual([expect.stringContaining(String(answer)), expect.stringContaining('again')]);
  });
});
