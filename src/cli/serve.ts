/** `remit serve`: the service, from its start to the signal that stops it. */
import { destination } from 'pino';
import { loadConfig, type Config } from '../config/config.js';
import { openListeners, type OpenListeners } from '../http/listen.js';
import { drainService, waitForStopSignal } from '../http/shutdown.js';
import { startReloading } from '../service/reload/start-reloading.js';
import { requirePassingTests } from '../service/reload/require-tests.js';
import { openService, type Service } from '../service/service.js';
import { ConfigError } from '../model/faults.js';
import { openLog, type Log, type ServiceLog } from '../telemetry/log.js';
import { defineCommand } from './command/define-command.js';
import { findExampleRequest } from './example-request.js';
import { CONFIG_OPTION } from './command/option-values.js';
import { printJsonLine } from './print/terminal.js';
import { welcomeText } from './print/welcome.js';

export const serveCommand = defineCommand({
  name: 'serve',
  description: `
    Starts the service and prints a request to try it with. On SIGINT and SIGTERM it finishes the requests that it has
    accepted, and on a second one it ends at once; on SIGHUP it reads clients, issuers and certificates again. Policies
    and schemas are replaced when their files change, where they are valid, their tests pass and no restriction is given
    up; SIGHUP takes what gives one up (reload in the configuration).

    The environment variables REMIT_HOST, REMIT_PORT and REMIT_DATA override the configuration.`,
  options: {
    config: CONFIG_OPTION,
    json: { description: 'prints one line of JSON, {"url", "admin_url", "policy_version"}, once it listens' },
  },
  exitCodes: {
    0: 'it was stopped by a signal',
    1: 'an embedded engine was lost: start it again',
    2: "it can't start, or has lost the data directory",
  },
  examples: ['remit serve', 'remit serve --config company/remit.yaml'],
  run: async ({ options }) => {
    // Whatever it makes is its user's alone, in whichever thread: files of the database, sockets of embedded engines.
    process.umask(0o077);
    const config = loadConfig(options.config);
    const { logger, log } = openServiceLog(config);
    for (const warning of config.warnings) log(warning, { event: 'note' });
    const service = await openTestedService(config, log);
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
    const url = main.app.getBaseUrl();
    const stopReloading = startReloading(service, listeners.all, () => loadConfig(options.config), log);
    const { version } = service.activePolicies.rules;
    if (options.json) printJsonLine({ url, admin_url: admin?.address, policy_version: version });
    else {
      const example = await findExampleRequest(service, main.app);
      process.stdout.write(welcomeText(service, url, admin?.address, example, options.config));
    }
    logger.info({ event: 'listening', url, policy_version: version }, 'listening');
    const signal = await stopping;
    await stopReloading();
    logger.info({ event: 'stopping' }, 'stopping');
    const apps = listeners.all.map(({ app }) => app);
    if (!(await drainService(apps, service, config.shutdown, signal)))
      log('stopped before everything was finished', { event: 'cut_short' });
    return 0;
  },
});

/**
 * Opens the service while the tests of its policies run.
 * @throws ConfigError also where a test fails, or the files have changed in between
 */
async function openTestedService(config: Config, log: Log): Promise<Service> {
  const testing = requirePassingTests(config);
  // A start that fails first has its own error.
  testing.catch(() => undefined);
  const service = await openService(config, {
    log,
    onLockLost: () => {
      log('the lock of the data directory was lost, so this process ends before it answers anything more', {
        event: 'lock_lost',
      });
      process.exit(2);
    },
    onEngineLost: (engine, reason) => {
      const name = engine === 'database' ? 'database' : 'SpiceDB';
      log(
        `the embedded ${name} was lost, so this process ends; start it again, nothing acknowledged is lost: ${reason}`,
        {
          event: 'engine_lost',
          engine: name.toLowerCase(),
          reason,
        },
      );
      process.exit(1);
    },
  });
  try {
    const version = (await testing) ?? service.activePolicies.rules.version;
    if (version !== service.activePolicies.rules.version)
      throw new ConfigError('the policies have changed while they were read: start again');
    return service;
  } catch (error) {
    await service.close();
    throw error;
  }
}

/** The log on standard error, since standard output has the answer of the command. */
function openServiceLog({ logs, spicedb }: Config): ServiceLog {
  const terminalFormat = process.stderr.isTTY ? 'text' : 'json';
  const format = logs.format === 'auto' ? terminalFormat : logs.format;
  const secrets = spicedb === undefined ? [] : [spicedb.key];
  return openLog({ format, level: logs.level }, destination({ dest: 2, sync: true }), secrets);
}
