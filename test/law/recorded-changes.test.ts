/**
 * The law of recorded changes: after any sequence of changes, the newest record of each delegation, consent and approval says the
 * state that is in force, and there are as many records as there were changes.
 */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { v4 as uuid } from 'uuid';
import type { Consent } from '../../src/model/consents.js';
import type { DelegationBounds } from '../../src/model/delegations.js';
import type { EntityRef } from '../../src/model/ids.js';
import { ApprovalStore } from '../../src/store/approvals.js';
import { ConsentStore } from '../../src/store/consents.js';
import { ScratchDatabase } from '../support/postgres/scratch-database.js';
import type { Database, DatabaseRow } from '../../src/store/database/port.js';
import { DelegationStore } from '../../src/store/delegations.js';
import { migrateSchema } from '../../src/store/migrations.js';
import { ReadBatch } from '../../src/store/read-batch.js';
import { RevocationStore } from '../../src/store/revocations.js';
import { changeRecordsOf, recordValuesOf } from '../support/record-values.js';

let database: Database;
beforeAll(async () => {
  database = new ScratchDatabase();
  await migrateSchema(database);
  return () => database.close();
}, 60_000);

/** A record as it is opened, with the columns that it is found by. */
interface OpenedChange {
  readonly kind: string;
  readonly change: string;
  readonly object?: string;
  readonly after?: { readonly state: string; readonly barred?: true };
  readonly terms?: Partial<DelegationBounds>;
}

const AGENTS = ['mail-bot', 'hr-bot'].map((id): EntityRef => ({ type: 'agent', id }));
const EVIDENCE = { surface: 'portal', text_sha256: 'x', locale: 'en', decided_at: '2030-01-01T00:00:00.000Z' };
/** The changes that are tried, each with the agent that it is of. */
const anyStep = fc.record({
  agent: fc.nat(AGENTS.length - 1),
  act: fc.constantFrom('give', 'narrow', 'end', 'stop', 'forget', 'consent', 'narrowConsent', 'withdraw', 'suspend', 'resume', 'refused'), // prettier-ignore
  ends: fc.integer({ min: 1, max: 300 }),
});

describe('the newest records of changes', () => {
  it('say what is in force after any sequence of them', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { minLength: 1, maxLength: 14 }), async (steps) => {
        const user = { type: 'user', id: `ann-${uuid()}` };
        const world = new RecordedWorld(user);
        for (const [i, step] of steps.entries()) await world.take(step, new Date(Date.parse('2030-03-04T10:00:00Z') + i * 1000)); // prettier-ignore
        const records = await world.readRecords();
        expect(records.length).toBe(world.changeCount);
        for (const agent of AGENTS) await world.assertInForce(agent, records);
      }),
      { numRuns: 40 },
    );
  }, 240_000);
});

class RecordedWorld {
  changeCount = 0;
  private readonly changes = changeRecordsOf(database);
  private readonly delegations = new DelegationStore(database, this.changes);
  private readonly consents = new ConsentStore(database, this.changes);
  private readonly approvals = new ApprovalStore(database, this.changes, new ReadBatch(database), () => Promise.resolve(true), 0, 0); // prettier-ignore
  private readonly revocations = new RevocationStore(database, this.changes);

  constructor(private readonly user: EntityRef) {}

  async take({ agent: index, act, ends }: { agent: number; act: string; ends: number }, at: Date): Promise<void> {
    const agent = AGENTS[index] ?? { type: '', id: '' };
    const pair = { giver: this.user, agent };
    const made = { by: `user:${this.user.id}`, at };
    const bounds = {
      ends: new Date(at.getTime() + ends * 86_400_000).toISOString(),
      online: true,
      background: ends > 100,
    };
    const before = await this.delegations.find(pair);
    const [consent] = (await this.consents.list(this.user, agent)).filter((one) => one.consent.withdrawn === undefined);
    switch (act) {
      case 'give':
        if (typeof (await this.delegations.put(pair, bounds, made)) === 'string') this.changeCount += 1;
        return;
      case 'narrow':
        if (before === undefined) return;
        await this.delegations.put(pair, bounds, made, { replaces: before.version, keepsBar: true });
        this.changeCount += 1;
        return;
      case 'end':
        if (await this.delegations.end(pair, made)) this.changeCount += before === undefined || before.state === 'given' ? 1 : 0; // prettier-ignore
        return;
      case 'stop':
        await this.stop(agent, at);
        return;
      case 'forget':
        // The graph follows what was ended: nothing that is in force changes.
        if (before?.state === 'given') await this.delegations.settle(pair, before.version);
        else if (before !== undefined) await this.delegations.forget(pair, before.version);
        return;
      case 'consent':
        await this.consents.add({ user: this.user, agent }, newConsent(at), EVIDENCE, at);
        this.changeCount += 1;
        return;
      case 'narrowConsent':
        if (consent !== undefined && (await this.consents.replace(consent, { ...consent.consent, ends: bounds.ends }, at))) this.changeCount += 1; // prettier-ignore
        return;
      case 'withdraw':
        if (consent !== undefined && (await this.consents.withdraw(this.user, consent.consent.id, at))) this.changeCount += 1; // prettier-ignore
        return;
      case 'suspend':
      case 'resume':
        await this.suspend(consent?.consent.id, act === 'suspend', at);
        return;
      default:
        await this.tryRefused(agent, consent?.consent.id, at);
    }
  }

  /** Everything of the pair ends together, with the revocation of its tokens. */
  private async stop(agent: EntityRef, at: Date): Promise<void> {
    const by = `user:${this.user.id}`;
    const before = await this.delegations.find({ giver: this.user, agent });
    const consents = (await this.consents.list(this.user, agent)).filter((one) => one.consent.withdrawn === undefined);
    const revocation = { id: uuid(), user: this.user.id, agent: agent.id, revokedAt: at.toISOString(), revokedBy: by };
    const ending = await this.approvals.prepareEndAll({ user: this.user, agent }, by, at);
    await this.revocations.add(revocation, (statements) =>
      this.consents.withdrawAll(
        { user: this.user, agent },
        by,
        at,
        (withdrawing) =>
        this.delegations.end({ giver: this.user, agent }, { by, at }, { bars: true, alongside: [...statements, ...withdrawing, ending] }), // prettier-ignore
      ),
    );
    const wasBarred = before !== undefined && before.state !== 'given' && before.bars;
    this.changeCount += 1 + consents.length + (wasBarred ? 0 : 1);
  }

  private async suspend(id: string | undefined, isSuspended: boolean, at: Date): Promise<void> {
    if (id === undefined) return;
    const [rows] = await database.run([{ sql: 'select told from consents where id = $1::uuid', params: [id] }]);
    const [suspended, others] = isSuspended ? [[id], []] : [[], [id]];
    for (let time = 1; time <= 2; time += 1) await this.consents.tellSuspended(suspended, others, at);
    if (rows?.[0]?.['told'] === (isSuspended ? null : 'suspended')) this.changeCount += 1;
  }

  /** Changes that change nothing, or are given up, leave no record. */
  private async tryRefused(agent: EntityRef, consent: string | undefined, at: Date): Promise<void> {
    const pair = { giver: this.user, agent };
    const made = { by: 'portal', at };
    expect(await this.delegations.put(pair, { online: true, background: false }, made, { replaces: uuid() })).toBeUndefined(); // prettier-ignore
    const failing = { alongside: [{ sql: 'select 1 / $1::int', params: [0] }] };
    await expect(this.delegations.end(pair, made, failing)).rejects.toThrow();
    expect(await this.consents.withdraw({ type: 'user', id: 'another' }, consent ?? uuid(), at)).toBe(false);
    const stale = { user: this.user, agent, consent: newConsent(at), evidence: EVIDENCE, version: uuid() };
    expect(await this.consents.replace(stale, newConsent(at), at)).toBe(false);
  }

  /** The records of the user, the newest last. */
  async readRecords(): Promise<readonly DatabaseRow[]> {
    const name = await recordValuesOf(database).findName(this.user);
    const [rows = []] = await database.run([
      {
        sql: `select r.*, encode(v.sealed, 'base64') as sealed, v.persons from records r join record_values v on v.record = r.id
              where r.user_key = $1 and r.decision is null order by r.at`,
        params: [`user:${name ?? ''}`],
      },
    ]);
    return rows;
  }

  async assertInForce(agent: EntityRef, rows: readonly DatabaseRow[]): Promise<void> {
    const own = rows.filter((row) => row['agent_key'] === `agent:${agent.id}`);
    const opened = (await recordValuesOf(database).open(own)) as readonly OpenedChange[];
    const records = opened.map((record, i) => ({ ...record, kind: String(own[i]?.['kind']) }));
    const stored = await this.delegations.find({ giver: this.user, agent });
    const newest = records.filter(({ kind }) => kind === 'delegation').at(-1);
    if (stored?.state === 'given') {
      expect(newest?.after).toEqual({ state: 'given', ...(stored.bars ? { barred: true } : {}) });
      expect(newest?.terms).toEqual(stored.bounds);
    } else expect(newest?.after?.state ?? 'ended').toBe(stored?.bars === true ? 'barred' : 'ended');
    const [told = []] = await database.run([{ sql: 'select id, told from consents where user_id = $1', params: [this.user.id] }]); // prettier-ignore
    for (const { consent } of await this.consents.list(this.user, agent)) {
      const ofConsent = records.filter(({ kind, object }) => kind === 'consent' && object === consent.id);
      const isSuspended = told.some((row) => row['id'] === consent.id && row['told'] === 'suspended');
      const state = consent.withdrawn === undefined ? (isSuspended ? 'suspended' : 'active') : 'withdrawn';
      expect(ofConsent.filter(({ after }) => after !== undefined).at(-1)?.after).toEqual({ state });
      expect(ofConsent.findLast(({ terms }) => terms !== undefined)?.terms?.ends).toBe(consent.ends);
    }
  }
}

function newConsent(at: Date): Consent {
  const given = at.toISOString();
  return { id: uuid(), details: [{ type: 'remit', actions: ['read'] }], access: 'online', confirm: 'never', starts: given, basis: {}, given }; // prettier-ignore
}
