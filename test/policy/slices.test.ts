/**
 * Slices: a slice must answer as the whole set does, and what it is not given must not matter. Both are held against
 * Cedar itself, over random policies and requests.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CedarValueJson, EntityJson } from '@cedar-policy/cedar-wasm/nodejs';
import { CedarEngine, type CedarAnswer, type CedarRequest } from '../../src/policy/cedar.js';
import type { ActingParties } from '../../src/model/acting.js';
import { isSameRef, type EntityRef } from '../../src/model/ids.js';
import { FindingCollector } from '../../src/diagnostics/diagnostics.js';
import { readPolicies, type Policy } from '../../src/policy/policies.js';
import type { CedarRequestFacts } from '../../src/policy/cedar-request-facts.js';
import { buildCedarRequest } from '../../src/policy/cedar-request.js';
import { canApply } from '../../src/policy/scope-match.js';
import { collectReads } from '../../src/policy/collect-reads.js';
import { describeMissingValues } from '../../src/policy/missing-values.js';
import { listNamesRead, type PolicyReads, type ValueReads } from '../../src/policy/policy-reads.js';
import { PolicySlices, type Slice } from '../../src/policy/slices.js';
import type { ActionOnResource, EntityType } from '../../src/policy/schema/action.js';
import { vocabularyOf } from './sources.js';
import { assertUntilSeen } from '../support/until-seen.js';

const zed = `
definition user {
  relation view: user
}
definition agent {
  relation delegator: user
}
definition doc {
  relation view: user
  relation edit: user
}
definition folder {
  relation view: user
  relation purge: user
}
`;
const vocabulary = vocabularyOf(
  `
  entity Group in [Group];
  entity User in [Group] { level: Long, name?: String, labels: Set<String> };
  entity Agent in [Group] { level: Long, name?: String, labels: Set<String> };
  namespace A {
    @object("folder") entity Folder in [Folder] { level: Long, name?: String };
    @object("doc") entity Doc in [Folder] { level: Long, name?: String, owner: User, meta: { level: Long, name?: String } };
    type Asked = {
      delegation: Remit::Delegation, can: { view: Bool }, now: datetime, local: Remit::Local,
      action: { level?: Long, name?: String }, request: { level?: Long, name?: String },
    };
    type AskedByUser = {
      delegation: Remit::Delegation, can: { view: Bool }, now: datetime, local: Remit::Local, user?: User,
      action: { level?: Long, name?: String }, request: { level?: Long, name?: String },
    };
    action "all";
    action "reads" in ["all", B::Action::"audited"];
    action "view" in ["reads"] appliesTo { principal: [User, Agent], resource: [Doc, Folder], context: AskedByUser };
    action "edit" in ["all"] appliesTo { principal: [User, Agent], resource: [Doc], context: Asked };
  }
  namespace B {
    action "audited";
    action "reads";
    action "view" appliesTo { principal: [User, Agent], resource: [User], context: A::Asked };
    action "purge" in ["audited", "reads"] appliesTo { principal: [User], resource: [A::Folder], context: A::Asked };
  }
`,
  zed,
);

/* Policies: any scope, and conditions that read, or only seem to read, every kind of thing in every kind of way. */

const pick = (...texts: string[]): fc.Arbitrary<string> => fc.constantFrom(...texts);
const PEOPLE = ['User::"1"', 'User::"2"', 'Agent::"1"', 'Group::"g1"', 'Group::"g2"'];
const THINGS = ['A::Doc::"1"', 'A::Doc::"2"', 'A::Folder::"1"', 'A::Folder::"f1"', 'User::"1"', 'Group::"g1"'];
const ACTIONS = [
  'A::Action::"all"',
  'A::Action::"reads"',
  'A::Action::"view"',
  'A::Action::"edit"',
  'B::Action::"audited"',
  'B::Action::"reads"',
  'B::Action::"purge"',
  'B::Action::"view"',
];

const entityScope = (name: string, uids: string[], types: string[]): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 2, arbitrary: fc.constant(name) },
    pick(...uids).map((uid) => `${name} == ${uid}`),
    pick(...uids).map((uid) => `${name} in ${uid}`),
    pick(...types).map((type) => `${name} is ${type}`),
    fc.tuple(pick(...types), pick(...uids)).map(([type, uid]) => `${name} is ${type} in ${uid}`),
  );
const actionScope = fc.oneof(
  fc.constant('action'),
  pick(...ACTIONS).map((uid) => `action == ${uid}`),
  pick(...ACTIONS).map((uid) => `action in ${uid}`),
  // A list must be of one type.
  fc.subarray(ACTIONS.slice(0, 4)).map((uids) => `action in [${uids.join(', ')}]`),
);

const { bool } = fc.letrec<Record<'bool' | 'long' | 'str' | 'entity' | 'record', string>>((tie) => {
  const of = (...parts: (string | fc.Arbitrary<string>)[]): fc.Arbitrary<string> =>
    fc.tuple(...parts.map((p) => (typeof p === 'string' ? fc.constant(p) : p))).map((texts) => texts.join(''));
  const [b, long, str, entity, record] = [tie('bool'), tie('long'), tie('str'), tie('entity'), tie('record')];
  const any = fc.oneof(long, str, entity, record);
  const member = pick('level', 'name', 'meta', 'owner', 'labels', 'user', 'can', 'view', 'action', '["request"]');
  const dot = member.map((m) => (m.startsWith('[') ? m : `.${m}`));
  const level = { maxDepth: 3, depthIdentifier: 'expression' };
  return {
    long: fc.oneof(
      level,
      pick('0', '1', '2', 'principal.level', 'resource.level', 'context.action.level', 'context.delegation.depth'),
      of(record, '.level'),
      of('(', entity, ')["level"]'),
      of('(', long, ' + ', long, ')'),
    ),
    str: fc.oneof(
      level,
      pick('"x"', '"y"', 'principal.name', 'context.request.name', 'context.delegation.mode', '"resource.level"'),
      of(record, '.name'),
      of(entity, '.name'),
    ),
    entity: fc.oneof(
      level,
      pick('principal', 'resource', 'context.user', 'resource.owner', ...PEOPLE, ...THINGS),
      of('(if ', b, ' then ', entity, ' else ', entity, ')'),
      of('{level: ', entity, '}.level'),
    ),
    record: fc.oneof(
      level,
      pick('context', 'context.action', 'context.request', 'context["request"]', 'context.can', 'resource.meta'),
      of('{level: ', long, ', name: ', str, '}'),
      of('{"action": ', record, '}.action'),
      of('(if ', b, ' then ', record, ' else ', record, ')'),
    ),
    bool: fc.oneof(
      level,
      pick(
        'true',
        'context.can.view',
        'context.now > datetime("2030-01-01")',
        'context.local.hour < 9',
        'context has user',
      ),
      pick('context has action.level', 'context has "request" && context.request has name', 'resource has meta.name'),
      pick('principal.labels.contains("x")', 'principal.labels.containsAny(["x", principal.name])'),
      of(any, ' == ', any),
      of(long, ' < ', long),
      of(str, ' like "x*"'),
      of(entity, ' in ', entity),
      of(entity, ' in [', entity, ', ', entity, ']'),
      of(entity, pick(' is User', ' is A::Doc', ' is A::Folder in A::Folder::"f1"')),
      of('action', pick(' in ', ' == '), pick(...ACTIONS)),
      of(
        fc.oneof(entity, record),
        ' has ',
        member.map((m) => m.replace(/[[\]]/g, '')),
      ),
      of(fc.oneof(entity, record), dot, ' == ', any),
      of('[', any, ', ', any, '].contains(', any, ')'),
      of('(', b, pick(' && ', ' || '), b, ')'),
      of('!(', b, ')'),
      of('(if ', b, ' then ', b, ' else ', b, ')'),
    ),
  };
});

const policyText = fc
  .record({
    effect: pick('permit', 'forbid'),
    principal: entityScope('principal', PEOPLE, ['User', 'Agent', 'Group']),
    action: actionScope,
    resource: entityScope('resource', THINGS, ['A::Doc', 'A::Folder', 'User', 'Group']),
    conditions: fc.array(fc.tuple(pick('when', 'unless'), bool), { maxLength: 2 }),
  })
  .map(({ effect, principal, action, resource, conditions }) => {
    const when = conditions.map(([kind, condition]) => ` ${kind} { ${condition} }`);
    return `${effect} (${principal}, ${action}, ${resource})${when.join('')};`;
  });
const policies = fc
  .tuple(fc.constantFrom([], ['permit (principal, action, resource);']), fc.array(policyText, { maxLength: 8 }))
  .map(([base, more]) => [...base, ...more])
  .filter((texts) => texts.length > 0);

/* Requests: any principal, action and resource that the vocabulary has, with any stored facts. As plain data, to be read. */

const kinds = vocabulary.actions.flatMap(({ name, resourceTypes, principalTypes }) =>
  resourceTypes.flatMap(({ object }) => principalTypes.map((principal) => `${principal.name} ${name} ${object}`)),
);
const word = fc.constantFrom('x', 'y', 'xyz');
const small = fc.record({ level: fc.nat({ max: 1 }), name: word }, { requiredKeys: [] });
const stored = fc.record({
  attributes: fc.record(
    {
      level: fc.nat({ max: 1 }),
      name: word,
      labels: fc.subarray(['x', 'y']),
      owner: fc.constantFrom('1', '2'),
      meta: fc.record({ level: fc.nat({ max: 1 }), name: word }, { requiredKeys: ['level'] }),
    },
    { requiredKeys: ['level', 'labels', 'owner', 'meta'] },
  ),
  // Of the wrong kind too: what is stored need not fit the schema of today. And `folder r1` may be above itself.
  ancestors: fc.subarray<EntityRef>([
    { type: 'group', id: 'g1' },
    { type: 'group', id: 'g2' },
    { type: 'folder', id: 'f1' },
    { type: 'folder', id: '1' },
  ]),
});
const question = fc.record({
  /** `User view doc` */
  kind: fc.constantFrom(...kinds),
  who: fc.constantFrom('1', '2'),
  what: fc.constantFrom('1', '2'),
  ofPrincipal: stored,
  ofResource: stored,
  ofUser: stored,
  /** Of everything else that a policy names or an attribute refers to. */
  ofOthers: stored,
  /** Behind an agent: somebody whom nothing else names (see "is given the user" for one whom an attribute names). */
  user: fc.constantFrom<(string | undefined)[]>('3', undefined),
  view: fc.boolean(),
  action: small,
  request: small,
});
type Question = typeof question extends fc.Arbitrary<infer T> ? T : never;

const KNOWN: Question['ofUser']['attributes'] = { level: 1, labels: [], owner: '2', meta: { level: 1 } };
const FOLDER_ONE: EntityRef = { type: 'folder', id: '1' };
const GROUP_TWO: EntityRef = { type: 'group', id: 'g2' };

/** An agent looks at folder 1, which are in these. */
function folderOne(ofPrincipal: EntityRef[], ofResource: EntityRef[]): Question {
  const plain: Question['ofUser']['attributes'] = { level: 0, labels: [], owner: '1', meta: { level: 0 } };
  return {
    kind: 'Agent view folder',
    who: '1',
    what: '1',
    ofPrincipal: { attributes: plain, ancestors: ofPrincipal },
    ofResource: { attributes: plain, ancestors: ofResource },
    ofUser: { attributes: plain, ancestors: [] },
    ofOthers: { attributes: plain, ancestors: [] },
    user: undefined,
    view: false,
    action: {},
    request: {},
  };
}

/** Principal 1 is in folder 1, the resource, which is in folder f1, which is in group g1. */
const byThreeSteps: Question = {
  ...folderOne([FOLDER_ONE], [{ type: 'folder', id: 'f1' }]),
  ofOthers: { attributes: KNOWN, ancestors: [{ type: 'group', id: 'g1' }] },
};

function actingParties(subject: EntityRef, human: boolean, user: EntityRef | undefined): ActingParties {
  if (human) return { mode: 'human', user: subject, chain: [] };
  if (user !== undefined) return { mode: 'delegated', user, agent: subject, chain: [], grant: undefined };
  return {
    mode: 'direct',
    agent: subject,
    chain: [],
    grant: {
      issuer: 'https://issuer.test',
      format: 'jwt',
      scopes: [],
      details: undefined,
      detailTypes: [],
      audience: 'remit',
      access: 'online',
      purpose: undefined,
      session: undefined,
      sessionEnded: false,
      txn: undefined,
      clientId: undefined,
      jti: undefined,
      profile: undefined,
      chainComplete: true,
      issuedAt: undefined,
      expiresAt: 4_000_000_000,
    },
  };
}

/** One question, and others that differ from it in a thing or two: what was kept for one may be asked for by the next. */
const questions = fc
  .tuple(
    question,
    fc.array(
      fc.tuple(
        question,
        fc.subarray<keyof Question>(
          [
            'kind',
            'who',
            'what',
            'ofPrincipal',
            'ofResource',
            'ofUser',
            'ofOthers',
            'user',
            'view',
            'action',
            'request',
          ],
          {
            minLength: 1,
            maxLength: 2,
          },
        ),
      ),
      { minLength: 3, maxLength: 8 },
    ),
  )
  .map(([first, others]) => [
    first,
    ...others.map(([other, fields]) => ({ ...first, ...Object.fromEntries(fields.map((f) => [f, other[f]])) })),
  ]);

interface Asked {
  readonly principal: EntityType;
  readonly on: ActionOnResource;
  readonly facts: CedarRequestFacts;
}

function askedOf({ kind, who, what, user, view, action, request, ...stored }: Question): Asked {
  const [type = '', name = '', object = ''] = kind.split(' ');
  const principal = vocabulary.entityTypes.get(type);
  const on = vocabulary.find(name, object);
  if (principal === undefined || on === undefined) throw new TypeError(`no such action or type: ${kind}`);
  const subject = { type: principal.object, id: who };
  const resource = { type: object, id: what };
  const human = subject.type === 'user';
  const behind = human ? subject : user === undefined ? undefined : { type: 'user', id: user };
  return {
    principal,
    on,
    facts: {
      acting: actingParties(subject, human, behind),
      action: on.action,
      resourceType: on.resourceType,
      resource,
      resourceProperties: {},
      subjectProperties: {},
      subject,
      actionProperties: action,
      context: request,
      entity: (ref) => {
        const find = (one: EntityRef): Question['ofUser'] => {
          const at = [subject, resource, behind].findIndex((known) => known !== undefined && isSameRef(known, one));
          // What nothing asks about is in groups only: Cedar refuses folders that are in each other.
          const { attributes, ancestors } = stored.ofOthers;
          const other = { attributes, ancestors: ancestors.filter(({ type }) => type === 'group') };
          return [stored.ofPrincipal, stored.ofResource, stored.ofUser][at] ?? other;
        };
        if (ref.type === 'group') return undefined;
        const { attributes, ancestors: parents } = find(ref);
        // As the store does: what it is in, and what that is in, as far as that goes.
        const ancestors = [...parents];
        for (const above of ancestors) {
          if (above.type === 'group') continue;
          const next = find(above).ancestors.filter((one) => !ancestors.some((known) => isSameRef(known, one)));
          ancestors.push(...next);
        }
        return { ...ref, attributes, parents, ancestors };
      },
      can: { view },
      agentCan: {},
      budget: undefined,
      consent: undefined,
      approval: undefined,
      now: new Date('2030-01-01T12:00:00Z'),
      history: () => ({}),
      zone: 'Asia/Kathmandu',
    },
  };
}

class Counting extends CedarEngine {
  calls = 0;
  override authorize(...call: Parameters<CedarEngine['authorize']>): CedarAnswer {
    this.calls += 1;
    return super.authorize(...call);
  }
}
const engine = new Counting();
/** Everything of the context, which is built apart from the entities. */
function readWholeContext({ principal, on }: Asked): PolicyReads {
  const unread = (type: ValueReads['type']): ValueReads => ({
    type,
    members: new Map(),
    whole: false,
    ancestors: false,
  });
  return {
    principal: unread({ kind: 'Entity', name: principal.name }),
    resource: unread({ kind: 'Entity', name: on.resourceType.name }),
    context: { ...unread({ kind: 'Record', members: on.action.context }), whole: true },
    literals: [], identities: true, namedEntities: new Set(), followsReferences: false, unbounded: false,
  }; // prettier-ignore
}

/** Every entity that a policy or an attribute can name, with all that is stored of it. */
function everyEntity({ facts }: Asked): EntityJson[] {
  const ids = { User: ['1', '2', '3'], Agent: ['1', '2'], 'A::Doc': ['1', '2'], 'A::Folder': ['1', '2', 'f1'] };
  const entities = Object.entries(ids).flatMap(([type, all]) =>
    all.map((id): EntityJson => {
      const stored = facts.entity({ type: vocabulary.objectOf(type), id });
      const { owner, ...attributes } = (stored?.attributes ?? {}) as Record<string, CedarValueJson>;
      const declared = Object.entries({ ...attributes, owner: { __entity: { type: 'User', id: owner as string } } });
      return {
        uid: { type, id },
        attrs: Object.fromEntries(
          declared.filter(([name]) => vocabulary.entityTypes.get(type)?.attributes[name] !== undefined),
        ),
        parents: (stored?.ancestors ?? [])
          .map((parent) => ({ type: parent.type === 'group' ? 'Group' : 'A::Folder', id: parent.id }))
          .filter((parent) => parent.type !== type || parent.id !== id),
      };
    }),
  );
  const actions = vocabulary.actions.map(({ uid, groups }): EntityJson => ({ uid, attrs: {}, parents: [...groups] }));
  return [...entities, ...actions];
}

/** The request as Cedar takes it with everything there is. */
function wholeRequest(asked: Asked): CedarRequest {
  return { ...requestOf(asked, readWholeContext(asked)), entities: everyEntity(asked) };
}

/** Policies called p0, p1, … in the order given. */
function readAll(texts: readonly string[]): Policy[] {
  const text = texts.map((one, i) => `@id("p${i}") ${one}`).join('\n');
  return readPolicies([{ name: 'p', text }], engine, new FindingCollector());
}

function askAll(list: readonly Policy[], request: CedarRequest): CedarAnswer {
  engine.define('all', Object.fromEntries(list.map((p) => [p.id, p.text])));
  return engine.authorize('all', request);
}

function requestOf({ facts, principal }: Asked, reads: PolicyReads): CedarRequest {
  const built = buildCedarRequest(facts, { ref: facts.subject, type: principal }, reads, vocabulary);
  if (!built.ok) throw new Error(describeMissingValues(built.missing));
  return built.request;
}

/** Without the texts of errors. */
const essence = (a: CedarAnswer) => ({ ...a, errors: a.errors.map((e) => e.policy).sort() });

describe('a slice', () => {
  it('answers as all the policies do, from what it reads as from everything, and again from what is kept', async () => {
    const seen = { allow: 0, deny: 0, errors: 0, sliced: 0, projected: 0, kept: 0 };
    const property = fc.property(policies, questions, (texts, asked) => {
      const list = readAll(texts);
      const slices = new PolicySlices('random', list, vocabulary, engine);
      for (const ask of asked.map(askedOf)) {
        const [slice, projected] = sliceAndRequest(slices, ask);
        const whole = wholeRequest(ask);
        const expected = essence(askAll(list, whole));
        expect(essence(engine.authorize(slice.setName, whole)), 'of the slice').toEqual(expected);
        const before = engine.calls;
        expect(essence(slices.ask(slice, projected)), 'of the slice, from what it reads').toEqual(expected);

        seen[expected.decision] += 1;
        if (engine.calls === before) seen.kept += 1;
        if (expected.errors.length > 0) seen.errors += 1;
        if (slice.policies.length < list.length) seen.sliced += 1;
        if (JSON.stringify(projected).length < JSON.stringify(whole).length) seen.projected += 1;
      }
    });
    // The property would be empty if the random policies did nothing.
    await assertUntilSeen(
      () =>
        fc.assert(property, {
          numRuns: 300,
          examples: [
            // In what the resource is in, by a parent that is the resource: not what it was kept for, in nothing.
            [
              ['permit (principal in Group::"g2", action, resource);'],
              [folderOne([], [GROUP_TWO]), folderOne([FOLDER_ONE], [GROUP_TWO])],
            ],
            // In the folder, and the folder itself.
            [
              ['permit (principal, action, resource == A::Folder::"1");'],
              [{ ...folderOne([], [FOLDER_ONE]), what: '2' }, folderOne([], [])],
            ],
            // In a group by three steps, the first of which is of a type that the schema doesn't let it be in.
            [['permit (principal in Group::"g1", action, resource);'], [byThreeSteps]],
          ],
        }),
      () => Object.entries(seen).flatMap(([what, times]) => (times > 100 ? [] : [what])),
    );
  });

  it.each([
    ['a group of actions, over several steps and namespaces', 'principal, action in A::Action::"all", resource'],
    ['one of another namespace', 'principal, action in B::Action::"audited", resource'],
    ['an ancestor of the principal', 'principal in Group::"g2", action, resource'],
    ['an ancestor of the resource', 'principal, action, resource in A::Folder::"f1"'],
    ['the action itself', 'principal, action in [A::Action::"edit", A::Action::"view"], resource'],
  ])('applies by %s', (_, scope) => {
    expect(answers([`permit (${scope});`], [VIEW])).toEqual([['allow', 'p0']]);
  });

  it('answers of a thing that is above itself as of any other', () => {
    const ancestors = ['1', 'f1'].map((id) => ({ type: 'folder', id }));
    const circle: Question = { ...VIEW, kind: 'User view folder', ofResource: { attributes: KNOWN, ancestors } };
    expect(answers(['permit (principal, action, resource in A::Folder::"f1");'], [circle])).toEqual([['allow', 'p0']]);
  });

  it('is given the user whether or not one of its policies reads who that is', () => {
    const owned: Question = { ...VIEW, kind: 'Agent view doc', user: '2' };
    const permit = 'permit (principal, action, resource);';
    const forbid =
      'forbid (principal, action, resource) when { resource.owner has level && resource.owner.level == 1 };';
    const unrelated = 'forbid (principal, action, resource) when { context has user && context.user == User::"9" };';
    expect(answers([permit, forbid, unrelated], [owned])).toEqual([['deny', 'p1']]);
    expect(answers([permit, forbid], [owned])).toEqual([['deny', 'p1']]);
  });

  it('is one set for all questions that the same policies can apply to', () => {
    const list = readAll([
      'permit (principal is User, action, resource);',
      'forbid (principal is Agent, action, resource);',
    ]);
    const slices = new PolicySlices('shared', list, vocabulary, engine);
    const of = (principal: string, action: string, object: string): ReturnType<PolicySlices['slice']> => {
      const on = vocabulary.find(action, object);
      const type = vocabulary.entityTypes.get(principal);
      if (on === undefined || type === undefined) throw new TypeError('no such action or type');
      return slices.slice(type, on.action, on.resourceType);
    };
    expect(of('User', 'view', 'doc')).toBe(of('User', 'view', 'doc'));
    expect(of('User', 'view', 'doc').setName).toBe(of('User', 'view', 'folder').setName);
    expect(of('User', 'view', 'doc').setName).toBe(of('User', 'edit', 'doc').setName);
    expect(of('User', 'view', 'doc').policies.map((p) => p.id)).toEqual(['p0']);
    expect(of('Agent', 'view', 'doc').policies.map((p) => p.id)).toEqual(['p1']);
    expect(of('Agent', 'view', 'doc').setName).not.toBe(of('User', 'view', 'doc').setName);
  });
});

/* One question that is like another, and the answers of one slice to several, one after the other. */

const VIEW: Question = {
  kind: 'User view doc',
  who: '1',
  what: '1',
  ofPrincipal: { attributes: KNOWN, ancestors: [{ type: 'group', id: 'g2' }] },
  ofResource: { attributes: KNOWN, ancestors: [{ type: 'folder', id: 'f1' }] },
  ofUser: { attributes: KNOWN, ancestors: [] },
  ofOthers: { attributes: { ...KNOWN, level: 0 }, ancestors: [] },
  user: undefined,
  view: true,
  action: {},
  request: {},
};
/** An action whose context says nothing of the user, who would tell most questions apart. */
const EDIT: Question = { ...VIEW, kind: 'User edit doc' };

function answers(texts: readonly string[], asked: readonly Question[]): string[][] {
  const slices = new PolicySlices('directed', readAll(texts), vocabulary, engine);
  return asked.map((question) => {
    const { decision, determining, errors } = slices.ask(...sliceAndRequest(slices, askedOf(question)));
    return [decision, ...determining, ...errors.map((e) => `error in ${e.policy}`)];
  });
}

describe('an answer is kept', () => {
  const permitWhen = (condition: string): string[] => [`permit (principal, action, resource) when { ${condition} };`];
  const ALLOW = ['allow', 'p0'];
  const DENY = ['deny'];
  const ERROR = ['deny', 'error in p0'];
  const other = (change: Partial<Question>): Question[] => [EDIT, { ...EDIT, ...change }, EDIT];

  it('for all that differs only in what is not read', () => {
    const slices = new PolicySlices(
      'kept',
      readAll(permitWhen('principal.level == 1 && context.request.level == 2')),
      vocabulary,
      engine,
    );
    const ask = (change: Partial<Question>): CedarAnswer => {
      const asked = askedOf({ ...EDIT, request: { level: 2 }, ...change });
      return slices.ask(...sliceAndRequest(slices, asked));
    };
    const before = engine.calls;
    const first = ask({});
    expect(first.decision).toBe('allow');
    expect(ask({ who: '2', what: '2', view: false, action: { level: 1 } })).toBe(first);
    expect(ask({ request: { level: 2, name: 'x' }, ofResource: { attributes: KNOWN, ancestors: [] } })).toBe(first);
    expect(ask({ ofPrincipal: { attributes: { ...KNOWN, name: 'x', level: 1 }, ancestors: [] } })).toBe(first);
    expect(engine.calls).toBe(before + 1);
    expect(ask({ request: { level: 1 } }).decision).toBe('deny');
    expect(ask({ ofPrincipal: { attributes: { ...KNOWN, level: 0 }, ancestors: [] } }).decision).toBe('deny');
    expect(engine.calls).toBe(before + 3);
  });

  it.each<[string, string, string[][], Question[]]>([
    ['compared', 'principal == User::"1"', [ALLOW, DENY, ALLOW], other({ who: '2' })],
    ['in a list', '[principal].contains(User::"1")', [ALLOW, DENY, ALLOW], other({ who: '2' })],
    ['in a record', '{a: principal}.a == User::"1"', [ALLOW, DENY, ALLOW], other({ who: '2' })],
    ['against an attribute', 'resource.owner == principal', [DENY, ALLOW, DENY], other({ who: '2' })],
    ['by what it is in', 'principal in Group::"g2"', [ALLOW, DENY, ALLOW], other({ ofPrincipal: EDIT.ofUser })],
    ['in a choice', '(if true then principal else resource) == User::"1"', [ALLOW, DENY, ALLOW], other({ who: '2' })],
  ])('but not for another principal where it is read, %s', (_, condition, expected, asked) => {
    expect(answers(permitWhen(condition), asked)).toEqual(expected);
  });

  it.each<[string, string, string[][], Question[]]>([
    ['compared', 'resource == A::Doc::"1"', [ALLOW, DENY, ALLOW], other({ what: '2' })],
    ['by what it is in', 'resource in A::Folder::"f1"', [ALLOW, DENY, ALLOW], other({ ofResource: EDIT.ofUser })],
    ['in a list', '[resource].contains(A::Doc::"1")', [ALLOW, DENY, ALLOW], other({ what: '2' })],
  ])('nor for another resource where it is read, %s', (_, condition, expected, asked) => {
    expect(answers(permitWhen(condition), asked)).toEqual(expected);
  });

  it.each<[string, Partial<Question>]>([
    ['principal == User::"1", action, resource', { who: '2' }],
    ['principal in Group::"g2", action, resource', { ofPrincipal: EDIT.ofUser }],
    ['principal is User in Group::"g2", action, resource', { ofPrincipal: EDIT.ofUser }],
    ['principal, action, resource == A::Doc::"1"', { what: '2' }],
    ['principal, action, resource in A::Folder::"f1"', { ofResource: EDIT.ofUser }],
    ['principal, action, resource is A::Doc in A::Folder::"f1"', { ofResource: EDIT.ofUser }],
  ])('nor for others by the scope (%s)', (scope, change) => {
    expect(answers([`permit (${scope});`], other(change))).toEqual([ALLOW, DENY, ALLOW]);
  });

  it('nor where one is held against the other', () => {
    const ancestors = [{ type: 'folder', id: '1' }];
    const within: Question = { ...EDIT, kind: 'User purge folder', ofPrincipal: { attributes: KNOWN, ancestors } };
    const asked = [within, { ...within, what: '2' as const }, within];
    expect(answers(permitWhen('principal in resource'), asked)).toEqual([ALLOW, DENY, ALLOW]);
  });

  it('nor where the user is another, or otherwise', () => {
    const behind: Question = { ...VIEW, kind: 'Agent view doc', user: '3' };
    const lower: Question = { ...behind, ofUser: { attributes: { ...KNOWN, level: 0 }, ancestors: [] } };
    const nobody: Question = { ...behind, user: undefined };
    expect(answers(permitWhen('context.user.level == 1'), [behind, lower, behind, nobody])).toEqual([
      ALLOW,
      DENY,
      ALLOW,
      ERROR,
    ]);
  });

  it.each<[string, string, string[][]]>([
    ['attributes of an attribute', 'resource.owner.level == 1', [DENY, ALLOW, DENY]],
    ['whether one is there', 'resource.owner has level', [ALLOW, ALLOW, ALLOW]],
    ['parents of an attribute', 'resource.owner in Group::"g2"', [DENY, ALLOW, DENY]],
    ['attributes of one who is named', 'User::"2".level == 1', [DENY, ALLOW, DENY]],
    ['parents of one who is named', 'User::"2" in Group::"g2"', [DENY, ALLOW, DENY]],
    ['the same in a list', '[User::"2"].contains(resource.owner) && User::"2".level == 1', [DENY, ALLOW, DENY]],
  ])('nor for a principal who is one that is read behind a reference: %s', (_, condition, expected) => {
    expect(answers(permitWhen(condition), other({ who: '2' }))).toEqual(expected);
  });

  it.each([
    ['an attribute', 'resource.owner.level == 1'],
    ['one who is named', 'User::"2".level == 1'],
  ])('nor where one that is read behind a reference is otherwise: %s', (_, condition) => {
    const higher = { ofOthers: { attributes: KNOWN, ancestors: [] } };
    expect(answers(permitWhen(condition), other(higher))).toEqual([DENY, ALLOW, DENY]);
  });

  it.each<[string, string, Partial<Question>]>([
    [
      'an attribute of the resource',
      'resource.meta == {level: 1}',
      { ofResource: { attributes: { ...KNOWN, meta: { level: 0 } }, ancestors: [] } },
    ],
    [
      'a record as a whole',
      'resource.meta == {level: 1}',
      { ofResource: { attributes: { ...KNOWN, meta: { level: 1, name: 'x' } }, ancestors: [] } },
    ],
    [
      'a record of the context as a whole',
      '[{level: 1}, {level: 0}].contains(context.request) == false',
      { request: { level: 1 } },
    ],
    ['the context as a whole', '[context].contains({}) == (context.can.view == false)', { view: false }],
  ])('nor where %s differs', (_, condition, change) => {
    const [first = [], second = [], third = []] = answers(permitWhen(condition), other(change));
    expect([first, third]).toEqual([ALLOW, ALLOW]);
    expect(second).toEqual(DENY);
  });

  it('but no error, whose message names those at hand', () => {
    const slices = new PolicySlices('errors', readAll(permitWhen('principal.missing == 1')), vocabulary, engine);
    const messageFor = (who: '1' | '2'): string | undefined =>
      slices.ask(...sliceAndRequest(slices, askedOf({ ...EDIT, who }))).errors[0]?.message;
    expect(messageFor('1')).toContain('`User::"1"`');
    expect(messageFor('2')).toContain('`User::"2"`');
  });
});

function sliceAndRequest(slices: PolicySlices, ask: Asked): [Slice, CedarRequest] {
  const slice = slices.slice(ask.principal, ask.on.action, ask.on.resourceType);
  return [slice, requestOf(ask, slice.reads)];
}

describe('canApply', () => {
  const matching = (scope: string): string[] => {
    const [policy] = readAll([`permit (${scope});`]);
    return vocabulary.actions
      .flatMap((action) =>
        action.resourceTypes.flatMap((resource) => action.principalTypes.map((p) => ({ p, action, resource }))),
      )
      .filter(({ p, action, resource }) => policy !== undefined && canApply(policy.json, p, action, resource))
      .map(({ p, action, resource }) => `${p.name} ${action.name} ${resource.name.replace('A::', '')}`)
      .sort();
  };
  const users = ['User edit Doc', 'User purge Folder', 'User view Doc', 'User view Folder', 'User view User'];
  const agents = ['Agent edit Doc', 'Agent view Doc', 'Agent view Folder', 'Agent view User'];

  it.each([
    ['principal, action, resource', [...agents, ...users]],
    ['principal is Agent, action, resource', agents],
    ['principal is Agent in Group::"g", action, resource', agents],
    ['principal is Group, action, resource', []],
    ['principal == Agent::"a", action, resource', agents],
    ['principal == Group::"g", action, resource', []],
    // What is stored decides, so these are never ruled out.
    ['principal in Group::"g", action, resource', [...agents, ...users]],
    ['principal in Agent::"a", action, resource', [...agents, ...users]],
    ['principal, action, resource in Group::"g"', [...agents, ...users]],
    ['principal, action == A::Action::"edit", resource', ['Agent edit Doc', 'User edit Doc']],
    ['principal, action == A::Action::"reads", resource', []],
    ['principal, action == B::Action::"view", resource', ['Agent view User', 'User view User']],
    ['principal, action in A::Action::"edit", resource', ['Agent edit Doc', 'User edit Doc']],
    ['principal is User, action in A::Action::"all", resource', ['User edit Doc', 'User view Doc', 'User view Folder']],
    ['principal is User, action in A::Action::"reads", resource', ['User view Doc', 'User view Folder']],
    ['principal is User, action in B::Action::"reads", resource', ['User purge Folder']],
    [
      'principal is User, action in B::Action::"audited", resource',
      ['User purge Folder', 'User view Doc', 'User view Folder'],
    ],
    [
      'principal is User, action in [A::Action::"edit", A::Action::"reads"], resource is A::Doc',
      ['User edit Doc', 'User view Doc'],
    ],
    ['principal is User, action in [], resource', []],
    ['principal is User, action, resource == A::Folder::"f"', ['User purge Folder', 'User view Folder']],
    ['principal is User, action, resource is A::Folder in A::Folder::"f"', ['User purge Folder', 'User view Folder']],
  ])('permit (%s)', (scope, expected) => expect(matching(scope)).toEqual(expected));
});

describe('collectReads', () => {
  const reads = (...conditions: string[]): [string[], boolean] => {
    const { principal, on } = askedOf(VIEW);
    const collected = collectReads(
      readAll(conditions.map((c) => `permit (principal, action, resource) when { ${c} };`)),
      { principal, action: on.action, resource: on.resourceType },
      vocabulary,
    );
    return [[...listNamesRead(collected)].sort(), collected.context.whole];
  };

  it.each<[string, string[], boolean]>([
    ['true', [], false],
    ['principal.level > resource.meta.level', ['level', 'meta'], false],
    ['principal has name', ['name'], false],
    // What the schema doesn't declare is never supplied, so it isn't read.
    ['context has action.branch.name', ['action'], false],
    ['resource["odd name"] == "level"', [], false],
    ['resource["name"] == "level"', ['name'], false],
    ['context.can.view', ['can', 'view'], false],
    ['context.can == {view: true}', ['can'], false],
    ['context == {view: true}', [], true],
    ['{a: context}.a.request.name == "x"', ['name', 'request'], false],
    ['[context].contains({x: resource.level})', ['level'], true],
    ['(if principal.level == 1 then context else context.request).name == "x"', ['level', 'name', 'request'], false],
    ['principal in resource.owner', ['owner'], false],
    ['!principal.labels.containsAny([resource.name])', ['labels', 'name'], false],
    ['resource.name like "*level*"', ['name'], false],
    ['context.now.toTime() < duration("5h")', ['now'], false],
    ['ip(context.request.name).isInRange(ip("10.0.0.0/8"))', ['name', 'request'], false],
    ['resource.owner.name == resource.name', ['name', 'owner'], false],
    [
      'if principal is User in Group::"g" then principal.level == 1 else resource.name == "x"',
      ['level', 'name'],
      false,
    ],
  ])('when { %s }', (condition, names, whole) => {
    expect(reads(condition)).toEqual([names, whole]);
    expect(reads('resource.owner == principal', condition)).toEqual([[...new Set([...names, 'owner'])].sort(), whole]);
  });
});
