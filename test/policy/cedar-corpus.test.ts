/**
 * Cedar's own integration tests, through Remit's policy step: every request must be answered as they say. They are too
 * large to keep here: REMIT_TEST_CEDAR_CORPUS names the unpacked directory of `corpus-tests.tar.gz`, which the Go module
 * github.com/cedar-policy/cedar-go has.
 */
import { createRequire } from 'node:module';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type * as CedarModule from '@cedar-policy/cedar-wasm/nodejs';
import type { PolicyJson, SchemaJson } from '@cedar-policy/cedar-wasm/nodejs';
import { MemoryEntities } from '../../src/author/test/memory-entities.js';
import { FindingCollector } from '../../src/diagnostics/diagnostics.js';
import type { StoredEntity } from '../../src/model/entities.js';
import { formatRef, type EntityRef } from '../../src/model/ids.js';
import type { CedarRequestFacts } from '../../src/policy/cedar-request-facts.js';
import { buildCedarRequest, listStatedEntities, toStoredRef } from '../../src/policy/cedar-request.js';
import { CedarEngine } from '../../src/policy/cedar.js';
import type { Policy } from '../../src/policy/policies.js';
import { listReferenceSteps } from '../../src/policy/reached-entities.js';
import { joinSchemaFiles, parseCedarSchema } from '../../src/policy/schema/read.js';
import type { CedarType } from '../../src/policy/schema/types.js';
import { formatUid, isActionType, type EntityUid } from '../../src/policy/schema/uid.js';
import { readVocabulary, type Vocabulary } from '../../src/policy/schema/vocabulary.js';
import { PolicySlices } from '../../src/policy/slices.js';

const cedar = createRequire(import.meta.url)('@cedar-policy/cedar-wasm/nodejs') as typeof CedarModule;
const directory = process.env['REMIT_TEST_CEDAR_CORPUS'];

interface CorpusRequest {
  readonly principal: EntityUid;
  readonly action: EntityUid;
  readonly resource: EntityUid;
  readonly context: Record<string, unknown>;
  readonly decision: 'allow' | 'deny';
  readonly reason: readonly string[];
  readonly errors: readonly string[];
}
interface CorpusTest {
  readonly policies: string;
  readonly entities: string;
  readonly schema: string;
  readonly requests: readonly CorpusRequest[];
}
interface CorpusEntity {
  readonly uid: EntityUid | { readonly __entity: EntityUid };
  readonly attrs: Record<string, unknown>;
  readonly parents: readonly (EntityUid | { readonly __entity: EntityUid })[];
}

/** Ids of the corpus may be anything; Remit's are such as can be stored. */
const storableId = (id: string): string => `e${Buffer.from(id).toString('hex')}`.slice(0, 200);
const unwrap = (uid: EntityUid | { readonly __entity: EntityUid }): EntityUid =>
  '__entity' in uid ? uid.__entity : uid;
const rename = ({ type, id }: EntityUid): EntityUid => ({ type, id: isActionType(type) ? id : storableId(id) });

/** The schema with each action's context under `request`, where Remit has what a client says, and an object for each type. */
function adaptSchema(text: string): string | undefined {
  const answer = cedar.schemaToJsonWithResolvedTypes(text);
  if (answer.type === 'failure') return undefined;
  const json = answer.json as Record<
    string,
    { entityTypes: Record<string, object>; actions: Record<string, { appliesTo?: { context?: object } }> }
  >;
  let number = 0;
  for (const namespace of Object.values(json)) {
    for (const [name, type] of Object.entries(namespace.entityTypes)) {
      number += 1;
      namespace.entityTypes[name] = { ...type, annotations: { object: `type${number}` } };
    }
    for (const action of Object.values(namespace.actions))
      if (action.appliesTo?.context !== undefined)
        action.appliesTo.context = {
          type: 'Record',
          attributes: { request: { ...action.appliesTo.context, required: true } },
        };
  }
  const written = cedar.schemaToText(json as unknown as SchemaJson<string>);
  return written.type === 'success' ? written.text : undefined;
}

/** The policy with renamed ids, and with `context.request` for `context`. */
function adaptExpression(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(adaptExpression);
  if (typeof node !== 'object' || node === null) return node;
  const entries = Object.entries(node);
  if (entries.length === 1 && entries[0]?.[0] === 'Var' && entries[0][1] === 'context')
    return { '.': { left: { Var: 'context' }, attr: 'request' } };
  const { type, id } = node as { type?: unknown; id?: unknown };
  if (entries.length === 2 && typeof type === 'string' && typeof id === 'string') return rename({ type, id });
  return Object.fromEntries(entries.map(([name, value]) => [name, adaptExpression(value)]));
}

/** A value of Cedar's JSON as Remit stores it, by its type. */
function adaptValue(type: CedarType, value: unknown): unknown {
  const extension = (value as { __extn?: { arg: unknown } } | null)?.__extn?.arg;
  switch (type.kind) {
    case 'Entity': {
      const uid = rename(unwrap(value as EntityUid));
      return { type: uid.type, id: uid.id };
    }
    case 'Set':
      return (value as unknown[]).map((element) => adaptValue(type.element, element));
    case 'Record':
      return Object.fromEntries(
        Object.entries(value as Record<string, unknown>).flatMap(([name, member]) => {
          const memberType = type.members[name]?.type;
          return memberType === undefined ? [] : [[name, adaptValue(memberType, member)]];
        }),
      );
    case 'Extension':
      return extension ?? value;
    default:
      return value;
  }
}

interface Adapted {
  readonly vocabulary: Vocabulary;
  readonly slices: PolicySlices;
  readonly memory: MemoryEntities;
}

/** A reason where Remit, or JavaScript, can't represent the test. */
function adapt(test: CorpusTest, engine: CedarEngine): Adapted | string {
  const read = (path: string): string => readFileSync(join(directory ?? '', '..', path), 'utf8');
  const [policyText, entityText] = [read(test.policies), read(test.entities)];
  if (/\d{16,}/.test(policyText + entityText + JSON.stringify(test.requests))) return 'numbers beyond 2^53';
  const schemaText = adaptSchema(read(test.schema));
  if (schemaText === undefined) return 'schema that cannot be rewritten';
  const findings = new FindingCollector();
  const schema = parseCedarSchema(joinSchemaFiles([{ name: 'schema', text: schemaText }]), engine, findings);
  const vocabulary = schema && readVocabulary(schema, undefined);
  const problem = findings.all[0];
  if (vocabulary === undefined || problem !== undefined)
    return `schema: ${problem?.message.replace(/".*?"/g, '…') ?? ''}`;
  const parts = cedar.policySetTextToParts(policyText);
  if (parts.type === 'failure' || parts.policy_templates.length > 0) return 'policies that are templates';
  const ids = parts.policies.map((_, i) => `policy${i}`).sort();
  const policies = parts.policies.flatMap((text, i): Policy[] => {
    const answer = cedar.policyToJson(text);
    if (answer.type === 'failure') return [];
    const json = adaptExpression(answer.json) as PolicyJson;
    const written = cedar.policyToText(json);
    const location = { file: 'p', line: 1, column: 1 };
    if (written.type === 'failure') return [];
    return [
      {
        id: ids[i] ?? '',
        title: undefined,
        source: 'p:1',
        location,
        text: written.text,
        json,
        remedies: [],
        duties: undefined,
      },
    ];
  });
  if (policies.length < parts.policies.length) return 'policies that cannot be rewritten';
  const stored = (JSON.parse(entityText) as CorpusEntity[]).flatMap(({ uid, attrs, parents }): StoredEntity[] => {
    const { type, id } = rename(unwrap(uid));
    const entityType = vocabulary.entityTypes.get(type);
    if (entityType === undefined) return [];
    const attributes = adaptValue({ kind: 'Record', members: entityType.attributes }, attrs) as Record<string, unknown>;
    const above = parents.map((parent) => toStoredRef(rename(unwrap(parent)), vocabulary));
    return [{ type: vocabulary.objectOf(type), id, attributes, parents: above }];
  });
  const memory = new MemoryEntities();
  memory.set(stored);
  return { vocabulary, slices: new PolicySlices('corpus', policies, vocabulary, engine), memory };
}

type Outcome = 'same' | 'lacking' | `unusable: ${string}` | `differs: ${string}`;

async function answer({ vocabulary, slices, memory }: Adapted, request: CorpusRequest): Promise<Outcome> {
  const action = vocabulary.actions.find(({ uid }) => formatUid(uid) === formatUid(request.action));
  const principalType = vocabulary.entityTypes.get(request.principal.type);
  const resourceType = vocabulary.entityTypes.get(request.resource.type);
  if (action === undefined || principalType === undefined || resourceType === undefined)
    return 'unusable: action or type';
  const [principal, resource] = [request.principal, request.resource].map((uid) =>
    toStoredRef(rename(uid), vocabulary),
  );
  if (principal === undefined || resource === undefined) return 'unusable: action or type';
  const type = action.context['request']?.type;
  const facts: CedarRequestFacts = {
    acting: { mode: 'human', user: principal, chain: [] },
    action, resourceType, resource, subject: principal,
    resourceProperties: {}, subjectProperties: {}, actionProperties: {},
    context: type === undefined ? {} : (adaptValue(type, request.context) as Record<string, unknown>),
    entity: () => undefined, can: {}, agentCan: {}, budget: undefined, history: () => ({}), consent: undefined, approval: undefined, now: new Date(0), zone: 'UTC',
  }; // prettier-ignore
  const slice = slices.slice(principalType, action, resourceType);
  if (slice.reads.unbounded) return 'unusable: unbounded';
  const typed = { ref: principal, type: principalType };
  const needs = listStatedEntities(facts, typed, slice.reads, vocabulary).flatMap(({ uid, reads }) =>
    isActionType(uid.type)
      ? []
      : [{ ...toStoredRef(uid, vocabulary), steps: listReferenceSteps(reads, vocabulary.objectOf) }],
  );
  const fetched = await memory.fetch(needs);
  const entity = (ref: EntityRef) => {
    if (!fetched.has(formatRef(ref))) throw new Error(`${formatRef(ref)} was not fetched`);
    return fetched.get(formatRef(ref));
  };
  const built = buildCedarRequest({ ...facts, entity }, typed, slice.reads, vocabulary);
  if (!built.ok) return 'lacking';
  const { decision, determining, errors } = slices.ask(slice, built.request);
  const mine = JSON.stringify([decision, [...determining].sort(), errors.map(({ policy }) => policy).sort()]);
  const expected = JSON.stringify([request.decision, [...request.reason].sort(), [...request.errors].sort()]);
  return mine === expected ? 'same' : `differs: ${mine} for ${expected}`;
}

describe.skipIf(directory === undefined)('Cedar’s own tests', () => {
  it('are answered by the policy step as Cedar answers them', async () => {
    const counts = new Map<string, number>();
    const differing: string[] = [];
    const count = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1);
    const files = readdirSync(directory ?? '').filter((file) => /^[0-9a-f]{40}\.json$/.test(file));
    const limit = Number(process.env['REMIT_TEST_CEDAR_CORPUS_FILES'] ?? files.length);
    let engine = new CedarEngine();
    for (const [i, file] of files.slice(0, limit).entries()) {
      if (i % 100 === 99) engine = new CedarEngine();
      const test = JSON.parse(readFileSync(join(directory ?? '', file), 'utf8')) as CorpusTest;
      const adapted = adapt(test, engine);
      for (const request of test.requests) {
        const outcome =
          typeof adapted === 'string' ? (`unusable: ${adapted}` as const) : await answer(adapted, request);
        count(outcome.startsWith('differs') ? 'differs' : outcome);
        if (outcome.startsWith('differs')) differing.push(`${file}: ${outcome}`);
      }
    }
    console.log(Object.fromEntries(counts));
    expect(differing).toEqual([]);
    expect(counts.get('same') ?? 0).toBeGreaterThan(100);
  });
});
