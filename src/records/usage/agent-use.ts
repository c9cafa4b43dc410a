/** The uses of an agent, as records tell them: what it did, was denied or only asked, by action and type of resource. */
import { getVerifiedCredential } from '../../decide/bound-question.js';
import type { AccessType } from '../../model/acting.js';
import type { DecisionRecord, SearchRecord } from '../../model/decision.js';
import { describeRef, type EntityRef } from '../../model/ids.js';
import type { Properties } from '../../model/question.js';
import type { ReasonCode } from '../../model/reasons.js';

/**
 * `done`: allowed, and no client said that it failed or was abandoned. `undone`: allowed, and a client said so. `asked`: dry runs,
 * and lists that hand out nothing.
 */
export type UseOutcome = 'done' | 'undone' | 'denied' | 'asked';

export interface AgentUse {
  /** The id of the decision or the list; a filter of several types is a use of each. */
  readonly id: string;
  /** RFC 3339. */
  readonly at: string;
  /** The agent that acted, as `type:id`. */
  readonly agent: string;
  /** The user, as `type:id`; undefined where the agent acted for itself. */
  readonly user: string | undefined;
  /** The earlier agents, and those that passed the delegation on. */
  readonly through: readonly string[];
  readonly action: string;
  readonly resourceType: string;
  /** undefined where the record no longer says which. */
  readonly resources: readonly EntityRef[] | undefined;
  readonly outcome: UseOutcome;
  /** The code of a deny's first reason. */
  readonly reason: ReasonCode | undefined;
  /** undefined where the record doesn't say. */
  readonly access: AccessType | undefined;
  /** The properties that the question stated of its action; undefined where the record doesn't say. */
  readonly properties: Properties | undefined;
  /** The scopes of its token. */
  readonly scopes: readonly string[];
  /** The id of the consent that it rested on. */
  readonly consent: string | undefined;
}

export interface UseReading {
  /** Whether a client reported that what was allowed wasn't done. */
  readonly isUndone: boolean;
  /** The user whose records are read, as `type:id`; undefined where they are those of several. */
  readonly user: string | undefined;
  /** The code of a deny's reason, as far as the reader is told it. */
  readonly tellReason: (record: DecisionRecord) => ReasonCode | undefined;
}

/** Reads the uses of the agent that acted; none where no agent did. */
export function readAgentUses(record: DecisionRecord | SearchRecord, reading: UseReading): AgentUse[] {
  return 'rationale' in record ? readDecisionUse(record, reading) : readListUses(record, reading);
}

function readDecisionUse(record: DecisionRecord, { isUndone, user: known, tellReason }: UseReading): AgentUse[] {
  const { id, evaluated_at: at, request, rationale } = record;
  const { acting } = rationale;
  if (acting?.agent === undefined) return [];
  // What was erased has commitments in the places of values, and pseudonyms for people.
  const isErased = record.values_erased === true;
  const facts = isErased ? undefined : record.facts;
  const token = getVerifiedCredential(facts ?? {})?.token;
  const passedOn = facts?.passed_on?.kind === 'path' ? facts.passed_on.through.map(describeRef) : [];
  const reason = record.decision ? undefined : tellReason(record);
  const outcome = record.decision ? (isUndone ? 'undone' : 'done') : reason === undefined ? 'asked' : 'denied';
  const consent = rationale.steps.find(({ step }) => step === 'consent')?.evidence['consent'];
  return [
    {
      id,
      at,
      agent: acting.agent,
      user: acting.user === undefined ? undefined : isErased ? known : acting.user,
      through: [...acting.chain, ...passedOn],
      action: request.action,
      resourceType: request.resource.type,
      resources: isErased ? undefined : [request.resource],
      outcome: record.dry_run ? 'asked' : outcome,
      reason,
      access: facts === undefined ? undefined : (token?.access ?? 'online'),
      properties: facts === undefined ? undefined : (facts.said.action ?? {}),
      scopes: token?.scopes ?? [],
      consent: typeof consent === 'string' ? consent : undefined,
    },
  ];
}

/** A filter hands out what it returns, which is a use; other lists only say what could be done. */
function readListUses(record: SearchRecord, { isUndone, user: known }: UseReading): AgentUse[] {
  const { id, evaluated_at: at, acting, request } = record;
  if (acting.agent === undefined) return [];
  const isErased = 'values_erased' in record;
  const { action, resource } = request as {
    readonly action?: string | { readonly name?: string };
    readonly resource?: { readonly type?: string };
  };
  const use = {
    id,
    at,
    agent: acting.agent,
    user: acting.user === undefined ? undefined : isErased ? known : acting.user,
    through: acting.chain,
    action: (typeof action === 'string' ? action : action?.name) ?? '',
    reason: undefined,
    access: undefined,
    properties: undefined,
    scopes: [],
    consent: undefined,
  };
  const items = record.search !== 'filter' || record.dry_run ? [] : (record.items ?? []);
  const byType = new Map<string, EntityRef[]>();
  for (const item of items) {
    if (!('id' in item)) continue;
    const others = byType.get(item.type) ?? [];
    others.push({ type: item.type, id: item.id });
    byType.set(item.type, others);
  }
  if (byType.size === 0)
    return [{ ...use, resourceType: resource?.type ?? '', resources: undefined, outcome: 'asked' }];
  return [...byType].map(([resourceType, resources]) => ({
    ...use,
    resourceType,
    resources: isErased ? undefined : resources,
    outcome: isUndone ? 'undone' : 'done',
  }));
}

/** The uses by the parts of a key, in the order of the keys. */
export function groupAgentUses(
  uses: readonly AgentUse[],
  keyOf: (use: AgentUse) => readonly string[],
): (readonly AgentUse[])[] {
  const groups = new Map<string, AgentUse[]>();
  for (const use of uses) {
    const key = JSON.stringify(keyOf(use));
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [use]);
    else group.push(use);
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
}
