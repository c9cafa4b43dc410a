/** Records in OCSF: what the schema requires of API Activity is there, with values of its enumerations. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { LoggedRecord } from '../../../src/audit/leaf.js';
import { toOcsfEvent } from '../../../src/records/export/ocsf-event.js';
import { formatCanonicalJson } from '../../../src/runtime/canonical-json.js';

const ORIGIN = { log: 'remit.example/log', source: 'https://remit.example' };
const AT = '2030-03-04T10:00:00.000001Z';
const base: LoggedRecord = {
  id: '0199aa00-0000-7000-8000-000000000001',
  kind: 'decision',
  at: AT,
  seed: '00',
  keys: { client: 'api', protected: true },
  record: {
    decision: false,
    dry_run: false,
    policy_version: 'v1',
    request: { action: 'read', resource: { type: 'file', id: 'plan' }, task: 'T1' },
    token: { session: 's-1' },
    reasons: [{ code: 'policy_forbid', step: 'policy' }],
    rationale: {
      acting: { mode: 'delegated', user: 'user:~abc', agent: 'agent:bot:7', chain: [] },
      steps: [
        {
          step: 'policy',
          outcome: 'deny',
          evidence: { forbidden_by: [{ id: 'p1', title: 'No.', source: 'a.cedar:1' }] },
        },
      ],
    },
  },
};
const eventOf = (change: Partial<LoggedRecord> = {}) =>
  toOcsfEvent({ index: 7, leafHash: 'aGFzaA==', record: { ...base, ...change } }, ORIGIN, '0.1.0');

describe('a record in OCSF', () => {
  it('says who did what for whom, and by which policy it was decided', () => {
    expect(eventOf()).toMatchObject({
      category_uid: 6,
      class_uid: 6003,
      activity_id: 99,
      activity_name: 'read',
      type_uid: 600399,
      time: Date.parse('2030-03-04T10:00:00Z'),
      severity_id: 1,
      status_id: 2,
      status_detail: 'policy_forbid',
      metadata: { version: '1.9.0', uid: base.id, sequence: 7, profiles: ['ai_operation', 'record_integrity'] },
      actor: {
        app_uid: 'api',
        user: { uid: '~abc' },
        session: { uid: 's-1' },
        authorizations: [{ decision: 'denied', policy: { uid: 'p1', name: 'No.', version: 'v1', is_applied: true } }],
      },
      ai_agent: { uid: 'bot:7', instance_uid: 's-1', type_id: 0 },
      api: { operation: 'read', service: { name: 'Remit' } },
      src_endpoint: { svc_name: 'api' },
      resources: [{ type: 'file', uid: 'plan' }],
      unmapped: { kind: 'decision', leaf_hash: 'aGFzaA==', task: 'T1', dry_run: false },
    });
    expect(JSON.stringify(eventOf())).not.toContain('.cedar');
  });

  it.each<[string, Partial<LoggedRecord>, object]>([
    ['an allow', { record: { ...base.record, decision: true, reasons: [] } }, { status_id: 1, actor: { authorizations: [{ decision: 'allowed' }] } }],
    ['a list', { kind: 'list', record: { decision: true, search: 'filter', request: { action: { name: 'read' } }, acting: { user: 'user:~abc', chain: [] }, items: [{ type: 'file', id: 'a', masked: 0 }, { name: 'read' }], left_out: { policy_forbid: 2 } } }, { activity_id: 2, type_uid: 600302, resources: [{ type: 'file', uid: 'a' }], api: { operation: 'read' }, unmapped: { search: 'filter', left_out: { policy_forbid: 2 } } }],
    ['an outcome', { kind: 'outcome', about: base.id, record: { outcome: 'failed' } }, { status_id: 2, activity_name: 'outcome', metadata: { correlation_uid: base.id, event_code: 'outcome' } }],
    ['one that nothing is known of', { kind: 'later', keys: {}, record: {} }, { activity_id: 99, api: { operation: 'later' }, unmapped: { kind: 'later' } }],
  ])('of %s', (_name, change, expected) => {
    const event = eventOf(change);
    expect(event).toMatchObject(expected);
    // Required by the class, or by the objects that it is made of.
    for (const name of ['activity_id', 'actor', 'api', 'category_uid', 'class_uid', 'metadata', 'severity_id', 'src_endpoint', 'time', 'type_uid'])
      expect(event[name], name).toBeDefined();
  }); // prettier-ignore

  it('has the fingerprint of all else in it', () => {
    const { attestation_list: list, ...rest } = eventOf() as {
      attestation_list: { chain_uid: string; fingerprint: { value: string } }[];
    };
    const [attestation] = list;
    const { fingerprint, ...attested } = attestation ?? { chain_uid: '', fingerprint: { value: '' } };
    const text = formatCanonicalJson({ ...rest, attestation_list: [attested] });
    expect(fingerprint.value).toBe(createHash('sha256').update(text).digest('hex'));
    expect(JSON.stringify(eventOf({ at: '2030-03-04T10:00:00.000002Z' }))).not.toContain(fingerprint.value);
  });
});
