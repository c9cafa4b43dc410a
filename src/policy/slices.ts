/**
 * Slices: of all policies, those whose scope can match a principal type, an action and a resource type. Cedar's cost
 * grows with the policies it is given, so each kind of question gets a set of its own, cut on what is certain from
 * the policy's scope alone; conditions are left to Cedar. Equal slices share one prepared set.
 */
import { createHash } from 'node:crypto';
import type { EntityJson, PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { Answer, CedarEngine, Request } from './cedar.js';
import { CountedCache, type CacheCounts } from '../telemetry/counted-cache.js';
import type { Policy } from './policies.js';
import { uidText } from './schema/uid.js';
import type { Action } from './schema/action.js';
import type { EntityType } from './schema/action.js';

/** What a slice's policies can read, by name: everything else need not be given to Cedar. */
export interface Reads {
  readonly names: ReadonlySet<string>;
  /** Those of them whose value is used as it is, so that a record is read with all its members. */
  readonly wholes: ReadonlySet<string>;
  /** The context is used as a value of its own (compared, put into a set): then all of it counts. */
  readonly wholeContext: boolean;
  /** Who or which it is, or what it is in, counts, and not only its attributes. */
  readonly principal: boolean;
  readonly resource: boolean;
  /** Entities that scopes name: of the others it doesn't count which they are. */
  readonly named: ReadonlySet<string>;
}

export interface Slice {
  readonly set: string;
  readonly policies: readonly Policy[];
  readonly reads: Reads;
  /**
   * The slice cut in two where some of its policies read the time: an answer that depends on it holds for a moment
   * only, so what doesn't is asked apart.
   */
  readonly parts: readonly Part[];
}

interface Part {
  readonly set: string;
  readonly reads: Reads;
  /** The time is read: an answer holds for the moment, so for the questions of one request. */
  readonly momentary: boolean;
}

/** Answers kept a set of rules; each takes some 500 bytes. */
const KEPT_ANSWERS = 20_000;
/** Of answers that depend on the time: enough for a list that is judged at one moment. */
const KEPT_FOR_THE_MOMENT = 500;

/** Policies of one nature (those that decide, or the duties), and Cedar's answers from them. */
export class Slices {
  private readonly memo = new Map<string, Slice>();
  private readonly answers = new CountedCache<string, Answer>({ max: KEPT_ANSWERS });
  private readonly momentary = new CountedCache<string, Answer>({ max: KEPT_FOR_THE_MOMENT });
  private readonly sets = new Map<string, Slice>();

  constructor(
    private readonly name: string,
    private readonly policies: readonly Policy[],
    private readonly cedar: CedarEngine,
    private readonly as: (policy: Policy) => string = (policy) => policy.text,
  ) {}

  /** Of all that Cedar was to be asked, how much it had been asked before. */
  get cache(): CacheCounts {
    const { answers, momentary } = this;
    return { hits: answers.hits + momentary.hits, misses: answers.misses + momentary.misses };
  }

  slice(principal: EntityType, action: Action, resource: EntityType): Slice {
    const key = `${principal.name} ${uidText(action.uid)} ${resource.name}`;
    let slice = this.memo.get(key);
    if (slice === undefined) {
      const policies = this.policies.filter((p) => canApply(p.json, principal, action, resource));
      slice = this.intern(policies);
      this.memo.set(key, slice);
    }
    return slice;
  }

  /** Cedar's answer to the slice as a whole. */
  ask(slice: Slice, request: Request): Answer {
    const [only, ...others] = slice.parts.map((part) => this.askPart(part, request, slice.parts.length > 1));
    return others.reduce(together, only ?? NO_POLICIES);
  }

  /**
   * An answer is a function of what the policies read and nothing else, so it is kept by just that; one with errors
   * is not, since their messages name the entities at hand.
   */
  private askPart(part: Part, whole: Request, cut: boolean): Answer {
    const request = cut ? project(whole, part.reads) : whole;
    const answers = part.momentary ? this.momentary : this.answers;
    const key = answerKey(part, request);
    const kept = answers.get(key);
    if (kept !== undefined) return kept;
    const answer = this.cedar.authorize(part.set, request);
    if (answer.errors.length === 0) answers.set(key, answer);
    return answer;
  }

  private intern(policies: readonly Policy[]): Slice {
    const whole = this.define(policies);
    let slice = this.sets.get(whole.set);
    if (slice === undefined) {
      const [timed, untimed] = [policies.filter(readsTime), policies.filter((p) => !readsTime(p))];
      const parts = timed.length === 0 || untimed.length === 0 ? [whole] : [this.define(untimed), this.define(timed)];
      slice = { set: whole.set, policies, reads: whole.reads, parts };
      this.sets.set(whole.set, slice);
    }
    return slice;
  }

  private define(policies: readonly Policy[]): Part {
    const ids = JSON.stringify(policies.map((p) => p.id));
    const set = `${this.name}:${createHash('sha256').update(ids).digest('base64url')}`;
    this.cedar.define(set, Object.fromEntries(policies.map((p) => [p.id, this.as(p)])));
    return { set, reads: readsOf(policies), momentary: policies.some(readsTime) };
  }
}

const NO_POLICIES: Answer = { decision: 'deny', determining: [], errors: [] };

function readsTime(policy: Policy): boolean {
  const { names, wholeContext } = readsOf([policy]);
  return wholeContext || names.has('now');
}

/** What Cedar would answer of two sets of policies at once: a forbid of either denies, else a permit of either allows. */
export function together(a: Answer, b: Answer): Answer {
  const errors = [...a.errors, ...b.errors];
  const forbids = [a, b].flatMap((answer) => (answer.decision === 'deny' ? answer.determining : []));
  if (forbids.length > 0) return { decision: 'deny', determining: forbids.sort(), errors };
  const permits = [a, b].flatMap((answer) => (answer.decision === 'allow' ? answer.determining : []));
  return { decision: permits.length > 0 ? 'allow' : 'deny', determining: permits.sort(), errors };
}

/** The request without what `reads` doesn't name. */
function project(request: Request, reads: Reads): Request {
  const only = <T>(values: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(values).filter(([name]) => reads.names.has(name)));
  return {
    ...request,
    context: reads.wholeContext ? request.context : only(request.context),
    entities: request.entities.map((entity) => ({ ...entity, attrs: only(entity.attrs) })),
  };
}

/** All of a request that the slice's policies can read; requests with equal keys have equal answers. */
function answerKey({ set, reads }: Part, { principal, action, resource, context, entities }: Request): string {
  const [first, second, ...rest] = entities;
  const values = JSON.stringify([first?.attrs, second?.attrs, rest, context]);
  // A value that refers to an entity may lead back to the principal or the resource, by who or which they are.
  // So may a parent that is given as well, and has parents of its own.
  const identities = reads.principal || reads.resource || values.includes('"__entity"') || areLinked(entities);
  const who = identities
    ? JSON.stringify([principal, resource, first, second])
    : `${principal.type} ${resource.type} ${entities.length} ${namedOf(first, reads)} ${namedOf(second, reads)}`;
  return `${set} ${action.type} ${action.id} ${who} ${values}`;
}

/** Whether one of the first two, the principal and the resource, is in another entity that is given. */
function areLinked(entities: readonly EntityJson[]): boolean {
  const parents = entities.slice(0, 2).flatMap((entity) => entity.parents);
  if (parents.length === 0) return false;
  const given = new Set(entities.map((entity) => uidText(uid(entity.uid))));
  return parents.some((parent) => given.has(uidText(uid(parent))));
}

/** Which of the entities that scopes name it is, and which it is in. */
function namedOf(entity: EntityJson | undefined, { named }: Reads): string {
  if (entity === undefined || named.size === 0) return '';
  const own = uidText(uid(entity.uid));
  const parents = entity.parents.map((parent) => uidText(uid(parent)));
  return JSON.stringify([named.has(own) ? own : '', parents.filter((text) => named.has(text)).sort()]);
}

/** Whether a policy's scope can match at all. `in` is never ruled out: stored parents decide it, not the schema. */
export function canApply(policy: PolicyJson, principal: EntityType, action: Action, resource: EntityType): boolean {
  return (
    entityScope(policy.principal, principal) &&
    actionScope(policy.action, action) &&
    entityScope(policy.resource, resource)
  );
}

function entityScope(scope: PolicyJson['principal'], type: EntityType): boolean {
  switch (scope.op) {
    case 'All':
    case 'in':
      return true;
    case '==':
      return !('entity' in scope) || uid(scope.entity).type === type.name;
    case 'is':
      return scope.entity_type === type.name;
  }
}

function actionScope(scope: PolicyJson['action'], action: Action): boolean {
  if (scope.op === 'All') return true;
  const named = 'entities' in scope ? scope.entities : 'entity' in scope ? [scope.entity] : undefined;
  if (named === undefined) return true;
  const matching = scope.op === 'in' ? [action.uid, ...action.groups] : [action.uid];
  const texts = new Set(matching.map(uidText));
  return named.some((entity) => texts.has(uidText(uid(entity))));
}

function uid(entity: { type: string; id: string } | { __entity: { type: string; id: string } }): {
  type: string;
  id: string;
} {
  return '__entity' in entity ? entity.__entity : entity;
}

/**
 * The names of all attributes and context members that the conditions mention, wherever they mention them: more than
 * what is read of any one thing, never less.
 */
export function readsOf(policies: readonly Policy[]): Reads {
  const names = new Set<string>();
  const wholes = new Set<string>();
  const whole = new Set<string>();
  const named = new Set<string>();
  for (const { json } of policies) {
    for (const part of ['principal', 'resource'] as const) {
      const scope = json[part].op === 'is' && 'in' in json[part] ? json[part].in : json[part];
      if ('entity' in scope) named.add(uidText(uid(scope.entity)));
      else if (json[part].op === '==' || json[part].op === 'in' || 'in' in json[part]) whole.add(part);
    }
  }
  const open: { node: unknown; accessed: boolean }[] = policies.map((p) => ({
    node: p.json.conditions,
    accessed: false,
  }));
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { node, accessed } = next;
    if (typeof node !== 'object' || node === null) continue;
    for (const [key, value] of Object.entries(node) as [string, unknown][]) {
      if (key === 'Var' && typeof value === 'string' && !accessed) whole.add(value);
      if (key === '__entity' && !isAction(value)) {
        // An entity that is named may be the one at hand.
        whole.add('principal');
        whole.add('resource');
      }
      if ((key === '.' || key === 'has') && typeof value === 'object' && value !== null) {
        const { left, attr } = value as { left: unknown; attr: string | string[] };
        for (const name of [attr].flat()) names.add(name);
        if (key === '.' && !accessed) wholes.add([attr].flat().at(-1) ?? '');
        open.push({ node: left, accessed: true });
      } else {
        open.push({ node: value, accessed: false });
      }
    }
  }
  return {
    names,
    wholes,
    wholeContext: whole.has('context'),
    principal: whole.has('principal'),
    resource: whole.has('resource'),
    named,
  };
}

function isAction(entity: unknown): boolean {
  return /(^|::)Action$/.test(String((entity as { type?: unknown } | null)?.type));
}
