/** Erasing a person: nothing that is stored names them any more, the records stay and verify, and what is others' is whole. */
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { formatRef } from '../../src/model/ids.js';
import type { DecisionRecord } from '../../src/model/decision.js';
import { replayRecord } from '../../src/records/replay.js';
import { dumpTables, findTraces } from '../support/all-tables.js';
import { verifyLog } from '../support/verify-log.js';
import { answer, requestAccess } from '../support/approve.js';
import { codes, DAYTIME, start, startFiles, type Answer, type Running } from '../support/sample.js';
import { askWard, NURSE, NURSE_WORDS, PATIENT, PATIENT_WORDS, WARD_FILES } from './ward.js';

let remit: Running;
let ownToken: string;
const ids: Record<string, string> = {};
const send = async (status: number, ...request: Parameters<Running['request']>): Promise<unknown> => {
  const response = await remit.request(...request);
  expect(response.statusCode, `${request[0]} ${request[1]}: ${response.body}`).toBe(status);
  return response.body === '' ? undefined : response.json();
};
const personPath = (type: string, id: string): string => `/v1/people/${type}/${encodeURIComponent(id)}`;
const noteId = ({ context }: Answer, name: string): Answer['context'] => {
  ids[name] = context?.id ?? '';
  return context;
};
const traces = async (words: readonly string[]): Promise<string[]> =>
  findTraces(await dumpTables(remit.service.database), words);
const replay = async (id = ''): Promise<string> => {
  const record = (await remit.service.decisions.find(id))?.record as DecisionRecord;
  return replayRecord(record, remit.service.activePolicies.rules).kind;
};

/** Has the nurse, who is to be erased, and others leave what there is to be left in each table. */
async function leaveTraces(): Promise<void> {
  await send(200, 'PUT', `/v1/entities/user/${encodeURIComponent(NURSE)}`, {
    attributes: { name: 'Zoë Quillfeather', street: 'Zwanzigerhof 3', mentor: 'bob' },
  });
  await send(200, 'PUT', '/v1/entities/user/bob', {
    attributes: { name: 'Bob', mentor: NURSE, friends: ['cleo', NURSE] },
  });
  await send(200, 'PUT', '/v1/entities/ward/north', {
    attributes: { name: 'North' },
    parents: [{ type: 'user', id: NURSE }],
  });
  await send(200, 'PUT', `/v1/entities/patient/${PATIENT}`, { attributes: { illness: 'Narkolepsie' } });
  const nurse = formatRef({ type: 'user', id: NURSE });
  await remit.touch(
    `ward:north#nurse@${nurse}`,
    `ward:old#lead@${nurse}`,
    `patient:${PATIENT}#doctor@${nurse}`,
    `patient:${PATIENT}#doctor@user:bob`,
  );
  await remit.remove(`ward:old#lead@${nurse}`);
  for (const user of [NURSE, 'bob']) {
    const token = await remit.mint({ user });
    await send(201, 'POST', '/v1/delegations', { agent: 'helper', until_ended: true }, token);
    await send(
      201,
      'POST',
      '/v1/consents',
      {
        agent: 'helper',
        details: [{ type: 'remit', actions: ['enter'] }],
        until_ended: true,
        purpose: user === NURSE ? 'for the Ruderverein' : 'work',
      },
      token,
    );
    await send(201, 'POST', '/v1/consents/requests', {
      user,
      agent: 'helper',
      needs: [{ type: 'remit', actions: ['list'] }],
      purpose: 'rounds',
    });
    noteId(
      await askWard(remit, { user, context: { note: NURSE_WORDS[1] }, key: `key-${user.length}` }),
      `enter ${user}`,
    );
    noteId(await askWard(remit, { user, action: 'see', resource: ['patient', PATIENT], context: {} }), `see ${user}`);
  }
  await send(201, 'POST', `/v1/decisions/${ids[`enter ${NURSE}`]}/outcome`, { outcome: 'executed', detail: 'done' });
  await send(204, 'DELETE', '/v1/sessions/session-9', undefined, await remit.mint({ user: NURSE }));
  await send(201, 'POST', '/v1/revocations', {
    user: { id: NURSE },
    agent: 'stranger',
    reason: 'Quillfeather lost it',
  });
  await send(200, 'POST', '/v1/filter', {
    subject: { type: 'user', id: NURSE },
    action: { name: 'see' },
    records: [{ type: 'patient', id: PATIENT, properties: { illness: 'Narkolepsie' } }],
    context: { token: await remit.mint({ user: NURSE, agent: 'helper', scope: 'patients' }) },
  });
  // Approvals: one that the nurse asks for, one that another asks for, and the nurse answers; and one about the patient.
  const close = (user: string) => ({
    subject: { type: 'user', id: user },
    action: { name: 'close' },
    resource: { type: 'ward', id: 'north' },
    context: { note: 'night' },
  });
  const lead = `ward:north#lead@${nurse}`;
  await remit.touch(lead);
  const devKey = remit.service.devKey ?? '';
  for (const user of [NURSE, 'bob']) {
    const denied = await askWard(remit, { user, action: 'close', context: { note: 'night' } });
    ids[`task ${user}`] = await requestAccess(remit, close(user), denied, { credential: devKey });
  }
  await answer(remit, ids['task bob'] ?? '', [NURSE], { note: 'Ask the Ruderverein' });
  const treat = await askWard(remit, { user: 'bob', action: 'treat', resource: ['patient', PATIENT] });
  const question = {
    subject: { type: 'user', id: 'bob' },
    action: { name: 'treat' },
    resource: { type: 'patient', id: PATIENT },
  };
  ids['task patient'] = await requestAccess(remit, question, treat, { credential: devKey });
  // A review that the nurse answers of what was done for another, and open ones of what was done for them.
  await send(
    200,
    'POST',
    `/v1/decisions/${ids['enter bob']}/review`,
    { verdict: 'right', note: 'Zwanzigerhof is fine' },
    await remit.mint({ user: NURSE }),
  );
  await remit.service.auditLog.sequencer.sequence();
}

beforeAll(async () => {
  remit = await startFiles(WARD_FILES, { limits: { deadline_ms: 20_000 } });
  await leaveTraces();
  ownToken = await remit.mint({ user: NURSE });
  return () => remit.stop();
}, 300_000); // prettier-ignore

describe('before', () => {
  it('the tables name the people, each that could', async () => {
    const found = await traces([...NURSE_WORDS, ...PATIENT_WORDS]);
    for (const table of ['entities', 'delegations', 'consents', 'consent_requests', 'approval_tasks', 'reviews', 'events', 'revocations', ...(remit.service.database.exclusive ? ['relationship_journal'] : [])])
      expect(found.filter((trace) => trace.startsWith(`${table}:`)), table).not.toEqual([]); // prettier-ignore
    // Records name no person.
    expect(found.filter((trace) => /^(records|record_|log_|person_)/.test(trace))).toEqual([]);
  });

  it('others may not', async () => {
    const bob = await remit.mint({ user: 'bob' });
    await send(404, 'DELETE', personPath('user', NURSE), undefined, bob);
    await send(404, 'DELETE', personPath('patient', 'bob'), undefined, bob);
    await send(404, 'DELETE', personPath('ward', 'north'));
    await send(404, 'DELETE', personPath('agent', 'helper'));
    await send(403, 'DELETE', personPath('user', NURSE), undefined, await remit.mint({ user: NURSE, agent: 'helper' }));
    await send(
      403,
      'DELETE',
      personPath('agent', 'helper'),
      undefined,
      await remit.mint({ user: undefined, agent: 'helper' }),
    );
    await send(401, 'DELETE', personPath('user', NURSE), undefined, 'nothing');
    expect((await remit.service.decisions.find(ids[`enter ${NURSE}`] ?? ''))?.record).not.toHaveProperty(
      'values_erased',
    );
  });
});

describe('a user who has not signed in lately', () => {
  it('erases nothing of themselves, and is told to sign in again', async () => {
    const old = await remit.mint({ user: NURSE, now: new Date(DAYTIME.getTime() - 301_000), ttlSeconds: 900 });
    const tell = (): Promise<unknown> => send(200, 'GET', '/v1/delegations', undefined, old);
    const before = await tell();
    const response = await remit.request('DELETE', personPath('user', NURSE), undefined, old);
    expect([response.statusCode, response.json()]).toMatchObject([
      401,
      { error: { code: 'insufficient_user_authentication', max_age: 300 } },
    ]);
    expect(response.headers['www-authenticate']).toContain('max_age="300"');
    expect(await tell()).toEqual(before);
    expect(await replay(ids[`enter ${NURSE}`])).toBe('same');
    // What isn't theirs is as if there were none, however they have signed in.
    await send(404, 'DELETE', personPath('user', 'bob'), undefined, old);
  });
});

describe('a patient whom an admin erases', () => {
  beforeAll(() => send(204, 'DELETE', personPath('patient', PATIENT)));

  it('is named nowhere, while the nurse still is', async () => {
    expect(await traces(PATIENT_WORDS)).toEqual([]);
    expect(await traces(NURSE_WORDS)).not.toEqual([]);
  });

  it('takes the values of the records along that tell of them, and of no others', async () => {
    expect(await replay(ids['see bob'])).toBe('values_erased');
    expect(await replay(ids['enter bob'])).toBe('same');
    expect(await replay(ids[`enter ${NURSE}`])).toBe('same');
  });

  it('has no task and no review any more', async () => {
    expect(await remit.service.approvals.find(ids['task patient'] ?? '')).toBeUndefined();
    const [rows] = await remit.service.database.run([{ sql: `select from reviews where resource_type = 'patient'` }]);
    expect(rows).toEqual([]);
  });
});

describe('a user who erases themselves', () => {
  beforeAll(async () => {
    await send(204, 'DELETE', personPath('user', NURSE), undefined, ownToken);
    await remit.service.auditLog.sequencer.sequence();
  });

  it('is named nowhere, whatever it is written in', async () => {
    expect(await traces([...NURSE_WORDS, NURSE, formatRef({ type: 'user', id: NURSE })])).toEqual([]);
  });

  it('leaves records that stay and verify, and can not be opened', async () => {
    expect(await verifyLog(remit.service)).toEqual([]);
    for (const name of [`enter ${NURSE}`, `see ${NURSE}`]) expect(await replay(ids[name])).toBe('values_erased');
    expect(await replay(ids['enter bob'])).toBe('same');
    const { records } = await remit.service.decisions.list({ user: `user:${NURSE}` }, undefined, 10);
    expect(records).toEqual([]);
  });

  it('is on record as erased, by a name that nothing leads back from', async () => {
    const [rows = []] = await remit.service.database.run([{ sql: `select r.record, r.client, l.leaf from records r join log_leaves l on l.id = r.id where r.kind = 'erasure' order by r.at, r.id` }]); // prettier-ignore
    const [patient, nurse] = rows.map((row) => row['record'] as Record<string, { id: string }>);
    expect(rows).toHaveLength(2);
    expect([patient?.['person'], patient?.['by']]).toEqual([{ type: 'patient', id: expect.stringMatching(/^~/) as string }, { client: rows[0]?.['client'] }]); // prettier-ignore
    expect(nurse).toMatchObject({ person: { type: 'user' }, by: { user: nurse?.['person'] } });
    const [own] = await remit.service.database.run([{ sql: 'select user_key from records where id = $1::uuid', params: [ids[`enter ${NURSE}`] ?? ''] }]); // prettier-ignore
    expect(own?.[0]?.['user_key']).toBe(`user:${nurse?.['person']?.id ?? ''}`);
  });

  it('is denied, as is the agent by their token, whenever it was issued', async () => {
    const vouched = await remit.evaluate({ subject: { type: 'user', id: NURSE }, action: { name: 'close' }, resource: { type: 'ward', id: 'north' }, context: { mode: 'human' } }); // prettier-ignore
    expect(vouched.decision).toBe(false);
    expect(codes(await askWard(remit))).toContain('token_revoked');
    await send(401, 'GET', '/v1/delegations', undefined, ownToken);
  });

  it('leaves what is others’ whole', async () => {
    expect((await askWard(remit, { user: 'bob' })).decision).toBe(true);
    const entity = await send(200, 'GET', '/v1/entities/user/bob');
    const name = expect.stringMatching(/^~/) as string;
    expect(entity).toMatchObject({ attributes: { name: 'Bob', mentor: name, friends: ['cleo', name] } });
    const bob = await remit.mint({ user: 'bob' });
    for (const [path, member] of [
      ['delegations', 'delegations'],
      ['consents', 'consents'],
      ['consents/requests', 'requests'],
    ] as const)
      // prettier-ignore
      expect((await send(200, 'GET', `/v1/${path}`, undefined, bob)) as object, path).toMatchObject({ [member]: [{}] });
    const task = await remit.service.approvals.find(ids['task bob'] ?? '');
    expect(task).toMatchObject({ state: 'approved', answers: [{ by: { type: 'user', id: name } }] });
    expect(task?.answers[0]).not.toHaveProperty('note');
  });

  it('no longer stands behind what they approved', async () => {
    const response = await remit.request('GET', `/access/v1/requests/${ids['task bob'] ?? ''}`);
    const approval = response.json<{ result?: { approval: object } }>().result?.approval;
    expect(approval, response.body).toBeDefined();
    const used = await askWard(remit, { user: 'bob', action: 'close', context: { note: 'night', approval } });
    expect([used.decision, codes(used)]).toMatchObject([false, expect.arrayContaining(['approver_ineligible'])]);
  });

  it('is still counted, by names that lead to no decision of theirs', async () => {
    const [uses, events, keys] = await remit.service.database.run([
      ...['limit_uses', 'history_events'].map((table) => ({ sql: `select r.user_key from ${table} t left join records r on r.id = t.decision` })),
      { sql: 'select r.user_key from idempotency_keys k left join records r on r.id = k.decision' },
    ]); // prettier-ignore
    const owners = (rows: typeof uses): unknown[] => [...new Set(rows?.map((row) => row['user_key']))];
    const [bob] = owners(keys);
    expect(owners(keys)).toEqual([bob]);
    expect(owners(uses)).toEqual(expect.arrayContaining([bob, null]));
    expect(owners(uses)).toHaveLength(2);
    expect(owners(events)).toHaveLength(2);
  });

  it('asks again under another name, which the former doesn’t lead to', async () => {
    const answerOf = await remit.evaluate({ subject: { type: 'user', id: NURSE }, action: { name: 'close' }, resource: { type: 'ward', id: 'north' }, context: { mode: 'human' } }); // prettier-ignore
    const [rows] = await remit.service.database.run([{ sql: 'select distinct user_key from records where user_key is not null and id in ($1::uuid, $2::uuid)', params: [answerOf.context?.id ?? '', ids[`enter ${NURSE}`] ?? ''] }]); // prettier-ignore
    expect(rows).toHaveLength(2);
    expect(await replay(answerOf.context?.id)).toBe('same');
    expect(
      (await remit.service.decisions.list({ user: `user:${NURSE}` }, undefined, 100)).records.length,
    ).toBeGreaterThan(0);
  });

  it('is erased again by an admin, however often', async () => {
    for (let i = 0; i < 2; i += 1) await send(204, 'DELETE', personPath('user', NURSE));
    expect(await traces(NURSE_WORDS)).toEqual([]);
    const listed = (await send(200, 'GET', '/v1/revocations')) as { revocations: { user?: string }[] };
    expect(listed.revocations.every(({ user = '~' }) => user.startsWith('~'))).toBe(true);
  });

  it('leaves no values of what is decided while they are erased', async () => {
    const { entities, database } = remit.service;
    const question = { subject: { type: 'user', id: NURSE }, action: { name: 'close' }, resource: { type: 'ward', id: 'north' }, context: { mode: 'human' } }; // prettier-ignore
    let during = '';
    const writing = vi.spyOn(entities, 'whileWriting').mockImplementationOnce(async (work) => {
      during = (await remit.evaluate(question)).context?.id ?? '';
      expect(await replay(during)).toBe('same');
      return entities.whileWriting(work);
    });
    await send(204, 'DELETE', personPath('user', NURSE));
    writing.mockRestore();
    expect(await replay(during)).toBe('values_erased');
    const [sealed] = await database.run([{ sql: 'select from record_values where record = $1::uuid', params: [during] }]); // prettier-ignore
    expect(sealed).toEqual([]);
  });

  it('is gone from the graph after a restart as well', async () => {
    await remit.stop({ keep: true });
    remit = await start(join(remit.data, 'company', 'remit.yaml'), remit.data);
    const filter = { subjectType: 'user', subjectId: NURSE };
    for (const resourceType of ['ward', 'patient', 'agent'])
      expect((await remit.service.activePolicies.engine.read({ resourceType, ...filter }, 10, 'full')).relationships).toEqual([]); // prettier-ignore
    expect((await askWard(remit, { user: 'bob' })).decision).toBe(true);
    expect(codes(await askWard(remit))).toContain('token_revoked');
    expect(await traces(NURSE_WORDS)).toEqual([]);
  });
});

describe('under a legal hold', () => {
  it.each([
    [true, PATIENT],
    [[`user:${NURSE}`], 'nobody-else'],
  ])('%j: nothing is erased of them, and others are', async (hold, other) => {
    const held = await startFiles(WARD_FILES, { records: { hold } });
    try {
      await held.request('PUT', `/v1/entities/user/${encodeURIComponent(NURSE)}`, { attributes: { name: 'Zoë Quillfeather' } });
      for (const credential of [undefined, await held.mint({ user: NURSE })]) {
        const response = await held.request('DELETE', personPath('user', NURSE), undefined, credential);
        expect([response.statusCode, response.json()]).toMatchObject([409, { error: { code: 'on_hold' } }]);
      }
      // Nothing of it has begun: their token is as good as before.
      expect((await held.request('GET', '/v1/delegations', undefined, await held.mint({ user: NURSE }))).statusCode).toBe(200);
      expect(findTraces(await dumpTables(held.service.database), NURSE_WORDS)).not.toEqual([]);
      const { statusCode } = await held.request('DELETE', personPath('patient', other));
      expect(statusCode).toBe(hold === true ? 409 : 204);
    } finally {
      await held.stop();
    }
  }, 300_000); // prettier-ignore
});
