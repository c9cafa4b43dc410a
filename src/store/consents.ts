/** The store of consents, with a cache where no other process writes: elsewhere each decision reads them. */
import { v4 as uuid } from 'uuid';
import {
  consentKey,
  type Consent,
  type ConsentEvidence,
  type ConsentMap,
  type ConsentNeed,
  type ConsentPair,
  type Consents,
} from '../model/consents.js';
import type { EntityRef } from '../model/ids.js';
import type { StatedChange } from '../model/changes.js';
import {
  CONSENT_LOCK,
  countLimitsStatement,
  KEPT_ENDED_CONSENTS_OF_USER,
  listAddStatements,
  MAX_CONSENTS_OF_USER,
} from './add-consent.js';
import { recordChanges, type ChangeRecords } from './change-records.js';
import { TOLD_AT_A_TIME, tellExpiredStatement, tellSuspendedStatements, withdrawStatement } from './consent-ends.js';
import {
  RECORDED_DENIAL,
  selectUntoldStatement,
  stateConsentGiven,
  stateConsentNarrowed,
  stateConsentWithdrawn,
  stateRequestDenied,
  stateSuspension,
  toSuspension,
} from './consent-changes.js';
import { OF_PAIR, hasFewLimitsSql, requireFewLimits } from './consent-limits.js';
import {
  consentPairParams,
  countConsentBytes,
  listConsentedActions,
  toStoredConsent,
  type StoredConsent,
} from './consent-rows.js';
import type { Database, SqlStatement } from './database/port.js';
import { KeyedReads } from './keyed-reads.js';
import { ReadBatch } from './read-batch.js';

/** Consents that are listed at a time where all are looked at. */
export const CONSENT_PAGE = 500;

const LOOKUP_SQL_OF_CONSENTS = `
  select a.position, c.consent - 'evidence' as consent
  from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) with ordinality
    as a (user_type, user_id, agent_type, agent_id, action, position)
  cross join lateral (select consent from consents
    where user_type = a.user_type and user_id = a.user_id and agent_type = a.agent_type and agent_id = a.agent_id
      and actions ? a.action
    offset 0) c`;

export class ConsentStore implements Consents {
  private readonly reads: KeyedReads<ConsentNeed, readonly Consent[]>;

  /**
   * @param changes records what becomes of consents
   * @param reads sends what a turn reads
   */
  constructor(
    private readonly database: Database,
    private readonly changes: ChangeRecords,
    reads = new ReadBatch(database),
  ) {
    this.reads = new KeyedReads<ConsentNeed, readonly Consent[]>(database, reads, {
      keyOf: consentKey,
      sql: LOOKUP_SQL_OF_CONSENTS,
      columnsOf: ({ action, ...pair }) => [...consentPairParams(pair), action],
      toValue: (rows) => rows.map((row) => row['consent'] as Consent),
    });
  }

  fetch(needs: readonly ConsentNeed[]): Promise<ConsentMap> {
    return this.reads.fetch(needs);
  }

  /** Finds a consent of the user; another's is none. @throws Fault */
  async find(user: EntityRef, id: string): Promise<StoredConsent | undefined> {
    const [rows] = await this.database.run([
      {
        sql: 'select * from consents where id = $1::uuid and user_type = $2 and user_id = $3',
        params: [id, user.type, user.id],
      },
    ]);
    return rows?.[0] === undefined ? undefined : toStoredConsent(rows[0]);
  }

  /** Lists the consents of a user, those given last first. @param agent only those for it @throws Fault */
  async list(user: EntityRef, agent?: EntityRef): Promise<readonly StoredConsent[]> {
    const [rows = []] = await this.database.run([
      {
        sql: `select * from consents where user_type = $1 and user_id = $2
                and ($3::text is null or (agent_type = $3 and agent_id = $4))
              order by consent->>'given' desc, id limit ${MAX_CONSENTS_OF_USER + 2 * KEPT_ENDED_CONSENTS_OF_USER}`,
        params: [user.type, user.id, agent?.type ?? null, agent?.id ?? null],
      },
    ]);
    return rows.map(toStoredConsent);
  }

  /**
   * Adds a consent, unless the user has too many in force.
   * @param request the request that it answers, and only while that waits for an answer
   * @returns whether it was added
   * @throws BadRequest where the pair's limits would be too many; Fault
   */
  async add(
    pair: ConsentPair,
    consent: Consent,
    evidence: ConsentEvidence,
    now: Date,
    request?: string,
  ): Promise<boolean> {
    const change = await this.changes.prepare(stateConsentGiven(pair, consent, request, now));
    const [, counted, added] = await this.write(listAddStatements({ pair, consent, evidence, request, change }, now));
    if (added?.[0] === undefined) requireFewLimits(counted?.[0]);
    return added?.[0] !== undefined;
  }

  /**
   * Replaces a consent. One that gets no further limit is replaced however many there are.
   * @returns whether it was still the version that was seen
   * @throws BadRequest where the pair's limits would be too many; Fault
   */
  async replace({ consent, version, ...pair }: StoredConsent, changed: Consent, now: Date): Promise<boolean> {
    const hasFurther = (changed.limits?.length ?? 0) > (consent.limits?.length ?? 0);
    // Only where there are more limits afterwards can they be too many, and only then must no one else write.
    const counting = hasFurther ? [CONSENT_LOCK, countLimitsStatement(pair, changed, now)] : [];
    const change = await this.changes.prepare(stateConsentNarrowed(pair, { ...changed, id: consent.id }, now));
    const narrowing = {
      sql: `update consents set consent = consents.consent || $7::jsonb, actions = $8::jsonb, bytes = $9::int,
                ended = $10::timestamptz, version = $11::uuid
              where id = $5::uuid and version = $12::uuid and (not $13::boolean or ${hasFewLimitsSql('$6::timestamptz')}) returning id`,
      params: [
        ...consentPairParams(pair),
        consent.id,
        now.toISOString(),
        JSON.stringify(changed),
        JSON.stringify(listConsentedActions(changed)),
        countConsentBytes(changed),
        changed.ends ?? null,
        uuid(),
        version,
        hasFurther,
      ],
    };
    const results = await this.write([...counting, recordChanges(narrowing, { change })]);
    const isReplaced = results.at(-1)?.[0] !== undefined;
    if (!isReplaced && hasFurther) requireFewLimits(results[1]?.[0]);
    return isReplaced;
  }

  /**
   * Withdraws a consent of the user: the next decision doesn't rest on it.
   * @param by who withdraws it, where it isn't the user
   * @returns whether there is one
   * @throws Fault
   */
  async withdraw(user: EntityRef, id: string, now: Date, by: StatedChange['by'] = user): Promise<boolean> {
    const stored = await this.find(user, id);
    if (stored === undefined) return false;
    const change = await this.changes.prepare(stateConsentWithdrawn(stored, by, now));
    await this.write([
      withdrawStatement('id = $3::uuid and user_type = $4 and user_id = $5', [id, user.type, user.id], change, now),
    ]);
    return true;
  }

  /**
   * Withdraws all that a user has given an agent, and ends what it asks for, in one transaction with other statements.
   * @param run runs the statements
   * @throws Fault
   */
  async withdrawAll<Result>(
    { user, agent }: ConsentPair,
    by: string,
    now: Date,
    run: (statements: readonly SqlStatement[]) => Promise<Result>,
  ): Promise<Result> {
    const [withdrawn, denied] = await this.changes.prepareAll([
      stateConsentWithdrawn({ user, agent }, by, now),
      stateRequestDenied({ user, agent }, by, now),
    ]);
    return this.reads.whileWriting(() =>
      run([
        CONSENT_LOCK,
        withdrawStatement(
          'user_type = $3 and user_id = $4 and agent_type = $5 and agent_id = $6',
          consentPairParams({ user, agent }),
          withdrawn ?? '',
          now,
        ),
        recordChanges(
          {
            sql: `update consent_requests set state = 'denied' where ${OF_PAIR} and state = 'pending' returning id`,
            params: consentPairParams({ user, agent }),
          },
          { change: denied ?? '', ...RECORDED_DENIAL },
        ),
      ]),
    );
  }

  /** Tells of those that have expired. @returns whether there may be more @throws Fault */
  async tellExpired(now: Date): Promise<boolean> {
    const [rows = []] = await this.database.run([tellExpiredStatement(now)]);
    return rows.length === TOLD_AT_A_TIME;
  }

  /** Lists consents in force by their ids, a page at a time. @param after the last id of the page before @throws Fault */
  async listInForce(after: string | undefined, now: Date): Promise<readonly Consent[]> {
    const [rows = []] = await this.database.run([
      {
        sql: `select id, consent - 'evidence' as consent from consents
              where coalesce(ended > $1::timestamptz, true) and ($2::uuid is null or id > $2::uuid)
              order by id limit ${CONSENT_PAGE}`,
        params: [now.toISOString(), after ?? null],
      },
    ]);
    return rows.map((row) => ({ ...(row['consent'] as Consent), id: String(row['id']) }));
  }

  /** Tells of those that are suspended now, and notes of others that they no longer are. @throws Fault */
  async tellSuspended(suspended: readonly string[], others: readonly string[], now: Date): Promise<void> {
    const [rows = []] = await this.database.run([selectUntoldStatement(suspended, others)]);
    if (rows.length === 0) return;
    const changing = rows.map(toSuspension);
    const changes = await this.changes.prepareAll(changing.map((suspension) => stateSuspension(suspension, now)));
    await this.database.run(tellSuspendedStatements(changing, changes, now));
  }

  /** Does what writes to the table from elsewhere. */
  whileWriting<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.reads.whileWriting(work);
  }

  private write(statements: readonly SqlStatement[]): ReturnType<Database['run']> {
    return this.reads.whileWriting(() => this.database.run(statements));
  }
}
