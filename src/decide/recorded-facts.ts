/** What a decision rests on, as it is put on record and as it is read back. Tokens and keys are in neither. */
import type { Course } from './evaluation.js';
import type { CheckAnswer } from '../model/checks.js';
import type { RecordedFacts, WithFacts } from '../model/decision.js';
import { refText, type EntityRef } from '../model/ids.js';
import type { Caller, Properties } from '../model/question.js';
import { checkKey } from '../graph/relationship-text.js';
import type { Rules } from '../policy/load.js';
import { type Asks, type Facts } from './step.js';
import { verified } from './bound-question.js';
import { type Opening } from './bound-question.js';
import type { KnownEntity } from '../model/entities.js';

export function factsOnRecord(course: Course): RecordedFacts {
  const { facts } = course;
  const { question, credential } = course.opening;
  return {
    caller: callerOf(question.caller),
    said: saidBy(course),
    ...(credential === undefined ? {} : { credential: withoutRequester(credential) }),
    ...(facts === undefined ? { checks: {}, entities: {} } : answered(facts)),
  };
}

function callerOf(caller: Caller): RecordedFacts['caller'] {
  if (caller.kind === 'agent') return { kind: 'agent' };
  const { may, resources, defaultMode } = caller.client;
  const asserts = [...may].filter((permission) => permission.startsWith('asserts_'));
  return {
    kind: 'client',
    ...(asserts.length === 0 ? {} : { may: asserts }),
    ...(resources === undefined ? {} : { resources: [...resources] }),
    ...(defaultMode === undefined ? {} : { default_mode: defaultMode }),
  };
}

function saidBy(course: Course): RecordedFacts['said'] {
  const { question } = course.opening;
  const { subject, action, resource, context, statedAgent, statedMode, assertedAgent } = question;
  let names: ReadonlySet<string> | undefined;
  const some = (name: string, properties: Properties): object => {
    if (Object.keys(properties).length === 0) return {};
    // Most say nothing of things, so the names are looked up where one does, and once.
    const known = (names ??= namesOf(course));
    const kept = Object.entries(properties).filter(([member]) => known.has(member));
    return kept.length === 0 ? {} : { [name]: Object.fromEntries(kept) };
  };
  return {
    ...some('subject', subject.properties),
    ...some('action', action.properties),
    ...some('resource', resource.properties),
    ...some('context', context),
    ...(statedAgent === undefined ? {} : { agent: statedAgent }),
    ...(statedMode === undefined ? {} : { mode: statedMode }),
    ...(assertedAgent === undefined ? {} : { act: assertedAgent }),
    ...(question.supportedObligations === undefined ? {} : { supported_obligations: question.supportedObligations }),
    ...(question.tokenExpected ? { token_expected: true } : {}),
  };
}

/**
 * Of what the request says of things, what can decide: what the schemas and the token have a name for. The rest is not
 * ours to store.
 */
function namesOf({ opening, established, facts }: Course): ReadonlySet<string> {
  const { question, rules } = opening;
  const { vocabulary } = rules;
  const on = established?.on ?? vocabulary.find(question.action.name, question.resource.type);
  const { action, request } = on?.action.context ?? {};
  const token = verified(opening)?.token;
  const constrained = (token?.authorizationDetails ?? []).flatMap((d) => Object.keys(d.constraints ?? {}));
  const subjects = vocabulary.byObject.get(question.subject.type) ?? [];
  return new Set([
    'purpose',
    ...[on?.resourceType, ...subjects].flatMap((type) => Object.keys(type?.attributes ?? {})),
    ...[action, request].flatMap((member) => (member?.type.kind === 'Record' ? Object.keys(member.type.members) : [])),
    ...(facts?.asked.checks ?? []).flatMap((check) => Object.keys(check.context ?? {})),
    // `amount`, or `action.amount`.
    ...constrained.flatMap((name) => [name, name.slice(name.indexOf('.') + 1)]),
    ...Object.keys(token?.transaction ?? {}),
  ]);
}

/** `rctx` is the requester's own and may be personal; nothing is decided by it. */
function withoutRequester(credential: NonNullable<Opening['credential']>): NonNullable<Opening['credential']> {
  if (!('ok' in credential) || !credential.ok) return credential;
  const { token, use: _use, ...rest } = credential;
  return { ...rest, token: { ...token, requester: undefined }, use: undefined };
}

function answered({ asked, check, entity, entitiesFault, passedOn }: Facts): Omit<RecordedFacts, 'caller' | 'said'> {
  const through = passedOn?.kind === 'path' ? passedOn.through : [];
  const known = (ref: EntityRef): Pick<KnownEntity, 'attributes' | 'ancestors'> | null => {
    const { attributes, ancestors } = entity(ref) ?? {};
    return attributes === undefined || ancestors === undefined ? null : { attributes, ancestors };
  };
  return {
    checks: Object.fromEntries(asked.checks.map((one) => [checkKey(one), check(one)])),
    ...(entitiesFault === undefined
      ? { entities: Object.fromEntries([...asked.entities, ...through].map((ref) => [refText(ref), known(ref)])) }
      : { entities_fault: entitiesFault }),
    ...(passedOn === undefined ? {} : { passed_on: passedOn }),
  };
}

/** The question and what became of its token, as they were. */
export function openingOf(record: WithFacts, rules: Rules): Opening {
  const { request, facts } = record;
  const { said, credential, caller } = facts;
  return {
    question: {
      caller: recalledCaller(record.client, caller),
      subject: { ...request.subject, properties: said.subject ?? {} },
      action: { name: request.action, properties: said.action ?? {} },
      resource: { ...request.resource, properties: said.resource ?? {} },
      context: said.context ?? {},
      // What it came to is on record, and not the token.
      token: undefined,
      proof: {},
      usedProofs: new Map(),
      statedAgent: said.agent,
      statedMode: said.mode,
      assertedAgent: said.act,
      supportedObligations: said.supported_obligations,
      consistency: 'full',
      dryRun: record.dry_run,
      explain: true,
      requestId: request.request_id,
      tokenExpected: said.token_expected ?? false,
    },
    rules,
    now: new Date(record.evaluated_at),
    credential,
  };
}

function recalledCaller(id: string, { kind, may = [], resources, default_mode }: RecordedFacts['caller']): Caller {
  if (kind === 'agent')
    return {
      kind,
      agent: id.slice('agent:'.length),
      presented: { token: '', by: 'agent', audience: undefined, proof: {}, used: new Map() },
    };
  const client = {
    id,
    may: new Set(may),
    audience: undefined,
    resources: resources === undefined ? undefined : new Set(resources),
    defaultMode: default_mode,
    answers: 'full' as const,
    rate: 1,
  };
  return { kind, client };
}

/** What was found, as far as it is on record. */
export interface Recalled {
  readonly found: Pick<Facts, 'check' | 'entity' | 'entitiesFault' | 'passedOn'>;
  /** What is asked now and was not then: checks, and entities as `type:id`. */
  readonly missing: readonly string[];
}

/** @param asked by the steps, now */
export function recall({ checks, entities, entities_fault, passed_on }: RecordedFacts, asked: Asks): Recalled {
  const own = <T>(of: Readonly<Record<string, T>> | undefined, key: string): T | undefined =>
    of !== undefined && Object.hasOwn(of, key) ? of[key] : undefined;
  const unasked = (asked.entities ?? []).map(refText).filter((text) => own(entities, text) === undefined);
  const unchecked = (asked.checks ?? []).map(checkKey).filter((key) => own(checks, key) === undefined);
  const fault = entities_fault ?? (unasked.length > 0 ? 'database_unavailable' : undefined);
  return {
    found: {
      check: (one): CheckAnswer =>
        own(checks, checkKey(one)) ?? { result: 'unknown', fault: 'relationships_unavailable' },
      entity: (ref) => {
        const known = own(entities, refText(ref));
        return known === undefined || known === null ? undefined : { ...ref, ...known, parents: [] };
      },
      entitiesFault: fault,
      passedOn: passed_on,
    },
    missing: entities_fault === undefined ? [...unchecked, ...unasked] : unchecked,
  };
}
