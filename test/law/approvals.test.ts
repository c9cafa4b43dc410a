/**
 * The law of approvals: whatever can be asked for is allowed in the same world once it is given, and not with any one yes of it
 * left out. No yes makes up for a forbid that doesn't name it, nor for anything else that a question lacks.
 */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { decide } from '../../src/decide/decide.js';
import { findCure } from '../../src/decide/lifting-remedies.js';
import { describeConsentBasis } from '../../src/govern/consents/consent-basis.js';
import type { TokenSpec } from '../../src/author/test/format.js';
import type { Approval, ApprovalStep } from '../../src/model/approvals.js';
import { DEFAULT_ONCE_MS, findLatestEnd } from '../../src/govern/approvals/task-progress.js';
import { consentKey, type Consent } from '../../src/model/consents.js';
import type { Decision, ReplayableRecord } from '../../src/model/decision.js';
import type { Question } from '../../src/model/question.js';
import { parseRecord } from '../../src/records/parse-record.js';
import { redecide } from '../../src/records/redecide.js';
import { replayRecord } from '../../src/records/replay.js';
import { rulesOf } from '../policy/sources.js';
import { DAYTIME } from '../support/sample.js';
import { assertUntilSeen } from '../support/until-seen.js';
import { entity, QUESTION, SmallWorld } from './small-world.js';

/** Attributes of the resource: each puts one policy in force. */
const FLAGS = ['approve', 'audit', 'both', 'hard', 'soft', 'stuck', 'after', 'confirm', 'quiet', 'either', 'agreed', 'unpermitted', 'named', 'barred', 'calm', 'rushed', 'brief', 'lasting'] as const; // prettier-ignore
type Flag = (typeof FLAGS)[number];
/** The forbids that no yes lifts: they name no remedy, or deny all the same. */
const UNLIFTABLE: readonly Flag[] = ['hard', 'soft', 'stuck', 'after', 'quiet', 'lasting'];
/** The forbids that read who approved. */
const READING_WHO: readonly Flag[] = ['named', 'barred', 'calm', 'rushed'];

const RULES = rulesOf({
  zed: `use expiration
definition user {}
definition agent {
  relation delegator: user
}
definition doc {
  relation reader: user
  relation guest: user with expiration
  relation peeker: user
  relation cleared: user
  permission read = reader + guest
  permission peek = peeker + reader
  permission deep = read & cleared
  permission approve = reader
  permission audit = reader
}
`,
  schema: `entity User;
entity Agent { suspended?: Bool };
entity Doc { ${FLAGS.map((flag) => `${flag}?: Bool`).join(', ')} };
${[['plain', ''], ['standing', '@consent("standing")'], ['each', '@consent("each")']].map(([name = '', consent = '']) => `
@permission("read") @scope("docs.read") @effect("read") ${consent}
action "${name}" appliesTo { principal: [User, Agent], resource: [Doc],
  context: { consent?: Remit::Consent, approval?: Remit::Approval } };`).join('')}
@permission("read") @scope("docs.read") @effect("read") @consent("each") @elevation("guest by approve for PT1H if peek") @emergency("audit")
action "raised" appliesTo { principal: [User, Agent], resource: [Doc],
  context: { consent?: Remit::Consent, approval?: Remit::Approval, can: { read: Bool } } };
@permission("read") @scope("docs.read") @effect("read") @elevation("guest by approve for PT1H if peek")
action "deep" appliesTo { principal: [User, Agent], resource: [Doc], context: { can: { deep: Bool } } };
`,
  policies: `@id("all") permit (principal, action, resource) unless { resource has unpermitted };
@id("by-approval") permit (principal, action, resource) when { context has approval };
@id("approve") @remedy("approval:approve") forbid (principal, action, resource) when { resource has approve } unless { context has approval };
@id("audit") @remedy("approval:audit") forbid (principal, action, resource) when { resource has audit } unless { context has approval };
@id("both") @remedy("approval:approve, approval:audit") forbid (principal, action, resource) when { resource has both } unless { context has approval };
@id("hard") forbid (principal, action, resource) when { resource has hard };
@id("soft") forbid (principal, action, resource) when { resource has soft } unless { context has approval };
@id("stuck") @remedy("approval:approve") forbid (principal, action, resource) when { resource has stuck };
@id("after") forbid (principal, action, resource) when { resource has after && context has approval };
@id("confirm") @remedy("consent") forbid (principal, action, resource) when { resource has confirm } unless { context has consent && context.consent.confirmed };
@id("quiet") forbid (principal, action, resource) when { resource has quiet } unless { context has consent && context.consent.confirmed };
@id("either") @remedy("approval:audit, consent") forbid (principal, action, resource) when { resource has either } unless { context has approval || (context has consent && context.consent.confirmed) };
@id("agreed") forbid (principal, action, resource) when { resource has agreed && principal is Agent } unless { context has consent };
@id("named") @remedy("approval:approve") forbid (principal, action, resource) when { resource has named } unless { context has approval && context.approval.by == "user:carol" };
@id("barred") @remedy("approval:approve") forbid (principal, action, resource) when { resource has barred } unless { context has approval && !context.approval.approvers.contains("user:dan") };
@id("calm") @remedy("approval:approve") forbid (principal, action, resource) when { resource has calm } unless { context has approval && !context.approval.emergency };
@id("rushed") @remedy("approval:approve") forbid (principal, action, resource) when { resource has rushed } unless { context has approval && context.approval.emergency };
@id("brief") @remedy("approval:approve") forbid (principal, action, resource) when { resource has brief } unless { context has approval && context.approval has expires_at && context.approval.expires_at.durationSince(context.approval.approved_at) <= duration("15m") };
@id("lasting") @remedy("approval:approve") forbid (principal, action, resource) when { resource has lasting } unless { context has approval && context.approval has expires_at && context.approval.expires_at.durationSince(context.approval.approved_at) > duration("1h") };
@id("suspended") forbid (principal is Agent, action, resource) when { principal has suspended && principal.suspended };
`,
}); // prettier-ignore

interface World {
  readonly action: 'plain' | 'standing' | 'each' | 'raised' | 'deep';
  readonly flags: readonly Flag[];
  readonly reader: boolean;
  readonly peeker: boolean;
  readonly delegated: boolean;
  readonly scope: string;
  readonly consent: 'never' | 'each' | undefined;
  readonly suspended: readonly string[];
  readonly chain: readonly string[];
  readonly mode: 'delegated' | 'human';
  readonly dryRun: boolean;
  /** Minutes for which approvals for one use are good; undefined where nothing is configured. */
  readonly once?: number | undefined;
}
const mostly = fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) });
const worlds: fc.Arbitrary<World> = fc.record({
  action: fc.constantFrom('plain', 'standing', 'each', 'raised', 'raised', 'deep'),
  flags: fc.oneof(
    { weight: 3, arbitrary: fc.subarray<Flag>(['approve', 'audit', 'both', 'confirm', 'either'], { maxLength: 3 }) },
    { weight: 1, arbitrary: fc.subarray<Flag>([...FLAGS], { maxLength: 3 }) },
    { weight: 1, arbitrary: fc.constantFrom(...FLAGS).map((flag) => [flag]) },
    { weight: 1, arbitrary: fc.constant([]) },
  ),
  reader: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  peeker: fc.boolean(),
  delegated: mostly,
  scope: fc.oneof({ weight: 9, arbitrary: fc.constant('docs.read') }, { weight: 1, arbitrary: fc.constant('other') }),
  consent: fc.constantFrom('never', 'each', 'each', undefined),
  suspended: fc.oneof({ weight: 9, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.subarray(['bot', 'planner']) }),
  chain: fc.constantFrom<string[][]>([], [], ['planner']),
  mode: fc.oneof({ weight: 5, arbitrary: fc.constant('delegated' as const) }, { weight: 1, arbitrary: fc.constant('human' as const) }),
  dryRun: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  once: fc.constantFrom(undefined, undefined, 5, 60),
}); // prettier-ignore

let world: SmallWorld;
beforeAll(async () => {
  world = await SmallWorld.open(RULES);
  return () => world.close();
});

const ANN = { type: 'user', id: 'ann' };
const instant = (minutes: number): string => new Date(DAYTIME.getTime() + minutes * 60_000).toISOString();

function consentsOf({ consent, action }: World): Consent[] {
  if (consent === undefined) return [];
  const details = [{ type: 'remit', actions: [action], resources: ['doc:*'] }];
  const terms = { details, access: 'online' as const, confirm: consent, starts: instant(-60) };
  return [{ ...terms, id: 'c', given: instant(-60), basis: describeConsentBasis(details, RULES) }];
}

async function judge(w: World): Promise<{ readonly decision: Decision; readonly record: ReplayableRecord }> {
  const records: unknown[] = [];
  const deps = await world.deps({
    relationships: [
      ...(w.reader ? ['doc:plan#reader@user:ann'] : []),
      ...(w.peeker ? ['doc:plan#peeker@user:ann'] : []),
      ...(w.delegated ? ['agent:bot#delegator@user:ann'] : []),
    ],
    entities: [
      entity('user', 'ann'),
      ...['bot', 'planner'].map((id) => entity('agent', id, { suspended: w.suspended.includes(id) })),
      entity('doc', 'plan', Object.fromEntries(w.flags.map((flag) => [flag, true]))),
    ],
  });
  const token: TokenSpec = { user: 'ann', agent: 'bot', scope: w.scope, chain: [...w.chain] };
  const question: Question = {
    ...QUESTION,
    action: { name: w.action, properties: {} },
    dryRun: w.dryRun,
    ...(w.mode === 'human' ? { statedMode: 'human' as const } : { token: await world.token(token) }),
  };
  const decision = await decide(question, {
    ...deps,
    ...(w.once === undefined ? {} : { approverRules: { ...deps.approverRules, onceMs: w.once * 60_000 } }),
    consents: { fetch: (needs) => Promise.resolve(new Map(needs.map((need) => [consentKey(need), consentsOf(w)]))) },
    decisions: {
      record: (record) => {
        records.push(JSON.parse(JSON.stringify(record)));
        return Promise.resolve({ kind: 'stored', accepted: [] });
      },
      correct: () => undefined,
    },
  });
  return { decision, record: parseRecord(records[0], 'a record') as ReplayableRecord };
}

/** The facts as they are once the relation that an approval gives is written. */
function withGranted({ facts }: ReplayableRecord, steps: readonly ApprovalStep[]): ReplayableRecord['facts'] {
  if (!steps.some(({ kind }) => kind === 'elevation')) return facts;
  return { ...facts, checks: { ...facts.checks, 'doc:plan#read@user:ann': { result: 'yes', revision: 'r' } } };
}

/** Decides the recorded question again, as it presents an approval with these steps, each of them given. */
function judgeApproved(
  { record, steps, more = {}, by = 'boss', difference, ineligible = false }:
    { record: ReplayableRecord; steps: readonly ApprovalStep[]; more?: Partial<Approval>; by?: string; difference?: string; ineligible?: boolean },
): Decision {
  const answers = steps.map((step, index) => ({
    step: index,
    by: step.kind === 'user' ? ANN : { type: 'user', id: by },
    at: instant(0),
  }));
  // As it is made where the same configuration is in force.
  const onceMs = record.facts.approval_ms ?? DEFAULT_ONCE_MS;
  const approval: Approval = {
    id: 'a', state: 'approved', binding: {}, steps, answers, scope: 'once', approved_until: findLatestEnd({ steps }, 'once', DAYTIME, { onceMs, untilMaxMs: onceMs }).toISOString(), granted: true, ...more,
  };
  return redecide({ ...record, facts: { ...withGranted(record, steps), approval: { id: 'a', approval, difference, ineligible: ineligible ? [{ step: 0, by: ANN, why: 'agent' }] : [] } } }, RULES).decision;
} // prettier-ignore

/** Every yes that there is. */
const EVERY_STEP: readonly ApprovalStep[] = [
  { kind: 'permission', permission: 'approve' },
  { kind: 'permission', permission: 'audit' },
  { kind: 'user' },
];
const codesOf = (decision: Decision): string[] => decision.reasons.map(({ code }) => code);

describe('what can be asked for', () => {
  it('is allowed once all of it is given, and not without any one yes of it', async () => {
    const seen = new Set<string>();
    // A person who lacks nothing but the right is rare among worlds of all kinds.
    const lackingRight = worlds.map((w): World => ({ ...w, action: 'raised', mode: 'human', reader: false, peeker: true, flags: [] }));
    const most = fc.oneof({ weight: 9, arbitrary: worlds }, { weight: 1, arbitrary: lackingRight });
    const property = fc.asyncProperty(most, async (w) => {
      const { decision, record } = await judge(w);
      const offer = decision.access_request;
      expect(codesOf(decision).indexOf('approval_required')).toBe(offer === undefined ? -1 : 0);
      expect(decision.decision && offer !== undefined).toBe(false);
      if (offer === undefined) return;
      seen.add(offer.steps.map((step) => (step.kind === 'permission' ? step.permission : step.kind)).join(' '));
      const approved = judgeApproved({ record, steps: offer.steps });
      expect(approved, JSON.stringify(offer)).toMatchObject({ decision: true, reasons: [], approval: { id: 'a' } });
      expect(approved.valid_until).toBe(approved.evaluated_at);
      const { emergency } = offer;
      if (emergency !== undefined) {
        seen.add('emergency');
        expect(judgeApproved({ record, steps: offer.steps, more: { emergency } }).decision).toBe(true);
      }
      for (const [left] of offer.steps.entries()) {
        const steps = offer.steps.filter((_, index) => index !== left);
        if (steps.length > 0) expect(judgeApproved({ record, steps }).decision).toBe(false);
        const answers = steps.map((_, index) => ({ step: index, by: ANN, at: instant(-1) }));
        expect(judgeApproved({ record, steps: offer.steps, more: { answers } }).decision).toBe(false);
      }
    });
    await assertUntilSeen(() => fc.assert(property, { numRuns: 75 }), () => ['approve', 'approve audit', 'audit', 'user', 'approve user', 'approve audit user', 'user elevation', 'approve user elevation', 'elevation', 'emergency'].filter((kind) => !seen.has(kind)));
  }, 60_000); // prettier-ignore

  it('is all that could lift the deny: where nothing can be asked for, no yes lifts it', async () => {
    const seen = new Set<string>();
    const property = fc.asyncProperty(worlds, fc.subarray([...EVERY_STEP], { minLength: 1 }), async (w, steps) => {
      const { decision, record } = await judge({ ...w, dryRun: false });
      if (decision.decision || decision.access_request !== undefined) return;
      codesOf(decision).forEach((code) => seen.add(code));
      expect(judgeApproved({ record, steps }).decision).toBe(false);
    });
    const codes = ['policy_forbid', 'policy_no_permit', 'consent_required', 'relationship_missing', 'delegation_missing', 'scope_insufficient'];
    await assertUntilSeen(() => fc.assert(property, { numRuns: 75 }), () => codes.filter((kind) => !seen.has(kind)));
  }, 60_000); // prettier-ignore

  it('is never what a forbid without a remedy denies, a missing permission or delegation, or a bad token', async () => {
    const seen = new Set<string>();
    const property = fc.asyncProperty(worlds, fc.constantFrom(...UNLIFTABLE), async (w, flag) => {
      const lacking: Partial<World>[] = [{ reader: false }, { delegated: false }, { scope: 'other' }, { suspended: ['bot'] }, { dryRun: true }];
      for (const more of lacking) {
        if (w.action === 'raised' && more.reader === false && w.peeker) continue;
        if (w.mode === 'human' && more.reader === undefined && more.dryRun === undefined) continue;
        const { decision, record } = await judge({ ...w, ...more });
        expect(decision.access_request).toBeUndefined();
        if (more.dryRun === undefined) expect(judgeApproved({ record, steps: EVERY_STEP }).decision).toBe(false);
      }
      // What forbids nothing but with an approval is in the way of one.
      const flags: Flag[] = [...w.flags, flag, ...(flag === 'after' ? ['approve' as const] : [])];
      const { decision, record } = await judge({ ...w, flags });
      expect(decision.access_request).toBeUndefined();
      seen.add(flag);
      expect(judgeApproved({ record, steps: EVERY_STEP }).decision).toBe(false);
    });
    await assertUntilSeen(() => fc.assert(property, { numRuns: 15 }), () => ['hard', 'soft', 'stuck', 'quiet', 'after', 'lasting'].filter((kind) => !seen.has(kind)));
  }, 60_000); // prettier-ignore

  it('is the same in a replay of the record', async () => {
    const property = fc.asyncProperty(worlds, async (w) => {
      const { decision, record } = await judge(w);
      expect(replayRecord(record, RULES)).toEqual({ kind: 'same' });
      expect(redecide(record, RULES).decision.access_request?.steps).toEqual(decision.access_request?.steps);
      expect(record.access_request?.steps).toEqual(decision.access_request?.steps);
    });
    await fc.assert(property, { numRuns: 100 });
  }, 60_000);
});

describe('what capabilities say would lift a deny', () => {
  it('is all that it takes: the question is allowed with it, or asks for no other yes', async () => {
    const seen = new Set<string>();
    const lackingScope = worlds.map((w): World => ({ ...w, action: 'plain', mode: 'delegated', scope: 'other', reader: true, delegated: true, suspended: [] }));
    const most = fc.oneof({ weight: 9, arbitrary: worlds }, { weight: 1, arbitrary: lackingScope });
    const property = fc.asyncProperty(most, async (drawn) => {
      const w = { ...drawn, dryRun: false };
      const { decision, record } = await judge(w);
      if (decision.decision) return;
      const cure = findCure(redecide(record, RULES).evaluation);
      if (cure === undefined) expect(decision.access_request).toBeUndefined();
      if (cure === undefined) return;
      expect(cure.depends).toBe(false);
      seen.add(cure.remedies.map(({ type }) => type).join(' '));
      const has = (type: string): boolean => cure.remedies.some((remedy) => remedy.type === type);
      const named = cure.remedies.flatMap((remedy): ApprovalStep[] =>
        remedy.type === 'approval' ? [{ kind: 'permission', permission: remedy.permission }] : remedy.type === 'consent' ? [{ kind: 'user' }] : []);
      // A consent is the user's yes to this question, or one that they give for good.
      const isWay = async (consent: World['consent']): Promise<boolean> => {
        const { decision: after, record: left } = await judge({ ...w, consent, ...(has('scope') ? { scope: 'docs.read' } : {}) });
        if (after.decision) return true;
        const { steps = [] } = after.access_request ?? {};
        // The step by which a right is given says more than its remedy.
        const isNamed = (step: ApprovalStep): boolean => named.some((yes) => yes.kind === 'user' ? step.kind === 'user' : step.kind !== 'user' && 'permission' in yes && step.permission === yes.permission);
        return [named, steps.filter(isNamed)].some((given) => given.length > 0 && judgeApproved({ record: left, steps: given }).decision);
      };
      const isCured = (await isWay(w.consent)) || (has('consent') && (await isWay('never')));
      expect(isCured, JSON.stringify(cure)).toBe(true);
    });
    await assertUntilSeen(() => fc.assert(property, { numRuns: 75 }), () => ['approval', 'consent', 'approval consent', 'consent approval', 'scope', 'scope approval', 'scope consent'].filter((kind) => !seen.has(kind)));
  }, 60_000); // prettier-ignore
});

describe('an approval that a question presents', () => {
  it('is answered as the table says: another is to be asked for exactly where that lifts the deny, and then says how', async () => {
    const seen = new Set<string>();
    const presented: fc.Arbitrary<{ kind: string; reason: string; more: Partial<Approval>; difference?: string; ineligible?: boolean }> = fc.constantFrom(
      { kind: 'good', reason: 'policy_denied', more: {} },
      { kind: 'good', reason: 'policy_denied', more: { emergency: 'audit' } },
      { kind: 'used', reason: 'approval_expired', more: { used_by: 'another' } },
      { kind: 'expired', reason: 'approval_expired', more: { approved_until: instant(-1) } },
      { kind: 'revoked', reason: 'approval_expired', more: { state: 'revoked' } },
      { kind: 'ineligible', reason: 'approval_expired', more: {}, ineligible: true },
      { kind: 'pending', reason: 'grant_pending', more: { granted: false } },
      { kind: 'unverifiable', reason: 'approval_unverifiable', more: { answers: [] } },
      { kind: 'other', reason: 'out_of_scope', more: {}, difference: 'context.ticket' },
      { kind: 'elsewhere', reason: 'out_of_scope', more: {}, difference: 'resource' },
    );
    const named = fc.record({ flag: fc.option(fc.constantFrom(...READING_WHO), { nil: undefined }), by: fc.constantFrom('carol', 'dan', 'boss') });
    const property = fc.asyncProperty(worlds, named, presented, async (w, { flag, by }, { kind, reason, ...reading }) => {
      const { decision, record: before } = await judge({ ...w, flags: [...w.flags, ...(flag === undefined ? [] : [flag])] });
      const steps = decision.access_request?.steps ?? EVERY_STEP;
      // A right that was given is there, whatever has become of its approval.
      const record = { ...before, facts: withGranted(before, steps) };
      const judged = judgeApproved({ record, steps, by, ...reading });
      if (judged.decision) return;
      const { access_request: offer, advice } = judged;
      expect(advice?.next_action === 'request').toBe(offer !== undefined);
      if (offer !== undefined) {
        expect(advice).toEqual({ reason, next_action: 'request' });
        expect(codesOf(judged)[0]).toBe('approval_required');
        expect(judgeApproved({ record, steps: offer.steps }).decision).toBe(true);
        seen.add(`${kind}, offered`);
        if (decision.decision) seen.add(`${kind}, renewed`);
      } else if (kind === 'good') expect(advice).toEqual({ reason, next_action: 'none' });
      else if (kind === 'pending') expect(advice).toEqual({ reason, next_action: 'retry', retry_after: 1 });
      else if (kind === 'unverifiable') expect(advice).toEqual({ reason, next_action: 'none' });
      else if (w.dryRun) expect(advice).toBeUndefined();
      else {
        expect(advice).toEqual({ reason: 'policy_denied', next_action: 'none' });
        // An approval of another resource has no steps of this question's to be asked for, and this question needs none.
        expect(judgeApproved({ record, steps: EVERY_STEP }).decision).toBe(kind === 'elsewhere' && decision.decision);
        seen.add(`${kind}, denied`);
      }
      seen.add(kind + (decision.access_request === undefined ? '' : ' once offered'));
    });
    const stale = ['used', 'expired', 'revoked', 'ineligible', 'other'];
    const kinds = ['good once offered', 'pending once offered', 'unverifiable once offered', 'elsewhere, offered', 'elsewhere, denied', ...stale.flatMap((kind) => [`${kind}, offered`, `${kind}, renewed`, `${kind}, denied`])];
    await assertUntilSeen(() => fc.assert(property, { numRuns: 150 }), () => kinds.filter((kind) => !seen.has(kind)));
  }, 60_000); // prettier-ignore

  it('never allows what would be denied without policies that name it', async () => {
    const steps: ApprovalStep[] = [EVERY_STEP[0] as ApprovalStep, EVERY_STEP[1] as ApprovalStep];
    const base: World = { action: 'plain', flags: [], reader: true, peeker: false, delegated: true, scope: 'docs.read', consent: undefined, suspended: [], chain: [], mode: 'delegated', dryRun: false };
    // A permit that reads it names nobody who may give it.
    const unpermitted = await judge({ ...base, flags: ['unpermitted'] });
    expect(unpermitted.decision.access_request).toBeUndefined();
    expect(codesOf(judgeApproved({ record: unpermitted.record, steps }))).toEqual(['policy_no_permit']);
    // A forbid that reads it and names no remedy stays, beside one that names it.
    const soft = await judge({ ...base, flags: ['soft', 'approve'] });
    expect(judgeApproved({ record: soft.record, steps }).reasons).toMatchObject([
      { code: 'policy_forbid', policies: ['approve', 'soft'] },
    ]);
    expect(judgeApproved({ record: soft.record, steps }).advice).toEqual({ reason: 'policy_denied', next_action: 'none' });
  }); // prettier-ignore
});
