/** The contract of the store of approvals, on every database. */
import type { DecisionStore } from '../../src/store/decisions.js';
import { changeRecordsOf, newDecisionStore } from '../support/record-values.js';
import { ReviewStore } from '../../src/store/reviews.js';
import { describe, expect, it } from 'vitest';
import { v4 as uuid } from 'uuid';
import type { ApprovalStep } from '../../src/model/approvals.js';
import type { DecisionRecord } from '../../src/model/decision.js';
import type { RecordResult } from '../../src/model/limits.js';
import { NO_ACCOUNT } from '../../src/model/question.js';
import { DeliveryStore } from '../../src/store/deliveries.js';
import { ApprovalStore, useStatement } from '../../src/store/approvals.js';
import { type AskedTask, type StoredTask, type TaskAnswer } from '../../src/store/stored-task.js';
import type { Database } from '../../src/store/database/port.js';
import { ElevationStore } from '../../src/store/elevations.js';
import type { TaskOpening } from '../../src/store/asked-questions.js';
import { findAskedClasses } from '../../src/store/class-tasks.js';
import { MAX_KEPT_TASKS_OF_PAIR, type OpeningBounds, type RequestOpening } from '../../src/store/insert-tasks.js';
import { MAX_KEYS_OF_TASK, openTasks, type OpenedTasks } from '../../src/store/open-tasks.js';
import { ReadBatch } from '../../src/store/read-batch.js';
import { openTask, type OpenedTask, type SingleOpening } from '../support/open-task.js';

const NOW = new Date('2030-03-04T10:00:00Z');
const later = (minutes: number): Date => new Date(NOW.getTime() + minutes * 60_000);
const BOUNDS: OpeningBounds = { open: 3, cooldownMs: 3_600_000 };
const OWNER: ApprovalStep = { kind: 'permission', permission: 'own' };
const ELEVATION: ApprovalStep = { kind: 'elevation', permission: 'own', relation: 'maintainer', seconds: 3600 };

const RECORD: DecisionRecord = {
  id: '',
  evaluated_at: NOW.toISOString(),
  client: 'api',
  decision: true,
  dry_run: false,
  policy_version: '',
  request: { subject: { type: 'user', id: 'ann' }, action: 'merge', resource: { type: 'repository', id: 'api' } },
  reasons: [],
  obligations: [],
  rationale: { steps: [] },
};

let counter = 0;
const newParty = (type: string): { type: string; id: string } => ({ type, id: `p"\\{,${(counter += 1)}` });
function newTask(more: Partial<AskedTask> = {}): AskedTask {
  return {
    binding: { resource: `r${(counter += 1)}`, 'action.name': 'merge' },
    steps: [OWNER],
    question: {
      subject: { type: 'user', id: 'ann' },
      action: { name: 'merge', properties: { branch: 'ma"in' } },
      resource: { type: 'repository', id: 'api', properties: {} },
      context: { local: true },
    },
    chain: [{ type: 'agent', id: 'planner' }],
    denial: uuid(),
    ...more,
  };
}
function newOpening(more: Partial<SingleOpening> = {}): SingleOpening {
  const parties = { user: newParty('user'), agent: newParty('agent') };
  return { requester: 'api', ...parties, task: newTask(), expires: later(60), ...more };
}
const yes = (until = later(15)): TaskAnswer => ({
  answers: [
    { step: 0, by: { type: 'user', id: 'olga' }, at: NOW.toISOString(), scope: 'once', until: until.toISOString() },
  ],
  state: 'approved',
  scope: 'once',
  approved_until: until.toISOString(),
});

/** @param getDatabase one that is migrated */
export function approvalStoreContract(getDatabase: () => Database): void {
  describe('the store of approvals', () => {
    const newStore = (isGenuine = (): Promise<boolean> => Promise.resolve(true)): ApprovalStore =>
      new ApprovalStore(
        getDatabase(),
        changeRecordsOf(getDatabase()),
        new ReadBatch(getDatabase()),
        isGenuine,
        60_000,
        3_600_000,
      );
    const open = (opening: SingleOpening, now = NOW, bounds = BOUNDS): Promise<OpenedTask> =>
      openTask(getDatabase(), opening, bounds, now);
    async function opened(opening = newOpening(), now = NOW): Promise<StoredTask> {
      const result = await open(opening, now);
      if (result.kind !== 'task') throw new Error(result.kind);
      return result.task;
    }
    async function approved(more: Partial<AskedTask> = {}, answer = yes()): Promise<StoredTask> {
      const task = await newStore().answer(await opened(newOpening({ task: newTask(more) })), answer, NOW);
      if (task === undefined) throw new Error('not answered');
      return task;
    }
    const use = async (id: string, decision = uuid(), now = NOW): Promise<unknown> =>
      (await getDatabase().run([useStatement({ id, decision }, now)]))[0]?.[0]?.['problem'];

    it('opens the review of an emergency with its approval, for others than who gave it, and of no other answer', async () => {
      const reviews = new ReviewStore(getDatabase(), changeRecordsOf(getDatabase()));
      const recordDenial = async (): Promise<string> => {
        const id = uuid();
        const sql = `insert into records (id, kind, at, client, decision, record) values ($1::uuid, 'decision', $2::timestamptz, 'api', false, '{}')`;
        await getDatabase().run([{ sql, params: [id, NOW.toISOString()] }]);
        return id;
      };
      const denial = await recordDenial();
      const task = await approved({ denial, emergency: 'oncall' });
      expect(await reviews.find(denial)).toEqual([
        {
          decision: denial, permission: 'oncall', resource: { type: 'repository', id: 'api' }, action: 'merge',
          user: task.user, agents: [task.agent, { type: 'agent', id: 'planner' }], barred: ['user:olga'],
          opened: NOW, due: later(1), conclusion: undefined,
        },
      ]); // prettier-ignore
      const [usual, refused] = [await recordDenial(), await recordDenial()];
      await approved({ denial: usual });
      const by = { type: 'user', id: 'olga' };
      const no = { answers: [], state: 'denied', scope: 'once', denied: { by, at: NOW.toISOString() } } as const;
      await approved({ denial: refused, emergency: 'oncall' }, no);
      expect([await reviews.find(usual), await reviews.find(refused)]).toEqual([[], []]);
    });

    it('keeps what was asked as it was asked', async () => {
      const opening = newOpening({ task: newTask({ emergency: 'oncall', requested_until: later(5).toISOString() }) });
      const task = await opened(opening);
      expect(task).toEqual({
        ...opening.task, id: task.id, user: opening.user, agent: opening.agent, requester: 'api', state: 'pending',
        // What is given after the end that was asked for would be good for nothing.
        answers: [], scope: 'once', granted: true, asked: NOW.toISOString(), expires: later(5).toISOString(),
        decided: undefined,
      }); // prettier-ignore
      expect(await newStore().find(task.id)).toEqual(task);
      const direct = await opened(newOpening({ user: undefined }));
      expect([direct.user, direct.agent?.type]).toEqual([undefined, 'agent']);
    });

    it('finds the open task for the same, and opens another once that has ended', async () => {
      const opening = newOpening();
      const first = await opened(opening);
      expect((await opened({ ...opening, task: { ...opening.task, denial: uuid() } })).id).toBe(first.id);
      for (const change of [
        { requester: 'other' },
        { task: { ...opening.task, binding: { ...opening.task.binding, resource: 'x' } } },
        { task: { ...opening.task, steps: [OWNER, { kind: 'user' } as const] } },
      ])
        expect((await opened({ ...opening, ...change, user: newParty('user') })).id).not.toBe(first.id);
      expect((await opened(opening, later(61))).id).not.toBe(first.id);
      expect((await newStore().find(first.id))?.state).toBe('expired');
    });

    it('opens one task where the same is asked many times at once', async () => {
      const opening = newOpening();
      const all = await Promise.all(Array.from({ length: 10 }, () => opened(opening)));
      expect(new Set(all.map(({ id }) => id)).size).toBe(1);
    });

    it('finds the task of a key, whatever became of it, and refuses another request with the key', async () => {
      const opening = newOpening({ repeat: { key: 'k1', bodySha256: 'a' } });
      const task = await opened(opening);
      await newStore().end(task.id, 'cancelled', 'user:ann', NOW);
      expect((await opened(opening)).id).toBe(task.id);
      const other = { ...opening, repeat: { key: 'k1', bodySha256: 'b' }, task: newTask() };
      expect(await open(other)).toEqual({ kind: 'other_body' });
      expect((await opened({ ...other, requester: 'someone' })).id).not.toBe(task.id);
      expect((await opened({ ...opening, repeat: { key: 'k2', bodySha256: 'a' } })).id).not.toBe(task.id);
      // Until a day after its end and longer.
      expect((await opened(opening, later(25 * 60))).id).toBe(task.id);
      expect((await opened(opening, later(9 * 24 * 60))).id).not.toBe(task.id);
    });

    it('opens no more than its bound for a pair', async () => {
      const { user, agent } = newOpening();
      const opening = (): SingleOpening => ({ ...newOpening(), user, agent });
      const results = await Promise.all(Array.from({ length: 8 }, () => open(opening())));
      expect(results.filter(({ kind }) => kind === 'task')).toHaveLength(BOUNDS.open);
      expect(results.filter(({ kind }) => kind === 'too_many')).toHaveLength(8 - BOUNDS.open);
      expect((await open({ ...opening(), agent: newParty('agent') })).kind).toBe('task');
      expect((await open(opening(), later(61))).kind).toBe('task');
    });

    it('keeps no more keys than its bound for a task', async () => {
      const opening = newOpening();
      const withKey = (i: number): SingleOpening => ({ ...opening, repeat: { key: `k-${i}`, bodySha256: 'a' } });
      const kinds: string[] = [];
      for (let i = 0; i <= MAX_KEYS_OF_TASK; i += 1) kinds.push((await open(withKey(i))).kind);
      expect(kinds.filter((kind) => kind === 'task')).toHaveLength(MAX_KEYS_OF_TASK);
      expect([kinds.at(-1), (await open(withKey(3))).kind, (await open(opening)).kind]).toEqual([
        'too_many',
        'task',
        'task',
      ]);
    });

    it('keeps no more than its bound for a pair, however many were opened and ended', async () => {
      const opening = newOpening();
      const { id } = await opened(opening);
      await getDatabase().run([
        { sql: `update approval_tasks set state = 'cancelled' where id = $1::uuid`, params: [id] },
        {
          sql: `insert into approval_tasks (id, requester, user_type, user_id, agent_type, agent_id,
                  asked_sha256, task, state, asked, expires, kept_until)
                select gen_random_uuid(), requester, user_type, user_id, agent_type, agent_id, asked_sha256,
                  task, state, asked, expires, kept_until from approval_tasks, generate_series(2, $2::int) where id = $1::uuid`,
          params: [id, MAX_KEPT_TASKS_OF_PAIR],
        },
      ]);
      expect(await open(opening)).toEqual({ kind: 'too_many' });
      expect((await open({ ...opening, agent: newParty('agent') })).kind).toBe('task');
      // Bit by bit they go, once they are kept no longer.
      const results = [];
      for (let i = 0; i < 3; i += 1)
        results.push((await open({ ...opening, task: newTask() }, later(9 * 1440 + i))).kind);
      expect(results).toContain('task');
    });

    it('asks nothing again for a while after a no', async () => {
      const opening = newOpening();
      const task = await opened(opening);
      const no: TaskAnswer = { answers: [], state: 'denied', scope: 'once' };
      expect(await newStore().answer(task, no, NOW)).toMatchObject({ state: 'denied', decided: NOW.toISOString() });
      expect(await open(opening, later(59))).toEqual({ kind: 'cooling_down', index: 0 });
      expect((await open(newOpening({ ...opening, task: newTask() }), later(59))).kind).toBe('task');
      expect((await open(opening, later(61))).kind).toBe('task');
    });

    it('opens all tasks of a request or none, wherever one of them is refused, on two replicas at once', async () => {
      const { user, agent } = newOpening();
      const question = (more: Partial<TaskOpening> = {}): TaskOpening => ({ user, agent, task: newTask(), ...more });
      const openMany = (openings: readonly TaskOpening[], more: Partial<RequestOpening> = {}): Promise<OpenedTasks> => {
        const bundle = { user: user?.id ?? '', items: openings.map((_, i) => ({ resource: { i }, action: {} })) };
        const request = { requester: 'api', openings, expires: later(60), bundle, ...more };
        return openTasks(getDatabase(), request, BOUNDS, NOW);
      };
      const countOpen = async (): Promise<unknown> => {
        const sql = `select count(*)::int as n from approval_tasks where state = 'pending' and user_id = $1`;
        return (await getDatabase().run([{ sql, params: [user?.id ?? ''] }]))[0]?.[0]?.['n'];
      };
      const denied = question();
      const task = await opened(newOpening(denied));
      await newStore().answer(task, { answers: [], state: 'denied', scope: 'once' }, NOW);
      expect(await openMany([question(), question(), denied])).toEqual({ kind: 'cooling_down', index: 2 });
      expect(await countOpen()).toBe(0);
      expect(await openMany([1, 2, 3, 4].map(() => question()))).toEqual({ kind: 'too_many' });
      expect(await countOpen()).toBe(0);
      // Equal questions are one task, and each item names its own.
      const same = question();
      const two = await openMany([same, question(), same], { repeat: { key: 'two', bodySha256: 'a' } });
      if (two.kind !== 'opened') throw new Error(two.kind);
      const ids = two.tasks.map(({ id }) => id);
      expect([ids[0] === ids[2], new Set(ids).size, await countOpen()]).toEqual([true, 2, 2]);
      expect(two.bundle).toMatchObject({
        requester: 'api', user: user?.id, items: ids.map((id, i) => ({ resource: { i }, action: {}, task: id })),
      }); // prettier-ignore
      const repeat = (bodySha256: string) => openMany([question()], { repeat: { key: 'two', bodySha256 } });
      expect([await repeat('a'), await repeat('b')]).toEqual([{ kind: 'repeated' }, { kind: 'other_body' }]);
      // One is left: what is open already needs no place.
      expect(await openMany([same, question(), question()])).toEqual({ kind: 'too_many' });
      expect(await countOpen()).toBe(2);
      const racing = await Promise.all([1, 2, 3].map(() => openMany([same, question()])));
      expect(racing.map(({ kind }) => kind).sort()).toEqual(['opened', 'too_many', 'too_many']);
      expect(await countOpen()).toBe(3);
      const [rows] = await getDatabase().run([
        { sql: 'select count(*)::int as n from access_request_bundles where user_id = $1', params: [user?.id ?? ''] },
      ]);
      expect(rows).toEqual([{ n: 2 }]);
    });

    it('knows a task that a replica of the version before has opened, which still writes a column that nothing reads', async () => {
      const opening = newOpening();
      const own = await opened(opening);
      await getDatabase().run([
        {
          sql: `with taken as (delete from approval_tasks where id = $1::uuid returning *)
                insert into approval_tasks (id, requester, user_type, user_id, agent_type, agent_id, binding_sha256,
                  question_sha256, asked_sha256, task, state, asked, expires, kept_until)
                select id, requester, user_type, user_id, agent_type, agent_id, 'written by the one before',
                  question_sha256, asked_sha256, task, state, asked, expires, kept_until from taken`,
          params: [own.id],
        },
      ]);
      expect((await opened(opening)).id).toBe(own.id);
    });

    it('opens no class beside one that it does not know, of several that come at once', async () => {
      const { user, agent } = newOpening();
      const steps = [OWNER];
      const ofClass = (branch: string, known: readonly string[]): SingleOpening => ({
        ...newOpening({ user, agent }),
        task: newTask({ steps, details: [{ type: 'remit', constraints: { 'action.branch': branch } }] }),
        ofClass: { askers: {}, isRefused: false, known },
      });
      const find = async (now = NOW): Promise<readonly string[]> =>
        (await findAskedClasses(getDatabase(), { user, agent }, new Date(now.getTime() - BOUNDS.cooldownMs))).marks;
      const racing = await Promise.all(['a', 'b', 'c', 'd'].map((branch) => open(ofClass(branch, []))));
      expect(racing.map(({ kind }) => kind).sort()).toEqual(['outdated', 'outdated', 'outdated', 'task']);
      expect((await open(newOpening({ user, agent }))).kind).toBe('task');
      const waiting = await find();
      const second = await open(ofClass('e', waiting));
      if (second.kind !== 'task') throw new Error(second.kind);
      const both = await find();
      await newStore().answer(second.task, { answers: [], state: 'denied', scope: 'once' }, NOW);
      expect([both.length, await open(ofClass('f', both))]).toEqual([2, { kind: 'outdated' }]);
      // What has ended otherwise is no reason to look again.
      const known = await find();
      const [first] = racing.flatMap((result) => (result.kind === 'task' ? [result.task] : []));
      expect((await newStore().end(first?.id ?? '', 'cancelled', 'user:ann', NOW))?.state).toBe('cancelled');
      expect((await open(ofClass('f', known))).kind).toBe('task');
      expect((await open({ ...ofClass('g', []), agent: newParty('agent') })).kind).toBe('task');
    });

    it('asks nothing again for a while after a no, whoever asks and by whichever way', async () => {
      const opening = newOpening();
      const parties = { client: 'a', issuer: 'x', chain: 'y' };
      const ask = (task: Partial<AskedTask>): SingleOpening => ({ ...opening, task: { ...opening.task, ...task } });
      const { binding } = opening.task;
      const task = await opened(ask({ binding: { ...binding, ...parties } }));
      await newStore().answer(task, { answers: [], state: 'denied', scope: 'once' }, NOW);
      const refused = { kind: 'cooling_down', index: 0 };
      for (const change of [{ client: 'b' }, { issuer: 'z' }, { chain: 'z' }])
        expect(await open({ ...ask({ binding: { ...binding, ...parties, ...change } }), requester: 'b' })).toEqual(
          refused,
        );
      expect(await open(ask({ binding, emergency: 'oncall' }))).toEqual(refused);
      expect((await open(ask({ binding: { ...binding, 'context.x': 'y' } }))).kind).toBe('task');
      const known = newOpening({ task: newTask({ question_sha256: 'q1' }) });
      await newStore().answer(await opened(known), { answers: [], state: 'denied', scope: 'once' }, NOW);
      expect(await open({ ...known, task: newTask({ question_sha256: 'q1' }) })).toEqual(refused);
      expect((await open({ ...known, task: newTask({ question_sha256: 'q2' }) })).kind).toBe('task');
    });

    const deny = (task: StoredTask, note = 'no'): Promise<StoredTask | undefined> => {
      const denied = { by: { type: 'user', id: 'olga' }, at: NOW.toISOString(), note };
      return newStore().answer(task, { answers: task.answers, state: 'denied', scope: 'once', denied }, NOW);
    };
    const stateOf = async ({ id }: Pick<StoredTask, 'id'>): Promise<unknown> => (await newStore().find(id))?.state;
    /** Opens the same question as another client, by other agents, or for an emergency. */
    const newEqual = (opening: SingleOpening, more: Partial<AskedTask> = {}, requester = 'other'): SingleOpening => {
      const { task } = opening;
      const binding = { ...task.binding, client: requester, chain: uuid() };
      return { ...opening, requester, task: { ...task, binding, denial: uuid(), ...more } };
    };

    it('ends with a no all that wait for the same question, whoever asks it, and tells of each once', async () => {
      const opening = newOpening({ task: newTask({ question_sha256: `q-${uuid()}` }) });
      const answered = await approvedEqual(opening);
      const [first, other, emergency] = [
        await opened(opening),
        await opened(newEqual(opening)),
        await opened(newEqual(opening, { emergency: 'oncall' })),
      ];
      const different = await opened(newEqual({ ...opening, user: newParty('user') }, { question_sha256: `q-${uuid()}` }));
      expect(await deny(first)).toMatchObject({ id: first.id, state: 'denied' });
      for (const task of [first, other, emergency])
        expect(await newStore().find(task.id)).toMatchObject({
          state: 'denied', decided: NOW.toISOString(), denied: { by: { type: 'user', id: 'olga' }, note: 'no' }, answers: [],
        }); // prettier-ignore
      // What has ended already makes no second transition.
      expect([await stateOf(answered), await stateOf(different)]).toEqual(['approved', 'pending']);
      const ids = [first, other, emergency, answered, different].map(({ id }) => id);
      const [told = []] = await getDatabase().run([
        { sql: `select ids->>'approval' as id from events where event = 'approval.decided' and ids->>'approval' = any ($1::text[])`, params: [`{${ids.join(',')}}`] },
      ]); // prettier-ignore
      expect(told.map(({ id }) => String(id)).sort()).toEqual([first.id, other.id, emergency.id, answered.id].sort());
      for (const task of [first, other]) expect(await deny(task)).toBeUndefined();
      expect(await newStore().answer(other, yes(), NOW)).toBeUndefined();
    }); // prettier-ignore

    async function approvedEqual(opening: SingleOpening): Promise<StoredTask> {
      const task = await newStore().answer(await opened(newEqual(opening, {}, 'early')), yes(), NOW);
      if (task === undefined) throw new Error('not answered');
      return task;
    }

    it('ends the equal ones of none that was denied before questions were told from others', async () => {
      const [first, second] = [await opened(), await opened()];
      await getDatabase().run([
        {
          sql: `update approval_tasks set question_sha256 = '' where id = any ($1::uuid[])`,
          params: [`{${first.id},${second.id}}`],
        },
      ]);
      expect(await deny(first)).toMatchObject({ state: 'denied' });
      expect(await stateOf(second)).toBe('pending');
    });

    it('leaves nothing open beside a no, with yes, no and new requests at once, each task with one transition', async () => {
      const seen = new Set<string>();
      for (let round = 0; round < 12; round += 1) {
        const opening = newOpening({ task: newTask({ question_sha256: `q-${uuid()}` }) });
        const [first, second] = [await opened(opening), await opened(newEqual(opening))];
        const acts = [
          () => newStore().answer(first, yes(), NOW),
          () => deny(second),
          () => deny(first, 'another'),
          () => open(newEqual(opening, {}, 'new')),
          () => open(newEqual(opening, { emergency: 'oncall' }, 'newer')),
        ];
        const turned = [...acts.slice(round % acts.length), ...acts.slice(0, round % acts.length)];
        await Promise.all(turned.map((act) => act()));
        const [rows = []] = await getDatabase().run([
          {
            sql: `select t.state, (select count(*)::int from events e where e.event = 'approval.decided'
                    and e.ids->>'approval' = t.id::text) as told from approval_tasks t where t.user_id = $1`,
            params: [opening.user?.id ?? ''],
          },
        ]);
        expect(rows.map(({ state }) => state)).not.toContain('pending');
        expect(rows.every(({ told }) => told === 1)).toBe(true);
        for (const { state } of rows) seen.add(String(state));
      }
      expect([...seen].sort()).toEqual(['approved', 'denied']);
    });

    it('is answered once, by answers that knew of those before', async () => {
      const store = newStore();
      const task = await opened(newOpening({ task: newTask({ steps: [OWNER, { kind: 'user' }] }) }));
      const [first = yes().answers[0]] = yes().answers;
      if (first === undefined) throw new Error('no answer');
      const part: TaskAnswer = { answers: [first], state: 'pending', scope: 'once' };
      const halfway = await store.answer(task, part, NOW);
      expect(halfway).toMatchObject({ state: 'pending', answers: [first] });
      expect(await store.answer(task, part, NOW)).toBeUndefined();
      const whole = { ...yes(), answers: [first, { ...first, step: 1 }] };
      const results = await Promise.all([1, 2, 3].map(() => store.answer({ ...task, answers: [first] }, whole, NOW)));
      expect(results.filter((result) => result !== undefined)).toHaveLength(1);
      expect(await store.find(task.id)).toMatchObject({ state: 'approved', approved_until: later(15).toISOString() });
      expect(await store.answer(await opened(), yes(), later(60))).toBeUndefined();
    });

    it('is read by decisions with its signed state, or without', async () => {
      const task = await approved();
      const { id, binding, steps } = task;
      // Without the terms and the note of those who gave it.
      const answers = task.answers.map(({ step, by, at }) => ({ step, by, at }));
      const expected = {
        id, binding, steps, answers, state: 'approved', scope: 'once', granted: true, approved_until: later(15).toISOString(),
      }; // prettier-ignore
      for (const presented of [{ id }, { id, state: 'signed' }])
        expect(await newStore().fetch([presented, { id: 'none' }, { id: uuid() }])).toEqual(new Map([[id, expected]]));
      const forged = newStore(() => Promise.resolve(false));
      expect(await forged.fetch([{ id, state: 'forged' }])).toEqual(new Map());
      const [one, two] = await Promise.all([forged.fetch([{ id }]), forged.fetch([{ id: (await approved()).id }])]);
      expect([one.get(id), two.size]).toEqual([expected, 1]);
    });

    it('is used once where it is for one use, and by as many as like until its end where it is not', async () => {
      const { id } = await approved();
      const decisions = Array.from({ length: 6 }, () => uuid());
      const problems = await Promise.all(decisions.map((decision) => use(id, decision)));
      expect(problems.filter((problem) => problem === null)).toHaveLength(1);
      expect(problems.filter((problem) => problem === 'used')).toHaveLength(5);
      const winner = decisions[problems.indexOf(null)] ?? '';
      expect((await newStore().fetch([{ id }])).get(id)?.used_by).toBe(winner);
      // The same decision again is a retry of it.
      expect(await use(id, winner)).toBeNull();
      await getDatabase().run([{ sql: 'select release_approvals($1::uuid[])', params: [`{${winner}}`] }]);
      expect(await use(id)).toBeNull();
      const standing = await approved({}, { ...yes(), scope: 'until' });
      expect([await use(standing.id), await use(standing.id)]).toEqual([null, null]);
      expect(await use(standing.id, uuid(), later(15))).toBe('expired');
    });

    /** The events of a use that are anybody's. */
    const countReaders = async (decision: string): Promise<number> => {
      const [rows = []] = await getDatabase().run([
        { sql: `select id from events where event = 'approval.used' and ids->>'decision' = $1 and user_id is not null`, params: [decision] },
      ]); // prettier-ignore
      return rows.length;
    };

    /** The events that name the decision: the stream finds the approvers of what they name. */
    const countKept = async (decision: string): Promise<number> => {
      const sql = `select id from events where event = 'approval.used' and ids->>'decision' = $1`;
      return ((await getDatabase().run([{ sql, params: [decision] }]))[0] ?? []).length;
    };

    it('is told of once for a decision, and once in an hour where it is good until an end', async () => {
      const standing = await approved({}, { ...yes(), scope: 'until', approved_until: later(300).toISOString() });
      const told = async (at: Date, decision = uuid()): Promise<number> => {
        expect(await use(standing.id, decision, at)).toBeNull();
        return countReaders(decision);
      };
      const [first, late] = [uuid(), uuid()];
      expect(await told(NOW, first)).toBe(1);
      const crowd = await Promise.all(Array.from({ length: 10 }, (_, i) => told(later(i * 6))));
      expect(crowd).toEqual(crowd.map(() => 0));
      expect(await told(later(60), late)).toBe(1);
      // A retry is told of under the decision that it repeats.
      expect([await told(later(130), first), await told(later(130), late)]).toEqual([1, 1]);
      expect(await told(later(130))).toBe(1);
      const other = await approved({}, { ...yes(), scope: 'until' });
      const released = uuid();
      expect([await use(other.id, released), await countReaders(released)]).toEqual([null, 1]);
      await getDatabase().run([{ sql: 'select release_approvals($1::uuid[])', params: [`{${released}}`] }]);
      const next = uuid();
      expect([await use(other.id, next), await countReaders(next)]).toEqual([null, 1]);
    });

    it('is used up with the record of one decision, of however many replicas at once', async () => {
      const replicas = [newDecisionStore(getDatabase()), newDecisionStore(getDatabase())] as const;
      const [once, other] = [await approved(), await approved()];
      const record = (replica: DecisionStore, decision: string, approval: string, by = decision): Promise<RecordResult> =>
        replica.record({ ...RECORD, id: decision }, NO_ACCOUNT, {
          at: NOW.getTime(), parts: [], partial: false, approval: { id: approval, decision: by },
        });
      const decisions = Array.from({ length: 20 }, () => uuid());
      const results = await Promise.all(decisions.map((id, i) => record(replicas[i % 2 === 0 ? 0 : 1], id, once.id)));
      expect(results.filter(({ kind }) => kind === 'stored')).toHaveLength(1);
      const winner = decisions[results.findIndex(({ kind }) => kind === 'stored')] ?? '';
      const rows = await getDatabase().run([
        { sql: 'select id from records where id = any ($1::uuid[])', params: [`{${decisions.join(',')}}`] },
        { sql: 'select used_by from approval_tasks where id = $1::uuid', params: [once.id] },
      ]);
      expect(rows).toEqual([[{ id: winner }], [{ used_by: winner }]]);
      // A retry repeats the decision that has used it, with this approval or another.
      expect((await record(replicas[1], uuid(), once.id, winner)).kind).toBe('stored');
      expect((await record(replicas[1], uuid(), other.id, winner)).kind).toBe('stored');
      expect((await newStore().find(other.id))?.used_by).toBeUndefined();
      // A decision that was not answered gives it back, and one that was given up before it was stored takes none.
      const deliveries = new DeliveryStore(getDatabase());
      const endpoint = uuid();
      while (await deliveries.distribute([{ endpoint, events: ['approval.used'] }]));
      expect([await countReaders(winner), (await deliveries.count([endpoint])).get(endpoint)?.waiting]).not.toContain(0);
      replicas[0].correct({ ...RECORD, id: winner, decision: false }, NO_ACCOUNT, true);
      await replicas[0].flush();
      expect((await newStore().find(once.id))?.used_by).toBeUndefined();
      expect((await record(replicas[1], winner, once.id)).kind).toBe('stored');
      expect((await newStore().find(once.id))?.used_by).toBeUndefined();
      expect(await countKept(winner)).toBe(0);
      // Nobody is told of the use, neither by the stream nor by what is yet to be sent.
      expect(await countReaders(winner)).toBe(0);
      const sent = await deliveries.claim(endpoint, 1000, 60_000);
      expect(sent.filter(({ event }) => event.ids['decision'] === winner)).toEqual([]);
    }); // prettier-ignore

    it('is used only while it is approved, and its relationship is there', async () => {
      const { id } = await opened();
      expect([await use(id), await use(uuid())]).toEqual(['pending', 'unknown']);
      const revoked = await approved();
      expect(await newStore().end(revoked.id, 'revoked', 'user:ann', NOW)).toMatchObject({ state: 'revoked' });
      expect(await newStore().end(revoked.id, 'revoked', 'user:ann', NOW)).toBeUndefined();
      expect(await use(revoked.id)).toBe('revoked');
      const elevated = await approved({ steps: [ELEVATION] });
      expect([elevated.granted, await use(elevated.id)]).toEqual([false, 'ungranted']);
    });

    it('is cancelled while it waits, and revoked while it is good', async () => {
      const store = newStore();
      const waiting = await opened();
      expect(await store.end(waiting.id, 'revoked', 'user:ann', NOW)).toBeUndefined();
      expect(await store.end(waiting.id, 'cancelled', 'user:ann', NOW)).toMatchObject({ state: 'cancelled' });
      expect(await store.answer(waiting, yes(), NOW)).toBeUndefined();
      const good = await approved();
      expect(await store.end(good.id, 'cancelled', 'user:ann', NOW)).toBeUndefined();
      expect(await store.end(good.id, 'revoked', 'user:ann', later(15))).toBeUndefined();
    });

    it('knows all elevations of one relationship, and marks what is deleted only where none of them lives', async () => {
      const elevations = new ElevationStore(getDatabase(), changeRecordsOf(getDatabase()));
      const resource = { type: 'repository', id: `r"${uuid()}` };
      const { user } = newOpening();
      const elevate = async (relation: string, of = user, id = resource.id): Promise<StoredTask> => {
        const { question } = newTask();
        const more = {
          steps: [{ ...ELEVATION, relation }],
          question: { ...question, resource: { ...resource, id, properties: {} } },
        };
        const task = await newStore().answer(await opened(newOpening({ user: of, task: newTask(more) })), yes(), NOW);
        if (task === undefined) throw new Error('not answered');
        return task;
      };
      const [first, second] = [await elevate('maintainer'), await elevate('maintainer')];
      await elevate('owner');
      await elevate('maintainer', newParty('user'));
      await elevate('maintainer', user, 'other');
      await opened(newOpening({ user, task: newTask({ steps: [ELEVATION] }) }));
      const right = { resource, relation: 'maintainer', subject: user ?? newParty('user') };
      const list = async (): Promise<Record<string, string>> =>
        Object.fromEntries((await elevations.listOfRight(right)).map(({ id, grantState }) => [id, grantState]));
      expect(await list()).toEqual({ [first.id]: 'wanted', [second.id]: 'wanted' });
      expect(await elevations.noteGranted(first.id, 'written', NOW)).toBe(true);
      expect(await elevations.noteDeleting(right, [first.id, second.id], NOW)).toBe(false);
      await newStore().end(first.id, 'revoked', 'user:ann', NOW);
      expect(await elevations.noteDeleting(right, [first.id], NOW)).toBe(false);
      await newStore().end(second.id, 'revoked', 'user:ann', NOW);
      expect(await elevations.noteDeleting(right, [first.id, second.id], NOW)).toBe(true);
      expect(await list()).toEqual({ [first.id]: 'deleting', [second.id]: 'deleting' });
      const unsettled = (await elevations.listUnsettled(NOW, 1000)).map(({ id }) => id);
      expect(unsettled).toEqual(expect.arrayContaining([first.id, second.id]));
      await elevations.noteDeleted([first.id], NOW);
      expect(await list()).toEqual({ [second.id]: 'deleting' });
    });

    it('ends all of a pair at once, and nothing of others', async () => {
      const { user, agent } = newOpening();
      const pair = { user: user ?? newParty('user'), agent: agent ?? newParty('agent') };
      const waiting = await opened(newOpening(pair));
      const store = newStore();
      const good = await store.answer(await opened(newOpening(pair)), yes(), NOW);
      const other = await opened(newOpening({ ...pair, agent: newParty('agent') }));
      await getDatabase().run([await store.prepareEndAll(pair, 'user:ann', NOW)]);
      const states = await Promise.all([waiting.id, good?.id ?? '', other.id].map((id) => store.find(id)));
      expect(states.map((task) => task?.state)).toEqual(['cancelled', 'revoked', 'pending']);
    });
  });
}
