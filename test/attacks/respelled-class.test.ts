/**
 * A class of questions that is asked for in other words while a person says no to it: whatever comes first, and by whichever client,
 * no task for it is left for others to say yes to.
 */
import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import type { Database } from '../../src/store/database/port.js';
import { formatCanonicalJson } from '../../src/runtime/canonical-json.js';
import { ask, type AskedQuestion } from '../support/approve.js';
import { startApprovalWorld } from '../support/approval-world.js';
import { DAYTIME, type Running } from '../support/sample.js';
import { assertUntilSeen } from '../support/until-seen.js';

const CLASS = { type: 'remit', actions: ['merge'], resources: ['repository:api'], constraints: { 'action.branch': 'main' } }; // prettier-ignore
/** Equal to it, and wider. */
const SPELLINGS = {
  equal: [{ ...CLASS, constraints: { 'action.branch': { equals: 'main' } } }],
  repeated: [CLASS, { ...CLASS, actions: ['merge', 'merge'] }],
  wider: [{ ...CLASS, resources: ['repository:*'] }],
} as const;

let remit: Running;
beforeAll(async () => {
  remit = await startApprovalWorld();
  return () => remit.stop();
});

/** Lets the schedule say when each transaction begins. @returns what ends that */
function delayTransactions(scheduler: fc.Scheduler): () => void {
  const { database } = remit.service;
  const run = database.run.bind(database);
  const delayed: Database['run'] = async (...args) => {
    await scheduler.schedule(Promise.resolve(), 'transaction');
    return run(...args);
  };
  database.run = delayed;
  return () => {
    database.run = run;
  };
}

it('waits for no yes once a person has said no, in whatever order they come', async () => {
  const seen = new Set<string>();
  const spellings = fc.array(fc.constantFrom('equal' as const, 'repeated' as const, 'wider' as const), { minLength: 1, maxLength: 3 }); // prettier-ignore
  let rounds = 0;
  const property = fc.asyncProperty(fc.scheduler(), spellings, async (scheduler, asked) => {
    rounds += 1;
    remit.at(new Date(DAYTIME.getTime() + rounds * 24 * 3_600_000));
    await remit.service.database.run([{ sql: 'delete from approval_tasks' }]);
    const token = await remit.mint({ audience: 'git', user: 'ann', agent: 'coder', scope: 'code.write' });
    const olga = await remit.mint({ user: 'olga' });
    const question: AskedQuestion = {
      subject: { type: 'user', id: 'ann' },
      action: { name: 'merge', properties: { branch: 'main' } },
      resource: { type: 'repository', id: 'api' },
      context: { token },
    };
    const denied = await ask(remit, question);
    const denial = { evaluation_id: denied.context?.id, expires_at: denied.context?.access_request?.expires_at };
    const submit = async (details: readonly object[]): Promise<string | undefined> => {
      const body = { ...question, context: {}, denial, requested_access: { details } };
      const response = await remit.post('/access/v1/requests', body, { authorization: 'Bearer git-key' });
      expect([202, 400], response.body).toContain(response.statusCode);
      if (response.statusCode === 202) return response.json<{ task: { id: string } }>().task.id;
      expect(response.body).toContain('not_requestable');
      seen.add('after the no');
      return undefined;
    };
    const refuse = async (id: string): Promise<void> => {
      const no = await remit.request('POST', `/v1/approvals/${id}/decision`, { decision: 'deny' }, olga);
      expect(no.statusCode, no.body).toBe(200);
    };
    const restore = delayTransactions(scheduler);
    try {
      // The first to open one of the class gets the no as soon as it may.
      const first = submit([CLASS]).then((id) => (id === undefined ? undefined : refuse(id)));
      await scheduler.waitFor(Promise.all([first, ...asked.map((spelling) => submit(SPELLINGS[spelling]))]));
    } finally {
      restore();
    }
    // By their positions events are in the order in which their transactions were.
    const [rows = []] = await remit.service.database.run([
      {
        sql: `select t.state, t.task->'details' as details, e.position > (select max(d.position) from events d
                where d.event = 'approval.decided' and d.at = e.at) as late
              from approval_tasks t join events e on e.event = 'approval.requested' and e.ids->>'approval' = t.id::text`,
      },
    ]);
    const isWider = ({ details }: (typeof rows)[number]): boolean =>
      formatCanonicalJson(details) === formatCanonicalJson(SPELLINGS.wider);
    // Equal ones are one task, which is denied. A wider one was asked for before the no, or isn't.
    expect(rows.filter((row) => !isWider(row)).map(({ state }) => state)).toEqual(['denied']);
    for (const row of rows.filter(isWider)) {
      expect(row).toMatchObject({ state: 'pending', late: false });
      seen.add('wider before the no');
    }
  });
  await assertUntilSeen(
    () => fc.assert(property, { numRuns: 30 }),
    () => ['wider before the no', 'after the no'].filter((kind) => !seen.has(kind)),
  );
}, 120_000);
