/** A world into servers: tables and schema by `remit migrate`, relationships by SpiceDB's import, entities by Remit's store. */
import { v1 } from '@authzed/authzed-node';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { loadConfig } from '../../../dist/config/config.js';
import { openDatabase } from '../../../dist/service/open-database.js';
import { createAuthzedClient } from '../../../dist/graph/server/grpc-client.js';
import { toProtoUpdate } from '../../../dist/graph/protobuf.js';
import { parseRelationship } from '../../../dist/graph/relationship-text.js';
import { EntityStore } from '../../../dist/store/entities.js';
import { configurationOf } from './configuration.mjs';

const MAIN = fileURLToPath(new URL('../../../dist/main.js', import.meta.url));
/** Of one message of an import, and of one statement. */
const GROUP = 1000;
/** Of one import: SpiceDB gives each half a minute. */
const CALL = 25_000;
/** By gRPC's numbers. */
const [UNAVAILABLE, ALREADY_EXISTS] = [14, 6];

/** @returns seconds that relationships and entities took */
export async function loadServers(directory, world, servers) {
  const config = configurationOf(directory);
  execFileSync(process.execPath, [MAIN, 'migrate', '--config', config], { stdio: ['ignore', 'ignore', 'inherit'] });
  const relationships = await timed(() => importRelationships(servers.spicedb, world.relationships));
  const entities = await timed(() => importEntities(config, world.entities()));
  // What the databases learn of their tables by themselves within minutes.
  for (const url of [servers.graphDatabase, servers.database]) await analyze(url);
  return { relationships, entities };
}

async function importRelationships({ endpoint, key }, texts) {
  const client = createAuthzedClient({ endpoint, key, ca: undefined, plaintext: true });
  try {
    for (let from = 0; from < texts.length; from += CALL) {
      const some = texts.slice(from, from + CALL);
      await importSome(client, some).catch(async (error) => {
        if (error.code !== UNAVAILABLE) throw error;
        // A busy server refuses, or its word is lost: where the transaction was made, the second one meets it.
        await importSome(client, some).catch((again) => {
          if (again.code !== ALREADY_EXISTS) throw again;
        });
      });
    }
  } finally {
    client.close();
  }
}

/** In one call, which is one transaction. */
async function importSome(client, texts) {
  let call;
  const loaded = new Promise((resolve, reject) => {
    call = client.importBulkRelationships((error, response) =>
      error ? reject(error) : resolve(Number(response.numLoaded)),
    );
  });
  // A stream that fails ends the promise above.
  call.on('error', () => undefined);
  for (let from = 0; from < texts.length; from += GROUP) {
    const relationships = texts
      .slice(from, from + GROUP)
      .map((text) => toProtoUpdate({ operation: 'create', relationship: parseRelationship(text) }).relationship);
    const more = call.write(v1.ImportBulkRelationshipsRequest.create({ relationships }));
    if (!more) await Promise.race([once(call, 'drain'), loaded]);
  }
  call.end();
  const count = await loaded;
  if (count !== texts.length) throw new Error(`${count} of ${texts.length} relationships were loaded`);
}

async function importEntities(config, entities) {
  const database = await openDatabase(loadConfig(config, {}));
  try {
    const store = new EntityStore(database);
    let group = [];
    for (const entity of entities) {
      group.push({ parents: [], ...entity });
      if (group.length < GROUP) continue;
      await store.put(group);
      group = [];
    }
    if (group.length > 0) await store.put(group);
  } finally {
    await database.close();
  }
}

async function analyze(url) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('vacuum analyze');
  await client.query('checkpoint');
  await client.end();
}

async function timed(work) {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}
