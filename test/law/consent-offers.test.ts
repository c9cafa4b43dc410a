/**
 * The law of consents that ask each time, with the real engines: the user is asked where their yes leads to an allow, whatever
 * other consents have used up, and where it wouldn't the deny says what would.
 */
import fc from 'fast-check';
import { v4 as uuid } from 'uuid';
import { beforeAll, describe, expect, it } from 'vitest';
import { describeConsentBasis } from '../../src/govern/consents/consent-basis.js';
import type { Approval } from '../../src/model/approvals.js';
import type { Consent } from '../../src/model/consents.js';
import type { ReplayableRecord } from '../../src/model/decision.js';
import { parseRecord } from '../../src/records/parse-record.js';
import { redecide } from '../../src/records/redecide.js';
import { approve, ask, presenting, type AskedQuestion } from '../support/approve.js';
import { SCOPES, startConsentWorld } from '../support/consent-world.js';
import { codes, DAYTIME, type Answer, type Running } from '../support/sample.js';
import { assertUntilSeen } from '../support/until-seen.js';

const ANN = { type: 'user', id: 'ann' };
const PAIR = { user: ANN, agent: { type: 'agent', id: 'helper' } };
const DETAILS = [{ type: 'remit', actions: ['read'], resources: ['calendar:ann'] }];
const at = (hours: number): string => new Date(DAYTIME.getTime() + hours * 3_600_000).toISOString();

interface AnyConsent {
  readonly confirm: Consent['confirm'];
  readonly room: 'unlimited' | 'some' | 'none';
  readonly state: 'active' | 'withdrawn' | 'expired' | 'suspended' | 'early' | 'unmet';
  readonly access: Consent['access'];
  readonly ends: number | undefined;
}
const anyConsent: fc.Arbitrary<AnyConsent> = fc.record({
  confirm: fc.constantFrom('never' as const, 'each' as const),
  room: fc.constantFrom('unlimited' as const, 'some' as const, 'none' as const, 'none' as const),
  state: fc.constantFrom('active' as const, 'active' as const, 'active' as const, 'withdrawn' as const, 'expired' as const, 'suspended' as const, 'early' as const, 'unmet' as const),
  access: fc.constantFrom('online' as const, 'online' as const, 'online' as const, 'background' as const),
  ends: fc.constantFrom(undefined, 1, 5),
}); // prettier-ignore

let remit: Running;
let question: AskedQuestion;
let credential: string;
beforeAll(async () => {
  remit = await startConsentWorld();
  remit.at(DAYTIME);
  credential = remit.service.devKey ?? '';
  const token = await remit.mint({ user: 'ann', agent: 'helper', scope: SCOPES, ttlSeconds: 7200 });
  const context = { token };
  question = { subject: ANN, action: { name: 'read' }, resource: { type: 'calendar', id: 'ann' }, context };
  return () => remit.stop();
});

async function give(given: AnyConsent): Promise<void> {
  const { rules } = remit.service.activePolicies;
  const { confirm, room, state, access } = given;
  const plain: Consent = {
    id: uuid(), details: DETAILS, access: 'online', confirm: 'never', starts: at(-2), given: at(-2),
    basis: describeConsentBasis(DETAILS, rules),
    ...(room === 'unlimited' ? {} : { limits: [{ count: room === 'none' ? 1 : 2, per: 'P1D', window: 'sliding' }] }),
  }; // prettier-ignore
  const evidence = { surface: 'test', text_sha256: '', locale: 'en', decided_at: at(-2) };
  expect(await remit.service.consents.add(PAIR, plain, evidence, DAYTIME)).toBe(true);
  // It is used up as in real life: by an allow that rests on it.
  if (room === 'none') expect((await ask(remit, question, { credential })).decision).toBe(true);
  const stored = await remit.service.consents.find(ANN, plain.id);
  if (stored === undefined) throw new Error('the consent is gone');
  const ends = state === 'expired' ? at(-1) : given.ends === undefined ? undefined : at(given.ends);
  await remit.service.consents.replace(stored, {
    ...plain, confirm, access,
    ...(ends === undefined ? {} : { ends }),
    ...(state === 'withdrawn' ? { withdrawn: at(-1) } : {}),
    ...(state === 'early' ? { starts: at(1) } : {}),
    ...(state === 'unmet' ? { when: { confirmed: true } } : {}),
    ...(state === 'suspended' ? { basis: {} } : {}),
  }, DAYTIME); // prettier-ignore
}

async function readRecord({ context }: Answer): Promise<ReplayableRecord> {
  const stored = await remit.service.decisions.find(context?.id ?? '');
  return parseRecord(JSON.parse(JSON.stringify(stored?.record)), 'the record') as ReplayableRecord;
}

/** Decides the recorded question again as if the user had said yes to it, asked or not. */
async function judgeWithYes(denied: Answer): Promise<boolean> {
  const record = await readRecord(denied);
  const approval: Approval = {
    id: 'a', state: 'approved', binding: {}, steps: [{ kind: 'user' }], answers: [{ step: 0, by: ANN, at: at(-1) }],
    scope: 'once', approved_until: at(1), granted: true,
  }; // prettier-ignore
  const facts = { ...record.facts, approval: { id: 'a', approval, ineligible: [] } };
  return redecide({ ...record, facts }, remit.service.activePolicies.rules).decision.decision;
}

const getOrder = ({ room }: AnyConsent): number => ['none', 'some', 'unlimited'].indexOf(room);

describe('the user’s yes each time', () => {
  it('is asked for exactly where it leads to an allow, and what limits deny says when there is more', async () => {
    const seen = new Set<string>();
    const property = fc.asyncProperty(fc.array(anyConsent, { minLength: 1, maxLength: 4 }), async (consents) => {
      await remit.service.database.run([{ sql: 'delete from consents' }, { sql: 'delete from approval_tasks' }]);
      for (const consent of [...consents].sort((a, b) => getOrder(a) - getOrder(b))) await give(consent);
      const usable = consents.filter(({ state, access }) => state === 'active' && access === 'online');
      const hasRoom = (confirm: Consent['confirm']): boolean =>
        usable.some((consent) => consent.confirm === confirm && consent.room !== 'none');
      const answer = await ask(remit, question, { credential });
      const offer = answer.context?.access_request;
      expect(answer.decision).toBe(hasRoom('never'));
      expect(offer !== undefined, JSON.stringify(answer.context?.reasons)).toBe(!answer.decision && hasRoom('each'));
      if (answer.decision) return;
      expect(await judgeWithYes(answer)).toBe(offer !== undefined);
      if (offer !== undefined) {
        expect(codes(answer)).toEqual(['approval_required', 'consent_required']);
        const approval = await approve(remit, question, answer, ['ann'], { credential });
        expect((await ask(remit, presenting(question, approval), { credential })).decision).toBe(true);
        seen.add(usable.some(({ confirm, room }) => confirm === 'never' && room === 'none') ? 'beside used up' : 'asked');
        return;
      }
      const usedUp = usable.map(({ confirm }) => confirm);
      expect(codes(answer).includes('limit_exceeded')).toBe(usedUp.length > 0);
      if (usedUp.length === 0) return;
      expect(answer.context?.reasons).toMatchObject([{ code: 'limit_exceeded', remaining: 0, resets_at: at(24) }]);
      expect(answer.context?.remedies).toEqual([{ type: 'limit', required: 1, remaining: 0, resets_at: at(24) }]);
      seen.add(usedUp.includes('never') ? 'limited' : 'each limited');
    });
    await assertUntilSeen(() => fc.assert(property, { numRuns: 30 }), () => ['asked', 'beside used up', 'limited', 'each limited'].filter((kind) => !seen.has(kind)));
  }, 120_000); // prettier-ignore
});
