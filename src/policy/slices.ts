/**
 * Slices: of all policies, those whose scope can match a principal type, an action and a resource type. Cedar's cost
 * grows with the policies it is given, so each kind of question gets a set of its own, cut on what is certain from
 * the policy's scope alone; conditions are left to Cedar. Equal slices share one prepared set.
 */
import { createHash } from 'node:crypto';
import type { EntityJson, PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { CedarAnswer, CedarEngine, CedarRequest } from './cedar.js';
import { CountedCache, type CacheCounts } from '../telemetry/counted-cache.js';
import type { Policy } from './policies.js';
import { formatUid } from './schema/uid.js';
import type { Action } from './schema/action.js';
import type { EntityType } from './schema/action.js';

/** What a slice's policies can read, by name: everything else need not be given to Cedar. */
export interface PolicyReads {
  readonly names: ReadonlySet<string>;
  /** Those of them whose value is used as it is, so that a record is read with all its members. */
  readonly wholeNames: ReadonlySet<string>;
  /** The context is used as a value of its own (compared, put into a set): then all of it counts. */
  readonly wholeContext: boolean;
  /** Who or which it is, or what it is in, counts, and not only its attributes. */
  readonly principal: boolean;
  readonly resource: boolean;
  /** Entities that scopes name: of the others it doesn't count which they are. */
  readonly namedEntities: ReadonlySet<string>;
}

export interface Slice {
  readonly setName: string;
  readonly policies: readonly Policy[];
  readonly reads: PolicyReads;
  /**
   * The slice cut in two where some of its policies read the time: an answer that depends on it holds for a moment
   * only, so what doesn't is asked apart.
   */
  readonly parts: readonly SlicePart[];
}

interface SlicePart {
  readonly setName: string;
  readonly reads: PolicyReads;
  /** The time is read: an answer holds for the moment, so for the questions of one request. */
  readonly timeDependent: boolean;
}

/** Answers kept a set of rules; each takes some 500 bytes. */
const MAX_CEDAR_ANSWERS = 20_000;
/** Of answers that depend on the time: enough for a list that is judged at one moment. */
const MAX_TIME_DEPENDENT_ANSWERS = 500;

/** Policies of one nature (those that decide, or the duties), and Cedar's answers from them. */
export class PolicySlices {
  private readonly slicesByQuestion = new Map<string, Slice>();
  private readonly answers = new CountedCache<string, CedarAnswer>({ max: MAX_CEDAR_ANSWERS });
  private readonly timeDependentAnswers = new CountedCache<string, CedarAnswer>({ max: MAX_TIME_DEPENDENT_ANSWERS });
  private readonly slicesBySet = new Map<string, Slice>();

  constructor(
    private readonly name: string,
    private readonly policies: readonly Policy[],
    private readonly cedar: CedarEngine,
    private readonly textOf: (policy: Policy) => string = (policy) => policy.text,
  ) {}

  /** Of all that Cedar was to be asked, how much it had been asked before. */
  get cache(): CacheCounts {
    const { answers, timeDependentAnswers: momentary } = this;
    return { hits: answers.hits + momentary.hits, misses: answers.misses + momentary.misses };
  }

  slice(principal: EntityType, action: Action, resource: EntityType): Slice {
    const key = `${principal.name} ${formatUid(action.uid)} ${resource.name}`;
    let slice = this.slicesByQuestion.get(key);
    if (slice === undefined) {
      const policies = this.policies.filter((p) => canApply(p.json, principal, action, resource));
      slice = this.intern(policies);
      this.slicesByQuestion.set(key, slice);
    }
    return slice;
  }

  /** Cedar's answer to the slice as a whole. */
  ask(slice: Slice, request: CedarRequest): CedarAnswer {
    const [first, ...others] = slice.parts.map((part) => this.askPart(part, request, slice.parts.length > 1));
    return others.reduce(mergeAnswers, first ?? NO_POLICIES);
  }

  /**
   * An answer is a function of what the policies read and nothing else, so it is kept by just that; one with errors
   * is not, since their messages name the entities at hand.
   */
  private askPart(part: SlicePart, wholeRequest: CedarRequest, isSplit: boolean): CedarAnswer {
    const request = isSplit ? projectRequest(wholeRequest, part.reads) : wholeRequest;
    const answers = part.timeDependent ? this.timeDependentAnswers : this.answers;
    const key = answerKey(part, request);
    const cachedAnswer = answers.get(key);
    if (cachedAnswer !== undefined) return cachedAnswer;
    const answer = this.cedar.authorize(part.setName, request);
    if (answer.errors.length === 0) answers.set(key, answer);
    return answer;
  }

  private intern(policies: readonly Policy[]): Slice {
    const whole = this.define(policies);
    let slice = this.slicesBySet.get(whole.setName);
    if (slice === undefined) {
      const [timed, untimed] = [policies.filter(readsTime), policies.filter((p) => !readsTime(p))];
      const parts = timed.length === 0 || untimed.length === 0 ? [whole] : [this.define(untimed), this.define(timed)];
      slice = { setName: whole.setName, policies, reads: whole.reads, parts };
      this.slicesBySet.set(whole.setName, slice);
    }
    return slice;
  }

  private define(policies: readonly Policy[]): SlicePart {
    const ids = JSON.stringify(policies.map((p) => p.id));
    const setName = `${this.name}:${createHash('sha256').update(ids).digest('base64url')}`;
    this.cedar.define(setName, Object.fromEntries(policies.map((p) => [p.id, this.textOf(p)])));
    return { setName, reads: collectReads(policies), timeDependent: policies.some(readsTime) };
  }
}

const NO_POLICIES: CedarAnswer = { decision: 'deny', determining: [], errors: [] };

function readsTime(policy: Policy): boolean {
  const { names, wholeContext } = collectReads([policy]);
  return wholeContext || names.has('now');
}

/** What Cedar would answer of two sets of policies at once: a forbid of either denies, else a permit of either allows. */
export function mergeAnswers(a: CedarAnswer, b: CedarAnswer): CedarAnswer {
  const errors = [...a.errors, ...b.errors];
  const forbids = [a, b].flatMap((answer) => (answer.decision === 'deny' ? answer.determining : []));
  if (forbids.length > 0) return { decision: 'deny', determining: forbids.sort(), errors };
  const permits = [a, b].flatMap((answer) => (answer.decision === 'allow' ? answer.determining : []));
  return { decision: permits.length > 0 ? 'allow' : 'deny', determining: permits.sort(), errors };
}

/** The request without what `reads` doesn't name. */
function projectRequest(request: CedarRequest, reads: PolicyReads): CedarRequest {
  const pickNames = <T>(values: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(values).filter(([name]) => reads.names.has(name)));
  return {
    ...request,
    context: reads.wholeContext ? request.context : pickNames(request.context),
    entities: request.entities.map((entity) => ({ ...entity, attrs: pickNames(entity.attrs) })),
  };
}

/** All of a request that the slice's policies can read; requests with equal keys have equal answers. */
function answerKey(
  { setName: set, reads }: SlicePart,
  { principal, action, resource, context, entities }: CedarRequest,
): string {
  const [first, second, ...rest] = entities;
  const values = JSON.stringify([first?.attrs, second?.attrs, rest, context]);
  // A value that refers to an entity may lead back to the principal or the resource, by who or which they are.
  // So may a parent that is given as well, and has parents of its own.
  const identities = reads.principal || reads.resource || values.includes('"__entity"') || areLinked(entities);
  const identity = identities
    ? JSON.stringify([principal, resource, first, second])
    : `${principal.type} ${resource.type} ${entities.length} ${namedEntitiesKey(first, reads)} ${namedEntitiesKey(second, reads)}`;
  return `${set} ${action.type} ${action.id} ${identity} ${values}`;
}

/** Whether one of the first two, the principal and the resource, is in another entity that is given. */
function areLinked(entities: readonly EntityJson[]): boolean {
  const parents = entities.slice(0, 2).flatMap((entity) => entity.parents);
  if (parents.length === 0) return false;
  const givenUids = new Set(entities.map((entity) => formatUid(unwrapUid(entity.uid))));
  return parents.some((parent) => givenUids.has(formatUid(unwrapUid(parent))));
}

/** Which of the entities that scopes name it is, and which it is in. */
function namedEntitiesKey(entity: EntityJson | undefined, { namedEntities }: PolicyReads): string {
  if (entity === undefined || namedEntities.size === 0) return '';
  const uidKey = formatUid(unwrapUid(entity.uid));
  const parents = entity.parents.map((parent) => formatUid(unwrapUid(parent)));
  return JSON.stringify([
    namedEntities.has(uidKey) ? uidKey : '',
    parents.filter((text) => namedEntities.has(text)).sort(),
  ]);
}

/** Whether a policy's scope can match at all. `in` is never ruled out: stored parents decide it, not the schema. */
export function canApply(policy: PolicyJson, principal: EntityType, action: Action, resource: EntityType): boolean {
  return (
    entityScopeMatches(policy.principal, principal) &&
    actionScopeMatches(policy.action, action) &&
    entityScopeMatches(policy.resource, resource)
  );
}

function entityScopeMatches(scope: PolicyJson['principal'], type: EntityType): boolean {
  switch (scope.op) {
    case 'All':
    case 'in':
      return true;
    case '==':
      return !('entity' in scope) || unwrapUid(scope.entity).type === type.name;
    case 'is':
      return scope.entity_type === type.name;
  }
}

function actionScopeMatches(scope: PolicyJson['action'], action: Action): boolean {
  if (scope.op === 'All') return true;
  const scopeUids = 'entities' in scope ? scope.entities : 'entity' in scope ? [scope.entity] : undefined;
  if (scopeUids === undefined) return true;
  const actionUids = scope.op === 'in' ? [action.uid, ...action.groups] : [action.uid];
  const texts = new Set(actionUids.map(formatUid));
  return scopeUids.some((entity) => texts.has(formatUid(unwrapUid(entity))));
}

function unwrapUid(entity: { type: string; id: string } | { __entity: { type: string; id: string } }): {
  type: string;
  id: string;
} {
  return '__entity' in entity ? entity.__entity : entity;
}

/**
 * The names of all attributes and context members that the conditions mention, wherever they mention them: more than
 * what is read of any one thing, never less.
 */
export function collectReads(policies: readonly Policy[]): PolicyReads {
  const names = new Set<string>();
  const wholeNames = new Set<string>();
  const wholeVariables = new Set<string>();
  const namedEntities = new Set<string>();
  for (const { json } of policies) {
    for (const part of ['principal', 'resource'] as const) {
      const scope = json[part].op === 'is' && 'in' in json[part] ? json[part].in : json[part];
      if ('entity' in scope) namedEntities.add(formatUid(unwrapUid(scope.entity)));
      else if (json[part].op === '==' || json[part].op === 'in' || 'in' in json[part]) wholeVariables.add(part);
    }
  }
  const pending: { node: unknown; accessed: boolean }[] = policies.map((p) => ({
    node: p.json.conditions,
    accessed: false,
  }));
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { node, accessed } = next;
    if (typeof node !== 'object' || node === null) continue;
    for (const [key, value] of Object.entries(node) as [string, unknown][]) {
      if (key === 'Var' && typeof value === 'string' && !accessed) wholeVariables.add(value);
      if (key === '__entity' && !isActionUid(value)) {
        // An entity that is named may be the one at hand.
        wholeVariables.add('principal');
        wholeVariables.add('resource');
      }
      if ((key === '.' || key === 'has') && typeof value === 'object' && value !== null) {
        const { left, attr } = value as { left: unknown; attr: string | string[] };
        for (const name of [attr].flat()) names.add(name);
        if (key === '.' && !accessed) wholeNames.add([attr].flat().at(-1) ?? '');
        pending.push({ node: left, accessed: true });
      } else {
        pending.push({ node: value, accessed: false });
      }
    }
  }
  return {
    names,
    wholeNames,
    wholeContext: wholeVariables.has('context'),
    principal: wholeVariables.has('principal'),
    resource: wholeVariables.has('resource'),
    namedEntities,
  };
}

function isActionUid(entity: unknown): boolean {
  return /(^|::)Action$/.test(String((entity as { type?: unknown } | null)?.type));
}
