/** The filter: exactly the records that single questions allow, masked as those say, in their order. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { lastRecord, clientNamed, start, startWith, type Running } from '../../support/sample.js';

interface Filtered {
  readonly records: readonly {
    type: string;
    id: string;
    properties: Record<string, unknown>;
    obligations?: object[];
  }[];
  readonly removed: Readonly<Record<string, number>>;
  readonly invalid?: readonly { readonly index: number; readonly code: string; readonly at: string }[];
  readonly context?: { readonly reasons: readonly { readonly code: string }[] };
}

let remit: Running;
beforeAll(async () => {
  remit = await start();
  return () => remit.stop();
});

const SCOPES = 'hr.employees.read hr.employees.write hr.employees.export code.read code.write';
const records = async (type: string, of: Running = remit) => {
  const ids = await of.service.entities.ids(type);
  const known = await of.service.entities.lookup(ids.map((id) => ({ type, id })));
  return known.flatMap((entity) =>
    entity === undefined ? [] : [{ type, id: entity.id, properties: entity.attributes }],
  );
};
const countRemoved = ({ removed }: Filtered): number => Object.values(removed).reduce((sum, count) => sum + count, 0);
const filter = async (body: object, of: Running = remit): Promise<Filtered> => {
  const response = await of.post('/v1/filter', body);
  expect(response.statusCode, response.body).toBe(200);
  return response.json();
};

describe('a list', () => {
  it.each([
    ['alice', 'hr-assistant', 'read'],
    ['bob', 'payroll-exporter', 'export'],
    ['bob', 'hr-assistant', 'read'],
    ['alice', 'retired-bot', 'read'],
  ])('of %s by %s, to %s, is what single questions allow', async (user, agent, name) => {
    const token = await remit.mint({ user, agent, scope: SCOPES });
    const question = { subject: { type: 'user', id: user }, action: { name }, context: { token } };
    const given = await records('employee');
    const found = await filter({ ...question, records: given });
    const wanted = [];
    for (const { type, id, properties } of given) {
      const answer = await remit.evaluate({ ...question, resource: { type, id, properties } });
      if (!answer.decision) continue;
      const fields = (answer.context?.obligations ?? []).flatMap((o) => (o.properties['fields'] ?? []) as string[]);
      wanted.push({ type, id, properties: Object.fromEntries(Object.entries(properties).filter(([field]) => !fields.includes(field))) });
    }
    expect([found.records, countRemoved(found)]).toEqual([wanted, given.length - wanted.length]);
    if (agent !== 'retired-bot') expect(wanted.length).toBeGreaterThan(0);
  }); // prettier-ignore

  it('of everything there is, twice and mixed, keeps its order', async () => {
    const token = await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: SCOPES });
    const one = (id: string, type = 'employee') => ({ type, id, properties: {} });
    const found = await filter({
      subject: { type: 'agent', id: 'hr-assistant' },
      action: { name: 'read' },
      context: { token },
      records: [one('erin'), one('zoe'), one('dave'), one('handbook', 'repository'), one('erin'), one('ghost'), one('x', 'spaceship')],
    });
    expect(found.records.map((r) => r.id)).toEqual(['erin', 'dave', 'handbook', 'erin']);
    expect(found.removed).toEqual({ relationship_missing: 2, action_unknown: 1 });
  }); // prettier-ignore

  it('is masked though the client says it can not, and leaves what is the client’s to do', async () => {
    const token = await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: SCOPES });
    const body = { subject: { type: 'user', id: 'alice' }, action: { name: 'read' }, records: [{ type: 'employee', id: 'erin', properties: { salary: 1, ssn: 'x', name: 'Erin' } }] }; // prettier-ignore
    const found = await filter({ ...body, context: { token, supported_obligations: [] } });
    expect(found.records).toEqual([{ type: 'employee', id: 'erin', properties: { name: 'Erin' } }]);
  });

  it('leaves one record', async () => {
    const token = await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: SCOPES });
    const given = await records('employee');
    const count = async () => (await remit.service.database.run([{ sql: 'select count(*)::int as n from records' }]))[0]?.[0]?.['n']; // prettier-ignore
    const before = Number(await count());
    const found = await filter({ subject: { type: 'user', id: 'alice' }, action: { name: 'read' }, context: { token }, records: given }); // prettier-ignore
    expect(Number(await count())).toBe(before + 1);
    expect(await lastRecord(remit, 'filter')).toMatchObject({
      found: found.records.length,
      items: found.records.map(({ type, id }) => ({ type, id })),
      left_out: found.removed,
      request: { subject: { type: 'user', id: 'alice' }, action: { name: 'read' }, types: ['employee'], records: given.length },
    }); // prettier-ignore
  });

  it('asks about what is null as a single question does, and hands it out as it came, on every level', async () => {
    const token = await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: SCOPES });
    const question = { subject: { type: 'user', id: 'alice' }, action: { name: 'read' }, context: { token } };
    const inner = fc.constantFrom(null, 'x', { none: null, some: [null, { none: null }] });
    const stated = fc.record(
      {
        status: fc.constantFrom(null, 'active', 'terminated', 'sealed'),
        name: fc.constantFrom(null, 'N'),
        salary: fc.constantFrom(null, 1),
        other: inner,
      },
      { requiredKeys: [] },
    );
    const subjects = fc.constantFrom('erin', 'dave', 'zoe', 'grace', 'ghost');
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(subjects, stated), { minLength: 1, maxLength: 6 }), async (list) => {
        const sent = list.map(([id, properties]) => ({ type: 'employee', id, properties }));
        const wanted = [];
        for (const record of sent) {
          const { decision, context } = await remit.evaluate({ ...question, resource: record });
          if (!decision) continue;
          const hidden = (context?.obligations ?? []).flatMap((o) => (o.properties['fields'] ?? []) as string[]);
          const shown = Object.entries(record.properties).filter(([name]) => !hidden.includes(name));
          wanted.push({ ...record, properties: Object.fromEntries(shown) });
        }
        const handedOut = await filter({ ...question, records: sent });
        expect([handedOut.records, countRemoved(handedOut)]).toEqual([wanted, sent.length - wanted.length]);
      }),
      { numRuns: 25 },
    );
  });

  it('leaves a short record, however many types it names', async () => {
    const given = Array.from({ length: 1000 }, (_, i) => ({ type: `t${i}${'x'.repeat(100)}`, id: 'any' }));
    const token = await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: SCOPES });
    await filter({ subject: { type: 'user', id: 'alice' }, action: { name: 'read' }, context: { token }, records: given });
    const record = (await lastRecord(remit, 'filter')) as { request: { types: string[] } };
    expect(record.request).toMatchObject({ records: 1000, types_not_named: 1000 - 16 });
    expect(record.request.types).toEqual(given.slice(0, 16).map(({ type }) => type));
    expect(JSON.stringify(record).length).toBeLessThan(4_000);
  }); // prettier-ignore

  it('leaves a wrong record out and says which, and with too many says how many there may be', async () => {
    const token = await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: SCOPES });
    const body = { subject: { type: 'user', id: 'alice' }, action: { name: 'read' }, context: { token } };
    const ok = { type: 'employee', id: 'erin' };
    for (const [list, at] of [
      [Array.from({ length: 1001 }, () => ok), 'records'],
      [{}, 'records'],
    ] as const) {
      const response = await remit.post('/v1/filter', { ...body, records: list });
      expect([response.statusCode, response.json<{ error: { at: string } }>().error.at]).toEqual([400, at]);
    }
    expect(await filter({ ...body, records: [] })).toEqual({ records: [], removed: {} });
    const wrong = [
      { type: 'employee', id: '' },
      { ...ok, properties: { status: 7 } },
      'erin',
      null,
      { ...ok, properties: { name: 'x'.repeat(33_000) } },
      {},
    ];
    const found = await filter({
      ...body,
      records: [ok, ...wrong.flatMap((record) => [record, { ...ok, properties: null }])],
    });
    // Those between are answered as if the others weren't there.
    expect([found.records.map(({ id }) => id), found.removed]).toEqual([Array.from({ length: 7 }, () => 'erin'), {}]);
    expect(found.invalid?.map(({ index, code, at }) => [index, code, at])).toEqual(
      [
        'records[1].id',
        'records[3].properties.status',
        'records[5]',
        'records[7]',
        'records[9]',
        'records[11].type',
      ].map((at, i) => [2 * i + 1, 'bad_request', at]),
    );
  });

  it('says of a whole question that is refused why, and of one that finds nothing only what was left out', async () => {
    const body = { subject: { type: 'user', id: 'alice' }, action: { name: 'read' }, records: [{ type: 'employee', id: 'erin' }] };
    for (const [change, code] of [
      [{ context: { token: 'x.y.z' } }, 'token_malformed'],
      [{ context: {} }, 'token_missing'],
      [{ context: { token: await remit.mint({ user: 'dave', agent: 'hr-assistant', scope: SCOPES }) }, subject: { type: 'user', id: 'dave' } }, 'delegation_missing'],
      [{ context: { token: await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: 'none' }) } }, 'scope_insufficient'],
      [{ context: { token: await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: SCOPES }) }, action: { name: 'fly' } }, 'action_unknown'],
    ] as const) {
      const found = await filter({ ...body, ...change });
      expect([found.records, found.context?.reasons[0]?.code, found.removed]).toEqual([[], code, { [code]: 1 }]);
      // Whatever it is about, and so about nothing as well.
      const none = await filter({ ...body, ...change, records: [] });
      expect([none.records, none.context?.reasons[0]?.code, none.removed]).toEqual([[], code, {}]);
    }
    const nothing = { ...body, context: { token: await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: SCOPES }) }, records: [] };
    expect(await filter(nothing)).toEqual({ records: [], removed: {} });
    const context = { token: await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: SCOPES }) };
    expect(await filter({ ...body, context, records: [{ type: 'employee', id: 'zoe' }] })).toEqual({ records: [], removed: { relationship_missing: 1 } });
  }); // prettier-ignore

  it('is for clients with "filter", and for no agent', async () => {
    const company = await startWith({ issuers: [], clients: [clientNamed('one', 'remit', 'evaluate'), clientNamed('two', 'remit', 'filter')] }); // prettier-ignore
    const token = await company.mint({ user: 'alice', agent: 'hr-assistant', scope: SCOPES });
    const body = { subject: { type: 'user', id: 'alice' }, action: { name: 'read' }, records: [], context: { token } };
    const status = async (credential: string) =>
      (await company.post('/v1/filter', body, { authorization: `Bearer ${credential}` })).statusCode;
    expect([await status('one-key'), await status('two-key'), await status(token)]).toEqual([403, 200, 403]);
    await company.stop();
  });
});

describe('a careless or hostile client', () => {
  const asked = async (): Promise<object> => ({
    subject: { type: 'user', id: 'alice' },
    action: { name: 'read' },
    context: { token: await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: SCOPES }) },
  });

  it('that gives one id with several properties is answered of each, as it would be singly', async () => {
    const question = await asked();
    const given = [{ status: 'active' }, { status: 'sealed' }, {}, { status: 'active', salary: 1 }];
    const records = given.map((properties) => ({ type: 'employee', id: 'erin', properties }));
    const wanted: boolean[] = [];
    for (const record of records) wanted.push((await remit.evaluate({ ...question, resource: record })).decision);
    expect(await filter({ ...question, records })).toEqual({
      records: records.filter((_, i) => wanted[i]).map(({ properties: { salary: _, ...shown }, ...r }: { properties: { salary?: number }; type: string; id: string }) => ({ ...r, properties: shown })),
      removed: expect.any(Object) as object,
    });
  }); // prettier-ignore

  it('can not make a record out of reach reachable, whatever it says of it', async () => {
    const records = [{ type: 'employee', id: 'zoe', properties: { manager: 'alice', status: 'active', reports_to: 'alice' } }];
    expect(await filter({ ...(await asked()), records })).toEqual({ records: [], removed: { relationship_missing: 1 } });
  }); // prettier-ignore

  it('is told where it is too much: of one record, of the properties of all, of the body', async () => {
    const question = await asked();
    const record = (size: number) => ({ type: 'employee', id: 'erin', properties: { name: 'x'.repeat(size) } });
    const { invalid } = await filter({ ...question, records: [record(10), record(33_000), record(1024 * 1024)] });
    expect(invalid?.map(({ at }) => at)).toEqual(['records[1]', 'records[2]']);
    for (const [records, status, at] of [
      [Array.from({ length: 128 }, () => record(32_000)), 200, undefined],
      [Array.from({ length: 1000 }, () => record(4_000)), 200, undefined],
      [Array.from({ length: 132 }, () => record(32_000)), 413, undefined],
    ] as const) {
      const response = await remit.post('/v1/filter', { ...question, records });
      expect([response.statusCode, response.json<{ error?: { at?: string } }>().error?.at]).toEqual([status, at]);
    }
  });

  it('is told of 4 MiB and a byte that they are too long, however they come', async () => {
    const long = `"${'a'.repeat(4 * 1024 * 1024 - 2)}"`;
    const clients = [
      { ...clientNamed('one', 'remit', 'filter'), rate: 1_000_000 },
      clientNamed('two', 'remit', 'evaluate'),
    ];
    const company = await startWith({ issuers: [], clients });
    const address = await company.app.listen({ host: '127.0.0.1', port: 0 });
    const ask = async (credential: string, body: string, isChunked: boolean): Promise<number> => {
      const { status } = await fetch(`${address}/v1/filter`, {
        method: 'POST',
        headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
        body: isChunked ? new Blob([body]).stream() : body,
        ...(isChunked ? { duplex: 'half' } : {}),
      });
      return status;
    };
    for (const isChunked of [false, true])
      expect([await ask('one-key', long, isChunked), await ask('one-key', `${long} `, isChunked)]).toEqual([400, 413]);
    // Who may not filter sends in vain, however little it is.
    const token = await company.mint({ user: 'alice', agent: 'hr-assistant', scope: SCOPES, audience: 'remit' });
    expect([await ask('two-key', long, false), await ask(token, long, false), await ask('guess', long, false)]).toEqual(
      [403, 403, 401],
    );
    expect(company.app.health.admission.stats().bodyBytes).toBe(0);
    await company.stop();
  });

  it('is not answered in part where an engine is gone', async () => {
    const company = await start();
    const token = await company.mint({ user: 'alice', agent: 'hr-assistant', scope: SCOPES });
    const given = await records('employee', company);
    await company.crashSpiceDb();
    const body = { subject: { type: 'user', id: 'alice' }, action: { name: 'read' }, context: { token } };
    for (const list of [given, Array.from({ length: 150 }, (_, i) => ({ type: 'employee', id: `e${i}` }))]) {
      const response = await company.post('/v1/filter', { ...body, records: list });
      expect(response.statusCode).toBe(503);
      expect(response.body).not.toContain('"records"');
    }
    await company.stop();
  });
});

it('shows only the fields that a duty names, in records of every shape', async () => {
  const company = await companyWith(`@id("only") @duty("visible_fields:name, visible_fields:pii")
permit (principal is Agent, action == HR::Action::"read", resource) when { resource.status == "active" };
`);
  const token = await company.mint({ user: 'alice', agent: 'hr-assistant', scope: SCOPES });
  const body = { subject: { type: 'user', id: 'alice' }, action: { name: 'read' }, context: { token } };
  const properties = { name: 'Erin', salary: 1, status: 'active', unknown: 'to the schema', 'name.first': 'E', nested: { name: 'n' } };
  const [erin] = (await filter({ ...body, records: [{ type: 'employee', id: 'erin', properties }] }, company)).records;
  expect(erin).toEqual({ type: 'employee', id: 'erin', properties: { name: 'Erin', 'name.first': 'E' } });
  const answer = await company.evaluate({ ...body, resource: { type: 'employee', id: 'erin' } });
  const fields = answer.context?.obligations.find((o) => o.type === 'visible_fields')?.properties['fields'];
  const removed = answer.context?.obligations.find((o) => o.type === 'mask')?.properties['fields'];
  expect(fields).toContain('name');
  for (const field of removed as string[]) expect(fields).not.toContain(field);
  // Who can't carry it out is denied.
  const unable = await company.evaluate({ ...body, context: { token, supported_obligations: ['mask'] }, resource: { type: 'employee', id: 'erin' } });
  expect([unable.decision, unable.context?.reasons[0]?.code]).toEqual([false, 'obligation_unsupported']);
  await company.stop();
}); // prettier-ignore

/** The sample with a policy file more. */
async function companyWith(policies: string): Promise<Running> {
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  const directory = mkdtempSync(join(tmpdir(), 'remit-filter-'));
  for (const folder of ['schema', 'policies', 'fixtures'])
    cpSync(join(root, folder), join(directory, folder), { recursive: true });
  writeFileSync(join(directory, 'policies', 'more.cedar'), policies);
  const company = await start(join(directory, 'fixtures', 'acme.remit.yaml'));
  const stop: Running['stop'] = async (options) => {
    await company.stop(options);
    rmSync(directory, { recursive: true, force: true });
  };
  return { ...company, stop };
}

it('masks in the way that a duty says, the strictest of several', async () => {
  const company = await companyWith(
    `@id("hide-mail") @duty("mask:email=hash") permit (principal, action == HR::Action::"read", resource);
@id("hide-place") @duty("mask:location=last4, mask:title=redact") permit (principal, action == HR::Action::"read", resource);
@id("hide-place-more") @duty("mask:location=null") permit (principal is Agent, action == HR::Action::"read", resource);
`,
  );
  const token = await company.mint({ user: 'bob', agent: 'hr-assistant', scope: SCOPES });
  const given = (await records('employee', company)).filter(({ id }) => id === 'zoe');
  const body = { subject: { type: 'user', id: 'bob' }, action: { name: 'read' }, context: { token } };
  const [zoe] = (await filter({ ...body, records: given }, company)).records;
  expect(zoe?.properties).toMatchObject({ name: 'Zoe Martin', salary: 134_000, location: null, title: '[redacted]' });
  expect(zoe?.properties['email']).toMatch(/^[\w-]{43}$/);
  const answer = await company.evaluate({ ...body, resource: { type: 'employee', id: 'zoe' } });
  expect(answer.context?.obligations).toEqual([
    { id: 'mask', type: 'mask', properties: { fields: ['email', 'location', 'title'], modes: { email: 'hash', location: 'null', title: 'redact' } } },
  ]); // prettier-ignore
  await company.stop();
});
