/**
 * What a copy of the database and of the log tells, after a session with questions of every kind and with what goes wrong: no
 * token and no proof anywhere, and no value and no sentence outside of the world. The tables are read from the database's catalog, so a
 * table that is added later is held to this as well.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { beforeAll, expect, it, vi } from 'vitest';
import { openLog } from '../../src/telemetry/log.js';
import { start, T, type Answer, type Running } from '../support/sample.js';
import { makeKey } from '../tokens/keys.js';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 300_000 });

/** The tables that are the world itself: whoever decides needs what they say of people, as it is. */
const WORLD: Readonly<Record<string, string>> = {
  entities: 'the attributes of people and things, by which policies decide',
  relationship_journal: 'who is related to what, which is written to an embedded SpiceDB again at each start',
};
/** The tables that name the parties of what people gave, asked for and answered, and have what they are told of it. They have no values. */
const PARTIES: Readonly<Record<string, string>> = {
  delegations: 'who gave rights to which agent',
  consents: 'who consented to what',
  access_request_bundles: 'who asks for access',
  approval_tasks: 'who asks whom for an approval',
  limit_uses: 'what is used of whose limit',
  limit_counters: 'what is used of whose limit',
  history_events: 'what an agent did for whom, as policies count it',
  revocations: 'whose tokens are revoked',
  reviews: 'what is to be reviewed, and for whom it was done',
  events: 'what happened to the grants of whom',
};

const SALARY = 918_273_645;
const SENTENCE = 'Erin earns too little, says Walsh';
const API = 'https://hr.example/employees/erin';
const lines: string[] = [];
let remit: Running;
/** Tokens and proofs, and the key of the client. */
const credentials: string[] = [];
/** The names of limits and retries by themselves: hashes that are found by trying. */
const countedNames = new Set<string>();
beforeAll(async () => {
  const log = openLog({ format: 'json', level: 'debug' }, { write: (text: string) => void lines.push(text) });
  remit = await start(undefined, mkdtempSync(join(tmpdir(), 'remit-secrets-')), log);
  const read = remit.service.limits.read.bind(remit.service.limits);
  vi.spyOn(remit.service.limits, 'read').mockImplementation((charges, retry, approval) => {
    for (const key of [...charges.map((charge) => charge.key), ...(retry === undefined ? [] : [retry.key])])
      countedNames.add(key);
    return read(charges, retry, approval);
  });
  await runSession();
  return () => remit.stop();
});

async function mint(options: Parameters<Running['mint']>[0]): Promise<string> {
  const token = await remit.mint(options);
  credentials.push(token);
  return token;
}

async function runSession(): Promise<void> {
  credentials.push(remit.service.devKey ?? '');
  const scope = 'hr.employees.read hr.employees.write code.read code.write calendar.read calendar.write';
  const token = await mint({ user: 'alice', agent: 'hr-assistant', scope, purpose: 'payroll', session: 's-1' });
  const bob = await mint({ user: 'bob', agent: 'hr-assistant', scope });
  const coder = await mint({ user: 'carol', agent: 'code-bot', scope });
  const context = { token, purpose: SENTENCE, task: SENTENCE, note: SENTENCE };
  const subject = { type: 'user', id: 'alice' };
  const properties = { salary: SALARY, ssn: '918-27-3645', status: 'active' };
  const employee = (id: string) => ({ type: 'employee', id, properties });
  const decided: Answer[] = [];
  for (const name of ['read', 'update', 'delete', 'export'])
    for (const id of ['erin', 'zoe'])
      decided.push(await remit.evaluate({ subject, action: { name, properties: { salary: SALARY } }, resource: employee(id), context }));
  // A retry by its key.
  const repeated = { subject, action: { name: 'export' }, resource: employee('erin'), context };
  expect((await remit.post('/access/v1/evaluation', repeated, { 'idempotency-key': 'key-of-alice' })).statusCode).toBe(200);
  await remit.evaluate({ subject: { type: 'user', id: 'bob' }, action: { name: 'read' }, resource: employee('zoe'), context: { ...context, token: bob } });
  const items = [{ resource: employee('erin') }, { action: { name: 'read', properties: { salary: SALARY } }, resource: employee('zoe') }];
  await expectStatus(200, '/access/v1/evaluations', { subject, action: { name: 'read' }, context, evaluations: items });
  await expectStatus(200, '/access/v1/search/resource', { subject, action: { name: 'read' }, resource: { type: 'employee' }, context });
  await expectStatus(200, '/access/v1/search/subject', { subject: { type: 'user' }, action: { name: 'read' }, resource: employee('erin'), context: { mode: 'human' } });
  await expectStatus(200, '/access/v1/search/action', { subject, resource: employee('erin'), context });
  await expectStatus(200, '/v1/filter', { subject, action: { name: 'read' }, records: [employee('erin'), employee('zoe')], context });
  await expectStatus(200, '/v1/capabilities', { subject, resource: { type: 'employee', id: 'erin' }, context });
  // An agent's own question, and a person's own reading.
  await expectStatus(200, '/access/v1/evaluation', { action: { name: 'read' }, subject, resource: employee('erin') }, { authorization: `Bearer ${token}` });
  const own = await mint({ user: 'alice' });
  for (const url of ['/v1/decisions', '/v1/usage', '/v1/delegations', '/v1/approvals', '/v1/reviews'])
    expect((await remit.request('GET', url, undefined, own)).statusCode, url).toBe(200);
  for (const url of ['/v1/decisions?values=true', '/v1/audit/entries?records=true&values=true', '/v1/usage?user=alice'])
    expect((await remit.request('GET', url)).statusCode, url).toBe(200);
  // What people give, ask for and answer.
  expect((await remit.request('POST', '/v1/delegations', { agent: 'code-bot', until_ended: true }, own)).statusCode).toBe(201);
  const consent = { agent: 'scheduler', details: [{ type: 'remit', actions: ['read'], resources: ['calendar:alice'] }], until_ended: true, purpose: 'meetings' };
  const consented = await remit.request('POST', '/v1/consents', consent, own);
  expect(consented.statusCode, consented.body).toBe(201);
  const merge = { subject: { type: 'user', id: 'carol' }, action: { name: 'merge', properties: { branch: 'main' } }, resource: { type: 'repository', id: 'payments-api' } };
  const denied = await remit.evaluate({ ...merge, context: { token: coder, purpose: 'release' } });
  const { evaluation_id, access_request } = denied.context ?? {};
  const denial = { evaluation_id, expires_at: access_request?.expires_at };
  await expectStatus(202, '/access/v1/requests', { ...merge, context: { purpose: 'release' }, denial });
  await expectStatus(201, `/v1/decisions/${decided[0]?.context?.id ?? ''}/outcome`, { outcome: 'executed' });
  const told = { outcome: 'failed', detail: SENTENCE, properties: { salary: SALARY } };
  await expectStatus(201, `/v1/decisions/${decided[1]?.context?.id ?? ''}/outcome`, told);
  await expectStatus(201, '/v1/revocations', { jti: 'some' });
  expect((await remit.request('DELETE', '/v1/sessions/s-1')).statusCode).toBe(204);
  await presentProof(context, employee('erin'));
  await failInEveryWay(token, { subject, action: { name: 'read' }, resource: employee('erin'), context });
  await remit.service.auditLog.sequencer.sequence();
} // prettier-ignore

/** A proof that counts once, and the same proof again. */
async function presentProof(context: object, resource: object): Promise<void> {
  const holder = await makeKey('ES256', 'holder');
  const { kty, crv, x, y } = holder.jwk as JWK & { kty: string };
  const jkt = await calculateJwkThumbprint(holder.jwk);
  const token = await mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.read', jkt });
  const ath = createHash('sha256').update(token).digest('base64url');
  const jwt = await holder.sign(
    { typ: 'dpop+jwt', alg: 'ES256', jwk: { kty, crv, x, y } },
    { jti: randomUUID(), htm: 'GET', htu: API, iat: T, ath },
  );
  credentials.push(jwt);
  const proof = { jwt, method: 'GET', url: API };
  const question = { subject: { type: 'user', id: 'alice' }, action: { name: 'read' }, resource };
  const [first, again] = [
    await remit.evaluate({ ...question, context: { ...context, token, proof } }),
    await remit.evaluate({ ...question, context: { ...context, token, proof } }),
  ];
  expect([first.decision, again.context?.reason]).toEqual([true, 'proof_replayed']);
}

/** A token that is wrong, a body that is none, a bug that quotes what it was given, and an engine that is gone. */
async function failInEveryWay(token: string, question: Readonly<Record<string, object>>): Promise<void> {
  const wrong = `${token.slice(0, -6)}AAAAAA`;
  credentials.push(wrong);
  const denied = await remit.evaluate({ ...question, context: { ...question.context, token: wrong } });
  expect(denied.decision).toBe(false);
  await expectStatus(401, '/access/v1/evaluation', question, { authorization: `Bearer ${wrong}` });
  await expectStatus(400, '/access/v1/evaluation', `${JSON.stringify(question).slice(0, -1)},`);
  const failing = vi.spyOn(remit.service.decisions, 'findClosed').mockRejectedValueOnce(new TypeError(`no ${token}`));
  expect((await remit.request('GET', `/v1/decisions/${randomUUID()}`)).statusCode).toBe(500);
  failing.mockRestore();
  await remit.crashSpiceDb();
  await remit.post('/access/v1/evaluation', question);
}

async function expectStatus(status: number, url: string, body: object | string, headers: Record<string, string> = {}) {
  const response = await remit.post(url, body, headers);
  expect([url, response.statusCode], response.body).toEqual([url, status]);
}

/** The text of each table that the catalog has. */
async function dumpTables(): Promise<ReadonlyMap<string, string>> {
  const [tables = []] = await remit.service.database.run([
    {
      sql: `select format('%I.%I', table_schema, table_name) as place, table_name as name from information_schema.tables
            where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')`,
    },
  ]);
  const texts = await remit.service.database.run(
    tables.map(({ place }) => ({ sql: `select t::text as row from ${String(place)} t` })),
  );
  return new Map(
    tables.map(({ name }, i) => [String(name), (texts[i] ?? []).map((row) => String(row['row'])).join('\n')]),
  );
}

/** The numbers that the sample stores of people, as whole numbers: hashes have any digits within. */
async function readSampleNumbers(): Promise<RegExp> {
  const [rows = []] = await remit.service.database.run([
    { sql: `select attributes->>'salary' as salary, attributes->>'ssn' as ssn from entities where type = 'employee'` },
  ]);
  const numbers = rows.flatMap(({ salary, ssn }) => [salary, ssn]).filter((value) => typeof value === 'string');
  expect(numbers.length).toBeGreaterThan(60);
  return new RegExp(String.raw`(?<![\w+/=~.-])(?:${numbers.join('|')})(?![\w+/=~.-])`);
}

/** Texts and the same as the database writes bytes. */
const withBytes = (secrets: readonly string[]): string[] =>
  secrets.flatMap((secret) => [secret, Buffer.from(secret).toString('hex')]);
/** Credentials, and each part of those that have parts, which tell as much. */
const listCredentialParts = (): string[] =>
  withBytes(
    credentials.flatMap((credential) => [credential, ...credential.split('.')]).filter(({ length }) => length > 0),
  );
const VALUES = withBytes([String(SALARY), '918-27-3645', 'earns too little', 'Walsh']);
const NAMES = /(?<![\w+/=~-])(?:alice|erin|zoe|bob|carol)(?![\w+/=-])/i;

/** A JSON object in base64url, as parts of tokens begin, wherever it stands. Hashes have its first letters by chance, and no text after them. */
function findTokenPart(text: string): string | undefined {
  const starts = [...text.matchAll(/(?=(eyJ[\w-]{8}))/g)].map(([, start = '']) => start);
  return starts.find((start) => /^[\x20-\x7e]+$/.test(Buffer.from(start, 'base64url').toString('latin1')));
}

it('takes the beginning of a token for one wherever it stands', () => {
  const tokens = credentials.filter((text) => text.startsWith('eyJ'));
  expect(tokens.length).toBeGreaterThan(0);
  for (const credential of tokens) expect(findTokenPart(`abc=${credential}`)).toBe(credential.slice(0, 11));
  expect(findTokenPart('"eyJ964s9jQG="')).toBeUndefined();
});

it('no table has a token or a proof, and outside of the world none has a value', async () => {
  const tables = await dumpTables();
  const sampleNumbers = await readSampleNumbers();
  for (const name of [...Object.keys(WORLD), ...Object.keys(PARTIES)]) expect([...tables.keys()]).toContain(name);
  for (const name of ['records', 'record_values', 'spent_proofs', 'approval_tasks', 'log_leaves', 'consents'])
    expect([name, tables.get(name)]).not.toEqual([name, '']);
  const naming = [...tables].filter(([name, text]) => !(name in WORLD) && NAMES.test(text)).map(([name]) => name);
  expect(naming.filter((name) => !(name in PARTIES))).toEqual([]);
  for (const [name, text] of tables) {
    for (const secret of listCredentialParts()) expect(text.includes(secret), `${name} has ${secret}`).toBe(false);
    expect([name, findTokenPart(text)]).toEqual([name, undefined]);
    if (name in WORLD) continue;
    for (const value of VALUES) expect(text.includes(value), `${name} has ${value}`).toBe(false);
    expect([name, sampleNumbers.exec(text)?.[0]]).toEqual([name, undefined]);
  }
});

it('the log has none of them, whatever happened', async () => {
  const text = lines.join('');
  expect(text).toContain('"status":500');
  expect(text).toContain('unexpected error');
  for (const secret of [...listCredentialParts(), ...VALUES]) expect(text.includes(secret), secret).toBe(false);
  expect(text).not.toMatch(await readSampleNumbers());
});

/** The hash of a text, in every way that a table may have it. */
function listHashes(text: string): string[] {
  const hash = createHash('sha256').update(text).digest();
  const url = hash.toString('base64url');
  return [hash.toString('hex'), hash.toString('hex').toUpperCase(), hash.toString('base64'), url, url.slice(0, 22)];
}

it('no table has the plain hash of a name, by which who tries names finds people', async () => {
  const [entities = []] = await remit.service.database.run([{ sql: 'select distinct type, id from entities' }]);
  const names = entities.flatMap(({ type, id }) => [String(id), `${String(type)}:${String(id)}`, JSON.stringify([type, id])]);
  expect(names.length).toBeGreaterThan(100);
  const hashes = [...names, 'key-of-alice', 's-1', SENTENCE].flatMap(listHashes);
  expect(countedNames.size).toBeGreaterThan(1);
  for (const [name, text] of await dumpTables())
    expect([name, [...hashes, ...countedNames].find((hash) => text.includes(hash))]).toEqual([name, undefined]);
}); // prettier-ignore
