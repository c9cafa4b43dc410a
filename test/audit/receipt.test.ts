/** Receipts: what one shows is what the log has, and no byte of it can be another without being refused. */
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { signCheckpoint } from '../../src/audit/checkpoint.js';
import { formatLeaf, splitRecord, type LoggedRecord } from '../../src/audit/leaf.js';
import { buildReceipt, parseReceipt, ReceiptRefused, verifyReceipt } from '../../src/audit/receipt.js';
import { formatNoteKey, toNoteKey } from '../../src/audit/signed-note.js';
import { writeCanonicalJson } from '../../src/runtime/canonical-json.js';
import { commit, deriveSalt } from '../../src/runtime/commitment.js';
import { naiveInclusion, naiveRoot } from './naive-tree.js';

const NAME = 'remit.example/log';
const { privateKey } = generateKeyPairSync('ed25519');
const key = toNoteKey(NAME, privateKey);
const seed = Buffer.alloc(32, 7);
const committed = (place: string, value: unknown) => commit(value, deriveSalt(seed, place));

const record: LoggedRecord = {
  id: '0199aa00-0000-7000-8000-000000000001',
  kind: 'decision',
  at: '2030-03-04T10:00:00.000000Z',
  seed: '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff',
  keys: { client: 'api', decision: false, user_key: 'user:~a', task: { $commit: 'AAAA' } },
  record: {
    id: '0199aa00-0000-7000-8000-000000000001',
    decision: false,
    policy_version: 'v',
    request: {
      action: 'read',
      resource: { type: 'document', id: 'plän' },
      task: committed('/request/task', 'month end'),
    },
    reasons: [{ code: 'policy_forbid', 'a/b~c': committed('/reasons/0/a~1b~0c', 3.5) }],
    facts: committed('/facts', 'hidden'),
  },
};
const VALUES = new Map<string, unknown>([
  ['/request/task', 'month end'],
  ['/reasons/0/a~1b~0c', 3.5],
]);

/** A receipt of a record in a log of others. */
function receiptOf(parts: readonly string[], values = VALUES, secret = seed, logged = record): string {
  const leaves = ['before', formatLeaf(logged), 'after'].map((text) => Buffer.from(text));
  const checkpoint = signCheckpoint({ size: 3, root: naiveRoot(leaves) }, NAME, privateKey);
  const proof = { index: 1, leaf: Buffer.from(formatLeaf(logged)), path: naiveInclusion(1, leaves), checkpoint };
  return JSON.stringify(buildReceipt(logged, proof, { parts: new Set(parts), values, seed: secret }));
}
const read = (text: string) => verifyReceipt(parseReceipt(text), key);
const refusal = (text: string): string => {
  try {
    read(text);
  } catch (error) {
    if (error instanceof ReceiptRefused) return error.at;
    throw error;
  }
  return 'accepted';
};

describe('a receipt', () => {
  it('shows the parts that were opened and the values in them, and proves them', () => {
    const shown = read(receiptOf(['question', 'answer', 'reasons']));
    expect(shown).toMatchObject({ leaf: { id: record.id, kind: 'decision', at: record.at }, index: 1, size: 3 });
    const parts = splitRecord(record);
    expect(Object.keys(shown.parts).sort()).toEqual(['answer', 'question', 'reasons']);
    for (const [name, part] of Object.entries(shown.parts)) expect(part).toEqual(parts.get(name));
    expect(shown.values).toEqual(Object.fromEntries(VALUES));
    expect(receiptOf(['question'])).not.toContain('policy_forbid');
  });

  it('opens no value of a part that stays closed, nor one that is another, nor any without the secret', () => {
    expect(read(receiptOf(['question'])).values).toEqual({ '/request/task': 'month end' });
    expect(read(receiptOf(['keys'])).values).toEqual({});
    expect(read(receiptOf(['question'], new Map([['/request/task', 'other']]))).values).toEqual({});
    expect(read(receiptOf(['question'], VALUES, Buffer.alloc(32))).values).toEqual({});
  });

  it('has nothing by which a part that stays closed is opened', () => {
    const names = [...splitRecord(record).keys()];
    fc.assert(
      fc.property(fc.subarray(names), (opened) => {
        const text = receiptOf(opened);
        expect(text).not.toContain(record.seed);
        expect(text).not.toContain(seed.toString('base64'));
        expect(Object.keys(read(text).parts).sort()).toEqual([...opened].sort());
      }),
    );
  });

  it('is refused with any byte altered, or shows the same', () => {
    const text = receiptOf(['question', 'answer', 'reasons', 'keys']);
    const original = JSON.stringify(read(text));
    const bytes = Buffer.from(text);
    let refused = 0;
    for (let i = 0; i < bytes.length; i += 1) {
      const changed = Buffer.from(bytes);
      changed.writeUInt8((bytes.at(i) ?? 0) ^ (1 << (i % 6)), i);
      const altered = changed.toString();
      if (altered.includes('\ufffd')) continue;
      let shown = original;
      try {
        shown = JSON.stringify(read(altered));
      } catch (error) {
        if (!(error instanceof ReceiptRefused)) throw error;
        refused += 1;
      }
      expect(shown, `byte ${i}: ${altered.slice(Math.max(0, i - 20), i + 20)}`).toBe(original);
    }
    expect(refused).toBeGreaterThan(text.length * 0.9);
  });

  it('shows no end of a value as the value, by a salt that takes its beginning', () => {
    const place = '/request/task';
    const value = fc.oneof(fc.integer(), fc.string(), fc.array(fc.integer()), fc.json().map((text) => JSON.parse(text) as unknown)); // prettier-ignore
    const forge = (hidden: unknown, length: number): boolean => {
      const request = { action: 'read', task: committed(place, hidden) };
      const logged = { ...record, record: { ...record.record, request } };
      const receipt = parseReceipt(receiptOf(['question'], new Map([[place, hidden]]), seed, logged));
      expect(read(JSON.stringify(receipt)).values).toHaveProperty([place]);
      const canonical = Buffer.from(writeCanonicalJson(hidden));
      const salt = Buffer.concat([deriveSalt(seed, place), canonical.subarray(0, length)]).toString('base64');
      let end: unknown;
      try {
        end = JSON.parse(canonical.subarray(length).toString());
      } catch {
        return false;
      }
      receipt.values[place] = { salt, value: end };
      expect(refusal(JSON.stringify(receipt))).toBe(`values.${place}`);
      return true;
    };
    expect([forge(1234, 2), forge('"no", then "yes"', 6), forge('plain', 2)]).toEqual([true, true, false]);
    fc.assert(fc.property(value, fc.integer({ min: 1, max: 20 }), (hidden, length) => void forge(hidden, length)));
  });

  it('is refused with any value, salt or part exchanged, and what fails is named', () => {
    const text = receiptOf(['question', 'answer', 'reasons']);
    const edit = (change: (receipt: ReturnType<typeof parseReceipt>) => void): string => {
      const receipt = parseReceipt(text);
      change(receipt);
      return refusal(JSON.stringify(receipt));
    };
    const part = parseReceipt(text).parts['answer'];
    if (part === undefined) throw new Error('the answer is opened');
    const [question, task] = ['question', '/request/task'] as const;
    const salt = part.salt;
    expect(edit((r) => (r.parts['answer'] = { salt, value: { decision: true } }))).toBe('parts.answer');
    expect(edit((r) => (r.parts[question] = part))).toBe('parts.question');
    expect(edit((r) => (r.parts['answer'] = { ...part, salt: `${salt} ` }))).toBe('parts.answer');
    expect(edit((r) => (r.parts['more'] = part))).toBe('parts.more');
    expect(edit((r) => (r.parts['toString'] = part))).toBe('parts.toString');
    expect(edit((r) => (r.values[task] = { ...(r.values[task] ?? part), value: 'x' }))).toBe(`values.${task}`);
    for (const place of [
      '/request/none',
      '/request',
      '',
      '/request/task/$commit',
      '/facts',
      '/reasons/length',
      'x/request/task',
      '/reasons/0/a~1b~c',
    ])
      expect(edit((r) => (r.values[place] = r.values[place.endsWith('c') ? '/reasons/0/a~1b~0c' : task] ?? part))).toBe(
        `values.${place}`,
      );
    expect(edit((r) => (r.leaf.at = '2030-03-04T11:00:00.000000Z'))).toBe('leaf');
    expect(edit((r) => (r.leaf.about = r.leaf.id))).toBe('leaf');
    expect(edit((r) => (r.proof = r.proof.replace('index 1', 'index 2')))).toBe('proof');
    expect(edit((r) => (r.parts = { answer: part }))).toMatch(/^values\./);
    expect(edit((r) => Object.assign(r, { note: 'x' }))).toBe('');
    for (const none of ['', '{}', '[]', 'null', text.slice(1), text.replace('@v1', '@v2'), `${text}x`])
      expect(refusal(none)).toBe('');
    expect(() => verifyReceipt(parseReceipt(text), toNoteKey('another', privateKey))).toThrow(ReceiptRefused);
    const stranger = toNoteKey(NAME, generateKeyPairSync('ed25519').privateKey);
    expect(() => verifyReceipt(parseReceipt(text), stranger)).toThrow(ReceiptRefused);
  });
});

describe.skipIf(spawnSync('python3', ['--version']).status !== 0)(
  'a verifier that shares no code (needs python3)',
  () => {
    const directory = mkdtempSync(join(tmpdir(), 'remit-receipt-'));
    const verifier = fileURLToPath(new URL('../../.ci/python-recipes/verify_log.py', import.meta.url));
    const check = (text: string, ...options: string[]) => {
      const receipt = parseReceipt(text);
      const leaves = ['before', formatLeaf(record), 'after'];
      const files = {
        receipt: text,
        proof: receipt.proof,
        head: signCheckpoint({ size: 3, root: naiveRoot(leaves.map((leaf) => Buffer.from(leaf))) }, NAME, privateKey),
        log: `${leaves.join('\n')}\n`,
      };
      for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content);
      const args = ['--key', formatNoteKey(key), '--checkpoint', 'head', '--export', 'log', '--proof', 'proof'];
      const { stdout, stderr, status } = spawnSync('python3', [verifier, ...args, '--receipt', 'receipt', ...options], { cwd: directory, encoding: 'utf8' }); // prettier-ignore
      return { status, said: stdout + stderr };
    };
    afterAll(() => {
      rmSync(directory, { recursive: true });
    });

    it('proves the same, and refuses each altered byte of a checkpoint, a proof and a receipt', () => {
      const { status, said } = check(receiptOf(['question', 'answer', 'reasons', 'keys']), '--each-byte');
      expect([status, said]).toEqual([0, expect.stringContaining(`receipt: all that it says of record ${record.id} is proved, at 1`)]); // prettier-ignore
      const counts = [...said.matchAll(/^(\w+): (\d+) of (\d+) bytes are refused/gm)].map(([, name, refused, all]) => [name, Number(refused) / Number(all)] as const); // prettier-ignore
      expect(counts.map(([name]) => name)).toEqual(['head', 'proof', 'receipt']);
      // A byte may end a character of more bytes: such a text is none.
      for (const [name, share] of counts) expect(share, name).toBeGreaterThan(0.9);
    }, 120_000);

    it('refuses a salt that takes the beginning of a value', () => {
      const forged = parseReceipt(receiptOf(['question', 'reasons']));
      const place = '/reasons/0/a~1b~0c';
      const salt = Buffer.concat([deriveSalt(seed, place), Buffer.from('3.')]).toString('base64');
      forged.values[place] = { salt, value: 5 };
      const { status, said } = check(JSON.stringify(forged));
      expect(status).toBe(1);
      expect(said).toContain(`refused: values.${place}: its salt is not 32 bytes long`);
    }, 120_000);
  },
);
