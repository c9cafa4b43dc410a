/**
 * Two replicas as they are run, each killed with SIGKILL amid a thousand decisions: every answer that has left has its record with its
 * values, and once they run again the log has all records, as they are stored.
 */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { openCheckpoint } from '../../src/audit/checkpoint.js';
import { toNoteKey } from '../../src/audit/signed-note.js';
import { loadConfig } from '../../src/config/config.js';
import { LogVerifier } from '../../src/records/verify-log.js';
import { openService } from '../../src/service/service.js';
import { PostgresDatabase } from '../../src/store/database/postgres.js';
import { LogPages } from '../../src/store/log-pages.js';
import { LogStore } from '../../src/store/log-store.js';
import { collectCleanups } from '../support/cleanups.js';
import { dropDatabase, migratedUrl, NEEDS, postgresConfig, SERVER } from '../support/postgres/databases.js';
import { clientNamed } from '../support/sample.js';
import { BINARY, named, startSpiceDb } from '../support/spicedb.js';
import { Caller, serve, type Remit } from './processes.js';
import { loadWorldIn, writeReplicaFiles } from './replica-files.js';

const DECISIONS = 1_000;
const CALLERS = 8;
const ORIGIN = 'log.example';
const FILES = {
  'schema.zed': 'definition user {}\ndefinition doc {\n  relation reader: user\n  permission read = reader\n}\n',
  'schema.cedarschema': 'entity User, Doc;\naction "read" appliesTo { principal: [User], resource: [Doc] };\n',
  'policies/all.cedar': '@id("all") permit (principal, action, resource);\n',
  'world.yaml': 'relationships: doc:plan#reader@user:ann\nentities: []\n',
};
const PEOPLE = ['ann', 'ben'];

describe.skipIf(SERVER === undefined || BINARY === '')(
  `${named('killed replicas')} on ${NEEDS}`,
  () => {
    const directory = mkdtempSync(join(tmpdir(), 'remit-killed-'));
    const file = join(directory, 'remit.yaml');
    const { privateKey } = generateKeyPairSync('ed25519');
    const caller = new Caller('api-key');
    const running: Remit[] = [];
    let database: PostgresDatabase;
    const onSuiteFinished = collectCleanups();
    onSuiteFinished(() => rmSync(directory, { recursive: true, force: true }));

    beforeAll(async () => {
      const spicedb = await startSpiceDb();
      onSuiteFinished(() => spicedb.kill());
      const url = await migratedUrl(directory);
      onSuiteFinished(() => dropDatabase(url));
      database = new PostgresDatabase(postgresConfig(url));
      onSuiteFinished(() => database.close());
      writeFileSync(join(directory, 'audit.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
      await writeReplicaFiles(
        file,
        FILES,
        { spicedb, url },
        {
          audit: { key_file: 'audit.pem', origin: ORIGIN },
          clients: [
            { ...clientNamed('api', 'x', 'evaluate', 'asserts_subject'), default_mode: 'human', rate: 100_000 },
          ],
          limits: { deadline_ms: 60_000 },
        },
      );
      const service = await openService(loadConfig(file, { REMIT_DATA: join(directory, 'loading') }));
      await loadWorldIn(directory, service).finally(() => service.close());
      for (const name of ['one', 'two']) await startReplica(name);
      onSuiteFinished(() => running.forEach(({ child }) => child.kill('SIGKILL')));
      onSuiteFinished(() => caller.close());
    });

    async function startReplica(name: string): Promise<void> {
      running.push(await serve(file, { data: join(directory, name) }));
    }

    /** @returns the id of the answer's decision; undefined where no answer came */
    async function ask(i: number): Promise<string | undefined> {
    const replica = running[i % running.length] as Remit;
    const user = PEOPLE[i % PEOPLE.length];
    const body = { subject: { type: 'user', id: user }, action: { name: 'read' }, resource: { type: 'doc', id: 'plan' } };
    const response = await caller.call('POST', `${replica.url}/access/v1/evaluation`, body).catch(() => undefined);
    if (response?.status !== 200) return undefined;
    expect(response.body.decision).toBe(user === 'ann');
    return response.body.context?.id;
  } // prettier-ignore

    /** Asks as many callers at once until so many answers have come. */
    async function askUntil(count: number, answered: string[], lost: number[]): Promise<void> {
      let next = 0;
      const work = async (): Promise<void> => {
        while (answered.length < count) {
          const i = next++;
          const id = await ask(i);
          if (id === undefined) lost.push(i);
          else answered.push(id);
        }
      };
      await Promise.all(Array.from({ length: CALLERS }, work));
    }

    /** Asks on and kills the replica while answers are under way; another takes its place. */
    async function killAmid(answered: string[], lost: number[], until: number): Promise<void> {
      const killAt = answered.length + 100;
      const asking = askUntil(until, answered, lost);
      await vi.waitUntil(() => answered.length >= killAt, { timeout: 240_000, interval: 1 });
      await running[0]?.end('SIGKILL');
      running.shift();
      await startReplica(`again-${until}`);
      await asking;
    }

    it('leave a record of every answer, and a log that verifies', async () => {
      const answered: string[] = [];
      const lost: number[] = [];
      await killAmid(answered, lost, DECISIONS / 2);
      await killAmid(answered, lost, DECISIONS);
      expect(answered.length).toBeGreaterThanOrEqual(DECISIONS);
      expect(new Set(answered).size).toBe(answered.length);
      const [rows = []] = await database.run([
        {
          sql: `select r.id from records r join record_values v on v.record = r.id where r.id = any ($1::uuid[])`,
          params: [`{${answered.join(',')}}`],
        },
      ]);
      expect(new Set(rows.map(({ id }) => String(id)))).toEqual(new Set(answered));

      const pages = new LogPages(database);
      await vi.waitUntil(async () => (await pages.listUnsequenced('')).waiting.length === 0, {
        timeout: 120_000,
        interval: 100,
      });
      const { checkpoint = '' } = await new LogStore(database).readState();
      const head = openCheckpoint(checkpoint, toNoteKey(ORIGIN, privateKey));
      const verifier = new LogVerifier(head, []);
      const logged = new Set<string>();
      for (let from = 0; from < head.size;) {
        const leaves = await pages.readLeaves(from, 500, true);
        for (const leaf of leaves) verifier.take({ ...leaf, record: leaf.record ?? null });
        leaves.forEach(({ id }) => logged.add(id));
        from += leaves.length;
      }
      const { unlogged, lost: gone } = await pages.listUnsequenced('');
      verifier.takeUnlogged(unlogged, gone);
      expect(verifier.finish()).toEqual([]);
      expect(answered.filter((id) => !logged.has(id))).toEqual([]);
      expect(lost.length).toBeGreaterThan(0);
    });
  },
  600_000,
);
