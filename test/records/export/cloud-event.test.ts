/** Exported records: each format has what the log has of a record, and nothing of people and values in clear. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LoggedRecord } from '../../../src/audit/leaf.js';
import { toCloudEvent } from '../../../src/records/export/cloud-event.js';
import { toOcsfEvent } from '../../../src/records/export/ocsf-event.js';

const ORIGIN = { log: 'remit.example/log', source: 'https://remit.example' };
const ID = '0199aa00-0000-7000-8000-000000000001';
const AT = '2030-03-04T10:00:00.000001Z';
const exported = (record: Partial<LoggedRecord>) => ({
  index: 7,
  leafHash: 'aGFzaA==',
  record: {
    id: ID,
    kind: 'decision',
    at: AT,
    seed: '00',
    keys: { client: 'api', protected: true },
    record: {},
    ...record,
  },
});

describe('a record as a CloudEvent', () => {
  it('has the members that CloudEvents 1.0 requires, and the record as the log has it', () => {
    const record = { id: ID, decision: true, request: { action: 'read', resource: { type: 'file', id: 'plan' } } };
    const event = toCloudEvent(exported({ record }), ORIGIN);
    expect(event).toEqual({
      specversion: '1.0',
      id: ID,
      source: 'https://remit.example',
      type: 'dev.remit.decision.v1',
      subject: 'file:plan',
      time: AT,
      datacontenttype: 'application/json',
      sequence: '0000000000000007',
      data: { log: { origin: 'remit.example/log', index: 7, leaf_hash: 'aGFzaA==' }, record },
    });
    // Names of attributes: lower-case letters and digits.
    for (const name of Object.keys(event)) expect(name).toMatch(/^[a-z0-9]{1,20}$/);
  });

  it('sorts by its sequence as by its index', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 31 - 1), fc.nat(2 ** 31 - 1), (a, b) => {
        const [x, y] = [a, b].map((index) => toCloudEvent({ ...exported({}), index }, ORIGIN).sequence);
        expect((x ?? '') < (y ?? '')).toBe(a < b);
      }),
    );
  });
});

describe('every format', () => {
  const SECRET = 'secret-of-ann';
  /** Any JSON in which texts are secrets. */
  const secrets = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value, (_, node: unknown) => (typeof node === 'string' ? SECRET : node))) as unknown); // prettier-ignore
  const shownBy = (record: Partial<LoggedRecord>): string =>
    JSON.stringify([toCloudEvent(exported(record), ORIGIN), toOcsfEvent(exported(record), ORIGIN, '1.0.0')]);

  it('shows of a record of before, which has people in clear, only members that name none', () => {
    fc.assert(
      fc.property(secrets, secrets, fc.constantFrom('decision', 'list', 'correction'), (value, other, kind) => {
        const record = {
          id: ID,
          decision: false,
          policy_version: 'v',
          request: {
            subject: { type: 'user', id: SECRET },
            action: 'read',
            resource: { type: 'file', id: SECRET, more: value },
            task: SECRET,
            request_id: SECRET,
          },
          reasons: [{ code: 'policy_forbid', step: 'policy', message: SECRET, people: SECRET, missing: value }],
          rationale: { acting: { user: `user:${SECRET}`, agent: `agent:${SECRET}` }, steps: value },
          acting: { user: SECRET },
          items: [{ type: 'user', id: SECRET }],
          obligations: other,
          facts: value,
          token: { session: SECRET },
          added_later: other,
        };
        const keys = { client: 'api', user_key: `user:${SECRET}`, task: SECRET, session: SECRET };
        const text = shownBy({ kind, record, keys });
        expect(text).not.toContain(SECRET);
        expect(text).toContain('policy_forbid');
      }),
    );
  });

  it('shows of other records what was reported, and nothing that is added later', () => {
    fc.assert(
      fc.property(secrets, fc.constantFrom('outcome', 'erasure', 'later'), (value, kind) => {
        const record = { outcome: 'executed', detail: SECRET, properties: value, reported_by: SECRET };
        const text = shownBy({ kind, about: ID, record });
        expect(text).not.toContain(SECRET);
        expect(text.includes('executed')).toBe(kind === 'outcome');
        expect(text).toContain(ID);
      }),
    );
  });

  it('leaves out the columns by which a record is found: they have texts of callers', () => {
    expect(shownBy({ keys: { client: 'api', protected: true, task: SECRET, session: SECRET } })).not.toContain(SECRET);
  });
});
