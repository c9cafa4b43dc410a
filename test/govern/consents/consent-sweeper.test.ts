/** What becomes of consents by itself is told, once for all replicas. */
import { changeRecordsOf } from '../../support/record-values.js';
import { beforeAll, expect, it } from 'vitest';
import { v4 as uuid } from 'uuid';
import { ConsentSweeper } from '../../../src/govern/consents/consent-sweeper.js';
import { describeConsentBasis } from '../../../src/govern/consents/consent-basis.js';
import type { Consent } from '../../../src/model/consents.js';
import { loadRules, type Rules } from '../../../src/policy/load.js';
import { ConsentStore } from '../../../src/store/consents.js';
import type { PgliteDatabase } from '../../../src/store/database/pglite.js';
import { ScratchDatabase } from '../../support/postgres/scratch-database.js';
import { EventLog } from '../../../src/store/event-log.js';
import { MetaStore } from '../../../src/store/meta.js';
import { migrateSchema } from '../../../src/store/migrations.js';
import { CONSENT_FILES } from '../../support/consent-world.js';

let database: PgliteDatabase;
beforeAll(async () => {
  database = new ScratchDatabase();
  await migrateSchema(database);
  return () => database.close();
});

const rulesOf = (title: string): Rules => {
  const file = (name: string) => ({ name, text: (CONSENT_FILES[name] ?? '').replace('Read a calendar', title) });
  return loadRules({
    relationships: file('schema.zed'),
    actions: [file('schema.cedarschema')],
    policies: [file('policies/all.cedar')],
  });
};
const NOW = new Date('2030-03-04T10:00:00Z');

it('tells once what has expired, and what new rules suspend, whichever replica has them first', async () => {
  const consents = new ConsentStore(database, changeRecordsOf(database));
  const [before, after] = [rulesOf('Read a calendar'), rulesOf('Read everything')];
  const give = async (action: string, ends?: string): Promise<string> => {
    const details = [{ type: 'remit', actions: [action] }];
    const id = uuid();
    const given = NOW.toISOString();
    const basis = describeConsentBasis(details, before);
    const consent: Consent = { id, details, access: 'online', confirm: 'never', starts: given, basis, given, ends };
    const pair = { user: { type: 'user', id: 'ann' }, agent: { type: 'agent', id: 'helper' } };
    await consents.add(pair, consent, { surface: 's', text_sha256: 'x', locale: 'en', decided_at: given }, NOW);
    return id;
  };
  let now = NOW;
  const replica = (rules: () => Rules) =>
    new ConsentSweeper({ consents, meta: new MetaStore(database), rules, now: () => now });
  const log = new EventLog(database);
  let seen = 0;
  const told = async (): Promise<string[]> => {
    const events = await log.read(seen, 100);
    seen = events.at(-1)?.position ?? seen;
    return events
      .filter(({ event }) => event !== 'consent.given')
      .map(({ event, ids }) => `${event} ${ids['consent'] ?? ''}`);
  };
  let rules = before;
  const [first, second] = [replica(() => rules), replica(() => rules)];
  const [read, , short] = [await give('read'), await give('send'), await give('send', '2030-03-04T11:00:00Z')];
  await first.sweep();
  await second.sweep();
  expect(await told()).toEqual([]);
  rules = after;
  await first.sweep();
  await second.sweep();
  await first.sweep();
  expect(await told()).toEqual([`consent.suspended ${read}`]);
  now = new Date('2030-03-04T11:00:00Z');
  await Promise.all([first.sweep(), second.sweep()]);
  expect(await told()).toEqual([`consent.ended ${short}`]);
  // A replica that comes late with the rules of before doesn't take turns with the others.
  const late = replica(() => before);
  for (const each of [late, first, late, second]) await each.sweep();
  expect(await told()).toEqual([]);
});
