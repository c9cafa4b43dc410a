/** `remit serve`: the service, until it is told to stop. */
import { destination } from 'pino';
import { loadConfig, type Config } from '../config/config.js';
import { displayPath } from '../config/files.js';
import { databaseAddress } from '../store/database/postgres-connection.js';
import { DELEGATOR_RELATION } from '../policy/schema/vocabulary.js';
import { openService, type Service } from '../service/service.js';
import { openLog, type ServiceLog } from '../telemetry/log.js';
import { readOptions, UsageError, type Command } from './command.js';
import { startReloading } from '../service/reload/start-reloading.js';
import { drainService, waitForStopSignal } from '../http/shutdown.js';
import { openListeners, type OpenListeners } from '../http/listen.js';

const HELP = `
Usage: remit serve [--config FILE] [--json]

Starts the service and prints how to ask it something. On SIGINT and SIGTERM it finishes what is under way, and
on a second one it ends at once; on SIGHUP it reads clients, issuers and certificates again.
Policies and schemas are taken as their files change, where they are valid (reload in the configuration).

  --config FILE   the configuration (default: REMIT_CONFIG, or the sample's)
  --json          prints one line of JSON once it listens

Environment: REMIT_HOST, REMIT_PORT, REMIT_DATA override the configuration.
`;

export const serveCommand: Command = {
  help: HELP,
  run: async (args) => {
    const { values, positionals } = readOptions(args, {
      config: { type: 'string' },
      json: { type: 'boolean', default: false },
    });
    if (positionals.length > 0)
      throw new UsageError(`"${positionals[0] ?? ''}" is not understood; see remit serve --help`);
    const config = loadConfig(values.config);
    const { logger, log } = openServiceLog(config);
    for (const note of config.warnings) log(note, { event: 'note' });
    const service = await openService(config, { log });
    const stopping = waitForStopSignal();
    let listeners: OpenListeners;
    try {
      listeners = await openListeners(service, logger);
      service.announce(listeners.main.address);
    } catch (error) {
      await service.close();
      throw error;
    }
    const { main, admin } = listeners;
    const url = main.app.base();
    const stopReloads = startReloading(service, listeners.all, () => loadConfig(values.config), log);
    logger.info({ event: 'listening', url, policy_version: service.rules().version }, 'listening');
    process.stdout.write(
      values.json
        ? `${JSON.stringify({ url, admin_url: admin?.address, policy_version: service.rules().version })}\n`
        : await welcomeText(service, url, admin?.address),
    );
    const signal = await stopping;
    await stopReloads();
    logger.info({ event: 'stopping' }, 'stopping');
    const apps = listeners.all.map(({ app }) => app);
    if (!(await drainService(apps, service, config.shutdown, signal)))
      log('stopped before everything was finished', { event: 'cut_short' });
    return 0;
  },
};

/** On standard error, where a person sees it and a collector takes it: what is asked for is on standard output. */
function openServiceLog({ logs: { format, level }, spicedb }: Config): ServiceLog {
  const resolved = format === 'auto' ? (process.stderr.isTTY ? 'text' : 'json') : format;
  const secrets = spicedb === undefined ? [] : [spicedb.key];
  return openLog({ format: resolved, level }, destination({ dest: 2, sync: true }), secrets);
}

/** What a newcomer sees: a request that can be pasted, with a key and a fresh token. */
async function welcomeText(service: Service, url: string, admin: string | undefined): Promise<string> {
  const { config, devKey, devIssuer } = service;
  const lines = [
    `Remit is listening on ${url}`,
    `  configuration ${displayPath(config.file)}, data in ${config.database.mode === 'embedded' ? `${displayPath(config.data)}/` : databaseAddress(config.database)}`,
  ];
  const { policies, version } = service.rules();
  const reloadNote = config.reload.policies === 'watch' ? ', followed as they change' : '';
  lines.push(
    `  policies      ${policies.size} in ${displayPath(config.sources.policies)}/, version ${version.slice(0, 12)}${reloadNote}`,
  );
  if (admin !== undefined) lines.push(`  administration ${admin}, and only there`);
  if (devKey !== undefined)
    lines.push(`  no client is configured: development key ${devKey} (also in ${displayPath(config.data)}/dev.key)`);
  if (devIssuer !== undefined)
    lines.push('  the development issuer is active (loopback): `remit token` mints for anybody');
  lines.push(`  reference     ${url}/docs`);
  const example = devKey === undefined || devIssuer === undefined ? undefined : await exampleRequest(service);
  if (example !== undefined && devKey !== undefined) {
    lines.push(
      '',
      `Ask it: ${example.question} The token lasts an hour.`,
      '',
      `curl -s ${url}/access/v1/evaluation \\`,
      `  -H 'Authorization: Bearer ${devKey}' \\`,
      `  -H 'Content-Type: application/json' \\`,
      `  -d '${JSON.stringify(example.body)}'`,
    );
  }
  return `${lines.join('\n')}\n\n`;
}

/** A question that this world can answer: some delegation of its graph, and an action, a read before any other. */
async function exampleRequest(service: Service): Promise<{ question: string; body: object } | undefined> {
  const { vocabulary } = service.rules();
  const { agentObject, userObject } = vocabulary;
  if (agentObject === undefined || userObject === undefined) return undefined;
  const delegations = await service.relationships
    .read({ resourceType: agentObject, relation: DELEGATOR_RELATION, subjectType: userObject }, 20)
    .catch(() => []);
  const actions = vocabulary.actions.toSorted((a, b) => Number(b.name === 'read') - Number(a.name === 'read'));
  for (const action of actions) {
    for (const { resource: agent, subject: user } of delegations) {
      const [type] = action.resourceTypes;
      if (type === undefined || action.consent !== undefined) continue;
      const resource = await findReachableResource(service, type.object, action.permission, user);
      if (resource === undefined) continue;
      const token = await service.devIssuer?.mint({
        user: user.id,
        agent: agent.id,
        scope: action.scope,
        ttlSeconds: 3600,
        now: service.now(),
      });
      return {
        question: `may ${agent.id} do this for ${user.id}: ${action.title} (${resource.type} ${resource.id})?`,
        body: {
          subject: { type: user.type, id: user.id },
          action: { name: action.name },
          resource,
          context: { token },
        },
      };
    }
  }
  return undefined;
}

async function findReachableResource(
  service: Service,
  type: string,
  permission: string,
  user: { type: string; id: string },
): Promise<{ type: string; id: string } | undefined> {
  const relationships = await service.relationships.read({ resourceType: type }, 500).catch(() => []);
  const resources = [...new Map(relationships.map((r) => [r.resource.id, r.resource])).values()].slice(0, 100);
  const answers = await service.relationships.check(
    resources.map((resource) => ({ resource, permission, subject: user, explain: true })),
    'full',
  );
  // The longest path tells most.
  const length = (i: number): number => {
    const answer = answers[i];
    return answer?.result === 'yes' ? (answer.path?.length ?? 1) : 0;
  };
  const bestIndex = resources.map((_, i) => i).reduce((a, b) => (length(b) > length(a) && length(b) <= 2 ? b : a), 0);
  return length(bestIndex) > 0 ? resources[bestIndex] : undefined;
}
