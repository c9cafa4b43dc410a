/**
 * Reports how agents used what they were granted. It reads a bounded number of records, decides the allows among them again while
 * there is time, and says what was cut short.
 */
import { describeRef } from '../model/ids.js';
import type { DecisionRecord, SearchRecord } from '../model/decision.js';
import type { ReasonCode } from '../model/reasons.js';
import type { Rules } from '../policy/load.js';
import { readAgentUses, type AgentUse } from '../records/usage/agent-use.js';
import { findBursts } from '../records/usage/bursts.js';
import { proposeDetails, type ProposedDetail } from '../records/usage/narrowest-details.js';
import { replayNarrowed } from '../records/usage/narrowed-replay.js';
import { countDenials, listFirstUses } from '../records/usage/summaries.js';
import { listUnusedGrants } from '../records/usage/unused-grants.js';
import { yieldToEventLoop } from '../runtime/yield.js';
import type { Service } from '../service/service.js';
import { readGrantedRights, type UsageParties } from './granted-rights.js';
import type { CutPart, UsageJson } from './usage-json.js';

/** The records that are read, the newest. */
export const MAX_USAGE_RECORDS = 1_000;
const USAGE_PAGE_SIZE = 200;
/** Pages may be short. */
const MAX_USAGE_PAGES = 20;
/** The entries of each list of the report. */
const MAX_USAGE_ENTRIES = 200;

export interface UsageQuestion extends UsageParties {
  /** The length of the period, in milliseconds. */
  readonly periodMs: number;
  /** Whether nothing but the user's own records is looked at. */
  readonly readsOwnOnly: boolean;
  /** The code of a deny's reason, as far as the caller is told it. */
  readonly tellReason: (record: DecisionRecord) => ReasonCode | undefined;
  /** The time for all of it, in milliseconds: reading ends at half of it, and replaying before its end. */
  readonly withinMs: number;
}

type UsageRecord = DecisionRecord | SearchRecord;
type UsageParts = Pick<Service, 'activePolicies' | 'consents' | 'decisions' | 'delegationStore' | 'now'>;

/** @throws Fault */
export async function reportUsage(service: UsageParts, question: UsageQuestion): Promise<UsageJson> {
  const startedAt = performance.now();
  const hasTime = (share: number): boolean => performance.now() - startedAt < share * question.withinMs;
  const until = service.now();
  const asked = new Date(until.getTime() - question.periodMs).toISOString();
  const { records, complete } = await readUsageRecords(service, question, asked, () => hasTime(0.5));
  const since = complete ? asked : (records.at(-1)?.evaluated_at ?? until.toISOString());
  const undone = await service.decisions.findUndone(records.map(idOfReservation));
  const userText = question.user && describeRef(question.user);
  const usesOf = (record: UsageRecord): AgentUse[] =>
    readAgentUses(record, {
      isUndone: undone.has(idOfReservation(record)),
      user: userText,
      tellReason: question.tellReason,
    });
  const uses = records.flatMap(usesOf);
  const rights = await readGrantedRights(service, question);
  const earlier = await readEarlier(service, question, uses, since);
  const { rules } = service.activePolicies;
  const replay = await replaySuggestions(records, usesOf, proposeDetails(omitUnknownUsers(uses, records)), rules, () =>
    hasTime(0.8),
  );
  const lists = {
    unused: listUnusedGrants(uses, rights, rules.vocabulary),
    never: listFirstUses(uses, earlier.has),
    denied: countDenials(uses),
    bursts: findBursts(uses),
    suggestions: replay.suggestions,
  };
  const cutParts: Readonly<Record<CutPart, boolean>> = {
    records: !complete,
    earlier: !earlier.complete,
    granted: !rights.complete,
    replay: !replay.complete,
    entries: Object.values(lists).some((list) => list.length > MAX_USAGE_ENTRIES),
  };
  const shorten = <T>(list: readonly T[]): T[] => list.slice(0, MAX_USAGE_ENTRIES);
  return {
    period: { since, until: until.toISOString() },
    records: { read: records.length, values_erased: records.filter(isErasedRecord).length },
    cut: (Object.keys(cutParts) as CutPart[]).filter((part) => cutParts[part]),
    unused: shorten(lists.unused) as UsageJson['unused'],
    never: shorten(lists.never),
    denied: shorten(lists.denied),
    bursts: shorten(lists.bursts),
    suggestions: shorten(lists.suggestions),
  };
}

/** Reads the newest records first, page by page. */
async function readUsageRecords(
  { decisions }: Pick<Service, 'decisions'>,
  { user, agent, readsOwnOnly }: UsageQuestion,
  since: string,
  hasTime: () => boolean,
): Promise<{ readonly records: readonly UsageRecord[]; readonly complete: boolean }> {
  const filter = {
    since,
    ...(user === undefined ? {} : { user: describeRef(user) }),
    ...(agent === undefined ? {} : { agent: describeRef(agent) }),
    readsOwnOnly,
  };
  const records: UsageRecord[] = [];
  let after: string | undefined;
  for (let page = 0; page < MAX_USAGE_PAGES && records.length < MAX_USAGE_RECORDS && hasTime(); page += 1) {
    const size = Math.min(USAGE_PAGE_SIZE, MAX_USAGE_RECORDS - records.length);
    const { records: read, next } = await decisions.list(filter, after, size);
    records.push(...read);
    if (next === undefined) return { records, complete: true };
    after = next;
  }
  return { records, complete: false };
}

function readEarlier(
  { decisions }: Pick<Service, 'decisions'>,
  { user, agent }: UsageParties,
  uses: readonly AgentUse[],
  since: string,
): ReturnType<Service['decisions']['readEarlierUses']> {
  const party =
    user === undefined
      ? { member: 'agent' as const, ref: agent === undefined ? '' : describeRef(agent) }
      : { member: 'user' as const, ref: describeRef(user) };
  return decisions.readEarlierUses(party, [...new Set(uses.map((use) => use.agent))], since);
}

/** Leaves out the uses for users whose names are gone: there is no delegation to narrow. */
function omitUnknownUsers(uses: readonly AgentUse[], records: readonly UsageRecord[]): AgentUse[] {
  const erased = new Set(records.filter(isErasedRecord).map(({ id }) => id));
  return uses.filter(({ id, user }) => user !== undefined || !erased.has(id));
}

interface SuggestionReplay {
  readonly suggestions: UsageJson['suggestions'];
  readonly complete: boolean;
}

/** Decides each allow again with its agent narrowed to all that is proposed for it. */
async function replaySuggestions(
  records: readonly UsageRecord[],
  usesOf: (record: UsageRecord) => readonly AgentUse[],
  proposed: readonly ProposedDetail[],
  rules: Rules,
  hasTime: () => boolean,
): Promise<SuggestionReplay> {
  const counts = proposed.map(() => ({ denied: 0, replayed: 0, unreplayed: 0 }));
  let complete = true;
  for (const record of records)
    for (const use of usesOf(record)) {
      if (use.outcome !== 'done' && use.outcome !== 'undone') continue;
      const place = proposed.findIndex((entry) => isAbout(entry, use));
      const count = counts[place];
      if (count === undefined) continue;
      await yieldToEventLoop();
      const inTime = hasTime();
      complete &&= inTime;
      const narrowed = proposed.filter((entry) => isOfSameParties(entry, use)).map(({ detail }) => detail);
      const answer = inTime && 'rationale' in record ? replayNarrowed(record, narrowed, rules) : undefined;
      if (answer === undefined) count.unreplayed += 1;
      else count.replayed += 1;
      if (answer === 'denied') count.denied += 1;
    }
  const suggestions = proposed.map(({ user, agent, detail }, i) => {
    const { denied = 0, replayed = 0, unreplayed = 0 } = counts[i] ?? {};
    return {
      ...(user === undefined ? {} : { user }),
      agent,
      detail: { ...detail },
      would_deny: { n: denied, of: replayed },
      not_replayed: unreplayed,
    };
  });
  return { suggestions, complete };
}

function isOfSameParties(entry: ProposedDetail, use: AgentUse): boolean {
  return entry.agent === use.agent && entry.user === use.user;
}

function isAbout(entry: ProposedDetail, use: AgentUse): boolean {
  return (
    isOfSameParties(entry, use) && entry.resourceType === use.resourceType && entry.detail.actions.includes(use.action)
  );
}

/** The decision that outcomes are reported of: the one that made the reservation. */
function idOfReservation({ id, reservation }: UsageRecord): string {
  return reservation?.decision ?? id;
}

function isErasedRecord(record: UsageRecord): boolean {
  return 'values_erased' in record;
}
