/** Starts reloading: on SIGHUP, and as policy files change. Changes that are not valid as a whole change nothing. `remit serve` calls it. */
import type { Config } from '../../config/config.js';
import { PolicyReader } from './reader.js';
import { fingerprintLoaded } from './snapshot.js';
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
  const { policies: mode, pollMs } = config.reload;
  const reloader = new Reloader(service, listeners, log);
  const reader = new PolicyReader({ sources: config.sources, world: config.world }, pollMs);
  const onSignal = (): void => void reloader.reloadConfig(readConfig, mode === 'off' ? undefined : () => reader.now());
  process.on('SIGHUP', onSignal);
  const unwatch =
    mode === 'watch'
      ? watchPolicies(
          reader,
          fingerprintLoaded(activePolicies.rules.sources, config.world),
          (candidate) => reloader.reloadPolicies(candidate),
          pollMs,
        )
      : () => undefined;
  return async () => {
    process.off('SIGHUP', onSignal);
    unwatch();
    await reader.close();
  };
}
