/** Leaves: every byte of a record is in its leaf, none of it in clear, and each part is opened by itself. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commitPart, derivePartSalt, formatLeaf, splitRecord, type LoggedRecord } from '../../src/audit/leaf.js';
import { formatCanonicalJson } from '../../src/runtime/canonical-json.js';
import { parseStrictJson } from '../../src/runtime/strict-json.js';

const SEED = '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff';
const decision: LoggedRecord = {
  id: '0199aa00-0000-7000-8000-000000000001',
  kind: 'decision',
  at: '2030-03-04T10:00:00.000000Z',
  seed: SEED,
  keys: { client: 'api', decision: true, user_key: 'user:ann' },
  record: {
    id: '0199aa00-0000-7000-8000-000000000001',
    evaluated_at: '2030-03-04T10:00:00.000Z',
    client: 'api',
    decision: true,
    dry_run: false,
    policy_version: 'v',
    request: { subject: { type: 'user', id: 'ann' }, action: 'read', resource: { type: 'document', id: 'plan' } },
    token: { issuer: 'https://login.example' },
    reasons: [],
    obligations: [],
    rationale: { acting: { mode: 'human', user: 'user:ann', chain: [] }, steps: [] },
    facts: { checks: {} },
  },
};
const outcome: LoggedRecord = {
  id: '0199aa00-0000-7000-8000-000000000002',
  kind: 'outcome',
  at: '2030-03-04T10:00:01.000002Z',
  about: decision.id,
  seed: SEED,
  keys: { client: 'api' },
  record: { outcome: 'executed', detail: 'Ann has read it' },
};
interface Leaf {
  readonly [member: string]: unknown;
  readonly parts: Readonly<Record<string, { readonly $commit: string }>>;
}
const parseLeaf = (record: LoggedRecord): Leaf => parseStrictJson(formatLeaf(record)) as Leaf;

describe('leaves', () => {
  it('say what a record is, and commit to its parts', () => {
    const { parts, ...clear } = parseLeaf(decision);
    expect(clear).toEqual({ v: 1, id: decision.id, kind: 'decision', at: decision.at });
    expect(Object.keys(parts)).toEqual([
      'answer', 'facts', 'keys', 'obligations', 'parties', 'policies', 'question', 'rationale', 'reasons',
    ]); // prettier-ignore
    expect(parseLeaf(outcome)).toMatchObject({ kind: 'outcome', about: decision.id });
    expect(Object.keys(parseLeaf(outcome).parts)).toEqual(['keys', 'record']);
    // Written down once, so that no later version computes other leaves of the same records.
    expect(createHash('sha256').update(formatLeaf(decision)).digest('hex')).toMatchInlineSnapshot(
      `"b2d39cdd1e4c76b8fb709d2314ea509c348a872e810c1c155b45989ea1c77ad8"`,
    );
  });

  it('are canonical, in one line, and show none of the parts', () => {
    for (const record of [decision, outcome]) {
      const leaf = formatLeaf(record);
      expect(formatCanonicalJson(parseStrictJson(leaf))).toBe(leaf);
      expect(leaf).not.toContain('\n');
      for (const text of ['ann', 'Ann', 'api', 'login.example', SEED]) expect(leaf).not.toContain(text);
    }
  });

  it('are of whole records: each member is in one part', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.constantFrom('decision', 'outcome', 'later'),
        (extra, kind) => {
          const record = { ...decision.record, ...extra };
          const parts = splitRecord({ ...decision, kind, record });
          const members = [...parts].flatMap(([name, part]) => (name === 'keys' ? [] : Object.entries(part)));
          expect(new Map(members)).toEqual(new Map(Object.entries(record)));
          expect(members.length).toBe(Object.keys(record).length);
        },
      ),
    );
  });

  it('differ where anything of the record does', () => {
    const at = (value: unknown): fc.Arbitrary<unknown> => fc.jsonValue().filter((other) => formatCanonicalJson(other) !== formatCanonicalJson(value)); // prettier-ignore
    for (const base of [decision, outcome]) {
      for (const [member, value] of Object.entries(base.record))
        fc.assert(
          fc.property(at(value), (other) => {
            expect(formatLeaf({ ...base, record: { ...base.record, [member]: other } })).not.toBe(formatLeaf(base));
          }),
          { numRuns: 10 },
        );
      for (const change of [
        { id: outcome.id.replace('2', '3') },
        { kind: 'list' },
        { at: '2030-03-04T10:00:00.000001Z' },
        { about: 'other' },
        { keys: { ...base.keys, client: 'other' } },
        { keys: {} },
        { record: {} },
        { seed: SEED.replace('0', '1') },
      ])
        // prettier-ignore
        expect(formatLeaf({ ...base, ...change })).not.toBe(formatLeaf(base));
    }
  });
});

describe('a part', () => {
  it('is opened by its salt, and by no other', () => {
    const { parts } = parseLeaf(decision);
    for (const [name, part] of splitRecord(decision))
      for (const other of splitRecord(decision).keys())
        expect(commitPart(derivePartSalt(SEED, other), part) === parts[name]?.$commit).toBe(other === name);
  });

  it('has another commitment in each record, so that equal ones are not told', () => {
    const other = parseLeaf({ ...decision, seed: SEED.replace('0', '1') });
    for (const [name, { $commit }] of Object.entries(parseLeaf(decision).parts))
      expect(other.parts[name]?.$commit).not.toBe($commit);
  });
});
