/** A directory from which Remit starts: configuration, policies and, for embedded engines, the world. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../../../dist/config/config.js';
import { writePolicies } from '../worlds/policies.mjs';

const sample = (path) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

/** The configuration's path in a directory that {@link writeConfiguration} has written. */
export const configurationOf = (directory) => join(directory, 'remit.yaml');

/**
 * @param key of the client that asks
 * @param issuer of the tokens
 * @param world of embedded engines
 * @param servers SpiceDB and PostgreSQL, as servers.mjs has started them
 * @param consistency of `spicedb`, where it isn't the default
 */
export function writeConfiguration(directory, { key, issuer, policies, relevant, world, servers, consistency }) {
  mkdirSync(directory, { recursive: true });
  writePolicies(join(directory, 'policies'), { sample: sample('policies'), count: policies, relevant });
  if (world !== undefined)
    writeFileSync(
      join(directory, 'world.yaml'),
      JSON.stringify({ relationships: world.relationships.join('\n'), entities: [...world.entities()] }),
    );
  // Each question is asked as often as it can be, which the sample's limit on exports would end.
  const actions = readFileSync(sample('schema/acme.cedarschema'), 'utf8').replace(/^ *@limit\(.*\)\n/gm, '');
  writeFileSync(join(directory, 'actions.cedarschema'), actions);
  const engines =
    servers === undefined
      ? { world: 'world.yaml' }
      : {
          spicedb: {
            mode: 'server',
            endpoint: servers.spicedb.endpoint,
            token: servers.spicedb.key,
            insecure_plaintext: true,
            ...(consistency === undefined ? {} : { consistency }),
          },
          database: { mode: 'postgres', url: servers.database },
          records: { values: { key_file: 'values.key' } },
        };
  writeFileSync(join(directory, 'values.key'), randomBytes(32).toString('base64'), { mode: 0o600 });
  // JSON is YAML too.
  writeFileSync(
    configurationOf(directory),
    JSON.stringify({
      listen: { host: '127.0.0.1', port: 0 },
      schema: { relationships: sample('schema/acme.zed'), actions: 'actions.cedarschema' },
      policies: 'policies',
      data: 'data',
      // On a machine that others use as well, a server may take longer than a decision's second.
      limits: { deadline_ms: 10_000, agent_rate: 1_000_000 },
      issuers: [issuer.configured],
      clients: [
        {
          id: 'bench',
          key_sha256: createHash('sha256').update(key).digest('hex'),
          may: ['evaluate', 'filter', 'search'],
          rate: 1_000_000,
          supported_obligations: ['mask', 'visible_fields', 'notification'],
        },
      ],
      ...engines,
    }),
  );
}

/** Whether this Remit takes the configuration, and if not, why. No environment: a REMIT_… must not lead elsewhere. */
export function refusal(directory) {
  try {
    loadConfig(configurationOf(directory), {});
    return undefined;
  } catch (error) {
    return error.message;
  }
}
