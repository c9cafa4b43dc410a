/**
 * Slices of the policies: those whose scope can match a principal type, an action and a resource type. Cedar's cost
 * grows with the policies that it is given, so each kind of question gets a set of its own. The policy's scope alone
 * decides; conditions are left to Cedar. Slices of the same policies share one prepared set.
 */
import { createHash } from 'node:crypto';
import type { EntityJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { CedarAnswer, CedarEngine, CedarRequest } from './cedar.js';
import { CountedCache, type CacheCounts } from '../telemetry/counted-cache.js';
import { shortenKey } from '../runtime/shorten-key.js';
import type { Policy } from './policies.js';
import { collectReads } from './collect-reads.js';
import type { PolicyReads, QuestionTypes } from './policy-reads.js';
import { projectRequest } from './project-request.js';
import { formatUid } from './schema/uid.js';
import type { Action, EntityType } from './schema/action.js';
import type { Vocabulary } from './schema/vocabulary.js';
import { canApply, unwrapUid } from './scope-match.js';

export interface Slice {
  readonly setName: string;
  readonly policies: readonly Policy[];
  readonly reads: PolicyReads;
  /**
   * The slice in two parts where only some of its policies read the time. Their answers hold for a moment only, so the
   * others are asked apart and their answers kept.
   */
  readonly parts: readonly SlicePart[];
  /** Whether any of its policies reads the time: an answer then holds at the moment that it is given for. */
  readonly timeDependent: boolean;
}

interface SlicePart {
  readonly setName: string;
  readonly reads: PolicyReads;
  /** Whether the time is read: an answer then holds for the questions of one request. */
  readonly timeDependent: boolean;
}

/** The most memory that the answers kept for a set of rules may take: some 20,000 of a usual size. */
const MAX_CEDAR_ANSWERS_BYTES = 16 * 1024 * 1024;
/** The same for answers that depend on the time: enough for a list that is decided at one moment. */
const MAX_TIME_DEPENDENT_BYTES = 512 * 1024;
/** An answer with its entry in the cache, beside its texts. */
const CEDAR_ANSWER_BYTES = 300;
/** A longer key is kept as its hash: it has the values of whole requests, of any length. */
const MAX_ANSWER_KEY_LENGTH = 1024;

const createAnswerCache = (maxSize: number): CountedCache<string, CedarAnswer> =>
  new CountedCache({
    maxSize,
    // The ids of policies are not counted: all answers share them.
    sizeCalculation: ({ determining }, key) => CEDAR_ANSWER_BYTES + 2 * key.length + 8 * determining.length,
  });

/** The slices of one group of policies (those that decide, or the duties), and Cedar's answers from them. */
export class PolicySlices {
  private readonly slicesByQuestion = new Map<Action, Map<EntityType, Map<EntityType, Slice>>>();
  private readonly answers = createAnswerCache(MAX_CEDAR_ANSWERS_BYTES);
  private readonly timeDependentAnswers = createAnswerCache(MAX_TIME_DEPENDENT_BYTES);
  private readonly definedSets = new Set<string>();

  constructor(
    private readonly name: string,
    private readonly policies: readonly Policy[],
    private readonly vocabulary: Pick<Vocabulary, 'entityTypes'>,
    private readonly cedar: CedarEngine,
  ) {}

  /** The memory that the kept answers take, as far as it depends on questions. */
  get cachedBytes(): number {
    return this.answers.calculatedSize + this.timeDependentAnswers.calculatedSize;
  }

  /** Counts the questions that were answered from the cache, and those that Cedar was asked. */
  get cache(): CacheCounts {
    const { answers, timeDependentAnswers: momentary } = this;
    return { hits: answers.hits + momentary.hits, misses: answers.misses + momentary.misses };
  }

  slice(principal: EntityType, action: Action, resource: EntityType): Slice {
    const slices = getOrCreate(getOrCreate(this.slicesByQuestion, action), principal);
    let slice = slices.get(resource);
    if (slice === undefined) {
      const policies = this.policies.filter((p) => canApply(p.json, principal, action, resource));
      slice = this.divide(policies, { principal, action, resource });
      slices.set(resource, slice);
    }
    return slice;
  }

  /** Cedar's answer to the slice as a whole. */
  ask(slice: Slice, request: CedarRequest): CedarAnswer {
    const [first, ...others] = slice.parts.map((part) => this.askPart(part, request, slice.parts.length > 1));
    return others.reduce(mergeAnswers, first ?? NO_POLICIES);
  }

  /**
   * Answers from the cache where it can. An answer depends on nothing but what the policies read, so that is its key;
   * one with errors isn't kept, because their messages name the entities of the request.
   */
  private askPart(part: SlicePart, wholeRequest: CedarRequest, isSplit: boolean): CedarAnswer {
    const request = isSplit ? projectRequest(wholeRequest, part.reads) : wholeRequest;
    const answers = part.timeDependent ? this.timeDependentAnswers : this.answers;
    const key = shortenKey(answerKey(part, request), MAX_ANSWER_KEY_LENGTH);
    const cachedAnswer = answers.get(key);
    if (cachedAnswer !== undefined) return cachedAnswer;
    const answer = this.cedar.authorize(part.setName, request);
    if (answer.errors.length === 0) answers.set(key, answer);
    return answer;
  }

  private divide(policies: readonly Policy[], types: QuestionTypes): Slice {
    const readsTime = (policy: Policy): boolean => isTimeRead(collectReads([policy], types, this.vocabulary));
    const whole = this.define(policies, types);
    const [timed, untimed] = whole.timeDependent
      ? [policies.filter(readsTime), policies.filter((policy) => !readsTime(policy))]
      : [[], policies];
    const isMixed = timed.length > 0 && untimed.length > 0;
    const parts = isMixed ? [this.define(untimed, types), this.define(timed, types)] : [whole];
    const { setName, reads, timeDependent } = whole;
    return { setName, policies, reads, parts, timeDependent };
  }

  private define(policies: readonly Policy[], types: QuestionTypes): SlicePart {
    const ids = JSON.stringify(policies.map((p) => p.id));
    const setName = `${this.name}:${createHash('sha256').update(ids).digest('base64url')}`;
    if (!this.definedSets.has(setName)) {
      this.definedSets.add(setName);
      this.cedar.define(setName, Object.fromEntries(policies.map((p) => [p.id, p.text])));
    }
    const reads = collectReads(policies, types, this.vocabulary);
    return { setName, reads, timeDependent: isTimeRead(reads) };
  }
}

function getOrCreate<K, L, V>(maps: Map<K, Map<L, V>>, key: K): Map<L, V> {
  const existing = maps.get(key);
  if (existing !== undefined) return existing;
  const created = new Map<L, V>();
  maps.set(key, created);
  return created;
}

/** The members of the context that change with the time. */
const TIME_MEMBERS = ['now', 'local'];

const NO_POLICIES: CedarAnswer = { decision: 'deny', determining: [], errors: [] };

function isTimeRead({ context }: PolicyReads): boolean {
  return context.whole || TIME_MEMBERS.some((name) => context.members.has(name));
}

/** The answer of two sets of policies together: a forbid of either denies, else a permit of either allows. */
export function mergeAnswers(a: CedarAnswer, b: CedarAnswer): CedarAnswer {
  const errors = [...a.errors, ...b.errors];
  const forbids = [a, b].flatMap((answer) => (answer.decision === 'deny' ? answer.determining : []));
  if (forbids.length > 0) return { decision: 'deny', determining: forbids.sort(), errors };
  const permits = [a, b].flatMap((answer) => (answer.decision === 'allow' ? answer.determining : []));
  return { decision: permits.length > 0 ? 'allow' : 'deny', determining: permits.sort(), errors };
}

/** The part of a request that the policies can read, as text: requests with equal keys have equal answers. */
function answerKey(
  { setName: set, reads }: SlicePart,
  { principal, action, resource, context, entities }: CedarRequest,
): string {
  const [first, second, ...rest] = entities;
  const values = JSON.stringify([first?.attrs, second?.attrs, rest, context]);
  // A value that refers to an entity may lead back to the principal or the resource, and so may a parent that is
  // given as well: then their identity counts.
  const identities = reads.identities || values.includes('"__entity"') || areLinked(entities);
  const identity = identities
    ? JSON.stringify([principal, resource, first, second])
    : `${principal.type} ${resource.type} ${entities.length} ${namedEntitiesKey(first, reads)} ${namedEntitiesKey(second, reads)}`;
  return `${set} ${action.type} ${action.id} ${identity} ${values}`;
}

/** Whether the principal or the resource, which come first, has a parent among the entities. */
function areLinked(entities: readonly EntityJson[]): boolean {
  const parents = entities.slice(0, 2).flatMap((entity) => entity.parents);
  if (parents.length === 0) return false;
  const givenUids = new Set(entities.map((entity) => formatUid(unwrapUid(entity.uid))));
  return parents.some((parent) => givenUids.has(formatUid(unwrapUid(parent))));
}

/** Names the entity, and its parents, where scopes name them. */
function namedEntitiesKey(entity: EntityJson | undefined, { namedEntities }: PolicyReads): string {
  if (entity === undefined || namedEntities.size === 0) return '';
  const uidKey = formatUid(unwrapUid(entity.uid));
  const parents = entity.parents.map((parent) => formatUid(unwrapUid(parent)));
  return JSON.stringify([
    namedEntities.has(uidKey) ? uidKey : '',
    parents.filter((text) => namedEntities.has(text)).sort(),
  ]);
}
