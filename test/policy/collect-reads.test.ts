/**
 * What policies read behind references: over random schemas, policies and stored entities, a request with only what the
 * policies were found to read must be answered as Cedar answers one that is given every entity there is.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CedarValueJson, EntityJson } from '@cedar-policy/cedar-wasm/nodejs';
import { MemoryEntities } from '../../src/author/test/memory-entities.js';
import { FindingCollector } from '../../src/diagnostics/diagnostics.js';
import type { EntityMap, StoredEntity } from '../../src/model/entities.js';
import { formatRef, type EntityRef } from '../../src/model/ids.js';
import type { CedarRequestFacts } from '../../src/policy/cedar-request-facts.js';
import { buildCedarRequest, listStatedEntities, toStoredRef } from '../../src/policy/cedar-request.js';
import { CedarEngine, type CedarAnswer, type CedarRequest } from '../../src/policy/cedar.js';
import { collectReads } from '../../src/policy/collect-reads.js';
import { describeMissingValues } from '../../src/policy/missing-values.js';
import { readPolicies, type Policy } from '../../src/policy/policies.js';
import { type PolicyReads, type QuestionTypes, type ValueReads } from '../../src/policy/policy-reads.js';
import { listReferenceSteps } from '../../src/policy/reached-entities.js';
import { isActionType } from '../../src/policy/schema/uid.js';
import { joinSchemaFiles, parseCedarSchema } from '../../src/policy/schema/read.js';
import { readVocabulary, type Vocabulary } from '../../src/policy/schema/vocabulary.js';
import { GraphSchema } from '../../src/graph/schema/schema.js';

const engine = new CedarEngine();

function readAll(texts: readonly string[]): Policy[] {
  const text = texts.map((one, i) => `@id("p${i}") ${one}`).join('\n');
  const findings = new FindingCollector();
  const policies = readPolicies([{ name: 'p', text }], engine, findings);
  expect(findings.all).toEqual([]);
  return policies;
}

/* Random schemas: types that refer to each other in every way, and form cycles. */

const TYPES = ['User', 'Doc', 'T0', 'T1', 'T2'] as const;
type TypeName = (typeof TYPES)[number];
interface RandomType {
  /** The types that the references `a`, `b` (optional), `r.a`, `r.q.b` and those of the set `g` lead to. */
  readonly refs: readonly [TypeName, TypeName, TypeName, TypeName, TypeName];
  readonly parents: readonly TypeName[];
  /** Whether every attribute is optional. */
  readonly loose: boolean;
}
type RandomSchema = Readonly<Record<TypeName, RandomType>>;

const typeName = fc.constantFrom(...TYPES);
const randomType: fc.Arbitrary<RandomType> = fc.record({
  refs: fc.tuple(typeName, typeName, typeName, typeName, typeName),
  parents: fc.subarray([...TYPES]),
  loose: fc.boolean(),
});
const schema: fc.Arbitrary<RandomSchema> = fc.record({
  User: randomType, Doc: randomType, T0: randomType, T1: randomType, T2: randomType,
}); // prettier-ignore

function schemaText(types: RandomSchema): string {
  const declarations = TYPES.map((name) => {
    const { refs, parents, loose } = types[name];
    const q = loose ? '?' : '';
    const within = parents.length === 0 ? '' : ` in [${parents.join(', ')}]`;
    return `entity ${name}${within} { n${q}: Long, s?: String, a${q}: ${refs[0]}, b?: ${refs[1]},
      r${q}: { n: Long, a?: ${refs[2]}, q?: { b: ${refs[3]}, s?: String } }, g${q}: Set<${refs[4]}> };`;
  });
  return `${declarations.join('\n')}
    action "all"; action "reads" in ["all"];
    action "view" in ["reads"] appliesTo { principal: [User], resource: [Doc],
      context: { user?: User, can: { view: Bool }, action: { target?: T0, n?: Long, deep?: { target: T1 } }, request: { target?: Doc } } };`;
}
const ZED_WITH_VIEW = 'definition user {}\ndefinition doc {\n  relation owner: user\n  permission view = owner\n}\n';

/* Random policies over such a schema: paths over references, used in every way. */

const IDS = ['0', '1', '2'];
/** A path that is written without regard to whether an optional attribute is there: some policies fail, as they must. */
const path: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom(
      'principal', 'resource', 'context.user', 'context.action.target', 'context.action.deep.target',
      'context.request.target', 'context["user"]', 'User::"0"', 'T0::"1"', 'Doc::"2"',
    ),
    fc.array(fc.constantFrom('.a', '.a', '.b', '.r.a', '.r.q.b', '["a"]'), { maxLength: 3 }),
  )
  .map(([root, steps]) => root + steps.join('')); // prettier-ignore
const name = fc.constantFrom('n', 's', 'a', 'b', 'r', 'g', 'r.a', 'r.q.b', 'a.n', 'b.r.a.n', 'other');
const condition: fc.Arbitrary<string> = fc.letrec<{ entity: string; bool: string }>((tie) => {
  const level = { maxDepth: 3, depthIdentifier: 'expression' };
  const text = (...parts: (string | fc.Arbitrary<string>)[]): fc.Arbitrary<string> =>
    fc.tuple(...parts.map((part) => (typeof part === 'string' ? fc.constant(part) : part))).map((all) => all.join(''));
  return {
    entity: fc.oneof(
      level,
      { weight: 5, arbitrary: path },
      text('(if ', tie('bool'), ' then ', tie('entity'), ' else ', tie('entity'), ')'),
      text('{x: {y: ', tie('entity'), '}}.x.y'),
    ),
    bool: fc.oneof(
      level,
      text(tie('entity'), '.n == 1'),
      text(tie('entity'), ' has ', name),
      text(path, ' has b && ', path, '.b.n < 2'),
      text(tie('entity'), ' in ', tie('entity')),
      text(tie('entity'), ' in ', path, '.g'),
      text(tie('entity'), ' in [', tie('entity'), ', T1::"0"]'),
      text(tie('entity'), ' is T1 in ', tie('entity')),
      text(tie('entity'), ' == ', tie('entity')),
      text(path, '.g.contains(', tie('entity'), ')'),
      text(path, '.r == ', path, '.r'),
      text(path, '.r.q == {b: ', tie('entity'), '}'),
      text('[', path, '.r].contains(', path, '.r)'),
      text(path, '.s like "x*"'),
      text('context.can == {view: ', tie('bool'), '}'),
      text('action in Action::"all" && Action::"view" in Action::"reads" && ', tie('bool')),
      text('(', tie('bool'), ' && ', tie('bool'), ')'),
      text('(', tie('bool'), ' || ', tie('bool'), ')'),
      text('!(', tie('bool'), ')'),
    ),
  };
}).bool;
const policyText = fc
  .record({
    effect: fc.constantFrom('permit', 'forbid'),
    principal: fc.constantFrom('principal', 'principal in User::"0"', 'principal is User in T0::"1"'),
    resource: fc.constantFrom('resource', 'resource in Doc::"1"', 'resource == Doc::"0"'),
    conditions: fc.array(fc.tuple(fc.constantFrom('when', 'unless'), condition), { minLength: 1, maxLength: 2 }),
  })
  .map(({ effect, principal, resource, conditions }) => {
    const clauses = conditions.map(([kind, text]) => ` ${kind} { ${text} }`);
    return `${effect} (${principal}, action, ${resource})${clauses.join('')};`;
  });

/* Random entities, each with everything that its type declares; some are not stored at all. */

interface RandomEntity {
  readonly stored: boolean;
  readonly n: number;
  readonly s: string | undefined;
  readonly refs: readonly string[];
  readonly hasB: boolean;
  readonly hasRecordRefs: boolean;
  readonly g: readonly string[];
  readonly parents: readonly string[];
}
const id = fc.constantFrom(...IDS);
const randomEntity: fc.Arbitrary<RandomEntity> = fc.record({
  stored: fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  n: fc.nat({ max: 2 }),
  s: fc.constantFrom(undefined, 'x', 'y'),
  refs: fc.array(id, { minLength: 5, maxLength: 5 }),
  hasB: fc.boolean(),
  hasRecordRefs: fc.boolean(),
  g: fc.subarray(IDS),
  parents: fc.array(id, { minLength: TYPES.length, maxLength: TYPES.length }),
});
const entities = fc.array(randomEntity, { minLength: 15, maxLength: 15 });

const objectName = (type: TypeName): string => type.toLowerCase();

const rank = (object: string, entityId: string): number =>
  TYPES.findIndex((type) => objectName(type) === object) * IDS.length + Number(entityId);

/** Some references are stored as ids, others in full. */
function storedEntities(types: RandomSchema, all: readonly RandomEntity[]): StoredEntity[] {
  return TYPES.flatMap((type, t) =>
    IDS.flatMap((entityId, i): StoredEntity[] => {
      const entity = all[t * IDS.length + i];
      const declared = types[type];
      if (entity === undefined || (declared.loose && !entity.stored)) return [];
      const [a, b, ra, rqb] = entity.refs;
      const record = {
        n: entity.n,
        ...(entity.hasRecordRefs ? { a: { type: objectName(declared.refs[2]), id: ra }, q: { b: rqb } } : {}),
      };
      return [
        {
          type: objectName(type),
          id: entityId,
          attributes: {
            n: entity.n, a, r: record, g: entity.g,
            ...(entity.s === undefined ? {} : { s: entity.s }),
            ...(entity.hasB ? { b: { type: declared.refs[1], id: b } } : {}),
          },
          parents: declared.parents
            .map((parent, k) => ({ type: objectName(parent), id: entity.parents[k] ?? '0' }))
            // Upwards only, since Cedar refuses entities that are in each other.
            .filter((parent) => rank(parent.type, parent.id) > rank(objectName(type), entityId)),
        },
      ]; // prettier-ignore
    }),
  );
}

/** Every stored entity as Cedar takes it, converted without the code under test. */
async function convertAll(
  types: RandomSchema,
  stored: readonly StoredEntity[],
  memory: MemoryEntities,
): Promise<EntityJson[]> {
  const reference = (type: TypeName, value: unknown): CedarValueJson => ({
    __entity: { type, id: typeof value === 'string' ? value : (value as EntityRef).id },
  });
  const typeOf = (object: string): TypeName => TYPES.find((type) => objectName(type) === object) as TypeName;
  const withAncestors = await memory.lookup(stored);
  return withAncestors.map((entity) => {
    if (entity === undefined) throw new TypeError('was stored');
    const type = typeOf(entity.type);
    const { refs } = types[type];
    const { a, b, r, g, ...plain } = entity.attributes as Record<string, unknown>;
    const { a: ra, q, ...record } = r as { a?: unknown; q?: { b: unknown }; n: number };
    return {
      uid: { type, id: entity.id },
      attrs: {
        ...(plain as Record<string, CedarValueJson>),
        a: reference(refs[0], a),
        ...(b === undefined ? {} : { b: reference(refs[1], b) }),
        r: {
          ...record,
          ...(ra === undefined ? {} : { a: reference(refs[2], ra) }),
          ...(q === undefined ? {} : { q: { b: reference(refs[3], q.b) } }),
        },
        g: (g as string[]).map((one) => reference(refs[4], one)),
      },
      parents: entity.ancestors.map((parent) => ({ type: typeOf(parent.type), id: parent.id })),
    };
  });
}

interface World {
  readonly types: RandomSchema;
  readonly policies: readonly string[];
  readonly stored: readonly RandomEntity[];
  readonly who: string;
  readonly what: string;
  readonly target: string | undefined;
  /** The owner that the client states in place of the stored one. */
  readonly statedA: string | undefined;
}
const world: fc.Arbitrary<World> = fc.record({
  types: schema,
  policies: fc
    .tuple(fc.subarray(['permit (principal, action, resource);']), fc.array(policyText, { minLength: 1, maxLength: 3 }))
    .map(([base, more]) => [...base, ...more]),
  stored: entities,
  who: id,
  what: id,
  target: fc.option(id, { nil: undefined, freq: 4 }),
  statedA: fc.option(id, { nil: undefined, freq: 4 }),
});

interface Prepared {
  readonly vocabulary: Vocabulary;
  readonly types: QuestionTypes;
  readonly policies: readonly Policy[];
  readonly facts: CedarRequestFacts;
  readonly memory: MemoryEntities;
  /** The request as Cedar is given it with every entity that there is. */
  readonly whole: CedarRequest;
}

const WHOLE_CONTEXT = (types: QuestionTypes): PolicyReads => {
  const unread = (type: ValueReads['type']): ValueReads => ({
    type,
    members: new Map(),
    whole: false,
    ancestors: false,
  });
  return {
    principal: unread({ kind: 'Entity', name: types.principal.name }),
    resource: unread({ kind: 'Entity', name: types.resource.name }),
    context: { ...unread({ kind: 'Record', members: types.action.context }), whole: true },
    literals: [], identities: true, namedEntities: new Set(), followsReferences: false, unbounded: false,
  }; // prettier-ignore
};

const graph = GraphSchema.parse(ZED_WITH_VIEW, 'graph.zed');

function readSchema(text: string): Vocabulary {
  const findings = new FindingCollector();
  const schema = parseCedarSchema(joinSchemaFiles([{ name: 'schema', text }]), engine, findings);
  if (schema === undefined) throw new TypeError(JSON.stringify(findings.all));
  return readVocabulary(schema, graph);
}

/** The entities with what the request says of its resource, which is one of them even where nothing of it is stored. */
function withStatedA(entities: readonly EntityJson[], { types, what, statedA }: World): EntityJson[] {
  if (statedA === undefined) return [...entities];
  const isResource = ({ uid }: EntityJson): boolean => {
    const { type, id: entityId } = uid as { type: string; id: string };
    return type === 'Doc' && entityId === what;
  };
  const resource = entities.find(isResource) ?? { uid: { type: 'Doc', id: what }, attrs: {}, parents: [] };
  const a = { __entity: { type: types.Doc.refs[0], id: statedA } };
  return [...entities.filter((entity) => !isResource(entity)), { ...resource, attrs: { ...resource.attrs, a } }];
}

async function prepare(w: World): Promise<Prepared> {
  const vocabulary = readSchema(schemaText(w.types));
  const target = vocabulary.find('view', 'doc');
  const principal = vocabulary.entityTypes.get('User');
  if (target === undefined || principal === undefined) throw new TypeError('no such action');
  const types = { principal, action: target.action, resource: target.resourceType };
  const stored = storedEntities(w.types, w.stored);
  const memory = new MemoryEntities();
  memory.set(stored);
  const subject = { type: 'user', id: w.who };
  const facts: CedarRequestFacts = {
    acting: { mode: 'human', user: subject, chain: [] },
    action: target.action,
    resourceType: target.resourceType,
    resource: { type: 'doc', id: w.what },
    resourceProperties: w.statedA === undefined ? {} : { a: w.statedA },
    subjectProperties: {},
    subject,
    actionProperties:
      w.target === undefined ? {} : { target: w.target, deep: { target: { type: 't1', id: w.target } } },
    context: w.target === undefined ? {} : { target: { type: 'Doc', id: w.target } },
    entity: () => undefined,
    can: { view: true },
    agentCan: {},
    budget: undefined,
    consent: undefined,
    approval: undefined,
    now: new Date('2030-01-01T12:00:00Z'),
    history: () => ({}),
    zone: 'UTC',
  };
  const all = withStatedA(await convertAll(w.types, stored, memory), w);
  const principalRef = { ref: subject, type: principal };
  const loose = {
    ...facts,
    entity: (ref: EntityRef) => ({
      ...ref,
      attributes: { n: 0, a: '0', r: { n: 0 }, g: [] },
      parents: [],
      ancestors: [],
    }),
  };
  const context = buildCedarRequest(loose, principalRef, WHOLE_CONTEXT(types), vocabulary);
  if (!context.ok) throw new TypeError(describeMissingValues(context.missing));
  const actions = ['view', 'reads'].map((name): EntityJson => ({
    uid: { type: 'Action', id: name },
    attrs: {},
    parents: [...vocabulary.groupsOf({ type: 'Action', id: name })],
  }));
  const whole = { ...context.request, entities: [...all, ...actions] };
  return { vocabulary, types, policies: readAll(w.policies), facts, memory, whole };
}

/** The request with only what was found to be read, of entities that were fetched as a decision fetches them. */
async function buildRead(
  { vocabulary, types, facts, memory }: Prepared,
  reads: PolicyReads,
): Promise<ReturnType<typeof buildCedarRequest>> {
  const principal = { ref: facts.subject, type: types.principal };
  const needs = listStatedEntities(facts, principal, reads, vocabulary)
    .filter(({ uid }) => !isActionType(uid.type))
    .map((one) => ({ ...toStoredRef(one.uid, vocabulary), steps: listReferenceSteps(one.reads, vocabulary.objectOf) }));
  const fetched: EntityMap = await memory.fetch(needs);
  const entity = (ref: EntityRef) => {
    const key = formatRef(ref);
    if (!fetched.has(key)) throw new Error(`${key} was not fetched`);
    return fetched.get(key);
  };
  return buildCedarRequest({ ...facts, entity }, principal, reads, vocabulary);
}

const essence = (a: CedarAnswer) => ({ ...a, errors: a.errors.map((e) => e.policy).sort() });

function ask(policies: readonly Policy[], request: CedarRequest): ReturnType<typeof essence> {
  engine.define('all', Object.fromEntries(policies.map((policy) => [policy.id, policy.text])));
  return essence(engine.authorize('all', request));
}

/** A world takes long to shrink, and its seed is enough to find it again. */
const RUNS = { endOnFailure: true };

describe('what policies read', () => {
  it('is all that their answers depend on, over any references', async () => {
    const seen = { allow: 0, deny: 0, errors: 0, followed: 0, reached: 0 };
    await fc.assert(
      fc.asyncProperty(world, async (w) => {
        const prepared = await prepare(w);
        const reads = collectReads(prepared.policies, prepared.types, prepared.vocabulary);
        expect(reads.unbounded).toBe(false);
        const built = await buildRead(prepared, reads);
        // What isn't stored here requires nothing, so nothing is missing.
        if (!built.ok) throw new Error(describeMissingValues(built.missing));
        const expected = ask(prepared.policies, prepared.whole);
        expect(ask(prepared.policies, built.request)).toEqual(expected);
        seen[expected.decision] += 1;
        if (expected.errors.length > 0) seen.errors += 1;
        if (reads.followsReferences) seen.followed += 1;
        if (built.request.entities.length > 4) seen.reached += 1;
      }),
      { ...RUNS, numRuns: 400 },
    );
    for (const [what, times] of Object.entries(seen)) expect(times, what).toBeGreaterThan(20);
  });

  it('is needed: with any one entity fewer some answers are others', async () => {
    let differing = 0;
    await fc.assert(
      fc.asyncProperty(world, async (w) => {
        const prepared = await prepare(w);
        const reads = collectReads(prepared.policies, prepared.types, prepared.vocabulary);
        const built = await buildRead(prepared, reads);
        if (!built.ok) return;
        const expected = JSON.stringify(ask(prepared.policies, prepared.whole));
        for (const [i] of built.request.entities.entries()) {
          const entitiesLeft = built.request.entities.filter((_, k) => k !== i);
          if (JSON.stringify(ask(prepared.policies, { ...built.request, entities: entitiesLeft })) !== expected)
            differing += 1;
        }
      }),
      { ...RUNS, numRuns: 100 },
    );
    expect(differing).toBeGreaterThan(20);
  });
});

describe('an analysis that forgets a step', () => {
  /** The reads without the deepest of what is read behind references. */
  const forgetDeepest = (reads: ValueReads): ValueReads => {
    const members = [...reads.members].map(([memberName, member]) => [memberName, forgetDeepest(member)] as const);
    const isDeepest = reads.type.kind === 'Entity' && members.every(([, member]) => member.members.size === 0);
    return { ...reads, members: new Map(isDeepest ? [] : members) };
  };
  const forgetAncestors = (reads: ValueReads): ValueReads => ({
    ...reads,
    ancestors: false,
    members: new Map([...reads.members].map(([memberName, member]) => [memberName, forgetAncestors(member)])),
  });

  it.each([
    ['an attribute behind a reference', forgetDeepest],
    ['what an entity is in', forgetAncestors],
  ])('is caught: %s', async (_, forget) => {
    let differing = 0;
    await fc.assert(
      fc.asyncProperty(world, async (w) => {
        const prepared = await prepare(w);
        const reads = collectReads(prepared.policies, prepared.types, prepared.vocabulary);
        const mutant: PolicyReads = {
          ...reads,
          principal: forget(reads.principal),
          resource: forget(reads.resource),
          context: forget(reads.context),
        };
        const built = await buildRead(prepared, mutant);
        if (!built.ok) return;
        const expected = ask(prepared.policies, prepared.whole);
        if (JSON.stringify(ask(prepared.policies, built.request)) !== JSON.stringify(expected)) differing += 1;
      }),
      // Some five in a hundred worlds differ: in so few hundred there are always enough.
      { ...RUNS, numRuns: 400 },
    );
    expect(differing).toBeGreaterThan(5);
  });
});
