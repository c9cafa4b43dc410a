/**
 * An approval for one use, asked for by many at once, in whatever order what they read and write comes about: all questions of
 * the one key that used it are allowed, and no other.
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
    if (record.request['request_id'] === 'lost') throw new Fault('deadline_exceeded');
    return stored;
  };
  return () => {
    approvals.fetch = before.fetch;
    limits.read = before.read;
    decisions.record = before.record;
  };
}

let rounds = 0;
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
  const restore = delayStores(scheduler);
  try {
    const asking = asked.map(async ({ key, isLost = false }): Promise<Answer> => {
      const response = await remit.post('/access/v1/evaluation', presenting(question, approval), {
        authorization: 'Bearer git-key',
        ...(key === undefined ? {} : { 'idempotency-key': `${key}-${rounds}` }),
        ...(isLost ? { 'x-request-id': 'lost' } : {}),
      });
      return response.json();
    });
    return await scheduler.waitFor(Promise.all(asking));
  } finally {
    restore();
    await remit.service.decisions.flush();
  }
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
  const property = fc.asyncProperty(fc.scheduler(), lost, action, async (scheduler, asked, name) => {
    const answers = await askAtOnce(scheduler, await newQuestion(name), asked.map((isLost) => ({ key: 'a', isLost }))); // prettier-ignore
    expect(answers.map(({ decision }) => decision)).toEqual(asked.map((isLost) => !isLost));
    seen.add(`${new Set(asked).size === 2 ? 'some' : asked[0] ? 'all' : 'none'} of ${name}`);
    await expectReplayed(answers.filter((_, i) => asked[i] === false));
  });
  await assertUntilSeen(
    () => fc.assert(property, { numRuns: 40 }),
    () => ['some of merge', 'some of release'].filter((kind) => !seen.has(kind)),
  );
}, 120_000);
