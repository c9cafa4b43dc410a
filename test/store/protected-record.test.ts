/** The record as the log has it: on decisions of the real engines, no value and no person of them is left in clear. */
import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeId, type EntityRef } from '../../src/model/ids.js';
import { commit, deriveSalt, isCommitment, newRecordSeed, opensCommitment } from '../../src/runtime/commitment.js';
import { protectRecord, restoreRecord } from '../../src/store/protected-record.js';
import type { HiddenContent, Protection } from '../../src/store/protecting-rules.js';
import { clearText } from '../support/clear-text.js';
import { start, type Running } from '../support/sample.js';

const key = newRecordSeed();
const pseudonyms = new Map<string, string>();
function pseudonym({ type, id }: EntityRef): string {
  const ref = `${type}:${id}`;
  const known = pseudonyms.get(ref);
  if (known !== undefined) return known;
  const made = `~${createHmac('sha256', key).update(ref).digest('base64url').slice(0, 22)}`;
  pseudonyms.set(ref, made);
  return made;
}
const protection = (seed = newRecordSeed()): Protection => ({
  seed,
  nameOf: (ref) => (ref.type === 'user' || ref.type === 'employee' ? pseudonym(ref) : ref.id),
});

/** The record as it is stored, and what is sealed of it, both as they are read again. */
function hide(record: object): { shown: Readonly<Record<string, unknown>>; hidden: HiddenContent } {
  const names = new Map<string, string>();
  const values = new Map<string, unknown>();
  const { seed, nameOf } = protection();
  const shown = protectRecord(record, {
    seed,
    nameOf: (ref) => {
      const name = nameOf(ref);
      if (name !== ref.id) names.set(`${ref.type}:${name}`, ref.id);
      return name;
    },
    onCommitted: (hash, value) => values.set(hash, JSON.parse(JSON.stringify(value))),
  });
  return { shown: JSON.parse(JSON.stringify(shown)) as Readonly<Record<string, unknown>>, hidden: { names, values } };
}

describe('a commitment', () => {
  it('is opened by its value and salt, however its members are ordered, and by no other', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (value, other) => {
        const salt = deriveSalt(newRecordSeed(), '/a');
        const made = commit(value, salt);
        expect(isCommitment(made)).toBe(true);
        expect(opensCommitment(made, JSON.parse(JSON.stringify(value)), salt)).toBe(true);
        expect(opensCommitment(made, value, deriveSalt(newRecordSeed(), '/a'))).toBe(false);
        if (JSON.stringify(value) !== JSON.stringify(other))
          expect(opensCommitment(made, other, salt)).toBe(sameJson(value, other));
      }),
    );
  });

  it('of equal values are different at each place, and in each record', () => {
    const [a, b] = [newRecordSeed(), newRecordSeed()];
    const made = [deriveSalt(a, '/x'), deriveSalt(a, '/y'), deriveSalt(b, '/x')].map(
      (salt) => commit(125_000, salt).$commit,
    );
    expect(new Set(made).size).toBe(3);
  });
});
function sameJson(a: unknown, b: unknown): boolean {
  return commit(a, new Uint8Array()).$commit === commit(b, new Uint8Array()).$commit;
}

describe('a record on the log', () => {
  let remit: Running;
  const PERSON = clearText('alice', 'erin', 'dave', 'bob', 'zoe', 'carol');
  beforeAll(async () => {
    remit = await start();
    const scope = 'hr.employees.read hr.employees.write hr.employees.export code.read code.write';
    const token = await remit.mint({ user: 'alice', agent: 'hr-assistant', scope });
    const ask = (action: string, id: string, more: object = {}) =>
      remit.evaluate({
        subject: { type: 'user', id: 'alice' },
        action: { name: action },
        resource: { type: 'employee', id, properties: { salary: 125_001, ssn: '078-05-1120', status: 'active' } },
        context: { token, purpose: 'to see what Erin earns', ...more },
      });
    for (const action of ['read', 'update', 'delete', 'export', 'jump'])
      for (const id of ['erin', 'zoe', 'Erin Example <erin@acme.example>']) await ask(action, id);
    await ask('read', 'erin', { token: `${token}x` });
    await ask('read', 'erin', { token: undefined, mode: 'human' });
    for (const search of ['subject', 'resource', 'action'])
      await remit.post(`/access/v1/search/${search}`, {
        subject: { type: 'user', id: search === 'subject' ? undefined : 'alice' },
        action: { name: 'read' },
        resource: { type: 'employee', id: search === 'resource' ? undefined : 'erin' },
        context: { token },
      });
    return () => remit.stop();
  }, 60_000);

  it('names no person and shows no value, of whatever decision', async () => {
    const { records } = await remit.service.decisions.list({}, undefined, 200);
    expect(records.length).toBeGreaterThan(15);
    for (const record of records) {
      const text = JSON.stringify(protectRecord(record, protection()));
      expect(text).not.toMatch(PERSON);
      for (const value of ['125001', '125_001', '078-05-1120', 'earns', 'active']) expect(text).not.toContain(value);
      expect(text).toContain(record.id);
    }
    // The test would find them: the record itself has them.
    expect(JSON.stringify(records)).toMatch(PERSON);
    expect(JSON.stringify(records)).toContain('125001');
  });

  it('says who may tell it apart what was decided, by which policies, and over which relationships', async () => {
    const { records } = await remit.service.decisions.list({}, undefined, 200);
    const denied = records.find(
      (record) =>
        'reasons' in record && record.request.action === 'delete' && record.reasons[0]?.code === 'policy_forbid',
    );
    expect(protectRecord(denied ?? {}, protection())).toMatchObject({
      decision: false,
      request: { subject: { type: 'user', id: expect.stringMatching(/^~/) as string }, action: 'delete' },
      reasons: [{ code: 'policy_forbid', step: 'policy', message: { $commit: expect.any(String) as string } }],
      rationale: { acting: { agent: 'agent:hr-assistant' } },
      facts: { $commit: expect.any(String) as string },
    });
  });

  it('is the same for the same seed, and shares no commitment with any other', async () => {
    const { records } = await remit.service.decisions.list({}, undefined, 200);
    const seen = new Set<string>();
    for (const record of records) {
      const seed = newRecordSeed();
      const text = JSON.stringify(protectRecord(record, protection(seed)));
      expect(JSON.stringify(protectRecord(record, protection(seed)))).toBe(text);
      for (const [, hash = ''] of text.matchAll(/"\$commit":"([^"]+)"/g)) {
        expect(seen.has(hash)).toBe(false);
        seen.add(hash);
      }
    }
    expect(seen.size).toBeGreaterThan(30);
  });

  it('is whole again with what was hidden of it, but for the items that a limit has taken out of a list', async () => {
    const { records } = await remit.service.decisions.list({}, undefined, 200);
    const lists = records.filter((record) => 'search' in record);
    expect(lists.flatMap((list) => list.items ?? []).length).toBeGreaterThan(1);
    for (const record of records) {
      const { shown, hidden } = hide(record);
      expect(restoreRecord(shown, hidden)).toEqual(record);
      const { items } = record as { items?: unknown[] };
      const kept = (_: unknown, i: number): boolean => i % 2 === 1;
      const cut = { ...shown, items: (shown['items'] as unknown[] | undefined)?.filter(kept) };
      if (items !== undefined) expect(restoreRecord(cut, hidden)).toEqual({ ...record, items: items.filter(kept) });
    }
  });

  it('is whole again whatever its members are, also what looks like a commitment or a pseudonym', () => {
    const name = fc.constantFrom('~x', 'alice', '=7Ex', 'ü', ...[...pseudonyms.values()].slice(0, 3));
    const ref = fc.record({ type: fc.constantFrom('user', 'agent', 'document'), id: name });
    const lookalike = fc.oneof(fc.jsonValue(), name, ref, fc.record({ $commit: fc.string() }));
    const encoded = ref.map(({ type, id }) => `${type}:${encodeId(id)}`);
    const record = fc.record({
      id: fc.constant('i'),
      other: lookalike,
      request: fc.record({ subject: ref, action: fc.string(), resource: ref, task: lookalike, context: lookalike }),
      acting: fc.record({ user: ref.map(({ type, id }) => `${type}:${id}`) }),
      items: fc.array(ref),
      reasons: fc.array(fc.record({ message: lookalike, delegation: encoded })),
      rationale: fc.record({
        steps: fc.array(
          fc.record({
            step: fc.string(),
            evidence: fc.record({ path: fc.array(fc.tuple(encoded, encoded).map(([a, b]) => `${a}#of@${b}`)) }),
          }),
        ),
      }),
    });
    fc.assert(
      fc.property(record, (made) => {
        const { shown, hidden } = hide(made);
        expect(restoreRecord(shown, hidden)).toEqual(JSON.parse(JSON.stringify(made)));
      }),
    );
  });

  it('commits to what a member is that no rule knows', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.string({ minLength: 1 }), (value, name) => {
        const known = name in { id: 1, client: 1, decision: 1 } || Object.hasOwn(Object.prototype, name);
        fc.pre(!known && !['evaluated_at', 'request', 'found', 'search', 'revision'].includes(name));
        const record = {
          id: 'i',
          [name]: { secret: value },
          rationale: { steps: [{ step: 'policy', evidence: { [`x${name}`]: value } }] },
        };
        const shown = protectRecord(record, protection()) as {
          rationale: { steps: { evidence: Record<string, unknown> }[] };
        };
        expect(isCommitment(shown.rationale.steps[0]?.evidence[`x${name}`])).toBe(true);
      }),
    );
  });
});
