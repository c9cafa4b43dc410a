/** The log over HTTP: its head is everyone's, a proof goes to who may read the record, the log itself to an admin. */
import { beforeAll, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../../src/audit/checkpoint.js';
import { verifyProofFile } from '../../../src/audit/proof-file.js';
import { parseNoteKey } from '../../../src/audit/signed-note.js';
import { verifyConsistency } from '../../../src/audit/tree.js';
import { newDecisionId } from '../../../src/decide/decision-id.js';
import { parseStrictJson } from '../../../src/runtime/strict-json.js';
import { clientNamed, startWith, type Answer, type Running } from '../../support/sample.js';

let remit: Running;
let token: string;
beforeAll(async () => {
  remit = await startWith({
    issuers: [],
    clients: [
      clientNamed('plain', 'remit', 'evaluate'),
      clientNamed('other', 'remit', 'evaluate'),
      clientNamed('root', 'remit', 'admin'),
      clientNamed('scraper', 'remit', 'metrics'),
    ],
  });
  token = await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.read', audience: 'remit' });
  return () => remit.stop();
});

const get = (url: string, who?: string) =>
  remit.app.inject({
    method: 'GET',
    url,
    headers: { host: '127.0.0.1:7480', ...(who === undefined ? {} : { authorization: `Bearer ${who}-key` }) },
  });
const ask = async (): Promise<string> => {
  const question = {
    subject: { type: 'user', id: 'alice' },
    action: { name: 'read' },
    resource: { type: 'employee', id: 'erin' },
    context: { token },
  };
  const response = await remit.post('/access/v1/evaluation', question, { authorization: 'Bearer plain-key' });
  return response.json<Answer>().context?.id ?? '';
};
const sequence = (): Promise<void> => remit.service.auditLog.sequencer.sequence();
const readHead = async () => {
  const key = parseNoteKey((await get('/v1/audit/key')).body);
  return { key, head: openCheckpoint((await get('/v1/audit/checkpoint')).body, key) };
};

describe('the head of the log', () => {
  it('is shown without a credential, as text, and extends what was shown before', async () => {
    await ask();
    await sequence();
    const older = await readHead();
    expect(older.head.size).toBeGreaterThan(0);
    for (let i = 0; i < 3; i += 1) await ask();
    await sequence();
    const newer = await readHead();
    expect(newer.head.size).toBe(older.head.size + 3);
    expect((await get('/v1/audit/checkpoint')).headers['content-type']).toBe('text/plain; charset=utf-8');
    const proof = await get(`/v1/audit/consistency?from=${older.head.size}&to=${newer.head.size}`);
    expect(proof.json()).toMatchObject({ from: older.head.size, to: newer.head.size });
    const path = proof.json<{ proof: string[] }>().proof.map((hash) => Buffer.from(hash, 'base64'));
    expect(verifyConsistency(older.head, newer.head, path)).toBe(true);
    expect((await get('/v1/audit/consistency?from=0&to=1')).json()).toEqual({ from: 0, to: 1, proof: [] });
  });

  it.each([
    '',
    '?from=1',
    '?from=2&to=1',
    '?from=0&to=100000',
    '?from=-1&to=1',
    '?from=0x1&to=1',
    '?from=1&to=1&x=1',
    '?from=1e0&to=1',
  ])('proves nothing of what is no part of it: %s', async (query) => {
    expect((await get(`/v1/audit/consistency${query}`)).statusCode).toBe(400);
  });
});

describe('the proof of a record', () => {
  it('goes to who may read the record, and to no other', async () => {
    const id = await ask();
    await sequence();
    const { key } = await readHead();
    for (const who of ['plain', 'root']) {
      const response = await get(`/v1/audit/proof/${id}`, who);
      expect([who, response.statusCode]).toEqual([who, 200]);
      const { leaf } = verifyProofFile(response.body, key);
      expect(parseStrictJson(leaf.toString())).toMatchObject({ id, kind: 'decision' });
    }
    for (const [who, status] of [
      ['other', 404],
      ['scraper', 403],
      [undefined, 401],
    ] as const)
      // prettier-ignore
      expect([who, (await get(`/v1/audit/proof/${id}`, who)).statusCode]).toEqual([who, status]);
    for (const absent of [newDecisionId(), 'nonsense', `${id}.1`])
      expect((await get(`/v1/audit/proof/${absent}`, 'root')).statusCode).toBe(404);
  });

  it('is had of what came after a decision by who may read the decision', async () => {
    const id = await ask();
    await remit.post(`/v1/decisions/${id}/outcome`, { outcome: 'executed' }, { authorization: 'Bearer plain-key' });
    await sequence();
    const [rows = []] = await remit.service.database.run([
      { sql: `select id from records where kind = 'outcome' and about = $1::uuid`, params: [id] },
    ]);
    const outcome = String(rows[0]?.['id']);
    expect((await get(`/v1/audit/proof/${outcome}`, 'plain')).statusCode).toBe(200);
    expect((await get(`/v1/audit/proof/${outcome}`, 'other')).statusCode).toBe(404);
  });

  it.each([
    [
      'its leaf',
      `update log_leaves set leaf = leaf || ' ' where id = :id`,
      `update log_leaves set leaf = trim(leaf) where id = :id`,
    ],
    [
      'the hashes',
      `update log_tiles set hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1)`,
      `update log_tiles set hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1)`,
    ],
    [
      'the root',
      `update log_state set root = set_byte(root, 0, get_byte(root, 0) # 1)`,
      `update log_state set root = set_byte(root, 0, get_byte(root, 0) # 1)`,
    ],
    [
      'the checkpoint',
      `update log_state set checkpoint = replace(checkpoint, E'\\n' || size || E'\\n', E'\\n1\\n')`,
      `update log_state set checkpoint = replace(checkpoint, E'\\n1\\n', E'\\n' || size || E'\\n')`,
    ],
  ])('is none where %s was changed in the database, and then no proof goes out', async (_name, change, undo) => {
    const ids = [await ask(), await ask()];
    await sequence();
    const id = ids[1] ?? '';
    const run = (sql: string) => remit.service.database.run([{ sql: sql.replace(':id', `'${id}'`) }]);
    await run(change);
    for (const url of [`/v1/audit/proof/${id}`, `/v1/decisions/${id}/receipt`]) {
      const response = await get(url, 'root');
      expect([url, response.statusCode, response.json()]).toMatchObject([url, 503, { error: { code: 'log_damaged' } }]);
    }
    await run(undo);
    expect(verifyProofFile((await get(`/v1/audit/proof/${id}`, 'root')).body, (await readHead()).key)).toBeDefined();
  });

  it('waits until the record has its place', async () => {
    await remit.service.auditLog.sequencer.sequence();
    const id = newDecisionId();
    // As a record that no sequencer has seen yet: none will, since it doesn't wait for one.
    await remit.service.database.run([
      {
        sql: `insert into records (id, kind, at, client, decision, record) values ($1::uuid, 'decision', now(), 'plain', false, '{}')`,
        params: [id],
      },
      { sql: 'delete from log_pending where id = $1::uuid', params: [id] },
    ]);
    const response = await get(`/v1/audit/proof/${id}`, 'plain');
    expect(response.statusCode).toBe(409);
    expect(response.headers['retry-after']).toBe('1');
    expect(response.json()).toMatchObject({ error: { code: 'not_sequenced' } });
    expect((await get(`/v1/audit/proof/${id}`, 'other')).statusCode).toBe(404);
    const page = (await get('/v1/audit/unsequenced', 'root')).json<object>();
    expect(page).toMatchObject({ unlogged: [id], lost: [] });
  });
});

describe('the log itself', () => {
  it('is an admin’s', async () => {
    for (const url of ['/v1/audit/entries', '/v1/audit/unsequenced']) {
      for (const [who, status] of [
        ['plain', 403],
        ['scraper', 403],
        [undefined, 401],
      ] as const)
        // prettier-ignore
        expect([url, who, (await get(url, who)).statusCode]).toEqual([url, who, status]);
      expect((await get(url, 'root')).statusCode).toBe(200);
    }
    const page = (await get('/v1/audit/entries?from=1&limit=2&records=true', 'root')).json<{
      entries: { index: number; record: { id: string }; id: string }[];
    }>();
    expect(page.entries.map(({ index }) => index)).toEqual([1, 2]);
    for (const { id, record } of page.entries) expect(record.id).toBe(id);
    expect((await get('/v1/audit/entries?from=-1', 'root')).statusCode).toBe(400);
    expect((await get('/v1/audit/unsequenced?after=x', 'root')).statusCode).toBe(400);
    expect((await get('/v1/audit/entries?from=999999999', 'root')).json()).toEqual({ entries: [] });
  });
});
