/** The parts of a running Remit, put together from a configuration and taken apart in order. */
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from './config.js';
import type { ConfiguredClient } from './config/clients.js';
import { readSources, shown } from './config/files.js';
import { misfits } from './config/fits.js';
import type { Deciding } from './decide.js';
import type { Database } from './engines/database/port.js';
import { lockDirectory, type Lock } from './engines/lock.js';
import { EmbeddedRelationships } from './engines/spicedb/embedded.js';
import type { Relationships } from './engines/spicedb/port.js';
import { PERMISSIONS, type Client } from './model/question.js';
import type { Graph } from './rules/graph.js';
import { loadRules } from './rules/load.js';
import { DecisionStore } from './stores/decisions.js';
import { EntityStore } from './stores/entities.js';
import { Journal } from './stores/journal.js';
import { ProofStore } from './stores/proofs.js';
import { RevocationStore } from './stores/revocations.js';
import { openDevIssuer, type DevIssuer } from './tokens/dev-issuer.js';
import { Credentials } from './tokens/credentials.js';
import { Issuers } from './tokens/issuers.js';
import { checkKeys } from './tokens/keys.js';
import { ConfigError } from './model/faults.js';
import { TokenVerifier } from './tokens/verify.js';
import { openDatabase } from './database.js';
import { loadWorld, readWorld } from './world.js';

export interface Service extends Deciding {
  readonly config: Config;
  readonly database: Database;
  readonly relationships: Relationships;
  readonly entities: EntityStore;
  readonly decisions: DecisionStore;
  readonly revocations: RevocationStore;
  readonly issuers: Issuers;
  /** Of the deployment: signs page tokens, hashes masked values. */
  readonly secret: string;
  /** The client whose key has this SHA-256, in hex. */
  readonly clientOf: (keySha256: string) => Client | undefined;
  /** Only where no client is configured. */
  readonly devKey: string | undefined;
  /** Only with embedded engines on loopback. */
  readonly devIssuer: DevIssuer | undefined;
  readonly announce: (url: string) => void;
  readonly close: () => Promise<void>;
}

export interface Opening {
  readonly now?: () => Date;
  /** A line for the operator about an engine that went away or came back. */
  readonly log?: (line: string) => void;
}

/** @throws ConfigError, Locked; Fault where an engine doesn't start. Nothing stays open after a throw. */
export async function openService(config: Config, { now = () => new Date(), log }: Opening = {}): Promise<Service> {
  const rules = loadRules(readSources(config.sources));
  const world = config.world === undefined ? undefined : readWorld(config.world, rules);
  await checkKeys(config.issuers);
  const [misfit] = misfits(config, rules.vocabulary);
  if (misfit !== undefined) {
    const hint = misfit.suggestion === undefined ? '' : ` (${misfit.suggestion})`;
    throw new ConfigError(`${misfit.message}${hint}`, shown(config.file));
  }
  const lock = lockDirectory(config.data);
  const closers: (() => Promise<void>)[] = [];
  try {
    const database = await openDatabase(config, log);
    closers.push(() => database.close());
    await forgetHalfAWorld(database);
    const relationships = await openRelationships(rules.graph, config, database);
    closers.push(() => relationships.close());
    const entities = new EntityStore(database);
    if (world !== undefined && config.world !== undefined) {
      const { world: path } = config;
      await once(database, () => loadWorld(path, world, { relationships, entities }));
    }
    const devIssuer = config.development ? await openDevIssuer(config.data) : undefined;
    const issuers = new Issuers([...config.issuers, ...(devIssuer === undefined ? [] : [devIssuer.config])]);
    const revocations = new RevocationStore(database);
    const devKey = config.clients.length === 0 ? openDevKey(config.data) : undefined;
    const clients = new Map(
      [...config.clients, ...(devKey === undefined ? [] : [devClient(devKey)])].map((c) => [c.keySha256, c]),
    );
    return {
      config,
      database,
      rules: () => rules,
      credentials: new Credentials(new TokenVerifier(issuers), {
        revocations,
        entities,
        proofs: new ProofStore(database),
      }),
      issuers,
      revocations,
      secret: await secretOf(database),
      relationships,
      entities,
      decisions: new DecisionStore(database),
      now,
      deadlineMs: config.deadlineMs,
      clientOf: (hash) => clients.get(hash),
      devKey,
      devIssuer,
      announce: (url) => {
        lock.announce(url);
      },
      close: () => closeAll(closers, lock),
    };
  } catch (error) {
    await closeAll(closers, lock);
    throw error;
  }
}

async function openRelationships(graph: Graph, config: Config, database: Database): Promise<Relationships> {
  if (config.spicedb === undefined) return EmbeddedRelationships.start(graph, await Journal.open(database));
  // Its client takes a tenth of a second to load, which only those wait for who use it.
  const { ServerRelationships } = await import('./engines/spicedb/server.js');
  return ServerRelationships.start(graph, { ...config.spicedb, deadlineMs: config.deadlineMs });
}

/** A world whose loading was refused or interrupted leaves nothing: it is loaded anew, whatever it says by then. */
async function forgetHalfAWorld(database: Database): Promise<void> {
  const [rows] = await database.run([{ sql: `select 1 from meta where key = 'world' and value = 'loading'` }]);
  if (rows?.length === 0) return;
  await database.run([
    { sql: 'delete from entities' },
    { sql: 'delete from relationship_journal' },
    { sql: `delete from meta where key = 'world'` },
  ]);
}

/** Loads the world where the stores are empty. */
async function once(database: Database, load: () => Promise<void>): Promise<void> {
  const [rows] = await database.run([
    {
      sql: `select exists (select from meta where key = 'world') or exists (select from entities)
              or exists (select from relationship_journal) as filled`,
    },
  ]);
  if (rows?.[0]?.['filled'] === true) return;
  await database.run([{ sql: `insert into meta values ('world', 'loading')` }]);
  await load();
  await database.run([{ sql: `update meta set value = 'loaded' where key = 'world'` }]);
}

async function secretOf(database: Database): Promise<string> {
  const [rows] = await database.run([{ sql: `select value from meta where key = 'secret'` }]);
  return String(rows?.[0]?.['value']);
}

function openDevKey(directory: string): string {
  const file = join(directory, 'dev.key');
  if (!existsSync(file)) writeFileSync(file, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' });
  chmodSync(file, 0o600);
  return readFileSync(file, 'utf8').trim();
}

/** What a start without clients is tried out with: it may do everything, and listens on loopback only. */
function devClient(key: string): ConfiguredClient {
  return {
    id: 'dev',
    keySha256: sha256(key),
    may: new Set(PERMISSIONS),
    audience: undefined,
    resources: undefined,
    defaultMode: undefined,
    answers: 'full',
    rate: 1000,
  };
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

async function closeAll(closers: (() => Promise<void>)[], lock: Lock): Promise<void> {
  for (const close of [...closers].reverse()) await close().catch(() => undefined);
  lock.release();
}
