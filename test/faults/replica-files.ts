/** Files of a deployment whose replicas share one SpiceDB server and one PostgreSQL database. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { loadConfig } from '../../src/config/config.js';
import { readSources } from '../../src/config/files.js';
import { loadWorld, readWorldFile } from '../../src/config/world.js';
import { loadRules } from '../../src/policy/load.js';
import type { Service } from '../../src/service/service.js';
import { recordsIn } from '../support/record-values.js';
import type { RunningSpiceDb } from '../support/spicedb.js';

/**
 * Writes the configuration and the files beside it, and gives the server their schema.
 * @param file of the configuration
 * @param url of the database
 * @param config its members beside those of the engines, or in their place
 */
export async function writeReplicaFiles(
  file: string,
  files: Readonly<Record<string, string>>,
  { spicedb, url }: { readonly spicedb: RunningSpiceDb; readonly url: string },
  config: object,
): Promise<void> {
  const directory = dirname(file);
  const { endpoint, key: token } = spicedb.address;
  const shared = {
    listen: { port: 0 },
    schema: { relationships: 'schema.zed', actions: 'schema.cedarschema' },
    policies: 'policies',
    records: recordsIn(directory),
    database: { mode: 'postgres', url, connect_timeout_ms: 10_000, statement_timeout_ms: 20_000 },
    spicedb: { mode: 'server', endpoint, token, insecure_plaintext: true },
    issuers: [],
  };
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  writeFileSync(file, stringify({ ...shared, ...config }));
  await spicedb.schema(loadRules(readSources(loadConfig(file, {}).sources)).graph);
}

/** Loads `world.yaml` of the directory. */
export async function loadWorldIn(directory: string, { activePolicies, entities }: Service): Promise<void> {
  const world = join(directory, 'world.yaml');
  const { engine: relationships, rules } = activePolicies;
  await loadWorld(world, readWorldFile(world, rules), { relationships, entities });
}
