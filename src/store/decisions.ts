/** The store of decision records: each decision with the facts it rests on, durable before its answer leaves. */
import type { Database } from './database/port.js';
import type { DecisionRecord, SearchRecord } from '../model/decision.js';
import type { RecordResult, Reservation } from '../model/limits.js';
import { NO_ACCOUNT, type CallerAccount, type Properties } from '../model/question.js';
import type { EntityRef } from '../model/ids.js';
import { NO_EFFECTS, type RecordEffects } from '../model/record-effects.js';
import type { CallerGroups } from '../runtime/fair-limit.js';
import { nameReservedEvents } from './history.js';
import { nameReachedLimits, nameReservedLimits } from './limit-names.js';
import { findLoggedDecision, type LoggedDecision } from './logged-decision.js';
import { listDecisionRows, listDecisions, type DecisionFilter, type DecisionPage } from './list-decisions.js';
import { serializeEffects } from './record-effects.js';
import type { ProtectedRecord, RecordValues, WrittenRecord } from './record-values.js';
import { serializeRow } from './record-row.js';
import { RecordQueue, type RecordStats } from './record-queue.js';
import { measureStoredBytes } from './stored-bytes.js';
import {
  findDecisionRow, toClosedRecord, toOutcomeRow, toStoredDecision, type ClosedRecord, type ReportedOutcome, type StoredDecision,
} from './stored-decision.js'; // prettier-ignore
import { findUndoneDecisions, readEarlierUses, type EarlierUses, type UsingParty } from './usage.js';

/** The number that was used of each unit, as decimal text; "" stands for uses. All that was reserved where none is named. */
export type KeptQuantities = Readonly<Record<string, number | string>>;

/**
 * `exceeds`: more was used than was reserved, which counts as all of it; `other`: another outcome was reported before;
 * `other_unit`: what was used is in a unit that was not reserved, and nothing was stored.
 */
export type OutcomeResult = 'reported' | 'exceeds' | 'other' | 'other_unit';

export interface Decisions {
  /**
   * Resolves when the record is durable, or when what it reserves no longer fits.
   * @param account of the caller whose record it is, and who is charged with it
   * @param reservation is made in the record's own transaction
   * @param effects are stored in it as well, where the record is
   * @throws Fault
   */
  record(
    record: DecisionRecord | SearchRecord,
    account: CallerAccount,
    reservation?: Reservation,
    effects?: RecordEffects,
  ): Promise<RecordResult>;
  /**
   * Records that a decision was answered otherwise than the record says. It is written later; no caller waits for it.
   * @param releases whether the record may have reserved something, which is given back
   */
  correct(record: DecisionRecord, account: CallerAccount, releases: boolean): void;
  find(id: string): Promise<StoredDecision | undefined>;
  /**
   * Stores the outcome of the decision that made a reservation, and commits or releases that.
   * @param kept what was used; null releases all of it
   * @throws Fault
   */
  reportOutcome(
    id: string,
    client: string,
    outcome: ReportedOutcome,
    kept?: KeptQuantities | null,
    scope?: OutcomeScope,
  ): Promise<OutcomeResult>;
}

/** The time of an outcome, and the people that its decision is about. */
export interface OutcomeScope {
  readonly at: Date;
  readonly people: readonly EntityRef[];
}

/** An outcome without a time keeps nothing of what it hides. */
const UNKNOWN_SCOPE: OutcomeScope = { at: new Date(0), people: [] };

/** The longest facts that are stored, in bytes of JSON: callers' properties must not fill the store. */
const MAX_FACTS_BYTES = 64 * 1024;
const MAX_SHOWN_PROPERTIES_BYTES = 16 * 1024;
const DEFAULT_REVIEW_DUE_MS = 72 * 3_600_000;

export class DecisionStore implements Decisions {
  private readonly queue: RecordQueue;

  /**
   * @param values keeps people and values out of the records
   * @param keepsFacts whether records hold the facts of the decision, so that it can be replayed
   * @param reviewDueMs the time within which a review is due, in milliseconds
   */
  constructor(
    private readonly database: Database,
    private readonly values: RecordValues,
    private readonly keepsFacts = true,
    private readonly reviewDueMs = DEFAULT_REVIEW_DUE_MS,
  ) {
    this.queue = new RecordQueue(database);
  }

  /** Whether a further record of such a caller, of this length, is taken now; otherwise nothing can be decided for it. */
  hasRoom(groups: CallerGroups, bytes: number): boolean {
    return this.queue.hasRoom(groups, bytes);
  }

  record(
    record: DecisionRecord | SearchRecord,
    account = NO_ACCOUNT,
    reservation?: Reservation,
    effects = NO_EFFECTS,
  ): Promise<RecordResult> {
    const { groups } = account;
    const { people } = this.values;
    const effectRows = serializeEffects(record, nameReachedLimits(effects, people), this.reviewDueMs);
    const write = (serialize: () => string): Promise<RecordResult> =>
      this.queue.write(
        record.id,
        serialize,
        groups,
        reservation && nameReservedLimits(nameReservedEvents(reservation, people), people),
        effectRows,
      );
    const refuse = (): string => {
      throw new TypeError('a record that has no room is not made');
    };
    if (!this.queue.hasRoom(groups, 1)) return write(refuse);
    const written = this.serialize(record);
    const writeProtected = (protectedRecord: ProtectedRecord): Promise<RecordResult> =>
      write(() => {
        account.countRecord(protectedRecord.bytes);
        return serializeRow(record, protectedRecord);
      });
    const protectedRecord = this.values.protectByKeys(written);
    return protectedRecord instanceof Promise ? protectedRecord.then(writeProtected) : writeProtected(protectedRecord);
  }

  /**
   * Corrects a record. Its caller was charged when it was first given, and isn't again. The keys of its people were known then, but
   * for an outage: nothing waits for them here.
   */
  correct(record: DecisionRecord, { groups } = NO_ACCOUNT, releases = false): void {
    const protectedRecord = this.values.protect(this.serialize(record));
    this.queue.correct(record.id, serializeRow(record, protectedRecord), groups, releases);
  }

  /** Leaves out facts that are too long, or that records don't hold. */
  private serialize(record: DecisionRecord | SearchRecord): WrittenRecord {
    const { facts, ...others } = { facts: undefined, ...record };
    const { id, evaluated_at: evaluatedAt } = record;
    const factsText = facts === undefined || !this.keepsFacts ? undefined : JSON.stringify(facts);
    const isLong = factsText !== undefined && measureStoredBytes(factsText) > MAX_FACTS_BYTES;
    const content = factsText === undefined || isLong ? others : { ...others, facts: factsText };
    return { id, evaluatedAt, content };
  }

  async find(id: string): Promise<StoredDecision | undefined> {
    const row = await findDecisionRow(this.database, id);
    if (row === undefined) return undefined;
    const outcome = toOutcomeRow(row);
    const [opened, openedOutcome] = await this.values.open(outcome === undefined ? [row] : [row, outcome]);
    return toStoredDecision(row, opened as DecisionRecord, openedOutcome);
  }

  /** Finds the same record with its values closed. @throws Fault */
  async findClosed(id: string): Promise<StoredDecision<ClosedRecord> | undefined> {
    const row = await findDecisionRow(this.database, id);
    return row && toStoredDecision(row, toClosedRecord(row), row['outcome']);
  }

  /** Finds the record that {@link find} shows, as the log has it. @throws Fault */
  findLogged(id: string): Promise<LoggedDecision | undefined> {
    return findLoggedDecision(this.database, this.values, id);
  }

  /**
   * Reads the properties that questions stated of their actions, by the decisions' ids. Those that are too long for people to
   * read are left out, and those that are no longer kept.
   * @throws Fault
   */
  async fetchActionProperties(decisions: readonly string[]): Promise<ReadonlyMap<string, Properties>> {
    const opened = await this.openKept(decisions);
    return new Map(
      [...opened.values()].flatMap((record): [string, Properties][] => {
        const stated = 'facts' in record ? record.facts?.said.action : undefined;
        const isShort = measureStoredBytes(JSON.stringify(stated ?? null)) <= MAX_SHOWN_PROPERTIES_BYTES;
        return stated === undefined || !isShort ? [] : [[record.id, stated]];
      }),
    );
  }

  /** Opens the records, by their ids, whose values are still there. @throws Fault */
  async openKept(ids: readonly string[]): Promise<ReadonlyMap<string, DecisionRecord | SearchRecord>> {
    if (ids.length === 0) return new Map();
    const [rows = []] = await this.database.run([
      {
        sql: `select d.id, d.record, d.protected, encode(v.sealed, 'base64') as sealed, v.persons
              from records d join record_values v on v.record = d.id where d.id = any ($1::uuid[])`,
        params: [`{${[...new Set(ids)].join(',')}}`],
      },
    ]);
    const opened = (await this.values.open(rows)) as readonly (DecisionRecord | SearchRecord)[];
    return new Map(
      rows.flatMap((row, i) => {
        const record = opened[i];
        return record === undefined || 'values_erased' in record ? [] : [[String(row['id']), record] as const];
      }),
    );
  }

  /**
   * Reads a page of records, the newest first.
   * @param after the key of the page before; undefined for the first page
   * @throws Fault; BadRequest where the key is none
   */
  list(filter: DecisionFilter, after: string | undefined, limit: number): Promise<DecisionPage> {
    return listDecisions(this.database, this.values, filter, after, limit);
  }

  /** Reads the same page with the values closed. @throws Fault; BadRequest where the key is none */
  async listClosed(
    filter: DecisionFilter,
    after: string | undefined,
    limit: number,
  ): Promise<DecisionPage<ClosedRecord>> {
    const { records, next } = await listDecisionRows(this.database, this.values, filter, after, limit);
    return { records: records.map(toClosedRecord), next };
  }

  /** Finds the decisions and lists of which a client reported that they came to nothing. @throws Fault */
  findUndone(decisions: readonly string[]): Promise<ReadonlySet<string>> {
    return findUndoneDecisions(this.database, decisions);
  }

  /** Reads which actions agents had been allowed before an instant, RFC 3339, as far back as is looked. @throws Fault */
  readEarlierUses(party: UsingParty, agents: readonly string[], before: string): Promise<EarlierUses> {
    return readEarlierUses(this.database, this.values, party, agents, before);
  }

  async reportOutcome(
    id: string,
    client: string,
    outcome: ReportedOutcome,
    kept: KeptQuantities | null = {},
    { at, people }: OutcomeScope = UNKNOWN_SCOPE,
  ): Promise<OutcomeResult> {
    const { text, hides, sealed } = await this.values.protectOutcome(id, { content: outcome, at, people });
    const [rows] = await this.database.run([
      {
        sql: 'select report_outcome($1::uuid, $2, $3::jsonb, $4::jsonb, $5, $6::jsonb) as result',
        params: [
          id,
          client,
          text,
          kept === null ? null : JSON.stringify(kept),
          outcome.outcome === 'executed',
          hides ? `{${sealed.slice(1)}}` : '{}',
        ],
      },
    ]);
    return rows?.[0]?.['result'] as OutcomeResult;
  }

  /** Writes everything that waits, corrections included. @throws Fault where the store can't take it now */
  flush(): Promise<void> {
    return this.queue.flush();
  }

  stats(): RecordStats {
    return this.queue.stats();
  }
}
