/** Starts reloading: on SIGHUP, and as policy files change. Changes that are not valid as a whole change nothing. `remit serve` calls it. */
import type { Config } from '../../config/config.js';
import { PolicyReader } from './reader.js';
import { readLoadedFiles } from './snapshot.js';
import { watchPolicies } from './watching.js';
import { Reloader, type RenewableListener, type ReloadTarget } from './apply.js';
import type { Log } from '../../telemetry/log.js';

/**
 * @param readConfig reads the configuration that the service was started with
 * @param log takes lines for the operator
 * @returns stops reloading
 */
export function startReloading(
  service: ReloadTarget,
  listeners: readonly RenewableListener[],
  readConfig: () => Config,
  log: Log,
): () => Promise<void> {
  const { config, activePolicies } = service;
  const { policies: mode, tests, pollMs } = config.reload;
  const paths = { sources: config.sources, world: config.world, approverRules: config.approvals };
  const loaded = readLoadedFiles(activePolicies.rules.sources, paths);
  const reloader = new Reloader(service, listeners, log, tests === 'required' ? loaded.suites : []);
  const reader = new PolicyReader(paths, pollMs, tests);
  const onSignal = (): void => void reloader.reloadConfig(readConfig, mode === 'off' ? undefined : () => reader.now());
  process.on('SIGHUP', onSignal);
  const unwatch =
    mode === 'watch'
      ? watchPolicies(reader, loaded.fingerprint, (candidate) => reloader.reloadPolicies(candidate), pollMs)
      : () => undefined;
  return async () => {
    process.off('SIGHUP', onSignal);
    unwatch();
    await reader.close();
  };
}
