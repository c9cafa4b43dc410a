/** The law of receipts: whatever a record has, a part that is opened to a person says no more than they are told anyway. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitRecord, type LoggedRecord } from '../../src/audit/leaf.js';
import { listOpenValues, selectOpenParts, type ReceiptReader } from '../../src/http/receipt-parts.js';
import { toAuditedDecision, toOwnDecision } from '../../src/http/user-decision-json.js';
import type { DecisionRecord } from '../../src/model/decision.js';
import { OBLIGATION_TYPES } from '../../src/model/obligations.js';
import { REASONS, type Reason, type ReasonCode } from '../../src/model/reasons.js';

const codes = Object.keys(REASONS) as ReasonCode[];
const reasons = fc.constantFrom(...codes).chain((code) =>
  fc.record<Reason>(
    {
      code: fc.constant(code),
      step: fc.constantFrom(...REASONS[code].steps),
      message: fc.constant('for operators'),
      people: fc.constant('for people'),
    },
    { requiredKeys: ['code', 'step', 'message'] },
  ),
);
const requests = fc.record(
  {
    subject: fc.constant({ type: 'user', id: 'ann' }),
    action: fc.constant('read'),
    resource: fc.constant({ type: 'file', id: 'plan' }),
    task: fc.constant('the task'),
    request_id: fc.constant('r-1'),
  },
  { requiredKeys: ['subject', 'action', 'resource'] },
);
const records: fc.Arbitrary<DecisionRecord> = fc
  .record({
    told: fc.array(reasons, { maxLength: 4 }),
    types: fc.array(fc.constantFrom(...OBLIGATION_TYPES), { maxLength: 3 }),
    said: fc.constantFrom(undefined, {}, { witness: 'user:zoe' }),
    hasFacts: fc.boolean(),
    hasReviews: fc.boolean(),
    request: requests,
  })
  .map(({ told, types, said, hasFacts, hasReviews, request }) => ({
    id: '0199aa00-0000-7000-8000-000000000001',
    evaluated_at: '2030-03-04T10:00:00.000Z',
    client: 'api',
    decision: told.length === 0,
    dry_run: false,
    policy_version: 'v',
    request,
    token: { issuer: 'https://login.example', jti: 'j', session: 's' },
    reasons: told,
    obligations: types.map((type, i) => ({ id: `o${i}`, type, properties: { fields: ['a'] } })),
    access_request: undefined,
    approval: { id: 'a', approved_until: '2030-03-04T11:00:00.000Z' },
    rationale: {
      acting: { mode: 'delegated', user: 'user:ann', agent: 'agent:bot', chain: [] },
      steps: [
        {
          step: 'policy',
          outcome: 'deny',
          evidence: hasReviews ? { reviews: [{ id: 'p', source: 'x.cedar:1' }] } : {},
        },
      ],
    },
    ...(hasFacts
      ? { facts: { caller: { kind: 'client' as const }, said: said === undefined ? {} : { action: said }, checks: {} } }
      : {}),
  }));

function loggedOf(record: DecisionRecord, isProtected: boolean): LoggedRecord {
  const [first] = record.reasons;
  const keys = {
    client: 'api',
    decision: record.decision,
    ...(first === undefined ? {} : { reason: first.code }),
    ...(isProtected ? { protected: true } : {}),
  };
  const shown = JSON.parse(JSON.stringify(record)) as Readonly<Record<string, unknown>>;
  return { id: record.id, kind: 'decision', at: record.evaluated_at, seed: '00', keys, record: shown };
}
const openTo = (record: DecisionRecord, reader: ReceiptReader, isProtected = true) => {
  const logged = loggedOf(record, isProtected);
  const open = selectOpenParts(record, logged, reader);
  return new Map([...splitRecord(logged)].filter(([name]) => open.has(name)));
};
const codesOf = (part: unknown): unknown[] =>
  ((part as { reasons?: readonly Reason[] } | undefined)?.reasons ?? []).map(({ code }) => code);

describe('the parts that are opened', () => {
  it('to its user say no reason and no obligation that they are not told', () => {
    fc.assert(
      fc.property(records, (record) => {
        const shown = toOwnDecision(record, undefined, () => undefined);
        const told = new Set<unknown>((shown.reasons ?? []).map(({ code }) => code));
        const parts = openTo(record, 'own');
        for (const code of codesOf(parts.get('reasons'))) expect(told).toContain(code);
        const { reason } = parts.get('keys') ?? {};
        if (reason !== undefined) expect(told).toContain(reason);
        const obligations = parts.get('obligations')?.['obligations'];
        if (obligations !== undefined) expect(obligations).toEqual(shown.obligations);
        for (const name of parts.keys())
          expect(['answer', 'keys', 'obligations', 'question', 'reasons']).toContain(name);
        // An allow that masks, or does nothing, is opened whole.
        if (record.decision && shown.obligations?.length === record.obligations.length)
          expect([...parts.keys()].sort()).toEqual(['answer', 'keys', 'obligations', 'question', 'reasons']);
      }),
    );
  });

  it('to who audits the thing say neither the task nor why', () => {
    fc.assert(
      fc.property(records, fc.boolean(), (record, isProtected) => {
        const text = JSON.stringify([...openTo(record, 'audited', isProtected)]);
        expect(toAuditedDecision(record, 'file:plan', () => undefined)).toBeDefined();
        for (const hidden of ['the task', 'r-1', 'for operators', 'reason', 'login.example', '.cedar'])
          expect(text).not.toContain(hidden);
        expect(listOpenValues(record, 'audited').size).toBe(0);
      }),
    );
  });

  it('of a record of before have nothing for operators, which is in clear there', () => {
    fc.assert(
      fc.property(records, (record) => {
        expect(JSON.stringify([...openTo(record, 'own', false)])).not.toContain('for operators');
      }),
    );
  });

  it('to a client are all but the facts, and what people review by', () => {
    fc.assert(
      fc.property(records, (record) => {
        const parts = openTo(record, 'client');
        expect(parts.has('facts')).toBe(false);
        expect(JSON.stringify([...parts])).not.toContain('reviews');
        expect(openTo(record, 'admin').size).toBe(splitRecord(loggedOf(record, true)).size);
      }),
    );
  });
});
