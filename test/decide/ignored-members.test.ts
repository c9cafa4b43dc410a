/** The members of a question that nothing can read are named by the answer, or counted where there are many. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { MAX_NAMED_MEMBERS, MAX_PATH_LENGTH } from '../../src/decide/ignored-members.js';
import type { Decision } from '../../src/model/decision.js';
import type { Question } from '../../src/model/question.js';
import { redecide } from '../../src/records/redecide.js';
import { CLIENT, entity, SmallWorld } from '../law/small-world.js';
import { rulesOf } from '../policy/sources.js';
import { codes, startFiles, type Running } from '../support/sample.js';

const FILES = {
  zed: `caveat office_hours(hour int) {
  hour >= 9 && hour < 17
}

definition user {}
definition agent {
  relation delegator: user
}
definition doc {
  relation reader: user | user with office_hours
  permission read = reader
}
`,
  schema: `entity User { frozen?: Bool };
entity Agent { kind?: String };
entity Doc { status?: String, color?: String, at?: { city?: String }, marks?: Set<{ by?: String }> };
@scope("docs.read")
action "read" appliesTo { principal: [User, Agent], resource: [Doc], context: {
  action: { branch?: String }, request: { ip?: String }
} };
`,
  policies: `@id("all") permit (principal, action, resource);
@id("red") forbid (principal, action, resource) when { resource has color && resource.color == "red" };
`,
};
const RULES = rulesOf(FILES);
const STORED = {
  relationships: ['agent:a#delegator@user:ann', 'doc:plan#reader@user:ann'],
  entities: [entity('agent', 'a'), entity('user', 'ann'), entity('doc', 'plan')],
};
const TOKEN = { user: 'ann', agent: 'a', scope: 'docs.read' };

let world: SmallWorld;
beforeAll(async () => {
  world = await SmallWorld.open(RULES);
  return () => world.close();
});

interface Statements {
  readonly subject?: object;
  readonly action?: object;
  readonly resource?: object;
  readonly context?: object;
}
const ask = (stated: Statements, more: Partial<Question> = {}, by: 'client' | 'agent' = 'client'): Promise<Decision> =>
  world.ask(
    STORED,
    {
      subject: { type: 'user', id: 'ann', properties: { ...stated.subject } },
      action: { name: 'read', properties: { ...stated.action } },
      resource: { type: 'doc', id: 'plan', properties: { ...stated.resource } },
      context: { ...stated.context },
      ...more,
    },
    TOKEN,
    by,
  );

const undeclared = (path: string, meant?: string): object => ({
  path,
  cause: 'undeclared',
  ...(meant === undefined ? {} : { suggestion: `did you mean "${meant}"?` }),
});

describe('what a question states and nothing reads', () => {
  it('is named with what was probably meant', async () => {
    const { rationale } = await ask({
      subject: { frozn: true, act: { sub: 'a' } },
      action: { brnach: 'main' },
      resource: { colour: 'red', at: { citty: 'Bern' }, marks: [{ by: 'x' }, { bye: 'y' }] },
      context: { dryrun: true, hour: 10, purpose: 'pay', ip: '10.0.0.1', weather: 'fair' },
    });
    expect(rationale.ignored).toEqual({
      count: 7,
      members: [
        undeclared('subject.properties.frozn', 'frozen'),
        undeclared('action.properties.brnach', 'branch'),
        undeclared('resource.properties.colour', 'color'),
        undeclared('resource.properties.at.citty', 'city'),
        undeclared('resource.properties.marks[1].bye', 'by'),
        undeclared('context.dryrun', 'dry_run'),
        undeclared('context.weather'),
      ],
    });
  });

  it('is listed once of what the items of a batch share, whatever else each says', async () => {
    let listings = 0;
    const shared = new Proxy(Object.fromEntries(Array.from({ length: 2_500 }, (_, i) => [`k${i}`, 1])), {
      ownKeys: (members) => {
        listings += 1;
        return Reflect.ownKeys(members);
      },
    });
    const askShared = async (id: string): Promise<void> => {
      const { rationale } = await ask(
        {},
        {
          subject: { type: 'user', id: 'ann', properties: shared },
          action: { name: 'read', properties: shared },
          resource: { type: 'doc', id, properties: shared },
          context: shared,
        },
      );
      expect(rationale.ignored?.count).toBe(10_000);
    };
    await askShared('plan');
    const listingsOfOne = listings;
    for (const id of ['b', 'c', 'd', 'plan']) await askShared(id);
    expect(listings).toBe(listingsOfOne);
  });

  it('denies nothing, and what is all declared names nothing', async () => {
    const allowed = await ask({ resource: { colour: 'red' } });
    expect(allowed.decision).toBe(true);
    const plain = await ask({ resource: { color: 'green' }, context: { ip: '10.0.0.1' }, action: { branch: 'x' } });
    expect(plain.decision).toBe(true);
    expect(plain.rationale).not.toHaveProperty('ignored');
  });

  it('is also what policies are not given of this client', async () => {
    const client = { ...CLIENT, may: new Set(['evaluate'] as const) };
    const { rationale } = await ask({ subject: { frozen: true, nick: 'x' } }, { caller: { kind: 'client', client } });
    expect(rationale.ignored).toEqual({
      count: 2,
      members: [undeclared('subject.properties.nick'), { path: 'subject.properties.frozen', cause: 'not_asserted' }],
    });
  });

  it("is named of an agent's own question, though it is left out of it", async () => {
    const { decision, rationale } = await ask({ resource: { colour: 'red' }, action: { brnach: 'x' } }, {}, 'agent');
    expect(decision).toBe(true);
    expect(rationale.ignored?.members.map(({ path }) => path)).toEqual([
      'action.properties.brnach',
      'resource.properties.colour',
    ]);
  });

  it('is named without the secrets and the invisible characters that a slip has made a name', async () => {
    const token = `eyJ${'a'.repeat(300)}.eyJ${'b'.repeat(300)}.${'c'.repeat(86)}`;
    const context = {
      [token]: 1,
      'Bearer abcdefgh12345678': 1,
      'a\u202eb\u0007': 1,
      [`${'x'.repeat(380)}${token}`]: 1,
    };
    const { ignored } = (await ask({ context })).rationale;
    expect(ignored?.members.map(({ path }) => path)).toEqual([
      'context.[redacted]…',
      'context.Bearer [redacted]',
      'context.a�b�',
      `context.${'x'.repeat(91)}…`,
    ]);
  });

  it('is named or counted, whatever it is called, and a declared one never is', async () => {
    const declared = {
      subject: { frozen: false },
      action: { branch: 'x' },
      resource: { status: 's', color: 'green', at: { city: 'x' }, marks: [{ by: 'x' }] },
      context: { ip: 'x', hour: 10 },
    };
    const known = new Set(['act', 'purpose', ...Object.values(declared).flatMap((part) => Object.keys(part))]);
    const names = fc
      .oneof(
        fc.constantFrom('colour', 'statuss', 'hasOwnProperty', 'constructor', 'toString', 'länge', '💶'.repeat(80)),
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: 150 }),
      )
      .filter((name) => !known.has(name) && name !== '__proto__' && name.isWellFormed());
    const others = fc.uniqueArray(names, { maxLength: 12 });
    const part = fc.record({ others, withDeclared: fc.boolean() });
    const property = fc.asyncProperty(
      fc.record({ subject: part, action: part, resource: part, context: part }),
      fc.constantFrom('client' as const, 'agent' as const),
      async (parts, by) => {
        const entries = Object.entries(parts) as [keyof typeof parts, (typeof parts)['subject']][];
        const stated = Object.fromEntries(
          entries.map(([place, { others: undeclaredNames, withDeclared }]) => [
            place,
            {
              // An agent can't state what is declared elsewhere.
              ...(withDeclared && (by === 'client' || place === 'action') ? declared[place] : {}),
              ...Object.fromEntries(undeclaredNames.map((name) => [name, 1])),
            },
          ]),
        );
        const { ignored } = (await ask(stated, {}, by)).rationale;
        const expected = entries.flatMap(([place, { others: undeclaredNames }]) =>
          Object.keys(Object.fromEntries(undeclaredNames.map((name) => [name, 1]))).map(
            (name) => `${place === 'context' ? place : `${place}.properties`}.${name}`,
          ),
        );
        expect(ignored?.count ?? 0).toBe(expected.length);
        const members = ignored?.members ?? [];
        expect(members).toHaveLength(Math.min(expected.length, MAX_NAMED_MEMBERS));
        for (const [i, { path }] of members.entries()) {
          expect(path.length).toBeLessThanOrEqual(MAX_PATH_LENGTH);
          expect(path.isWellFormed()).toBe(true);
          const visible = expected[i]?.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '�');
          if (path !== visible) expect(visible?.startsWith(path.slice(0, -1))).toBe(true);
        }
      },
    );
    await fc.assert(property, { numRuns: 200 });
  });
});

describe('over HTTP', () => {
  let remit: Running;
  beforeAll(async () => {
    remit = await startFiles({
      'schema.zed': FILES.zed,
      'schema.cedarschema': FILES.schema,
      'policies/all.cedar': FILES.policies,
      'world.yaml': JSON.stringify({
        relationships: STORED.relationships.join('\n'),
        entities: STORED.entities.map(({ type, id }) => ({ type, id })),
      }),
    });
    return () => remit.stop();
  });
  const question = (properties: object): object => ({
    subject: { type: 'user', id: 'ann' },
    action: { name: 'read' },
    resource: { type: 'doc', id: 'plan', properties },
  });

  it('stands in the rationale and on record, from which it is decided again', async () => {
    const token = await remit.mint({ user: 'ann', agent: 'a', scope: 'docs.read' });
    const answer = await remit.evaluate({ ...question({ colour: 'red' }), context: { token } });
    expect(codes(answer)).toEqual([]);
    const ignored = { count: 1, members: [undeclared('resource.properties.colour', 'color')] };
    expect(answer.context?.rationale.ignored).toEqual(ignored);
    const record = (await remit.request('GET', `/v1/decisions/${answer.context?.id ?? ''}?values=true`)).json<
      Parameters<typeof redecide>[0]
    >();
    expect(record.rationale.ignored).toEqual(ignored);
    expect(JSON.stringify(record.facts)).not.toContain('colour');
    const again = redecide(record, remit.service.activePolicies.rules);
    expect(again.decision.rationale).toEqual(answer.context?.rationale);
  });

  it('is told an agent in its own words, without what the schema has', async () => {
    const token = await remit.mint({ user: 'ann', agent: 'a', scope: 'docs.read' });
    const reply = await remit.post('/access/v1/evaluation', question({ colour: 'red' }), {
      authorization: `Bearer ${token}`,
    });
    const { context } = reply.json<{ context: Record<string, unknown> }>();
    expect(context['ignored']).toEqual({ count: 1, members: [undeclared('resource.properties.colour')] });
    expect(context).not.toHaveProperty('rationale');
  });

  it('is not in an answer that is to be minimal', async () => {
    const token = await remit.mint({ user: 'ann', agent: 'a', scope: 'docs.read' });
    const reply = await remit.post(
      '/access/v1/evaluation',
      { ...question({ colour: 'red' }), context: { token } },
      { prefer: 'return=minimal' },
    );
    expect(reply.json()).toEqual({ decision: true });
  });
});
