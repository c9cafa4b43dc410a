/** What a decision rests on, as it is put on record and as it is read back. Tokens and keys are in neither. */
import type { Evaluation } from './evaluation.js';
import type { CheckAnswer } from '../model/checks.js';
import type { TokenReading } from '../model/credential.js';
import type { RecordedFacts, ReplayableRecord } from '../model/decision.js';
import { formatRef, type EntityRef } from '../model/ids.js';
import type { Caller, Properties } from '../model/question.js';
import { checkKey } from '../graph/relationship-text.js';
import type { Rules } from '../policy/load.js';
import { type StepNeeds, type Facts } from './step.js';
import { getVerifiedCredential } from './bound-question.js';
import { type UnboundQuestion } from './bound-question.js';
import type { EntityWithAncestors } from '../model/entities.js';

export function toRecordedFacts(course: Evaluation): RecordedFacts {
  const { facts } = course;
  const { question, credential } = course.opening;
  return {
    caller: toRecordedCaller(question.caller),
    said: toRecordedRequest(course),
    ...(credential === undefined ? {} : { credential: omitRequester(credential) }),
    ...(facts === undefined ? { checks: {}, entities: {} } : toRecordedAnswers(facts)),
  };
}

function toRecordedCaller(caller: Caller): RecordedFacts['caller'] {
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

function toRecordedRequest(course: Evaluation): RecordedFacts['said'] {
  const { question } = course.opening;
  const { subject, action, resource, context, statedAgent, statedMode, assertedAgent } = question;
  let names: ReadonlySet<string> | undefined;
  const recordKnown = (name: string, properties: Properties): object => {
    if (Object.keys(properties).length === 0) return {};
    // Most say nothing of things, so the names are looked up where one does, and once.
    const known = (names ??= collectDecisiveNames(course));
    const entries = Object.entries(properties).filter(([member]) => known.has(member));
    return entries.length === 0 ? {} : { [name]: Object.fromEntries(entries) };
  };
  return {
    ...recordKnown('subject', subject.properties),
    ...recordKnown('action', action.properties),
    ...recordKnown('resource', resource.properties),
    ...recordKnown('context', context),
    ...(statedAgent === undefined ? {} : { agent: statedAgent }),
    ...(statedMode === undefined ? {} : { mode: statedMode }),
    ...(assertedAgent === undefined ? {} : { act: assertedAgent }),
    ...(question.supportedObligations === undefined ? {} : { supported_obligations: question.supportedObligations }),
    ...(question.tokenRequired ? { token_expected: true } : {}),
  };
}

/**
 * Of what the request says of things, what can decide: what the schemas and the token have a name for. The rest is not
 * ours to store.
 */
function collectDecisiveNames({ opening, established, facts }: Evaluation): ReadonlySet<string> {
  const { question, rules } = opening;
  const { vocabulary } = rules;
  const on = established?.on ?? vocabulary.find(question.action.name, question.resource.type);
  const { action, request } = on?.action.context ?? {};
  const token = getVerifiedCredential(opening)?.token;
  const constrained = (token?.authorizationDetails ?? []).flatMap((d) => Object.keys(d.constraints ?? {}));
  const subjects = vocabulary.typesByObject.get(question.subject.type) ?? [];
  return new Set([
    'purpose',
    ...[on?.resourceType, ...subjects].flatMap((type) => Object.keys(type?.attributes ?? {})),
    ...[action, request].flatMap((member) => (member?.type.kind === 'Record' ? Object.keys(member.type.members) : [])),
    ...(facts?.needs.checks ?? []).flatMap((check) => Object.keys(check.context ?? {})),
    // `amount`, or `action.amount`.
    ...constrained.flatMap((name) => [name, name.slice(name.indexOf('.') + 1)]),
    ...Object.keys(token?.transaction ?? {}),
  ]);
}

/** `rctx` is the requester's own and may be personal; nothing is decided by it. */
function omitRequester(
  credential: NonNullable<UnboundQuestion['credential']>,
): NonNullable<UnboundQuestion['credential']> {
  if (!('ok' in credential) || !credential.ok) return credential;
  const { token, singleUseProof: _use, ...rest } = credential;
  return { ...rest, token: { ...token, requester: undefined }, singleUseProof: undefined };
}

function toRecordedAnswers({
  needs: asked,
  check,
  entity,
  entitiesFault,
  passedOn,
}: Facts): Omit<RecordedFacts, 'caller' | 'said'> {
  const through = passedOn?.kind === 'path' ? passedOn.through : [];
  const known = (ref: EntityRef): Pick<EntityWithAncestors, 'attributes' | 'ancestors'> | null => {
    const { attributes, ancestors } = entity(ref) ?? {};
    return attributes === undefined || ancestors === undefined ? null : { attributes, ancestors };
  };
  return {
    checks: Object.fromEntries(asked.checks.map((request) => [checkKey(request), check(request)])),
    ...(entitiesFault === undefined
      ? { entities: Object.fromEntries([...asked.entities, ...through].map((ref) => [formatRef(ref), known(ref)])) }
      : { entities_fault: entitiesFault }),
    ...(passedOn === undefined ? {} : { passed_on: passedOn }),
  };
}

/** The question and what became of its token, as they were. */
export function restoreQuestion(record: ReplayableRecord, rules: Rules): UnboundQuestion {
  const { request, facts } = record;
  const { said, credential, caller } = facts;
  return {
    question: {
      caller: restoreCaller(record.client, caller),
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
      tokenRequired: said.token_expected ?? false,
    },
    rules,
    now: new Date(record.evaluated_at),
    credential,
  };
}

/** Stands for the token of an agent on record, which holds what was verified of it and not the token. */
const NO_TOKEN: TokenReading = { text: '', token: () => Promise.reject(new TypeError('a record holds no token')) };

function restoreCaller(id: string, { kind, may = [], resources, default_mode }: RecordedFacts['caller']): Caller {
  if (kind === 'agent')
    return {
      kind,
      agent: id.slice('agent:'.length),
      presented: { token: NO_TOKEN, by: 'agent', audience: undefined, proof: {}, used: new Map() },
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
export interface RecalledFacts {
  readonly facts: Pick<Facts, 'check' | 'entity' | 'entitiesFault' | 'passedOn'>;
  /** What is asked now and was not then: checks, and entities as `type:id`. */
  readonly missing: readonly string[];
}

/** @param asked by the steps, now */
export function recallFacts(
  { checks, entities, entities_fault, passed_on }: RecordedFacts,
  asked: StepNeeds,
): RecalledFacts {
  const ownMember = <T>(of: Readonly<Record<string, T>> | undefined, key: string): T | undefined =>
    of !== undefined && Object.hasOwn(of, key) ? of[key] : undefined;
  const unasked = (asked.entities ?? []).map(formatRef).filter((text) => ownMember(entities, text) === undefined);
  const unchecked = (asked.checks ?? []).map(checkKey).filter((key) => ownMember(checks, key) === undefined);
  const fault = entities_fault ?? (unasked.length > 0 ? 'database_unavailable' : undefined);
  return {
    facts: {
      check: (request): CheckAnswer =>
        ownMember(checks, checkKey(request)) ?? { result: 'unknown', fault: 'relationships_unavailable' },
      entity: (ref) => {
        const known = ownMember(entities, formatRef(ref));
        return known === undefined || known === null ? undefined : { ...ref, ...known, parents: [] };
      },
      entitiesFault: fault,
      passedOn: passed_on,
    },
    missing: entities_fault === undefined ? [...unchecked, ...unasked] : unchecked,
  };
}
