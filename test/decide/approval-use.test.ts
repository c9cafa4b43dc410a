/**
 * An approval for one use, asked for by many at once, in whatever order what they read and write comes about: all questions of
 * the one key that used it are allowed, and no other, also after an attempt that failed.
 */
import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { APPROVAL_FILES } from '../support/approval-world.js';
import { approve, ask, presenting, type AskedQuestion } from '../support/approve.js';
import { clientNamed, codes, DAYTIME, startFiles, type Answer, type Running } from '../support/sample.js';
import { Fault } from '../../src/model/faults.js';
import { assertUntilSeen } from '../support/until-seen.js';
import { parseRecord } from '../../src/records/parse-record.js';
import { replayRecord } from '../../src/records/replay.js';

const LIMITED = `${APPROVAL_FILES['schema.cedarschema']}
@permission("push") @scope("code.write") @title("Release") @effect("write") @limit("1 per PT1H by user")
action "release" appliesTo { principal: [Agent, User], resource: [Repository], context: {
  action: { branch?: String }, approval?: Remit::Approval } };`;
const POLICIES = (APPROVAL_FILES['policies/all.cedar'] ?? '').replace(
  'action == Action::"merge"',
  'action in [Action::"merge", Action::"release"]',
);

let remit: Running;
beforeAll(async () => {
  remit = await startFiles(
    { ...APPROVAL_FILES, 'schema.cedarschema': LIMITED, 'policies/all.cedar': POLICIES },
    { clients: [clientNamed('git', 'git', 'evaluate')], limits: { deadline_ms: 30_000 } },
  );
  return () => remit.stop();
});

/**
 * Lets the schedule say when each read of an approval or a key begins, and each record is stored. Those of questions that are lost
 * are stored and given up, as where the deadline passes meanwhile.
 * @returns what ends that
 */
function delayStores(scheduler: fc.Scheduler): () => void {
  const { approvals, limits, decisions } = remit.service;
  const delay = <Args extends unknown[], Result>(name: string, call: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      await scheduler.schedule(Promise.resolve(), name);
      return call(...args);
    }; // prettier-ignore
  const before = {
    fetch: approvals.fetch.bind(approvals),
    read: limits.read.bind(limits),
    record: decisions.record.bind(decisions),
  };
  approvals.fetch = delay('approval', before.fetch);
  limits.read = delay('key', before.read);
  decisions.record = async (record, ...others) => {
    await scheduler.schedule(Promise.resolve(), 'record');
    const stored = await before.record(record, ...others);
    if (record.request['request_id'] !== 'lost') return stored;
    await untilGivenUp;
    throw new Fault('deadline_exceeded');
  };
  return () => {
    approvals.fetch = before.fetch;
    limits.read = before.read;
    decisions.record = before.record;
  };
}

let rounds = 0;
/** Resolves when the questions that are lost are given up. */
let untilGivenUp: Promise<unknown> = Promise.resolve();
/** A question of an hour of its own, in which nothing has been used of limits. */
async function newQuestion(action: string): Promise<AskedQuestion> {
  rounds += 1;
  remit.at(new Date(DAYTIME.getTime() + rounds * 2 * 3_600_000));
  return {
    subject: { type: 'user', id: 'ann' },
    action: { name: action, properties: { branch: 'main' } },
    resource: { type: 'repository', id: 'api' },
    context: { token: await remit.mint({ audience: 'git', user: 'ann', agent: 'coder', scope: 'code.write' }) },
  };
}

/** Asks all questions at once, which read and write as the schedule has it. */
async function askAtOnce(
  scheduler: fc.Scheduler,
  question: AskedQuestion,
  asked: readonly { readonly key?: string | undefined; readonly isLost?: boolean }[],
): Promise<Answer[]> {
  const approval = await approve(remit, question, await ask(remit, question), ['olga']);
  return askPresenting(scheduler, presenting(question, approval), asked);
}

/**
 * @param beside what else comes about as the schedule has it
 * @param isGivenUpLate whether those that are lost are given up only once all others are answered
 */
async function askPresenting(
  scheduler: fc.Scheduler,
  question: AskedQuestion,
  asked: readonly { readonly key?: string | undefined; readonly isLost?: boolean }[],
  beside: readonly Promise<void>[] = [],
  isGivenUpLate = false,
): Promise<Answer[]> {
  const restore = delayStores(scheduler);
  let giveUp = (): void => undefined;
  untilGivenUp = new Promise<void>((resolve) => (giveUp = resolve));
  if (!isGivenUpLate) giveUp();
  try {
    const asking = asked.map(async ({ key, isLost = false }): Promise<Answer> => {
      const response = await remit.post('/access/v1/evaluation', question, {
        authorization: 'Bearer git-key',
        ...(key === undefined ? {} : { 'idempotency-key': `${key}-${rounds}` }),
        ...(isLost ? { 'x-request-id': 'lost' } : {}),
      });
      return response.json();
    });
    void Promise.all(asking.filter((_, i) => asked[i]?.isLost !== true)).then(giveUp);
    const [answers] = await scheduler.waitFor(Promise.all([Promise.all(asking), ...beside]));
    return answers;
  } finally {
    restore();
    await remit.service.decisions.flush();
  }
}

async function report(decision: string, outcome: string): Promise<void> {
  const response = await remit.post(`/v1/decisions/${decision}/outcome`, { outcome }, { authorization: 'Bearer git-key' }); // prettier-ignore
  expect(response.statusCode, response.body).toBe(201);
}

/** The decision that holds what an allow has used. */
async function findHolder({ context }: Answer): Promise<string | undefined> {
  const stored = await remit.service.decisions.find(context?.id ?? '');
  return stored?.record.reservation?.decision ?? stored?.record.id;
}

async function expectReplayed(answers: readonly Answer[]): Promise<void> {
  for (const { decision, context } of answers) {
    const stored = await remit.service.decisions.find(context?.id ?? '');
    const record = parseRecord(JSON.parse(JSON.stringify(stored?.record)), 'the record');
    expect(record.decision).toBe(decision);
    expect(replayRecord(record, remit.service.activePolicies.rules)).toEqual({ kind: 'same' });
  }
}
const action = fc.constantFrom('merge', 'release');

it('is used by one key, all of whose questions are allowed, and by no other', async () => {
  const seen = new Set<string>();
  const keys = fc.array(fc.constantFrom('a', 'a', 'b', undefined), { minLength: 2, maxLength: 6 });
  const property = fc.asyncProperty(fc.scheduler(), keys, action, async (scheduler, asked, name) => {
    const answers = await askAtOnce(scheduler, await newQuestion(name), asked.map((key) => ({ key }))); // prettier-ignore
    const allowed = asked.filter((_, i) => answers[i]?.decision);
    const [winner] = allowed;
    expect(allowed.length, JSON.stringify(answers.map(codes))).toBeGreaterThan(0);
    expect(allowed).toEqual(winner === undefined ? [undefined] : asked.filter((key) => key === winner));
    seen.add(winner ?? 'none');
    if (allowed.length > 1) seen.add(`retries of ${name}`);
    await expectReplayed(answers);
  });
  await assertUntilSeen(
    () => fc.assert(property, { numRuns: 40 }),
    () => ['a', 'b', 'none', 'retries of merge', 'retries of release'].filter((kind) => !seen.has(kind)),
  );
}, 120_000);

it('serves every question of its key, whichever of them are given up', async () => {
  const seen = new Set<string>();
  const lost = fc.array(fc.boolean(), { minLength: 3, maxLength: 6 });
  const property = fc.asyncProperty(
    fc.scheduler(),
    lost,
    action,
    fc.boolean(),
    async (scheduler, asked, name, isLate) => {
      const question = await newQuestion(name);
      const approval = await approve(remit, question, await ask(remit, question), ['olga']);
      const answers = await askPresenting(scheduler, presenting(question, approval), asked.map((isLost) => ({ key: 'a', isLost })), [], isLate); // prettier-ignore
      expect(answers.map(({ decision }) => decision)).toEqual(asked.map((isLost) => !isLost));
      // One that was allowed may be at work: it keeps the approval, and the limit, though the first of its key was given up.
      const other = await ask(remit, presenting(question, approval), { key: `b-${rounds}` });
      if (asked.includes(false)) expect(other.decision).toBe(false);
      const holders = await Promise.all(answers.filter(({ decision }) => decision).map(findHolder));
      if (answers.some(({ decision, context }) => !decision && holders.includes(context?.id))) seen.add('held by one given up'); // prettier-ignore
      seen.add(`${new Set(asked).size === 2 ? 'some' : asked[0] ? 'all' : 'none'} of ${name}`);
      await expectReplayed(answers.filter((_, i) => asked[i] === false));
    },
  );
  await assertUntilSeen(
    () => fc.assert(property, { numRuns: 40 }),
    () => ['some of merge', 'some of release', 'held by one given up'].filter((kind) => !seen.has(kind)),
  );
}, 120_000);

it('is good for the next attempt of its key once one has failed, and for no other, however they come together', async () => {
  const seen = new Set<string>();
  const key = fc.constantFrom('a', 'a', 'b', undefined);
  const round = fc.record({
    keys: fc.array(key, { minLength: 1, maxLength: 4 }),
    outcome: fc.constantFrom('failed', 'failed', 'abandoned', 'executed', undefined),
    isReportedMeanwhile: fc.boolean(),
  });
  const rounds = fc.array(round, { minLength: 2, maxLength: 4 });
  const property = fc.asyncProperty(fc.scheduler(), rounds, action, async (scheduler, attempts, name) => {
    const question = await newQuestion(name);
    const approval = await approve(remit, question, await ask(remit, question), ['olga']);
    /** The key whose approval it is, and the decision that holds it now. */
    let owner: { readonly key: string | undefined } | undefined;
    let holder: string | undefined;
    let isExecuted = false;
    for (const { keys, outcome, isReportedMeanwhile } of attempts) {
      const before = holder;
      const isLate = isReportedMeanwhile && before !== undefined && !isExecuted && outcome !== 'executed';
      const reporting = isLate ? [scheduler.schedule(Promise.resolve(), 'outcome').then(() => report(before, 'failed'))] : []; // prettier-ignore
      const answers = await askPresenting(scheduler, presenting(question, approval), keys.map((of) => ({ key: of })), reporting); // prettier-ignore
      const allowed = keys.filter((_, i) => answers[i]?.decision);
      const [winner] = allowed;
      if (isExecuted) expect(allowed).toEqual([]);
      else if (owner === undefined) {
        expect(allowed).toEqual(winner === undefined ? [undefined] : keys.filter((of) => of === winner));
        owner = { key: winner };
      } else {
        const { key: own } = owner;
        expect(allowed).toEqual(own === undefined ? [] : keys.filter((of) => of === own));
        if (allowed.length > 0) seen.add(`${isLate ? 'while' : holder === undefined ? 'after' : 'before'} it failed`);
        else seen.add('denied to others');
      }
      await expectReplayed(answers);
      const [use] = await remit.service.database.run([
        { sql: 'select used_by from approval_tasks where id = $1::uuid', params: [approval.id] },
      ]);
      const user = String(use?.[0]?.['used_by']);
      // One decision has it at a time, and every allow is that one or its retry.
      const held = await Promise.all(answers.filter(({ decision }) => decision).map(findHolder));
      if (isLate) holder = user === before ? undefined : user;
      else if (held.length > 0) {
        expect(new Set(held)).toEqual(new Set([user]));
        holder = user;
      }
      if (outcome === undefined || holder === undefined || isExecuted) continue;
      await report(holder, outcome);
      seen.add(outcome);
      isExecuted = outcome === 'executed';
      holder = isExecuted ? holder : undefined;
    }
  });
  const wanted = ['before it failed', 'after it failed', 'while it failed', 'denied to others', 'failed', 'abandoned', 'executed']; // prettier-ignore
  await assertUntilSeen(
    () => fc.assert(property, { numRuns: 40 }),
    () => wanted.filter((kind) => !seen.has(kind)),
  );
}, 120_000);
