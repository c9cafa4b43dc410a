/** A real SpiceDB server: the contract of the port, and what only a server can get wrong. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Connection } from '../../../src/graph/server/connection.js';
import type { CheckAnswer, CheckRequest } from '../../../src/model/checks.js';
import { writeServerSchema, compareServerSchema } from '../../../src/graph/server/schema-diff.js';
import { ServerGraph } from '../../../src/graph/server/server.js';
import type { UpdateOperation } from '../../../src/model/relationships.js';
import { parseRelationship } from '../../../src/graph/relationship-text.js';
import { GraphSchema } from '../../../src/graph/schema/schema.js';
import { BINARY, freePort, named, startSpiceDb, type RunningSpiceDb } from '../../support/spicedb.js';
import { wireTo } from '../../support/wire.js';
import { CONTRACT_SCHEMA, relationshipsContract } from '../relationships.contract.js';
import { collectCleanups } from '../../support/cleanups.js';

const graph = GraphSchema.parse(CONTRACT_SCHEMA, 'contract.zed');
const certificate = (name: string): string => `test/support/certificates/${name}`;

const check = (resource: string, permission: string, user: string, more: Partial<CheckRequest> = {}): CheckRequest => {
  const [type = '', id = ''] = resource.split(':');
  return { resource: { type, id }, permission, subject: { type: 'user', id: user }, ...more };
};
const write = (engine: ServerGraph, operation: UpdateOperation, ...texts: string[]): Promise<string> =>
  engine.write(
    texts.map((text) => ({ operation, relationship: parseRelationship(text) })),
    'test',
  );
const one = async (engine: ServerGraph, asked: CheckRequest): Promise<CheckAnswer | undefined> =>
  (await engine.check([asked], 'full'))[0];
const inMs = (ms: number): string => new Date(Date.now() + ms).toISOString();
const folders = { resourceType: 'folder', permission: 'view', withinMs: 5_000 };
const later = '2099-01-01T00:00:00.000Z';
const latest = '2100-01-01T00:00:00.000Z';

describe.skipIf(BINARY === '')(named('a SpiceDB server'), () => {
  let spicedb: RunningSpiceDb;
  let engine: ServerGraph;
  const open = (deadlineMs = 5_000): Promise<ServerGraph> =>
    ServerGraph.start(graph, { ...spicedb.address, deadlineMs });
  const onSuiteFinished = collectCleanups();
  beforeAll(async () => {
    spicedb = await startSpiceDb();
    onSuiteFinished(() => spicedb.kill());
    await spicedb.schema(graph);
    engine = await open();
    onSuiteFinished(() => engine.close());
  });

  relationshipsContract('SpiceDB server', open);

  describe('what ends by itself', () => {
    it('ends on time over any number of steps, though SpiceDB has kept its answer and nothing is written', async () => {
      const end = inMs(3000);
      await write(
        engine,
        'touch',
        'folder:end-kid#parent@folder:end-mid',
        'folder:end-mid#parent@folder:end-top',
        `folder:end-top#viewer@user:e[expiration:${end}]`,
      );
      const asked = check('folder:end-kid', 'view', 'e');
      for (const explain of [false, true])
        expect(await one(engine, { ...asked, explain })).toMatchObject({ result: 'yes', until: end });
      await sleep(3300);
      for (const explain of [false, true])
        expect(await one(engine, { ...asked, explain })).toMatchObject({ result: 'no' });
    });

    it('goes on by what does not end, and says nothing of an end', async () => {
      await write(
        engine,
        'touch',
        `folder:end-two#viewer@user:e[expiration:${inMs(3000)}]`,
        'folder:end-two#viewer@team:end#member',
        'team:end#member@user:e',
      );
      expect(await one(engine, check('folder:end-two', 'view', 'e'))).toMatchObject({ result: 'yes' });
      await sleep(3300);
      const answer = await one(engine, check('folder:end-two', 'view', 'e', { explain: true }));
      expect(answer).toMatchObject({ path: ['folder:end-two#viewer@team:end#member', 'team:end#member@user:e'] });
      expect(answer).not.toHaveProperty('until');
    });

    it('is told by the wildcard, too', async () => {
      await write(engine, 'touch', 'folder:end-open#viewer@user:*');
      expect(await one(engine, check('folder:end-open', 'view', 'anyone', { explain: true }))).toMatchObject({
        result: 'yes',
        path: ['folder:end-open#viewer@user:*'],
      });
    });
  });

  describe('ZedTokens', () => {
    it('hold through another replica', async () => {
      const other = await open();
      for (let i = 0; i < 10; i += 1) {
        const token = await write(engine, i % 2 === 0 ? 'touch' : 'delete', 'folder:replica#viewer@user:r');
        expect(other.tokenProblem(token)).toBeUndefined();
        expect(await other.check([check('folder:replica', 'view', 'r')], { atLeast: token })).toMatchObject([
          { result: i % 2 === 0 ? 'yes' : 'no' },
        ]);
        const lookup = { ...folders, subject: { type: 'user', id: 'r' } };
        expect((await other.lookupResources(lookup, { atLeast: token })).ids.includes('replica')).toBe(i % 2 === 0);
      }
      await other.close();
    });

    it('of a revision that SpiceDB has given up say so, and are no outage', async () => {
      const forgetful = await startSpiceDb({
        flags: ['--datastore-gc-window=1s', '--datastore-revision-quantization-interval=0s'],
      });
      onTestFinished(() => forgetful.kill());
      await forgetful.schema(graph);
      const other = await ServerGraph.start(graph, { ...forgetful.address, deadlineMs: 5_000 });
      onTestFinished(() => other.close());
      const exactly = await write(other, 'touch', 'folder:gone#viewer@user:r');
      const asked = check('folder:gone', 'view', 'r', { explain: true });
      expect(await other.check([asked], { exactly })).toMatchObject([{ result: 'yes', revision: exactly }]);
      await write(other, 'delete', 'folder:gone#viewer@user:r');
      // What is cached of the revision stays true of it.
      const next = check('folder:gone', 'view', 'r2', { explain: true });
      await expect
        .poll(() => other.check([next], { exactly }), { timeout: 60_000, interval: 200 })
        .toEqual([{ result: 'unknown', fault: 'revision_expired' }]);
    });

    /** ZedTokens in SpiceDB's own encoding. */
    const made = (revision: string, datastore: string): string => {
      const field = (tag: number, bytes: Buffer): Buffer => Buffer.concat([Buffer.from([tag, bytes.length]), bytes]);
      const inner = Buffer.concat([
        field(0x0a, Buffer.from(revision)),
        ...(datastore === '' ? [] : [field(0x12, Buffer.from(datastore))]),
      ]);
      return field(0x1a, inner).toString('base64');
    };
    const ours = async (): Promise<string> => {
      const token = await write(engine, 'touch', 'folder:zed#viewer@user:a');
      const text = Buffer.from(token, 'base64').toString('latin1');
      return text.slice(text.indexOf('\x12\x08') + 2).slice(0, 8);
    };

    it.each(['', 'x', 'bm90IG91cnM=', 'GgA=', 'GgIKAA==', '!!!!', 'Gh8KEzE3', made('1', 'another!'), made('1', '')])(
      '%j is none of this deployment',
      async (token) => {
        await ours();
        expect(engine.tokenProblem(token)).toBe('is not a ZedToken of this deployment');
        await expect(engine.check([check('folder:zed', 'view', 'a')], { atLeast: token })).rejects.toMatchObject({
          name: 'BadRequest',
          at: 'context.consistency.at_least',
        });
      },
    );

    it('of the future, or of a revision that is none, are the caller’s mistake and no outage', async () => {
      const future = made('4000000000000000000', await ours());
      const refused = { name: 'BadRequest', status: 400, at: 'context.consistency.at_least' };
      const ask = (token: string) => engine.check([check('folder:zed', 'view', 'a')], { atLeast: token });
      await expect(ask(future)).rejects.toMatchObject({ ...refused, message: 'is a ZedToken of the future' });
      await expect(ask(made('soon', await ours()))).rejects.toMatchObject(refused);
      const lookup = { ...folders, subject: { type: 'user', id: 'r' } };
      await expect(engine.lookupResources(lookup, { atLeast: future })).rejects.toMatchObject(refused);
    });
  });

  describe('the schema', () => {
    it('is not written at start: an empty server is refused with what it lacks', async () => {
      const empty = await startSpiceDb();
      const start = ServerGraph.start(graph, { ...empty.address, deadlineMs: 1_000 });
      await expect(start).rejects.toMatchObject({ name: 'ConfigError', place: { file: 'contract.zed' } });
      await expect(start).rejects.toThrow(/"remit migrate".*definition folder \(only in the file\)/);
      const connection = new Connection(empty.address, 1_000);
      expect((await compareServerSchema(connection, graph)).differences.map(({ item: what }) => what)).toContain(
        'definition folder',
      );
      connection.close();
      await empty.kill();
    });

    it.each([
      ['a permission that differs', 'view + banned', 'permission folder#view_unless_banned (differs)'],
      ['a relation', 'view - banned\n relation more: user', 'relation folder#more (only in the file)'],
    ])('tells %s', async (_, instead, text) => {
      const other = GraphSchema.parse(CONTRACT_SCHEMA.replace('view - banned', instead), 'other.zed');
      await expect(ServerGraph.start(other, { ...spicedb.address, deadlineMs: 1_000 })).rejects.toThrow(text);
    });

    it('tells an expiration that is only on one side', async () => {
      const other = GraphSchema.parse(
        CONTRACT_SCHEMA.replace('banned: user', 'banned: user with expiration'),
        'other.zed',
      );
      await expect(ServerGraph.start(other, { ...spicedb.address, deadlineMs: 1_000 })).rejects.toThrow(
        'subjects of relation folder#banned: user (only in the file)',
      );
    });

    it('may have other comments and another order', async () => {
      const [head = '', ...definitions] = CONTRACT_SCHEMA.split('\ndefinition ');
      const other = `${head}\n// Another\n${definitions
        .reverse()
        .map((d) => `/** doc */ definition ${d}`)
        .join('\n')}`;
      const started = await ServerGraph.start(GraphSchema.parse(other, 'other.zed'), {
        ...spicedb.address,
        deadlineMs: 1_000,
      });
      await started.close();
    });

    it('that SpiceDB does not take is refused at its place', async () => {
      const connection = new Connection(spicedb.address, 1_000);
      const wrong = GraphSchema.parse(
        'definition user {}\ndefinition doc {\n  permission view = viewer\n}',
        'wrong.zed',
      );
      await expect(writeServerSchema(connection, wrong)).rejects.toThrow(/^wrong\.zed:3:21: .*viewer/);
      connection.close();
    });

    it('keeps what is in use', async () => {
      await write(engine, 'touch', 'folder:used#banned@user:a');
      const connection = new Connection(spicedb.address, 1_000);
      const less = CONTRACT_SCHEMA.replace(/ *relation banned.*\n/, '').replace(' - banned', '');
      await expect(writeServerSchema(connection, GraphSchema.parse(less, 'less.zed'))).rejects.toThrow(
        /less\.zed: .*`banned`.*at least one relationship exists/,
      );
      connection.close();
    });
  });

  describe('faults', () => {
    it('a server that is not there: a fault that names the endpoint', async () => {
      const endpoint = `127.0.0.1:${await freePort()}`;
      const start = ServerGraph.start(graph, {
        ...spicedb.address,
        endpoint,
        deadlineMs: 1_000,
        startTimeoutMs: 600,
      });
      await expect(start).rejects.toMatchObject({
        code: 'relationships_unavailable',
        detail: expect.stringContaining(`${endpoint}: UNAVAILABLE`) as string,
      });
    });

    it('a wrong key: refused at its place, and never said', async () => {
      const start = ServerGraph.start(graph, { ...spicedb.address, key: 'guessed-secret', deadlineMs: 1_000 });
      await expect(start).rejects.toMatchObject({ name: 'ConfigError', place: { file: 'spicedb.token' } });
      await expect(start).rejects.not.toThrow('guessed-secret');
    });

    it('TLS: the right authority, and no other; and no TLS where there is none', async () => {
      const tls = await startSpiceDb({
        flags: [
          `--grpc-tls-cert-path=${certificate('server.pem')}`,
          `--grpc-tls-key-path=${certificate('server.key')}`,
        ],
      });
      const secure = { ...tls.address, plaintext: false, endpoint: `localhost:${tls.port}` };
      const ca = readFileSync(certificate('server.pem'), 'utf8');
      const connection = new Connection({ ...secure, ca }, 1_000);
      await writeServerSchema(connection, graph);
      connection.close();
      const started = await ServerGraph.start(graph, { ...secure, ca, deadlineMs: 2_000 });
      expect(await one(started, check('folder:tls', 'view', 'a'))).toMatchObject({ result: 'no' });
      await started.close();

      for (const wrong of [readFileSync(certificate('thief.pem'), 'utf8'), undefined])
        await expect(ServerGraph.start(graph, { ...secure, ca: wrong, deadlineMs: 1_000 })).rejects.toMatchObject({
          name: 'ConfigError',
          place: { file: 'spicedb.ca' },
        });
      for (const address of [
        { ...secure, plaintext: true },
        { ...spicedb.address, plaintext: false },
      ])
        await expect(
          ServerGraph.start(graph, { ...address, deadlineMs: 1_000, startTimeoutMs: 300 }),
        ).rejects.toMatchObject({ code: 'relationships_unavailable' });
      await tls.kill();
    });

    it('killed and started again: no allow meanwhile, and back without a restart of Remit', async () => {
      const first = await startSpiceDb();
      await first.schema(graph);
      const here = await ServerGraph.start(graph, { ...first.address, deadlineMs: 1_000 });
      const token = await write(here, 'touch', 'folder:crash#viewer@user:a');
      // It may have been killed while its schema was being compared.
      const away = expect.stringMatching(/^(relationships_unavailable|schema_differs)$/) as string;
      const asked = check('folder:crash', 'view', 'a');
      expect(await one(here, asked)).toMatchObject({ result: 'yes' });
      const waiting = Promise.all(Array.from({ length: 200 }, () => one(here, asked)));
      await first.kill();
      for (const answer of await waiting) expect(['yes', 'unknown']).toContain(answer?.result);
      expect(await one(here, asked)).toEqual({ result: 'unknown', fault: away });
      await expect(write(here, 'touch', 'folder:crash#viewer@user:b')).rejects.toMatchObject({ code: away });
      await expect(here.read({ resourceType: 'folder' }, 1, 'full')).rejects.toMatchObject({ code: away });

      const second = await startSpiceDb({ port: first.port, key: first.address.key });
      await second.schema(graph);
      await expect.poll(async () => (await one(here, asked))?.result, { timeout: 5_000 }).toBe('no');
      expect(here.tokenProblem(token)).toBe('is not a ZedToken of this deployment');
      await write(here, 'touch', 'folder:crash#viewer@user:a');
      expect(await one(here, asked)).toMatchObject({ result: 'yes' });
      await here.close();
      await second.kill();
    });

    it('slow beyond the deadline: unknown, no pile-up, and back by itself', async () => {
      const slow = await startSpiceDb();
      await slow.schema(graph);
      const here = await ServerGraph.start(graph, { ...slow.address, deadlineMs: 300 });
      await write(here, 'touch', 'folder:slow#viewer@user:a');
      slow.pause();
      expect(await one(here, check('folder:slow', 'view', 'a'))).toEqual({
        result: 'unknown',
        fault: 'deadline_exceeded',
      });
      const many = await Promise.all(
        Array.from({ length: 45_000 }, (_, i) => one(here, check('folder:slow', 'view', `u${i}`))),
      );
      const faults = new Set(many.map((answer) => (answer?.result === 'unknown' ? answer.fault : answer?.result)));
      expect(faults).toEqual(new Set(['overloaded', 'deadline_exceeded']));
      slow.resume();
      await expect
        .poll(() => one(here, check('folder:slow', 'view', 'a')), { timeout: 5_000 })
        .toMatchObject({ result: 'yes' });
      await here.close();
      await slow.kill();
    });

    it('lookups end when their time is up, and are not made again for a while', async () => {
      const slow = await startSpiceDb();
      await slow.schema(graph);
      const here = await ServerGraph.start(graph, { ...slow.address, deadlineMs: 300 });
      await write(here, 'touch', 'folder:slow#viewer@user:a', 'folder:slow#banned@user:a');
      const resources = (permission: string) =>
        here.lookupResources(
          { resourceType: 'folder', permission, subject: { type: 'user', id: 'a' }, withinMs: 200 },
          'full',
        );
      const subjects = () =>
        here.lookupSubjects(
          { resource: { type: 'folder', id: 'slow' }, permission: 'view', subjectType: 'user', withinMs: 200 },
          'full',
        );
      const late = { name: 'Fault', code: 'deadline_exceeded' };
      slow.pause();
      await expect.poll(() => one(here, check('folder:slow', 'view', 'a'))).toMatchObject({ result: 'unknown' });
      await expect(resources('view')).rejects.toMatchObject(late);
      await expect(subjects()).rejects.toMatchObject(late);
      slow.resume();
      await expect.poll(() => resources('banned'), { timeout: 5_000 }).toMatchObject({ ids: ['slow'] });
      await expect(resources('view')).rejects.toMatchObject(late);
      await expect(subjects()).rejects.toMatchObject(late);
      await here.close();
      await slow.kill();
    });

    it('cut in the middle of an answer: nothing of it counts, and the next call finds its way', async () => {
      await write(engine, 'touch', ...Array.from({ length: 900 }, (_, i) => `folder:cut#viewer@user:cut-${i}`));
      const wire = await wireTo(spicedb.port);
      const here = await ServerGraph.start(graph, {
        ...spicedb.address,
        endpoint: `127.0.0.1:${wire.port}`,
        deadlineMs: 2_000,
      });
      expect((await here.read({ resourceType: 'folder', resourceId: 'cut' }, 1000, 'full')).relationships).toHaveLength(
        900,
      );
      const checks = Array.from({ length: 900 }, (_, i) => check('folder:cut', 'view', `cut-${i}`));
      for (const bytes of [0, 200, 5_000]) {
        wire.cutAfter(bytes);
        const answers = await here.check(checks, 'full');
        expect(answers.every((a) => a.result === 'yes' || a.result === 'unknown')).toBe(true);
        wire.cutAfter(bytes);
        const read = await here
          .read({ resourceType: 'folder', resourceId: 'cut' }, 1000, 'full')
          .catch(() => undefined);
        expect(read === undefined || read.relationships.length === 900).toBe(true);
        wire.mend();
        await expect
          .poll(() => one(here, check('folder:cut', 'view', 'cut-1')), { timeout: 5_000 })
          .toMatchObject({ result: 'yes' });
      }
      await here.close();
      wire.close();
    });
  });
});

describe.skipIf(BINARY === '')(named('proofs, on a schema of every shape'), () => {
  const shapes = GraphSchema.parse(
    `
use expiration

caveat tier_is(tier string, wanted string) {
  tier == wanted
}
definition user {}
definition team {
  relation member: user | team#member | user with expiration
}
definition doc {
  relation viewer: user | user with expiration | team#member | team#member with expiration | user with tier_is | user with tier_is and expiration
  relation cleared: user with expiration
  relation banned: user with expiration
  relation pardoned: user with expiration
  relation folder: doc | doc with expiration | doc with tier_is
  permission both = viewer & cleared
  permission but = viewer - banned
  permission but_but = viewer - (banned - pardoned)
  permission inherited = folder->viewer
  permission wide = both + folder->but + nil
  permission every = folder.all(viewer)
  permission some = folder.any(viewer)
}
`,
    'shapes.zed',
  );
  let spicedb: RunningSpiceDb;
  let engine: ServerGraph;
  const onSuiteFinished = collectCleanups();
  beforeAll(async () => {
    spicedb = await startSpiceDb();
    onSuiteFinished(() => spicedb.kill());
    await spicedb.schema(shapes);
    engine = await ServerGraph.start(shapes, { ...spicedb.address, deadlineMs: 5_000 });
    onSuiteFinished(() => engine.close());
  });
  const asked = (doc: string, permission: string, context?: Record<string, unknown>) =>
    one(engine, check(`doc:${doc}`, permission, 'a', { explain: true, context }));

  it('an intersection ends with the first of its sides', async () => {
    await write(
      engine,
      'touch',
      `doc:and#viewer@user:a[expiration:${latest}]`,
      `doc:and#cleared@user:a[expiration:${later}]`,
    );
    expect(await asked('and', 'both')).toMatchObject({
      result: 'yes',
      until: later,
      path: ['doc:and#viewer@user:a', 'doc:and#cleared@user:a'],
    });
  });

  it('an arrow ends with the first relationship of its way', async () => {
    await write(
      engine,
      'touch',
      `doc:way#folder@doc:way-up[expiration:${later}]`,
      `doc:way-up#viewer@team:way#member[expiration:${latest}]`,
      'team:way#member@team:way-in#member',
      'team:way-in#member@user:a',
    );
    const path = [
      'doc:way#folder@doc:way-up',
      'doc:way-up#viewer@team:way#member',
      'team:way#member@team:way-in#member',
      'team:way-in#member@user:a',
    ];
    for (const permission of ['inherited', 'wide', 'some'])
      expect(await asked('way', permission)).toMatchObject({ result: 'yes', until: later, path });
  });

  it('of `all`, each is needed', async () => {
    await write(
      engine,
      'touch',
      'doc:all#folder@doc:all-1',
      'doc:all#folder@doc:all-2',
      'doc:all-1#viewer@user:a',
      `doc:all-2#viewer@user:a[expiration:${later}]`,
    );
    expect(await asked('all', 'every')).toMatchObject({ result: 'yes', until: later });
    expect(await asked('all-none', 'every')).toMatchObject({ result: 'no' });
  });

  it('what is subtracted may end without harm', async () => {
    await write(engine, 'touch', 'doc:but#viewer@user:a', `doc:but#banned@user:a[expiration:${inMs(3000)}]`);
    expect(await asked('but', 'but')).toMatchObject({ result: 'no' });
  });

  it('what ends within a subtraction can not be told, so nothing is allowed', async () => {
    await write(
      engine,
      'touch',
      'doc:twice#viewer@user:a',
      `doc:twice#banned@user:a[expiration:${latest}]`,
      `doc:twice#pardoned@user:a[expiration:${later}]`,
    );
    expect(await asked('twice', 'but_but')).toMatchObject({ result: 'unanswerable' });
  });

  it('a caveat that decides has no path, and ends with what it stands on', async () => {
    await write(engine, 'touch', `doc:cav#viewer@user:a[tier_is:{"wanted":"gold"}][expiration:${later}]`);
    expect(await asked('cav', 'viewer')).toMatchObject({ result: 'conditional' });
    expect(await asked('cav', 'viewer', { tier: 'gold' })).toMatchObject({ result: 'yes', path: [], until: later });
    expect(await asked('cav', 'viewer', { tier: 'lead' })).toMatchObject({ result: 'no' });
  });

  it('a caveat that does not hold is not taken for what has ended beside it', async () => {
    await write(
      engine,
      'touch',
      'doc:hide#viewer@user:a[tier_is:{"wanted":"gold"}]',
      'doc:hide#viewer@team:hide#member',
      `team:hide#member@user:a[expiration:${inMs(3000)}]`,
    );
    const lead = { tier: 'lead' };
    expect(await asked('hide', 'viewer', lead)).toMatchObject({ result: 'yes' });
    await sleep(3300);
    expect((await asked('hide', 'viewer', lead))?.result).not.toBe('yes');
    expect((await asked('hide', 'viewer', { tier: 'gold' }))?.result).not.toBe('no');
  });

  it('a caveat that holds is believed beside teams that grant nothing', async () => {
    await write(
      engine,
      'touch',
      'doc:beside#viewer@user:a[tier_is:{"wanted":"gold"}]',
      'doc:beside#viewer@team:beside#member',
      'team:beside#member@user:b',
    );
    expect(await asked('beside', 'viewer', { tier: 'gold' })).toMatchObject({ result: 'yes', path: [] });
  });

  it('a caveat on the way can not be followed, so nothing is allowed', async () => {
    await write(engine, 'touch', 'doc:bend#folder@doc:bend-up[tier_is:{"wanted":"gold"}]', 'doc:bend-up#viewer@user:a');
    expect(await asked('bend', 'inherited', { tier: 'gold' })).toMatchObject({ result: 'unanswerable' });
  });

  it('a circle of teams is no proof', async () => {
    await write(
      engine,
      'touch',
      'doc:ring#viewer@team:ring#member',
      'team:ring#member@team:ring-2#member',
      'team:ring-2#member@team:ring#member',
      `team:ring-2#member@user:a[expiration:${inMs(3000)}]`,
    );
    expect((await asked('ring', 'viewer'))?.result).not.toBe('no');
    await sleep(3300);
    expect((await asked('ring', 'viewer'))?.result).not.toBe('yes');
  });
});

describe.skipIf(BINARY === '')(named('explanations, by as few calls as can be'), () => {
  const company = GraphSchema.parse(
    `
use expiration

definition user {}
definition agent {
  relation delegator: user | user with expiration | agent
}
definition team {
  relation member: user | team#member
}
definition employee {
  relation manager: user
  relation reports_to: employee
  relation reviewer: team#member
  permission manage = manager + reports_to->manage
  permission view = manage + reviewer
}
`,
    'company.zed',
  );
  let spicedb: RunningSpiceDb;
  let engine: ServerGraph;
  const counted = (): { checks: () => number; reads: () => number } => {
    const [checks, reads] = [
      vi.spyOn(Connection.prototype, 'checkBulkPermissions'),
      vi.spyOn(Connection.prototype, 'readRelationships'),
    ];
    return { checks: () => checks.mock.calls.length, reads: () => reads.mock.calls.length };
  };
  const onSuiteFinished = collectCleanups();
  beforeAll(async () => {
    spicedb = await startSpiceDb();
    onSuiteFinished(() => spicedb.kill());
    await spicedb.schema(company);
    engine = await ServerGraph.start(company, { ...spicedb.address, deadlineMs: 5_000 });
    onSuiteFinished(() => engine.close());
  });
  afterEach(() => vi.restoreAllMocks());
  const explained = (employee: string, user = 'u') =>
    one(engine, check(`employee:${employee}`, 'view', user, { explain: true }));

  it('an object is read once, and nothing is asked where it leads one way', async () => {
    await write(
      engine,
      'touch',
      'employee:a#reports_to@employee:b',
      'employee:b#reports_to@employee:c',
      'employee:c#manager@user:u',
    );
    const { checks, reads } = counted();
    expect(await explained('a')).toMatchObject({
      path: ['employee:a#reports_to@employee:b', 'employee:b#reports_to@employee:c', 'employee:c#manager@user:u'],
    });
    expect([checks(), reads()]).toEqual([1, 3]);
  });

  it('a path that was told before is told again where all of it is still there, and without a read', async () => {
    await write(engine, 'touch', 'employee:again#reports_to@employee:up', 'employee:up#manager@user:u');
    const path = ['employee:again#reports_to@employee:up', 'employee:up#manager@user:u'];
    expect(await explained('again')).toMatchObject({ path });
    const { checks, reads } = counted();
    expect(await explained('again')).toMatchObject({ result: 'yes', path });
    expect([checks(), reads()]).toEqual([1, 0]);
  });

  it('a path that was told before is never told once a relationship of it is gone, though the answer stays yes', async () => {
    await write(
      engine,
      'touch',
      'employee:moved#reports_to@employee:old',
      'employee:old#manager@user:u',
      'employee:new#manager@user:u',
    );
    for (let i = 0; i < 3; i += 1) {
      expect(await explained('moved')).toMatchObject({
        path: ['employee:moved#reports_to@employee:old', 'employee:old#manager@user:u'],
      });
      await write(engine, 'touch', 'employee:moved#reports_to@employee:new');
      await write(engine, 'delete', 'employee:moved#reports_to@employee:old');
      expect(await explained('moved')).toMatchObject({
        path: ['employee:moved#reports_to@employee:new', 'employee:new#manager@user:u'],
      });
      await write(engine, 'touch', 'employee:moved#reports_to@employee:old');
      await write(engine, 'delete', 'employee:moved#reports_to@employee:new');
    }
    await write(engine, 'delete', 'employee:moved#reports_to@employee:old');
    expect(await explained('moved')).toMatchObject({ result: 'no' });
  });

  it('a team that got its place within another is told by what is there, not by what it comes to', async () => {
    await write(engine, 'touch', 'employee:reviewed#reviewer@team:in#member', 'team:in#member@user:u');
    const before = ['employee:reviewed#reviewer@team:in#member', 'team:in#member@user:u'];
    expect(await explained('reviewed')).toMatchObject({ path: before });
    await write(engine, 'touch', 'employee:reviewed#reviewer@team:out#member', 'team:out#member@team:in#member');
    await write(engine, 'delete', 'employee:reviewed#reviewer@team:in#member');
    expect(await explained('reviewed')).toMatchObject({
      path: ['employee:reviewed#reviewer@team:out#member', 'team:out#member@team:in#member', 'team:in#member@user:u'],
    });
  });

  it('a delegation is a check and one read, with its end, and ends on time', async () => {
    const end = inMs(3000);
    const asked = check('agent:helper', 'delegator', 'u');
    await write(engine, 'touch', `agent:helper#delegator@user:u[expiration:${end}]`, 'agent:helper#delegator@user:v');
    const { checks, reads } = counted();
    expect(await one(engine, asked)).toMatchObject({
      result: 'yes',
      until: end,
      revision: expect.any(String) as string,
    });
    expect(await one(engine, check('agent:helper', 'delegator', 'v'))).not.toHaveProperty('until');
    expect([checks(), reads()]).toEqual([2, 2]);
    const revision = (await one(engine, asked)) as { readonly revision: string };
    expect((await engine.check([asked], { exactly: revision.revision }))[0]).toMatchObject({
      result: 'yes',
      until: end,
    });
    // Nothing was written since: SpiceDB is asked for its revision, and what was read at it is known.
    expect([checks(), reads()]).toEqual([3, 2]);
    // At a revision that is known a read says it all.
    const other = check('agent:helper', 'delegator', 'x');
    expect((await engine.check([other], { exactly: revision.revision }))[0]?.result).toBe('no');
    expect([checks(), reads()]).toEqual([3, 3]);
    await expect.poll(() => one(engine, asked), { timeout: 10_000 }).toMatchObject({ result: 'no' });
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(end));
    expect((await one(engine, check('agent:helper', 'delegator', 'w')))?.result).toBe('no');
  });

  it('a delegation that is taken back is gone with the write, also as of its ZedToken', async () => {
    const asked = check('agent:taken', 'delegator', 'u');
    for (let i = 0; i < 10; i += 1) {
      await write(engine, 'touch', 'agent:taken#delegator@user:u');
      expect(await one(engine, asked)).toMatchObject({ result: 'yes' });
      const atLeast = await write(engine, 'delete', 'agent:taken#delegator@user:u');
      expect(await one(engine, asked)).toMatchObject({ result: 'no' });
      expect(await engine.check([asked], { atLeast })).toMatchObject([{ result: 'no' }]);
    }
  });
});
